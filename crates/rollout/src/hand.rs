//! The hand of the engine: every write leaves through it, and each is asked for first.

use std::collections::BTreeMap;
use std::sync::Arc;

use disruption::marking::{
    DRAIN_START, LIFECYCLE_STATUS, REPLACEMENT_STRATEGY, STATUS_DRAINING, STATUS_PENDING, STATUS_READY, TAINT_KEY,
    TAINT_VALUE, TaintEffect, clock_text, taint_effect,
};
use jiff::{SignedDuration, Timestamp};
use kube_access::nodes::{Effect, Taint};
use kube_access::{Access, AccessError, ApiKind, GroupKind};
use ports::cloud::NodeCloud;
use ports::{Clock, Ledger, WriteContext};

use crate::error::RolloutError;
use crate::guard::{MayDisrupt, Permission, asked};
use crate::guards::{Guard, Guards};
use crate::names::{
    CORDONED, DO_NOT_DISRUPT, DRAINED, QUARANTINED, READY_LABEL_REMOVED, REARMING, SCALE_DOWN_DISABLED,
    SCALE_DOWN_HELD, SELECTED, SELECTED_REASON,
};
use crate::pool::PoolSpec;
use crate::seen::{MARK_ANNOTATIONS, NodeSeen, PACE};

/// Clocks that differ by more do not agree. The server's answers tell whole seconds.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(5);

/// A write that took longer has an instant in it which nobody could see before it was long over.
const LATE: SignedDuration = SignedDuration::from_secs(1);

type Changes = BTreeMap<String, Option<String>>;

/// What the engine acts with.
pub(crate) struct Hand {
    /// For what a block stops.
    pub(crate) access: Access,
    /// For what a block asks for or allows.
    pub(crate) calm: Access,
    pub(crate) cloud: Arc<dyn NodeCloud>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) guard: Arc<dyn MayDisrupt>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) context: WriteContext,
    pub(crate) guards: Guards,
}

fn set(key: &str, value: impl Into<String>) -> (String, Option<String>) {
    (key.to_owned(), Some(value.into()))
}

impl Hand {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the guard says now.
    pub(crate) async fn permission(&self) -> Permission {
        asked(&*self.guard, self.guards).await
    }

    /// Whether our clock and the API server's agree, as far as its last answer tells: deadlines are worth nothing otherwise.
    ///
    /// # Errors
    /// [`RolloutError::Clock`].
    pub(crate) fn clock_agrees(&self) -> Result<(), RolloutError> {
        let ahead = self.access.clock_skew();
        if self.guards.on(Guard::Clock) && ahead.abs() > CLOCKS_DIFFER {
            return Err(RolloutError::Clock { ahead });
        }
        Ok(())
    }

    /// What our clock would show if it were as right as the API server's, as far as its last answer tells.
    pub(crate) fn agreed_now(&self) -> Timestamp {
        let now = self.now();
        match self.clock_agrees() {
            Err(RolloutError::Clock { ahead }) => now.saturating_sub(ahead).unwrap_or(now),
            _ => now,
        }
    }

    /// Asked before a step on the pods of a node. A block does not hold for a machine that goes away anyway: it is emptied
    /// politely all the same.
    ///
    /// # Errors
    /// As for [`Hand::may_disrupt`].
    pub(crate) async fn may_empty(&self, ends: bool) -> Result<&Access, RolloutError> {
        if ends {
            self.clock_agrees()?;
            self.may_write().await?;
            return Ok(&self.calm);
        }
        self.may_disrupt().await?;
        Ok(&self.access)
    }

    /// Asked before every step that brings a node nearer to its end.
    ///
    /// # Errors
    /// [`RolloutError::Blocked`], [`RolloutError::Withdrawn`] and [`RolloutError::Clock`].
    pub(crate) async fn may_disrupt(&self) -> Result<(), RolloutError> {
        self.clock_agrees()?;
        match self.permission().await {
            Permission::Granted => Ok(()),
            Permission::Blocked(block) => Err(RolloutError::Blocked(block)),
            Permission::Withdrawn => Err(RolloutError::Withdrawn),
        }
    }

    /// Asked before writes that disturb nobody: records, and taking marks back, which a block asks for.
    ///
    /// # Errors
    /// [`RolloutError::Withdrawn`].
    pub(crate) async fn may_write(&self) -> Result<(), RolloutError> {
        match self.permission().await {
            Permission::Granted | Permission::Blocked(_) => Ok(()),
            Permission::Withdrawn => Err(RolloutError::Withdrawn),
        }
    }

