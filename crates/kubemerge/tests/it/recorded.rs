//! Answers of a real 1.36 API server to custom resources and their definitions, held against ours.
//!
//! `tests/data/validation.jsonl` has a schema, a value and the causes of the refusal; `tests/data/structural.jsonl` has schemas
//! and what the server found wrong with them. To extend them, put a CustomResourceDefinition with the schema to a server, create
//! objects with `dryRun=All`, and write `field reason message` of each cause. Two answers are left out: names, labels and versions
//! inside embedded objects are not checked here. Of a pattern that does not compile, Go's own words about it are left out.

use std::collections::BTreeSet;

use json_tree::{Value, json};
use kubemerge::{schema, structural};

fn lines(text: &str) -> impl Iterator<Item = Value> + '_ {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

#[test]
fn validation_answers_as_the_api_server() {
    let mut differences = String::new();
    for record in lines(include_str!("../data/validation.jsonl")) {
        let name = record["name"].as_str().unwrap();
        let description = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {name: record["schema"]}}}});
        let schema = schema::from_crd(&description).unwrap();
        let mut object =
            json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}, "spec": {name: record["value"]}});
        structural::prune(&mut object, &schema).unwrap();
        structural::default(&mut object, &schema).unwrap();
        let found = structural::validate(&object, &schema).unwrap();
        let ours: Vec<String> = found
            .iter()
            .map(|fault| format!("{} {} {}", fault.field, fault.cause.reason(), fault.message))
            .collect();
        let theirs: Vec<&str> = record["causes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cause| cause.as_str().unwrap())
            .collect();
        // The order of causes follows a map of Go and says nothing.
        let (a, b): (BTreeSet<&str>, BTreeSet<&str>) = (
            ours.iter().map(String::as_str).collect(),
            theirs.iter().copied().collect(),
        );
        if a != b {
            differences.push_str(&format!(
                "{} {}\n  ours:   {ours:?}\n  theirs: {theirs:?}\n",
                record["schema"], record["value"]
            ));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn schemas_are_refused_as_the_api_server_refuses_them() {
    let mut differences = String::new();
    for record in lines(include_str!("../data/structural.jsonl")) {
        let theirs: Vec<&str> = record["causes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cause| cause.as_str().unwrap())
            .collect();
        // One fault is told, any of those that the server finds.
        let (ours, agree) = match schema::from_crd(&record["schema"]) {
            Ok(_) => ("accepted".to_owned(), theirs.is_empty()),
            Err(error) => {
                let text = format!("{} {}", error.path, error.reason);
                let agree = theirs.contains(&text.as_str());
                (text, agree)
            }
        };
        if !agree {
            differences.push_str(&format!(
                "{}\n  ours:   {ours}\n  theirs: {theirs:?}\n",
                record["schema"]
            ));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
