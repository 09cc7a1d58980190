//! The ReplicaSets of a Deployment: which one is new, how they are numbered, which of them the history need not keep.

use std::collections::BTreeMap;

use json_tree::{Value, json};

use super::rolling::{Bounds, SetSize};
use crate::controllers::support::hash;
use crate::controllers::support::int_or_percent::{IntOrPercent, fenceposts};
use crate::controllers::support::meta::controller_ref;
use crate::controllers::support::tree::{
    annotation, at, created, deleting, equal_but, generation, int, name, namespace, remove, set, text, texts,
};
use crate::kind::Kind;

/// The label that keeps the pods of one template apart from those of another.
pub(crate) const HASH_LABEL: &str = "pod-template-hash";
/// The number of a template in the Deployment's history.
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
/// Numbers that a ReplicaSet had before it came back.
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The Deployment's size when it last looked at the ReplicaSet.
pub(crate) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with the surge.
const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that its ReplicaSets do not take over.
const OWN_ANNOTATIONS: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// The size that a Deployment wants.
pub(crate) fn desired(deployment: &Value) -> i64 {
    int(deployment, &["spec", "replicas"]).unwrap_or(1)
}

/// Whether pods are replaced a few at a time.
pub(crate) fn is_rolling(deployment: &Value) -> bool {
    text(deployment, &["spec", "strategy", "type"]) != Some("Recreate")
}

/// How far a rollout may go above and below the size.
pub(crate) fn bounds(deployment: &Value) -> Bounds {
    let desired = desired(deployment);
    if !is_rolling(deployment) {
        return Bounds {
            desired,
            surge: 0,
            unavailable: 0,
        };
    }
    let field = |name: &str| IntOrPercent::read(at(deployment, &["spec", "strategy", "rollingUpdate", name]));
    let (surge, unavailable) = fenceposts(field("maxSurge"), field("maxUnavailable"), desired);
    // More than all cannot be missing.
    Bounds {
        desired,
        surge,
        unavailable: unavailable.min(desired),
    }
}

/// The size that a ReplicaSet is told to have.
pub(crate) fn wanted(set: &Value) -> i64 {
    int(set, &["spec", "replicas"]).unwrap_or(1)
}

/// A ReplicaSet for the arithmetic.
pub(crate) fn size(set: &Value) -> SetSize {
    SetSize {
        name: name(set).to_owned(),
        created: created(set).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        wanted: wanted(set),
        available: int(set, &["status", "availableReplicas"]).unwrap_or(0),
        max_annotation: annotation(set, MAX).and_then(|max| max.parse().ok()),
    }
}

/// The number of a ReplicaSet's template.
pub(crate) fn revision(set: &Value) -> i64 {
    annotation(set, REVISION)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn bare_template(object: &Value) -> Value {
    let mut template = at(object, &["spec", "template"]).cloned().unwrap_or_else(|| json!({}));
    remove(&mut template, &["metadata", "labels", HASH_LABEL]);
    template
}

/// The ReplicaSet with the Deployment's template; of several the oldest. `sets` are oldest first.
pub(crate) fn find_new<'a>(deployment: &Value, sets: &[&'a Value]) -> Option<&'a Value> {
    sets.iter().find(|set| same_template(deployment, set)).copied()
}

/// Whether two objects have the same template, but for the label that names it.
fn same_template(one: &Value, two: &Value) -> bool {
    let template = ["spec", "template"];
    let metadata = ["spec", "template", "metadata"];
    let labels = ["spec", "template", "metadata", "labels"];
    let same = |path: &[&str], but: &str| equal_but(at(one, path), at(two, path), but);
    same(&template, "metadata") && same(&metadata, "labels") && same(&labels, HASH_LABEL)
}

/// The annotations that the new ReplicaSet should have, given those it has (none for one that is about to be made).
pub(crate) fn new_annotations(deployment: &Value, existing: Option<&Value>, number: i64) -> BTreeMap<String, String> {
    let had = existing
        .map(|set| texts(set, &["metadata", "annotations"]))
        .unwrap_or_default();
    let mut out = had.clone();
    let own = texts(deployment, &["metadata", "annotations"]);
    out.extend(
        own.into_iter()
            .filter(|(key, _)| !OWN_ANNOTATIONS.contains(&key.as_str())),
    );
    let old: i64 = had.get(REVISION).and_then(|number| number.parse().ok()).unwrap_or(0);
    if old < number {
        out.insert(REVISION.to_owned(), number.to_string());
        if old > 0 {
            let history = out.entry(REVISION_HISTORY.to_owned()).or_default();
            if !history.is_empty() {
                history.push(',');
            }
            history.push_str(&old.to_string());
        }
    }
    if existing.is_none() {
        out.extend(size_annotations(bounds(deployment)));
    }
    out
}

/// Whether a ReplicaSet that has at least this number has all annotations that [`new_annotations`] would give it.
pub(crate) fn is_annotated(deployment: &Value, set: &Value, number: i64) -> bool {
    if revision(set) < number {
        return false;
    }
    let had = at(set, &["metadata", "annotations"]).and_then(Value::as_object);
    let own = at(deployment, &["metadata", "annotations"]).and_then(Value::as_object);
    let taken = own.into_iter().flatten();
    let mut taken = taken.filter(|(key, value)| value.is_string() && !OWN_ANNOTATIONS.contains(&key.as_str()));
    taken.all(|(key, value)| had.and_then(|had| had.get(key)) == Some(value))
}

