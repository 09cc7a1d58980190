//! Does a live object already have everything that git wants, and do we own all of it? Without asking the server.

use serde_json::{Map, Value};

/// Compares what git wants with a live object and the field set that we own in it.
///
/// True only if applying would change nothing: every wanted field is there with its value and in our set, and our set holds
/// nothing that is not wanted. False means that the server has to be asked: values may be equal and differ in spelling
/// (quantities, defaults).
pub(crate) fn settled(desired: &Value, live: &Value, owned: &Value) -> bool {
    let (Some(desired), Some(live), Some(owned)) = (desired.as_object(), live.as_object(), owned.as_object()) else {
        return false;
    };
    let own_keys = owned
        .keys()
        .filter(|key| *key != ".")
        .all(|key| key.strip_prefix("f:").is_some_and(|name| desired.contains_key(name)));
    own_keys
        && desired.iter().all(|(name, wanted)| match name.as_str() {
            "apiVersion" | "kind" => live.get(name) == Some(wanted),
            "metadata" => metadata(wanted, live.get(name), owned.get("f:metadata")),
            _ => field(wanted, live.get(name), owned.get(&format!("f:{name}"))),
        })
}

/// Name and namespace are nobody's fields.
fn metadata(wanted: &Value, live: Option<&Value>, owned: Option<&Value>) -> bool {
    let (Some(wanted), Some(live)) = (wanted.as_object(), live) else {
        return false;
    };
    let empty = Map::new();
    let owned = owned.and_then(Value::as_object).unwrap_or(&empty);
    let is_name = |name: &str| matches!(name, "name" | "namespace");
    owned
        .keys()
        .filter(|key| *key != ".")
        .all(|key| key.strip_prefix("f:").is_some_and(|name| wanted.contains_key(name)))
        && wanted
            .iter()
            .filter(|(name, _)| !is_name(name))
            .all(|(name, wanted)| field(wanted, live.get(name), owned.get(&format!("f:{name}"))))
}

fn field(wanted: &Value, live: Option<&Value>, owned: Option<&Value>) -> bool {
    // A null asks for nothing: the server drops it before it looks for owners.
    if wanted.is_null() {
        return live.is_none_or(Value::is_null) && owned.is_none();
    }
    let (Some(live), Some(owned)) = (live, owned.and_then(Value::as_object)) else {
        return false;
    };
    let whole = owned.keys().all(|key| key == ".");
    match (wanted, live) {
        _ if whole => wanted == live,
        (Value::Object(wanted), Value::Object(live)) => {
            let mut keys = owned.keys().filter(|key| *key != ".");
            keys.all(|key| key.strip_prefix("f:").is_some_and(|name| wanted.contains_key(name)))
                && wanted
                    .iter()
                    .all(|(name, wanted)| field(wanted, live.get(name), owned.get(&format!("f:{name}"))))
        }
        (Value::Array(wanted), Value::Array(live)) => elements(wanted, live, owned),
        _ => false,
    }
}

/// Lists whose elements have owners of their own: by key fields (`k:`) or by value (`v:`).
fn elements(wanted: &[Value], live: &[Value], owned: &Map<String, Value>) -> bool {
    let own = owned.iter().filter(|(key, _)| *key != ".");
    let own: Vec<(&String, &Value)> = own.collect();
    if own.len() != wanted.len() {
        return false;
    }
    let mut last = None;
    wanted.iter().all(|wanted| {
        let Some((key, owned)) = own.iter().find(|(key, _)| names(key, wanted)) else {
            return false;
        };
        let Some(place) = live.iter().position(|live| names(key, live)) else {
            return false;
        };
        // Elements keep the order in which git has them.
        let in_order = last.is_none_or(|last| last < place);
        last = Some(place);
        let whole = key.starts_with("v:") || owned.as_object().is_some_and(Map::is_empty);
        let found = live.get(place);
        in_order
            && if whole {
                found == Some(wanted)
            } else {
                field(wanted, found, Some(owned))
            }
    })
}

/// True if an element's key, as a field set writes it, means this element. A key field that the element leaves out has the
/// server's default in the set, so it counts as equal.
fn names(key: &str, element: &Value) -> bool {
    if let Some(text) = key.strip_prefix("v:") {
        return serde_json::from_str::<Value>(text).is_ok_and(|value| value == *element);
    }
    let Some(fields) = key
        .strip_prefix("k:")
        .and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok())
    else {
        return false;
    };
    fields
        .iter()
        .all(|(name, value)| element.get(name).is_none_or(|own| own == value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(desired: &Value, live: &Value, owned: &Value, expected: bool) {
        assert_eq!(settled(desired, live, owned), expected, "{desired} {live} {owned}");
    }

    #[test]
    fn only_what_is_there_and_ours_is_settled() {
        let desired = json!({"apiVersion": "v1", "kind": "C", "metadata": {"name": "n", "labels": {"l": "1"}}, "data": {"a": "1"}});
        let owned = json!({"f:metadata": {"f:labels": {".": {}, "f:l": {}}}, "f:data": {".": {}, "f:a": {}}});
        let live = |data: Value| {
            json!({"apiVersion": "v1", "kind": "C", "data": data,
            "metadata": {"name": "n", "uid": "u", "labels": {"l": "1", "other": "2"}}})
        };
        check(&desired, &live(json!({"a": "1"})), &owned, true);
        check(&desired, &live(json!({"a": "1", "b": "theirs"})), &owned, true);
        check(&desired, &live(json!({"a": "2"})), &owned, false);
        check(&desired, &live(json!({})), &owned, false);
        // Somebody else took the field, even if the value is the same.
        check(
            &desired,
            &live(json!({"a": "1"})),
            &json!({"f:metadata": {"f:labels": {".": {}, "f:l": {}}}}),
            false,
        );
        // We own a field that git does not want any more.
        let more = json!({"f:metadata": {"f:labels": {".": {}, "f:l": {}}}, "f:data": {".": {}, "f:a": {}, "f:b": {}}});
        check(&desired, &live(json!({"a": "1", "b": "2"})), &more, false);
    }

    #[test]
    fn lists_are_compared_by_their_keys() {
        let desired =
            json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}], "args": ["x", "y"]}});
        let owned = json!({"f:spec": {"f:args": {}, "f:ports": {".": {},
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}},
            "k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}}}});
        let port = |port: u16, name: &str| json!({"port": port, "name": name, "protocol": "TCP"});
        let live = |ports: Value, args: Value| json!({"spec": {"ports": ports, "args": args}});
        let both = json!([port(80, "a"), port(81, "b")]);
        check(&desired, &live(both.clone(), json!(["x", "y"])), &owned, true);
        check(&desired, &live(both, json!(["x"])), &owned, false);
        check(
            &desired,
            &live(json!([port(80, "a"), port(9, "t"), port(81, "b")]), json!(["x", "y"])),
            &owned,
            true,
        );
        check(
            &desired,
            &live(json!([port(81, "b"), port(80, "a")]), json!(["x", "y"])),
            &owned,
            false,
        );
        check(
            &desired,
            &live(json!([port(80, "a")]), json!(["x", "y"])),
            &owned,
            false,
        );
    }
}
