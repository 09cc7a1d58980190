//! What the API server refuses in a custom resource's schema, in its words.

use std::collections::BTreeSet;

use json_tree::{Map, Text, Value};

use super::SchemaError;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const LIST_TYPE: &str = "x-kubernetes-list-type";
const LIST_KEYS: &str = "x-kubernetes-list-map-keys";
const MAP_TYPE: &str = "x-kubernetes-map-type";
/// Keywords of JSON schema that custom resources cannot have.
const UNSUPPORTED: [&str; 6] = [
    "$ref",
    "id",
    "definitions",
    "dependencies",
    "patternProperties",
    "additionalItems",
];

/// Refuses what is not structural; tells the first fault found.
pub(super) fn check(schema: &Value) -> Result<(), SchemaError> {
    if let Some(map) = schema.as_object() {
        match text(map, "type") {
            "" => return fail(".type", "Required value: must not be empty at the root"),
            "object" => {}
            other => {
                return fail(
                    ".type",
                    &format!("Invalid value: {other:?}: must be object at the root"),
                );
            }
        }
        if flag(map, "nullable") {
            return fail(".nullable", "Forbidden: nullable cannot be true at the root");
        }
        envelope(map)?;
    }
    node(schema, "", true)
}

fn fail<T>(path: &str, reason: &str) -> Result<T, SchemaError> {
    Err(SchemaError {
        path: path.to_owned(),
        reason: reason.to_owned(),
    })
}

fn text<'v>(map: &'v Map, name: &str) -> &'v str {
    map.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn flag(map: &Map, name: &str) -> bool {
    map.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// apiVersion, kind and metadata have their structure already.
fn envelope(map: &Map) -> Result<(), SchemaError> {
    let Some(Value::Object(properties)) = map.get("properties") else {
        return Ok(());
    };
    for (name, wanted) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
        let Some(given) = properties.get(name).and_then(Value::as_object) else {
            continue;
        };
        let given = text(given, "type");
        if given != wanted && !given.is_empty() {
            let path = format!(".properties[{name}].type");
            return fail(&path, &format!("Invalid value: {given:?}: must be {wanted}"));
        }
    }
    let metadata = properties.get("metadata").and_then(Value::as_object);
    let fields = metadata
        .and_then(|metadata| metadata.get("properties"))
        .and_then(Value::as_object);
    let other = |name: &Text| !matches!(name.as_str(), "name" | "generateName");
    let more = metadata.is_some_and(|metadata| metadata.contains_key("additionalProperties"));
    if more || fields.is_some_and(|fields| fields.keys().any(other)) {
        let reason = "Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified";
        return fail(".properties[metadata]", reason);
    }
    Ok(())
}

fn node(schema: &Value, path: &str, root: bool) -> Result<(), SchemaError> {
    // What is no map at all is refused where it is read.
    let Some(map) = schema.as_object() else { return Ok(()) };
    keywords(map, path)?;
    kind(map, path)?;
    if flag(map, EMBEDDED) && !root {
        embedded(map, path)?;
    }
    lists(map, path)?;
    for (name, schema) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
        node(schema, &format!("{path}.properties[{name}]"), false)?;
    }
    for name in ["items", "additionalProperties"] {
        if let Some(schema) = map.get(name) {
            node(schema, &format!("{path}.{name}"), false)?;
        }
    }
    junctors(map, path)
}

