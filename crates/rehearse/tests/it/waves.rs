//! A rehearsal by the rules of the fleet.

use plan::policy::FleetPolicy;
use rehearse::{Outcome, Report, Scenario, Workload, rehearse};
use twin::Profile;

use crate::fleet::{between, cluster, input, tree, tree_of};

/// A cluster in test and one in production get this manifest.
fn scenario(manifest: &str) -> Scenario {
    let one = |(alias, environment)| input(cluster(alias, environment, 1), Workload::Profile(Profile::Shop));
    let clusters = [("kube-1", "test"), ("kube-2", "production")].map(one);
    let from = tree("one", "ami-1");
    let pool = from
        .text("cluster/node-pools/worker-splitaz/stack.yaml")
        .unwrap()
        .to_owned();
    let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {manifest}, namespace: default}}\n");
    let mut scenario = between(&from, &tree_of("two", &pool, &map), clusters.into());
    scenario.limit = jiff::SignedDuration::from_hours(2);
    scenario
}

/// How much later the second cluster began.
fn pause(report: &Report) -> i64 {
    let begun = |at: usize| report.clusters[at].updated.unwrap().0;
    begun(1).duration_since(begun(0)).as_secs()
}

#[test]
fn clusters_begin_in_the_waves_of_the_policy_each_when_the_one_before_is_healthy() {
    let mut scenario = scenario("settings");
    let at_once = rehearse(&scenario, 1).unwrap();
    assert!(pause(&at_once) < 60, "{}", pause(&at_once));
    let policy = "kind: FleetPolicy\nhealth: {checkTime: 10m, checkTimes: []}\n";
    scenario.policy = Some(FleetPolicy::parse(policy).unwrap());
    let report = rehearse(&scenario, 1).unwrap();
    assert_eq!(report.totals.done, 2, "{:?}", report.clusters);
    assert!(pause(&report) >= 600, "{}", pause(&report));
}

#[test]
fn what_never_gets_its_turn_says_why() {
    let mut scenario = scenario("Bad_Name");
    scenario.policy = Some(FleetPolicy::default());
    let report = rehearse(&scenario, 1).unwrap();
    assert!(
        matches!(report.clusters[0].outcome, Outcome::Failed { .. }),
        "{:?}",
        report.clusters[0].outcome
    );
    match &report.clusters[1].outcome {
        Outcome::Unfinished { left } => assert!(
            left.contains("waits on wave \"test, canaries\", halted") && left.contains("(kube-1)"),
            "{left}"
        ),
        other => panic!("{other:?}"),
    }
}
