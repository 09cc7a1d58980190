//! How rehearsals end.

use rehearse::{Outcome, RehearseError, Workload, rehearse};
use twin::Profile;

use crate::fleet::{between, cluster, input, tree, tree_of};
use crate::rolling::rolling;

#[test]
fn nodes_are_replaced_and_everything_is_accounted_for() {
    let report = rehearse(&rolling(6), 1).unwrap();
    let cluster = &report.clusters[0];
    assert!(
        matches!(cluster.outcome, Outcome::Done { .. }),
        "{:?}\n{:?}",
        cluster.outcome,
        cluster.stuck
    );
    assert_eq!(report.done_at.is_some(), report.totals.done == 1);
    let pool = &cluster.pools[0];
    assert_eq!((pool.before, pool.outdated, pool.replaced), (6, 6, 6));
    assert!(pool.most > 6 && pool.most <= 12, "{pool:?}");
    assert!(pool.surge_node_seconds > 0);
    // The bound that the contract gave before holds for what happened.
    let bound = pool.bound.as_ref().unwrap();
    assert!(pool.ended <= bound.at_latest && bound.at_latest.is_some(), "{pool:?}");
    let old: Vec<_> = cluster.nodes.iter().filter(|lane| lane.old).collect();
    assert_eq!(old.len(), 6);
    for lane in &old {
        assert!(lane.selected <= lane.draining && lane.draining <= lane.gone, "{lane:?}");
        assert!(lane.gone.unwrap() <= lane.at_latest.unwrap(), "{lane:?}");
    }
    // The profile has a pod that no budget ever lets go: it goes by force, when every rule is met.
    let moved = cluster.moved();
    assert!(moved.evicted > 20 && moved.held > 0 && moved.forced > 0, "{moved:?}");
    assert_eq!(usize::try_from(moved.forced).unwrap(), cluster.forced.len());
    assert_eq!(
        cluster.forced.len(),
        old.iter().map(|lane| lane.forced.len()).sum::<usize>()
    );
    assert!(
        cluster
            .forced
            .iter()
            .all(|one| !one.against.is_empty() && !one.right.is_empty())
    );
    assert!(
        cluster.steps.iter().any(|step| step.path == "pools/workers/stack"),
        "{:?}",
        cluster.steps
    );
    let held = cluster.holds.iter().find(|hold| hold.why.contains("PDB")).unwrap();
    assert!(held.until.unwrap() > held.since, "{held:?}");
    assert_eq!(u64::try_from(cluster.holds.len()).unwrap(), moved.held);
}

#[test]
fn the_same_configuration_changes_nothing() {
    let tree = tree("one", "ami-1");
    let clusters = vec![input(cluster("kube-1", "test", 3), Workload::Profile(Profile::Shop))];
    let report = rehearse(&between(&tree, &tree, clusters), 1).unwrap();
    assert_eq!(report.clusters[0].outcome, Outcome::Unchanged);
    assert_eq!(
        (
            report.totals.evicted,
            report.totals.outdated,
            report.totals.surge_node_seconds
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_blocked_cluster_is_left_alone_and_says_why() {
    let mut scenario = rolling(3);
    let block = "cluster_update_block".parse().unwrap();
    scenario.clusters[0]
        .cluster
        .config_items
        .insert(block, "quarter end (alice)".to_owned());
    let report = rehearse(&scenario, 1).unwrap();
    match &report.clusters[0].outcome {
        Outcome::Blocked { why } => assert!(why.contains("quarter end"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!((report.totals.evicted, report.done_at), (0, None));
}

#[test]
fn an_update_that_fails_says_why_when_the_time_is_over() {
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name, namespace: default}\n";
    let from = tree("one", "ami-1");
    let pool = from
        .text("cluster/node-pools/worker-splitaz/stack.yaml")
        .unwrap()
        .to_owned();
    let clusters = vec![input(cluster("kube-1", "test", 1), Workload::Profile(Profile::Shop))];
    let mut scenario = between(&from, &tree_of("two", &pool, bad), clusters);
    scenario.limit = jiff::SignedDuration::from_hours(2);
    let report = rehearse(&scenario, 1).unwrap();
    match &report.clusters[0].outcome {
        Outcome::Failed { why } => assert!(why.contains("Bad_Name") || why.contains("metadata.name"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_template_that_cannot_be_rendered_is_an_error_before_anything_is_built() {
    let clusters = vec![input(cluster("kube-1", "test", 1), Workload::Profile(Profile::Shop))];
    let broken = tree_of("two", "Resources: {{ .Nothing.There }}\n", "");
    let error = rehearse(&between(&tree("one", "ami-1"), &broken, clusters), 1).unwrap_err();
    assert!(matches!(error, RehearseError::Render { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("cluster kube-1: two cannot be rendered: "),
        "{error}"
    );
}
