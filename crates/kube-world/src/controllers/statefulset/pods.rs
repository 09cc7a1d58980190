//! Pods of a StatefulSet: their names, ordinals, labels and claims.

use json_tree::{Value, json};

use crate::controllers::support::meta::{controller_ref, pod_from_template};
use crate::controllers::support::revisions::POD_LABEL;
use crate::controllers::support::tree::{at, int, list, name, namespace, set, text, texts, uid};
use crate::kind::Kind;

/// The label with a pod's name, by which a Service can find a single one.
pub(crate) const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// The label with a pod's ordinal.
pub(crate) const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The ordinal in the name of a set's pod; `None` for names of another form.
pub(crate) fn ordinal(set_name: &str, pod: &str) -> Option<i64> {
    let digits = pod.strip_prefix(set_name)?.strip_prefix('-')?;
    let plain = digits.bytes().all(|c| c.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// The name of a claim of a pod.
pub(crate) fn claim_name(template: &Value, set_name: &str, ordinal: i64) -> String {
    format!("{}-{set_name}-{ordinal}", name(template))
}

/// The templates of claims.
pub(crate) fn claim_templates(set: &Value) -> &[Value] {
    list(set, &["spec", "volumeClaimTemplates"])
}

/// The pod of an ordinal by a template (that of its revision), at that revision.
pub(crate) fn make(owner: &Value, template: &Value, revision: &str, ordinal: i64) -> Value {
    let own = name(owner);
    let pod_name = format!("{own}-{ordinal}");
    let mut pod = pod_from_template(owner, controller_ref(Kind::STATEFUL_SET, owner), template);
    set(&mut pod, &["metadata", "name"], pod_name.as_str());
    set(&mut pod, &["metadata", "generateName"], format!("{own}-"));
    for (label, value) in [
        (POD_NAME, pod_name.clone()),
        (POD_INDEX, ordinal.to_string()),
        (POD_LABEL, revision.to_owned()),
    ] {
        set(&mut pod, &["metadata", "labels", label], value);
    }
    set(&mut pod, &["spec", "hostname"], pod_name);
    if let Some(service) = text(owner, &["spec", "serviceName"]).filter(|service| !service.is_empty()) {
        set(&mut pod, &["spec", "subdomain"], service);
    }
    let templates = claim_templates(owner);
    if !templates.is_empty() {
        let claimed = |volume: &&Value| !templates.iter().any(|template| name(template) == volume_name(volume));
        let mut volumes: Vec<Value> = templates
            .iter()
            .map(|template| {
                let claim = claim_name(template, own, ordinal);
                json!({"name": name(template), "persistentVolumeClaim": {"claimName": claim}})
            })
            .collect();
        volumes.extend(list(&pod, &["spec", "volumes"]).iter().filter(claimed).cloned());
        set(&mut pod, &["spec", "volumes"], volumes);
    }
    pod
}

fn volume_name(volume: &Value) -> &str {
    text(volume, &["name"]).unwrap_or_default()
}

/// A claim of an ordinal, by its template.
pub(crate) fn claim(owner: &Value, template: &Value, ordinal: i64) -> Value {
    let mut labels = texts(template, &["metadata", "labels"]);
    labels.extend(texts(owner, &["spec", "selector", "matchLabels"]));
    let mut metadata = json!({
        "name": claim_name(template, name(owner), ordinal), "namespace": namespace(owner), "labels": labels});
    if let Some(annotations) = at(template, &["metadata", "annotations"]) {
        set(&mut metadata, &["annotations"], annotations.clone());
    }
    if policy(owner, "whenDeleted") == "Delete" {
        set(
            &mut metadata,
            &["ownerReferences"],
            json!([controller_ref(Kind::STATEFUL_SET, owner)]),
        );
    }
    let spec = at(template, &["spec"]).cloned().unwrap_or_else(|| json!({}));
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
}

/// `Retain` or `Delete`.
fn policy<'a>(owner: &'a Value, when: &str) -> &'a str {
    text(owner, &["spec", "persistentVolumeClaimRetentionPolicy", when]).unwrap_or("Retain")
}

