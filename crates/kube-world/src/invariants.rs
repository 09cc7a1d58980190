//! What always holds in a world that makes sense; for tests, rehearsals and long runs.
//!
//! [`check`] looks at one moment. [`Memory`] also remembers between looks, for laws about time.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use json_tree::Value;

use crate::cache::{Amounts, PodView};
use crate::engine::View;
use crate::kind::{Key, Kind};

/// A law that does not hold, with its subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A pod moved: the same uid was on another node before.
    Moved {
        /// The pod.
        pod: String,
        /// The node before.
        from: String,
        /// The node now; empty for none.
        to: String,
    },
    /// The pods that a node's kubelet took on ask for more than it has.
    OverCapacity {
        /// The node.
        node: String,
        /// The resource.
        resource: String,
        /// What the pods ask for.
        used: i64,
        /// What there is.
        capacity: i64,
    },
    /// An object's controlling owner does not exist.
    Orphan {
        /// The object.
        object: String,
        /// The owner.
        owner: String,
    },
    /// What a pod's status says cannot be.
    Inconsistent {
        /// The pod.
        pod: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Two pods have the same address.
    SharedAddress {
        /// The address.
        address: Ipv4Addr,
        /// The pods.
        pods: (String, String),
    },
    /// The world's picture of a pod is not what the server holds.
    StaleCache {
        /// The pod.
        pod: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved { pod, from, to } => write!(f, "pod {pod} was on node {from} and is on {to:?} now"),
            Self::OverCapacity {
                node,
                resource,
                used,
                capacity,
            } => write!(
                f,
                "node {node} has {capacity} of {resource}, and its pods ask for {used}"
            ),
            Self::Orphan { object, owner } => write!(f, "{object} belongs to {owner}, which does not exist"),
            Self::Inconsistent { pod, why } => write!(f, "pod {pod}: {why}"),
            Self::SharedAddress { address, pods } => {
                write!(f, "pods {} and {} both have the address {address}", pods.0, pods.1)
            }
            Self::StaleCache { pod } => write!(f, "pod {pod} is not as the server holds it"),
        }
    }
}

fn named(pod: &PodView) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

/// All laws that do not hold at this moment, in a fixed order. The world has to be settled.
#[must_use]
pub fn check(view: &View<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    capacity(view, &mut found);
    addresses(view, &mut found);
    for pod in view.pods("") {
        found.extend(status(view, pod).map(|why| Violation::Inconsistent { pod: named(pod), why }));
        found.extend(orphan(view, pod));
        let stored = view.stored(Kind::POD, &pod.namespace, &pod.name);
        if stored.is_none_or(|stored| stored.version() != pod.version) {
            found.push(Violation::StaleCache { pod: named(pod) });
        }
    }
    owned_objects(view, &mut found);
    found.sort();
    found
}

fn capacity(view: &View<'_>, found: &mut Vec<Violation>) {
    for node in view.nodes() {
        let (mut used, mut count) = (Amounts::default(), 0_i64);
        for pod in view.pods_on(&node.name) {
            if pod.started.is_some() && !pod.phase.is_terminal() {
                used.add(&pod.requests);
                count += 1;
            }
        }
        let mut over = |resource: &str, used: i64, capacity: i64| {
            found.push(Violation::OverCapacity {
                node: node.name.to_string(),
                resource: resource.to_owned(),
                used,
                capacity,
            });
        };
        if let Some((resource, used, capacity)) = used.exceeds(&node.allocatable) {
            over(resource, used, capacity);
        }
        if count > node.max_pods {
            over("pods", count, node.max_pods);
        }
    }
}

