//! A cluster autoscaler as a pure planner: which node groups grow for pods that no node takes, and which nodes can go.
//!
//! It decides as the upstream cluster autoscaler does: fit is asked of the scheduler's own filters, growing chooses among
//! the groups by an expander and balances similar ones over zones, shrinking takes nodes that were hardly used for a while
//! and whose pods may move and have somewhere to go. The cloud is not its business: groups come in as values, steps go out
//! as values ([`Step`]), each with the texts of its events; whoever carries them out makes no choices.
//!
//! [`group`] has the inputs, `grow` and `shrink` the two halves, [`step`] what comes out, [`options`] the settings.
//! Left out: provisioning requests, capacity buffers, pod groups, and the price expander.

pub mod group;
mod grow;
pub mod options;
mod shrink;
pub mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use group::{Member, NodeGroup, Occupant};
pub use options::{Expander, Options};
pub use step::{Blocker, Growth, Step};

use crate::scheduler::Scheduler;

/// The first pause of a group whose nodes did not come, and the longest.
const FIRST_BACKOFF: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_mins(30);

/// What the planner looks at besides the scheduler's picture.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The node groups, in the order of their ids.
    pub groups: &'a [NodeGroup],
    /// Nodes that belong to groups.
    pub members: &'a [Member],
    /// Pods on those nodes.
    pub occupants: &'a [Occupant],
}

impl Situation<'_> {
    fn members_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members.iter().filter(move |member| member.group == group)
    }

    fn occupants_of<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Occupant> {
        self.occupants.iter().filter(move |pod| pod.node == node)
    }
}

#[derive(Debug, Clone, Copy)]
struct Backoff {
    until: Timestamp,
    pause: SignedDuration,
}

/// The autoscaler of one cluster, with what it has to remember between looks.
#[derive(Debug)]
pub struct Autoscaler {
    options: Options,
    /// Since when nodes are not needed.
    unneeded: BTreeMap<String, Timestamp>,
    /// Since when groups wait for nodes that they were told to add.
    growing: BTreeMap<String, Timestamp>,
    backoff: BTreeMap<String, Backoff>,
    last_growth: Option<Timestamp>,
}

impl Autoscaler {
    /// An autoscaler that has seen nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            unneeded: BTreeMap::new(),
            growing: BTreeMap::new(),
            backoff: BTreeMap::new(),
            last_growth: None,
        }
    }

    /// One look: what to do now. Growing comes first; a look that grows does not shrink. The scheduler is left as it was.
    pub fn plan(&mut self, scheduler: &mut Scheduler, situation: Situation<'_>, now: Timestamp) -> Vec<Step> {
        let mut steps = self.give_up_on_missing(situation, now);
        let grown = self.grow(scheduler, situation, now);
        let grows = grown.iter().any(|step| matches!(step, Step::Grow { .. }));
        steps.extend(grown);
        if grows {
            self.last_growth = Some(now);
        } else {
            steps.extend(self.shrink(scheduler, situation, now));
        }
        steps
    }

    /// When the next look can come to something new although nothing changed.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let unneeded = self
            .unneeded
            .values()
            .filter_map(|since| since.checked_add(self.options.unneeded_time).ok());
        let missing = self
            .growing
            .values()
            .filter_map(|since| since.checked_add(self.options.max_provision_time).ok());
        unneeded
            .chain(missing)
            .chain(self.backoff.values().map(|backoff| backoff.until))
            .min()
    }

    /// Groups whose nodes did not come in time go back to what they have, and are left alone for a while.
    fn give_up_on_missing(&mut self, situation: Situation<'_>, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        for group in situation.groups {
            let have = situation.members_of(&group.id).count();
            if have >= group.target {
                if self.growing.remove(&group.id).is_some() {
                    self.backoff.remove(&group.id);
                }
                continue;
            }
            let since = *self.growing.entry(group.id.clone()).or_insert(now);
            if since
                .checked_add(self.options.max_provision_time)
                .is_ok_and(|late| late <= now)
            {
                self.growing.remove(&group.id);
                let before = self.backoff.get(&group.id).map(|backoff| backoff.pause);
                let pause = before.map_or(FIRST_BACKOFF, |pause| pause.saturating_mul(2).min(LONGEST_BACKOFF));
                let until = now.checked_add(pause).unwrap_or(Timestamp::MAX);
                self.backoff.insert(group.id.clone(), Backoff { until, pause });
                steps.push(Step::GiveUp {
                    group: group.id.clone(),
                    target: have,
                    waited: now.duration_since(since),
                });
            }
        }
        steps
    }

    fn backs_off(&self, group: &str, now: Timestamp) -> bool {
        self.backoff.get(group).is_some_and(|backoff| backoff.until > now)
    }
}
