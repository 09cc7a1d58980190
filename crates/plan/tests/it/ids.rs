//! Plans are bound to their inputs.

use plan::{ClusterInput, FleetPlan, Inputs};

fn input(from: &str, to: &str, facts: &str) -> ClusterInput {
    ClusterInput {
        alias: "kube-1".to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        facts: facts.to_owned(),
        live: None,
    }
}

fn inputs(one: ClusterInput) -> Inputs {
    Inputs {
        clusters: [("aws:1:eu-central-1:kube-1".to_owned(), one)].into(),
    }
}

/// What is said to have moved.
#[track_caller]
fn check(then: ClusterInput, now: ClusterInput, expected: &[&str]) {
    let (then, now) = (inputs(then), inputs(now));
    let moved: Vec<String> = then.moved(&now).iter().map(ToString::to_string).collect();
    assert_eq!(moved, expected);
    assert_eq!(then.id() == now.id(), expected.is_empty());
}

#[test]
fn what_moved_is_named() {
    check(input("a#1", "b#1", "f"), input("a#1", "b#1", "f"), &[]);
    check(
        input("a#1", "b#1", "f"),
        input("a#1", "c#1", "f"),
        &["cluster kube-1: the version to come moved from b#1 to c#1"],
    );
    check(
        input("a#1", "b#1", "f"),
        input("", "b#1", "g"),
        &[
            "cluster kube-1: the version it is at moved from a#1 to none",
            "cluster kube-1: the discovered facts changed",
        ],
    );
    check(
        input("a#1", "b#1", "f"),
        input("a#2", "b#2", "f"),
        &["cluster kube-1: its entry in the registry changed"],
    );
}

#[test]
fn objects_that_moved_are_named() {
    let seen = |objects: &[(&str, &str)]| ClusterInput {
        live: Some(
            objects
                .iter()
                .map(|(what, digest)| ((*what).to_owned(), (*digest).to_owned()))
                .collect(),
        ),
        ..input("a#1", "b#1", "f")
    };
    check(
        seen(&[("ConfigMap web/a", "1")]),
        seen(&[("ConfigMap web/a", "1")]),
        &[],
    );
    check(
        seen(&[("ConfigMap web/a", "1"), ("ConfigMap web/b", "1")]),
        seen(&[("ConfigMap web/a", "2"), ("ConfigMap web/c", "1")]),
        &[
            "cluster kube-1: ConfigMap web/a is not as it was seen",
            "cluster kube-1: ConfigMap web/b needs no change any more",
            "cluster kube-1: ConfigMap web/c needs a change that was not planned",
        ],
    );
}

#[test]
fn clusters_that_come_and_go_are_named() {
    let one = inputs(input("a", "b", "f"));
    assert_eq!(
        one.moved(&Inputs::default())[0].to_string(),
        "cluster kube-1: is not in the selection any more"
    );
    assert_eq!(
        Inputs::default().moved(&one)[0].to_string(),
        "cluster kube-1: is new in the selection"
    );
}

#[test]
fn a_saved_plan_is_read_again_and_a_changed_one_refused() {
    let plan = FleetPlan::new("a", "b", inputs(input("a", "b", "f")), Vec::new());
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(FleetPlan::parse(&text).unwrap(), plan);
    let forged = text.replace("\"facts\":\"f\"", "\"facts\":\"g\"");
    assert!(
        FleetPlan::parse(&forged)
            .unwrap_err()
            .contains("does not belong to the inputs")
    );
    assert!(FleetPlan::parse("{}").unwrap_err().starts_with("not a saved plan"));
    let newer = text.replace("plan/v1", "plan/v9");
    assert!(
        FleetPlan::parse(&newer)
            .unwrap_err()
            .contains("\"fleetwright.plan/v9\" is not known")
    );
}
