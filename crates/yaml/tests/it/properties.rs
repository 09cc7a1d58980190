//! Property tests: printing and loading are inverse, arbitrary text is handled, diff finds exactly the differences.

use proptest::prelude::*;
use serde_json::{Map, Number, Value};
use yaml::{Options, diff, inspect_tags, load_documents, load_string_map, load_value, to_string};

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\n\t]{0,20}",
        "\\PC{0,8}",
        any::<String>(),
        prop::sample::select(vec![
            "yes",
            "no",
            "on",
            "0644",
            "1e3",
            "~",
            "null",
            "",
            " ",
            "\n",
            "<<",
            "a: b",
            "- a",
            "|",
            "'",
            "\"",
            "0x1f",
            ".5",
            "1_000",
            "2020-01-01",
            "12:30",
            "a\n\n",
            "\n\na",
            "a \n b",
            "\ta",
            "---",
            "...",
            "--- a",
            "a\r\nb",
            "\u{feff}a",
            "key: |\n  x",
            "%YAML",
            "? a",
            "!x y",
            "&a",
            "*a",
            "=",
            "+1",
            "-",
            "1.",
            "a\n  \nb",
            "a\n\tb",
            "\u{85}",
            "x\u{2028}y",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Numbers that JSON and YAML spell alike: an integral float comes back as an integer, which is tested by itself.
fn numbers() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite and not integral", |f| f.is_finite() && f.fract() != 0.0)
            .prop_filter_map("number", |f| Number::from_f64(f).map(Value::Number)),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        numbers(),
        texts().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(texts(), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn print_then_load_is_identity(value in values()) {
        let wrapped = serde_json::json!({"v": value});
        let text = to_string(&wrapped);
        let read = load_value(&text, &Options::manifests());
        prop_assert_eq!(read.map(|d| d.value), Ok(wrapped), "{}", text);
        if !value.is_null() {
            let text = to_string(&value);
            let read = load_value(&text, &Options::strict().refusing_duplicates());
            prop_assert_eq!(read.map(|d| d.value), Ok(value), "{}", text);
        }
    }

    #[test]
    fn integral_floats_become_integers(value in -1_000_000_000i32..1_000_000_000) {
        let text = format!("{value}.0");
        let read = load_value(&text, &Options::manifests()).unwrap().value;
        prop_assert_eq!(read, Value::from(value));
    }

    #[test]
    fn arbitrary_text_is_read_or_refused(text in any::<String>()) {
        let options = Options::manifests();
        let _ = load_documents(&text, &options);
        let _ = load_string_map(&text, &options);
        let _ = inspect_tags(&text, &options);
    }

    #[test]
    fn yaml_like_text_is_read_or_refused(text in "([ \n]{0,3}([-?:,\\[\\]{}#&*!|>'\"%@`~]|<<|a|b|&a|\\*a|1|: |- |\n  |---\n|!!int|\\\\|\t){1,3}){0,30}") {
        let options = Options::manifests();
        if let Ok(documents) = load_documents(&text, &options) {
            for document in documents {
                let again = load_value(&to_string(&document.value), &options);
                prop_assert_eq!(again.map(|d| d.value), Ok(document.value));
            }
        }
        let _ = yaml::from_str::<Value>(&text);
    }

    #[test]
    fn diff_is_empty_only_for_equal_values(old in values(), new in values()) {
        prop_assert!(diff(&old, &old).is_empty());
        prop_assert_eq!(diff(&old, &new).is_empty(), old == new);
    }
}