    /// A kind as the cluster serves it.
    ///
    /// # Errors
    /// When it does not serve it any more.
    pub(crate) async fn kind(&self, id: &GroupKind) -> Result<ApiKind, RolloutError> {
        let kinds = self.access.kinds().await?;
        let found = kinds.preferred(id).cloned();
        found.ok_or_else(|| {
            RolloutError::Cluster(AccessError::NotFound {
                subject: format!("kind {id}"),
            })
        })
    }

    /// Marks a node: first the taint, so that pods that move do not come here, then label and reason (fact 62).
    pub(crate) async fn mark(
        &self,
        node: &mut NodeSeen,
        pool: &PoolSpec,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), RolloutError> {
        if !node.tainted {
            self.may_disrupt().await?;
            let effect = match taint_effect(pool.control_plane, pool.no_schedule.as_deref()) {
                TaintEffect::NoSchedule => Effect::NoSchedule,
                TaintEffect::PreferNoSchedule => Effect::PreferNoSchedule,
            };
            let taint = Taint {
                key: TAINT_KEY.to_owned(),
                value: TAINT_VALUE.to_owned(),
                effect,
            };
            self.access.set_taint(node.name.as_str(), &taint).await?;
            node.tainted = true;
        }
        let (mut labels, mut notes) = (Changes::new(), Changes::new());
        if !node.is_marked() {
            labels.extend([set(LIFECYCLE_STATUS, STATUS_PENDING)]);
        }
        if node.selected.is_none() {
            notes.extend([set(SELECTED, clock_text(now)), set(SELECTED_REASON, reason)]);
        }
        if labels.is_empty() && notes.is_empty() {
            return Ok(());
        }
        self.may_disrupt().await?;
        self.access.mark_node(node.name.as_str(), &labels, &notes).await?;
        if !node.is_marked() {
            node.status = Some(STATUS_PENDING.into());
        }
        node.selected.get_or_insert(now);
        node.reason.get_or_insert_with(|| reason.into());
        Ok(())
    }

    /// Takes a mark back: the node takes pods again. What is written last is what the mark is recognised by.
    pub(crate) async fn unmark(&self, node: &mut NodeSeen) -> Result<(), RolloutError> {
        if node.cordoned && node.cordoned_by_us {
            self.may_write().await?;
            self.calm.set_schedulable(node.name.as_str(), true).await?;
            node.cordoned = false;
        }
        if node.tainted {
            self.may_write().await?;
            self.calm.remove_taint(node.name.as_str(), TAINT_KEY, None).await?;
            node.tainted = false;
        }
        self.may_write().await?;
        let labels = Changes::from([set(LIFECYCLE_STATUS, STATUS_READY)]);
        let notes = MARK_ANNOTATIONS.iter().map(|key| ((*key).to_owned(), None)).collect();
        self.calm.mark_node(node.name.as_str(), &labels, &notes).await?;
        node.status = Some(STATUS_READY.into());
        (node.selected, node.reason, node.draining) = (None, None, None);
        (node.ready_label_removed, node.cordoned_by_us) = (None, false);
        (node.rearming, node.drained) = (false, false);
        Ok(())
    }

    /// Begins the drain of a node: its clock starts with the label `draining`, and it is closed in the same write.
    pub(crate) async fn begin(&self, node: &mut NodeSeen, now: Timestamp) -> Result<(), RolloutError> {
        if node.draining.is_some() {
            return self.cordon(node, false).await;
        }
        self.may_disrupt().await?;
        let labels = Changes::from([set(LIFECYCLE_STATUS, STATUS_DRAINING)]);
        let mut notes = Changes::from([set(DRAIN_START, clock_text(now))]);
        if !node.cordoned {
            notes.extend([set(CORDONED, "true")]);
        }
        self.access.close_node(node.name.as_str(), &labels, &notes).await?;
        node.cordoned_by_us |= !node.cordoned;
        node.cordoned = true;
        node.status = Some(STATUS_DRAINING.into());
        node.draining = Some(now);
        self.right_start(node, now).await
    }

    /// The answer to a write tells the server's time: a start written by a wrong clock is put right at once, and so is one
    /// that was long on its way, since nobody could see it before it was there.
    async fn right_start(&self, node: &mut NodeSeen, began: Timestamp) -> Result<(), RolloutError> {
        let agrees = self.clock_agrees();
        let start = self.agreed_now();
        if agrees.is_ok() && start.duration_since(began) <= LATE {
            return Ok(());
        }
        let note = Changes::from([set(DRAIN_START, clock_text(start))]);
        self.may_write().await?;
        self.calm.mark_node(node.name.as_str(), &Changes::new(), &note).await?;
        node.draining = Some(start);
        agrees
    }

    /// Closes a node to new pods.
    pub(crate) async fn cordon(&self, node: &mut NodeSeen, ends: bool) -> Result<(), RolloutError> {
        if node.cordoned {
            return Ok(());
        }
        self.may_empty(ends)
            .await?
            .set_schedulable(node.name.as_str(), false)
            .await?;
        node.cordoned = true;
        Ok(())
    }

