//! Removes what an applier has applied before and applies no more.

use json_tree::Value;

use super::managed::ManagedFields;
use super::walk;
use crate::fields::FieldSet;
use crate::schema::Schema;

/// `merged` without what is in `last`, not in the applier's new set, and not owned by anybody else. `managed` has the new set.
pub(super) fn prune(merged: Value, managed: &ManagedFields, new: &FieldSet, last: FieldSet, schema: &Schema) -> Value {
    // Nothing can go when everything is applied again. The new set comes from a configuration, so it has every item and map
    // entry on the way to its members; nothing that holds a member of `last` could go either.
    if last.is_within(new) {
        return merged;
    }
    let root = schema.root();
    let fields_of = |value: &Value| walk::field_set(value, root).with_struct_fields(root);
    let without = |value: &Value, gone: &FieldSet| walk::remove(value, gone, root).unwrap_or(Value::Null);
    let last = last.with_struct_fields(root);
    let pruned = without(&merged, &last);
    // What somebody owns comes back.
    let mut owned = FieldSet::new();
    managed.entries.values().for_each(|entry| owned.extend(&entry.fields));
    let merged_set = fields_of(&merged);
    let mut gone = merged_set.clone();
    gone.subtract(&fields_of(&pruned));
    gone.subtract(&owned.with_struct_fields(root));
    let pruned = without(&merged, &gone);
    // What went only because something above it went, and was never applied, comes back.
    let mut gone = merged_set;
    gone.subtract(&fields_of(&pruned));
    let gone = gone.intersection(&last);
    if gone.is_empty() {
        merged
    } else {
        without(&merged, &gone)
    }
}
