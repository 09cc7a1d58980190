//! Forecasts: the plan's pools joined with a picture of the cluster.

use std::collections::BTreeMap;

use disruption::{ClusterObjects, Environment, Policy};
use jiff::Timestamp;
use plan::report::{self, Style};
use plan::{
    ClusterForecast, ClusterPlan, FleetPlan, Inputs, Picture, PoolChange, PoolRules, Verb, Why, forecast_cluster,
};
use serde_json::{Value, json};

const NOW: &str = "2026-11-21T12:00:00Z";

fn node(name: &str, pool: &str) -> Value {
    json!({"kind": "Node", "metadata": {"name": name, "creationTimestamp": "2026-11-01T00:00:00Z",
        "labels": {"node.kubernetes.io/node-pool": pool}}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
}

fn pod(app: &str, number: u32, node: &str) -> Value {
    json!({"kind": "Pod", "metadata": {"name": format!("{app}-{number}"), "namespace": "shop", "uid": format!("{app}-{number}"),
        "creationTimestamp": "2026-11-21T10:00:00Z", "labels": {"app": app, "team": "team-shop"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": app, "controller": true}]},
        "spec": {"nodeName": node}, "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T10:01:00Z"}]}})
}

/// A budget over the pods of an application, all of them ready.
fn budget(app: &str, pods: u32, allowed: u32) -> Value {
    json!({"kind": "PodDisruptionBudget", "metadata": {"name": app, "namespace": "shop", "generation": 1},
        "spec": {"maxUnavailable": allowed, "selector": {"matchLabels": {"app": app}}},
        "status": {"observedGeneration": 1, "expectedPods": pods, "currentHealthy": pods,
            "desiredHealthy": pods - allowed, "disruptionsAllowed": allowed}})
}

fn picture(objects: &[Value]) -> Picture {
    let mut all = ClusterObjects::default();
    for object in objects {
        all.take(object).unwrap();
    }
    Picture {
        view: all.into_view(),
        at: NOW.parse().unwrap(),
        source: "shop.yaml".to_owned(),
    }
}

fn change(pool: &str, verb: Verb, why: Why) -> PoolChange {
    PoolChange {
        pool: pool.to_owned(),
        profile: "worker".to_owned(),
        verb,
        why: vec![why],
        nodes: plan::NodeCount::default(),
    }
}

fn plan_of(pools: Vec<PoolChange>) -> ClusterPlan {
    ClusterPlan {
        cluster: "aws:1:eu-central-1:shop".to_owned(),
        alias: "shop".to_owned(),
        pools,
        ..ClusterPlan::default()
    }
}

fn rules(pools: &[&str]) -> BTreeMap<String, Result<PoolRules, String>> {
    let rules = PoolRules {
        policy: Policy::of(Environment::Production),
        max_size: 10,
        spot: false,
    };
    pools
        .iter()
        .map(|pool| ((*pool).to_owned(), Ok(rules.clone())))
        .collect()
}

/// Four workers, an application that budgets let go and one that they never do.
fn shop() -> Picture {
    let mut objects: Vec<Value> = (1..=4).map(|n| node(&format!("w{n}"), "workers")).collect();
    objects.push(node("m1", "masters"));
    for n in 1..=3 {
        objects.push(pod("cart", n, &format!("w{n}")));
    }
    objects.push(pod("ledger", 1, "w4"));
    objects.extend([budget("cart", 3, 1), budget("ledger", 1, 0)]);
    picture(&objects)
}

fn forecast() -> ClusterForecast {
    let pools = vec![
        change("workers", Verb::Replace, Why::UserData(1)),
        change("masters", Verb::Update, Why::InPlace(vec!["MaxSize".to_owned()])),
    ];
    forecast_cluster(&plan_of(pools), &shop(), &rules(&["workers", "masters"])).unwrap()
}

#[test]
fn only_pools_whose_nodes_go_are_forecast() {
    let forecast = forecast();
    assert_eq!(forecast.pools.len(), 1);
    let pool = &forecast.pools[0];
    assert_eq!(
        (pool.nodes.len(), pool.surge, pool.in_flight, pool.pods()),
        (4, 3, 3, 4)
    );
    assert_eq!(&*pool.nodes[0].why, "user data changes (1 line)");
    assert_eq!(pool.owners["team-shop"].protected, 1);
    let refusal = &pool.refusals[0];
    assert_eq!(pool.refusals.len(), 1);
    assert_eq!(refusal.pod.to_string(), "shop/ledger-1");
    // The pod is two hours old and has to live for three days; that is longer than the grace period of its node.
    let until: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
    assert_eq!(refusal.until, Some(until));
    assert!(pool.expected.unwrap() >= until && pool.expected <= pool.at_latest);
    assert!(pool.surge_node_hours_expected <= pool.surge_node_hours_at_most);
}

#[test]
fn a_pool_without_a_readable_policy_is_an_error_of_the_forecast() {
    let plan = plan_of(vec![change("workers", Verb::Replace, Why::UserData(1))]);
    let broken = BTreeMap::from([(
        "workers".to_owned(),
        Err("config item drain_grace_period is no duration".to_owned()),
    )]);
    let forecast = forecast_cluster(&plan, &shop(), &broken).unwrap();
    assert_eq!(
        forecast.errors,
        ["node pool workers: config item drain_grace_period is no duration"]
    );
    let forecast = forecast_cluster(&plan, &shop(), &BTreeMap::new()).unwrap();
    assert_eq!((forecast.pools.len(), forecast.errors.len()), (0, 1));
}

#[test]
fn a_plan_that_touches_no_nodes_has_no_forecast() {
    let plan = plan_of(vec![change("workers", Verb::Create, Why::New)]);
    assert_eq!(forecast_cluster(&plan, &shop(), &rules(&["workers"])), None);
}

#[test]
fn a_pool_that_goes_brings_no_new_nodes() {
    let plan = plan_of(vec![change("workers", Verb::Delete, Why::Gone)]);
    let forecast = forecast_cluster(&plan, &shop(), &rules(&["workers"])).unwrap();
    let pool = &forecast.pools[0];
    assert_eq!((pool.surge, pool.surge_node_hours_at_most), (0, Some(0)));
}

#[test]
fn forecasts_are_saved_with_their_plan_and_told() {
    let clusters = vec![plan_of(vec![change("workers", Verb::Replace, Why::UserData(1))])];
    let plan = FleetPlan::new("a", "b", Inputs::default(), clusters).with_forecasts(vec![forecast()]);
    let saved = serde_json::to_string(&plan).unwrap();
    assert_eq!(FleetPlan::parse(&saved).unwrap(), plan);
    let text = report::text(&plan, Style::default());
    for expected in [
        "Forecast for cluster shop as of 2026-11-21 12:00 UTC (shop.yaml)\n",
        "-/+ node pool workers: 4 nodes with 4 pods are replaced; user data changes (1 line)\n",
        "expected  2026-11-24 10:00:30 UTC (in 2d22h), by forced termination (blocked by PDB shop/ledger",
        "pods of   team-shop 4 (1 protected)\n",
        "refuses   shop/ledger-1 blocked by PDB shop/ledger (max unavailable 0 never allows an eviction); force not before 2026-11-24 10:00 UTC",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let markdown = report::markdown(&plan, 65_536);
    assert!(
        markdown.contains("<summary>Forecast: shop rolls 1 node pool, done by 2026-11-2"),
        "{markdown}"
    );
    let small = report::markdown(&plan, 900);
    assert!(small.len() <= 900 && small.contains("did not fit"), "{small}");
}
