//! What replacing the outdated nodes of a pool would mean: for whom, until when, against which budgets.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bounds::{Expected, Unbounded, bound_from, expected_from, force_time, opens};
use crate::decide::{Ledger, Scene};
use crate::decision::Reason;
use crate::names::{NodeName, PodKey};
use crate::node::{NodeMark, NodeState};
use crate::order::{by_turn, pods_of};
use crate::pacing::PoolLimits;
use crate::policy::Policy;
use crate::protect::protections;
use crate::rule::Rule;
use crate::time::{after, between};
use crate::view::{ClusterView, set_of};

/// One node of a forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeForecast {
    /// The node.
    pub node: NodeName,
    /// Why it goes.
    pub why: Box<str>,
    /// Which of the groups of nodes that go together it is in, from 1.
    pub batch: u32,
    /// Gone at the latest.
    pub at_latest: Option<Timestamp>,
    /// Expected to be gone, and on what that rests.
    pub expected: Expected,
}

/// What the pool's rollout means for one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerShare {
    /// Pods that move.
    pub pods: u32,
    /// Of these, pods that something protects as things are.
    pub protected: u32,
}

/// A protection that will refuse, if things stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The pod.
    pub pod: PodKey,
    /// Its node.
    pub node: NodeName,
    /// Who answers for the pod.
    pub owner: Box<str>,
    /// What refuses.
    pub reason: Reason,
    /// Until when at most, by forced termination; `None` when time alone does not end it.
    pub until: Option<Timestamp>,
    /// The rule that ends it.
    pub ended_by: Rule,
}

/// The forecast of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// When it was made.
    pub made: Timestamp,
    /// The nodes that go, in their order.
    pub nodes: Vec<NodeForecast>,
    /// Pods that move, by who answers for them.
    pub owners: BTreeMap<Box<str>, OwnerShare>,
    /// What will refuse, in the order of nodes and pods.
    pub refusals: Vec<Refusal>,
    /// Every node is gone at the latest; `None` with the cause when there is no bound.
    pub at_latest: Result<Timestamp, Unbounded>,
    /// Every node is expected to be gone; `None` when nothing tells.
    pub expected: Option<Timestamp>,
    /// Hours of the extra nodes until the bound, rounded up.
    pub surge_node_hours_at_most: Option<u64>,
    /// Hours of the extra nodes until the expected end, rounded up.
    pub surge_node_hours_expected: Option<u64>,
}

/// Forecasts the replacement of a pool's outdated nodes, begun at `now`, under the assumptions of
/// [`gone_at_latest`](crate::gone_at_latest).
///
/// Nodes are taken in groups of as many as may go at once, each group after the one before. Where nodes share a StatefulSet
/// they cannot go together; the whole pool is then taken one by one, which is slower than what will happen and never faster.
#[must_use]
pub fn forecast_pool(view: &ClusterView, policy: &Policy, limits: &PoolLimits, now: Timestamp) -> Forecast {
    let nodes = leaving_nodes(view, limits);
    let together = if share_sets(view, &nodes) {
        1
    } else {
        usize::try_from(limits.in_flight).unwrap_or(1).max(1)
    };
    let mut forecast = Forecast {
        made: now,
        nodes: Vec::new(),
        owners: BTreeMap::new(),
        refusals: Vec::new(),
        at_latest: opens(view, now),
        expected: opens(view, now).ok(),
        surge_node_hours_at_most: None,
        surge_node_hours_expected: None,
    };
    let assumed = policy.assumptions;
    for (place, group) in nodes.chunks(together).enumerate() {
        // New nodes come before each group; the first begins when they are ready.
        let latest_start = forecast.at_latest.clone().map(|at| after(at, assumed.node_at_most));
        let expected_start = forecast.expected.map(|at| after(at, assumed.node_usually));
        for node in group {
            let one = NodeAt {
                view,
                policy,
                node,
                now,
            };
            one.add(&mut forecast, place, latest_start.clone(), expected_start);
        }
    }
    let extra = i64::from(limits.surge.min(u32::try_from(nodes.len()).unwrap_or(u32::MAX)));
    let hours = |until: Timestamp| {
        let seconds = between(now, until).nanos() / 1_000_000_000;
        let hours = seconds.saturating_mul(extra).saturating_add(3_599) / 3_600;
        u64::try_from(hours).unwrap_or(0)
    };
    forecast.surge_node_hours_at_most = forecast.at_latest.clone().ok().map(hours);
    forecast.surge_node_hours_expected = forecast.expected.map(hours);
    forecast
}