    /// Tells operators of databases to move their primaries off a closed node. They look at the change of the label only,
    /// so where it is gone already it is put back first.
    pub(crate) async fn signal_primaries(
        &self,
        node: &mut NodeSeen,
        ends: bool,
        now: Timestamp,
    ) -> Result<(), RolloutError> {
        if node.status.as_deref() != Some(STATUS_READY) {
            let access = self.may_empty(ends).await?;
            let back = Changes::from([set(LIFECYCLE_STATUS, STATUS_READY)]);
            // Whoever is driven by the mark alone has to see that it was not taken back.
            let note = Changes::from([set(REARMING, "true")]);
            access.mark_node(node.name.as_str(), &back, &note).await?;
        }
        let access = self.may_empty(ends).await?;
        let away = Changes::from([set(LIFECYCLE_STATUS, STATUS_DRAINING)]);
        let note = Changes::from([set(READY_LABEL_REMOVED, clock_text(now)), (REARMING.to_owned(), None)]);
        access.mark_node(node.name.as_str(), &away, &note).await?;
        node.status = Some(STATUS_DRAINING.into());
        node.rearming = false;
        node.ready_label_removed = Some(now);
        Ok(())
    }

    /// Gives a node up with a reason.
    pub(crate) async fn quarantine(&self, node: &mut NodeSeen, ends: bool, reason: &str) -> Result<(), RolloutError> {
        let note = Changes::from([set(QUARANTINED, reason)]);
        self.may_empty(ends)
            .await?
            .mark_node(node.name.as_str(), &Changes::new(), &note)
            .await?;
        node.quarantined = Some(reason.into());
        Ok(())
    }

    /// Starts the pace of forced terminations on a node.
    pub(crate) async fn pace(&self, node: &mut NodeSeen, ends: bool, now: Timestamp) -> Result<(), RolloutError> {
        let note = Changes::from([set(PACE, clock_text(now))]);
        self.may_empty(ends)
            .await?
            .mark_node(node.name.as_str(), &Changes::new(), &note)
            .await?;
        let before = node.last_forced.replace(now);
        if let Err(wrong) = self.clock_agrees() {
            // Nothing will be forced now, and a pace of another time would hold the node back, or not at all.
            let note = Changes::from([(PACE.to_owned(), before.map(clock_text))]);
            self.may_write().await?;
            self.calm.mark_node(node.name.as_str(), &Changes::new(), &note).await?;
            node.last_forced = before;
            return Err(wrong);
        }
        Ok(())
    }

    /// Counts the pace of a node from when a forced termination was done, which was long after its decision.
    pub(crate) async fn right_pace(&self, node: &mut NodeSeen, at: Timestamp) -> Result<(), RolloutError> {
        if !self.guards.on(Guard::Pace) || node.last_forced.is_some_and(|last| last >= at) {
            return Ok(());
        }
        let note = Changes::from([set(PACE, clock_text(at))]);
        self.may_write().await?;
        self.calm.mark_node(node.name.as_str(), &Changes::new(), &note).await?;
        node.last_forced = Some(at);
        Ok(())
    }

    /// Says that a node is drained whose machine somebody else ends.
    pub(crate) async fn say_drained(&self, node: &mut NodeSeen, now: Timestamp) -> Result<(), RolloutError> {
        self.may_disrupt().await?;
        let note = Changes::from([set(DRAINED, clock_text(now))]);
        self.access
            .mark_node(node.name.as_str(), &Changes::new(), &note)
            .await?;
        node.drained = true;
        Ok(())
    }

    /// Says that no new node is brought before this one goes (fact 64).
    pub(crate) async fn no_replacement(&self, node: &mut NodeSeen) -> Result<(), RolloutError> {
        self.may_disrupt().await?;
        let label = Changes::from([set(REPLACEMENT_STRATEGY, "none")]);
        self.access
            .mark_node(node.name.as_str(), &label, &Changes::new())
            .await?;
        node.replace_first = false;
        Ok(())
    }

    /// Keeps the autoscaler from removing a new node, or lets it again.
    pub(crate) async fn hold_scale_down(
        &self,
        node: &mut NodeSeen,
        claimed: bool,
        hold: bool,
    ) -> Result<(), RolloutError> {
        self.may_write().await?;
        let value = || hold.then(|| "true".to_owned());
        let key = if claimed { DO_NOT_DISRUPT } else { SCALE_DOWN_DISABLED };
        let notes = Changes::from([(key.to_owned(), value()), (SCALE_DOWN_HELD.to_owned(), value())]);
        self.calm.mark_node(node.name.as_str(), &Changes::new(), &notes).await?;
        node.held = hold;
        Ok(())
    }
}
