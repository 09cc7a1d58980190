//! From JSON values to types, leaving nothing unread.
//!
//! serde is lenient by design: it ignores unknown members and takes a list for a struct. Here both are refused, with the
//! path of the place, because a member that is silently dropped is a change that somebody believes was made.

use model::{Cluster, FileCluster, FileRegistry, InfrastructureAccount, Invalid};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_ignored::Path as Ignored;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

/// Reads `value` into a type; `place` is the path of the value in the request, empty at its root.
///
/// # Errors
/// Unknown members, all of them, or the first place where the value does not fit the type.
pub(crate) fn read_json<T: DeserializeOwned + Serialize>(value: &Value, place: &str) -> Result<T, Vec<Invalid>> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let result: Result<T, _> =
        serde_ignored::deserialize(serde_path_to_error::Deserializer::new(value, &mut track), |path| {
            unknown.push(Invalid {
                field: ignored(&path),
                rule: "is not known".to_owned(),
                value: HIDDEN.to_owned(),
            })
        });
    let within = |problem: Invalid| {
        if place.is_empty() {
            problem
        } else {
            problem.within(place)
        }
    };
    let read = match result {
        Ok(read) if unknown.is_empty() => read,
        Ok(_) => return Err(unknown.into_iter().map(within).collect()),
        Err(error) => {
            unknown.push(misfit(&track.path(), &error.to_string()));
            return Err(unknown.into_iter().map(within).collect());
        }
    };
    // What was understood, written out again, has the shape that the request should have had.
    let understood = serde_json::to_value(&read).unwrap_or_default();
    let mut problems = Vec::new();
    compare(value, &understood, String::new(), &mut problems);
    if problems.is_empty() {
        Ok(read)
    } else {
        Err(problems.into_iter().map(within).collect())
    }
}

/// In place of a value that is not repeated.
const HIDDEN: &str = "<not shown>";

fn ignored(path: &Ignored<'_>) -> String {
    match path {
        Ignored::Root => String::new(),
        Ignored::Seq { parent, index } => format!("{}[{index}]", ignored(parent)),
        Ignored::Map { parent, key } => join(ignored(parent), key),
        Ignored::Some { parent } | Ignored::NewtypeStruct { parent } | Ignored::NewtypeVariant { parent } => {
            ignored(parent)
        }
    }
}

fn join(parent: String, key: &str) -> String {
    if parent.is_empty() {
        key.to_owned()
    } else {
        format!("{parent}.{key}")
    }
}

fn path_text(path: &Path) -> String {
    path.iter().fold(String::new(), |text, segment| match segment {
        Segment::Seq { index } => format!("{text}[{index}]"),
        Segment::Map { key } => join(text, key),
        Segment::Enum { .. } | Segment::Unknown => text,
    })
}

/// serde's message as field, rule and value. Values at the root and inside config items may be secrets and are left out.
fn misfit(path: &Path, message: &str) -> Invalid {
    let field = path_text(path);
    let secret = field.is_empty() || field == "value" || field.contains("config_items");
    let shown = |value: &str| {
        if secret {
            HIDDEN.to_owned()
        } else {
            value.chars().take(100).collect()
        }
    };
    if let Some(member) = quoted_after(message, "missing field ") {
        return Invalid {
            field: join(field, member),
            rule: "is required".to_owned(),
            value: "nothing".to_owned(),
        };
    }
    let typed = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|start| message.strip_prefix(start))
        .and_then(|rest| rest.rsplit_once(", expected "));
    if let Some((value, expected)) = typed {
        return Invalid {
            field,
            rule: format!("must be {}", expectation(expected)),
            value: shown(value),
        };
    }
    if let Some((value, names)) = message
        .strip_prefix("unknown variant ")
        .and_then(|m| m.split_once(", expected "))
    {
        let names = names.strip_prefix("one of ").unwrap_or(names).replace('`', "");
        return Invalid {
            field,
            rule: format!("must be one of {names}"),
            value: shown(&value.replace('`', "\"")),
        };
    }
    // The refusal of a name or id: `field: rule, got value`. Names are no secrets, keys of config items neither.
    if let Some((rule, value)) = message
        .split_once(": ")
        .and_then(|(_, rest)| rest.rsplit_once(", got "))
    {
        return Invalid {
            field,
            rule: rule.to_owned(),
            value: value.to_owned(),
        };
    }
    Invalid {
        field,
        rule: "cannot be read".to_owned(),
        value: HIDDEN.to_owned(),
    }
}