fn leaving_nodes<'a>(view: &'a ClusterView, limits: &PoolLimits) -> Vec<&'a NodeState> {
    let given_up = |node: &NodeState| node.mark.as_ref().is_some_and(|mark| mark.quarantined.is_some());
    let mut nodes: Vec<&NodeState> = view
        .nodes()
        .filter(|node| node.pool.as_ref() == Some(&limits.pool))
        .filter(|node| (node.outdated.is_some() || node.mark.is_some()) && !given_up(node))
        .collect();
    nodes.sort_by(|a, b| by_turn(a, b));
    nodes
}

fn share_sets(view: &ClusterView, nodes: &[&NodeState]) -> bool {
    let mut seen = BTreeSet::new();
    nodes.iter().any(|node| {
        let pods = view.pods_on(&node.name).filter(|pod| !pod.stays());
        let own: BTreeSet<_> = pods.filter_map(set_of).collect();
        let shared = !own.is_disjoint(&seen);
        seen.extend(own);
        shared
    })
}

struct NodeAt<'a> {
    view: &'a ClusterView,
    policy: &'a Policy,
    node: &'a NodeState,
    now: Timestamp,
}

impl NodeAt<'_> {
    fn add(
        &self,
        forecast: &mut Forecast,
        place: usize,
        latest_start: Result<Timestamp, Unbounded>,
        expected_start: Option<Timestamp>,
    ) {
        let begun = self.node.mark.as_ref().and_then(|mark| mark.draining);
        let latest = latest_start.and_then(|start| bound_from(self.view, self.policy, self.node, start, self.now));
        let latest = latest.map(|bound| bound.at);
        let start = begun.or(expected_start).unwrap_or(self.now).max(self.now);
        let mut expected = expected_from(self.view, self.policy, self.node, start);
        expected.at = expected.at.filter(|_| expected_start.is_some());
        forecast.expected = forecast.expected.zip(expected.at).map(|(a, b)| a.max(b));
        forecast.at_latest = match (forecast.at_latest.clone(), latest.clone()) {
            (Ok(a), Ok(b)) => Ok(a.max(b)),
            (Err(why), _) | (_, Err(why)) => Err(why),
        };
        self.add_pods(forecast, start);
        let mark = self.node.mark.as_ref().map(|mark| mark.reason.clone());
        forecast.nodes.push(NodeForecast {
            node: self.node.name.clone(),
            why: self.node.outdated.clone().or(mark).unwrap_or_default(),
            batch: u32::try_from(place + 1).unwrap_or(u32::MAX),
            at_latest: latest.ok(),
            expected,
        });
    }

    fn add_pods(&self, forecast: &mut Forecast, start: Timestamp) {
        let scene = Scene {
            view: self.view,
            policy: self.policy,
            ledger: &Ledger::default(),
            now: start,
        };
        for (slot, entry) in pods_of(self.view, self.policy, &self.node.name) {
            let pod = &entry.pod;
            if pod.stays() {
                continue;
            }
            let share = forecast.owners.entry(pod.responsible().into()).or_default();
            share.pods += 1;
            let Some(reason) = protections(&scene, slot, entry).into_iter().next() else {
                continue;
            };
            share.protected += 1;
            let (until, ended_by) = force_time(self.view, self.policy, self.node, slot, entry, start);
            forecast.refusals.push(Refusal {
                pod: pod.key.clone(),
                node: self.node.name.clone(),
                owner: pod.responsible().into(),
                reason,
                until,
                ended_by,
            });
        }
    }
}

/// The view as it would be if these nodes were outdated: what a plan asks before anything is changed.
#[must_use]
pub fn with_outdated(view: &ClusterView, nodes: &[NodeName], why: &str, now: Timestamp) -> ClusterView {
    let mut view = view.clone();
    for name in nodes {
        if let Some(node) = view.node(name) {
            let mut node = node.clone();
            node.outdated = Some(why.into());
            node.mark.get_or_insert_with(|| NodeMark::new(now, why));
            view.set_node(node);
        }
    }
    view
}
