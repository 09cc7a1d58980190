//! How all clusters stand, kept from one decision to the next: only what may have changed is found out anew.
//!
//! A decision looks at the whole fleet, and there is one for each few clusters that are let begin. Nearly all clusters stand as
//! they stood at the decision before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use model::{Cluster, ClusterId};
use plan::waves::Member;

use super::RunRecord;
use super::standing::Towards;

/// How a cluster stands for the manager: what it is to have, and whether a pass runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) cluster: &'a Arc<Cluster>,
    pub(crate) towards: &'a Arc<Towards>,
    pub(crate) running: bool,
}

/// What of a channel's change decides how its clusters stand.
type Change = (String, Timestamp, bool, Option<Timestamp>);

fn change(run: &RunRecord) -> Change {
    (run.config.clone(), run.since, run.commit, run.over)
}

/// The members, in the order of the clusters' ids, with what they were made of.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    members: Vec<Member>,
    made_of: Vec<(Arc<Towards>, bool)>,
    changes: BTreeMap<String, Change>,
    /// Clusters of which something else is written down than at the last look.
    stale: BTreeSet<ClusterId>,
}

impl Fleet {
    /// All members.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Something else is written down about a cluster.
    pub(super) fn touch(&mut self, cluster: &ClusterId) {
        self.stale.insert(cluster.clone());
    }

    /// Everything may be different.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Positions in `fleet` of those that may stand elsewhere than at the last look. `fleet` is in the order of ids.
    pub(super) fn touched(&self, fleet: &[Seen<'_>], runs: &BTreeMap<String, RunRecord>) -> Vec<usize> {
        let same = fleet.len() == self.members.len()
            && (fleet.iter().zip(&self.members)).all(|(seen, member)| is_of(seen.cluster, member));
        if !same {
            return (0..fleet.len()).collect();
        }
        let moved = self.moved(runs);
        let mut stale = self.stale.iter().peekable();
        let each = fleet.iter().zip(self.members.iter().zip(&self.made_of)).enumerate();
        let touched = each.filter(|(_, (seen, (member, (towards, running))))| {
            while stale.next_if(|id| **id < seen.cluster.id).is_some() {}
            let told = stale.next_if(|id| **id == seen.cluster.id).is_some();
            let alike = Arc::ptr_eq(seen.cluster, &member.cluster)
                && Arc::ptr_eq(seen.towards, towards)
                && seen.running == *running;
            told || !alike || moved.contains(&seen.cluster.channel.as_str())
        });
        touched.map(|(at, _)| at).collect()
    }

    /// Channels whose change is another one than at the last look.
    fn moved<'r>(&'r self, runs: &'r BTreeMap<String, RunRecord>) -> Vec<&'r str> {
        let news = runs
            .iter()
            .filter(|(name, run)| self.changes.get(*name) != Some(&change(run)));
        let gone = self.changes.keys().filter(|name| !runs.contains_key(*name));
        news.map(|(name, _)| name.as_str())
            .chain(gone.map(String::as_str))
            .collect()
    }

    /// Makes members anew at these positions.
    pub(super) fn renew(
        &mut self,
        fleet: &[Seen<'_>],
        touched: &[usize],
        runs: &BTreeMap<String, RunRecord>,
        member: impl Fn(&Seen<'_>) -> Member,
    ) {
        if touched.len() == fleet.len() {
            self.members = fleet.iter().map(&member).collect();
            self.made_of = fleet.iter().map(made_of).collect();
        } else {
            for at in touched {
                let Some(seen) = fleet.get(*at) else { continue };
                if let Some(known) = self.members.get_mut(*at) {
                    *known = member(seen);
                }
                if let Some(known) = self.made_of.get_mut(*at) {
                    *known = made_of(seen);
                }
            }
        }
        self.changes = runs.iter().map(|(name, run)| (name.clone(), change(run))).collect();
        self.stale.clear();
    }
}

fn is_of(cluster: &Arc<Cluster>, member: &Member) -> bool {
    Arc::ptr_eq(cluster, &member.cluster) || cluster.id == member.cluster.id
}

fn made_of(seen: &Seen<'_>) -> (Arc<Towards>, bool) {
    (Arc::clone(seen.towards), seen.running)
}
