//! Carrying out the decisions on nodes: evictions, forced terminations with evidence, quarantine, termination.

use disruption::{
    Evidence, NodeDecision, NodeName, NodeStep, PodDecision, PodKey, PodState, PrimarySignal, Reason, Verdict,
    decide_going, explain_pod,
};
use jiff::{SignedDuration, Timestamp};
use kube_access::AccessError;
use kube_access::nodes::{Eviction, PodDeletion, PodRef};

use crate::engine::Engine;
use crate::error::RolloutError;
use crate::guards::Guard;
use crate::pool::PoolSpec;
use crate::records::{EvidenceRecord, Outcome};

/// A forced termination that could not be carried out by then is decided anew.
const LONG_AGO: SignedDuration = SignedDuration::from_secs(5);

/// All attempts of one deletion are over by then.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

impl Engine {
    /// Decides for all nodes on their way out of pools that we drain, and carries it out. Pools under the same policy are decided
    /// together; those under another one see what was done before them in the view.
    pub(crate) async fn drain_pass(&mut self, pools: &[PoolSpec]) -> Result<(), RolloutError> {
        let mut left: Vec<&PoolSpec> = pools.iter().filter(|pool| pool.strategy.drains()).collect();
        while let Some(first) = left.first().copied() {
            let (same, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|pool| pool.policy == first.policy);
            left = others;
            let decisions = decide_going(&self.picture.view, &first.policy, self.hand.now());
            for decision in &decisions {
                let state = self.picture.view.node(&decision.node);
                let name = state.and_then(|state| state.pool.clone());
                let Some(pool) = same.iter().find(|pool| Some(&pool.name) == name.as_ref()) else {
                    continue;
                };
                self.wake(decision.changes_at);
                if let Some(doubt) = self.picture.doubt(&decision.node) {
                    self.note_trouble(&pool.name, &doubt);
                    continue;
                }
                let done = self.carry_out(pool, decision).await;
                self.settle(&pool.name, done)?;
            }
        }
        Ok(())
    }

    async fn carry_out(&mut self, pool: &PoolSpec, decision: &NodeDecision) -> Result<(), RolloutError> {
        self.signal(decision).await?;
        match &decision.step {
            NodeStep::Stays | NodeStep::WaitsForItsTurn | NodeStep::Quarantined(_) => Ok(()),
            NodeStep::Wait { .. } => {
                self.tell_waits(decision).await;
                self.announce(decision).await;
                Ok(())
            }
            NodeStep::Cordon => {
                let Some(mut node) = self.picture.nodes.get(&decision.node).cloned() else {
                    return Ok(());
                };
                let done = self.hand.cordon(&mut node, self.ends(&decision.node)).await;
                self.keep_node(node);
                done
            }
            NodeStep::Act { evict, force } => {
                self.close_dying(&decision.node).await?;
                for key in evict {
                    self.evict(key).await?;
                }
                for key in force {
                    let one = decision.pods.iter().find(|one| one.pod == *key);
                    if let Some(PodDecision {
                        verdict: Verdict::Force(evidence),
                        ..
                    }) = one
                    {
                        self.force(pool, evidence).await?;
                    }
                }
                self.tell_waits(decision).await;
                self.announce(decision).await;
                Ok(())
            }
            NodeStep::Quarantine { pod } => {
                let Some(mut node) = self.picture.nodes.get(&decision.node).cloned() else {
                    return Ok(());
                };
                let reason = format!("pod {pod} does not end");
                let done = self
                    .hand
                    .quarantine(&mut node, self.ends(&decision.node), &reason)
                    .await;
                if done.is_ok() {
                    let now = self.hand.now();
                    self.speaker
                        .node(&self.hand.calm, &node, "Undrainable", &reason, now)
                        .await;
                }
                self.keep_node(node);
                done
            }
            NodeStep::Drained => {
                if self.kept(pool) {
                    return Ok(());
                }
                self.terminate(pool, decision).await
            }
        }
    }

    /// Closes a node whose machine ends before its pods are asked to go: the contract does not wait for that, but where it can be
    /// done the pods do not come back to be asked again.
    async fn close_dying(&mut self, name: &NodeName) -> Result<(), RolloutError> {
        let node = self.picture.nodes.get(name).filter(|node| !node.cordoned).cloned();
        let Some(mut node) = node.filter(|_| self.ends(name)) else {
            return Ok(());
        };
        match self.hand.cordon(&mut node, true).await {
            Err(error) if error.ends_round() => return Err(error),
            Err(error) => tracing::warn!(node = %name, %error, "node of a dying machine stays open"),
            Ok(()) => self.keep_node(node),
        }
        Ok(())
    }

