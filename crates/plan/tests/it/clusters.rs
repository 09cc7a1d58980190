//! Objects, stacks and deletions of one cluster.

use plan::{StackKind, Verb, plan_cluster};
use render::{DesiredCluster, parse_deletions};
use serde_json::json;

use crate::build::{desired, plan, stack, subject};

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {replicas: 2, selector: {matchLabels: {a: b}}}\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop}\ndata: {k: v}\n";

/// Signs and names of the object changes.
#[track_caller]
fn check(before: &[(&str, &str)], after: &[(&str, &str)], expected: &[&str]) {
    let plan = plan(&desired(before), &desired(after));
    let found: Vec<String> = plan
        .objects
        .iter()
        .map(|change| {
            let fields: Vec<&str> = change.fields.iter().map(|f| f.path.as_str()).collect();
            format!("{} {} {}", change.verb.sign(), change.object, fields.join(","))
                .trim_end()
                .to_owned()
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn equal_states_change_nothing() {
    check(&[("web", WEB)], &[("web", WEB)], &[]);
}

#[test]
fn objects_come_change_and_go() {
    check(&[], &[("web", WEB)], &["+ Deployment.apps shop/web"]);
    check(&[("web", WEB)], &[], &["- Deployment.apps shop/web"]);
    let more = WEB.replace("replicas: 2", "replicas: 3");
    check(
        &[("web", WEB)],
        &[("web", &more)],
        &["~ Deployment.apps shop/web spec.replicas"],
    );
}

#[test]
fn an_immutable_field_makes_it_a_replacement() {
    let other = WEB.replace("a: b", "a: c");
    check(
        &[("web", WEB)],
        &[("web", &other)],
        &["-/+ Deployment.apps shop/web spec.selector.matchLabels.a"],
    );
}

#[test]
fn an_object_that_moves_to_another_component_stays() {
    check(&[("a", WEB)], &[("b", WEB)], &[]);
}

#[test]
fn deleted_objects_come_last_and_in_reverse_order() {
    let both = format!("{WEB}---\n{MAP}");
    let new = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: next, namespace: shop}\n";
    check(
        &[("a", &both)],
        &[("b", new)],
        &[
            "+ ConfigMap shop/next",
            "- ConfigMap shop/m",
            "- Deployment.apps shop/web",
        ],
    );
}

#[test]
fn no_secret_reaches_the_plan() {
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: shop}}\nstringData: {{password: {value}}}\n"
        )
    };
    let map = |value: &str| MAP.replace("k: v", &format!("k: 'user:{value}'"));
    let before = desired(&[("s", &secret("old")), ("m", &map("hunter2"))]);
    let after = desired(&[("s", &secret("new")), ("m", &map("hunter2x"))]);
    let plan = plan(&before, &after);
    let saved = serde_json::to_string(&plan).unwrap();
    assert!(
        !saved.contains("hunter2") && !saved.contains("\"old\":\"old\""),
        "{saved}"
    );
    let secret = &plan.objects[0].fields[0];
    assert_eq!(
        (&secret.old, &secret.new),
        (&Some(json!("<masked>")), &Some(json!("<masked>")))
    );
}

#[test]
fn stacks_tell_resources_and_lines() {
    let text = |size: &str| {
        format!("Resources:\n  A: {{Type: 'AWS::S3::Bucket', Size: {size}}}\n  B: {{Type: 'AWS::IAM::Role'}}\n")
    };
    let side = |size: &str| DesiredCluster {
        main_stack: Some(stack("kube-1", &text(size))),
        ..DesiredCluster::default()
    };
    let plan = plan(&side("1"), &side("2"));
    let change = &plan.stacks[0];
    assert_eq!((change.verb, &change.kind), (Verb::Update, &StackKind::Main));
    assert_eq!(change.resources, ["~ AWS::S3::Bucket A"]);
    assert_eq!(change.lines.len(), 2);
}

#[test]
fn only_new_deletions_are_told() {
    let side = |entries: serde_json::Value| DesiredCluster {
        deletions: parse_deletions(&json!({"post_apply": entries})).unwrap(),
        ..DesiredCluster::default()
    };
    let old = json!({"kind": "Deployment", "namespace": "x", "name": "old"});
    let new = json!({"kind": "Pod", "namespace": "x", "labels": {"a": "b"}, "has_owner": false});
    let plan = plan(&side(json!([old])), &side(json!([old, new])));
    let targets: Vec<&str> = plan.deletions.iter().map(|deletion| deletion.target.as_str()).collect();
    assert_eq!(targets, ["every Pod x/* with a=b that has no owner"]);
}

#[test]
fn a_new_cluster_is_created_as_a_whole_and_an_old_one_deleted() {
    let side = desired(&[("web", WEB)]);
    let hide = |text: &str| text.to_owned();
    let made = plan_cluster(&subject("a"), None, Some(&side), &hide);
    let gone = plan_cluster(&subject("a"), Some(&side), None, &hide);
    assert_eq!(
        (made.objects[0].verb, gone.objects[0].verb),
        (Verb::Create, Verb::Delete)
    );
}
