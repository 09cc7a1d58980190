//! Hostile templates end in an error, not in a hang, a crash or a full memory.

use gotemplate::{ErrorKind, Execution, LimitExceeded, Limits, Template, Value};

use crate::data::{functions, root};

fn check(template: &str, limits: Limits, expected: LimitExceeded) {
    let functions = functions();
    let parsed = Template::parse("t", template, &functions).unwrap();
    let error = Execution::new(&parsed, &functions)
        .limits(limits)
        .run(&root())
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit(expected), "{template}");
}

#[test]
fn executions_are_bounded() {
    let small = Limits {
        steps: 10_000,
        output_bytes: 1_000,
        produced_bytes: 10_000,
        depth: 50,
        value_depth: 20,
    };
    check("{{ range 1000000000 }}{{ end }}", small, LimitExceeded::Steps(10_000));
    check(
        "{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}",
        small,
        LimitExceeded::Steps(10_000),
    );
    check("{{ range 2000 }}x{{ end }}", small, LimitExceeded::Output(1_000));
    check(
        "{{ $x := \"ab\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}",
        small,
        LimitExceeded::Produced(10_000),
    );
    check("{{ printf \"%1000000d\" 1 }}", small, LimitExceeded::Produced(10_000));
    check(
        "{{ html (printf \"%9000d\" 1) }}",
        small,
        LimitExceeded::Produced(10_000),
    );
    check(
        "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        small,
        LimitExceeded::Depth(50),
    );
    check(
        "{{ $x := 1 }}{{ range 1000 }}{{ $x = list $x }}{{ end }}",
        small,
        LimitExceeded::ValueDepth(20),
    );
    check(
        "{{ $x := \"a\" }}{{ range 19 }}{{ $x = list $x $x }}{{ end }}{{ $x }}",
        small,
        LimitExceeded::Output(1_000),
    );
}

#[test]
fn the_default_depth_fits_the_stack() {
    let limits = Limits::default();
    let nested =
        "{{ if true }}".repeat(40) + "{{ template \"a\" (print (print (print .))) }}" + &"{{ end }}".repeat(40);
    let template = format!("{{{{ define \"a\" }}}}{nested}{{{{ end }}}}{{{{ template \"a\" 1 }}}}");
    check(&template, limits, LimitExceeded::Depth(limits.depth));
}

#[test]
fn nesting_is_refused_by_the_parser() {
    let functions = functions();
    for text in [
        "{{ if true }}".repeat(5_000) + &"{{ end }}".repeat(5_000),
        format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)),
        "{{ block \"a\" . }}".repeat(5_000),
    ] {
        assert!(Template::parse("t", text, &functions).is_err());
    }
}

#[test]
fn long_chains_are_no_nesting() {
    let functions = functions();
    let chain = "{{ if .no }}a".to_owned() + &"{{ else if .no }}b".repeat(20_000) + "{{ else }}c{{ end }}";
    let parsed = Template::parse("t", chain, &functions).unwrap();
    assert_eq!(Execution::new(&parsed, &functions).run(&root()).unwrap(), "c");
    let piped = "{{ 1".to_owned() + &" | print".repeat(5_000) + " }}";
    let parsed = Template::parse("t", piped, &functions).unwrap();
    assert_eq!(Execution::new(&parsed, &functions).run(&Value::Nil).unwrap(), "1");
}

#[test]
fn templates_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Template>();
    is_shared::<Value>();
    is_shared::<gotemplate::Functions>();
}
