//! The selectors of disruption budgets.
//!
//! Every eviction asks which budgets its pod has. A namespace may hold hundreds of them, and reading them all each time
//! would cost more than the eviction itself; so their selectors are kept as parsed as the budgets were last written.

use std::collections::{BTreeMap, BTreeSet};

use json_tree::Value;
use serde::Deserialize;

use super::{Key, Object, Reference};
use crate::selector::LabelSelector;

/// Budgets by the value of a label.
type ByValue = BTreeMap<Box<str>, BTreeSet<Key>>;

/// The selectors of all budgets of a server.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    /// By namespace and name.
    all: BTreeMap<Key, LabelSelector>,
    /// By a label that the selector needs, key and value, where it needs one.
    anchored: BTreeMap<Box<str>, ByValue>,
    /// Those that need none.
    others: BTreeSet<Key>,
}

/// As much of a budget as is read here.
#[derive(Deserialize)]
struct Budget {
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize, Default)]
struct Spec {
    selector: Option<Value>,
}

impl Budgets {
    /// Takes in what an object has become (none: it is gone), if it is a budget.
    pub(super) fn note(&mut self, (id, key): &Reference, after: Option<&Object>) {
        if &*id.group != "policy" || &*id.resource != "poddisruptionbudgets" {
            return;
        }
        let Some(object) = after else {
            self.remove(key);
            return;
        };
        // Controllers tell the status all the time; it leaves the selector alone.
        if object.status_only && self.all.contains_key(key) {
            return;
        }
        let read = serde_json::from_slice::<Budget>(&object.bytes);
        let selector = read.ok().and_then(|budget| budget.spec.selector);
        self.remove(key);
        self.add(key, LabelSelector::from_object(selector.as_ref()));
    }

    fn add(&mut self, key: &Key, selector: LabelSelector) {
        match selector.anchor() {
            Some((label, value)) => {
                let values = self.anchored.entry(label.into()).or_default();
                values.entry(value.into()).or_default().insert(key.clone());
            }
            None => {
                self.others.insert(key.clone());
            }
        }
        self.all.insert(key.clone(), selector);
    }

    fn remove(&mut self, key: &Key) {
        let Some(selector) = self.all.remove(key) else { return };
        let Some((label, value)) = selector.anchor() else {
            self.others.remove(key);
            return;
        };
        let Some(values) = self.anchored.get_mut(label) else {
            return;
        };
        if let Some(keys) = values.get_mut(value) {
            keys.remove(key);
            if keys.is_empty() {
                values.remove(value);
            }
        }
        if values.is_empty() {
            self.anchored.remove(label);
        }
    }

    /// The budgets of a namespace that find a pod with these labels, in order of their names.
    pub(super) fn finding(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<Key> {
        let anchored = self.anchored.iter().filter_map(|(label, values)| {
            let value = labels.get(&**label)?;
            values.get(value.as_str())
        });
        let first = Key::new(namespace, "");
        let candidates = anchored.chain([&self.others]).flat_map(|keys| {
            keys.range::<Key, _>(&first..)
                .take_while(|key| *key.namespace() == *namespace)
        });
        let matches = |key: &&Key| {
            let selector = self.all.get(*key);
            selector.is_some_and(|selector| selector.matches_with(|key| labels.get(key).map(String::as_str)))
        };
        let mut found: Vec<Key> = candidates.filter(matches).cloned().collect();
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::GroupResource;
    use json_tree::json;

    #[test]
    fn budgets_are_found_by_labels_as_last_written() {
        let mut budgets = Budgets::default();
        let id = |resource: &str| GroupResource::new("policy", resource);
        let place = |namespace: &str, name: &str| Key::new(namespace, name);
        let object = |app: &str| {
            Object::new(
                &json!({"metadata": {}, "spec": {"selector": {"matchLabels": {"app": app}}}}),
                1,
                &[],
            )
        };
        let found = |budgets: &Budgets, namespace: &str, app: &str| {
            let labels = [("app".to_owned(), app.to_owned())].into();
            let found = budgets.finding(namespace, &labels);
            found.iter().map(|key| key.name().to_string()).collect::<Vec<_>>()
        };
        let budget = |namespace: &str, name: &str| (id("poddisruptionbudgets"), place(namespace, name));
        budgets.note(&budget("x", "b"), Some(&object("web")));
        budgets.note(&budget("x", "a"), Some(&object("web")));
        budgets.note(&budget("x", "c"), Some(&object("api")));
        budgets.note(&budget("xy", "d"), Some(&object("web")));
        budgets.note(&(id("podsecuritypolicies"), place("x", "e")), Some(&object("web")));
        assert_eq!(found(&budgets, "x", "web"), ["a", "b"]);
        budgets.note(&budget("x", "a"), Some(&object("api")));
        budgets.note(&budget("x", "b"), None);
        assert_eq!(found(&budgets, "x", "web"), Vec::<String>::new());
        assert_eq!(found(&budgets, "x", "api"), ["a", "c"]);
        // Without a selector nothing is found, with an empty one everything.
        let bare = |spec: Value| Object::new(&json!({"metadata": {}, "spec": spec}), 2, &[]);
        budgets.note(&budget("y", "none"), Some(&bare(json!({}))));
        budgets.note(&budget("y", "null"), Some(&bare(json!({"selector": null}))));
        budgets.note(&budget("y", "all"), Some(&bare(json!({"selector": {}}))));
        assert_eq!(found(&budgets, "y", "web"), ["all"]);
        // One of several values is no label that is needed; those come in order beside the others.
        let among =
            json!({"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}});
        budgets.note(&budget("y", "among"), Some(&bare(among)));
        budgets.note(&budget("y", "bud"), Some(&object("web")));
        assert_eq!(found(&budgets, "y", "web"), ["all", "among", "bud"]);
        assert_eq!(found(&budgets, "y", "other"), ["all"]);
    }
}
