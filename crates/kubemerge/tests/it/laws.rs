//! Laws that hold for all objects.

use json_tree::{Map, Value, json};
use kubemerge::apply::{self, Writer};
use kubemerge::fields::FieldSet;
use kubemerge::{merge_patch, schema};
use proptest::prelude::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..4_i64).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                "[a-c]|metadata|spec|containers|name|labels|replicas|template",
                inner,
                0..4
            )
            .prop_map(|map| Value::Object(map.into_iter().collect::<Map>())),
        ]
    })
}

/// A Deployment with some fields, those named by `names` only.
fn config(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let labels = prop::collection::btree_map(prop::sample::select(names), "[xy]", 0..3);
    let containers = prop::collection::btree_map(
        prop::sample::select(names),
        ("[xy]", prop::collection::btree_set(1..4_u8, 0..3)),
        0..3,
    );
    (labels, containers).prop_map(|(labels, containers)| {
        let containers: Vec<Value> = containers
            .into_iter()
            .map(|(name, (image, ports))| {
                let ports: Vec<Value> = ports.into_iter().map(|port| json!({"containerPort": port})).collect();
                json!({"name": name, "image": image, "ports": ports})
            })
            .collect();
        without_empty_lists(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": labels}, "spec": {"template": {"spec": {"containers": containers}}}}))
    })
}

fn writer(manager: &str) -> Writer<'_> {
    let schema = schema::builtin("apps", "v1", "Deployment").unwrap();
    Writer {
        schema,
        manager,
        api_version: "apps/v1",
        subresource: "",
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        ignored: None,
    }
}

/// Takes empty lists away: an empty list owns nothing, here as on the API server, so an apply cannot hold on to it.
fn without_empty_lists(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(map) => {
                map.retain(|_, value| value.as_array().is_none_or(|items| !items.is_empty()));
                map.values_mut().for_each(walk);
            }
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// Whether everything in `part` is in `whole`; items of lists may come in any order.
fn within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(k, v)| whole.get(k).is_some_and(|w| within(v, w)))
        }
        (Value::Array(part), Value::Array(whole)) => part.iter().all(|v| whole.iter().any(|w| within(v, w))),
        _ => part == whole,
    }
}

/// Without the order of lists, and without times: an applier that changes nothing has none.
fn sorted(mut object: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(walk);
                items.sort_by_key(ToString::to_string);
            }
            Value::Object(map) => {
                map.remove("time");
                map.values_mut().for_each(walk);
            }
            _ => {}
        }
    }
    walk(&mut object);
    object
}

proptest! {
    #[test]
    fn merge_patch_diff_leads_from_one_to_the_other(a in config(&["a", "b", "c"]), b in config(&["a", "b", "c"])) {
        let patch = merge_patch::diff(&a, &b).unwrap().unwrap_or_else(|| json!({}));
        let once = merge_patch::apply(&a, &patch).unwrap();
        prop_assert_eq!(&once, &b);
        prop_assert_eq!(merge_patch::apply(&once, &patch).unwrap(), once);
    }

    #[test]
    fn applying_again_changes_nothing_and_all_is_there(a in config(&["a", "b", "c"]), b in config(&["a", "b", "c"])) {
        let first = apply::apply(None, &a, &writer("m"), false).unwrap().object;
        let mut later = writer("m");
        later.now = "2026-01-02T00:00:00Z".parse().unwrap();
        let again = apply::apply(Some(&first), &a, &later, false).unwrap();
        prop_assert!(!again.changed);
        prop_assert_eq!(&again.object, &first);
        let next = apply::apply(Some(&first), &b, &later, false).unwrap().object;
        prop_assert!(within(&b, &next), "{} in {}", b, next);
        prop_assert!(!apply::apply(Some(&next), &b, &writer("m"), false).unwrap().changed);
    }

    #[test]
    fn disjoint_appliers_may_come_in_any_order(a in config(&["a", "b"]), b in config(&["c", "d"])) {
        let both = |first: (&str, &Value), second: (&str, &Value)| {
            let live = apply::apply(None, first.1, &writer(first.0), false).unwrap().object;
            sorted(apply::apply(Some(&live), second.1, &writer(second.0), false).unwrap().object)
        };
        prop_assert_eq!(both(("m", &a), ("n", &b)), both(("n", &b), ("m", &a)));
    }

    #[test]
    fn conflicts_are_symmetrical(a in config(&["a", "b"]), b in config(&["a", "b"])) {
        let clash = |first: &Value, second: &Value| {
            let live = apply::apply(None, first, &writer("m"), false).unwrap().object;
            match apply::apply(Some(&live), second, &writer("n"), false) {
                Ok(_) => Vec::new(),
                Err(apply::ApplyError::Conflicts(all)) => all.0.into_iter().map(|conflict| conflict.path).collect(),
                Err(other) => panic!("{other}"),
            }
        };
        prop_assert_eq!(clash(&a, &b), clash(&b, &a));
    }

    #[test]
    fn update_takes_any_json(a in any_json(), b in any_json(), c in any_json()) {
        let made = apply::update(None, &a, &writer("m")).unwrap();
        let next = apply::update(Some(&made), &b, &writer("n")).unwrap();
        let _ = apply::apply(Some(&next), &c, &writer("o"), true);
    }

    #[test]
    fn field_sets_survive_encoding(a in config(&["a", "b", "c"])) {
        let object = apply::apply(None, &a, &writer("m"), false).unwrap().object;
        if let Some(encoded) = object.pointer("/metadata/managedFields/0/fieldsV1") {
            let set = FieldSet::from_fields_v1(encoded).unwrap();
            prop_assert_eq!(&set.to_fields_v1(), encoded);
            prop_assert_eq!(set.union(&set), set.clone());
            prop_assert!(set.difference(&set).is_empty());
        }
    }
}
