//! Sharing the work with other replicas: whose turn it is, and what the others brought.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Cluster, ClusterId, ClusterVersion};

use super::{Manager, Pace};
use crate::members::Members;
use crate::need::Cause;
use crate::pass::Reach;
use crate::state::{Cell, Standing};

/// What a manager knows of the others.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// `None` when nobody shares the work.
    pub(super) members: Option<Arc<Members>>,
    /// How often reading the configuration was begun.
    begun: u64,
    /// The number of the last reading that showed everything.
    good: u64,
    /// When the configuration is to be read out of turn, and how often that was in vain.
    anew: Option<Timestamp>,
    failures: u32,
}

/// What is known of one cluster and of those who worked on it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The configuration that it has or is being brought to, according to its entry.
    brought: String,
    /// How often reading the configuration had been begun when somebody else brought that.
    learned: u64,
    /// The configuration that this replica brought it to last.
    aimed: Option<String>,
    /// It waits for another replica: to be done with it, or to begin.
    pub(super) waits: bool,
}

impl Sharing {
    pub(super) fn new(reach: &Reach, pace: &Pace) -> Self {
        let claims = pace.claims.clone().filter(|_| !reach.settings.dry_run);
        let members = claims.map(|claims| Members::new(claims, Arc::clone(&reach.clock), Arc::clone(&reach.ids)));
        Self {
            members: members.map(Arc::new),
            ..Self::default()
        }
    }

    /// Reading the configuration begins.
    pub(super) fn reads(&mut self) {
        self.begun += 1;
        self.anew = None;
    }

    /// All of it has been read.
    pub(super) fn has_read(&mut self) {
        self.good = self.begun;
        self.failures = 0;
    }

    /// When it is to be read out of turn.
    pub(super) fn anew(&self) -> Option<Timestamp> {
        self.anew
    }

    /// When this replica may begin, and behind whom it stands back. Who comes first may begin at once. A cluster that nobody
    /// has begun is left to it for a term each, and one that was begun for as long as its back-off may be: a replica that
    /// lives and fails at a cluster is not helped by others failing at it too.
    fn turn(
        &self,
        id: &ClusterId,
        cause: Cause,
        now: Timestamp,
        most: std::time::Duration,
    ) -> (Timestamp, Option<String>) {
        let Some(members) = &self.members else {
            return (now, None);
        };
        let (rank, first) = members.rank(id);
        let Ok(times) = u32::try_from(rank) else {
            return (now, None);
        };
        if times == 0 {
            return (now, None);
        }
        let patience = if cause == Cause::Unfinished {
            most
        } else {
            members.term()
        };
        let due = now.saturating_add(patience.saturating_mul(times));
        (due.unwrap_or(Timestamp::MAX), Some(first))
    }
}

impl Seen {
    /// Takes note of an entry, and answers whether somebody else has brought the cluster to another version.
    pub(super) fn entry(&mut self, cluster: &Cluster, sharing: &Sharing) -> bool {
        let status = &cluster.status;
        let version = match status.next_version.as_str() {
            "" => &status.current_version,
            next => next,
        };
        let brought = ClusterVersion::parse(version).config;
        if brought == self.brought {
            return false;
        }
        let foreign = self.aimed.as_deref() != Some(brought.as_str());
        if foreign {
            self.learned = sharing.begun;
            self.aimed = None;
        }
        self.brought = brought;
        foreign
    }

    /// A pass for this configuration begins.
    pub(super) fn aims(&mut self, config: &str) {
        self.aimed = Some(config.to_owned());
    }

    /// Whether this version may be older than the one that another replica brought: it was read before that was known.
    fn may_be_older(&self, to: &ClusterVersion, sharing: &Sharing) -> bool {
        !self.brought.is_empty() && to.config != self.brought && sharing.good <= self.learned
    }
}

