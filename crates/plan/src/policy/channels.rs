//! Channels, and what differs in each.

use std::collections::BTreeSet;

use model::Invalid;
use serde::{Deserialize, Serialize};

use super::{FailureBudget, Grouping, check_within};

/// One channel. What is left out is as for the whole fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ChannelPolicy {
    /// Its name: the branch that clusters follow.
    pub name: String,
    /// Clusters of a wave that may be in flight, in this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Its own failure budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_budget: Option<FailureBudget>,
    /// Its own way to put clusters into waves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waves: Option<Grouping>,
}

/// Adds what is wrong with the channels.
pub(super) fn check(channels: &[ChannelPolicy], problems: &mut Vec<Invalid>) {
    let mut names = BTreeSet::new();
    for (i, channel) in channels.iter().enumerate() {
        let place = format!("channels[{i}]");
        let name = channel.name.as_str();
        if name.is_empty() || name.contains(char::is_whitespace) {
            problems.push(Invalid::new(
                format!("{place}.name"),
                "must be the name of a branch",
                name,
            ));
        } else if !names.insert(name) {
            problems.push(Invalid::new(format!("{place}.name"), "must not be there twice", name));
        }
        if channel.in_flight == Some(0) {
            let rule = "must be at least 1; pause the channel to hold it";
            problems.push(Invalid::new(format!("{place}.inFlight"), rule, 0));
        }
        if let Some(budget) = &channel.failure_budget {
            check_within(budget, &format!("{place}.failureBudget"), problems);
        }
        if let Some(waves) = &channel.waves {
            check_within(waves, &format!("{place}.waves"), problems);
        }
    }
}
