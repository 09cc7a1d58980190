//! Which replicas there are, and which of them comes first for a cluster.
//!
//! Each replica holds a lease of its own name for as long as it lives; the leases that are held are the replicas that there are.
//! For each cluster they are put in an order that all of them compute alike from the names alone (rendezvous hashing), so work
//! spreads by itself, and a replica that comes or goes moves no more clusters than its share. The order is a matter of
//! politeness: who comes first begins at once, the others leave it time. What keeps two replicas off one cluster is the claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::ClusterId;
use ports::{Clock, Ids, LeaseError, LeaseName};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::claims::{Claims, PREFIX};

/// What leases of replicas begin with.
const REPLICAS: &str = "replica/";

/// What leases on the rollouts of clusters begin with.
const ROLLOUTS: &str = "rollout/";

/// What was seen at the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The names of the replicas that live, this one among them.
    pub replicas: BTreeSet<String>,
    /// The clusters that are being worked on, and by whom.
    pub claimed: BTreeMap<String, String>,
}

/// The replicas, seen from one of them.
pub struct Members {
    claims: Claims,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    view: watch::Sender<View>,
}

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members")
            .field("claims", &self.claims)
            .field("view", &*self.view.borrow())
            .finish_non_exhaustive()
    }
}

/// How much a replica wants a cluster; the one that wants it most comes first.
fn wish(replica: &str, cluster: &ClusterId) -> u64 {
    let digest = Sha256::new()
        .chain_update(replica.len().to_le_bytes())
        .chain_update(replica)
        .chain_update(cluster.as_str())
        .finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Members {
    /// The replicas as the one with these claims sees them; it knows of itself only until it looks.
    #[must_use]
    pub fn new(claims: Claims, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let view = View {
            replicas: BTreeSet::from([claims.holder.clone()]),
            claimed: BTreeMap::new(),
        };
        Self {
            claims,
            clock,
            ids,
            view: watch::Sender::new(view),
        }
    }

    /// Tells of every look that showed something new.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// How long a claim holds, and a replica is believed to live after its last sign.
    #[must_use]
    pub fn term(&self) -> Duration {
        self.claims.term
    }

    /// Who this is.
    #[must_use]
    pub fn holder(&self) -> &str {
        &self.claims.holder
    }

    /// How many replicas come before this one for a cluster, and who is first.
    #[must_use]
    pub fn rank(&self, cluster: &ClusterId) -> (usize, String) {
        let view = self.view.borrow();
        let mine = (wish(&self.claims.holder, cluster), self.claims.holder.as_str());
        let wishes = view.replicas.iter().map(|name| (wish(name, cluster), name.as_str()));
        let before = wishes.clone().filter(|other| *other > mine).count();
        let first = wishes.max().map_or(mine.1, |(_, name)| name);
        (before, first.to_owned())
    }

    /// A number by which this replica orders clusters of one urgency: its own first, and in an order that others do not have,
    /// so that two that help out a third do not meet at each of its clusters. Without others it is always the same.
    #[must_use]
    pub fn place(&self, cluster: &ClusterId) -> u64 {
        if self.view.borrow().replicas.len() < 2 {
            return 0;
        }
        let rank = u64::try_from(self.rank(cluster).0.min(3)).unwrap_or(3);
        (rank << 62) | (wish(&self.claims.holder, cluster) >> 2)
    }

    /// Lives and looks around, until it is dropped. Looks come at irregular times, so that replicas that were started together
    /// do not ask together.
    pub async fn keep(&self) {
        loop {
            if let Err(error) = self.look().await {
                // What cannot be read changes nothing: each claim is asked for by itself anyhow.
                tracing::debug!(%error, "the replicas cannot be seen");
            }
            let pause = self.claims.term / 6;
            self.clock.sleep(pause.mul_f64(0.8 + 0.4 * self.ids.fraction())).await;
        }
    }

    fn name(&self) -> Result<LeaseName, LeaseError> {
        LeaseName::new(format!("{REPLICAS}{}", self.claims.holder))
            .map_err(|error| LeaseError::Unavailable(Box::new(error)))
    }

    /// One sign of life, and one look.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn look(&self) -> Result<(), LeaseError> {
        let leases = &self.claims.leases;
        leases
            .claim(&self.name()?, &self.claims.holder, self.claims.term)
            .await?;
        let replicas = leases.list(REPLICAS).await?;
        let claimed = leases.list(PREFIX).await?;
        let cluster = |name: &LeaseName| name.as_str().strip_prefix(PREFIX).map(ToOwned::to_owned);
        let mut view = View {
            replicas: replicas.into_iter().map(|lease| lease.holder).collect(),
            claimed: claimed
                .into_iter()
                .filter_map(|lease| Some((cluster(&lease.name)?, lease.holder)))
                .collect(),
        };
        view.replicas.insert(self.claims.holder.clone());
        self.view.send_if_modified(|known| {
            let news = *known != view;
            if known.replicas != view.replicas {
                tracing::info!(replicas = ?view.replicas, "replicas that share the work");
            }
            *known = view;
            news
        });
        Ok(())
    }

    /// Says that this replica works no longer, and gives back what it does for the whole fleet, so that the others need not wait.
    /// Leases on clusters are their passes' business: one that was let go in the middle of a call keeps its cluster until it ends.
    pub async fn leave(&self) {
        let leases = &self.claims.leases;
        let of_clusters = |name: &LeaseName| {
            [PREFIX, ROLLOUTS]
                .iter()
                .any(|prefix| name.as_str().starts_with(prefix))
        };
        let held = match leases.list("").await {
            Ok(held) => held,
            Err(error) => {
                tracing::debug!(%error, "the others will know in a while that this replica is gone");
                return;
            }
        };
        let mine = held
            .iter()
            .filter(|lease| lease.holder == self.claims.holder && !of_clusters(&lease.name));
        for lease in mine {
            if let Err(error) = leases.release(lease).await {
                tracing::debug!(%error, lease = %lease.name, "a lease could not be given back");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ports::{SeededIds, SimClock};
    use store::MemoryRegistry;

    use super::*;

    fn members(names: &[&str]) -> (Arc<SimClock>, Vec<Members>) {
        let clock = Arc::new(SimClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
        let leases = Arc::new(MemoryRegistry::new(clock.clone()));
        let one = |name: &&str| {
            let claims = Claims {
                leases: leases.clone(),
                holder: (*name).to_owned(),
                term: Duration::from_secs(30),
            };
            Members::new(claims, clock.clone(), Arc::new(SeededIds::new(1)))
        };
        let all = names.iter().map(one).collect();
        (clock, all)
    }

    fn id(n: usize) -> ClusterId {
        format!("aws:1:eu-central-1:kube-{n}").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn all_see_one_order_and_shares_are_alike() {
        let (_, all) = members(&["a", "b", "c"]);
        for _ in 0..2 {
            for one in &all {
                one.look().await.unwrap();
            }
        }
        for n in 0..300 {
            let mut ranks: Vec<usize> = all.iter().map(|one| one.rank(&id(n)).0).collect();
            let first: BTreeSet<String> = all.iter().map(|one| one.rank(&id(n)).1).collect();
            ranks.sort_unstable();
            assert_eq!((ranks, first.len()), (vec![0, 1, 2], 1), "{n}");
        }
        for one in &all {
            let share = (0..300).filter(|n| one.rank(&id(*n)).0 == 0).count();
            assert!((70..130).contains(&share), "{}: {share}", one.holder());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_or_dies_moves_only_its_own_clusters() {
        let (clock, all) = members(&["a", "b", "c"]);
        for _ in 0..2 {
            for one in &all {
                one.look().await.unwrap();
            }
        }
        let first = |n: usize| all[0].rank(&id(n)).1;
        let before: Vec<String> = (0..300).map(first).collect();
        all[1].leave().await;
        all[0].look().await.unwrap();
        for (n, was) in before.iter().enumerate() {
            let now = all[0].rank(&id(n)).1;
            assert!(now != "b" && (now == *was || was == "b"), "{n}: {was} to {now}");
        }
        // One that dies says nothing; it counts for as long as its sign does.
        clock.sleep(Duration::from_secs(29)).await;
        all[0].look().await.unwrap();
        assert_eq!(all[0].subscribe().borrow().replicas.len(), 2);
        clock.sleep(Duration::from_secs(2)).await;
        all[0].look().await.unwrap();
        assert_eq!(all[0].subscribe().borrow().replicas, BTreeSet::from(["a".to_owned()]));
        assert_eq!(
            all[0].place(&id(1)),
            0,
            "alone there is nobody to keep out of the way of"
        );
    }
}