fn addresses(view: &View<'_>, found: &mut Vec<Violation>) {
    let mut seen: BTreeMap<Ipv4Addr, &Arc<PodView>> = BTreeMap::new();
    for pod in view.pods("") {
        let Some(address) = pod.ip.filter(|_| !pod.phase.is_terminal()) else {
            continue;
        };
        let machine = pod.node.as_ref().and_then(|node| view.machine(node));
        if machine.is_some_and(|machine| machine.address() == address) {
            // The node's own network, which many may share.
            continue;
        }
        if let Some(other) = seen.insert(address, pod) {
            found.push(Violation::SharedAddress {
                address,
                pods: (named(other), named(pod)),
            });
        }
    }
}

/// What is wrong with a pod's status.
fn status(view: &View<'_>, pod: &PodView) -> Option<&'static str> {
    use crate::cache::Phase;
    if pod.started.is_some() && pod.node.is_none() {
        return Some("it has a start time and no node");
    }
    match pod.phase {
        Phase::Running if pod.started.is_none() => Some("it runs and has no start time"),
        Phase::Running if pod.ip.is_none() => Some("it runs and has no address"),
        Phase::Pending | Phase::Succeeded | Phase::Failed if pod.ready => Some("it is ready and does not run"),
        _ if pod.ready && pod.node.as_ref().is_some_and(|node| view.node(node).is_none()) => {
            Some("it is ready on a node that does not exist")
        }
        _ => None,
    }
}

/// A pod whose owner is gone and that nobody has begun to delete. One that ends outlives its owner where the owner was
/// deleted in the background, for as long as its kubelet is silent.
fn orphan(view: &View<'_>, pod: &PodView) -> Option<Violation> {
    if pod.deleting_by.is_some() {
        return None;
    }
    let owner = pod.controller.as_ref()?;
    let kind = Kind::named(&owner.api_version, &owner.kind)?;
    let there = view.stored(kind, &pod.namespace, &owner.name);
    let same = there.is_some_and(|stored| stored.uid() == &*owner.uid);
    (!same).then(|| Violation::Orphan {
        object: Key::new(Kind::POD, &pod.namespace, &pod.name).to_string(),
        owner: Key::new(kind, &pod.namespace, &owner.name).to_string(),
    })
}

/// Orphans among what controllers make besides pods.
fn owned_objects(view: &View<'_>, found: &mut Vec<Violation>) {
    for kind in [
        Kind::REPLICA_SET,
        Kind::JOB,
        Kind::CONTROLLER_REVISION,
        Kind::ENDPOINT_SLICE,
    ] {
        for stored in view.list_stored(kind, "") {
            if stored.owners().next().is_none() {
                continue;
            }
            let object = stored.value();
            let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            for owner in owners.into_iter().flatten() {
                let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
                let Some(owner_kind) = Kind::named(text("apiVersion"), text("kind")) else {
                    continue;
                };
                let (namespace, name) = stored.key();
                let there = view.stored(owner_kind, namespace, text("name"));
                if there.is_none_or(|there| there.uid() != text("uid")) {
                    found.push(Violation::Orphan {
                        object: Key::new(kind, namespace, name).to_string(),
                        owner: Key::new(owner_kind, namespace, text("name")).to_string(),
                    });
                }
            }
        }
    }
}

/// Remembers where pods were, so that one that moves is noticed.
#[derive(Debug, Default)]
pub struct Memory {
    nodes: BTreeMap<Box<str>, Arc<str>>,
}

impl Memory {
    /// All laws that do not hold, those about the time since the last look included.
    pub fn check(&mut self, view: &View<'_>) -> Vec<Violation> {
        let mut found = check(view);
        let mut now = BTreeMap::new();
        for pod in view.pods("") {
            if let Some(before) = self.nodes.get(&pod.uid)
                && pod.node.as_ref() != Some(before)
            {
                found.push(Violation::Moved {
                    pod: named(pod),
                    from: before.to_string(),
                    to: pod.node.as_deref().unwrap_or_default().to_owned(),
                });
            }
            if let Some(node) = &pod.node {
                now.insert(pod.uid.clone(), node.clone());
            }
        }
        self.nodes = now;
        found
    }
}
