//! Channels as they stand: which commit, how many clusters have it, and the gate in front.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a commit stands to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lineage {
    /// It has the other one among its ancestors: a branch gets there by moving forward.
    Ahead,
    /// It is an ancestor of the other one, or the same.
    Behind,
    /// Each has commits that the other does not have.
    Diverged,
}

/// How a cluster stands towards the commit of its channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// It has the commit, and got worse by it.
    Unhealthy,
    /// Its update fails.
    Failing,
    /// It has the commit, and whether it is healthy cannot be known.
    Undecided,
    /// A block keeps it from the commit.
    Blocked,
    /// It does not have the commit yet.
    #[default]
    Behind,
    /// It is being brought to the commit.
    Updating,
    /// It has the commit, and the check time runs.
    Checking,
    /// It has the commit and is healthy, or nothing is checked there.
    Healthy,
}

impl MemberState {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unhealthy => "unhealthy",
            Self::Failing => "failing",
            Self::Undecided => "undecided",
            Self::Blocked => "blocked",
            Self::Behind => "behind",
            Self::Updating => "updating",
            Self::Checking => "checking",
            Self::Healthy => "healthy",
        }
    }

    /// Whether the cluster has the commit.
    #[must_use]
    pub fn is_there(self) -> bool {
        matches!(self, Self::Unhealthy | Self::Undecided | Self::Checking | Self::Healthy)
    }
}

/// A cluster of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelMember {
    /// Alias of the cluster.
    pub cluster: String,
    /// How it stands.
    pub state: MemberState,
    /// Why, in one sentence; empty where the word says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sentence: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub since: Option<Timestamp>,
    /// Whether it was its registry entry that brought its last update, and not the commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_entry: bool,
    /// When that changes, if anybody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Timestamp>,
}

/// How many clusters of a channel stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ChannelCounts {
    /// All of them; those that are being taken down are not among them.
    pub clusters: usize,
    /// Have the commit.
    pub there: usize,
    /// Have it and are healthy.
    pub healthy: usize,
    /// Have it not yet: behind, or being updated.
    pub behind: usize,
    /// Are kept from it by a block.
    pub blocked: usize,
    /// Their update fails, or they got worse by it.
    pub failing: usize,
}

impl ChannelCounts {
    /// Counts.
    #[must_use]
    pub fn of(members: &[ChannelMember]) -> Self {
        let mut counts = Self {
            clusters: members.len(),
            ..Self::default()
        };
        for member in members {
            counts.there += usize::from(member.state.is_there());
            match member.state {
                MemberState::Healthy => counts.healthy += 1,
                MemberState::Behind | MemberState::Updating => counts.behind += 1,
                MemberState::Blocked => counts.blocked += 1,
                MemberState::Failing | MemberState::Unhealthy => counts.failing += 1,
                MemberState::Undecided | MemberState::Checking => {}
            }
        }
        counts
    }
}

/// How a gate stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GateState {
    /// Both channels stand at the same commit.
    #[default]
    Nothing,
    /// Something is not yet so that will be, or somebody has to agree.
    Waiting,
    /// Something is wrong that does not pass by itself.
    Shut,
    /// The commit may go on.
    Open,
}

impl GateState {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Waiting => "waiting",
            Self::Shut => "shut",
            Self::Open => "open",
        }
    }
}

/// One condition of a gate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GateCondition {
    /// Which: `commit`, `clusters`, `health`, `soak`, `approval`, `hold`.
    pub name: String,
    /// Whether it is met.
    pub met: bool,
    /// What it waits for, or why it is met, in one sentence.
    pub sentence: String,
    /// When it is met at the earliest, if anybody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Timestamp>,
}

/// The gate in front of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GateStatus {
    /// The channel that commits come from.
    pub from: String,
    /// The commit that is in front of the gate.
    pub commit: String,
    /// How the gate stands.
    pub state: GateState,
    /// All conditions, in the order in which they are asked.
    pub conditions: Vec<GateCondition>,
    /// When it opens at the earliest, if anybody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub eta: Option<Timestamp>,
}

impl GateStatus {
    /// The first condition that is not met, or that it is open.
    #[must_use]
    pub fn sentence(&self) -> &str {
        let unmet = self.conditions.iter().find(|condition| !condition.met);
        unmet.map_or(self.state.as_str(), |condition| condition.sentence.as_str())
    }
}

/// How far a move of a channel is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MoveState {
    /// It is written down and about to be done.
    #[default]
    Moving,
    /// The branch was moved.
    Moved,
    /// The branch is about to be moved back.
    TakingBack,
    /// The branch was moved back.
    TakenBack,
    /// It was not done, or not undone; the sentence says why.
    Refused,
}

impl MoveState {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Moved => "moved",
            Self::TakingBack => "taking-back",
            Self::TakenBack => "taken-back",
            Self::Refused => "refused",
        }
    }
}

/// A move of a channel's branch through its gate, and back perhaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelMove {
    /// The channel.
    pub channel: String,
    /// Where its branch was.
    pub from: String,
    /// Where it was moved.
    pub to: String,
    /// How far that is.
    pub state: MoveState,
    /// Why it was taken back or refused; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sentence: String,
    /// Who agreed to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agreed: Vec<String>,
    /// The fast lane that let it pass with who opened it and why, and what the gate would have waited for: the evidence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub passed: String,
    /// When it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub at: Option<Timestamp>,
}

/// A channel as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelStatus {
    /// Its name.
    pub channel: String,
    /// Where it stands in the order of channels; those that the policy does not name come last, by name.
    pub order: usize,
    /// The commit that it stands at; empty when nobody could find out, and then the sentence says why.
    pub commit: String,
    /// First line of the commit's message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Why it has no commit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sentence: String,
    /// Since when it has been seen at the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub since: Option<Timestamp>,
    /// How many clusters stand how.
    pub counts: ChannelCounts,
    /// When all clusters that are not blocked will have the commit and be healthy, by the pace so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub eta: Option<Timestamp>,
    /// The gate in front of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateStatus>,
    /// The last move of its branch through the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<ChannelMove>,
    /// The clusters that are not healthy with the commit, those that need attention first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ChannelMember>,
}

/// Somebody's agreement that a commit goes through the gate of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GateAgreement {
    /// The channel behind the gate.
    pub channel: String,
    /// The commit.
    pub commit: String,
    /// Who agrees.
    pub by: String,
    /// When.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
}
