//! One piece of work: a pass over a cluster from its claim to its release, cut when it does not end by itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{Cluster, ClusterId};
use ports::registry::Detail;
use ports::{LeaseError, RegistryError};
use tracing::Instrument as _;

use crate::claims::{Claims, Hold, lease_name};
use crate::concern::Failure;
use crate::desired::Subject;
use crate::guard::{Guard, Refusal};
use crate::pass::{Aim, ClusterMemory, PassEnd, Reach};
use crate::turns::Turns;
use crate::words;

/// How long a pass may go on after something else is wanted or a block came up: it ends at its next step, and a call that
/// hangs is let go (fault F10).
const CUT: Duration = Duration::from_secs(5);

/// What a pass needs.
pub(super) struct Work {
    pub(super) reach: Arc<Reach>,
    pub(super) subject: Subject,
    pub(super) aim: Aim,
    pub(super) guard: Guard,
    pub(super) claims: Option<Claims>,
    pub(super) turns: Turns,
    pub(super) memory: ClusterMemory,
}

/// A pass that ended, with what it gives back.
pub(super) struct Ended {
    pub(super) cluster: ClusterId,
    pub(super) end: PassEnd,
    /// Another replica has the cluster.
    pub(super) held: bool,
    pub(super) memory: ClusterMemory,
}

impl Work {
    pub(super) async fn run(mut self) -> Ended {
        let cluster = self.subject.cluster.id.clone();
        let span = tracing::info_span!(
            "pass",
            cluster = %self.subject.cluster.alias,
            cause = self.aim.cause().as_str(),
            update = tracing::field::Empty
        );
        let began = self.reach.clock.now();
        let (end, held) = self.claimed().instrument(span.clone()).await;
        let spent = self.reach.clock.now().duration_since(began).unsigned_abs();
        let metrics = self.turns.metrics();
        metrics.pass(end.word(), spent);
        if let PassEnd::Stopped(refusal) = &end {
            metrics.refusal(refusal.word());
        }
        span.in_scope(|| tracing::info!(outcome = end.word(), seconds = spent.as_secs_f64(), "pass ended"));
        Ended {
            cluster,
            end,
            held,
            memory: self.memory,
        }
    }

    /// The pass under a claim, and whether another replica has the cluster.
    async fn claimed(&mut self) -> (PassEnd, bool) {
        let Some(claims) = self.claims.take() else {
            return (self.pass().await, false);
        };
        // A dry run writes nothing, not even a claim.
        if self.guard.dry_run {
            return (self.pass().await, false);
        }
        let cluster = &self.subject.cluster;
        let taken = match lease_name(&cluster.id) {
            Ok(name) => Hold::take(&claims, &name).await,
            Err(error) => Err(LeaseError::Unavailable(Box::new(error))),
        };
        let hold = match taken {
            Ok(hold) => hold,
            Err(LeaseError::Held { holder, expires_at, .. }) => {
                let until = words::moment(expires_at);
                let sentence = format!(
                    "cluster {} waits: replica {holder} works on it, until {until} unless it goes on",
                    cluster.alias
                );
                return (PassEnd::Waits(expires_at, sentence), true);
            }
            Err(error) => {
                let failure = Failure::of("lease", "the cluster cannot be claimed", &error);
                return (PassEnd::Failed(failure), false);
            }
        };
        if let Some(end) = self.anew().await {
            hold.release().await;
            return (end, false);
        }
        self.memory.under(hold.claimed().token);
        self.guard.hold = Some(Arc::clone(&hold));
        let (clock, watches) = (Arc::clone(&self.reach.clock), self.guard.rules.lease);
        let lost = async {
            hold.keep(&*clock).await;
            if !watches {
                std::future::pending::<()>().await;
            }
        };
        let end = tokio::select! {
            biased;
            end = self.pass() => end,
            () = lost => PassEnd::Stopped(Refusal::LeaseLost),
        };
        hold.release().await;
        (end, false)
    }

    /// Reads the entry anew, now that nobody else may work on the cluster: what was chosen before may have been done by another
    /// replica meanwhile, or something newer (V8).
    async fn anew(&mut self) -> Option<PassEnd> {
        if !self.guard.rules.anew {
            return None;
        }
        let known = &self.subject.cluster;
        let read = self.reach.registry.get_cluster(&known.id, Detail::Full).await;
        let found = match read {
            Ok(found) => found.object,
            Err(RegistryError::NotFound { .. }) => return Some(PassEnd::Stopped(Refusal::Overtaken)),
            Err(error) => return Some(PassEnd::Stopped(Refusal::Unknown(error.to_string()))),
        };
        let at = |cluster: &Cluster| {
            let status = &cluster.status;
            let versions = (status.current_version.clone(), status.next_version.clone());
            (versions, cluster.lifecycle_status)
        };
        if at(&found) != at(known) {
            return Some(PassEnd::Stopped(Refusal::Overtaken));
        }
        self.subject.cluster = Arc::new(found);
        None
    }

    async fn pass(&mut self) -> PassEnd {
        let (generation, at) = (self.guard.generation.clone(), self.guard.at);
        let reach = Arc::clone(&self.reach);
        let watches = self.guard.rules.generation;
        let cut = async {
            if !watches {
                std::future::pending::<()>().await;
            }
            generation.left(at).await;
            reach.clock.sleep(CUT).await;
        };
        let (subject, guard, turns) = (&self.subject, &self.guard, &self.turns);
        tokio::select! {
            biased;
            end = self.reach.pass(subject, &self.aim, guard, turns, &mut self.memory) => return end,
            () = cut => {}
        }
        self.interrupted().await;
        PassEnd::Stopped(Refusal::Overtaken)
    }

    /// Says in the history that a pass was let go while a call was under way.
    async fn interrupted(&self) {
        if self.guard.dry_run {
            return;
        }
        let sentence = "let go while a call was under way; the next pass looks what came of it";
        let (cluster, context) = (&self.subject.cluster.id, self.guard.stamp(self.reach.context()));
        let said = crate::journal::interrupted(&*self.reach.ledger, cluster, sentence, &context).await;
        if let Err(error) = said {
            tracing::warn!(%error, "the history cannot be written");
        }
    }
}

impl super::Manager {
    /// When a cluster whose pass failed may be worked on again: as soon as one of its concerns may, or after the cluster's
    /// own back-off when the pass did not get as far as its concerns.
    pub(super) fn next_try(&self, turns: &Turns, failures: u32, failure: &Failure, now: Timestamp) -> Timestamp {
        if let Some(next) = turns.next().filter(|next| *next > now) {
            return next;
        }
        let own = self.pace.backoff.wait(failures, &*self.reach.ids);
        let wait = own.max(failure.at_least.unwrap_or_default());
        now.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }
}
