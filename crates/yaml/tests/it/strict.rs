//! Typed, strict reading.

use serde::Deserialize;
use yaml::from_str;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Config {
    name: String,
    #[serde(default)]
    mode: u32,
    #[serde(default)]
    on: bool,
    #[serde(default)]
    kind: Option<Kind>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    One,
}

#[test]
fn types() {
    let config: Config = from_str("name: x\nmode: 0644\non: true\nkind: one\n").unwrap();
    assert_eq!(
        config,
        Config {
            name: "x".to_owned(),
            mode: 420,
            on: true,
            kind: Some(Kind::One)
        }
    );
}

#[test]
fn refusals_have_a_place_and_no_value() {
    for (text, line, part) in [
        ("name: x\nmode: s3cret\n", 2, ""),
        ("name: x\nother: s3cret\n", 2, "other"),
        ("name: x\nname: s3cret\n", 2, "name"),
        ("name: x\non: yes\n", 2, ""),
        ("name: x\nkind: s3cret\n", 2, "expected"),
        ("mode: 1\n", 1, "name"),
        ("name: [\n", 1, ""),
    ] {
        let error = from_str::<Config>(text).unwrap_err();
        let shown = error.to_string();
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains(part), "{shown}");
        assert_eq!(error.line, line, "{text:?}: {shown}");
    }
}
