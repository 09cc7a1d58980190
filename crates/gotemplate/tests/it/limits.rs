//! Hostile templates end in an error, not in a hang, a crash or a full memory.

use gotemplate::{ErrorKind, Execution, LimitExceeded, Limits, ReadSet, Template, Value};

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
        "{{ $x := \"a\" }}{{ range 17 }}{{ $x = list $x $x }}{{ end }}{{ $x }}",
        small,
        LimitExceeded::Output(1_000),
    );
}

/// Go takes widths and precisions up to a million; Rust's own formatting panics beyond 65535.
#[test]
fn enormous_precisions_are_no_panic() {
    let functions = functions();
    for (format, argument, length) in [
        ("%.70000f", "1.5", 70_002),
        ("%.70000e", "1.5", 70_006),
        ("%.70000g", "1.5", 3),
        ("%#.70000g", "1.5", 70_001),
        ("%.70000x", "1.5", 70_008),
        ("%.70000U", "5", 70_002),
        ("%070000.2f", "5.5", 70_000),
        ("%070000d", "5", 70_000),
        ("%.70000d", "5", 70_000),
        ("%70000v", ".nothing", 70_000),
        ("%1000000s", "1", 1_000_009),
        ("%1000001d", "1", 25),
        ("%.999999999999999999999d", "1", 25),
    ] {
        let text = format!("{{{{ printf {format:?} {argument} }}}}");
        let parsed = Template::parse("t", text.as_str(), &functions).unwrap();
        let printed = Execution::new(&parsed, &functions).run(&root()).unwrap();
        assert_eq!(printed.len(), length, "{text}: {}", &printed[..printed.len().min(60)]);
    }
}

#[test]
fn work_without_output_is_counted() {
    let small = Limits {
        steps: 10_000,
        ..Limits::default()
    };
    let steps = LimitExceeded::Steps(10_000);
    let doubled = "{{ $x := \"a\" }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}";
    // Neither prints the list, but recording what is read would walk all of it.
    check(&format!("{doubled}{{{{ printf \"%T\" $x }}}}"), small, steps);
    check(&format!("{doubled}{{{{ printf \"%[2]d\" $x 1 }}}}"), small, steps);
    let long = "{{ $a := printf \"%1000000d\" 1 }}{{ $b := printf \"%1000000d\" 1 }}";
    check(
        &format!("{long}{{{{ range 9000 }}}}{{{{ $c := eq $a $b }}}}{{{{ end }}}}"),
        small,
        steps,
    );
    let arguments = " 1".repeat(5_000);
    check(
        &format!("{{{{ range 9 }}}}{{{{ $x := list{arguments} }}}}{{{{ end }}}}"),
        small,
        steps,
    );
    let slots = "{{ $v := 1 }}".repeat(20_000);
    check(
        &format!(
            "{{{{ define \"a\" }}}}{{{{ if . }}}}{slots}{{{{ end }}}}{{{{ end }}}}{{{{ range 9000 }}}}{{{{ template \"a\" false }}}}{{{{ end }}}}"
        ),
        small,
        steps,
    );
    let copies = Limits {
        produced_bytes: 10_000,
        ..Limits::default()
    };
    check(
        "{{ range 10000 }}{{ $x := slice $.azs }}{{ end }}",
        copies,
        LimitExceeded::Produced(10_000),
    );
}

#[test]
fn recorded_executions_are_bounded_too() {
    let functions = functions();
    let text = "{{ $x := \"a\" }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}";
    let parsed = Template::parse("t", text, &functions).unwrap();
    let mut reads = ReadSet::new();
    let error = Execution::new(&parsed, &functions)
        .recorder(&mut reads)
        .run(&root())
        .unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Limit(LimitExceeded::Steps(_))),
        "{error}"
    );
}

/// Each of these took minutes or more: quadratic look-ups of variables and edit distances between megabytes.
#[test]
fn long_texts_are_parsed_in_linear_time() {
    let functions = functions();
    let many = "{{ $first := 1 }}".to_owned() + &"{{ $other := 1 }}".repeat(60_000) + &"{{ $first }}".repeat(60_000);
    let parsed = Template::parse("t", many, &functions).unwrap();
    assert_eq!(
        Execution::new(&parsed, &functions).run(&Value::Nil).unwrap().len(),
        60_000
    );
    let (left, right) = ("a".repeat(3_000_000), "b".repeat(3_000_000));
    let unknown = format!("{{{{ define {left:?} }}}}x{{{{ end }}}}{{{{ template {right:?} }}}}");
    let parsed = Template::parse("t", unknown, &functions).unwrap();
    let error = Execution::new(&parsed, &functions).run(&Value::Nil).unwrap_err();
    assert!(matches!(
        error.kind,
        ErrorKind::UnknownTemplate { suggestion: None, .. }
    ));
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
