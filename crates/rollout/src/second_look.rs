//! Second looks. A watch may be behind without knowing it, and a clock may jump: what cannot be undone is decided on what
//! the API server says at that very moment, and on a time that it agrees with.

use std::collections::BTreeSet;

use disruption::{Evidence, NodeName, PodKey, Verdict, decide_pod};
use jiff::SignedDuration;
use kube_access::watch::WatchEvent;
use kube_access::{Depth, GroupKind, ObjectKey, Selection};
use ports::cloud::InstanceId;

use crate::engine::Engine;
use crate::error::RolloutError;
use crate::events::Speaker;
use crate::guards::Guard;
use crate::pool::PoolSpec;
use crate::seen;

/// A clock that goes back by more has jumped.
const JUMP: SignedDuration = SignedDuration::from_secs(1);

impl Engine {
    /// Reads pods past the watch into the picture, and returns which there are.
    async fn read_pods(&mut self, selection: &Selection) -> Result<BTreeSet<PodKey>, RolloutError> {
        let id = GroupKind::new("", "Pod");
        let kind = self.hand.kind(&id).await?;
        let found = self.hand.access.list(&kind, selection, Depth::Full).await?;
        let now = self.hand.now();
        let mut keys = BTreeSet::new();
        for object in &found {
            let part = |path: &str| {
                object
                    .pointer(path)
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default()
            };
            let (namespace, name) = (part("/metadata/namespace"), part("/metadata/name"));
            keys.insert(PodKey::new(namespace, name));
            let key = ObjectKey::new(id.clone(), namespace, name);
            let value = seen::pod(object);
            self.picture.take(WatchEvent::Applied { key, value }, &self.fleet, now);
        }
        Ok(keys)
    }

    /// Whether a machine became a node that can be used after all. The watch does not say so, but it may be behind, and pods on
    /// the node tell that it was ready before this engine ran.
    pub(crate) async fn was_ready_after_all(&mut self, id: &InstanceId) -> Result<bool, RolloutError> {
        if !self.on(Guard::SecondLook) {
            return Ok(false);
        }
        let kind = self.hand.kind(&GroupKind::new("", "Node")).await?;
        let found = self.hand.access.list(&kind, &Selection::default(), Depth::Full).await?;
        let now = self.hand.now();
        for object in &found {
            let name = object.pointer("/metadata/name").and_then(serde_json::Value::as_str);
            let key = ObjectKey::new(GroupKind::new("", "Node"), "", name.unwrap_or_default());
            let value = seen::node(object);
            self.picture.take(WatchEvent::Applied { key, value }, &self.fleet, now);
        }
        let Some(node) = self.picture.node_of(id.as_str()) else {
            return Ok(false);
        };
        let (name, ready) = (node.name.clone(), node.ready);
        if !ready && self.is_empty(&name).await? {
            return Ok(false);
        }
        self.picture.was_ready.insert(id.as_str().into());
        Ok(true)
    }

    /// Whether nothing is on the node any more that could be asked to go. The watch says so already; a pod that came at the
    /// last moment before the node was closed may not have been told yet.
    pub(crate) async fn is_empty(&mut self, node: &NodeName) -> Result<bool, RolloutError> {
        if !self.on(Guard::SecondLook) {
            return Ok(true);
        }
        let selection = Selection {
            fields: format!("spec.nodeName={node}"),
            ..Selection::default()
        };
        let there = self.read_pods(&selection).await?;
        let moves = |key: &PodKey| self.picture.view.pod(key).is_none_or(|pod| !pod.stays());
        let empty = !there.iter().any(moves);
        if !empty {
            let now = self.hand.now();
            self.wake(Some(now));
        }
        Ok(empty)
    }

    /// Decides on a forced termination once more, on pods that were read now: siblings may have gone or come meanwhile.
    pub(crate) async fn still_due(
        &mut self,
        pool: &PoolSpec,
        evidence: &Evidence,
    ) -> Result<Option<Evidence>, RolloutError> {
        if !self.on(Guard::SecondLook) {
            return Ok(Some(evidence.clone()));
        }
        let namespace = evidence.pod.namespace.to_string();
        let selection = Selection {
            namespace: namespace.clone(),
            ..Selection::default()
        };
        let there = self.read_pods(&selection).await?;
        let gone: Vec<PodKey> = self
            .picture
            .view
            .pods()
            .filter(|pod| *pod.key.namespace == *namespace && !there.contains(&pod.key))
            .map(|pod| pod.key.clone())
            .collect();
        let now = self.hand.now();
        for pod in gone {
            let key = ObjectKey::new(GroupKind::new("", "Pod"), &pod.namespace, &pod.name);
            self.picture.take(WatchEvent::Deleted { key }, &self.fleet, now);
        }
        let again = decide_pod(&self.picture.view, &pool.policy, &evidence.node, &evidence.pod, now);
        match again.map(|again| again.verdict) {
            Ok(Verdict::Force(again)) if again.uid == evidence.uid => Ok(Some(*again)),
            _ => {
                self.wake(Some(now));
                Ok(None)
            }
        }
    }

    /// A clock that went back takes with it what was noted by it; one that is known to be wrong is compared again.
    pub(crate) async fn look_at_clock(&mut self) {
        let now = self.hand.now();
        let before = self.looked.replace(now);
        if before.is_some_and(|before| before.duration_since(now) > JUMP) {
            self.read_at = None;
            self.passes.forget();
            self.speaker = Speaker::default();
            self.picture.forget_refusals(now);
        }
        if self.hand.clock_agrees().is_err()
            && let Err(error) = self.hand.access.ping().await
        {
            tracing::debug!(%error, "the API server's time cannot be read");
        }
    }
}
