//! Which clusters may begin their next version now, and what each of the others waits for.
//!
//! [`decide`] is one pure function over how every cluster stands ([`Member`]), the [`FleetPolicy`], what people did ([`Acts`]) and
//! the moment. It lets clusters begin; it never stops one that has begun, for that is what blocks are for. Finishing an update,
//! taking a cluster down and undoing drift are not asked about here.
//!
//! Nothing is remembered between two calls. Which wave a cluster belongs to follows from who has begun already: seats are given
//! first to those that began, in the order in which they did, then to those that may begin now, then to the rest. So clusters may
//! join, leave, be blocked and come back without any list to repair.

mod calendar;
mod causes;
mod decide;
mod holds;
mod seats;
mod sentence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::acts::{FastLane, FreezeAct, Pause};
use model::{Alias, Cluster, ClusterId};
use serde::{Deserialize, Serialize};

pub use calendar::{Closed, Opening, opening};
pub use causes::{CommonCause, Trouble, fold_causes};
pub use decide::decide;
pub use sentence::halt_sentence;

use crate::policy::FleetPolicy;

/// How a cluster stands towards the version that it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has its version since before this change: the change is none for it.
    Rests,
    /// It has not begun. `broken` says that an update to an earlier version began and did not end well: it is worse off than
    /// others, so it gets the new version first.
    NotBegun {
        /// Since when it is behind.
        since: Timestamp,
        /// Whether it was left half-way.
        broken: bool,
    },
    /// It is being updated.
    Updating,
    /// It has the version; whether it is healthy is being found out.
    Checking {
        /// When that is decided at the latest; `None` where nobody can know.
        until: Option<Timestamp>,
        /// What is not there yet, or cannot be read.
        troubles: Vec<Trouble>,
    },
    /// It has the version and was found healthy with it.
    Done,
    /// Its update fails, or it is not well after it.
    Failed {
        /// Since when.
        at: Timestamp,
        /// What went wrong; folded over clusters.
        troubles: Vec<Trouble>,
    },
    /// A block holds: it is out of its wave until that ends.
    Blocked,
    /// It is taken down, or is about to be.
    Gone,
}

impl State {
    /// Whether it is in flight: neither what it was nor surely what it is to be.
    #[must_use]
    pub fn in_flight(&self) -> bool {
        matches!(self, Self::Updating | Self::Checking { .. } | Self::Failed { .. })
    }
}

/// A cluster with how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The registry entry.
    pub cluster: Arc<Cluster>,
    /// Id of the configuration that it is to have.
    pub config: String,
    /// How it stands.
    pub state: State,
    /// When it was let begin; for those that have begun.
    pub begun: Option<Timestamp>,
    /// Whether a fast lane let it begin.
    pub urgent: bool,
}

impl Member {
    /// Whether it takes a place of the limits. A fast lane does not wait until those who passed it were found healthy.
    fn takes_place(&self) -> bool {
        let skips = self.urgent && matches!(self.state, State::Checking { .. });
        self.state.in_flight() && !skips
    }
}

/// A change that walks through a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When it was first seen.
    pub since: Timestamp,
    /// Whether the configuration moved; otherwise registry entries were edited.
    pub commit: bool,
}

/// What people did. Only what holds is in here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acts {
    /// Channels that are paused, each with its moment.
    pub pauses: Vec<(Timestamp, Pause)>,
    /// Freezes besides those of the policy.
    pub freezes: Vec<(Timestamp, FreezeAct)>,
    /// Fast lanes, each with the id of its record.
    pub fast_lanes: Vec<(String, FastLane)>,
}

/// Everything that a decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The rules.
    pub policy: &'a FleetPolicy,
    /// All clusters of the fleet: limits count over all channels.
    pub members: &'a [Member],
    /// The changes under way, by channel.
    pub runs: &'a BTreeMap<String, Run>,
    /// What people did.
    pub acts: &'a Acts,
    /// The moment.
    pub now: Timestamp,
}

