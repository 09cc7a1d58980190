//! Pods and nodes: evictions with typed outcomes, deletions of one identity, marks on nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::Access;
use crate::call::{Call, Depth};
use crate::error::AccessError;
use crate::resource::{ApiKind, GroupKind, ObjectKey, list_at, map_mut, meta, text_at};

/// A pod by name and identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodRef {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The identity: a new pod of the same name (StatefulSets) is another pod.
    pub uid: String,
}

/// What became of an eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eviction {
    /// The pod is being stopped.
    Evicted,
    /// A disruption budget does not allow it now.
    Refused {
        /// The budgets, as far as the server names them.
        budgets: Vec<String>,
        /// The server's words.
        message: String,
        /// When trying again makes sense, if the server says so.
        after: Option<Duration>,
    },
    /// There is no pod of that name.
    NotFound,
    /// There is a pod of that name, but it is another one: the one that was meant is gone.
    Gone,
    /// The answer was lost: look at the pod before trying again.
    Unknown {
        /// How it was lost.
        why: String,
    },
}

/// What became of a deletion of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodDeletion {
    /// The pod is being stopped.
    Deleted,
    /// There is no pod of that name.
    NotFound,
    /// There is a pod of that name, but it is another one.
    Gone,
    /// The answer was lost: look at the pod before trying again.
    Unknown {
        /// How it was lost.
        why: String,
    },
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// They are not scheduled to the node.
    NoSchedule,
    /// They are scheduled elsewhere if possible.
    PreferNoSchedule,
    /// They are stopped.
    NoExecute,
}