/// The annotations by which ReplicaSets remember the Deployment's size.
pub(crate) fn size_annotations(bounds: Bounds) -> [(String, String); 2] {
    let max = bounds.desired.saturating_add(bounds.surge);
    [
        (DESIRED.to_owned(), bounds.desired.to_string()),
        (MAX.to_owned(), max.to_string()),
    ]
}

/// The ReplicaSet for the Deployment's template, of this size.
pub(crate) fn make(deployment: &Value, replicas: i64, number: i64, collisions: Option<i64>) -> Value {
    let bare = bare_template(deployment);
    let hash = hash::template(&bare, collisions);
    let mut template = bare;
    set(&mut template, &["metadata", "labels", HASH_LABEL], hash.as_str());
    let mut selector = at(deployment, &["spec", "selector"])
        .cloned()
        .unwrap_or_else(|| json!({}));
    set(&mut selector, &["matchLabels", HASH_LABEL], hash.as_str());
    let mut spec = json!({"replicas": replicas, "selector": selector, "template": template});
    if let Some(seconds) = int(deployment, &["spec", "minReadySeconds"]).filter(|seconds| *seconds > 0) {
        set(&mut spec, &["minReadySeconds"], seconds);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", name(deployment)), "namespace": namespace(deployment),
            "labels": texts(&template, &["metadata", "labels"]),
            "annotations": new_annotations(deployment, None, number),
            "ownerReferences": [controller_ref(Kind::DEPLOYMENT, deployment)],
        },
        "spec": spec,
    })
}

/// Old ReplicaSets that the history need not keep: beyond the limit, lowest numbers first, and without pods.
pub(crate) fn surplus<'a>(deployment: &Value, old: &[&'a Value]) -> Vec<&'a Value> {
    let Some(limit) = int(deployment, &["spec", "revisionHistoryLimit"]) else {
        return Vec::new();
    };
    let mut sets: Vec<&Value> = old.iter().copied().filter(|set| !deleting(set)).collect();
    sets.sort_by(|one, two| {
        let age = created(one).cmp(&created(two)).then_with(|| name(one).cmp(name(two)));
        revision(one).cmp(&revision(two)).then(age)
    });
    let count = sets.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    let is_idle = |set: &&Value| {
        int(set, &["status", "replicas"]).unwrap_or(0) == 0
            && wanted(set) == 0
            && generation(set) <= int(set, &["status", "observedGeneration"]).unwrap_or(0)
    };
    sets.into_iter().take(count).filter(is_idle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(image: &str) -> Value {
        json!({
            "metadata": {"name": "web", "namespace": "x", "uid": "u", "annotations": {
                "team": "a", REVISION: "7", "kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "spec": {"replicas": 10, "selector": {"matchLabels": {"app": "web"}}, "strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}, "revisionHistoryLimit": 1,
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"image": image}}}})
    }

    #[test]
    fn sets_are_made_and_found_again() {
        let set = make(&deployment("a"), 3, 1, None);
        let hash = set["metadata"]["labels"][HASH_LABEL].as_str().unwrap();
        assert_eq!(name(&set), format!("web-{hash}"));
        assert_eq!(
            set["spec"]["selector"]["matchLabels"],
            json!({"app": "web", HASH_LABEL: hash})
        );
        assert_eq!(
            set["metadata"]["annotations"],
            json!({"team": "a", REVISION: "1", DESIRED: "10", MAX: "13"})
        );
        assert_eq!(find_new(&deployment("a"), &[&set]), Some(&set));
        assert_eq!(find_new(&deployment("b"), &[&set]), None);
        assert_ne!(name(&set), name(&make(&deployment("a"), 3, 1, Some(1))));
    }

    #[test]
    fn a_set_that_comes_back_remembers_its_numbers() {
        let mut set = make(&deployment("a"), 3, 1, None);
        set["metadata"]["annotations"] = json!(new_annotations(&deployment("a"), Some(&set), 3));
        set["metadata"]["annotations"] = json!(new_annotations(&deployment("a"), Some(&set), 5));
        assert_eq!(revision(&set), 5);
        assert_eq!(annotation(&set, REVISION_HISTORY), Some("1,3"));
        let same = new_annotations(&deployment("a"), Some(&set), 4);
        assert_eq!(json!(same), set["metadata"]["annotations"]);
        assert!(is_annotated(&deployment("a"), &set, 5));
        assert!(!is_annotated(&deployment("a"), &set, 6));
        let mut other = deployment("a");
        other["metadata"]["annotations"]["team"] = json!("b");
        assert!(!is_annotated(&other, &set, 5));
    }

    #[test]
    fn the_history_keeps_its_limit_and_what_has_pods() {
        let sets: Vec<Value> = (1..=3)
            .map(|number| {
                let mut set = make(
                    &deployment(&number.to_string()),
                    if number == 1 { 1 } else { 0 },
                    number,
                    None,
                );
                set["status"] = json!({"replicas": if number == 1 { 1 } else { 0 }});
                set
            })
            .collect();
        let old: Vec<&Value> = sets.iter().collect();
        assert_eq!(
            surplus(&deployment("x"), &old)
                .into_iter()
                .map(revision)
                .collect::<Vec<_>>(),
            [2]
        );
    }
}