    async fn signal(&mut self, decision: &NodeDecision) -> Result<(), RolloutError> {
        if !matches!(
            decision.primary_signal,
            Some(PrimarySignal::RemoveReadyLabel | PrimarySignal::GiveAgain)
        ) {
            return Ok(());
        }
        // Operators look at closed nodes only.
        let Some(mut node) = self
            .picture
            .nodes
            .get(&decision.node)
            .cloned()
            .filter(|node| node.cordoned)
        else {
            return Ok(());
        };
        let now = self.hand.now();
        let done = self
            .hand
            .signal_primaries(&mut node, self.ends(&decision.node), now)
            .await;
        self.keep_node(node);
        done
    }

    fn pod_ref(&self, key: &PodKey) -> Option<PodRef> {
        let pod = self.picture.view.pod(key)?;
        Some(PodRef {
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            uid: pod.uid.to_string(),
        })
    }

    async fn evict(&mut self, key: &PodKey) -> Result<(), RolloutError> {
        let Some(pod) = self.pod_ref(key) else { return Ok(()) };
        let node = self.picture.view.pod(key).and_then(|pod| pod.node.clone());
        let ends = node.is_some_and(|node| self.ends(&node));
        let answer = match self.hand.may_empty(ends).await?.evict(&pod, None).await {
            Ok(answer) => answer,
            Err(error @ (AccessError::Stopped { .. } | AccessError::Throttled { .. })) => return Err(error.into()),
            // One pod that cannot be evicted for a reason of its own does not keep the others.
            Err(error) => {
                self.picture.note_refused(key, self.hand.now());
                return Err(error.into());
            }
        };
        let now = self.hand.now();
        match answer {
            Eviction::Evicted => {
                self.counts.evicted += 1;
                self.picture.view.note_evicted(key, now);
            }
            // The watch will tell that it is gone.
            Eviction::NotFound | Eviction::Gone => self.picture.note_refused(key, now),
            Eviction::Unknown { .. } => self.picture.note_refused(key, now),
            Eviction::Refused { message, .. } => {
                self.counts.refused += 1;
                self.picture.note_refused(key, now);
                if let Some(state) = self.picture.view.pod(key).cloned() {
                    let text = format!("eviction refused: {message}");
                    self.speaker
                        .pod(&self.hand.calm, &state, "EvictionRefused", &text, now)
                        .await;
                }
            }
        }
        self.wake(
            now.checked_add(jiff::SignedDuration::from_secs(30))
                .ok()
                .filter(|_| self.picture.view.pod(key).is_some_and(|pod| pod.refused == Some(now))),
        );
        Ok(())
    }

    /// The machine of the node goes away whatever anybody does.
    pub(crate) fn ends(&self, node: &NodeName) -> bool {
        let mark = self.picture.view.node(node).and_then(|node| node.mark.as_ref());
        mark.is_some_and(|mark| mark.machine_ends.is_some())
    }

    /// Deletes a pod against its protections. The order makes every kill harmless: the evidence is durable before anything
    /// happens, the pace of the node starts before the deletion, and the record is closed when the deletion is known.
    async fn force(&mut self, pool: &PoolSpec, evidence: &Evidence) -> Result<(), RolloutError> {
        let ends = self.ends(&evidence.node);
        self.hand.may_empty(ends).await?;
        let Some(evidence) = self.still_due(pool, evidence).await? else {
            return Ok(());
        };
        let evidence = &evidence;
        let Some(pod) = self.pod_ref(&evidence.pod).filter(|pod| *pod.uid == *evidence.uid) else {
            return Ok(());
        };
        self.hand.may_empty(ends).await?;
        // Whatever keeps us from closing it, the record is looked at in the next round.
        let unsettled = std::mem::replace(&mut self.unsettled, true);
        if self.on(Guard::Evidence) {
            let record = record_of(Outcome::Decided, evidence, evidence.decided);
            self.ledger().put_evidence(&record).await?;
        }
        if self.on(Guard::Pace)
            && let Some(mut node) = self.picture.nodes.get(&evidence.node).cloned()
        {
            let done = self.hand.pace(&mut node, ends, evidence.decided).await;
            self.keep_node(node);
            done?;
        }
        let against: Vec<String> = evidence.protections.iter().map(protection).collect();
        let text = format!("terminated by force: {}", against.join("; "));
        let now = self.hand.now();
        if let Some(state) = self.picture.view.pod(&evidence.pod).cloned() {
            self.speaker
                .pod(&self.hand.calm, &state, "ForcedTermination", &text, now)
                .await;
        }
        let access = self.hand.may_empty(ends).await?;
        // Clocks were read at the decision: one that took so long to write down is made again.
        if self.hand.now().duration_since(evidence.decided) > LONG_AGO {
            self.wake(Some(now));
            return Ok(());
        }
        let answer = access.delete_pod(&pod, None).await?;
        let record = record_of(Outcome::Done, evidence, self.hand.agreed_now());
        match answer {
            PodDeletion::Deleted | PodDeletion::NotFound | PodDeletion::Gone => {
                self.counts.forced += 1;
                self.tell_forced(evidence, text).await;
                for budget in &evidence.budgets {
                    let text = format!("pod {} was terminated against this budget", evidence.pod);
                    self.speaker.budget(&self.hand.calm, &budget.budget, &text, now).await;
                }
                self.picture.view.note_forced(&evidence.pod, record.paced_from());
                for budget in &evidence.budgets {
                    self.picture.note_budget_forced(&budget.budget, record.paced_from());
                }
                self.pace_anew(&record).await?;
                self.hand.may_write().await?;
                self.ledger().put_evidence(&record).await?;
                self.unsettled = unsettled;
                Ok(())
            }
            // The pace holds the next one back; the open record is settled when the pod is looked at again.
            PodDeletion::Unknown { .. } => {
                for budget in &evidence.budgets {
                    self.picture.note_budget_forced(&budget.budget, record.paced_from());
                }
                self.pace_anew(&record).await
            }
        }
    }

