//! Nodes by what a pass over their pool may have to do with them.
//!
//! A pass is made for nearly every change of a node, and seldom has to do with more than a few of them. The lists are kept up
//! to date node by node, so that it need not look at all.

use std::collections::BTreeSet;

use disruption::{NodeName, NodeState};

use crate::seen::NodeSeen;

/// What a node is listed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// It is not ready.
    Unready,
    /// We selected it, at least by half, and it is not outdated.
    Stale,
    /// It is outdated and has a mark of which something is missing.
    Incomplete,
    /// The autoscaler is told to leave it.
    Held,
    /// It is a new one that the autoscaler may remove.
    New,
    /// It is marked completely and whoever made it may replace it by himself.
    Marked,
}

impl List {
    const ALL: [Self; 6] = [
        Self::Unready,
        Self::Stale,
        Self::Incomplete,
        Self::Held,
        Self::New,
        Self::Marked,
    ];

    /// Whether a node is on the list.
    fn has(self, node: &NodeSeen, state: &NodeState) -> bool {
        let outdated = state.outdated.is_some();
        match self {
            Self::Unready => !node.ready,
            Self::Stale => {
                // The taint comes first: without the label it is a mark that was never completed.
                let half = node.tainted && !node.is_marked();
                (node.selected.is_some() || half) && node.quarantined.is_none() && !outdated
            }
            // A node whose machine ends has a mark in the view before it has one in the cluster.
            Self::Incomplete => outdated && state.mark.is_some() && !node.fully_marked() && node.quarantined.is_none(),
            Self::Held => node.held,
            Self::New => !node.held && !outdated && state.ready,
            Self::Marked => !node.held && node.fully_marked(),
        }
    }
}

/// The lists, each by name.
#[derive(Debug, Default)]
pub(crate) struct Lists([BTreeSet<NodeName>; List::ALL.len()]);

impl Lists {
    /// The nodes of a list.
    pub(crate) fn of(&self, list: List) -> impl Iterator<Item = &NodeName> {
        self.0.get(list as usize).into_iter().flatten()
    }

    /// Takes in what a node is now.
    pub(crate) fn note(&mut self, node: &NodeSeen, state: &NodeState) {
        for (list, names) in List::ALL.iter().zip(&mut self.0) {
            if !list.has(node, state) {
                names.remove(&node.name);
            } else if !names.contains(&node.name) {
                names.insert(node.name.clone());
            }
        }
    }

    /// Forgets a node.
    pub(crate) fn remove(&mut self, name: &NodeName) {
        for names in &mut self.0 {
            names.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use disruption::NodeMark;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::seen::{self, Seen};

    /// The lists that a node is on, alone and after it was on all others.
    fn lists(object: &Value, change: impl Fn(&mut NodeState)) -> Vec<List> {
        let Seen::Node(Ok(node)) = seen::node(object) else {
            panic!("no node: {object}")
        };
        let mut state = NodeState::new(node.name.clone(), Timestamp::UNIX_EPOCH);
        change(&mut state);
        let mut before = Lists(std::array::from_fn(|_| BTreeSet::from([node.name.clone()])));
        before.note(&node, &state);
        let mut all = Lists::default();
        all.note(&node, &state);
        all.note(&node, &state);
        assert_eq!(before.0, all.0, "{object}");
        let on = List::ALL.into_iter().filter(|list| all.of(*list).count() == 1);
        let on = on.collect();
        all.remove(&node.name);
        assert!(List::ALL.iter().all(|list| all.of(*list).next().is_none()));
        on
    }

    #[test]
    fn a_node_is_on_the_lists_of_what_is_to_be_done_with_it() {
        let at = "2026-03-02T08:00:00Z";
        let node = |labels: Value, annotations: Value, tainted: bool, ready: &str| {
            let taints = if tainted {
                json!([{"key": "decommission-pending"}])
            } else {
                json!([])
            };
            json!({"metadata": {"name": "n", "creationTimestamp": at, "labels": labels, "annotations": annotations},
                "spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})
        };
        let current = |_: &mut NodeState| {};
        let old = |state: &mut NodeState| state.outdated = Some("old".into());
        let old_and_marked = |state: &mut NodeState| {
            state.outdated = Some("old".into());
            state.mark = Some(NodeMark::new(Timestamp::UNIX_EPOCH, "old"));
        };
        let pending = || json!({"lifecycle-status": "decommission-pending"});
        let selected = || json!({crate::names::SELECTED: at});
        let none = || json!({});
        assert_eq!(lists(&node(none(), none(), false, "True"), current), [List::New]);
        assert_eq!(
            lists(&node(none(), none(), false, "False"), |state| state.ready = false),
            [List::Unready]
        );
        let held = json!({crate::names::SCALE_DOWN_HELD: ""});
        assert_eq!(lists(&node(none(), held, false, "True"), current), [List::Held]);
        assert_eq!(lists(&node(none(), none(), false, "True"), old), []);
        // The taint alone, then everything; and both when the node is not outdated any more.
        let half = node(none(), none(), true, "True");
        assert_eq!(lists(&half, old_and_marked), [List::Incomplete]);
        assert_eq!(lists(&half, current), [List::Stale, List::New]);
        let full = node(pending(), selected(), true, "True");
        assert_eq!(lists(&full, old_and_marked), [List::Marked]);
        assert_eq!(lists(&full, current), [List::Stale, List::New, List::Marked]);
        // One that was given up is left as it is.
        let given_up = json!({crate::names::SELECTED: at, crate::names::QUARANTINED: "why"});
        assert_eq!(lists(&node(none(), given_up.clone(), true, "True"), old_and_marked), []);
        assert_eq!(lists(&node(none(), given_up, true, "True"), current), [List::New]);
    }
}
