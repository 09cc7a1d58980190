//! Fields that Kubernetes refuses to change in place.

use yaml::FieldPath;

/// What a rule says about a changed path.
enum Rule {
    /// These paths and everything below them.
    Only(&'static [&'static str]),
    /// Everything below `spec` but these.
    SpecBut(&'static [&'static str]),
}

fn rule(group: &str, kind: &str) -> Option<Rule> {
    Some(match (group, kind) {
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") => Rule::Only(&["spec.selector"]),
        ("apps", "StatefulSet") => Rule::SpecBut(&[
            "spec.replicas",
            "spec.template",
            "spec.updateStrategy",
            "spec.minReadySeconds",
            "spec.persistentVolumeClaimRetentionPolicy",
            "spec.ordinals",
            "spec.revisionHistoryLimit",
        ]),
        ("batch", "Job") => Rule::Only(&[
            "spec.template",
            "spec.selector",
            "spec.completions",
            "spec.completionMode",
        ]),
        ("", "Pod") => Rule::SpecBut(&[
            "spec.containers",
            "spec.initContainers",
            "spec.activeDeadlineSeconds",
            "spec.tolerations",
            "spec.terminationGracePeriodSeconds",
        ]),
        ("", "PersistentVolumeClaim") => Rule::SpecBut(&["spec.resources", "spec.volumeAttributesClassName"]),
        ("", "Service") => Rule::Only(&["spec.clusterIP"]),
        ("", "Secret") => Rule::Only(&["type"]),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => Rule::Only(&["roleRef"]),
        ("storage.k8s.io", "StorageClass") => {
            Rule::Only(&["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"])
        }
        ("scheduling.k8s.io", "PriorityClass") => Rule::Only(&["value", "preemptionPolicy"]),
        ("networking.k8s.io", "IngressClass") => Rule::Only(&["spec.controller"]),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            Rule::Only(&["spec.scope", "spec.group", "spec.names.kind", "spec.names.plural"])
        }
        _ => return None,
    })
}

/// Whether a change of this field of a built-in kind needs the object to be made anew.
#[must_use]
pub fn immutable_field(group: &str, kind: &str, path: &FieldPath) -> bool {
    let path = path.to_string();
    let below = |prefix: &&str| {
        path.strip_prefix(*prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    match rule(group, kind) {
        None => false,
        Some(Rule::Only(paths)) => paths.iter().any(below),
        Some(Rule::SpecBut(paths)) => below(&"spec") && path != "spec" && !paths.iter().any(below),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(group: &str, kind: &str, new: serde_json::Value, immutable: bool) {
        let changes = yaml::diff(&json!({"spec": {}}), &new);
        let found = changes.iter().any(|change| immutable_field(group, kind, &change.path));
        assert_eq!(found, immutable, "{kind} {new}");
    }

    #[test]
    fn selectors_templates_of_jobs_and_role_references_cannot_change() {
        check(
            "apps",
            "Deployment",
            json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
            true,
        );
        check("apps", "Deployment", json!({"spec": {"replicas": 3}}), false);
        check("apps", "StatefulSet", json!({"spec": {"serviceName": "x"}}), true);
        check(
            "apps",
            "StatefulSet",
            json!({"spec": {"template": {"spec": {}}}}),
            false,
        );
        check("batch", "Job", json!({"spec": {"template": {"spec": {"a": 1}}}}), true);
        check(
            "rbac.authorization.k8s.io",
            "RoleBinding",
            json!({"spec": {}, "roleRef": {"name": "x"}}),
            true,
        );
        check("example.org", "Thing", json!({"spec": {"selector": 1}}), false);
    }

    #[test]
    fn a_name_that_only_begins_alike_is_another_field() {
        check("", "Service", json!({"spec": {"clusterIPs": ["10.0.0.1"]}}), false);
    }
}
