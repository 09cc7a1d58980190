//! What controllers look for in objects other than pods and nodes, found without parsing them again: whose selector finds a
//! pod, which autoscaler scales a workload, which volumes come into question for a claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use json_tree::{List, Value};
use kube_sim::LabelSelector;

use super::postings::Labelled;
use crate::engine::Change;
use crate::kind::{Key, Kind};

/// Namespace and name.
type Place = (Arc<str>, Arc<str>);

/// Names in order, by what they have in common.
type Groups<K> = BTreeMap<K, BTreeSet<Arc<str>>>;

/// Indexes over the objects of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    /// By kind and namespace.
    selectors: BTreeMap<Kind, BTreeMap<Arc<str>, Selectors>>,
    /// Autoscalers of a namespace by the kind and the name of what they scale.
    scalers: BTreeMap<Arc<str>, BTreeMap<Kind, Groups<Arc<str>>>>,
    targets: BTreeMap<Place, Key>,
    /// Volumes by the claim that they name, and those that name none.
    volumes: Groups<Option<Place>>,
    claims: BTreeMap<Arc<str>, Option<Place>>,
    /// Claims without a volume.
    pending: BTreeSet<Place>,
    /// ReplicaSets that name no owner: those that a Deployment could adopt.
    ownerless: BTreeSet<Place>,
}

/// The selectors of one kind's objects in one namespace. A pod is held against them at each of its writes, so all that belongs to
/// a namespace is found with one look for it.
#[derive(Debug, Default)]
struct Selectors {
    by_name: BTreeMap<Arc<str>, LabelSelector>,
    /// By a label that a pod must have to be found.
    by_label: Labelled,
    /// Selectors that name no such label.
    loose: BTreeSet<Arc<str>>,
}

impl Selectors {
    fn set(&mut self, name: &Arc<str>, selector: Option<LabelSelector>) {
        let known = self.by_name.get(name);
        if known == selector.as_ref() {
            return;
        }
        if let Some(old) = known {
            match old.equalities().next() {
                Some((key, value)) => self.by_label.remove(key, value, name),
                None => drop(self.loose.remove(name)),
            }
            self.by_name.remove(name);
        }
        let Some(new) = selector else { return };
        match new.equalities().next() {
            Some((key, value)) => self.by_label.add(key, value, name, ()),
            None => drop(self.loose.insert(name.clone())),
        }
        self.by_name.insert(name.clone(), new);
    }

    /// The names, in order, of those that find a pod with these labels.
    fn finding(&self, labels: &BTreeMap<Box<str>, Box<str>>) -> BTreeSet<&Arc<str>> {
        let by_label = self.by_label.of_labels(labels).flat_map(BTreeMap::keys);
        let candidates = by_label.chain(&self.loose);
        let label = |key: &str| labels.get(key).map(|value| &**value);
        let finds = |name: &&Arc<str>| {
            let selector = self.by_name.get(*name);
            selector.is_some_and(|selector| selector.matches_with(label))
        };
        candidates.filter(finds).collect()
    }
}

fn drop_from<K: Ord>(map: &mut Groups<K>, key: &K, name: &str) {
    if let Some(names) = map.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            map.remove(key);
        }
    }
}

impl Objects {
    /// Whether objects of a kind are indexed at all.
    pub(crate) fn concerns(kind: Kind) -> bool {
        matches!(
            kind,
            Kind::SERVICE
                | Kind::REPLICATION_CONTROLLER
                | Kind::POD_DISRUPTION_BUDGET
                | Kind::DEPLOYMENT
                | Kind::REPLICA_SET
                | Kind::STATEFUL_SET
                | Kind::HORIZONTAL_POD_AUTOSCALER
                | Kind::PERSISTENT_VOLUME
                | Kind::PERSISTENT_VOLUME_CLAIM
        )
    }

    /// Whether a write leaves the indexes as they are: all of them are made from specifications.
    pub(crate) fn is_spared(change: &Change) -> bool {
        change.is_status()
    }

    /// Takes an object's new state in (none: it is gone).
    pub(crate) fn put(&mut self, key: &Key, after: Option<&Value>) {
        match key.kind {
            Kind::HORIZONTAL_POD_AUTOSCALER => self.put_scaler(key, after),
            Kind::PERSISTENT_VOLUME => self.put_volume(&key.name, after),
            Kind::PERSISTENT_VOLUME_CLAIM => {
                let place = (key.namespace.clone(), key.name.clone());
                let volume = |claim: &Value| claim.pointer("/spec/volumeName").is_none_or(|name| name == "");
                if after.is_some_and(volume) {
                    self.pending.insert(place);
                } else {
                    self.pending.remove(&place);
                }
            }
            kind => {
                if kind == Kind::REPLICA_SET {
                    self.put_set(key, after);
                }
                let selector = after.and_then(|object| selector_of(kind, object));
                let spaces = self.selectors.entry(kind).or_default();
                let selectors = spaces.entry(key.namespace.clone()).or_default();
                selectors.set(&key.name, selector);
                if selectors.by_name.is_empty() {
                    spaces.remove(&key.namespace);
                }
            }
        }
    }

