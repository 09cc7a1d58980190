//! The watches of one cluster: a stream per kind, each with its own projection, told in a fixed order.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use kube_access::watch::{WatchEvent, WatchOptions, WatchSet};
use kube_access::{Access, AccessError, ApiKind, Depth, GroupKind};
use serde_json::Value;

use crate::seen::{self, Budgets, Pods, Seen};

/// How the objects of a kind are read.
#[derive(Clone, Copy)]
enum Reading {
    /// By a projection of the tree.
    Tree(fn(&Value) -> Seen),
    /// Straight from the line, for kinds of which there are many or that change often.
    Pods,
    Budgets,
}

/// What no projection reads, and what is most of a pod or a node.
const UNREAD: &[&str] = &[
    "metadata.managedFields",
    "spec.affinity",
    "spec.containers",
    "spec.initContainers",
    "spec.tolerations",
    "spec.topologySpreadConstraints",
    "status.containerStatuses",
    "status.initContainerStatuses",
    "status.images",
];

/// Kinds that decisions rest on, in the order in which their events are taken in.
const WATCHED: [(&str, &str, Reading); 7] = [
    ("", "Node", Reading::Tree(seen::node)),
    ("policy", "PodDisruptionBudget", Reading::Budgets),
    ("", "PersistentVolume", Reading::Tree(seen::volume)),
    ("", "PersistentVolumeClaim", Reading::Tree(seen::claim)),
    ("apps", "StatefulSet", Reading::Tree(seen::stateful_set)),
    ("batch", "Job", Reading::Tree(seen::job)),
    ("", "Pod", Reading::Pods),
];

/// Kinds of Karpenter, where the cluster serves them.
const PROVISIONING: [(&str, &str, Reading); 3] = [
    ("karpenter.k8s.aws", "EC2NodeClass", Reading::Tree(seen::node_class)),
    ("karpenter.sh", "NodePool", Reading::Tree(seen::node_pool)),
    ("karpenter.sh", "NodeClaim", Reading::Tree(seen::node_claim)),
];

/// All of them.
pub(crate) struct Watches {
    sets: Vec<WatchSet<Seen>>,
    provisioning: bool,
}

impl Watches {
    /// Begins to watch. A kind that the cluster does not serve is an error: without it decisions would rest on nothing.
    pub(crate) async fn begin(access: &Access) -> Result<Self, AccessError> {
        let kinds = access.kinds().await?;
        let mut sets = Vec::new();
        for (group, name, reading) in WATCHED {
            let id = GroupKind::new(group, name);
            let kind = kinds.preferred(&id).cloned().ok_or_else(|| AccessError::NotFound {
                subject: format!("kind {id}"),
            })?;
            sets.push(watch(access, kind, reading));
        }
        Ok(Self {
            sets,
            provisioning: false,
        })
    }

    /// Begins to watch Karpenter's kinds, if that was not done and the cluster serves them by now; true when they are watched.
    pub(crate) async fn provisioning(&mut self, access: &Access) -> Result<bool, AccessError> {
        if self.provisioning {
            return Ok(true);
        }
        let id = |group: &str, name: &str| GroupKind::new(group, name);
        let mut kinds = access.kinds().await?;
        if kinds.preferred(&id("karpenter.sh", "NodeClaim")).is_none() {
            kinds = access.refresh_kinds().await?;
        }
        let served = |name: &str| kinds.preferred(&id("karpenter.sh", name)).is_some();
        if !served("NodeClaim") || !served("NodePool") {
            return Ok(false);
        }
        for (group, name, reading) in PROVISIONING {
            if let Some(kind) = kinds.preferred(&id(group, name)) {
                self.sets.push(watch(access, kind.clone(), reading));
            }
        }
        self.provisioning = true;
        Ok(true)
    }

    /// Karpenter's kinds are watched.
    pub(crate) fn provisions(&self) -> bool {
        self.provisioning
    }

    /// How many kinds have to be read completely before anything is decided.
    pub(crate) fn kinds(&self) -> usize {
        self.sets.len()
    }

    /// The next event, of the first kind that has one; dropping the wait loses nothing.
    pub(crate) async fn next(&mut self) -> WatchEvent<Seen> {
        poll_fn(|context| {
            let mut sets = self.sets.iter_mut();
            let first = sets.find_map(|set| match set.poll_next(context) {
                Poll::Ready(event) => Some(event),
                Poll::Pending => None,
            });
            first.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Takes all events that are there now, kind by kind. A kind that has none is not asked again.
    pub(crate) fn take_ready(&mut self, mut take: impl FnMut(WatchEvent<Seen>)) {
        for set in &mut self.sets {
            while let Some(event) = set.next().now_or_never() {
                take(event);
            }
        }
    }
}

fn watch(access: &Access, kind: ApiKind, reading: Reading) -> WatchSet<Seen> {
    let options = WatchOptions {
        depth: Depth::Full,
        skip: UNREAD,
        ..WatchOptions::default()
    };
    let watched = [(kind, options)];
    match reading {
        Reading::Tree(project) => WatchSet::new(access, watched, Arc::new(project)),
        Reading::Pods => WatchSet::reading::<Pods>(access, watched),
        Reading::Budgets => WatchSet::reading::<Budgets>(access, watched),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_projection_reads_what_is_passed_over() {
        let object = json!({
            "apiVersion": "v1", "kind": "Any",
            "metadata": {"name": "a", "namespace": "x", "uid": "u", "creationTimestamp": "2026-03-02T08:00:00Z",
                "labels": {"node.kubernetes.io/node-pool": "workers"}, "managedFields": [{"manager": "m"}],
                "ownerReferences": [{"kind": "StatefulSet", "name": "a", "controller": true}]},
            "spec": {"nodeName": "n", "providerID": "aws:///z/i-1", "replicas": 3, "volumeName": "v",
                "activeDeadlineSeconds": 60, "maxUnavailable": 1, "selector": {"matchLabels": {"app": "a"}},
                "taints": [{"key": "decommission-pending"}], "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "c"}], "initContainers": [{"name": "i"}], "affinity": {"nodeAffinity": {}},
                "topologySpreadConstraints": [{"maxSkew": 1}], "priority": 7, "terminationGracePeriodSeconds": 5,
                "volumes": [{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": "d"}}],
                "template": {"spec": {"containers": [{"name": "c"}]}}},
            "status": {"phase": "Running", "startTime": "2026-03-02T08:00:05Z", "images": [{"names": ["a"]}],
                "containerStatuses": [{"ready": true}], "initContainerStatuses": [{"ready": true}],
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-02T08:00:09Z"}]}});
        let mut lean = object.clone();
        for path in UNREAD {
            let (part, member) = path.split_once('.').unwrap();
            assert!(lean[part].as_object_mut().unwrap().remove(member).is_some(), "{path}");
        }
        for (_, kind, reading) in WATCHED.iter().chain(&PROVISIONING) {
            let project = match reading {
                Reading::Tree(project) => *project,
                Reading::Pods => seen::pod,
                Reading::Budgets => seen::budget,
            };
            let (whole, part) = (project(&object), project(&lean));
            assert_eq!(format!("{whole:?}"), format!("{part:?}"), "{kind}");
        }
    }
}
