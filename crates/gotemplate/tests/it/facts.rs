//! The facts about the template language, by number; those about functions are with their functions.

use gotemplate::{Execution, Map, Template, Value};

use crate::data::functions;

fn check(template: &str, expected: &str) {
    let items = Map::strings([("yes", "false"), ("empty", ""), ("zones", "b,a")]);
    let data = Value::from(Map::new([
        ("Items", Value::from(items)),
        ("b", Value::from(2)),
        ("a", Value::from(1)),
    ]));
    let functions = functions();
    let parsed = Template::parse("t", template, &functions).unwrap();
    let found = Execution::new(&parsed, &functions)
        .run(&data)
        .map_err(|error| error.to_string());
    match found {
        Ok(text) => assert_eq!(text, expected, "{template}"),
        Err(error) => assert!(error.contains(expected), "{template}: {error}"),
    }
}

#[test]
fn fact_16_truth_of_texts() {
    check("{{ if .Items.yes }}true{{ end }}", "true");
    check("{{ if .Items.empty }}true{{ else }}false{{ end }}", "false");
}

#[test]
fn fact_17_missing_keys() {
    check("{{ .Items.none }}", "map has no entry for key \"none\"");
    check("[{{ index .Items \"none\" }}]", "[]");
}

#[test]
fn fact_18_and_or_stop() {
    check("{{ or 1 (fail \"x\") }}{{ and 0 (fail \"x\") }}", "10");
    check("{{ or 0 (fail \"x\") }}", "error calling fail");
}

#[test]
fn fact_19_eq_print_and_pipes() {
    check("{{ eq 1 2 1 }}", "true");
    check("{{ print 1 2 \"a\" \"b\" 3 4 }}", "1 2ab3 4");
    check("{{ \"last\" | printf \"%s %s\" \"first\" }}", "first last");
}

#[test]
fn fact_20_ranges_go_in_key_order() {
    check("{{ range $k, $v := .Items }}{{ $k }} {{ end }}", "empty yes zones ");
}

#[test]
fn fact_21_assignments_and_declarations() {
    check("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2");
    check("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1");
}

#[test]
fn fact_23_trim_marks() {
    check("a \n {{- /* c */ -}} \n b", "ab");
    check("a \n {{- 1 -}} \n b", "a1b");
    check("a {{/* c */}} b", "a  b");
}

#[test]
fn fact_24_actions_in_yaml_comments() {
    check("# {{ .a }}\n#{{ if true }}\nx: y\n#{{ end }}", "# 1\n#\nx: y\n#");
}

#[test]
fn fact_25_raw_texts_hold_marks() {
    check("{{ `{{ .x }}` }}", "{{ .x }}");
    check("{{ \"{{ .x }}\" }}", "{{ .x }}");
}

#[test]
fn fact_26_templates_defined_later() {
    check(
        "{{ template \"x\" .Items }}{{ define \"x\" }}{{ if index . \"none\" }}there{{ else }}absent{{ end }}{{ end }}",
        "absent",
    );
}
