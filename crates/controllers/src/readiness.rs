//! Node readiness: nodes start with a taint that keeps workload away, and lose it when the system pods of the node are ready.
//!
//! Required on a node are the DaemonSets of the system's namespace whose pods belong there: node selector and node affinity fit,
//! and their pods tolerate the taint (one that does not can never come before the taint goes, so waiting for it would be for
//! ever). A node whose taint is gone is never tainted again (HK-23); what is seen is all that counts, so a restart changes nothing
//! (HK-24). A node that waits says for which pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use disruption::{Labels, Selector};
use jiff::Timestamp;
use kube_access::watch::{WatchEvent, WatchOptions, WatchSet};
use kube_access::{Access, AccessError, Depth, GroupKind, Selection};
use serde_json::{Value, json};

use crate::leader::Leadership;
use crate::queue::{Queue, after};

/// Which taint, and whose pods have to be ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartUpTaint {
    /// The key of the taint, with any effect.
    pub key: String,
    /// Namespace of the system's DaemonSets.
    pub namespace: String,
}

impl Default for StartUpTaint {
    fn default() -> Self {
        Self {
            key: "zalando.org/node-not-ready".to_owned(),
            namespace: "kube-system".to_owned(),
        }
    }
}

/// Namespace and name.
type Named = (String, String);

#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Node(NodeSeen),
    Daemon(Box<Daemon>),
    Pod(Option<PodSeen>),
}

#[derive(Debug, Clone, PartialEq)]
struct NodeSeen {
    labels: Labels,
    taints: BTreeSet<String>,
    uid: String,
}

/// A DaemonSet, as far as the question goes where its pods belong.
#[derive(Debug, Clone, PartialEq)]
struct Daemon {
    selector: Vec<(String, String)>,
    /// Any of these has to fit; empty means that all nodes do.
    terms: Vec<Selector>,
    /// Keys of taints that its pods tolerate; none stands for all keys.
    tolerates: Vec<Option<String>>,
}

