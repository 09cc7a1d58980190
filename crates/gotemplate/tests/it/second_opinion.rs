//! The executor of `gotmpl`, an independent reading of the same language, on map data.

use gotemplate::{Execution, Functions, Map, Template, Value};
use gotmpl::{MissingKey, tmap};
use proptest::prelude::*;

fn ours(text: &str) -> Option<String> {
    let data = Value::from(Map::new([
        ("a", Value::from("one")),
        ("b", Value::from("")),
        ("n", Value::from(3)),
        ("m", Map::new([("k", Value::from("v"))]).into()),
    ]));
    let functions = Functions::new();
    let template = Template::parse("t", text, &functions).ok()?;
    Execution::new(&template, &functions).run(&data).ok()
}

fn theirs(text: &str) -> Option<String> {
    let data = tmap! { "a" => "one", "b" => "", "n" => 3_i64, "m" => tmap! { "k" => "v" } };
    gotmpl::Template::new("t")
        .missing_key(MissingKey::Error)
        .parse(text)
        .ok()?
        .execute_to_string(&data)
        .ok()
}

fn operand() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        ".a",
        ".b",
        ".n",
        ".m.k",
        "\"x\"",
        "1",
        "7",
        "true",
        "(len .a)",
        "(index .m \"k\")",
        "(print .a 1)",
    ])
    .prop_map(str::to_owned)
}

fn action() -> impl Strategy<Value = String> {
    prop_oneof![
        operand().prop_map(|a| format!("{{{{ {a} }}}}")),
        (operand(), operand()).prop_map(|(a, b)| format!("{{{{ print {a} {b} }}}}")),
        (operand(), operand()).prop_map(|(a, b)| format!("{{{{ eq {a} {b} }}}}")),
        (operand(), operand()).prop_map(|(a, b)| format!("{{{{- or {a} {b} | printf \"%v-\" -}}}}")),
        (operand(), operand(), operand()).prop_map(|(a, b, c)| format!(
            "{{{{ if {a} }}}} {b} {{{{- else if and {b} {c} }}}}{{{{ {c} }}}}{{{{ end }}}}"
        )),
        (operand(), operand())
            .prop_map(|(a, b)| format!("{{{{ with {a} }}}}{{{{ . }}}}{{{{ else }}}}{{{{ {b} }}}}{{{{ end }}}}")),
        operand().prop_map(|a| format!(
            "{{{{ range $i := 3 }}}}{{{{ if eq $i 2 }}}}{{{{ break }}}}{{{{ end }}}} {{{{ {a} }}}}{{{{ end }}}}"
        )),
        operand().prop_map(|a| format!("{{{{ $v := {a} }}}}{{{{ if $v }}}}{{{{ $v = 2 }}}}{{{{ end }}}}{{{{ $v }}}}")),
        Just(" text \n ".to_owned()),
    ]
}

proptest! {
    #[test]
    fn both_engines_agree(actions in prop::collection::vec(action(), 1..6)) {
        let text = actions.concat();
        prop_assert_eq!(ours(&text), theirs(&text), "{}", text);
    }
}