impl Effect {
    fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// A taint. Key and effect identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// The key.
    pub key: String,
    /// The value; may be empty.
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

/// How often a change that depends on what was read is made again after somebody else wrote.
const ROUNDS: u32 = 8;

impl Access {
    /// Asks for the eviction of exactly this pod (policy/v1). It is sent once: a refusal is an answer, and after a lost answer
    /// only the caller knows whether asking again does harm.
    ///
    /// # Errors
    /// If the cluster does not allow evictions, asks for fewer requests, or breaks.
    pub async fn evict(&self, pod: &PodRef, grace_seconds: Option<i64>) -> Result<Eviction, AccessError> {
        let mut options = json!({"preconditions": {"uid": pod.uid}});
        if let (Some(map), Some(seconds)) = (options.as_object_mut(), grace_seconds) {
            map.insert("gracePeriodSeconds".to_owned(), seconds.into());
        }
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": options,
            "metadata": {"name": pod.name, "namespace": pod.namespace}});
        match self.call(&Call::evict(&pod.namespace, &pod.name, &eviction)).await {
            Ok(_) => Ok(Eviction::Evicted),
            Err(AccessError::BudgetRefused { message, after, .. }) => Ok(Eviction::Refused {
                budgets: budgets_in(&message),
                message,
                after,
            }),
            // The server cannot choose between budgets, so it refuses; waiting does not help, somebody has to remove one.
            Err(AccessError::Server { message, .. }) if message.contains("more than one PodDisruptionBudget") => {
                Ok(Eviction::Refused {
                    budgets: Vec::new(),
                    message,
                    after: None,
                })
            }
            Err(AccessError::NotFound { .. }) => Ok(Eviction::NotFound),
            Err(AccessError::Stale { .. }) => self.gone_or_stale(pod).await,
            Err(AccessError::UnknownOutcome { why, .. }) => Ok(Eviction::Unknown { why }),
            Err(error) => Err(error),
        }
    }

    /// A conflict means that the pod is another one, or that several evictions met at one budget.
    async fn gone_or_stale(&self, pod: &PodRef) -> Result<Eviction, AccessError> {
        let key = ObjectKey::new(GroupKind::new("", "Pod"), &pod.namespace, &pod.name);
        let live = self
            .get(&ApiKind::core("Pod", "pods", true), &key, Depth::Metadata)
            .await?;
        Ok(match live {
            None => Eviction::NotFound,
            Some(live) if meta(&live, "uid") != pod.uid => Eviction::Gone,
            Some(_) => Eviction::Refused {
                budgets: Vec::new(),
                message: "the budget changed while the eviction was decided".to_owned(),
                after: Some(Duration::ZERO),
            },
        })
    }

    /// Deletes exactly this pod. No budget is asked: that is for callers who may force.
    ///
    /// # Errors
    /// If the cluster does not allow it or breaks.
    pub async fn delete_pod(&self, pod: &PodRef, grace_seconds: Option<i64>) -> Result<PodDeletion, AccessError> {
        let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": pod.uid}});
        if let (Some(map), Some(seconds)) = (options.as_object_mut(), grace_seconds) {
            map.insert("gracePeriodSeconds".to_owned(), seconds.into());
        }
        let kind = ApiKind::core("Pod", "pods", true);
        let key = kind.key(&pod.namespace, &pod.name);
        match self.call(&Call::delete(&kind, &key, &options)).await {
            Ok(_) => Ok(PodDeletion::Deleted),
            Err(AccessError::NotFound { .. }) => Ok(PodDeletion::NotFound),
            // Either another pod has the name now, or the server met another writer; a look tells.
            Err(error @ AccessError::Stale { .. }) => match self.get(&kind, &key, Depth::Metadata).await? {
                None => Ok(PodDeletion::NotFound),
                Some(now) if meta(&now, "uid") != pod.uid => Ok(PodDeletion::Gone),
                Some(_) => Err(error),
            },
            Err(AccessError::UnknownOutcome { why, .. }) => Ok(PodDeletion::Unknown { why }),
            Err(error) => Err(error),
        }
    }

    /// Lets the scheduler put pods on a node, or not.
    ///
    /// # Errors
    /// If the node does not exist or the cluster does not take the change.
    pub async fn set_schedulable(&self, node: &str, schedulable: bool) -> Result<(), AccessError> {
        // Removing the field is how kubectl uncordons; `false` would stay behind as a field of ours.
        let wish = if schedulable { Value::Null } else { true.into() };
        let kind = ApiKind::core("Node", "nodes", false);
        self.merge(&kind, &kind.key("", node), &json!({"spec": {"unschedulable": wish}}))
            .await
    }

    /// Adds a taint to a node, or gives the taint of this key and effect this value.
    ///
    /// # Errors
    /// If the node does not exist, the cluster does not take the change, or others keep writing the node.
    pub async fn set_taint(&self, node: &str, taint: &Taint) -> Result<(), AccessError> {
        let mut entry = json!({"key": taint.key, "effect": taint.effect.name()});
        if let (Some(map), false) = (entry.as_object_mut(), taint.value.is_empty()) {
            map.insert("value".to_owned(), taint.value.as_str().into());
        }
        self.edit_taints(node, |taints| {
            let same = |other: &Value| is_taint(other, &taint.key, Some(taint.effect));
            let value = |other: &Value| text_at(other, &["value"]).to_owned();
            if taints.iter().any(|other| same(other) && value(other) == taint.value) {
                return false;
            }
            taints.retain(|other| !same(other));
            taints.push(entry.clone());
            true
        })
        .await
    }

    /// Removes the taints of this key from a node, or only the one of this effect. Nothing to remove is fine.
    ///
    /// # Errors
    /// If the node does not exist, the cluster does not take the change, or others keep writing the node.
    pub async fn remove_taint(&self, node: &str, key: &str, effect: Option<Effect>) -> Result<(), AccessError> {
        self.edit_taints(node, |taints| {
            let before = taints.len();
            taints.retain(|other| !is_taint(other, key, effect));
            taints.len() != before
        })
        .await
    }

    /// Taints are one list that all writers share, so a change carries the version that it was made from.
    async fn edit_taints(&self, node: &str, edit: impl Fn(&mut Vec<Value>) -> bool) -> Result<(), AccessError> {
        let kind = ApiKind::core("Node", "nodes", false);
        let key = kind.key("", node);
        let mut last = AccessError::NotFound {
            subject: key.to_string(),
        };
        for round in 0..ROUNDS {
            let Some(live) = self.get(&kind, &key, Depth::Full).await? else {
                return Err(AccessError::NotFound {
                    subject: key.to_string(),
                });
            };
            let mut taints: Vec<Value> = list_at(&live, &["spec", "taints"]).cloned().collect();
            if !edit(&mut taints) {
                return Ok(());
            }
            let wish = if taints.is_empty() { Value::Null } else { taints.into() };
            let patch =
                json!({"metadata": {"resourceVersion": meta(&live, "resourceVersion")}, "spec": {"taints": wish}});
            let call = Call::patch(&kind, &key, MERGE, &patch, self.field_manager());
            match self.call(&call).await {
                Ok(_) => return Ok(()),
                // The next look shows whether a lost change was made.
                Err(error @ (AccessError::Stale { .. } | AccessError::UnknownOutcome { .. })) => last = error,
                Err(error) => return Err(error),
            }
            self.clock()
                .sleep(self.inner.settings.backoff.wait(round, &*self.inner.ids))
                .await;
        }
        Err(last)
    }

    /// Sets (`Some`) and removes (`None`) labels and annotations of an object. With `version` the change is made only if the
    /// object is still that version ([`AccessError::Stale`] otherwise).
    ///
    /// # Errors
    /// If the object does not exist, is another version, or the cluster does not take the change.
    pub async fn set_metadata(
        &self,
        kind: &ApiKind,
        key: &ObjectKey,
        labels: &BTreeMap<String, Option<String>>,
        annotations: &BTreeMap<String, Option<String>>,
        version: Option<&str>,
    ) -> Result<(), AccessError> {
        let mut patch = json!({});
        for (field, entries) in [("labels", labels), ("annotations", annotations)] {
            if let (false, Some(map)) = (entries.is_empty(), map_mut(&mut patch, &["metadata", field])) {
                map.extend(entries.iter().map(|(key, value)| (key.clone(), json!(value))));
            }
        }
        if let (Some(version), Some(map)) = (version, map_mut(&mut patch, &["metadata"])) {
            map.insert("resourceVersion".to_owned(), version.into());
            return self
                .call(&Call::patch(kind, key, MERGE, &patch, self.field_manager()))
                .await
                .map(|_| ());
        }
        self.merge(kind, key, &patch).await
    }

    /// Labels and annotations of a node; see [`Self::set_metadata`].
    ///
    /// # Errors
    /// As there.
    pub async fn mark_node(
        &self,
        node: &str,
        labels: &BTreeMap<String, Option<String>>,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), AccessError> {
        let kind = ApiKind::core("Node", "nodes", false);
        self.set_metadata(&kind, &kind.key("", node), labels, annotations, None)
            .await
    }

    /// Closes a node to new pods and sets labels and annotations in the same write: whoever watches sees both or neither.
    ///
    /// # Errors
    /// If the node does not exist or the cluster does not take the change.
    pub async fn close_node(
        &self,
        node: &str,
        labels: &BTreeMap<String, Option<String>>,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), AccessError> {
        let kind = ApiKind::core("Node", "nodes", false);
        let patch =
            json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": {"unschedulable": true}});
        self.merge(&kind, &kind.key("", node), &patch).await
    }

    /// Records an event (core v1) about an object; an event of the same name is replaced.
    ///
    /// # Errors
    /// If the cluster does not take it.
    pub async fn record_event(&self, event: &Value) -> Result<(), AccessError> {
        let kind = ApiKind::core("Event", "events", true);
        let key = ObjectKey::of(&kind.id, event);
        let body = bytes::Bytes::from(event.to_string());
        let call = Call::apply(&kind, &key, body, self.field_manager(), true, false);
        self.call(&call).await.map(|_| ())
    }

    /// A merge patch that says everything it needs: sending it twice is the same as sending it once.
    async fn merge(&self, kind: &ApiKind, key: &ObjectKey, patch: &Value) -> Result<(), AccessError> {
        let call = Call::patch(kind, key, MERGE, patch, self.field_manager()).repeatable();
        self.call(&call).await.map(|_| ())
    }
}

const MERGE: &str = "application/merge-patch+json";

fn is_taint(taint: &Value, key: &str, effect: Option<Effect>) -> bool {
    text_at(taint, &["key"]) == key && effect.is_none_or(|effect| text_at(taint, &["effect"]) == effect.name())
}

/// The budgets that a refusal names: `The disruption budget web needs 9 healthy pods and has 9 currently`.
fn budgets_in(message: &str) -> Vec<String> {
    let after = message.split("disruption budget ").skip(1);
    let names = after
        .filter_map(|rest| rest.split_whitespace().next())
        .map(|name| name.trim_matches('"').to_owned());
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_their_budget() {
        let text = "The disruption budget web needs 9 healthy pods and has 9 currently";
        assert_eq!(budgets_in(text), ["web"]);
        assert!(budgets_in("no").is_empty());
    }
}
