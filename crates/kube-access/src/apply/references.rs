//! Which other objects an object names, as far as its kind's fields tell.

use serde_json::Value;

use crate::resource::{GroupKind, ObjectKey, at, list_at, split_api_version, text_at};

const RBAC: &str = "rbac.authorization.k8s.io";

/// The objects that an object names, with the field that names them. Names in custom resources are not knowable.
pub(crate) fn references(key: &ObjectKey, object: &Value) -> Vec<(&'static str, ObjectKey)> {
    let mut out = Vec::new();
    let namespace = key.namespace.as_str();
    match (key.kind.group.as_str(), key.kind.kind.as_str()) {
        (RBAC, "RoleBinding" | "ClusterRoleBinding") => binding(namespace, object, &mut out),
        ("", "Pod") => pod(namespace, at(object, &["spec"]), &mut out),
        ("apps", "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet") | ("batch", "Job") => {
            pod(namespace, at(object, &["spec", "template", "spec"]), &mut out);
            named(
                "",
                "Service",
                namespace,
                "spec.serviceName",
                text_at(object, &["spec", "serviceName"]),
                &mut out,
            );
        }
        ("batch", "CronJob") => {
            let spec = at(object, &["spec", "jobTemplate", "spec", "template", "spec"]);
            pod(namespace, spec, &mut out);
        }
        ("autoscaling", "HorizontalPodAutoscaler") => {
            scaled(
                namespace,
                "spec.scaleTargetRef",
                at(object, &["spec", "scaleTargetRef"]),
                &mut out,
            );
        }
        ("autoscaling.k8s.io", "VerticalPodAutoscaler") => {
            scaled(
                namespace,
                "spec.targetRef",
                at(object, &["spec", "targetRef"]),
                &mut out,
            );
        }
        ("networking.k8s.io", "Ingress") => {
            let paths = list_at(object, &["spec", "rules"]).flat_map(|rule| list_at(rule, &["http", "paths"]));
            for path in paths {
                let service = text_at(path, &["backend", "service", "name"]);
                named(
                    "",
                    "Service",
                    namespace,
                    "spec.rules.http.paths.backend",
                    service,
                    &mut out,
                );
            }
        }
        ("apiregistration.k8s.io", "APIService") => {
            service("spec.service", at(object, &["spec", "service"]), &mut out);
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            let policy = text_at(object, &["spec", "policyName"]);
            let group = "admissionregistration.k8s.io";
            named(
                group,
                "ValidatingAdmissionPolicy",
                "",
                "spec.policyName",
                policy,
                &mut out,
            );
        }
        ("", "PersistentVolumeClaim") => {
            let class = text_at(object, &["spec", "storageClassName"]);
            named(
                "storage.k8s.io",
                "StorageClass",
                "",
                "spec.storageClassName",
                class,
                &mut out,
            );
        }
        _ => {}
    }
    out
}

type Found = Vec<(&'static str, ObjectKey)>;

fn named(group: &str, kind: &str, namespace: &str, field: &'static str, name: &str, out: &mut Found) {
    if !name.is_empty() {
        out.push((field, ObjectKey::new(GroupKind::new(group, kind), namespace, name)));
    }
}

fn binding(namespace: &str, object: &Value, out: &mut Found) {
    let role = text_at(object, &["roleRef", "kind"]);
    let at = if role == "Role" { namespace } else { "" };
    named(RBAC, role, at, "roleRef", text_at(object, &["roleRef", "name"]), out);
}

fn scaled(namespace: &str, field: &'static str, target: Option<&Value>, out: &mut Found) {
    let Some(target) = target else { return };
    let (group, _) = split_api_version(text_at(target, &["apiVersion"]));
    let kind = text_at(target, &["kind"]);
    named(group, kind, namespace, field, text_at(target, &["name"]), out);
}

fn service(field: &'static str, target: Option<&Value>, out: &mut Found) {
    let Some(target) = target else { return };
    let namespace = text_at(target, &["namespace"]);
    named("", "Service", namespace, field, text_at(target, &["name"]), out);
}

/// What a pod cannot start without.
fn pod(namespace: &str, spec: Option<&Value>, out: &mut Found) {
    let Some(spec) = spec else { return };
    let text = |path: &[&str]| text_at(spec, path);
    named(
        "",
        "ServiceAccount",
        namespace,
        "serviceAccountName",
        text(&["serviceAccountName"]),
        out,
    );
    let class = text(&["priorityClassName"]);
    named(
        "scheduling.k8s.io",
        "PriorityClass",
        "",
        "priorityClassName",
        class,
        out,
    );
    for volume in list_at(spec, &["volumes"]) {
        one_volume(namespace, volume, out);
        for source in list_at(volume, &["projected", "sources"]) {
            let map = text_at(source, &["configMap", "name"]);
            named("", "ConfigMap", namespace, "volumes.projected", map, out);
            let secret = text_at(source, &["secret", "name"]);
            named("", "Secret", namespace, "volumes.projected", secret, out);
        }
    }
    for container in list_at(spec, &["initContainers"]).chain(list_at(spec, &["containers"])) {
        for source in list_at(container, &["envFrom"]) {
            let map = text_at(source, &["configMapRef", "name"]);
            named("", "ConfigMap", namespace, "containers.envFrom", map, out);
            let secret = text_at(source, &["secretRef", "name"]);
            named("", "Secret", namespace, "containers.envFrom", secret, out);
        }
        for variable in list_at(container, &["env"]) {
            let map = text_at(variable, &["valueFrom", "configMapKeyRef", "name"]);
            named("", "ConfigMap", namespace, "containers.env", map, out);
            let secret = text_at(variable, &["valueFrom", "secretKeyRef", "name"]);
            named("", "Secret", namespace, "containers.env", secret, out);
        }
    }
}

fn one_volume(namespace: &str, volume: &Value, out: &mut Found) {
    let map = text_at(volume, &["configMap", "name"]);
    named("", "ConfigMap", namespace, "volumes.configMap", map, out);
    let secret = text_at(volume, &["secret", "secretName"]);
    named("", "Secret", namespace, "volumes.secret", secret, out);
    let claim = text_at(volume, &["persistentVolumeClaim", "claimName"]);
    named(
        "",
        "PersistentVolumeClaim",
        namespace,
        "volumes.persistentVolumeClaim",
        claim,
        out,
    );
}
