//! Go's own results for a table of templates: texts exactly, errors by place, expression and wording.

use gotemplate::{Execution, Template};
use serde_json::Value as Json;

use crate::data::{functions, root};

/// Where our wording differs from Go's on purpose: Go's shows data, an accident of its reflection, or less than we know.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("index out of range: 9", "index out of range"),
    ("index out of range: -1", "index out of range"),
    ("reflect: slice index out of range", "index out of range"),
    ("invalid slice index: 3 > 1", "invalid slice index"),
    (
        "can't evaluate field Nmae in type interface {}",
        "can't evaluate field Nmae in type *main.Pool (did you mean \"Name\"?)",
    ),
    (
        "can't evaluate field x in type interface {}",
        "can't evaluate field x in type int",
    ),
    (
        "nil pointer evaluating interface {}.x",
        "nil data; no entry for key \"x\"",
    ),
    (
        "nil pointer evaluating interface {}.z",
        "nil data; no entry for key \"z\"",
    ),
    (
        "reflect: call of reflect.Value.Type on zero Value",
        "len of nil pointer",
    ),
    (
        "non-comparable type [eu-a eu-b]: []string",
        "non-comparable type []string",
    ),
    (
        "can't use 3 to iterate over more than one variable",
        "can't use a value of type int to iterate over more than one variable",
    ),
    (
        "range can't iterate over abc",
        "range can't iterate over a value of type string",
    ),
    (
        "range can't iterate over true",
        "range can't iterate over a value of type bool",
    ),
    ("of type func(string, int) string", "of type func"),
    ("unexpected <define> in command", "unexpected {{define}}"),
    ("template: multiple definition", "multiple definition"),
    ("unclosed left paren", "expected RightParen, got RightDelim (\"\")"),
    (
        "unexpected right paren",
        "expected closing delimiter, got RightParen (\")\")",
    ),
    (
        "too many declarations in command",
        "cannot assign 2 variables outside a range pipeline",
    ),
];

fn render(template: &str) -> Result<String, String> {
    let functions = functions();
    let parsed = Template::parse("t", template, &functions).map_err(|error| format!("parse {error}"))?;
    Execution::new(&parsed, &functions)
        .run(&root())
        .map_err(|error| error.to_string())
}

/// `t:1: text` of Go and `t:1:7: text` of ours, without the column and in our words.
fn without_column(error: &str) -> String {
    let mut parts: Vec<&str> = error.splitn(5, ':').collect();
    if parts.len() == 5 && parts[3].parse::<usize>().is_ok() {
        parts.remove(3);
    }
    parts.join(":")
}

fn check(case: &Json) -> Option<String> {
    let template = case["template"].as_str().unwrap();
    let ours = render(template);
    let (expected, agrees) = if let Some(text) = case["text"].as_str() {
        (text.to_owned(), ours.as_deref() == Ok(text))
    } else if let Some(error) = case["error"].as_str() {
        let expected = OTHER_WORDS
            .iter()
            .fold(error.to_owned(), |text, (go, own)| text.replace(go, own));
        let agrees = ours.as_ref().is_err_and(|ours| *ours == expected);
        (expected, agrees)
    } else {
        let error = case["parse_error"].as_str().unwrap();
        let expected = OTHER_WORDS
            .iter()
            .fold(format!("parse {error}"), |text, (go, own)| text.replace(go, own));
        let agrees = ours.as_ref().is_err_and(|ours| without_column(ours) == expected);
        (expected, agrees)
    };
    (!agrees).then(|| format!("{template:?}\n  Go:   {expected:?}\n  ours: {ours:?}"))
}

/// What Go takes and we refuse, each for a reason.
const STRICTER: &[(&str, &str)] = &[
    // A bar with nothing after it is a forgotten command.
    ("{{ print | }}", "t:1:11: missing value for command"),
    // Go finds the misspelt name only when the assignment is reached.
    ("{{ if .no }}{{ $z = 1 }}{{ end }}", "t:1:15: undefined variable \"$z\""),
    // No manifest holds complex numbers.
    ("{{ 1i }}", "t:1:4: complex numbers are not supported"),
    // The parser of actions reads digits before it looks at the sign.
    (
        "{{ -9223372036854775808 }}",
        "t:1:23: decimal integer literal overflows u64",
    ),
];

#[test]
fn is_stricter_than_go_on_purpose() {
    for (template, expected) in STRICTER {
        assert_eq!(
            render(template),
            Err(format!("parse template: {expected}")),
            "{template}"
        );
    }
}

#[test]
fn renders_and_fails_as_go_does() {
    let cases: Vec<Json> = serde_json::from_str(include_str!("../data/go.json")).unwrap();
    assert!(cases.len() >= 320, "the table is there");
    let wrong: Vec<String> = cases.iter().filter_map(check).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