/// The owners that a claim should have besides those that are none of the set's business; `None` if it has them.
///
/// A claim that goes with the set is owned by it; one whose pod is scaled away is owned by that pod, so that it goes
/// when the pod has.
pub(crate) fn claim_owners(owner: &Value, pod: (&str, &str), condemned: bool, claim: &Value) -> Option<Value> {
    let old = list(claim, &["metadata", "ownerReferences"]);
    let is_ours = |one: &&Value| {
        let found = text(one, &["uid"]);
        found == Some(uid(owner)) || found == Some(pod.1) || text(one, &["kind"]) == Some("Pod")
    };
    let mut wanted: Vec<Value> = old.iter().filter(|one| !is_ours(one)).cloned().collect();
    if condemned && policy(owner, "whenScaled") == "Delete" {
        wanted.push(json!({
            "apiVersion": "v1", "kind": "Pod", "name": pod.0, "uid": pod.1, "controller": true, "blockOwnerDeletion": true}));
    } else if policy(owner, "whenDeleted") == "Delete" {
        wanted.push(controller_ref(Kind::STATEFUL_SET, owner));
    }
    let same = wanted.len() == old.len()
        && wanted
            .iter()
            .all(|one| old.iter().any(|other| text(other, &["uid"]) == text(one, &["uid"])));
    (!same).then(|| json!(wanted))
}

/// The first ordinal of a set.
pub(crate) fn start(owner: &Value) -> i64 {
    int(owner, &["spec", "ordinals", "start"]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_of(policy: Value) -> Value {
        json!({"metadata": {"name": "db", "namespace": "x", "uid": "u"}, "spec": {
            "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "persistentVolumeClaimRetentionPolicy": policy,
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"a": 1}}]}})
    }

    #[test]
    fn pods_have_their_identity() {
        for (pod, expected) in [
            ("db-0", Some(0)),
            ("db-12", Some(12)),
            ("db-01", None),
            ("db-", None),
            ("dbx-1", None),
        ] {
            assert_eq!(ordinal("db", pod), expected, "{pod}");
        }
        let template =
            json!({"metadata": {"labels": {"app": "db"}}, "spec": {"volumes": [{"name": "data"}, {"name": "tmp"}]}});
        let pod = make(&set_of(json!({})), &template, "db-1", 3);
        assert_eq!(name(&pod), "db-3");
        assert_eq!(
            pod["metadata"]["labels"],
            json!({"app": "db", POD_NAME: "db-3", POD_INDEX: "3", POD_LABEL: "db-1"})
        );
        assert_eq!(
            pod["spec"]["volumes"],
            json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-3"}}, {"name": "tmp"}])
        );
        assert_eq!(
            (&pod["spec"]["hostname"], &pod["spec"]["subdomain"]),
            (&json!("db-3"), &json!("db"))
        );
    }

    #[test]
    fn claims_are_owned_as_the_policy_says() {
        let check = |policy: Value, condemned: bool, kind: Option<&str>| {
            let owner = set_of(policy);
            let old =
                json!({"metadata": {"ownerReferences": [{"kind": "Other", "uid": "o"}, {"kind": "Odd", "uid": "u"}]}});
            let found = claim_owners(&owner, ("db-3", "p"), condemned, &old);
            let kinds: Vec<String> = found
                .map(|found| {
                    list(&found, &[])
                        .iter()
                        .map(|one| text(one, &["kind"]).unwrap().to_owned())
                        .collect()
                })
                .unwrap_or_else(|| vec!["Other".to_owned(), "StatefulSet".to_owned()]);
            assert_eq!(kinds, ["Other"].into_iter().chain(kind).collect::<Vec<_>>());
        };
        check(json!({}), false, None);
        check(json!({"whenDeleted": "Delete"}), false, Some("StatefulSet"));
        check(
            json!({"whenDeleted": "Delete", "whenScaled": "Delete"}),
            true,
            Some("Pod"),
        );
        check(json!({"whenScaled": "Delete"}), false, None);
    }
}