impl Manager {
    /// Whether the configuration has to be read anew before a cluster may go to this version: another replica has brought
    /// another one, and read its configuration later perhaps (V8). If so it is read soon, and the cluster waits.
    pub(super) fn reads_first(&mut self, id: &ClusterId, to: &ClusterVersion, now: Timestamp) -> bool {
        if self.sharing.members.is_none() || !self.pace.rules.newest {
            return false;
        }
        let Some(cell) = self.cells.get_mut(id) else {
            return false;
        };
        if !cell.seen.may_be_older(to, &self.sharing) {
            return false;
        }
        let sentence = format!(
            "cluster {} waits until the configuration is read anew: another replica brought {}",
            cell.subject.cluster.alias, cell.seen.brought
        );
        cell.settle(Standing::Waiting(sentence), None);
        self.queue.drop(id);
        if self.sharing.anew.is_none() {
            let failures = self.sharing.failures;
            let wait = match failures {
                0 => std::time::Duration::ZERO,
                _ => self
                    .pace
                    .backoff
                    .wait(failures, &*self.reach.ids)
                    .min(self.pace.refresh),
            };
            self.sharing.failures += 1;
            self.sharing.anew = Some(now.saturating_add(wait).unwrap_or(Timestamp::MAX));
        }
        true
    }

    /// When a cluster's turn comes, its place among others, and how it stands until then.
    pub(super) fn turn(&mut self, id: &ClusterId, cause: Cause, now: Timestamp) -> (Timestamp, u64, Standing) {
        let (due, first) = self.sharing.turn(id, cause, now, self.pace.backoff.most);
        let place = self.sharing.members.as_ref().map_or(0, |members| members.place(id));
        let Some(cell) = self.cells.get_mut(id) else {
            return (due, place, Standing::New);
        };
        cell.seen.waits = first.is_some();
        let standing = match first {
            None => Standing::Queued(cause.as_str().to_owned()),
            Some(first) => Standing::Waiting(format!(
                "cluster {} waits for replica {first}; this one takes its place at {} if it has not begun",
                cell.subject.cluster.alias,
                crate::words::moment(due)
            )),
        };
        (due, place, standing)
    }

    /// Whether this replica comes first for a cluster: it alone watches for drift.
    pub(super) fn is_first(&self, id: &ClusterId) -> bool {
        let members = self.sharing.members.as_ref();
        members.is_none_or(|members| members.rank(id).0 == 0)
    }

    /// Other replicas came or went, or gave a cluster back: who waited for them asks again.
    pub(super) async fn members_changed(&mut self) {
        let Some(members) = self.sharing.members.clone() else {
            return;
        };
        let view = members.subscribe().borrow().clone();
        let free = |id: &ClusterId| {
            let holder = view.claimed.get(id.as_str());
            holder.is_none_or(|holder| holder == members.holder())
        };
        let waiting: Vec<ClusterId> = self
            .cells
            .iter()
            .filter(|(id, cell)| cell.seen.waits && free(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in waiting {
            if let Some(cell) = self.cells.get_mut(&id) {
                cell.waits_until = None;
                cell.seen.waits = false;
                self.queue.drop(&id);
            }
            self.read(&id).await;
        }
        let not_mine = self
            .cells
            .iter()
            .filter(|(id, cell)| cell.watch.is_some() && !self.is_first(id));
        let not_mine: Vec<ClusterId> = not_mine.map(|(id, _)| id.clone()).collect();
        for id in not_mine {
            if let Some(cell) = self.cells.get_mut(&id) {
                cell.unwatch();
            }
        }
        // What has not been begun may be another one's turn now.
        let queued = |cell: &&Cell| matches!(cell.standing, Standing::Queued(_)) && cell.failures == 0;
        let queued = self.cells.iter().filter(|(_, cell)| queued(cell));
        let queued: Vec<ClusterId> = queued.map(|(id, _)| id.clone()).collect();
        let mut versions = BTreeMap::new();
        for id in queued {
            self.queue.drop(&id);
            self.look(&id, &mut versions).await;
        }
    }
}

/// Waits for news of the other replicas; for ever when there are none.
pub(super) async fn news(view: &mut Option<tokio::sync::watch::Receiver<crate::members::View>>) {
    if let Some(view) = view
        && view.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Runs `work` while this replica lives, and says that it is gone afterwards.
pub(super) async fn as_a_member(members: Option<Arc<Members>>, work: impl Future<Output = ()>) {
    let Some(members) = members else { return work.await };
    // Before anything is chosen, so that what others have is left to them from the beginning.
    if let Err(error) = members.look().await {
        tracing::debug!(%error, "the replicas cannot be seen");
    }
    tokio::select! {
        biased;
        () = work => {}
        () = members.keep() => {}
    }
    members.leave().await;
}
