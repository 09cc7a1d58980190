//! What a namespace that cannot go yet says about why.

use std::collections::BTreeMap;

use json_tree::{Value, json};

use super::finalizers;
use crate::store::{Reference, State};
use crate::value;

/// Conditions without their times, for telling whether anything changed.
pub(super) fn strip_times(conditions: &Value) -> Value {
    let mut conditions = conditions.clone();
    for condition in conditions.as_array_mut().into_iter().flatten() {
        value::remove(condition, &["lastTransitionTime"]);
    }
    conditions
}

/// The conditions of a namespace that cannot go yet.
pub(super) fn remaining_conditions(state: &State, left: &[Reference], now: &str) -> Value {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for (id, key) in left {
        *kinds
            .entry(crate::status::qualified(&id.resource, &id.group))
            .or_default() += 1;
        for finalizer in state
            .get(id, key)
            .map(|object| finalizers(&object.value()))
            .unwrap_or_default()
        {
            *held.entry(finalizer).or_default() += 1;
        }
    }
    let join = |map: &BTreeMap<String, usize>, verb: &str| {
        map.iter()
            .map(|(name, count)| format!("{name}{verb} {count} resource instances"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let condition = |kind: &str, bad: bool, reason: &str, message: String| json!({"type": kind, "status": if bad { "True" } else { "False" }, "reason": reason, "message": message, "lastTransitionTime": now});
    json!([
        condition(
            "NamespaceDeletionDiscoveryFailure",
            false,
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned()
        ),
        condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned()
        ),
        condition(
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned()
        ),
        condition(
            "NamespaceContentRemaining",
            true,
            "SomeResourcesRemain",
            format!("Some resources are remaining: {}", join(&kinds, " has"))
        ),
        condition(
            "NamespaceFinalizersRemaining",
            !held.is_empty(),
            if held.is_empty() {
                "ContentHasNoFinalizers"
            } else {
                "SomeFinalizersRemain"
            },
            if held.is_empty() {
                "All content-preserving finalizers finished".to_owned()
            } else {
                format!(
                    "Some content in the namespace has finalizers remaining: {}",
                    join(&held, " in")
                )
            },
        ),
    ])
}
