//! The objects of a collection by the value of one field.
//!
//! A kubelet, and whoever drains a node, asks for the pods of one node. Real API servers answer that from an index of
//! their watch cache; without one each such question would look at every pod of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::{Key, Object};

/// Keys by the value of the resource's indexed field; objects without a value are not in it.
#[derive(Debug, Default)]
pub(super) struct ByField(BTreeMap<Box<str>, BTreeSet<Key>>);

impl ByField {
    /// Takes in what an object has become (none: it is gone); `place` is where the field is in the resource's table.
    pub(super) fn note(&mut self, place: usize, key: &Key, before: Option<&Object>, after: Option<&Object>) {
        let (old, new) = (value(before, place), value(after, place));
        if old == new {
            return;
        }
        if let Some(old) = old
            && let Some(keys) = self.0.get_mut(old)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(old);
            }
        }
        if let Some(new) = new {
            self.0.entry(new.into()).or_default().insert(key.clone());
        }
    }

    /// The keys of the objects with this value, in order.
    pub(super) fn keys<'i>(&'i self, value: &str) -> impl Iterator<Item = &'i Key> + use<'i> {
        self.0.get(value).into_iter().flatten()
    }
}

fn value(object: Option<&Object>, place: usize) -> Option<&str> {
    let value = object?.fields.get(place)?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;
    use crate::registry::SelectableField;

    #[test]
    fn objects_move_with_their_field() {
        let fields = [SelectableField::plain("spec.nodeName")];
        let pod = |node: &str| Object::new(&json!({"metadata": {}, "spec": {"nodeName": node}}), 1, &fields);
        let keys = ["a", "b"].map(|name| Key::new("default", name));
        let mut index = ByField::default();
        let found = |index: &ByField, node: &str| -> Vec<String> {
            index.keys(node).map(|key| key.name().to_string()).collect()
        };
        // Pods that are not bound yet are on no node.
        index.note(0, &keys[0], None, Some(&pod("")));
        index.note(0, &keys[1], None, Some(&pod("n1")));
        assert_eq!(found(&index, ""), [""; 0]);
        assert_eq!(found(&index, "n1"), ["b"]);
        index.note(0, &keys[0], Some(&pod("")), Some(&pod("n1")));
        assert_eq!(found(&index, "n1"), ["a", "b"]);
        index.note(0, &keys[1], Some(&pod("n1")), None);
        assert_eq!(found(&index, "n1"), ["a"]);
        index.note(0, &keys[0], Some(&pod("n1")), Some(&pod("n2")));
        assert_eq!(
            (found(&index, "n1"), found(&index, "n2")),
            (vec![], vec!["a".to_owned()])
        );
    }
}
