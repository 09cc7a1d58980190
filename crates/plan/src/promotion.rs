//! Promotion: may the commit of one channel go on to the next, and must it come back?
//!
//! [`gate`] evaluates the gate in front of a channel: whether the commit can get there by moving the branch forward, whether
//! every cluster of the channel before has it, is healthy with it and has been so for the soak time, and whether the persons who
//! have to agree did. Every condition says what it waits for and until when. [`take_back`] says whether a branch that was moved has
//! to be moved back. [`eta`] is when a channel will have arrived, by its pace so far.
//!
//! A commit that was taken back does not go through the same gate again: what is wrong with it does not go away by itself.
//! Blocked clusters do not hold a gate; at least one cluster has to have the commit, whatever is blocked.
//!
//! Everything here is pure; what was found out is given.

mod gate;

pub use gate::{Asked, Hold, gate};

use jiff::{SignedDuration, Timestamp};
use model::{ChannelCounts, ChannelMember, ChannelMove, MemberState, MoveState};

use crate::policy::GatePolicy;

/// How long an update may fail before it counts against the commit: what passes by itself has passed by then.
const FAILING: SignedDuration = SignedDuration::from_mins(15);

/// A channel as the gates see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Where it stands; `None` when nobody could find out.
    pub commit: Option<String>,
    /// Its clusters. Those that are being taken down are not among them.
    pub members: Vec<ChannelMember>,
}

/// Why the last move of a channel's branch has to be undone: the channel still stands where we put it, and more clusters than
/// the gate allows got worse by it, or their updates have been failing for a quarter of an hour.
#[must_use]
pub fn take_back(gate: &GatePolicy, channel: &Channel, last: &ChannelMove, now: Timestamp) -> Option<String> {
    let ours = last.state == MoveState::Moved && channel.commit.as_deref() == Some(last.to.as_str());
    if !gate.take_back || !ours || last.from.is_empty() {
        return None;
    }
    let lasting = |member: &ChannelMember| member.since.is_some_and(|since| now.duration_since(since) >= FAILING);
    let red: Vec<&ChannelMember> = channel
        .members
        .iter()
        // What an edit of the registry broke is not repaired by another commit.
        .filter(|member| match member.state {
            _ if member.by_entry => false,
            MemberState::Unhealthy => true,
            MemberState::Failing => lasting(member),
            _ => false,
        })
        .collect();
    let allowed = gate.take_back_above.of(channel.members.len());
    (red.len() > allowed).then(|| {
        let named = gate::named(red.iter().copied());
        format!(
            "{} of {} clusters turned red: {named}",
            red.len(),
            channel.members.len()
        )
    })
}

/// When all clusters of a channel that are not blocked will have its commit and be healthy, by the pace since `since`. `None` when
/// they are, when some fail, and as long as there is no pace.
#[must_use]
pub fn eta(members: &[ChannelMember], since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let counts = ChannelCounts::of(members);
    let coming = counts.clusters.checked_sub(counts.blocked + counts.healthy)?;
    if coming == 0 || counts.failing > 0 {
        return None;
    }
    let latest = members.iter().filter_map(|member| member.until).max();
    if counts.behind == 0 {
        return latest;
    }
    let (there, behind) = (i64::try_from(counts.there).ok()?, i64::try_from(counts.behind).ok()?);
    let each = now.duration_since(since).as_secs().checked_div(there)?;
    let rest = SignedDuration::from_secs(each.checked_mul(behind)?);
    let paced = now.saturating_add(rest).unwrap_or(Timestamp::MAX);
    Some(latest.map_or(paced, |latest| latest.max(paced)))
}

#[cfg(test)]
mod tests;