fn keywords(map: &Map, path: &str) -> Result<(), SchemaError> {
    if map.contains_key("$schema") {
        return fail("", "Invalid value: \"\": OpenAPIV3Schema 'schema' is not supported");
    }
    if let Some(name) = UNSUPPORTED.iter().find(|name| map.contains_key(name)) {
        return fail(
            &format!("{path}.{name}"),
            &format!("Forbidden: {name} is not supported"),
        );
    }
    if flag(map, "uniqueItems") {
        let reason = "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        return fail(&format!("{path}.uniqueItems"), reason);
    }
    if map.get("items").is_some_and(Value::is_array) {
        return fail(
            &format!("{path}.items"),
            "Forbidden: items must be a schema object and not an array",
        );
    }
    if map.contains_key("properties")
        && map
            .get("additionalProperties")
            .is_some_and(|more| *more != Value::Bool(false))
    {
        let reason = "Forbidden: additionalProperties and properties are mutual exclusive";
        return fail(&format!("{path}.additionalProperties"), reason);
    }
    if map.get(PRESERVE) == Some(&Value::Bool(false)) {
        return fail(
            &format!("{path}.{PRESERVE}"),
            "Invalid value: false: must be true or undefined",
        );
    }
    Ok(())
}

fn kind(map: &Map, path: &str) -> Result<(), SchemaError> {
    let (given, at) = (text(map, "type"), format!("{path}.type"));
    if given.is_empty() {
        if flag(map, PRESERVE) || flag(map, INT_OR_STRING) {
            return Ok(());
        }
        return fail(&at, "Required value: must not be empty for specified object fields");
    }
    if !TYPES.contains(&given) {
        let supported = TYPES.map(|name| format!("{name:?}")).join(", ");
        return fail(
            &at,
            &format!("Unsupported value: {given:?}: supported values: {supported}"),
        );
    }
    if given == "array" && !map.contains_key("items") {
        return fail(&format!("{path}.items"), "Required value: must be specified");
    }
    match text(map, MAP_TYPE) {
        "" => {}
        "atomic" | "granular" if given == "object" => {}
        "atomic" | "granular" => {
            return fail(
                &at,
                &format!("Invalid value: {given:?}: must be object if {MAP_TYPE} is specified"),
            );
        }
        other => {
            let reason = format!("Unsupported value: {other:?}: supported values: \"atomic\", \"granular\"");
            return fail(&format!("{path}.{MAP_TYPE}"), &reason);
        }
    }
    Ok(())
}

fn embedded(map: &Map, path: &str) -> Result<(), SchemaError> {
    let given = text(map, "type");
    if given != "object" {
        let reason = format!("Invalid value: {given:?}: must be object if {EMBEDDED} is true");
        return fail(&format!("{path}.type"), &reason);
    }
    if !map.contains_key("properties") && !flag(map, PRESERVE) {
        let reason = format!("Required value: must not be empty if {EMBEDDED} is true without {PRESERVE}");
        return fail(&format!("{path}.properties"), &reason);
    }
    Ok(())
}

fn lists(map: &Map, path: &str) -> Result<(), SchemaError> {
    let keys: Vec<&str> = map
        .get(LIST_KEYS)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let kind = text(map, LIST_TYPE);
    let (list_type, list_keys) = (format!("{path}.{LIST_TYPE}"), format!("{path}.{LIST_KEYS}"));
    if !matches!(kind, "" | "atomic" | "set" | "map") {
        let reason = format!("Unsupported value: {kind:?}: supported values: \"atomic\", \"set\", \"map\"");
        return fail(&list_type, &reason);
    }
    if !keys.is_empty() && kind != "map" {
        return fail(
            &list_type,
            &format!("Required value: must be map if {LIST_KEYS} is non-empty"),
        );
    }
    let given = text(map, "type");
    if !kind.is_empty() && given != "array" {
        let reason = format!("Invalid value: {given:?}: must be array if {LIST_TYPE} is specified");
        return fail(&format!("{path}.type"), &reason);
    }
    let Some(items) = map.get("items").and_then(Value::as_object) else {
        return Ok(());
    };
    if matches!(kind, "set" | "map") && flag(items, "nullable") {
        let reason = format!("Forbidden: cannot be nullable when {LIST_TYPE} is {kind}");
        return fail(&format!("{path}.items.nullable"), &reason);
    }
    if kind == "set" && text(items, "type") == "object" && text(items, MAP_TYPE) != "atomic" {
        let given = items.get(MAP_TYPE).unwrap_or(&Value::Null);
        let reason = format!("Invalid value: {given}: must be atomic as item of a list with {LIST_TYPE}=set");
        return fail(&format!("{path}.items.{MAP_TYPE}"), &reason);
    }
    if kind != "map" {
        return Ok(());
    }
    if keys.is_empty() {
        return fail(
            &list_keys,
            &format!("Required value: must not be empty if {LIST_TYPE} is map"),
        );
    }
    let given = text(items, "type");
    if given != "object" {
        let reason = format!("Invalid value: {given:?}: must be object if parent array's {LIST_TYPE} is map");
        return fail(&format!("{path}.items.type"), &reason);
    }
    let shown = Value::from(keys.clone());
    if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
        return fail(
            &list_keys,
            &format!("Invalid value: {shown}: must not contain duplicate entries"),
        );
    }
    keys.iter().try_for_each(|key| list_key(items, key, &shown, path))
}

