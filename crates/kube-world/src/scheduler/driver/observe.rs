//! Taking the server's writes in.

use jiff::Timestamp;
use json_tree::Value;

use super::super::pod::is_preempted;
use super::super::read::{self, Labels};
use super::super::{Budget, Claim, Node, Pod, Selector, StorageClass, Volume, default_selector};
use super::{KubeScheduler, Objects};
use crate::engine::Change;
use crate::kind::{Key, Kind};

/// Kinds that say which pods belong together.
const OWNERS: [Kind; 3] = [Kind::REPLICA_SET, Kind::STATEFUL_SET, Kind::REPLICATION_CONTROLLER];

/// Kinds that the picture is made of, beside pods and owners.
const PARTS: [Kind; 8] = [
    Kind::NODE,
    Kind::CSI_NODE,
    Kind::NAMESPACE,
    Kind::POD_DISRUPTION_BUDGET,
    Kind::PERSISTENT_VOLUME,
    Kind::STORAGE_CLASS,
    Kind::PERSISTENT_VOLUME_CLAIM,
    Kind::SERVICE,
];

/// Whether a write can matter at all. Most are the kubelets' reports about pods that are bound and things that no scheduler
/// knows, whose trees need not even be parsed.
pub(super) fn is_news(change: &Change) -> bool {
    if change.key.kind != Kind::POD {
        // Of owners only the selectors count.
        return PARTS.contains(&change.key.kind) || (OWNERS.contains(&change.key.kind) && !change.is_status());
    }
    let (Some(before), Some(after)) = (&change.pod_before, &change.pod_after) else {
        return true;
    };
    let settled = before.node.is_some() && before.node == after.node;
    let same_fate = before.phase.is_terminal() == after.phase.is_terminal()
        && before.deleting_by.is_some() == after.deleting_by.is_some();
    !(settled && same_fate && before.uid == after.uid && before.labels == after.labels)
}

impl KubeScheduler {
    /// Takes in what the views of a pod tell, without its tree. Most news are of this sort: a decision of this scheduler comes
    /// back, the deletion of a bound pod begins, a pod has ended or gone. Answers whether that was all.
    pub(super) fn follow(&mut self, change: &Change, now: Timestamp) -> bool {
        let Some(before) = &change.pod_before else { return false };
        let after = match &change.pod_after {
            None => return self.let_go(&before.uid, now),
            Some(after) if after.uid != before.uid => return false,
            Some(after) if after.phase.is_terminal() => return self.let_go(&after.uid, now),
            Some(after) => after,
        };
        let Some(node) = after.node.as_deref().filter(|_| before.labels == after.labels) else {
            return false;
        };
        match (before.node.as_deref(), before.deleting_by, after.deleting_by) {
            // The write that binds a pod does nothing else.
            (None, None, None) => self.scheduler.confirm(&after.uid, node),
            (Some(old), None, Some(_)) if old == node => {
                let since = after.started.unwrap_or(after.created);
                let preempted = change.after().is_some_and(is_preempted);
                self.drop_waiting(&after.uid);
                self.scheduler.terminate(&after.uid, node, since, preempted)
            }
            _ => false,
        }
    }

    /// Forgets a pod that has ended or gone.
    fn let_go(&mut self, uid: &str, now: Timestamp) -> bool {
        self.drop_waiting(uid);
        self.scheduler.remove_pod(uid, now);
        true
    }

    /// Takes one write in: the object of a key before and after it.
    pub(super) fn take_in(
        &mut self,
        key: &Key,
        before: Option<&Value>,
        after: Option<&Value>,
        now: Timestamp,
        objects: &dyn Objects,
    ) {
        let scheduler = &mut self.scheduler;
        let (namespace, name) = match key.kind {
            Kind::POD => return self.take_pod(before, after, now, objects),
            kind if OWNERS.contains(&kind) => return self.take_owner(kind, before, after),
            _ => (key.namespace.to_string(), key.name.to_string()),
        };
        match key.kind {
            Kind::NODE => match after {
                Some(node) => {
                    let csi = objects.object(&Key::new(Kind::CSI_NODE, "", &name));
                    scheduler.set_node(Node::from_json(node, csi.as_deref()), now);
                }
                None => scheduler.remove_node(&name, now),
            },
            Kind::CSI_NODE => {
                if let Some(node) = objects.object(&Key::new(Kind::NODE, "", &name)) {
                    scheduler.set_node(Node::from_json(&node, after), now);
                }
            }
            Kind::NAMESPACE => {
                let labels = after.map(|object| read::labels(object, &["metadata", "labels"]));
                scheduler.set_namespace(&name, labels, now);
            }
            Kind::POD_DISRUPTION_BUDGET => scheduler.set_budget(&namespace, &name, after.map(Budget::from_json)),
            Kind::PERSISTENT_VOLUME => scheduler.set_volume(&name, after.map(Volume::from_json), now),
            Kind::STORAGE_CLASS => scheduler.set_storage_class(&name, after.map(StorageClass::from_json), now),
            Kind::PERSISTENT_VOLUME_CLAIM => {
                scheduler.set_claim((namespace, name), after.map(Claim::from_json), now);
                self.claims_changed(|claim| is_bound(claim, objects));
            }
            Kind::SERVICE => {
                let services = self.services.entry(namespace).or_default();
                match after {
                    Some(service) => services.insert(name, read::labels(service, &["spec", "selector"])),
                    None => services.remove(&name),
                };
                if services.is_empty() {
                    self.services.remove(&*key.namespace);
                }
            }
            _ => {}
        }
    }

