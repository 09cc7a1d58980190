//! What copies have in common, and that they may go to other threads.

use json_tree::{List, Map, Revision, Value, json};
use proptest::prelude::*;

use crate::any::{places, tree, value};

proptest! {
    #[test]
    fn a_change_copies_the_way_to_it_alone(plain in value(), at: prop::sample::Index) {
        let original = tree(&plain);
        let mut copy = original.clone();
        let all = places(&plain);
        let place = &all[at.index(all.len())];
        *copy.pointer_mut(place).unwrap() = json!("changed");
        for other in &all {
            let (one, two) = (original.pointer(other).unwrap(), copy.pointer(other));
            let inner = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let full = one.as_object().is_some_and(|map| !map.is_empty()) || one.as_array().is_some_and(|list| !list.is_empty());
            if inner(other, place) {
                // On the way: nothing that holds something is shared.
                prop_assert!(!full || !two.is_some_and(|two| one.shares(two)), "{} {}", place, other);
            } else if full && !inner(place, other) {
                prop_assert!(one.shares(two.unwrap()), "{} {}", place, other);
            }
        }
        prop_assert_eq!(original, plain);
    }
}

#[test]
fn looking_for_what_is_not_there_copies_nothing() {
    let original = json!({"map": {"a": 1}, "list": [1, 2]});
    let mut copy = original.clone();
    assert!(copy.get_mut("b").is_none() && copy.pointer_mut("/b/c").is_none());
    assert!(copy.as_object_mut().unwrap().remove("b").is_none());
    assert!(copy.shares(&original));
    let mut list = copy["list"].as_array().unwrap().clone();
    list.retain(|item| !item.is_null());
    assert!(list.shares(original["list"].as_array().unwrap()));
    list.retain(|item| *item != 1);
    assert_eq!(Value::from(list), json!([2]));
    assert_eq!(original["list"], json!([1, 2]));
}

#[test]
fn equal_values_need_not_share() {
    let text = r#"{"a":{"b":[1]}}"#;
    let (one, two): (Value, Value) = (serde_json::from_str(text).unwrap(), serde_json::from_str(text).unwrap());
    assert!(one == two && !one.shares(&two) && one.shares(&one.clone()));
    assert!(
        !json!(1).shares(&json!(1)),
        "what is no map and no list has nothing to share"
    );
}

#[test]
fn copies_live_on_other_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Value>();
    check::<Map>();
    check::<List>();
    let original: Value = (0..20)
        .map(|number| (format!("a name that is long {number}"), json!([number])))
        .collect();
    let threads = [1, 2, 3].map(|change| {
        let mut copy = original.clone();
        std::thread::spawn(move || {
            for number in 0..20 {
                copy[format!("a name that is long {number}")][0] = change.into();
                copy[format!("another name that is long {number}")] = change.into();
            }
            copy
        })
    });
    for (thread, change) in threads.into_iter().zip([1, 2, 3]) {
        let copy = thread.join().unwrap();
        assert_eq!(copy.as_object().unwrap().len(), 40);
        assert_eq!(copy["a name that is long 7"], json!([change]));
    }
    assert_eq!(original["a name that is long 7"], json!([7]));
}

#[test]
fn a_revision_copies_nothing_until_it_changes_something() {
    let object = json!({"a": [1, 2], "b": {"c": null}, "d": "x"});
    let map = object.as_object().unwrap();
    let revise = |change: &dyn Fn(&str) -> Revision| {
        let mut new = map.clone();
        new.revise::<()>(|name, _| Ok(change(name))).unwrap();
        new
    };
    assert!(revise(&|_| Revision::Keep).shares(map));
    let new = revise(&|name| match name {
        "a" => Revision::Drop,
        "d" => Revision::Replace(json!("y")),
        _ => Revision::Keep,
    });
    assert_eq!(Value::from(new.clone()), json!({"b": {"c": null}, "d": "y"}));
    assert!(new.get("b").unwrap().shares(&object["b"]));
    assert_eq!(object, json!({"a": [1, 2], "b": {"c": null}, "d": "x"}));

    let list = object["a"].as_array().unwrap();
    let mut same = list.clone();
    same.revise::<()>(|_, _| Ok(None)).unwrap();
    assert!(same.shares(list));
    let mut other = list.clone();
    let refused = other.revise(|place, item| {
        if place == 0 {
            Ok(Some(json!([item])))
        } else {
            Err("no more")
        }
    });
    assert_eq!((refused, Value::from(other)), (Err("no more"), json!([[1], 2])));
    assert_eq!(object["a"], json!([1, 2]));
}

#[test]
fn what_is_kept_whole_stays_shared() {
    let object = json!({"a": 1, "b": [1, 2]});
    let mut map = object.as_object().unwrap().clone();
    map.retain(|_, _| true);
    assert!(map.shares(object.as_object().unwrap()));
    map.retain(|name, _| name == "b");
    assert_eq!(Value::from(map), json!({"b": [1, 2]}));
    assert_eq!(object, json!({"a": 1, "b": [1, 2]}));
}