/// What was decided about the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Clusters that may begin now, in this order.
    pub go: Vec<Go>,
    /// What the others that are behind wait for.
    pub waits: BTreeMap<ClusterId, Wait>,
    /// How each channel stands that has clusters.
    pub channels: BTreeMap<String, ChannelState>,
    /// When to look again although nothing happens.
    pub look: Option<Timestamp>,
}

/// A cluster that may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Go {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its wave, such as `test, canaries`.
    pub wave: String,
    /// The fast lane that lets it pass, with what it would have waited for otherwise: the evidence.
    pub passed: Option<Passed>,
}

/// What a fast lane let a cluster pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Id of the fast lane's record.
    pub fast_lane: String,
    /// What the cluster would have waited for, in words.
    pub instead_of: String,
    /// Aliases of clusters of the lane that were not yet found healthy when this one began: nothing waits for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
}

/// Why a cluster waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// On what.
    pub on: On,
    /// Since when it is behind.
    pub since: Timestamp,
    /// When this wait is over at the latest, if that is known.
    pub until: Option<Timestamp>,
    /// When it is looked at again even if nothing happens; always later than now.
    pub look: Timestamp,
}

/// What a cluster waits on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// The channel is paused.
    Pause(Arc<Pause>),
    /// A freeze holds, or no window is open.
    Closed(Closed),
    /// Too much has failed.
    Halt(Arc<Halt>),
    /// An earlier wave is not done.
    Wave {
        /// Position of the own wave, from 0.
        own: usize,
        /// Position of the earliest wave that is not done.
        ahead: usize,
    },
    /// Edits of the registry may still be coming.
    Settle,
    /// As many are in flight as may be.
    Limit(Limit),
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What it is on.
    pub of: LimitOf,
    /// The limit.
    pub most: u32,
    /// Aliases of some of those in flight.
    pub busy: Arc<Vec<String>>,
}

/// What a limit is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitOf {
    /// A wave.
    Wave,
    /// An infrastructure account.
    Account(String),
    /// The fleet.
    Fleet,
    /// Fast lanes, which have places of their own.
    Urgent,
}

/// Why nothing more begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// What is halted: a wave by its name, `channel beta`, `the fleet`.
    pub what: String,
    /// Since when there are more failures than are borne.
    pub since: Timestamp,
    /// How many are borne.
    pub borne: usize,
    /// Aliases of the clusters that fail.
    pub clusters: Vec<String>,
    /// What they have in common, the most common first.
    pub causes: Vec<CommonCause>,
}

/// How a channel stands in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Every cluster has its version.
    Resting,
    /// Clusters are being updated, or about to be.
    Moving,
    /// Nothing can begin at the moment: a freeze, a window, a limit elsewhere.
    Waiting,
    /// Somebody paused it.
    Paused,
    /// Too much has failed.
    Halted,
}

impl Phase {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Moving => "moving",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Halted => "halted",
        }
    }
}

/// How a channel stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelState {
    /// In one word.
    pub phase: Phase,
    /// Its waves, in their order; empty when it rests.
    pub waves: Vec<WaveState>,
    /// Position of the first wave that is not done.
    pub open: Option<usize>,
    /// Why it is halted.
    pub halt: Option<Arc<Halt>>,
    /// Clusters that are out of all waves because a block holds them.
    pub blocked: usize,
}

/// How a wave stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveState {
    /// Its name: the stage and what part of it.
    pub name: String,
    /// Whether it is one of canaries.
    pub canaries: bool,
    /// Its clusters by alias, in the order of their seats.
    pub clusters: Vec<Alias>,
    /// Those that are done.
    pub done: usize,
    /// Those that are being updated or checked.
    pub updating: usize,
    /// Those that fail.
    pub failed: usize,
}

impl WaveState {
    /// Those that have not begun.
    #[must_use]
    pub fn not_begun(&self) -> usize {
        self.clusters
            .len()
            .saturating_sub(self.done + self.updating + self.failed)
    }
}