fn quoted_after<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.strip_prefix('`')?.split('`').next()
}

/// serde's name of a type in words of JSON.
fn expectation(expected: &str) -> &str {
    match expected {
        "a string" | "a boolean" => expected,
        "a sequence" => "an array",
        "a map" => "an object",
        "i32" => "an integer of 32 bits",
        "i64" => "an integer of 64 bits",
        text if text.starts_with("struct ") || text.starts_with("internally tagged") => "an object",
        text if text.contains("RFC 3339") || text.contains("datetime") || text.contains("timestamp") => {
            "a time as in RFC 3339"
        }
        text => text,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Adds the places where `given` has another kind of value than what was understood.
fn compare(given: &Value, understood: &Value, path: String, problems: &mut Vec<Invalid>) {
    match (given, understood) {
        (Value::Object(given), Value::Object(understood)) => {
            for (key, value) in given {
                if let Some(other) = understood.get(key) {
                    compare(value, other, join(path.clone(), key), problems);
                }
            }
        }
        (Value::Array(given), Value::Array(understood)) => {
            for (i, (value, other)) in given.iter().zip(understood).enumerate() {
                compare(value, other, format!("{path}[{i}]"), problems);
            }
        }
        (given, understood) if kind(given) != kind(understood) => problems.push(Invalid {
            field: path,
            rule: format!("must be {}", kind(understood)),
            value: kind(given).to_owned(),
        }),
        _ => {}
    }
}

/// Writes whole numbers as such: JSON makes no difference between `3` and `3.0`, serde does.
pub(crate) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(members) => members.values_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            // Beyond 2^53 neighbouring integers share a float, so which one was meant is not known.
            let float = number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() < 9e15);
            if let Some(integer) = float.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                *value = Value::from(integer);
            }
        }
        _ => {}
    }
}

/// Adds every string, and every name of a member, that holds U+0000, which PostgreSQL cannot store.
pub(crate) fn check_nul(value: &Value, path: &str, problems: &mut Vec<Invalid>) {
    let rule = "must not contain the character U+0000";
    match value {
        Value::String(text) if text.contains('\0') => problems.push(Invalid::hidden(path, rule, text)),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                check_nul(item, &format!("{path}[{i}]"), problems);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let place = join(path.to_owned(), key);
                if key.contains('\0') {
                    problems.push(Invalid::hidden(place.clone(), rule, key));
                }
                check_nul(member, &place, problems);
            }
        }
        _ => {}
    }
}

/// Reads a file registry. Clusters are taken apart by hand, since their type is flattened and so swallows unknown members.
///
/// # Errors
/// Every broken place of every object.
pub(crate) fn import_document(value: &Value) -> Result<FileRegistry, Vec<Invalid>> {
    let Value::Object(members) = value else {
        return Err(vec![Invalid::new("document", "must be an object", kind(value))]);
    };
    let mut problems: Vec<Invalid> = members
        .keys()
        .filter(|key| !["clusters", "infrastructure_accounts"].contains(&key.as_str()))
        .map(|key| Invalid {
            field: key.clone(),
            rule: "is not known".to_owned(),
            value: HIDDEN.to_owned(),
        })
        .collect();
    let infrastructure_accounts = each(members, "infrastructure_accounts", &mut problems, |value, place| {
        read_json::<InfrastructureAccount>(value, place)
    });
    let clusters = each(members, "clusters", &mut problems, file_cluster);
    if problems.is_empty() {
        Ok(FileRegistry {
            infrastructure_accounts,
            clusters,
        })
    } else {
        Err(problems)
    }
}

fn each<T>(
    members: &Map<String, Value>,
    name: &str,
    problems: &mut Vec<Invalid>,
    read: impl Fn(&Value, &str) -> Result<T, Vec<Invalid>>,
) -> Vec<T> {
    let items = match members.get(name) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            problems.push(Invalid::new(name, "must be an array", kind(other)));
            return Vec::new();
        }
    };
    let mut all = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match read(item, &format!("{name}[{i}]")) {
            Ok(one) => all.push(one),
            Err(found) => problems.extend(found),
        }
    }
    all
}

