//! Reading streams.

use serde_json::{Value, json};
use yaml::{Options, Reason, WarningKind, inspect_tags, load_documents, load_string_map, load_value};

#[track_caller]
fn check(text: &str, expected: &[Value]) {
    let documents = load_documents(text, &Options::manifests()).unwrap();
    let values: Vec<Value> = documents.into_iter().map(|d| d.value).collect();
    assert_eq!(values, expected, "{text:?}");
}

#[track_caller]
fn refused(text: &str) -> String {
    load_documents(text, &Options::manifests()).unwrap_err().to_string()
}

#[test]
fn fact_44_documents() {
    check(
        "first: 1\n---\nsecond: 2\n---\n",
        &[json!({"first": 1}), json!({"second": 2})],
    );
    check("# only a comment\n---\n\n---\n# another\n", &[]);
    check("", &[]);
    check("a: &x {k: 1}\nb: *x\n", &[json!({"a": {"k": 1}, "b": {"k": 1}})]);
    check("z: ~\na: 1\n", &[json!({"a": 1, "z": null})]);
    check("---\nnull\n---\na: 1\n...\n", &[json!({"a": 1})]);
}

#[test]
fn fact_45_duplicate_keys() {
    let text = "spec:\n  env: 1\n  other: 2\n  env: 3\n";
    let document = load_value(text, &Options::manifests()).unwrap();
    assert_eq!(document.value, json!({"spec": {"env": 3, "other": 2}}));
    assert_eq!(
        document.warnings[0].to_string(),
        "line 4, column 3: spec: key \"env\" is there twice, first in line 2; the last one wins"
    );
    let error = load_value(text, &Options::manifests().refusing_duplicates()).unwrap_err();
    assert_eq!((error.line, error.column), (4, 3));
    assert!(matches!(error.reason, Reason::DuplicateKey { first_line: 2, .. }));
}

#[test]
fn fact_46_octal_modes() {
    check(
        "permissions: 0400\nmode: 0644\n",
        &[json!({"permissions": 256, "mode": 420})],
    );
    check(
        "quoted: '0400'\nnum: 1e3\nv: 1.10\n",
        &[json!({"quoted": "0400", "num": 1000, "v": 1.1})],
    );
}

#[test]
fn legacy_booleans_are_read_and_reported() {
    let document = load_value("a: yes\nb: 'no'\nc: [on, Off]\nd: |\n  yes\n", &Options::manifests()).unwrap();
    assert_eq!(
        document.value,
        json!({"a": true, "b": "no", "c": [true, false], "d": "yes\n"})
    );
    let places: Vec<String> = document.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        places,
        [
            "line 1, column 4: a: bare yes is read as true; write true, or quote it",
            "line 3, column 5: c[0]: bare on is read as true; write true, or quote it",
            "line 3, column 9: c[1]: bare Off is read as false; write false, or quote it",
        ]
    );
    let strict = load_value("a: yes\n", &Options::strict()).unwrap();
    assert_eq!((strict.value, strict.warnings.len()), (json!({"a": "yes"}), 0));
}

#[test]
fn merge_keys() {
    check(
        "base: &b {a: 1, b: 2}\nmore: &m {b: 3, c: 4}\nuse:\n  <<: [*b, *m]\n  a: 9\n",
        &[json!({"base": {"a": 1, "b": 2}, "more": {"b": 3, "c": 4}, "use": {"a": 9, "b": 2, "c": 4}})],
    );
    let late = load_value("b: &b {a: 1}\nuse:\n  a: 9\n  <<: *b\n", &Options::manifests()).unwrap();
    assert_eq!(late.value, json!({"b": {"a": 1}, "use": {"a": 1}}));
    assert!(matches!(late.warnings[0].kind, WarningKind::MergeAfterKey { .. }));
    let strict = Options::manifests().refusing_duplicates();
    assert!(load_value("b: &b {a: 1}\nuse:\n  a: 9\n  <<: *b\n", &strict).is_err());
    check("<<: {a: 1, b: 1}\n<<: {a: 2}\nb: 3\n", &[json!({"a": 2, "b": 3})]);
    check("'<<': 1\n", &[json!({"<<": 1})]);
    assert_eq!(
        refused("a:\n  <<: 1\n"),
        "line 2, column 3: the value of a merge key must be a mapping or a list of mappings"
    );
}

