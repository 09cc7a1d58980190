//! The selectors of disruption budgets.
//!
//! Every eviction asks which budgets its pod has. A namespace may hold hundreds of them, and reading them all each time
//! would cost more than the eviction itself; so their selectors are kept as parsed as the budgets were last written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::{Key, Object, Reference};
use crate::selector::LabelSelector;

/// The selectors of all budgets of a server, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Budgets(BTreeMap<Arc<Key>, LabelSelector>);

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
            self.0.remove(key);
            return;
        };
        // Controllers tell the status all the time; it leaves the selector alone.
        if object.status_only && self.0.contains_key(key) {
            return;
        }
        let read = serde_json::from_slice::<Budget>(&object.bytes);
        let selector = read.ok().and_then(|budget| budget.spec.selector);
        self.0
            .insert(key.clone(), LabelSelector::from_object(selector.as_ref()));
    }

    /// The budgets of a namespace that find a pod with these labels, in order of their names.
    pub(super) fn finding<'a>(
        &'a self,
        namespace: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'a Arc<Key>> {
        let all = self.0.range::<Key, _>(&Key::new(namespace, "")..);
        all.take_while(move |(key, _)| *key.namespace == *namespace)
            .filter(|(_, selector)| selector.matches_with(|key| labels.get(key).map(String::as_str)))
            .map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::GroupResource;
    use serde_json::json;

    #[test]
    fn budgets_are_found_by_labels_as_last_written() {
        let mut budgets = Budgets::default();
        let id = |resource: &str| GroupResource::new("policy", resource);
        let place = |namespace: &str, name: &str| Arc::new(Key::new(namespace, name));
        let object = |app: &str| {
            Object::new(
                &json!({"metadata": {}, "spec": {"selector": {"matchLabels": {"app": app}}}}),
                1,
                &[],
            )
        };
        let found = |budgets: &Budgets, namespace: &str, app: &str| {
            let labels = [("app".to_owned(), app.to_owned())].into();
            let names = budgets.finding(namespace, &labels);
            names.map(|key| key.name.to_string()).collect::<Vec<_>>()
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
    }
}