/// A key is a scalar field of the items that is always there.
fn list_key(items: &Map, key: &str, keys: &Value, path: &str) -> Result<(), SchemaError> {
    let Some(field) = items
        .get("properties")
        .and_then(|properties| properties.get(key))
        .and_then(Value::as_object)
    else {
        let reason = format!("Invalid value: {keys}: entries must all be names of item properties");
        return fail(&format!("{path}.{LIST_KEYS}"), &reason);
    };
    let below = format!("{path}.items.properties[{key}]");
    let given = text(field, "type");
    if matches!(given, "object" | "array") {
        let reason = format!("Invalid value: {given:?}: must be a scalar type if parent array's {LIST_TYPE} is map");
        return fail(&format!("{below}.type"), &reason);
    }
    let required = items
        .get("required")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().any(|name| name == key));
    if !required && field.get("default").is_none_or(Value::is_null) {
        let reason = format!(
            "Required value: this property is in {LIST_KEYS}, so it must have a default or be a required property"
        );
        return fail(&format!("{below}.default"), &reason);
    }
    Ok(())
}

/// Below anyOf and its like there are value rules only: nothing that says what the structure is.
fn junctors(map: &Map, path: &str) -> Result<(), SchemaError> {
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, member) in map
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            rules_only(member, &format!("{path}.{name}[{index}]"), flag(map, INT_OR_STRING))?;
        }
    }
    map.get("not")
        .map_or(Ok(()), |member| rules_only(member, &format!("{path}.not"), false))
}

fn rules_only(schema: &Value, path: &str, int_or_string: bool) -> Result<(), SchemaError> {
    let Some(map) = schema.as_object() else { return Ok(()) };
    let forbid = |name: &str, must: &str| {
        fail(
            &format!("{path}.{name}"),
            &format!("Forbidden: must be {must} to be structural"),
        )
    };
    for name in ["type", "title", "description"] {
        // Int-or-string spells its two types out.
        let by_convention = name == "type" && int_or_string;
        if !by_convention && !text(map, name).is_empty() {
            return forbid(name, "empty");
        }
    }
    for name in ["default", "additionalProperties"] {
        if map.contains_key(name) {
            return forbid(name, "undefined");
        }
    }
    for name in ["nullable", PRESERVE, EMBEDDED, INT_OR_STRING] {
        if flag(map, name) {
            return forbid(name, "false");
        }
    }
    for (name, schema) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
        rules_only(schema, &format!("{path}.properties[{name}]"), false)?;
    }
    if let Some(items) = map.get("items") {
        rules_only(items, &format!("{path}.items"), false)?;
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, member) in map
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            rules_only(member, &format!("{path}.{name}[{index}]"), int_or_string)?;
        }
    }
    map.get("not")
        .map_or(Ok(()), |member| rules_only(member, &format!("{path}.not"), false))
}
