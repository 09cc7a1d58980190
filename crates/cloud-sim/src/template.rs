//! Stack templates: text in YAML or JSON to resources with their properties still as written.

mod check;
mod functions;
mod parameters;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

pub(crate) use check::{attribute_uses, check, dependencies, imports};
pub(crate) use functions::{Evaluator, Scope, text};
pub(crate) use parameters::effective_parameters;

/// One resource as the template has it, functions in their long form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ResourceSpec {
    pub(crate) kind: String,
    pub(crate) properties: Value,
    pub(crate) depends_on: BTreeSet<String>,
    pub(crate) condition: Option<String>,
    pub(crate) deletion_policy: String,
    pub(crate) replace_policy: String,
    pub(crate) creation_policy: Value,
    pub(crate) update_policy: Value,
    pub(crate) metadata: Value,
}

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutputSpec {
    pub(crate) value: Value,
    pub(crate) export: Option<Value>,
    pub(crate) condition: Option<String>,
}

/// A whole template.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Template {
    pub(crate) parameters: Map<String, Value>,
    pub(crate) mappings: Map<String, Value>,
    pub(crate) conditions: Map<String, Value>,
    pub(crate) resources: BTreeMap<String, ResourceSpec>,
    pub(crate) outputs: BTreeMap<String, OutputSpec>,
}

/// Sections that a template may have.
const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Resources",
    "Outputs",
];

/// Reads a template. The error is the provider's sentence.
pub(crate) fn parse(source: &str) -> Result<Template, String> {
    let document = yaml::load_value(source, &yaml::Options::templates())
        .map_err(|error| format!("Template format error: YAML not well-formed. (line {})", error.line))?;
    let Value::Object(mut root) = long_form(document.value) else {
        return Err("Template format error: unsupported structure.".to_owned());
    };
    if let Some(unknown) = root.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
        return Err(format!("Invalid template property or properties [{unknown}]"));
    }
    let mut section = |name: &str| match root.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(format!("Template format error: {name} must be an object.")),
    };
    let resources = section("Resources")?;
    if resources.is_empty() {
        return Err("Template format error: At least one Resources member must be defined.".to_owned());
    }
    let resources = resources
        .into_iter()
        .map(|(name, value)| Ok((name.clone(), resource(&name, value)?)))
        .collect::<Result<_, String>>()?;
    let outputs = section("Outputs")?
        .into_iter()
        .map(|(name, value)| Ok((name.clone(), output(&name, &value)?)))
        .collect::<Result<_, String>>()?;
    Ok(Template {
        parameters: section("Parameters")?,
        mappings: section("Mappings")?,
        conditions: section("Conditions")?,
        resources,
        outputs,
    })
}

fn resource(name: &str, value: Value) -> Result<ResourceSpec, String> {
    let Value::Object(mut map) = value else {
        return Err(format!("Template format error: Resource {name} must be an object."));
    };
    let alphanumeric = name.bytes().all(|b| b.is_ascii_alphanumeric());
    if !alphanumeric {
        return Err(format!(
            "Template format error: Resource name {name} is non alphanumeric."
        ));
    }
    let Some(Value::String(kind)) = map.remove("Type") else {
        return Err(format!(
            "Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        ));
    };
    let word = |map: &mut Map<String, Value>, key: &str, default: &str| match map.remove(key) {
        Some(Value::String(word)) => word,
        _ => default.to_owned(),
    };
    let depends_on = match map.remove("DependsOn") {
        Some(Value::String(one)) => BTreeSet::from([one]),
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => BTreeSet::new(),
    };
    let condition = map.remove("Condition").and_then(|c| c.as_str().map(str::to_owned));
    let deletion_policy = word(&mut map, "DeletionPolicy", "Delete");
    Ok(ResourceSpec {
        kind,
        properties: map.remove("Properties").unwrap_or_else(|| Value::Object(Map::new())),
        depends_on,
        condition,
        deletion_policy,
        replace_policy: word(&mut map, "UpdateReplacePolicy", "Delete"),
        creation_policy: map.remove("CreationPolicy").unwrap_or_default(),
        update_policy: map.remove("UpdatePolicy").unwrap_or_default(),
        metadata: map.remove("Metadata").unwrap_or_default(),
    })
}

fn output(name: &str, value: &Value) -> Result<OutputSpec, String> {
    let Some(inner) = value.get("Value") else {
        return Err(format!(
            "Template format error: Output {name} is malformed. (every Outputs member must contain a Value object)"
        ));
    };
    Ok(OutputSpec {
        value: inner.clone(),
        export: value.pointer("/Export/Name").cloned(),
        condition: value.get("Condition").and_then(|c| c.as_str().map(str::to_owned)),
    })
}

/// Turns the short functions of YAML, kept as tags by the reader, into the long ones of JSON.
fn long_form(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(long_form).collect()),
        Value::Object(map) => {
            let converted = map.into_iter().map(|(key, value)| match key.strip_prefix('!') {
                None => (key, long_form(value)),
                Some("Ref") => ("Ref".to_owned(), long_form(value)),
                Some("Condition") => ("Condition".to_owned(), long_form(value)),
                Some("GetAtt") => ("Fn::GetAtt".to_owned(), dotted(long_form(value))),
                Some(short) => (format!("Fn::{short}"), long_form(value)),
            });
            Value::Object(converted.collect())
        }
        other => other,
    }
}

/// `Name.Attribute` as the pair that the long form takes; attributes may hold dots themselves.
fn dotted(value: Value) -> Value {
    match value {
        Value::String(text) => match text.split_once('.') {
            Some((name, attribute)) => serde_json::json!([name, attribute]),
            None => Value::String(text),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_functions_become_long_ones() {
        let source = "Resources:\n  A:\n    Type: AWS::SQS::Queue\n    DependsOn: B\n    Properties:\n      X: !GetAtt B.Endpoint.Port\n      Y: !Join ['', [!Ref C, !ImportValue d]]\n  B: {Type: AWS::SQS::Queue}\n";
        let template = parse(source).unwrap();
        let a = template.resources.get("A").unwrap();
        let expected = json!({
            "X": {"Fn::GetAtt": ["B", "Endpoint.Port"]},
            "Y": {"Fn::Join": ["", [{"Ref": "C"}, {"Fn::ImportValue": "d"}]]},
        });
        assert_eq!(a.properties, expected);
        assert_eq!(a.depends_on, BTreeSet::from(["B".to_owned()]));
    }

    #[test]
    fn templates_that_are_none_are_refused_with_the_providers_words() {
        let cases = [
            ("a: [", "Template format error: YAML not well-formed."),
            (
                "Resources: {}",
                "Template format error: At least one Resources member must be defined.",
            ),
            ("Ressources: {}", "Invalid template property or properties [Ressources]"),
            (
                "Resources: {A: {}}",
                "Every Resources object must contain a Type member.",
            ),
            ("Resources: {A-b: {Type: X}}", "Resource name A-b is non alphanumeric."),
        ];
        for (source, expected) in cases {
            let error = parse(source).unwrap_err();
            assert!(error.contains(expected), "{source}: {error}");
        }
    }
}
