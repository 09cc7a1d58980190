//! Notices to owners: before a pod is terminated by force, and when it was.
//!
//! A notice goes out when it becomes known that a waiting pod will be forced and when, again when that time moved by more than
//! an hour, and once more an hour before. Events on the pod say the same to those who look; a notice reaches those who do not.

use async_trait::async_trait;
use disruption::{Evidence, NodeDecision, PodKey, PodState, Verdict, explain_pod};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;

/// How long before a forced termination its owner is told once more.
const LEAD: SignedDuration = SignedDuration::from_hours(1);

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The pod will be terminated by force at `force_at` unless it moves before.
    ForceAnnounced,
    /// The same, an hour or less before.
    ForceSoon,
    /// It was terminated by force.
    Forced,
}

/// A notice to the owner of a pod. Its JSON form is what webhooks get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The cluster.
    pub cluster: String,
    /// When it was written.
    pub at: Timestamp,
    /// The pod.
    pub pod: PodKey,
    /// Its UID.
    pub uid: Box<str>,
    /// Its node.
    pub node: String,
    /// Team, application or namespace that answers for it.
    pub owner: String,
    /// When force comes, or came.
    pub force_at: Timestamp,
    /// What it waits on, since when, until when, in one sentence.
    pub text: String,
}

/// Where notices go. An implementation must return at once (queue, then send): the engine waits for it.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Takes a notice. What cannot be delivered is the implementation's to report; it stops no rollout, and the evidence is
    /// in the ledger all the same.
    async fn tell(&self, notice: Notice);
}

/// What the owner of a pod was told last.
#[derive(Debug, Clone)]
pub(crate) struct Noticed {
    uid: Box<str>,
    force_at: Timestamp,
    soon: bool,
}

impl Engine {
    /// Tells the owners of waiting pods when force comes.
    pub(crate) async fn announce(&mut self, decision: &NodeDecision) {
        let now = self.hand.now();
        for one in &decision.pods {
            let Verdict::Wait(wait) = &one.verdict else { continue };
            let (Some(force_at), Some(_)) = (wait.until, wait.gate) else {
                continue;
            };
            let Some(state) = self.picture.view.pod(&one.pod) else {
                continue;
            };
            let soon = force_at.duration_since(now) <= LEAD;
            let told = self.noticed.get(&one.pod).filter(|told| told.uid == state.uid);
            let moved = told.is_none_or(|told| force_at.duration_since(told.force_at).abs() > LEAD);
            let nearer = soon && told.is_none_or(|told| !told.soon);
            let news = (moved || nearer).then(|| state.clone());
            if !soon {
                self.wake(force_at.checked_sub(LEAD).ok());
            }
            let Some(state) = news else { continue };
            let text = explain_pod(None, &self.picture.view, &decision.node, one, now);
            let kind = if soon {
                NoticeKind::ForceSoon
            } else {
                NoticeKind::ForceAnnounced
            };
            if soon {
                self.speaker
                    .pod(&self.hand.calm, &state, "ForcedTerminationSoon", &text, now)
                    .await;
            }
            let noticed = Noticed {
                uid: state.uid.clone(),
                force_at,
                soon,
            };
            self.noticed.insert(one.pod.clone(), noticed);
            self.send(kind, &state, decision.node.to_string(), force_at, text).await;
        }
        if self.noticed.len() > 10_000 {
            let view = &self.picture.view;
            self.noticed.retain(|pod, _| view.pod(pod).is_some());
        }
    }

    /// Tells the owner that a pod was terminated by force.
    pub(crate) async fn tell_forced(&mut self, evidence: &Evidence, text: String) {
        let Some(state) = self.picture.view.pod(&evidence.pod).cloned() else {
            return;
        };
        let node = evidence.node.to_string();
        self.send(NoticeKind::Forced, &state, node, evidence.decided, text)
            .await;
    }

    async fn send(&self, kind: NoticeKind, pod: &PodState, node: String, force_at: Timestamp, text: String) {
        let Some(notices) = &self.notices else { return };
        let notice = Notice {
            kind,
            cluster: self.spec.id.to_string(),
            at: self.hand.now(),
            pod: pod.key.clone(),
            uid: pod.uid.clone(),
            node,
            owner: pod.responsible().to_owned(),
            force_at,
            text,
        };
        notices.tell(notice).await;
    }
}
