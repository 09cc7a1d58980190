//! `json!` takes what serde_json's takes, and gives the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use json_tree::{Text, Value};

const KEY: &str = "constant";

mod names {
    pub(super) const INNER: &str = "of a module";
}

/// The same tokens for both macros.
macro_rules! check {
    ($($tokens:tt)+) => {
        assert_eq!(json_tree::json!($($tokens)+), serde_json::json!($($tokens)+))
    };
}

#[test]
fn literals_are_values() {
    check!(null);
    check!(true);
    check!(-1);
    check!(1.5e3);
    check!("text");
    check!([]);
    check!({});
    check!([[], {}, null, [null], { "a": null }]);
    check!([1, -2, 3.5, "four", true, false, null,]);
    check!({"a": null, "b": true, "c": -1, "d": [1, [2, [3]]], "e": {"f": {"g": {}}}, "h": "text",});
    check!({"twice": 1, "twice": {"and": "more"}});
}

#[test]
fn names_are_literals_variables_constants_or_expressions() {
    let (key, owned) = ("variable", "owned variable".to_owned());
    check!({"literal": 1, key: 2, KEY: [3], names::INNER: {"four": 4}});
    check!({(owned.clone()): null, (format!("{key}-{}", 1)): [null], (owned.as_str()): {}});
    check!({names::INNER: null});
    check!({names::INNER: [1], KEY: null, key: true});
    check!({key: {key: {KEY: {names::INNER: 1,},},},});
    // Names of own kind too.
    let text = Text::from("a name that is long enough");
    let (reference, copy) = (&text, text.clone());
    let made = json_tree::json!({copy: 1});
    assert_eq!(made, json_tree::json!({ reference: 1 }));
    assert_eq!(made.to_string(), r#"{"a name that is long enough":1}"#);
}

#[test]
fn expressions_stand_for_values() {
    let (number, text, list) = (7_u64, "text", vec![1, 2, 3]);
    let choice = |yes: bool| if yes { "yes" } else { "no" };
    check!(number);
    check!([number + 1, number as f64 / 2.0, -3 + 1, list.len(), &list, list[0]]);
    check!({"a": text.len(), "b": text.to_uppercase(), "c": choice(true), "d": if number > 3 { 1 } else { 2 }});
    check!({"match": match number { 7 => "seven", _ => "other" }, "block": { "inner": list.iter().sum::<i32>() }});
    check!([
        choice(false),
        Some(1),
        None::<u8>,
        Some("a"),
        !choice(true).is_empty(),
        number == 7,
        ()
    ]);
    check!({"last": list.iter().map(|one| one * 2).collect::<Vec<_>>()});
}

#[test]
fn everything_that_is_a_tree_stands_for_it() {
    let map = BTreeMap::from([("b", vec![Some(1), None]), ("a", Vec::new())]);
    check!(map);
    check!([
        BTreeSet::from([3, 1, 2]),
        [1.5, 2.5],
        ("pair", 2),
        [[1], [2]],
        Box::new(1)
    ]);
    check!([
        &1,
        &mut 2,
        &&"three",
        "four".to_owned(),
        Cow::Borrowed("five"),
        'a'.to_string()
    ]);
    check!([vec![("a", 1), ("b", 2)], vec!["c"].as_slice()]);
    check!(serde_json::json!({"plain": [1, null]}));
    assert_eq!(
        json_tree::json!([Arc::new(1), Text::from("a")]),
        serde_json::json!([1, "a"])
    );
    let number = json_tree::Number::from(3);
    assert_eq!(json_tree::json!({ "n": number }), serde_json::json!({"n": 3}));
}

#[test]
fn trees_in_trees_are_borrowed_and_shared() {
    let labels = json_tree::json!({"app": "web"});
    let list = json_tree::json!([1, 2]);
    let both = json_tree::json!({"one": labels, "two": {"three": labels}, "list": list, "map": labels.as_object(), "items": [&list]});
    for place in ["/one", "/two/three", "/map"] {
        assert!(
            both.pointer(place).is_some_and(|found| found.shares(&labels)),
            "{place}"
        );
    }
    assert!(both["list"].shares(&list) && both["items"][0].shares(&list));
    assert_eq!(both["none"], Value::Null);
}
