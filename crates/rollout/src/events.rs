//! Kubernetes Events on nodes and pods, so that owners see what happens where they look.

use std::collections::BTreeMap;

use disruption::{BudgetKey, PodState};
use jiff::{SignedDuration, Timestamp};
use kube_access::Access;
use serde_json::{Value, json};

use crate::seen::NodeSeen;

/// The same thing about the same object is said again after this time at the earliest.
const AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// What an event is about.
struct About<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
}

/// Says things, each not too often.
#[derive(Debug, Default)]
pub(crate) struct Speaker {
    said: BTreeMap<(Box<str>, &'static str), Timestamp>,
}

impl Speaker {
    /// It was not said about an object of this UID for so long that it may be said (again).
    pub(crate) fn is_news(&self, uid: &str, reason: &'static str, now: Timestamp) -> bool {
        let old = now.checked_sub(AGAIN).unwrap_or(Timestamp::MIN);
        self.said.get(&(uid.into(), reason)).is_none_or(|last| *last <= old)
    }

    /// Says something about a node.
    pub(crate) async fn node(
        &mut self,
        access: &Access,
        node: &NodeSeen,
        reason: &'static str,
        text: &str,
        now: Timestamp,
    ) {
        // Kubelets and node controllers use the node's name as UID, which is what kubectl looks for.
        let about = About {
            kind: "Node",
            namespace: "",
            name: node.name.as_str(),
            uid: node.name.as_str(),
        };
        self.say(access, &about, &node.uid, reason, text, now).await;
    }

    /// Says something about a pod.
    pub(crate) async fn pod(
        &mut self,
        access: &Access,
        pod: &PodState,
        reason: &'static str,
        text: &str,
        now: Timestamp,
    ) {
        let about = About {
            kind: "Pod",
            namespace: &pod.key.namespace,
            name: &pod.key.name,
            uid: &pod.uid,
        };
        self.say(access, &about, &pod.uid, reason, text, now).await;
    }

    /// Says that a pod was forced against a budget.
    pub(crate) async fn budget(&mut self, access: &Access, budget: &BudgetKey, text: &str, now: Timestamp) {
        let about = About {
            kind: "PodDisruptionBudget",
            namespace: &budget.namespace,
            name: &budget.name,
            uid: "",
        };
        // Each pod is news of its own.
        let subject = format!("{budget} {text}");
        self.say(access, &about, &subject, "ForcedTermination", text, now).await;
    }

    /// An event that cannot be written stops nothing.
    async fn say(
        &mut self,
        access: &Access,
        about: &About<'_>,
        uid: &str,
        reason: &'static str,
        text: &str,
        now: Timestamp,
    ) {
        if !self.is_news(uid, reason, now) {
            return;
        }
        let old = now.checked_sub(AGAIN).unwrap_or(Timestamp::MIN);
        let key = (uid.into(), reason);
        if self.said.len() > 10_000 {
            self.said.retain(|_, last| *last > old);
        }
        self.said.insert(key, now);
        if let Err(error) = access.record_event(&event(about, reason, text, now)).await {
            tracing::debug!(%error, reason, "event not recorded");
        }
    }
}

fn event(about: &About<'_>, reason: &str, text: &str, now: Timestamp) -> Value {
    let namespace = if about.namespace.is_empty() {
        "default"
    } else {
        about.namespace
    };
    let kind = if matches!(reason, "ForcedTermination" | "ForcedTerminationSoon" | "Undrainable") {
        "Warning"
    } else {
        "Normal"
    };
    let time = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    // Whoever reads events cuts long ones; the limit of the API is 1,024 bytes.
    let text: String = text.chars().take(1_000).collect();
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": namespace, "name": format!("{}.{}-{:x}", about.name, reason.to_ascii_lowercase(), now.as_millisecond())},
        "involvedObject": {"apiVersion": "v1", "kind": about.kind, "namespace": about.namespace, "name": about.name, "uid": about.uid},
        "reason": reason, "message": text, "type": kind, "count": 1,
        "firstTimestamp": time, "lastTimestamp": time,
        "source": {"component": "fleetwright-rollout"},
    })
}
