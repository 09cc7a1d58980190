//! Decisions per second on a full node, a pass over a whole cluster, and what one change of the view costs.

use disruption::{
    Amount, Budget, BudgetKey, ClusterView, Environment, Limit, NodeMark, NodeName, NodeState, Owner, PodKey, PodKind,
    PodState, Policy, Readiness, Selector, decide_cluster, decide_node, decide_pod, gone_at_latest,
};
use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use testkit::bench::{Stopwatch, machine};

fn main() {
    // Cargo says so when it wants figures; as a test nothing is timed.
    if std::env::args().any(|argument| argument == "--bench") {
        figures();
    }
    divan::main();
}

/// The figures that the contract is held to, with the machine that they are of.
#[allow(clippy::print_stdout, reason = "figures for people")]
fn figures() {
    const ROUNDS: u32 = 5_000;
    println!("{}", machine());
    let full = FullNode::new();
    let waits = full.thousand();
    let watch = Stopwatch::start();
    for _ in 0..ROUNDS {
        divan::black_box(full.thousand());
    }
    let taken = watch.read();
    let each = taken.processor / ROUNDS;
    let rate = f64::from(ROUNDS) * 1_000.0 / taken.processor.as_secs_f64().max(f64::EPSILON);
    println!(
        "decisions on a node with 110 pods under 50 budgets, {waits} of 1,000 wait for a clock: {:.2} ms per thousand, \
         {rate:.0} per second; {ROUNDS},000 decisions in {taken}",
        each.as_secs_f64() * 1_000.0
    );
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
    let full = FullNode::new();
    bencher.bench(|| full.thousand());
}

/// A node with 110 pods under 50 budgets, and five more replicas of each application elsewhere.
struct FullNode {
    view: ClusterView,
    policy: Policy,
    node: NodeName,
    keys: Vec<PodKey>,
}

impl FullNode {
    fn new() -> Self {
        let (full, other) = (node(0, true), node(1, false));
        let name = full.name.clone();
        let pods = (0..110 + 250).map(|i| pod(i, i % 50, if i < 110 { &full.name } else { &other.name }));
        let pods: Vec<PodState> = pods.collect();
        let view = ClusterView::new([full, other], (0..50).map(|app| budget(app, 7)), pods);
        Self {
            keys: view.pods_on(&name).map(|pod| pod.key.clone()).collect(),
            policy: Policy::of(Environment::Production),
            node: name,
            view,
        }
    }

    /// Decides a thousand times; how many of the decisions have an instant at which they change.
    fn thousand(&self) -> usize {
        let thousand = self.keys.iter().cycle().take(1_000);
        let decided = thousand.map(|key| decide_pod(&self.view, &self.policy, &self.node, key, now()));
        decided
            .filter(|one| one.as_ref().is_ok_and(|one| one.changes_at.is_some()))
            .count()
    }
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