#[test]
fn keys_and_tags() {
    check("1: a\ntrue: b\n1.5: c\n", &[json!({"1": "a", "true": "b", "1.5": "c"})]);
    check(
        "1e6: a\n.inf: b\n'~': c\n? -1.50\n: d\n",
        &[json!({"1e+06": "a", ".inf": "b", "~": "c", "-1.5": "d"})],
    );
    for text in ["~: 1\n", ": 1\n", "{: 1}\n", "? \n: 1\n", "null: 1\n"] {
        assert!(
            refused(text).ends_with("a key must not be null; put it in quotes if that is its name"),
            "{text}"
        );
    }
    check(
        "a: !!str 12\nb: !!int '7'\nc: !!binary aGk=\n",
        &[json!({"a": "12", "b": 7, "c": "hi"})],
    );
    assert_eq!(refused("? [a]\n: 1\n"), "line 1, column 5: a key must be a scalar");
    assert!(refused("a: !!int x\n").contains("does not fit its tag int"));
    assert!(refused("a: .inf\n").contains("infinity"));
    let tagged = load_value("a: !Ref x\n", &Options::manifests()).unwrap();
    assert_eq!(tagged.value, json!({"a": "x"}));
    assert!(matches!(&tagged.warnings[0].kind, WarningKind::IgnoredTag { tag } if tag == "!Ref"));
}

#[test]
fn cloudformation_tags_are_seen() {
    let text = "A: !Sub '${x}'\nB:\n  C: !If [a, !Ref b, c]\nD: !!str 1\n";
    let tags: Vec<(String, usize, usize)> = inspect_tags(text, &Options::manifests())
        .unwrap()
        .into_iter()
        .map(|t| (t.tag, t.line, t.column))
        .collect();
    assert_eq!(
        tags,
        [
            ("!Sub".to_owned(), 1, 4),
            ("!If".to_owned(), 3, 6),
            ("!Ref".to_owned(), 3, 14)
        ]
    );
}

#[test]
fn string_maps_keep_the_source_text() {
    let text = "# defaults\nmode: 0644\nflag: yes\nnum : 1e3\nempty:\nquoted: \"a b\"\nnull_item: ~\n";
    let (map, warnings) = load_string_map(text, &Options::manifests()).unwrap();
    let pairs: Vec<(&str, &str, usize)> = map
        .iter()
        .map(|(k, e)| (k.as_str(), e.value.as_str(), e.line))
        .collect();
    assert_eq!(
        pairs,
        [
            ("empty", "", 5),
            ("flag", "yes", 3),
            ("mode", "0644", 2),
            ("null_item", "", 7),
            ("num", "1e3", 4),
            ("quoted", "a b", 6)
        ]
    );
    assert!(warnings.is_empty());
    let (empty, _) = load_string_map("# nothing\n", &Options::manifests()).unwrap();
    assert!(empty.is_empty());
    let error = load_string_map("a:\n  b: 1\n", &Options::manifests()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2, column 3: expected a flat map from names to scalars"
    );
}

#[test]
fn hostile_input_is_bounded() {
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..10 {
        let refs = vec![format!("*a{}", i - 1); 10].join(",");
        laughs.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    assert!(refused(&laughs).contains("too many nodes"));
    assert!(refused(&"[".repeat(5000)).contains("line 1"));
    let deep: String = (0..500).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(!refused(&deep).is_empty());
    let mut options = Options::manifests();
    options.limits.text_bytes = 10;
    assert!(
        load_documents("a: 12345678901", &options)
            .unwrap_err()
            .to_string()
            .contains("at most 10")
    );
    assert!(refused("a: &x [*x]\n").contains("inside its own anchor"));
    let long = "x".repeat(1000);
    let wide = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 70_000].join(","));
    assert!(refused(&wide).contains("too much text"));
}

#[test]
fn errors_name_the_place_and_no_value() {
    let text = "ok: 1\npassword: \"s3cret\" trailing\n";
    let error = refused(text);
    assert!(error.starts_with("line 2, "), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}
