//! What people and the calendar say about a gate: pauses, freezes and windows of the channel behind it, and the fast lane that
//! passes them.

use model::acts::FastLane;
use plan::promotion::Hold;
use plan::waves::{Opening, opening};

use super::seen::{Known, Seen};

/// What holds a gate besides its conditions.
#[derive(Debug, Default)]
pub(super) struct Around<'s> {
    /// Holds everything, fast lanes among it.
    pub(super) pause: Option<Hold>,
    /// No cluster of the channel may begin anything now.
    pub(super) closed: Option<Hold>,
    /// The fast lane that is for the commit at the gate.
    pub(super) lane: Option<&'s (String, FastLane)>,
}

impl Seen {
    /// What is around the gate of a channel for a commit.
    pub(super) fn around(&self, to: &Known, commit: &str) -> Around<'_> {
        let name = to.channel.name.as_str();
        let mut pauses = self.acts.pauses.iter().map(|(_, pause)| pause);
        let pause = pauses.find(|pause| pause.channel == name && pause.lifted.is_none());
        let pause = pause.map(|pause| Hold {
            sentence: format!(
                "channel {name} is paused by {} ({:?}); \"fleetwright resume channel {name}\" lets it go on",
                pause.by, pause.reason
            ),
            until: None,
        });
        let lane = self.acts.fast_lanes.iter().find(|(_, lane)| {
            let over = lane.until.is_some_and(|until| until <= self.now);
            lane.channel == name && lane.lifted.is_none() && !over && lane.is_for(commit)
        });
        Around {
            pause,
            closed: self.closed(to),
            lane,
        }
    }

    /// Why no cluster of a channel may begin, if none may. As long as one may, the commit can go on to it, and the others
    /// wait for themselves.
    fn closed(&self, to: &Known) -> Option<Hold> {
        let mut first: Option<Hold> = None;
        for cluster in &to.clusters {
            let Opening::Closed(closed) = opening(&self.policy, &self.acts, cluster, self.now) else {
                return None;
            };
            let sooner = first.as_ref().is_none_or(|known| match (closed.opens, known.until) {
                (Some(opens), Some(until)) => opens < until,
                (opens, None) => opens.is_some(),
                (None, Some(_)) => false,
            });
            if sooner {
                first = Some(Hold {
                    sentence: format!("{} holds channel {}; {}", closed.why, to.channel.name, closed.who),
                    until: closed.opens,
                });
            }
        }
        first
    }
}

/// A fast lane in words: who opened it, and why.
pub(super) fn told((id, lane): &(String, FastLane)) -> String {
    let ticket = lane
        .ticket
        .as_ref()
        .map_or_else(String::new, |ticket| format!(", {ticket}"));
    format!("{:?} by {}{ticket} ({id})", lane.reason, lane.by)
}