    fn put_set(&mut self, key: &Key, after: Option<&Value>) {
        let owners = |set: &Value| set.pointer("/metadata/ownerReferences")?.as_array().map(List::len);
        let place = (key.namespace.clone(), key.name.clone());
        if after.is_some_and(|set| owners(set).unwrap_or(0) == 0) {
            self.ownerless.insert(place);
        } else {
            self.ownerless.remove(&place);
        }
    }

    fn put_scaler(&mut self, key: &Key, after: Option<&Value>) {
        let place = (key.namespace.clone(), key.name.clone());
        if let Some(old) = self.targets.remove(&place) {
            self.drop_scaler(&old, &key.name);
        }
        let part = |field: &str| {
            let target = after.and_then(|scaler| scaler.pointer("/spec/scaleTargetRef"));
            target
                .and_then(|target| target.get(field)?.as_str())
                .unwrap_or_default()
        };
        if let Some(kind) = Kind::named(part("apiVersion"), part("kind")) {
            let target = Key::new(kind, &key.namespace, part("name"));
            let kinds = self.scalers.entry(key.namespace.clone()).or_default();
            let scaled = kinds.entry(kind).or_default().entry(target.name.clone());
            scaled.or_default().insert(key.name.clone());
            self.targets.insert(place, target);
        }
    }

    fn drop_scaler(&mut self, target: &Key, scaler: &str) {
        let Some(kinds) = self.scalers.get_mut(&target.namespace) else {
            return;
        };
        if let Some(targets) = kinds.get_mut(&target.kind) {
            drop_from(targets, &target.name, scaler);
            if targets.is_empty() {
                kinds.remove(&target.kind);
            }
        }
        if kinds.is_empty() {
            self.scalers.remove(&target.namespace);
        }
    }

    fn put_volume(&mut self, name: &Arc<str>, after: Option<&Value>) {
        if let Some(old) = self.claims.remove(name) {
            drop_from(&mut self.volumes, &old, name);
        }
        let Some(volume) = after else { return };
        let part = |field: &str| {
            let claim = volume.pointer("/spec/claimRef")?;
            claim.get(field)?.as_str().map(Arc::<str>::from)
        };
        let claim = part("namespace").zip(part("name"));
        self.volumes.entry(claim.clone()).or_default().insert(name.clone());
        self.claims.insert(name.clone(), claim);
    }

    /// The selector of an object of a kind that has one, as its specification says.
    pub(crate) fn selector(&self, key: &Key) -> Option<&LabelSelector> {
        let selectors = self.selectors.get(&key.kind)?.get(&key.namespace)?;
        selectors.by_name.get(&key.name)
    }

    /// The objects of a kind whose selectors find a pod with these labels, in order of their names.
    pub(crate) fn selecting<'a>(
        &'a self,
        kind: Kind,
        namespace: &str,
        labels: &BTreeMap<Box<str>, Box<str>>,
    ) -> BTreeSet<&'a Arc<str>> {
        let selectors = self.selectors.get(&kind).and_then(|spaces| spaces.get(namespace));
        selectors.map_or_else(BTreeSet::new, |selectors| selectors.finding(labels))
    }

    /// The ReplicaSets of a namespace that name no owner, in order of their names.
    pub(crate) fn ownerless_sets<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<str>> {
        let all = self.ownerless.range((Arc::from(namespace), Arc::from(""))..);
        all.take_while(move |(found, _)| **found == *namespace)
            .map(|(_, name)| name)
    }

    /// The autoscalers of a workload.
    pub(crate) fn scalers(&self, target: &Key) -> impl Iterator<Item = &Arc<str>> {
        let kinds = self.scalers.get(&target.namespace);
        let targets = kinds.and_then(|kinds| kinds.get(&target.kind));
        targets
            .and_then(|targets| targets.get(&target.name))
            .into_iter()
            .flatten()
    }

    /// The autoscalers, in order of their names, of everything in a namespace whose selector finds a pod with these labels.
    pub(crate) fn scalers_of_pods(
        &self,
        namespace: &str,
        labels: &BTreeMap<Box<str>, Box<str>>,
    ) -> BTreeSet<&Arc<str>> {
        let kinds = self.scalers.get(namespace).into_iter().flatten();
        // Most autoscalers have targets of one kind: the selectors of the others need no look.
        let scalers = kinds.flat_map(|(kind, targets)| {
            let found = self.selecting(*kind, namespace, labels).into_iter();
            found.filter_map(|target| targets.get(target)).flatten()
        });
        scalers.collect()
    }

    /// The volumes that name a claim and those that name none, in order of their names.
    pub(crate) fn volumes_for(&self, namespace: &str, claim: &str) -> BTreeSet<&Arc<str>> {
        let own = self.volumes.get(&Some((namespace.into(), claim.into())));
        own.into_iter().chain(self.volumes.get(&None)).flatten().collect()
    }

    /// The claims without a volume, in order.
    pub(crate) fn pending_claims(&self) -> impl Iterator<Item = &Place> {
        self.pending.iter()
    }
}

