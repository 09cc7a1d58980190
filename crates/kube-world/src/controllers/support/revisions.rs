//! ControllerRevisions: the history of the templates of StatefulSets and DaemonSets.

use json_tree::{Value, json};

use super::hash;
use super::meta::{controller_ref, is_controlled_by};
use super::tree::{at, int, name, namespace, text, texts, uid};
use crate::kind::Kind;

/// The label that carries the hash of a revision's data.
pub(crate) const HASH_LABEL: &str = "controller.kubernetes.io/hash";
/// The label by which a pod tells its revision.
pub(crate) const POD_LABEL: &str = "controller-revision-hash";

/// What has to happen so that the newest revision is the template's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Newest<'a> {
    /// It is already.
    Is(&'a Value),
    /// An older revision has the same data: it is numbered anew.
    Renumber(&'a Value, i64),
    /// There is none: this one has to be made.
    Make(Value),
}

impl Newest<'_> {
    /// The revision as it will be.
    pub(crate) fn revision(&self) -> &Value {
        match self {
            Self::Is(revision) | Self::Renumber(revision, _) => revision,
            Self::Make(revision) => revision,
        }
    }
}

/// The data of a revision: a patch that puts the template in place.
fn data(owner: &Value) -> Value {
    let mut template = at(owner, &["spec", "template"]).cloned().unwrap_or_else(|| json!({}));
    if let Value::Object(map) = &mut template {
        map.insert("$patch", "replace".into());
    }
    json!({"spec": {"template": template}})
}

/// The template that a revision holds.
pub(crate) fn template(revision: &Value) -> Option<Value> {
    let mut template = at(revision, &["data", "spec", "template"])?.clone();
    if let Value::Object(map) = &mut template {
        map.remove("$patch");
    }
    Some(template)
}

/// The hash of a revision, as its label says.
pub(crate) fn hash_of(revision: &Value) -> &str {
    text(revision, &["metadata", "labels", HASH_LABEL]).unwrap_or_default()
}

/// The number of a revision.
pub(crate) fn number(revision: &Value) -> i64 {
    int(revision, &["revision"]).unwrap_or(0)
}

/// The revisions that an owner controls, oldest first.
pub(crate) fn of_owner<'a>(owner: &Value, all: impl IntoIterator<Item = &'a Value>) -> Vec<&'a Value> {
    let mut mine: Vec<&Value> = all
        .into_iter()
        .filter(|revision| is_controlled_by(revision, uid(owner)))
        .collect();
    mine.sort_by(|one, two| number(one).cmp(&number(two)).then_with(|| name(one).cmp(name(two))));
    mine
}

/// Finds out how the newest revision becomes the one of the owner's template; `mine` are its revisions, oldest first.
pub(crate) fn newest<'a>(kind: Kind, owner: &Value, mine: &[&'a Value]) -> Newest<'a> {
    let wanted = data(owner);
    let equal = mine
        .iter()
        .rev()
        .find(|revision| at(revision, &["data"]) == Some(&wanted));
    let next = mine.last().map_or(1, |last| number(last).saturating_add(1));
    match (equal, mine.last()) {
        (Some(equal), Some(last)) if name(equal) == name(last) => Newest::Is(equal),
        (Some(equal), _) => Newest::Renumber(equal, next),
        (None, _) => Newest::Make(make(kind, owner, &wanted, next, mine)),
    }
}

fn make(kind: Kind, owner: &Value, data: &Value, number: i64, mine: &[&Value]) -> Value {
    // Two templates may have one hash; the name must be free, so the hash moves on until it is.
    let hash = (0..)
        .map(|collisions| hash::template(data, (collisions > 0).then_some(collisions)))
        .find(|hash| mine.iter().all(|revision| hash_of(revision) != hash))
        .unwrap_or_default();
    let mut labels = texts(owner, &["spec", "template", "metadata", "labels"]);
    labels.insert(HASH_LABEL.to_owned(), hash.clone());
    let mut metadata = json!({
        "name": format!("{}-{hash}", name(owner)), "namespace": namespace(owner), "labels": labels,
        "ownerReferences": [controller_ref(kind, owner)]});
    let annotations = texts(owner, &["metadata", "annotations"]);
    if !annotations.is_empty()
        && let Value::Object(map) = &mut metadata
    {
        map.insert("annotations", json!(annotations));
    }
    json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "data": data, "revision": number})
}

/// The revisions that the history need not keep: those beyond the limit, oldest first, that nothing uses.
pub(crate) fn surplus<'a>(mine: &[&'a Value], limit: i64, in_use: impl Fn(&Value) -> bool) -> Vec<&'a Value> {
    let idle: Vec<&Value> = mine.iter().copied().filter(|revision| !in_use(revision)).collect();
    let keep = usize::try_from(limit).unwrap_or(0);
    let count = idle.len().saturating_sub(keep);
    idle.into_iter().take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(image: &str) -> Value {
        json!({"metadata": {"name": "db", "namespace": "x", "uid": "u"},
            "spec": {"template": {"metadata": {"labels": {"app": "db"}}, "spec": {"image": image}}}})
    }

    fn made(image: &str, mine: &[&Value]) -> Value {
        match newest(Kind::STATEFUL_SET, &owner(image), mine) {
            Newest::Make(revision) => revision,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn templates_become_revisions_and_come_back() {
        let first = made("a", &[]);
        assert_eq!((number(&first), &first["metadata"]["labels"]["app"]), (1, &json!("db")));
        assert_eq!(name(&first), format!("db-{}", hash_of(&first)));
        assert_eq!(template(&first), owner("a")["spec"].get("template").cloned());
        assert_eq!(newest(Kind::STATEFUL_SET, &owner("a"), &[&first]), Newest::Is(&first));
        let second = made("b", &[&first]);
        assert_eq!(number(&second), 2);
        assert_ne!(name(&first), name(&second));
        let back = newest(Kind::STATEFUL_SET, &owner("a"), &[&first, &second]);
        assert_eq!(back, Newest::Renumber(&first, 3));
    }

    #[test]
    fn only_what_is_idle_and_beyond_the_limit_goes() {
        let first = made("a", &[]);
        let second = made("b", &[&first]);
        let third = made("c", &[&first, &second]);
        let mine = [&first, &second, &third];
        assert_eq!(surplus(&mine, 1, |revision| number(revision) == 3), [&first]);
        assert_eq!(surplus(&mine, 0, |revision| number(revision) == 1), [&second, &third]);
        assert!(surplus(&mine, 10, |_| false).is_empty());
    }
}
