//! What a template must satisfy before anything is made: names that resolve, no circles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Template;
use super::functions::{SubPart, function, sub_parts};

/// Names that the provider defines.
const PSEUDO: &[&str] = &[
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// Refuses names that resolve to nothing and circular dependencies. The error is the provider's sentence.
pub(crate) fn check(template: &Template) -> Result<(), String> {
    let known = |name: &str| {
        template.resources.contains_key(name) || template.parameters.contains_key(name) || PSEUDO.contains(&name)
    };
    let mut unresolved = BTreeSet::new();
    for resource in template.resources.values() {
        let names = references(&resource.properties)
            .into_iter()
            .chain(resource.depends_on.iter().cloned());
        unresolved.extend(names.filter(|name| !known(name)));
    }
    if !unresolved.is_empty() {
        let names = unresolved.into_iter().collect::<Vec<_>>().join(", ");
        return Err(format!(
            "Template format error: Unresolved resource dependencies [{names}] in the Resources block of the template"
        ));
    }
    for output in template.outputs.values() {
        unresolved.extend(references(&output.value).into_iter().filter(|name| !known(name)));
    }
    if !unresolved.is_empty() {
        let names = unresolved.into_iter().collect::<Vec<_>>().join(", ");
        return Err(format!(
            "Template format error: Unresolved resource dependencies [{names}] in the Outputs block of the template"
        ));
    }
    let circle = circle(&dependencies(template));
    if !circle.is_empty() {
        return Err(format!(
            "Circular dependency between resources: [{}]",
            circle.join(", ")
        ));
    }
    Ok(())
}

/// Which resources each resource waits for.
pub(crate) fn dependencies(template: &Template) -> BTreeMap<String, BTreeSet<String>> {
    let of = |name: &String, resource: &super::ResourceSpec| {
        let names = references(&resource.properties)
            .into_iter()
            .chain(resource.depends_on.iter().cloned());
        let resources = names.filter(|other| template.resources.contains_key(other));
        (name.clone(), resources.collect())
    };
    template
        .resources
        .iter()
        .map(|(name, resource)| of(name, resource))
        .collect()
}

/// The resources that are left when all those are taken away that wait for nothing that is left.
fn circle(dependencies: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut left: BTreeMap<&String, BTreeSet<&String>> = dependencies
        .iter()
        .map(|(name, on)| (name, on.iter().collect()))
        .collect();
    loop {
        let free: BTreeSet<&String> = left
            .iter()
            .filter(|(_, on)| on.is_empty())
            .map(|(name, _)| *name)
            .collect();
        if free.is_empty() {
            return left.into_keys().cloned().collect();
        }
        left.retain(|name, _| !free.contains(name));
        for on in left.values_mut() {
            on.retain(|name| !free.contains(name));
        }
    }
}

/// Names that a value refers to by `Ref`, `Fn::GetAtt` and `Fn::Sub`.
fn references(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    walk(value, &mut |name, argument| match (name, argument) {
        ("Ref", Value::String(target)) => {
            names.insert(target.clone());
        }
        ("Fn::GetAtt", Value::Array(pair)) => {
            names.extend(pair.first().and_then(Value::as_str).map(str::to_owned));
        }
        ("Fn::Sub", argument) => names.extend(sub_variables(argument).into_iter().map(|(name, _)| name)),
        _ => {}
    });
    names
}

/// Pairs of resource and attribute that a value asks for.
pub(crate) fn attribute_uses(value: &Value) -> BTreeSet<(String, String)> {
    let mut uses = BTreeSet::new();
    walk(value, &mut |name, argument| match (name, argument) {
        ("Fn::GetAtt", Value::Array(pair)) => {
            if let [Value::String(resource), Value::String(attribute)] = pair.as_slice() {
                uses.insert((resource.clone(), attribute.clone()));
            }
        }
        ("Fn::Sub", argument) => {
            uses.extend(
                sub_variables(argument)
                    .into_iter()
                    .filter_map(|(name, attribute)| Some((name, attribute?))),
            );
        }
        _ => {}
    });
    uses
}

/// Arguments of `Fn::ImportValue` in a value.
pub(crate) fn imports(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    walk(value, &mut |name, argument| {
        if name == "Fn::ImportValue" {
            found.push(argument.clone());
        }
    });
    found
}

/// Variables of `Fn::Sub` that are not given beside the text, with the attribute where one is named.
fn sub_variables(argument: &Value) -> Vec<(String, Option<String>)> {
    let (template, given) = match argument {
        Value::Array(pair) => (pair.first(), pair.get(1)),
        other => (Some(other), None),
    };
    let parts = sub_parts(template.and_then(Value::as_str).unwrap_or_default());
    let variables = parts.into_iter().filter_map(|part| match part {
        SubPart::Variable(name) if given.and_then(|map| map.get(name)).is_none() => Some(name),
        _ => None,
    });
    let split = variables.map(|name| match name.split_once('.') {
        Some((name, attribute)) => (name.to_owned(), Some(attribute.to_owned())),
        None => (name.to_owned(), None),
    });
    split.collect()
}

fn walk(value: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(map) => {
            if let Some((name, argument)) = function(map) {
                visit(name, argument);
            }
            map.values().for_each(|value| walk(value, visit));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse;

    #[test]
    fn names_must_resolve_and_must_not_go_in_circles() {
        let queue = "Type: AWS::SQS::Queue";
        let cases = [
            (
                format!("Resources: {{A: {{{queue}, Properties: {{X: !Ref B}}}}}}"),
                "Unresolved resource dependencies [B] in the Resources block",
            ),
            (
                format!("Resources: {{A: {{{queue}, DependsOn: [C, D]}}}}"),
                "Unresolved resource dependencies [C, D] in the Resources block",
            ),
            (
                format!("Resources: {{A: {{{queue}, Properties: {{X: !Sub 'a${{B.Arn}}'}}}}}}"),
                "Unresolved resource dependencies [B]",
            ),
            (
                format!("Resources: {{A: {{{queue}}}}}\nOutputs: {{O: {{Value: !Ref B}}}}"),
                "[B] in the Outputs block",
            ),
            (
                format!("Resources: {{A: {{{queue}, DependsOn: B}}, B: {{{queue}, DependsOn: A}}, C: {{{queue}}}}}"),
                "Circular dependency between resources: [A, B]",
            ),
        ];
        for (source, expected) in cases {
            let error = check(&parse(&source).unwrap()).unwrap_err();
            assert!(error.contains(expected), "{source}: {error}");
        }
    }

    #[test]
    fn dependencies_are_found_in_all_functions() {
        let source = "Resources:\n  A: {Type: AWS::SQS::Queue, Properties: {X: !Sub ['${v}${B}', {v: !GetAtt C.Arn}]}, DependsOn: D}\n  B: {Type: AWS::SQS::Queue}\n  C: {Type: AWS::SQS::Queue}\n  D: {Type: AWS::SQS::Queue}\n";
        let dependencies = dependencies(&parse(source).unwrap());
        let names = |name: &str| {
            dependencies
                .get(name)
                .map(|on| on.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert_eq!(names("A"), Some(vec!["B", "C", "D"]));
        assert_eq!(names("B"), Some(vec![]));
    }
}