fn file_cluster(value: &Value, place: &str) -> Result<FileCluster, Vec<Invalid>> {
    let mut value = value.clone();
    let mut joined = |name: &str| match value.as_object_mut().and_then(|members| members.remove(name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(vec![Invalid::new(
            format!("{place}.{name}"),
            "must be a string",
            kind(&other),
        )]),
    };
    let (owner, account_name) = (joined("owner")?, joined("account_name")?);
    Ok(FileCluster {
        cluster: read_json::<Cluster>(&value, place)?,
        owner,
        account_name,
    })
}

#[cfg(test)]
mod tests {
    use model::{ClusterUpdate, NodePool};
    use registry_api::ConfigValue;
    use serde_json::json;

    use super::*;

    fn refusal<T: DeserializeOwned + Serialize>(value: Value) -> String {
        match read_json::<T>(&value, "") {
            Ok(_) => String::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        }
    }

    #[test]
    fn members_that_are_not_understood_are_named() {
        for (value, expected) in [
            (json!({}), ""),
            (
                json!({"alias": "k1", "status": {"problems": [{"type": "t", "title": "t", "node": "n"}]}}),
                "",
            ),
            (
                json!({"alais": "k1", "owner": "x"}),
                "alais: is not known, got <not shown>; owner: is not known, got <not shown>",
            ),
            (
                json!({"status": {"current": "x"}}),
                "status.current: is not known, got <not shown>",
            ),
            (
                json!({"alias": "K"}),
                "alias: must match `^[a-z][a-z0-9-]*[a-z0-9]$`, got \"K\"",
            ),
            (json!({"alias": 5}), "alias: must be a string, got integer `5`"),
            (
                json!({"criticality_level": 3_000_000_000_u64}),
                "criticality_level: must be an integer of 32 bits, got integer `3000000000`",
            ),
            (
                json!({"criticality_level": 1.5}),
                "criticality_level: must be an integer of 32 bits, got floating point `1.5`",
            ),
            (
                json!({"lifecycle_status": "lost"}),
                "lifecycle_status: must be one of requested, creating, ready, decommission-requested, decommissioned, got \"lost\"",
            ),
            (json!({"status": []}), "status: must be an object, got an array"),
            (
                json!({"lifecycle_status": {"ready": null}}),
                "lifecycle_status: must be a string, got an object",
            ),
            (json!([]), ": must be an object, got an array"),
            (
                json!({"config_items": {"a_key": 5}}),
                "config_items.a_key: must be a string, got <not shown>",
            ),
            (
                json!({"config_items": "s3cret"}),
                "config_items: must be an object, got <not shown>",
            ),
            (
                json!({"status": {"problems": [{"type": "t"}]}}),
                "status.problems[0].title: is required, got nothing",
            ),
        ] {
            assert_eq!(refusal::<ClusterUpdate>(value.clone()), expected, "{value}");
        }
        assert_eq!(
            refusal::<ConfigValue>(json!("s3cret")),
            ": must be an object, got <not shown>"
        );
        assert_eq!(
            refusal::<ConfigValue>(json!({"value": 12345})),
            "value: must be a string, got <not shown>"
        );
        assert_eq!(
            refusal::<ConfigValue>(json!(["s3cret"])),
            ": must be an object, got an array"
        );
        assert_eq!(
            refusal::<NodePool>(json!({"name": "k1"})),
            "profile: is required, got nothing"
        );
    }

    #[test]
    fn whole_floats_are_integers() {
        let mut value = json!([3.0, -0.0, 2.5, 1e15, 1e300, {"a": 7.0}]);
        whole_numbers(&mut value);
        assert_eq!(value, json!([3, 0, 2.5, 1_000_000_000_000_000_i64, 1e300, {"a": 7}]));
    }

    #[test]
    fn every_nul_is_found() {
        let mut problems = Vec::new();
        check_nul(
            &json!({"a": "\u{0}", "b": [{"c\u{0}": "x"}], "d": "fine"}),
            "",
            &mut problems,
        );
        let fields: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["a", "b[0].c\u{0}"]);
    }

    #[test]
    fn an_import_names_the_object_at_fault() {
        let document = json!({"clusters": [{"id": "k1", "alias": "k1", "owner": 5}], "nodes": []});
        let problems = import_document(&document).unwrap_err();
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "nodes: is not known, got <not shown>",
                "clusters[0].owner: must be a string, got \"a number\""
            ]
        );
        assert!(import_document(&json!({})).unwrap().clusters.is_empty());
        let missing = import_document(&json!({"clusters": [{"id": "k1", "alais": "k1"}]})).unwrap_err();
        assert_eq!(missing[0].field, "clusters[0].alais");
        assert_eq!(missing[1].field, "clusters[0].alias");
    }
}