/// The selector of an object of the kinds that have one; those of an object without one find nothing.
fn selector_of(kind: Kind, object: &Value) -> Option<LabelSelector> {
    let wanted = object.pointer("/spec/selector");
    match kind {
        // A plain map, and an empty one finds nothing.
        Kind::SERVICE | Kind::REPLICATION_CONTROLLER => {
            let map = wanted.and_then(Value::as_object).filter(|map| !map.is_empty());
            let selector = map.map(|map| json_tree::json!({"matchLabels": map}));
            Some(LabelSelector::from_object(selector.as_ref()))
        }
        Kind::POD_DISRUPTION_BUDGET | Kind::DEPLOYMENT | Kind::REPLICA_SET | Kind::STATEFUL_SET => {
            Some(LabelSelector::from_object(wanted))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    #[test]
    fn selectors_are_found_by_the_labels_of_a_pod() {
        let mut objects = Objects::default();
        let budget = |name: &str| Key::new(Kind::POD_DISRUPTION_BUDGET, "x", name);
        let spec = |selector: Value| json!({"spec": {"selector": selector}});
        objects.put(&budget("web"), Some(&spec(json!({"matchLabels": {"app": "web"}}))));
        objects.put(&budget("all"), Some(&spec(json!({}))));
        let expressions = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]});
        objects.put(&budget("both"), Some(&spec(expressions)));
        objects.put(&budget("none"), Some(&json!({"spec": {}})));
        let found = |objects: &Objects, app: &str| {
            let labels = BTreeMap::from([("app".into(), app.into())]);
            let names = objects.selecting(Kind::POD_DISRUPTION_BUDGET, "x", &labels);
            names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found(&objects, "web"), ["all", "both", "web"]);
        assert_eq!(found(&objects, "db"), ["all"]);
        objects.put(&budget("web"), Some(&spec(json!({"matchLabels": {"app": "db"}}))));
        objects.put(&budget("all"), None);
        assert_eq!(found(&objects, "web"), ["both"]);
        assert_eq!(found(&objects, "db"), ["web"]);
    }

    #[test]
    fn volumes_and_scalers_follow_what_they_name() {
        let mut objects = Objects::default();
        let volume = |name: &str| Key::new(Kind::PERSISTENT_VOLUME, "", name);
        let bound = json!({"spec": {"claimRef": {"namespace": "x", "name": "data"}}});
        objects.put(&volume("b"), Some(&bound));
        objects.put(&volume("a"), Some(&json!({"spec": {}})));
        let found = |objects: &Objects, claim: &str| {
            let names = objects.volumes_for("x", claim);
            names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found(&objects, "data"), ["a", "b"]);
        objects.put(&volume("a"), Some(&bound));
        assert_eq!(found(&objects, "other"), Vec::<String>::new());
        objects.put(&volume("b"), None);
        assert_eq!(found(&objects, "data"), ["a"]);

        let scaler = Key::new(Kind::HORIZONTAL_POD_AUTOSCALER, "x", "web");
        let aims = |name: &str| json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}});
        objects.put(&scaler, Some(&aims("one")));
        objects.put(&scaler, Some(&aims("two")));
        let scaled = |name: &str| objects.scalers(&Key::new(Kind::DEPLOYMENT, "x", name)).count();
        assert_eq!((scaled("one"), scaled("two")), (0, 1));
        let selector = |app: &str| json!({"spec": {"selector": {"matchLabels": {"app": app}}}});
        objects.put(&Key::new(Kind::DEPLOYMENT, "x", "one"), Some(&selector("1")));
        objects.put(&Key::new(Kind::DEPLOYMENT, "x", "two"), Some(&selector("2")));
        let of_pods = |objects: &Objects, namespace: &str, app: &str| {
            let labels = BTreeMap::from([("app".into(), app.into())]);
            let names = objects.scalers_of_pods(namespace, &labels);
            names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of_pods(&objects, "x", "1"), Vec::<String>::new());
        assert_eq!(of_pods(&objects, "x", "2"), ["web"]);
        assert_eq!(of_pods(&objects, "w", "2"), Vec::<String>::new());
        objects.put(&scaler, None);
        assert_eq!(of_pods(&objects, "x", "2"), Vec::<String>::new());
        assert!(objects.scalers.is_empty());
    }
}
