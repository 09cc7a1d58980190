//! Deployments in motion: bounds kept at every write, whatever the pods do, and an end.

use json_tree::{Value, json};
use proptest::prelude::*;

use super::bench::Bench;
use crate::controllers::support::tree::{deleting, int, list, name, text};
use crate::kind::Kind;

fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "v1"}]}}}})
}

fn image(image: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}})
}

/// Active pods and available pods.
fn counts(bench: &Bench) -> (i64, i64) {
    let ready = |pod: &&Value| {
        let conditions = list(pod, &["status", "conditions"]).iter();
        conditions
            .filter(|one| text(one, &["type"]) == Some("Ready"))
            .any(|one| text(one, &["status"]) == Some("True"))
    };
    let pods: Vec<Value> = bench.list(Kind::POD).into_iter().filter(|pod| !deleting(pod)).collect();
    (pods.len() as i64, pods.iter().filter(ready).count() as i64)
}

/// The sizes that all ReplicaSets are told to have: what the surge bounds at every write. How soon pods follow is up to
/// the ReplicaSets, here as on a real cluster.
fn told(bench: &Bench) -> i64 {
    bench
        .list(Kind::REPLICA_SET)
        .iter()
        .filter_map(|set| int(set, &["spec", "replicas"]))
        .sum()
}

fn status(bench: &Bench, field: &str) -> i64 {
    int(&bench.get(Kind::DEPLOYMENT, "web"), &["status", field]).unwrap_or(0)
}

fn revision(bench: &Bench) -> String {
    let deployment = bench.get(Kind::DEPLOYMENT, "web");
    text(
        &deployment,
        &["metadata", "annotations", "deployment.kubernetes.io/revision"],
    )
    .unwrap_or_default()
    .to_owned()
}

#[test]
fn a_deployment_rolls_within_its_bounds_and_back() {
    let mut bench = Bench::new(5);
    bench.create(Kind::DEPLOYMENT, deployment(10, json!("25%"), json!("25%")));
    bench.run_out();
    assert_eq!(
        (status(&bench, "readyReplicas"), status(&bench, "updatedReplicas")),
        (10, 10)
    );
    assert_eq!(revision(&bench), "1");
    bench.check = Some(Box::new(|bench| {
        let (told, available) = (told(bench), counts(bench).1);
        assert!(told <= 13 && available >= 8, "{told} told, {available} available");
    }));
    bench.patch(Kind::DEPLOYMENT, "web", image("v2"));
    bench.run_out();
    assert_eq!(
        (
            status(&bench, "updatedReplicas"),
            status(&bench, "replicas"),
            revision(&bench).as_str()
        ),
        (10, 10, "2")
    );
    bench.patch(Kind::DEPLOYMENT, "web", image("v1"));
    bench.run_out();
    let sets = bench.list(Kind::REPLICA_SET);
    assert_eq!(
        (sets.len(), revision(&bench).as_str()),
        (2, "3"),
        "undoing takes the old set up again"
    );
    let deployment = bench.get(Kind::DEPLOYMENT, "web");
    let progressing = list(&deployment, &["status", "conditions"])
        .iter()
        .find(|one| text(one, &["type"]) == Some("Progressing"));
    assert_eq!(text(progressing.unwrap(), &["reason"]), Some("NewReplicaSetAvailable"));
    assert!(
        bench
            .events
            .iter()
            .any(|event| event.starts_with("ScalingReplicaSet: Scaled up replica set web-")),
        "{:?}",
        bench.events
    );
}

#[test]
fn a_broken_template_stops_at_its_bounds_and_times_out() {
    let mut bench = Bench::new(3);
    bench.create(Kind::DEPLOYMENT, deployment(4, json!(1), json!(1)));
    bench.run_out();
    bench.patch(Kind::DEPLOYMENT, "web", image("broken"));
    bench.run_out();
    assert_eq!(counts(&bench), (5, 3));
    bench.advance(700);
    let deployment = bench.get(Kind::DEPLOYMENT, "web");
    let reasons: Vec<&str> = list(&deployment, &["status", "conditions"])
        .iter()
        .filter_map(|one| text(one, &["reason"]))
        .collect();
    assert!(reasons.contains(&"ProgressDeadlineExceeded"), "{reasons:?}");
    bench.patch(Kind::DEPLOYMENT, "web", image("v1"));
    bench.run_out();
    assert_eq!(counts(&bench), (4, 4));
}

#[test]
fn recreation_leaves_no_two_versions_side_by_side() {
    let mut bench = Bench::new(3);
    let mut wish = deployment(3, json!(0), json!(1));
    wish["spec"]["strategy"] = json!({"type": "Recreate"});
    bench.create(Kind::DEPLOYMENT, wish);
    bench.run_out();
    bench.check = Some(Box::new(|bench| {
        let sets: std::collections::BTreeSet<String> = bench
            .list(Kind::POD)
            .iter()
            .map(|pod| name(pod).rsplit_once('-').unwrap().0.to_owned())
            .collect();
        assert!(sets.len() <= 1, "{sets:?}");
    }));
    bench.patch(Kind::DEPLOYMENT, "web", image("v2"));
    bench.run_out();
    assert_eq!((counts(&bench), status(&bench, "updatedReplicas")), ((3, 3), 3));
}

#[test]
fn a_paused_deployment_scales_and_does_not_roll() {
    let mut bench = Bench::new(3);
    bench.create(Kind::DEPLOYMENT, deployment(3, json!(1), json!(0)));
    bench.run_out();
    bench.patch(Kind::DEPLOYMENT, "web", json!({"spec": {"paused": true}}));
    bench.patch(Kind::DEPLOYMENT, "web", image("v2"));
    bench.patch(Kind::DEPLOYMENT, "web", json!({"spec": {"replicas": 5}}));
    bench.run_out();
    assert_eq!((counts(&bench), bench.list(Kind::REPLICA_SET).len()), ((5, 5), 1));
    bench.patch(Kind::DEPLOYMENT, "web", json!({"spec": {"paused": null}}));
    bench.run_out();
    assert_eq!(
        (status(&bench, "updatedReplicas"), bench.list(Kind::REPLICA_SET).len()),
        (5, 2)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_rollout_leaves_its_bounds(
        replicas in 1_i64..8,
        surge in 0_i64..4,
        unavailable in 0_i64..4,
        steps in proptest::collection::vec((0_usize..4, 0_usize..5), 1..10),
    ) {
        prop_assume!(surge + unavailable > 0);
        let mut bench = Bench::new(3);
        bench.create(Kind::DEPLOYMENT, deployment(replicas, json!(surge), json!(unavailable)));
        bench.run_out();
        bench.check = Some(Box::new(move |bench| {
            let (told, available) = (told(bench), counts(bench).1);
            assert!(told <= replicas + surge, "{told} told of {replicas} and {surge}");
            assert!(available >= replicas - unavailable, "{available} available of {replicas} less {unavailable}");
        }));
        for (version, pick) in steps {
            bench.patch(Kind::DEPLOYMENT, "web", image(&format!("v{version}")));
            bench.settle();
            prop_assert!(counts(&bench).0 <= replicas + surge);
            // Only some pods get on before the next change.
            bench.serve(&|pod| name(pod).bytes().last().unwrap_or(0) as usize % 5 != pick);
            bench.advance(1);
            prop_assert!(counts(&bench).0 <= replicas + surge);
        }
        bench.run_out();
        prop_assert_eq!(counts(&bench), (replicas, replicas));
        prop_assert_eq!(status(&bench, "updatedReplicas"), replicas);
    }
}
