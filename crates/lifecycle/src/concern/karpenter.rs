//! Karpenter's pools that left git. Their `NodePool` goes at once, so that no new node comes; their nodes are marked, so that
//! whoever drains nodes in the cluster forces what a disruption budget would hold for ever (fault F7: the original looks for
//! them by a wrong label and never does); and their node class stays until the last node is gone, since nodes cannot be taken
//! away without it. Clusters without Karpenter are asked nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use disruption::marking;
use kube_access::applyset::{PruneItem, PrunePlan};
use kube_access::nodes::{Effect, Taint};
use kube_access::{AccessError, Depth, GroupKind, Selection};
use serde_json::Value;

use super::Finding;
use super::manifests::ManifestRun;
use crate::guard::Touches;

/// The label of Karpenter's nodes with the name of their pool.
const POOL_LABEL: &str = "karpenter.sh/nodepool";
/// When to look again whether the nodes are gone.
const LOOK: Duration = Duration::from_secs(60);

/// What of a prune may be done now, and what the rest waits for.
pub(super) struct Split {
    pub(super) now: PrunePlan,
    pub(super) waits: Option<Finding>,
}

fn is_pool(item: &PruneItem) -> bool {
    item.key.kind.group == "karpenter.sh" && item.key.kind.kind == "NodePool"
}

fn is_class(item: &PruneItem) -> bool {
    item.key.kind.group == "karpenter.k8s.aws" && item.key.kind.kind == "EC2NodeClass"
}

/// Takes out of a prune what pools with nodes still need. Pool and node class share their name (fact 4.7).
pub(super) async fn split(run: &ManifestRun<'_>, prune: &PrunePlan) -> Result<Split, AccessError> {
    let mut now = prune.clone();
    let of_pools = |item: &&PruneItem| is_pool(item) || is_class(item);
    let pools: BTreeSet<&str> = prune
        .items
        .iter()
        .filter(of_pools)
        .map(|item| item.key.name.as_str())
        .collect();
    if pools.is_empty() {
        return Ok(Split { now, waits: None });
    }
    let nodes = nodes(run, &pools).await?;
    if nodes.is_empty() {
        return Ok(Split { now, waits: None });
    }
    let count: usize = nodes.values().map(Vec::len).sum();
    let names: Vec<&str> = nodes.keys().map(String::as_str).collect();
    let names = names.join(", ");
    let until = run.clock.now().saturating_add(LOOK).unwrap_or(jiff::Timestamp::MAX);
    if let Err(refusal) = run.guard.permit(Touches::Nodes).await {
        // Without its pool, Karpenter would take the nodes away.
        now.hold_back(|item| of_pools(&item));
        let sentence = format!("node pools {names} left git and wait with {count} nodes: {refusal}");
        let waits = Some(Finding::Wait { until, sentence });
        return Ok(Split { now, waits });
    }
    for node in nodes.values().flatten() {
        mark(run, node).await?;
    }
    now.hold_back(|item| is_class(item) && nodes.contains_key(&item.key.name));
    let sentence = format!(
        "node pools {names} left git and wait until their nodes are drained: {count} left; the disruption policy bounds it"
    );
    let waits = Some(Finding::Wait { until, sentence });
    Ok(Split { now, waits })
}

/// The nodes of these pools, by pool.
async fn nodes(run: &ManifestRun<'_>, pools: &BTreeSet<&str>) -> Result<BTreeMap<String, Vec<Value>>, AccessError> {
    let kinds = run.access.kinds().await?;
    let Some(kind) = kinds.preferred(&GroupKind::new("", "Node")) else {
        return Ok(BTreeMap::new());
    };
    let all = run
        .access
        .list(kind, &Selection::labelled(POOL_LABEL), Depth::Full)
        .await?;
    let mut by_pool: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for node in all {
        let pool = label(&node, POOL_LABEL).unwrap_or_default().to_owned();
        if pools.contains(pool.as_str()) {
            by_pool.entry(pool).or_default().push(node);
        }
    }
    Ok(by_pool)
}

fn label<'n>(node: &'n Value, key: &str) -> Option<&'n str> {
    node.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// Marks a node as one that goes without replacement (fact 4.2); one that is marked costs no call.
async fn mark(run: &ManifestRun<'_>, node: &Value) -> Result<(), AccessError> {
    let name = node
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let status = label(node, marking::LIFECYCLE_STATUS).unwrap_or(marking::STATUS_READY);
    if status != marking::STATUS_READY {
        return Ok(());
    }
    let taint = Taint {
        key: marking::TAINT_KEY.to_owned(),
        value: marking::TAINT_VALUE.to_owned(),
        effect: Effect::PreferNoSchedule,
    };
    run.access.set_taint(name, &taint).await?;
    let set = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
    let labels = BTreeMap::from([
        set(marking::REPLACEMENT_STRATEGY, "none"),
        set(marking::LIFECYCLE_STATUS, marking::STATUS_PENDING),
    ]);
    run.access.mark_node(name, &labels, &BTreeMap::new()).await
}
