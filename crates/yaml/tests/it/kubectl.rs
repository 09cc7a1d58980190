//! The results of kubectl's own reader (`sigs.k8s.io/yaml`) for a table of texts.

use serde_json::Value;
use yaml::{Options, load_documents};

/// How our reader differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    Reads,
    Refuses,
    ReadsMore,
}

use Otherwise::{Reads, ReadsMore, Refuses};

/// Where we differ, and why that is right or harmless. Not in the table, because no manifest has them: a next-line or line-separator
/// character is no line break here, `[?x]` is a word and not a key, keys beyond 63 bits are read, `!!timestamp` is not checked, a
/// continued quoted text must stand deeper than its key and not behind a tab, and invalid text in `!!binary` is refused.
const OTHERWISE: &[(&str, Otherwise)] = &[
    // A tab after the indentation of a block is text by the specification, and a leading tab on the first line is harmless.
    ("a: |\n  \tx\n", Reads),
    ("\ta: b\n", Reads),
    // kubectl cuts a stream at lines that begin with three dashes before it parses.
    ("--- a\n--- b\n", Reads),
    // It drops what follows the end mark of a document in silence.
    ("a: 1\n...\nb: 2\n", ReadsMore),
    // The specification wants a space before a comment; the refusal names the place.
    ("a: 'b'#c\n", Refuses),
];

/// Numbers as every reader of JSON sees them: `1e3` and `1000` are one, and so are two spellings of a large float.
fn plain_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none() && number.as_u64().is_none() => number
            .as_f64()
            .map_or(Value::Null, |float| Value::from(format!("float {float:e}"))),
        Value::Array(items) => items.iter().map(plain_numbers).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), plain_numbers(value)))
            .collect(),
        other => other.clone(),
    }
}

fn check(case: &Value) -> Option<String> {
    let text = case["text"].as_str().unwrap();
    let ours = load_documents(text, &Options::manifests());
    let expected = case.get("documents").map(plain_numbers);
    let found = ours
        .as_ref()
        .ok()
        .map(|documents| plain_numbers(&documents.iter().map(|document| document.value.clone()).collect()));
    let known = OTHERWISE.iter().find(|(known, _)| *known == text);
    let agrees = match known {
        Some((_, Reads)) => expected.is_none() && found.is_some(),
        Some((_, Refuses)) => expected.is_some() && found.is_none(),
        Some((_, ReadsMore)) => expected.is_some() && found.is_some() && expected != found,
        None => expected == found,
    };
    (!agrees).then(|| format!("{text:?}\n  kubectl: {expected:?}\n  ours: {ours:?}"))
}

#[test]
fn reads_as_kubectl_does() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../data/kubectl.json")).unwrap();
    assert!(cases.len() >= 200, "the table is there");
    let wrong: Vec<String> = cases.iter().filter_map(check).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
