//! Rules that attributes on the types cannot express, added to their schemas: so the document says what is enforced.

use serde_json::{Map, Value, json};

/// Any text that PostgreSQL can store.
const NO_NUL: &str = r"^[^\x00]*$";
/// A line of text, as `model` checks it.
const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]+$";

/// Adds the rules to every schema that they hold for.
pub(crate) fn tighten(document: &mut Value) {
    if let Some(schemas) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    {
        config_items(schemas);
        status(schemas);
        set(
            schemas,
            "/NodePool/properties/instance_types",
            json!({"uniqueItems": true}),
        );
        set(
            schemas,
            "/NodePool/properties/instance_types/items",
            json!({"minLength": 1, "maxLength": 1024, "pattern": LINE}),
        );
        for member in ["reason", "owner", "ticket"] {
            let line = json!({"minLength": 1, "maxLength": 1024, "pattern": LINE});
            set(schemas, &format!("/BlockDraft/properties/{member}"), line);
        }
        for (update, whole) in [
            ("ClusterUpdate", "Cluster"),
            ("NodePoolUpdate", "NodePool"),
            ("InfrastructureAccountUpdate", "InfrastructureAccount"),
        ] {
            copy_rules(schemas, update, whole);
        }
        file_cluster(schemas);
        // YAML people write `clusters:` with nothing after it.
        for list in ["clusters", "infrastructure_accounts"] {
            set(
                schemas,
                &format!("/FileRegistry/properties/{list}"),
                json!({"type": ["array", "null"]}),
            );
        }
        for closed in [
            "Cluster",
            "ClusterUpdate",
            "ClusterStatus",
            "NodePool",
            "NodePoolUpdate",
            "InfrastructureAccount",
            "InfrastructureAccountUpdate",
            "ConfigValue",
            "BlockDraft",
            "ActDraft",
            "FileRegistry",
            "FileCluster",
        ] {
            set(schemas, &format!("/{closed}"), json!({"additionalProperties": false}));
        }
    }
    parameters(document);
    integers(document);
}

/// A parameter is there or not there, it is never null.
fn parameters(document: &mut Value) {
    let operations = document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut);
    let operations = operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    let lists = operations.filter_map(|operation| operation.get_mut("parameters")?.as_array_mut());
    for schema in lists.flatten().filter_map(|parameter| parameter.get_mut("schema")) {
        if let Some(kinds) = schema.get_mut("type").filter(|kinds| kinds.is_array()) {
            let kind = kinds
                .as_array()
                .into_iter()
                .flatten()
                .find(|kind| *kind != "null")
                .cloned();
            *kinds = kind.unwrap_or_default();
        }
        let inner = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        if let Some(only) = inner
            .clone()
            .find(|one| one.get("type") != Some(&json!("null")))
            .cloned()
        {
            *schema = only;
        }
    }
}

/// Adds members to the schema at `pointer`.
fn set(schemas: &mut Map<String, Value>, pointer: &str, rules: Value) {
    let mut parts = pointer.trim_start_matches('/').splitn(2, '/');
    let found = parts
        .next()
        .and_then(|name| schemas.get_mut(name))
        .and_then(|schema| match parts.next() {
            Some(rest) => schema.pointer_mut(&format!("/{rest}")),
            None => Some(schema),
        });
    if let (Some(Value::Object(schema)), Value::Object(rules)) = (found, rules) {
        schema.extend(rules);
    }
}

fn config_items(schemas: &mut Map<String, Value>) {
    let value = json!({"type": "string", "maxLength": crate::extract::MAX_ITEM_BYTES, "pattern": NO_NUL});
    let items = json!({
        "propertyNames": {"$ref": "#/components/schemas/ConfigKey"},
        "additionalProperties": value,
        "maxProperties": 10_000
    });
    for owner in ["Cluster", "NodePool"] {
        set(schemas, &format!("/{owner}/properties/config_items"), items.clone());
    }
    set(schemas, "/ConfigValue/properties/value", value);
}

fn status(schemas: &mut Map<String, Value>) {
    let text = json!({"maxLength": 65_536, "pattern": NO_NUL});
    for member in ["current_version", "last_version", "next_version"] {
        set(schemas, &format!("/ClusterStatus/properties/{member}"), text.clone());
    }
    set(schemas, "/ClusterStatus/properties/problems", json!({"maxItems": 1000}));
    for member in ["type", "title", "detail", "instance"] {
        set(schemas, &format!("/Problem/properties/{member}"), text.clone());
    }
    let extension = json!({
        "additionalProperties": {"type": "string", "maxLength": 65_536, "pattern": NO_NUL},
        "propertyNames": {"maxLength": 65_536, "pattern": NO_NUL}
    });
    set(schemas, "/Problem", extension);
}

/// Gives the members of an update the rules of the whole object's; `null` stays allowed and means absent.
fn copy_rules(schemas: &mut Map<String, Value>, update: &str, whole: &str) {
    let rules = schemas
        .get(whole)
        .and_then(|schema| schema.get("properties"))
        .cloned()
        .unwrap_or_default();
    let Some(members) = schemas.get_mut(update).and_then(|schema| schema.get_mut("properties")) else {
        return;
    };
    for (name, member) in members.as_object_mut().into_iter().flatten() {
        let Some(Value::Object(rule)) = rules.get(name) else {
            continue;
        };
        let Some(member) = member.as_object_mut() else { continue };
        for (key, value) in rule {
            if !["type", "description", "$ref"].contains(&key.as_str()) {
                member.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A file cluster is a cluster with two more members; as `allOf` it could not be closed to unknown ones.
fn file_cluster(schemas: &mut Map<String, Value>) {
    let mut schema = schemas.get("Cluster").cloned().unwrap_or_default();
    let joined = |description: &str| json!({"type": ["string", "null"], "pattern": NO_NUL, "description": description});
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        members.insert("owner".to_owned(), joined("Owner of the account."));
        members.insert("account_name".to_owned(), joined("Name of the account."));
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(
            "description".to_owned(),
            json!("A cluster with the two fields that the original joins from its account."),
        );
    }
    schemas.insert("FileCluster".to_owned(), schema);
}

/// Formats are only hints, so integers get the bounds of theirs.
fn integers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(integers),
        Value::Object(members) => {
            let bounds = match members.get("format").and_then(Value::as_str) {
                Some("int32") => Some((json!(i32::MIN), json!(i32::MAX))),
                Some("int64") => Some((json!(i64::MIN), json!(i64::MAX))),
                _ => None,
            };
            if let Some((least, most)) = bounds {
                members.entry("minimum").or_insert(least);
                members.entry("maximum").or_insert(most);
            }
            members.values_mut().for_each(integers);
        }
        _ => {}
    }
}