    fn take_owner(&mut self, kind: Kind, before: Option<&Value>, after: Option<&Value>) {
        if let Some(owner) = after {
            let uid = read::text(owner, &["metadata", "uid"]).unwrap_or_default();
            // Selectors of the newer kinds are never changed.
            if kind == Kind::REPLICATION_CONTROLLER || !self.owners.contains_key(uid) {
                self.owners.insert(uid.to_owned(), selector_of(kind, owner));
            }
        } else if let Some(uid) = before.and_then(|owner| read::text(owner, &["metadata", "uid"])) {
            self.owners.remove(uid);
        }
    }

    fn take_pod(&mut self, before: Option<&Value>, after: Option<&Value>, now: Timestamp, objects: &dyn Objects) {
        let uid = |pod: &Value| read::text(pod, &["metadata", "uid"]).unwrap_or_default().to_owned();
        let (old, new) = (before.map(uid), after.map(uid));
        if let Some(old) = old.filter(|old| new.as_ref() != Some(old)) {
            self.drop_waiting(&old);
            self.scheduler.remove_pod(&old, now);
        }
        let Some(object) = after else { return };
        let selector = self.default_selector(object, objects);
        let pod = Pod::from_json(object, selector.as_ref());
        if pod.finished || pod.terminating {
            self.drop_waiting(&pod.uid);
        }
        self.scheduler.set_pod(pod, now);
    }

    /// What the cluster's default spreading counts for a pod: what its services select, and its owner.
    fn default_selector(&mut self, pod: &Value, objects: &dyn Objects) -> Option<Selector> {
        if !read::list(pod, &["spec", "topologySpreadConstraints"]).is_empty() {
            return None;
        }
        let namespace = read::text(pod, &["metadata", "namespace"]).unwrap_or_default();
        let services: Vec<Labels> = self
            .services
            .get(namespace)
            .map_or_else(Vec::new, |services| services.values().cloned().collect());
        let labels = read::labels(pod, &["metadata", "labels"]);
        default_selector(
            &labels,
            &services,
            self.owner_selector(pod, namespace, objects).as_ref(),
        )
    }

    fn owner_selector(&mut self, pod: &Value, namespace: &str, objects: &dyn Objects) -> Option<Selector> {
        let controls = |owner: &&Value| read::at(owner, &["controller"]).and_then(Value::as_bool) == Some(true);
        let owner = read::list(pod, &["metadata", "ownerReferences"])
            .iter()
            .find(controls)?;
        let uid = read::text(owner, &["uid"])?;
        if let Some(selector) = self.owners.get(uid) {
            return Some(selector.clone());
        }
        let (api_version, kind) = (read::text(owner, &["apiVersion"])?, read::text(owner, &["kind"])?);
        let kind = Kind::named(api_version, kind).filter(|kind| OWNERS.contains(kind))?;
        let object = objects.object(&Key::new(kind, namespace, read::text(owner, &["name"])?))?;
        let selector = selector_of(kind, &object);
        self.owners.insert(uid.to_owned(), selector.clone());
        Some(selector)
    }
}

fn selector_of(kind: Kind, owner: &Value) -> Selector {
    if kind == Kind::REPLICATION_CONTROLLER {
        Selector::from_map(&read::labels(owner, &["spec", "selector"]))
    } else {
        Selector::from_json(read::at(owner, &["spec", "selector"]))
    }
}

fn is_bound((namespace, name): &(String, String), objects: &dyn Objects) -> bool {
    let claim = objects.object(&Key::new(Kind::PERSISTENT_VOLUME_CLAIM, namespace, name));
    claim.is_some_and(|claim| read::text(&claim, &["status", "phase"]) == Some("Bound"))
}
