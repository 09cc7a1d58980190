//! What people are told: per pool its nodes, per node its pods, each with the sentence, the earliest and the latest end.

use disruption::{
    Budget, ClusterView, NodeName, NodeStep, PodDecision, PodKey, Policy, PoolName, Verdict, decide_node, decide_pool,
    expected, explain_node, explain_pod, explain_pool_wait, gone_at_latest,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::pool::{PoolSpec, Strategy};
use crate::pools::limits;

/// A cluster's rollouts at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster: String,
    /// When this was true.
    pub at: Timestamp,
    /// Everything was read completely; before that the pools below may lack nodes.
    pub complete: bool,
    /// Why the cluster is blocked, if it is.
    pub blocked: Option<String>,
    /// What cannot be read, by kind or object.
    pub trouble: Vec<String>,
    /// Its pools, in the order in which they were given.
    pub pools: Vec<PoolStatus>,
}

/// Where a pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolPhase {
    /// Every node has the pool's definition.
    Current,
    /// Nodes are being replaced.
    Rolling,
    /// Nodes are marked and another controller replaces them.
    Marked,
    /// The cluster is blocked.
    Blocked,
    /// Too much failed; somebody has to look.
    Halted,
    /// The pool is removed and its last machine is gone: its stack can be deleted.
    Empty,
    /// Its groups cannot be compared with their machines.
    Broken,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub pool: PoolName,
    /// Where it stands.
    pub phase: PoolPhase,
    /// Nodes that its groups want.
    pub desired: u32,
    /// Nodes that are ready.
    pub ready: u32,
    /// Nodes that are outdated.
    pub outdated: u32,
    /// New machines that failed in this rollout.
    pub failed_replacements: u32,
    /// What it waits on, in words.
    pub waits: Vec<String>,
    /// What went wrong in the last round.
    pub trouble: Vec<String>,
    /// Its nodes that are to go, by name.
    pub nodes: Vec<NodeStatus>,
}

/// A node that is to go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: NodeName,
    /// What differs from the pool.
    pub outdated: Option<String>,
    /// When it was selected.
    pub selected: Option<Timestamp>,
    /// When its drain began.
    pub draining: Option<Timestamp>,
    /// What happens next.
    pub step: NodeStep,
    /// The same in one sentence.
    pub sentence: String,
    /// When it is expected to be gone.
    pub expected: Option<Timestamp>,
    /// When it is gone at the latest; absent while nothing bounds it.
    pub latest: Option<Timestamp>,
    /// Its pods, in the order in which they go.
    pub pods: Vec<PodStatus>,
}

/// A pod on such a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodStatus {
    /// The pod.
    pub pod: PodKey,
    /// Team, application or namespace that answers for it.
    pub owner: String,
    /// The decision.
    pub decision: PodDecision,
    /// The same in one sentence.
    pub sentence: String,
    /// Budgets that guard it, with their state.
    #[serde(default)]
    pub budgets: Vec<String>,
    /// The earliest end: now when it may go, the next change by time alone while it waits; absent when what it waits on may
    /// end at any time, or never.
    #[serde(default)]
    pub earliest: Option<Timestamp>,
    /// When it may be forced at the latest, while it waits.
    pub until: Option<Timestamp>,
}

/// The status of a cluster.
pub(crate) fn of(engine: &Engine) -> ClusterStatus {
    let now = engine.hand.now();
    let picture = &engine.picture;
    let kinds = picture.trouble.iter().map(|(kind, why)| format!("{kind}: {why}"));
    let objects = picture.unreadable.iter().map(|(key, why)| format!("{key}: {why}"));
    let block = picture.view.block().filter(|block| block.holds(now));
    ClusterStatus {
        cluster: engine.spec.id.to_string(),
        at: now,
        complete: engine.complete(),
        blocked: block.map(|block| block.reason.to_string()),
        trouble: kinds.chain(objects).chain(engine.cloud_trouble.clone()).collect(),
        pools: engine
            .pools()
            .iter()
            .map(|pool| pool_status(engine, pool, now))
            .collect(),
    }
}

