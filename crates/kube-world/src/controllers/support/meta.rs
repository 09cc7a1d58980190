//! Ownership of objects, and pods made from templates.

use json_tree::{Map, Value, json};

use super::hash;
use super::tree::{at, flag, list, name, namespace, set, text, uid};
use crate::kind::Kind;

/// The annotation that says which pods go last when some have to.
pub(crate) const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// What a generated name may have before its five letters.
const LONGEST_BASE: usize = 58;

/// The reference by which an object is controlled.
pub(crate) fn controller_ref(kind: Kind, owner: &Value) -> Value {
    json!({
        "apiVersion": kind.api_version(), "kind": kind.kind, "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true})
}

/// The reference to an object's controller, if it has one.
pub(crate) fn controller_of(object: &Value) -> Option<&Value> {
    list(object, &["metadata", "ownerReferences"])
        .iter()
        .find(|owner| flag(owner, &["controller"]))
}

/// Whether an object is controlled by the owner with this uid.
pub(crate) fn is_controlled_by(object: &Value, owner: &str) -> bool {
    controller_of(object).is_some_and(|found| text(found, &["uid"]) == Some(owner))
}

/// A name of the form that servers generate: base and five letters.
///
/// It is drawn from what it is for, so that the same world makes the same names; a name that is taken is drawn anew.
pub(crate) fn generate_name(base: &str, parts: &[&str], is_taken: impl Fn(&str) -> bool) -> String {
    let base = base.get(..LONGEST_BASE).unwrap_or(base);
    let mut attempt = 0_u32;
    loop {
        let number = attempt.to_string();
        let all: Vec<&str> = parts.iter().copied().chain([number.as_str()]).collect();
        let name = format!("{base}{}", hash::suffix(&all));
        if !is_taken(&name) {
            return name;
        }
        attempt = attempt.saturating_add(1);
    }
}

/// A pod as a template describes it, controlled by `reference`'s object; its name is left to the caller.
pub(crate) fn pod_from_template(owner: &Value, reference: Value, template: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(found) = at(template, &["metadata", field]).filter(|found| !found.is_null()) {
            metadata.insert(field, found.clone());
        }
    }
    metadata.insert("namespace", namespace(owner).into());
    metadata.insert("ownerReferences", json!([reference]));
    let spec = at(template, &["spec"]).cloned().unwrap_or_else(|| json!({}));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// What the annotation of a pod says about how dear it is; zero where it says nothing.
pub(crate) fn deletion_cost(pod: &Value) -> i64 {
    let cost = text(pod, &["metadata", "annotations", DELETION_COST]);
    cost.and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

/// Gives an object a generated name, with the base that servers keep beside it.
pub(crate) fn set_generated_name(object: &mut Value, base: &str, name: String) {
    set(object, &["metadata", "generateName"], base);
    set(object, &["metadata", "name"], name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_repeat_and_avoid_each_other() {
        let first = generate_name("web-", &["uid", "1"], |_| false);
        let second = generate_name("web-", &["uid", "1"], |name| name == first);
        assert_ne!(first, second);
        assert_eq!(first, generate_name("web-", &["uid", "1"], |name| name == second));
        assert_eq!(first.len(), 9);
        assert_eq!(generate_name(&"x".repeat(80), &[], |_| false).len(), 63);
    }

    #[test]
    fn pods_carry_what_their_template_says() {
        let owner = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}});
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}});
        let pod = pod_from_template(&owner, controller_ref(Kind::REPLICA_SET, &owner), &template);
        assert!(is_controlled_by(&pod, "u1"));
        assert_eq!(pod["metadata"]["labels"]["app"], "web");
        assert_eq!(pod["metadata"]["namespace"], "shop");
        assert_eq!(pod["spec"], json!({"containers": []}));
    }
}