/// A DaemonSet's pod on a node.
#[derive(Debug, Clone, PartialEq)]
struct PodSeen {
    node: String,
    daemon: Named,
    ready: bool,
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(object: &'v Value, path: &str) -> impl Iterator<Item = &'v Value> {
    object.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn pairs(object: &Value, path: &str) -> Vec<(String, String)> {
    let map = object.pointer(path).and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn read_node(object: &Value) -> Seen {
    let labels = pairs(object, "/metadata/labels");
    Seen::Node(NodeSeen {
        labels: labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
        taints: items(object, "/spec/taints")
            .map(|taint| text(taint, "/key").to_owned())
            .collect(),
        uid: text(object, "/metadata/uid").to_owned(),
    })
}

fn read_daemon(object: &Value) -> Seen {
    let spec = "/spec/template/spec";
    let affinity =
        format!("{spec}/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let tolerations = items(object, "/spec/template/spec/tolerations");
    Seen::Daemon(Box::new(Daemon {
        selector: pairs(object, &format!("{spec}/nodeSelector")),
        terms: items(object, &affinity)
            .map(|term| Selector::from_json(Some(term)))
            .collect(),
        tolerates: tolerations
            .map(|one| Some(text(one, "/key").to_owned()).filter(|key| !key.is_empty()))
            .collect(),
    }))
}

fn read_pod(object: &Value) -> Seen {
    let owner = items(object, "/metadata/ownerReferences").find(|one| text(one, "/kind") == "DaemonSet");
    let ready = |one: &Value| text(one, "/type") == "Ready" && text(one, "/status") == "True";
    Seen::Pod(owner.map(|owner| PodSeen {
        node: text(object, "/spec/nodeName").to_owned(),
        daemon: (
            text(object, "/metadata/namespace").to_owned(),
            text(owner, "/name").to_owned(),
        ),
        ready: object.pointer("/metadata/deletionTimestamp").is_none()
            && items(object, "/status/conditions").any(ready),
    }))
}

impl Daemon {
    /// Its pod has to be ready before the taint goes from a node with these labels.
    fn required(&self, labels: &Labels, taint: &str) -> bool {
        let selected = self
            .selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value.as_str()));
        let fits = self.terms.is_empty() || self.terms.iter().any(|term| term.matches(labels));
        let comes = self
            .tolerates
            .iter()
            .any(|key| key.as_deref().is_none_or(|key| key == taint));
        selected && fits && comes
    }
}

/// What is known of the cluster.
#[derive(Debug, Default)]
struct Picture {
    nodes: BTreeMap<String, NodeSeen>,
    daemons: BTreeMap<Named, Daemon>,
    pods: BTreeMap<Named, PodSeen>,
    synced: BTreeSet<GroupKind>,
}

impl Picture {
    /// Takes an event in; the nodes that it concerns.
    fn take(&mut self, event: WatchEvent<Seen>) -> Vec<String> {
        match event {
            WatchEvent::Applied { key, value } => {
                let named = (key.namespace, key.name.clone());
                match value {
                    Seen::Node(node) => {
                        self.nodes.insert(key.name.clone(), node);
                        vec![key.name]
                    }
                    Seen::Daemon(daemon) => {
                        self.daemons.insert(named, *daemon);
                        self.nodes.keys().cloned().collect()
                    }
                    Seen::Pod(None) => Vec::new(),
                    Seen::Pod(Some(pod)) => {
                        let node = pod.node.clone();
                        self.pods.insert(named, pod);
                        vec![node]
                    }
                }
            }
            WatchEvent::Deleted { key } => {
                let named = (key.namespace, key.name.clone());
                match key.kind.kind.as_str() {
                    "Node" => drop(self.nodes.remove(&key.name)),
                    "DaemonSet" => {
                        self.daemons.remove(&named);
                        return self.nodes.keys().cloned().collect();
                    }
                    _ => drop(self.pods.remove(&named)),
                }
                Vec::new()
            }
            WatchEvent::Synced { kind } => {
                self.synced.insert(kind);
                self.nodes.keys().cloned().collect()
            }
            WatchEvent::Trouble { kind, error } => {
                tracing::warn!(%kind, %error, "a kind cannot be read");
                Vec::new()
            }
        }
    }

    /// DaemonSets of which the node still needs a ready pod; `None` for a node without the taint, and before everything was
    /// read: missing data is not "nothing is missing".
    fn missing(&self, name: &str, taint: &str, kinds: usize) -> Option<Vec<&Named>> {
        let node = self.nodes.get(name).filter(|node| node.taints.contains(taint))?;
        if self.synced.len() < kinds {
            return None;
        }
        let here = self.pods.values().filter(|pod| pod.node == name && pod.ready);
        let ready: BTreeSet<&Named> = here.map(|pod| &pod.daemon).collect();
        let required = self
            .daemons
            .iter()
            .filter(|(_, daemon)| daemon.required(&node.labels, taint));
        Some(
            required
                .map(|(named, _)| named)
                .filter(|named| !ready.contains(named))
                .collect(),
        )
    }
}

/// Pause before a write that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often a node that waits says so.
const SAY: Duration = Duration::from_secs(120);

/// Works as long as the lead holds.
///
/// # Errors
/// [`AccessError`] when the kinds cannot be watched at all.
pub async fn run(access: &Access, options: &StartUpTaint, leadership: &Arc<Leadership>) -> Result<(), AccessError> {
    let mut nodes = watch(access, "", "Node", read_node, "").await?;
    let mut daemons = watch(access, "apps", "DaemonSet", read_daemon, &options.namespace).await?;
    let mut pods = watch(access, "", "Pod", read_pod, &options.namespace).await?;
    let (clock, mut picture, mut queue) = (access.clock(), Picture::default(), Queue::default());
    let mut said: BTreeMap<String, Timestamp> = BTreeMap::new();
    while leadership.holds() {
        let rest = queue.rest(clock.now());
        let event = tokio::select! {
            biased;
            event = nodes.next() => Some(event),
            event = daemons.next() => Some(event),
            event = pods.next() => Some(event),
            () = clock.sleep(rest) => None,
        };
        for node in event.map(|event| picture.take(event)).unwrap_or_default() {
            queue.add(&node, clock.now());
        }
        while let Some(name) = queue.pop(clock.now()) {
            let now = clock.now();
            let Some(missing) = picture
                .missing(&name, &options.key, KINDS)
                .filter(|_| leadership.holds())
            else {
                said.remove(&name);
                continue;
            };
            if missing.is_empty() {
                match access.remove_taint(&name, &options.key, None).await {
                    Ok(()) => tracing::info!(node = %name, "system pods are ready"),
                    Err(error) if error.is_absent() => {}
                    Err(error) => {
                        tracing::warn!(node = %name, %error, "the start-up taint was not removed");
                        queue.add(&name, after(now, AGAIN));
                    }
                }
                continue;
            }
            let due = said.get(&name).is_none_or(|at| now >= after(*at, SAY));
            if due && let Some(node) = picture.nodes.get(&name) {
                said.insert(name.clone(), now);
                tell(access, &name, &node.uid, &missing, now).await;
            }
            queue.add(&name, after(now, SAY));
        }
    }
    Ok(())
}

const KINDS: usize = 3;

/// HK-22: an event names what is missing.
async fn tell(access: &Access, node: &str, uid: &str, missing: &[&Named], now: Timestamp) {
    let names: Vec<String> = missing
        .iter()
        .map(|(namespace, name)| format!("{namespace}/{name}"))
        .collect();
    let text = format!("start-up taint stays: no ready pod of {}", names.join(", "));
    let text: String = text.chars().take(1_000).collect();
    let time = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    let event = json!({"apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": "default", "name": format!("{node}.systempodsnotready")},
        "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid},
        "reason": "SystemPodsNotReady", "message": text, "type": "Normal", "count": 1,
        "firstTimestamp": time, "lastTimestamp": time, "source": {"component": "fleetwright-node-readiness"}});
    if let Err(error) = access.record_event(&event).await {
        tracing::debug!(%error, "event not recorded");
    }
}

async fn watch(
    access: &Access,
    group: &str,
    name: &str,
    project: fn(&Value) -> Seen,
    namespace: &str,
) -> Result<WatchSet<Seen>, AccessError> {
    let id = GroupKind::new(group, name);
    let kinds = access.kinds().await?;
    let kind = kinds.preferred(&id).cloned().ok_or_else(|| AccessError::NotFound {
        subject: format!("kind {id}"),
    })?;
    let options = WatchOptions {
        depth: Depth::Full,
        selection: Selection {
            namespace: namespace.to_owned(),
            ..Selection::default()
        },
        ..WatchOptions::default()
    };
    Ok(WatchSet::new(access, [(kind, options)], Arc::new(project)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_are_daemons_whose_pods_belong_on_the_node_and_can_come_before_the_taint_goes() {
        let everywhere = json!([{"operator": "Exists"}]);
        let by_key = json!([{"key": "zalando.org/node-not-ready", "operator": "Exists"}]);
        let other = json!([{"key": "other", "operator": "Exists"}]);
        let terms = |value: &str| {
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "role", "operator": "In", "values": [value]}]}]}}})
        };
        let labels: Labels = [("role", "worker")].into_iter().collect();
        for (name, spec, expected) in [
            ("plain", json!({"tolerations": everywhere}), true),
            ("by key", json!({"tolerations": by_key}), true),
            ("cannot come", json!({"tolerations": other}), false),
            ("tolerates nothing", json!({}), false),
            (
                "selected",
                json!({"tolerations": everywhere, "nodeSelector": {"role": "worker"}}),
                true,
            ),
            (
                "elsewhere",
                json!({"tolerations": everywhere, "nodeSelector": {"role": "master"}}),
                false,
            ),
            (
                "affinity",
                json!({"tolerations": everywhere, "affinity": terms("worker")}),
                true,
            ),
            (
                "other affinity",
                json!({"tolerations": everywhere, "affinity": terms("master")}),
                false,
            ),
        ] {
            let object = json!({"spec": {"template": {"spec": spec}}});
            let Seen::Daemon(daemon) = read_daemon(&object) else {
                panic!()
            };
            assert_eq!(
                daemon.required(&labels, "zalando.org/node-not-ready"),
                expected,
                "{name}"
            );
        }
    }
}