fn pool_status(engine: &Engine, pool: &PoolSpec, now: Timestamp) -> PoolStatus {
    let view = &engine.picture.view;
    let limits = limits(engine, pool);
    let decision = decide_pool(view, &pool.policy, &limits, now);
    let nodes: Vec<_> = view
        .nodes()
        .filter(|node| node.pool.as_ref() == Some(&pool.name))
        .collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let halted = decision.waits.iter().any(|wait| {
        matches!(
            wait,
            disruption::PoolWait::RepairBrake { .. } | disruption::PoolWait::TooManyQuarantined { .. }
        )
    });
    let machines = engine.fleet.machines_of(&pool.name).count();
    let phase = if engine.fleet.broken.contains_key(&pool.name) {
        PoolPhase::Broken
    } else if pool.removed && nodes.is_empty() && machines == 0 {
        PoolPhase::Empty
    } else if decision.done && nodes.iter().all(|node| node.outdated.is_none()) {
        PoolPhase::Current
    } else if view.block().is_some_and(|block| block.holds(now)) {
        PoolPhase::Blocked
    } else if halted || decision.done {
        PoolPhase::Halted
    } else if pool.strategy == Strategy::Mark {
        PoolPhase::Marked
    } else {
        PoolPhase::Rolling
    };
    let broken = engine.fleet.broken.get(&pool.name).cloned();
    let mut trouble = engine.trouble.get(&pool.name).cloned().unwrap_or_default();
    trouble.extend(engine.picture.provision.hint(&pool.name).map(str::to_owned));
    PoolStatus {
        pool: pool.name.clone(),
        phase,
        desired: limits.desired,
        ready: count(nodes.iter().filter(|node| node.ready).count()),
        outdated: count(nodes.iter().filter(|node| node.outdated.is_some()).count()),
        failed_replacements: limits.failed_replacements,
        waits: decision.waits.iter().map(|wait| explain_pool_wait(wait, now)).collect(),
        trouble: broken.into_iter().chain(trouble).collect(),
        nodes: nodes
            .iter()
            .filter(|node| node.outdated.is_some() || node.mark.is_some())
            .filter_map(|node| node_status(view, &pool.policy, engine.spec.id.as_str(), &node.name, now))
            .collect(),
    }
}

/// A node with its pods, as the view has it.
pub(crate) fn node_status(
    view: &ClusterView,
    policy: &Policy,
    cluster: &str,
    node: &NodeName,
    now: Timestamp,
) -> Option<NodeStatus> {
    let state = view.node(node)?;
    let decision = decide_node(view, policy, node, now).ok()?;
    let pods = decision.pods.iter();
    let pods = pods.map(|one| pod_status(view, cluster, node, one, now)).collect();
    let mark = state.mark.as_ref();
    Some(NodeStatus {
        node: node.clone(),
        outdated: state.outdated.as_ref().map(ToString::to_string),
        selected: mark.map(|mark| mark.selected),
        draining: mark.and_then(|mark| mark.draining),
        sentence: explain_node(Some(cluster), view, &decision, now),
        expected: expected(view, policy, node, now).ok().and_then(|end| end.at),
        latest: gone_at_latest(view, policy, node, now)
            .ok()
            .and_then(Result::ok)
            .map(|bound| bound.at),
        pods,
        step: decision.step.clone(),
    })
}

/// A pod with the decision on it.
pub(crate) fn pod_status(
    view: &ClusterView,
    cluster: &str,
    node: &NodeName,
    decision: &PodDecision,
    now: Timestamp,
) -> PodStatus {
    let state = view.pod(&decision.pod);
    let (earliest, until) = match &decision.verdict {
        Verdict::Evict | Verdict::Force(_) => (Some(now), None),
        // The gate is the last rule before force; what else ends the wait has no time.
        Verdict::Wait(wait) => (decision.changes_at.filter(|_| wait.gate.is_none()), wait.until),
        Verdict::Leave(_) => (None, None),
    };
    PodStatus {
        pod: decision.pod.clone(),
        owner: state.map(|pod| pod.responsible().to_owned()).unwrap_or_default(),
        sentence: explain_pod(Some(cluster), view, node, decision, now),
        budgets: view.budgets_of(&decision.pod).into_iter().map(budget_text).collect(),
        earliest,
        until,
        decision: decision.clone(),
    }
}

/// A budget in the words that people know from kubectl.
fn budget_text(budget: &Budget) -> String {
    format!(
        "{}: {} of {} allowed, {} healthy, {} needed",
        budget.key,
        budget.allowed,
        budget.room(),
        budget.healthy,
        budget.desired
    )
}
