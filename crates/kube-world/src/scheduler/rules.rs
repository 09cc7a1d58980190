//! What nodes think of node rules, remembered until the node changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node::Node;
use super::pod::NodeRules;
use super::reasons::Reason;
use super::slots::Slots;
use super::taints::{Effect, Toleration, repelled, tolerated};
use super::tally::NodeId;

/// A node's standing answer to a set of rules.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Answer {
    /// Version of the node that the answer is about.
    version: u64,
    /// Why the node does not come into question.
    pub(crate) no: Option<Reason>,
    /// `PreferNoSchedule` taints that are not tolerated.
    pub(crate) dislikes: i64,
    /// Weights of the preferred terms that match.
    pub(crate) wishes: i64,
}

/// Rules in use, with the nodes' answers.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) spec: Arc<NodeRules>,
    users: usize,
    answers: Vec<Answer>,
    /// Generation of the nodes up to which the answers hold.
    synced: u64,
}

/// All rules in use, each once.
#[derive(Debug, Default)]
pub(crate) struct RuleBook {
    rules: Slots<Rules>,
    ids: BTreeMap<Arc<NodeRules>, usize>,
}

impl RuleBook {
    /// The number of the rules, noted when they are new.
    pub(crate) fn join(&mut self, spec: &NodeRules, nodes: usize) -> usize {
        if let Some(id) = self.ids.get(spec).copied()
            && let Some(rules) = self.rules.get_mut(id)
        {
            rules.users += 1;
            return id;
        }
        let spec = Arc::new(spec.clone());
        let id = self.rules.insert(Rules {
            spec: Arc::clone(&spec),
            users: 1,
            answers: Vec::with_capacity(nodes),
            synced: 0,
        });
        self.ids.insert(spec, id);
        id
    }

    /// Gives up one use.
    pub(crate) fn release(&mut self, id: usize) {
        let Some(rules) = self.rules.get_mut(id) else { return };
        rules.users = rules.users.saturating_sub(1);
        if rules.users == 0
            && let Some(rules) = self.rules.remove(id)
        {
            self.ids.remove(&rules.spec);
        }
    }

    /// Brings the answers up to the nodes' generation.
    pub(crate) fn sync<'a>(
        &mut self,
        id: usize,
        generation: u64,
        nodes: impl Iterator<Item = (NodeId, u64, &'a Node)>,
    ) {
        let Some(rules) = self.rules.get_mut(id).filter(|rules| rules.synced != generation) else {
            return;
        };
        rules.synced = generation;
        for (node, version, info) in nodes {
            if rules.answers.len() <= node {
                rules.answers.resize(node + 1, Answer::default());
            }
            if let Some(answer) = rules.answers.get_mut(node)
                && answer.version != version
            {
                *answer = ask(&rules.spec, version, info);
            }
        }
    }

    pub(crate) fn get(&self, id: usize) -> Option<&Rules> {
        self.rules.get(id)
    }
}

impl Rules {
    pub(crate) fn answer(&self, node: NodeId) -> Answer {
        self.answers.get(node).copied().unwrap_or_default()
    }
}

/// What a node answers to rules, in the order of the scheduler's filters.
pub(crate) fn ask(rules: &NodeRules, version: u64, node: &Node) -> Answer {
    let cordoned = node.unschedulable && !tolerated(&rules.tolerations, &Node::cordon());
    let no = if cordoned {
        Some(Reason::Unschedulable)
    } else if repelled(&rules.tolerations, &node.taints) {
        Some(Reason::Taint)
    } else if !rules.accept(&node.name, &node.labels) {
        Some(Reason::NodeAffinity)
    } else {
        None
    };
    let gentle: Vec<Toleration> = rules
        .tolerations
        .iter()
        .filter(|toleration| matches!(toleration.effect, None | Some(Effect::PreferNoSchedule)))
        .cloned()
        .collect();
    let disliked = |taint: &&super::taints::Taint| !taint.repels() && !tolerated(&gentle, taint);
    let wished = rules
        .preferred
        .iter()
        .filter(|(_, term)| term.matches(&node.name, &node.labels));
    Answer {
        version,
        no,
        dislikes: i64::try_from(node.taints.iter().filter(disliked).count()).unwrap_or(i64::MAX),
        wishes: wished.map(|(weight, _)| weight).sum(),
    }
}
