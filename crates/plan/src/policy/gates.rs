//! Gates between channels: what has to hold before a commit goes on to the next one.

use std::collections::BTreeSet;

use model::Invalid;
use serde::{Deserialize, Serialize};

use super::{ChannelPolicy, Share, Span};

/// The gate in front of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GatePolicy {
    /// The channel that is behind the gate.
    pub channel: String,
    /// The channel that commits come from; the one before it in `channels` when left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// How long every cluster of `from` has to be healthy with the commit.
    pub soak: Span,
    /// Clusters of `from` that may be unhealthy, failing or without a verdict all the same.
    pub failures: Share,
    /// Persons who have to agree to this very commit; with two, a second person has to agree to what the first one wants.
    pub approvals: u32,
    /// How long an agreement counts.
    pub approval_term: Span,
    /// Whether the branch of `channel` is moved when the gate opens.
    pub promote: bool,
    /// Whether a branch that was moved is moved back when the verdict on the channel turns red.
    pub take_back: bool,
    /// Clusters of `channel` that may be unhealthy with the commit before it is taken back.
    pub take_back_above: Share,
}

impl Default for GatePolicy {
    fn default() -> Self {
        Self {
            channel: String::new(),
            from: String::new(),
            soak: Span::hours(1),
            failures: Share::Count(0),
            approvals: 0,
            approval_term: Span::hours(72),
            promote: false,
            take_back: true,
            take_back_above: Share::Count(0),
        }
    }
}

/// The gates in the order of the channels: those that are written, and the default one between channels that have none.
pub(super) fn resolved(gates: &[GatePolicy], channels: &[ChannelPolicy]) -> Vec<GatePolicy> {
    let before = |name: &str| {
        let place = channels.iter().position(|channel| channel.name == name)?;
        channels.get(place.checked_sub(1)?).map(|channel| channel.name.clone())
    };
    let mut all = Vec::new();
    for channel in channels {
        let own = gates.iter().find(|gate| gate.channel == channel.name);
        let gate = own.cloned().unwrap_or_else(|| GatePolicy {
            channel: channel.name.clone(),
            ..GatePolicy::default()
        });
        let from = match gate.from.is_empty() {
            true => before(&channel.name),
            false => Some(gate.from.clone()),
        };
        all.extend(from.map(|from| GatePolicy { from, ..gate }));
    }
    let named = |gate: &&GatePolicy| channels.iter().any(|channel| channel.name == gate.channel);
    all.extend(
        gates
            .iter()
            .filter(|gate| !named(gate) && !gate.from.is_empty())
            .cloned(),
    );
    all
}

/// Adds what is wrong with the gates.
pub(super) fn check(gates: &[GatePolicy], channels: &[ChannelPolicy], problems: &mut Vec<Invalid>) {
    let mut names = BTreeSet::new();
    for (i, gate) in gates.iter().enumerate() {
        let place = |field: &str| format!("gates[{i}].{field}");
        if gate.channel.is_empty() || !names.insert(gate.channel.as_str()) {
            let rule = "must be a channel that no other gate is in front of";
            problems.push(Invalid::new(place("channel"), rule, &gate.channel));
        }
        if gate.from == gate.channel {
            let rule = "must be another channel than the one behind the gate";
            problems.push(Invalid::new(place("from"), rule, &gate.from));
        }
        let first = channels.first().is_some_and(|channel| channel.name == gate.channel);
        let named = channels.iter().any(|channel| channel.name == gate.channel);
        if gate.from.is_empty() && (first || !named) {
            let rule = "must be given: the channel has none before it in channels";
            problems.push(Invalid::new(place("from"), rule, ""));
        }
        if gate.approval_term.is_zero() {
            let rule = "must be longer than no time at all";
            problems.push(Invalid::new(place("approvalTerm"), rule, gate.approval_term));
        }
    }
    for gate in resolved(gates, channels) {
        if circles(&gate, &resolved(gates, channels)) {
            let rule = "must not come back to the channel itself";
            problems.push(Invalid::new(format!("gates of {}", gate.channel), rule, &gate.from));
        }
    }
}

/// Whether a commit that goes through this gate could come back to it.
fn circles(gate: &GatePolicy, all: &[GatePolicy]) -> bool {
    let mut at = gate.from.as_str();
    for _ in all {
        if at == gate.channel {
            return true;
        }
        match all.iter().find(|other| other.channel == at) {
            Some(before) => at = &before.from,
            None => return false,
        }
    }
    at == gate.channel
}