    /// Closes the records that an earlier run, or a lost answer, left open: the pod tells how it went.
    pub(crate) async fn settle_records(&mut self) -> Result<(), RolloutError> {
        let mut records = self.ledger().evidence().await?;
        for record in records.iter_mut().filter(|record| record.outcome == Outcome::Decided) {
            let evidence = &record.evidence;
            let outcome = if self.picture.living(&evidence.pod, &evidence.uid) {
                Outcome::Abandoned
            } else {
                Outcome::Done
            };
            *record = record_of(outcome, evidence, self.known_done(evidence));
            self.pace_anew(record).await?;
            self.hand.may_write().await?;
            self.ledger().put_evidence(record).await?;
        }
        for (budget, at) in crate::records::last_forced(&records) {
            self.picture.note_budget_forced(&budget, at);
        }
        self.unsettled = false;
        Ok(())
    }

    /// Counts the pace of the node from when a forced termination was done, where that was long after its decision.
    async fn pace_anew(&mut self, record: &EvidenceRecord) -> Result<(), RolloutError> {
        let node = self.picture.nodes.get(&record.evidence.node).cloned();
        let (Some(at), Some(mut node)) = (record.carried_out, node) else {
            return Ok(());
        };
        let done = self.hand.right_pace(&mut node, at).await;
        self.keep_node(node);
        done
    }

    /// When a forced termination was done at the latest whose answer nobody got: the pod tells as long as it is there.
    fn known_done(&self, evidence: &Evidence) -> Timestamp {
        let pod = self
            .picture
            .view
            .pod(&evidence.pod)
            .filter(|pod| pod.uid == evidence.uid);
        let begun = pod.and_then(|pod| pod.terminating.as_ref()).map(|ending| ending.since);
        let longest = evidence.decided.saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
        begun.unwrap_or_else(|| self.hand.agreed_now().min(longest))
    }

    /// Tells owners what their pods wait on and when force comes, each pod not too often.
    async fn tell_waits(&mut self, decision: &NodeDecision) {
        let now = self.hand.now();
        for one in &decision.pods {
            let Verdict::Wait(wait) = &one.verdict else { continue };
            if matches!(
                wait.on,
                Reason::Ending | Reason::NotDraining | Reason::NotCordoned | Reason::JustRefused
            ) {
                continue;
            }
            let state = self.picture.view.pod(&one.pod);
            let news = |state: &&PodState| self.speaker.is_news(&state.uid, "WaitsToMove", now);
            let Some(state) = state.filter(news).cloned() else {
                continue;
            };
            let text = explain_pod(None, &self.picture.view, &decision.node, one, now);
            self.speaker
                .pod(&self.hand.calm, &state, "WaitsToMove", &text, now)
                .await;
        }
    }
}

/// The record of a forced termination that was done by `known` if at all.
fn record_of(outcome: Outcome, evidence: &Evidence, known: Timestamp) -> EvidenceRecord {
    let late = outcome == Outcome::Done && known.duration_since(evidence.decided) > LONG_AGO;
    EvidenceRecord {
        outcome,
        evidence: evidence.clone(),
        carried_out: late.then_some(known),
    }
}

fn protection(reason: &Reason) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| {
            value
                .get("on")
                .and_then(|on| on.as_str())
                .map(|on| on.replace('_', " "))
        })
        .unwrap_or_default()
}

/// When the pool's machines were terminated, evicted, refused, forced: counters of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Evictions that were accepted.
    pub evicted: u64,
    /// Evictions that were refused.
    pub refused: u64,
    /// Forced terminations.
    pub forced: u64,
    /// Machines that were ended.
    pub terminated: u64,
}

/// The earlier of two times, where there are any.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}
