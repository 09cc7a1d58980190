//! Decisions per second on a full node, a pass over a whole cluster, and what one change of the view costs.

use disruption::{
    Amount, Budget, BudgetKey, ClusterView, Environment, Limit, NodeMark, NodeName, NodeState, Owner, PodKey, PodKind,
    PodState, Policy, Readiness, Selector, decide_cluster, decide_node, decide_pod, gone_at_latest,
};
use divan::Bencher;
use jiff::{SignedDuration, Timestamp};

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000)
}

fn node(i: usize, draining: bool) -> NodeState {
    let mut node = NodeState::new(format!("ip-10-0-{}-{}", i / 250, i % 250).into(), now());
    node.pool = Some("worker".into());
    if draining {
        let start = now() - SignedDuration::from_hours(7);
        node.cordoned = true;
        node.outdated = Some("image".into());
        node.mark = Some(NodeMark {
            draining: Some(start),
            ..NodeMark::new(start, "new image")
        });
    }
    node
}

fn pod(i: usize, app: usize, node: &NodeName) -> PodState {
    let created = now() - SignedDuration::from_mins(i64::try_from(i % 9_000).unwrap_or(0));
    let name = format!("application-{app}");
    let kind = if app.is_multiple_of(10) {
        let ordinal = u32::try_from(i).unwrap_or(0);
        PodKind::StatefulSet {
            owner: Owner::new("StatefulSet", name.as_str()),
            ordinal,
            replicas: None,
        }
    } else {
        PodKind::Replicated(Owner::new("ReplicaSet", name.as_str()))
    };
    let key = PodKey::new(format!("team-{}", app % 20), format!("{name}-{i}"));
    let mut pod = PodState::new(key, kind, Some(node.clone()), created);
    pod.labels = [
        ("application", name.as_str()),
        ("version", "v1"),
        ("team", "team-a"),
        ("component", "web"),
    ]
    .into_iter()
    .collect();
    if i.is_multiple_of(17) {
        pod.readiness = Readiness::NotReady(created);
    }
    pod
}

fn budget(app: usize, pods: u32) -> Budget {
    let amount = if app.is_multiple_of(3) {
        Amount::Count(0)
    } else {
        Amount::Percent(10)
    };
    let name = format!("application-{app}");
    let selector = Selector::labels([("application", name.as_str())]);
    Budget::new(
        BudgetKey::new(format!("team-{}", app % 20), name),
        selector,
        Limit::MaxUnavailable(amount),
        pods,
        pods,
    )
}

/// Nodes, pods on them, and one application with a budget for every `per_app` pods; every `each`th node is draining.
fn cluster(nodes: usize, pods: usize, per_app: usize, each: usize) -> ClusterView {
    let nodes: Vec<NodeState> = (0..nodes).map(|i| node(i, i % each == 0)).collect();
    let apps = pods / per_app;
    let on = |i: usize| {
        nodes
            .get(i % nodes.len())
            .map(|n| n.name.clone())
            .unwrap_or_else(|| "none".into())
    };
    let pods: Vec<PodState> = (0..pods).map(|i| pod(i, i % apps, &on(i))).collect();
    let size = u32::try_from(per_app).unwrap_or(0);
    ClusterView::new(nodes.clone(), (0..apps).map(|app| budget(app, size)), pods)
}

/// A thousand single decisions on a node with 110 pods under 50 budgets, with five more replicas of each elsewhere.
#[divan::bench]
fn thousand_decisions(bencher: Bencher<'_, '_>) {
    let nodes = [node(0, true), node(1, false)];
    let pods = (0..110 + 250).map(|i| pod(i, i % 50, &nodes[usize::from(i >= 110)].name));
    let view = ClusterView::new(nodes.clone(), (0..50).map(|app| budget(app, 7)), pods);
    let policy = Policy::of(Environment::Production);
    let keys: Vec<PodKey> = view.pods_on(&nodes[0].name).map(|pod| pod.key.clone()).collect();
    bencher.bench(|| {
        let thousand = keys.iter().cycle().take(1_000);
        thousand
            .filter(|key| decide_pod(&view, &policy, &nodes[0].name, key, now()).is_ok_and(|d| d.changes_at.is_some()))
            .count()
    });
}

/// The whole decision on that node.
#[divan::bench]
fn one_node(bencher: Bencher<'_, '_>) {
    let view = cluster(1, 110, 2, 1);
    let name = NodeName::from("ip-10-0-0-0");
    let policy = Policy::of(Environment::Production);
    bencher.bench(|| decide_node(&view, &policy, &name, now()));
}

/// All nodes of 1,000 drain at once, with 30,000 pods in 1,000 budgets.
#[divan::bench(sample_count = 10)]
fn whole_cluster(bencher: Bencher<'_, '_>) {
    let view = cluster(1_000, 30_000, 30, 1);
    let policy = Policy::of(Environment::Production);
    bencher.bench(|| decide_cluster(&view, &policy, now()));
}

/// Three nodes of 1,000 drain, as in an ordinary rollout.
#[divan::bench]
fn cluster_with_three_draining(bencher: Bencher<'_, '_>) {
    let view = cluster(1_000, 30_000, 30, 400);
    let policy = Policy::of(Environment::Production);
    bencher.bench(|| decide_cluster(&view, &policy, now()));
}

/// A view of 30,000 pods from lists.
#[divan::bench(sample_count = 10)]
fn build_view() -> ClusterView {
    cluster(1_000, 30_000, 30, 1)
}

/// One pod's status changes.
#[divan::bench]
fn change_a_status(bencher: Bencher<'_, '_>) {
    let mut view = cluster(1_000, 30_000, 30, 1);
    let all: Vec<PodState> = view.pods().take(1_000).cloned().collect();
    let mut turn = all.iter().cycle();
    bencher.bench_local(|| turn.next().map(|pod| view.set_pod(pod.clone())));
}

/// One pod goes and another comes.
#[divan::bench]
fn replace_a_pod(bencher: Bencher<'_, '_>) {
    let mut view = cluster(1_000, 30_000, 30, 1);
    let all: Vec<PodState> = view.pods().take(1_000).cloned().collect();
    let mut turn = all.iter().cycle();
    bencher.bench_local(|| {
        turn.next().map(|pod| {
            view.remove_pod(&pod.key);
            view.set_pod(pod.clone());
        })
    });
}

/// The bound of one node among 1,000 that drain.
#[divan::bench]
fn bound_of_a_node(bencher: Bencher<'_, '_>) {
    let view = cluster(1_000, 30_000, 30, 1);
    let policy = Policy::of(Environment::Production);
    let name = NodeName::from("ip-10-0-0-0");
    bencher.bench(|| gone_at_latest(&view, &policy, &name, now()));
}
