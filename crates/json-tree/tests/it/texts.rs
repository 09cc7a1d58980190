//! Reading and writing: the same bytes and the same errors as serde_json's.

use json_tree::{Map, Value as Tree};
use proptest::prelude::*;
use serde_json::Value as Plain;

use crate::any::{text, tree, value};

/// What both say to a text: the value as a plain one, or the error in words.
fn read_both(bytes: &[u8]) -> (Result<Plain, String>, Result<Plain, String>) {
    let own = serde_json::from_slice::<Tree>(bytes).map(Plain::from);
    let plain = serde_json::from_slice::<Plain>(bytes);
    (
        own.map_err(|error| error.to_string()),
        plain.map_err(|error| error.to_string()),
    )
}

proptest! {
    #[test]
    fn texts_are_read_as_serde_json_reads_them(text in text()) {
        let plain: Plain = serde_json::from_str(&text).unwrap();
        let read: Tree = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &plain);
        prop_assert_eq!(&read, &serde_json::from_slice::<Tree>(text.as_bytes()).unwrap());
        prop_assert_eq!(read, tree(&plain));
    }

    #[test]
    fn what_is_no_json_is_refused_in_the_same_words(text in text(), at: prop::sample::Index, byte: u8, cut: bool) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let (own, plain) = read_both(&bytes);
        prop_assert_eq!(own, plain, "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn texts_are_written_as_serde_json_writes_them(plain in value()) {
        let own = tree(&plain);
        prop_assert_eq!(serde_json::to_string(&own).unwrap(), serde_json::to_string(&plain).unwrap());
        prop_assert_eq!(serde_json::to_vec(&own).unwrap(), serde_json::to_vec(&plain).unwrap());
        prop_assert_eq!(own.to_string(), plain.to_string());
        prop_assert_eq!(format!("{own:#}"), format!("{plain:#}"));
        prop_assert_eq!(format!("{own:?}"), format!("{plain:?}"));
        prop_assert_eq!(format!("{own:#?}"), format!("{plain:#?}"));
    }

    #[test]
    fn what_is_written_is_read_again(plain in value()) {
        let own = tree(&plain);
        let text = own.to_string();
        prop_assert_eq!(serde_json::from_str::<Tree>(&text).unwrap().to_string(), serde_json::from_str::<Plain>(&text).unwrap().to_string());
        // Not by way of a text, but of serde's data model.
        prop_assert_eq!(serde_json::from_value::<Tree>(plain.clone()).unwrap(), own.clone());
        prop_assert_eq!(serde_json::to_value(&own).unwrap(), plain);
    }

    #[test]
    fn members_are_written_in_the_order_of_their_names(plain in value()) {
        fn check(value: &Tree) {
            let inner: Vec<&Tree> = match value {
                Tree::Array(items) => items.iter().collect(),
                Tree::Object(members) => {
                    assert!(members.keys().is_sorted_by(|one, two| one.as_bytes() < two.as_bytes()), "{value}");
                    members.values().collect()
                }
                _ => Vec::new(),
            };
            inner.into_iter().for_each(check);
        }
        check(&tree(&plain));
    }
}

#[test]
fn of_equal_names_the_last_counts() {
    let check = |text: &str, expected: &str| {
        assert_eq!(serde_json::from_str::<Tree>(text).unwrap().to_string(), expected);
        assert_eq!(serde_json::from_str::<Plain>(text).unwrap().to_string(), expected);
    };
    check(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
    check(r#"{"a":1,"b":0,"a":{"c":1},"a":{"d":2}}"#, r#"{"a":{"d":2},"b":0}"#);
    check(r#"{"\u0061":1,"a":null}"#, r#"{"a":null}"#);
}

#[test]
fn nesting_is_refused_where_serde_json_refuses_it() {
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]")] {
        let mut refused = 0;
        for depth in 1..200 {
            let (own, plain) = read_both(nested(open, close, depth).as_bytes());
            refused += usize::from(own.is_err());
            assert_eq!(own, plain, "{open} {depth}");
        }
        assert!((1..199).contains(&refused), "{open}");
    }
}

#[test]
fn a_map_is_read_from_a_map_only() {
    let map: Map = serde_json::from_str(r#"{"b":1,"a":[]}"#).unwrap();
    assert_eq!(serde_json::to_string(&map).unwrap(), r#"{"a":[],"b":1}"#);
    let error = serde_json::from_str::<Map>("[]").unwrap_err().to_string();
    assert_eq!(error, "invalid type: sequence, expected a map at line 1 column 0");
}

#[test]
fn structures_come_and_go_by_way_of_serde() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Node {
        name: String,
        zone: Option<String>,
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, Tree>,
    }
    let tree = json_tree::json!({"name": "n", "zone": null, "labels": {"a": "b"}, "taints": [1.5]});
    let node: Node = json_tree::from_value(&tree).unwrap();
    assert_eq!((node.name.as_str(), &node.zone), ("n", &None));
    assert_eq!(node.rest["labels"], tree["labels"]);
    assert_eq!(Tree::from(serde_json::to_value(&node).unwrap()), tree);
    assert!(json_tree::from_value::<Node>(&tree["labels"]).is_err());
}

/// What of a tree is read in every way that serde has.
#[derive(Debug, PartialEq, serde::Deserialize)]
struct Every<'t> {
    #[serde(borrow)]
    text: &'t str,
    kinds: std::collections::BTreeMap<String, Kind>,
    pair: (i64, f64),
    wrapped: Wrapped,
    missing: Option<bool>,
    #[serde(default)]
    nothing: (),
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Wrapped(u8);

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Unit,
    Holding(u64),
    With { name: String },
}

#[test]
fn structures_borrow_from_trees() {
    let tree = json_tree::json!({
        "text": "a text that does not lie in the value itself", "pair": [-3, 0.5], "wrapped": 7, "ignored": {"a": [1]},
        "kinds": {"a": "unit", "b": {"holding": 4}, "c": {"with": {"name": "n"}}}, "nothing": null});
    let every: Every<'_> = json_tree::from_value(&tree).unwrap();
    assert!(std::ptr::eq(every.text, tree["text"].as_str().unwrap()));
    let text = tree.to_string();
    assert_eq!(every, serde_json::from_str::<Every<'_>>(&text).unwrap());
    for (name, wrong) in [
        ("pair", tree["text"].clone()),
        ("wrapped", 256.into()),
        ("kinds", tree["pair"].clone()),
    ] {
        let mut tree = tree.clone();
        tree[name] = wrong;
        assert!(json_tree::from_value::<Every<'_>>(&tree).is_err(), "{tree}");
    }
    let long = json_tree::json!([1, 2, 3]);
    assert!(json_tree::from_value::<(u8, u8)>(&long).is_err());
}

proptest! {
    #[test]
    fn a_tree_is_read_as_its_text_is(plain in value()) {
        let tree = tree(&plain);
        prop_assert_eq!(json_tree::from_value::<Plain>(&tree).unwrap(), plain);
    }
}
