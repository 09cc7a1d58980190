//! The kinds whose defaults and rules are short.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use json_tree::{Value, json};

use super::{immutable, names, required};
use crate::registry::Resource;
use crate::status::{FieldError, FieldErrorKind};
use crate::value::{at, at_mut, default, flag, int, list, list_mut, map_at, remove, set, text};

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn defaults(resource: &Resource, object: &mut Value) {
    match resource.is() {
        ("", "secrets") => secret_defaults(object),
        ("", "persistentvolumeclaims") => default(object, &["spec", "volumeMode"], "Filesystem"),
        ("", "persistentvolumes") => {
            default(object, &["spec", "persistentVolumeReclaimPolicy"], "Retain");
            default(object, &["spec", "volumeMode"], "Filesystem");
        }
        ("", "endpoints") => {
            for subset in list_mut(object, &["subsets"]) {
                list_mut(subset, &["ports"])
                    .iter_mut()
                    .for_each(|port| default(port, &["protocol"], "TCP"));
            }
        }
        ("", "nodes") => {
            if let Some(cidr) = text(object, &["spec", "podCIDR"]).map(str::to_owned) {
                default(object, &["spec", "podCIDRs"], json!([cidr]));
            }
        }
        ("discovery.k8s.io", _) => {
            for port in list_mut(object, &["ports"]) {
                default(port, &["name"], "");
                default(port, &["protocol"], "TCP");
            }
        }
        ("autoscaling", _) => {
            default(object, &["spec", "minReplicas"], 1);
            if list(object, &["spec", "metrics"]).is_empty() {
                let target = json!({"type": "Utilization", "averageUtilization": 80});
                set(
                    object,
                    &["spec", "metrics"],
                    json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]),
                );
            }
        }
        (RBAC, "rolebindings" | "clusterrolebindings") => binding_defaults(object),
        ("networking.k8s.io", "networkpolicies") => {
            let egress = !list(object, &["spec", "egress"]).is_empty();
            let types = if egress {
                json!(["Ingress", "Egress"])
            } else {
                json!(["Ingress"])
            };
            default(object, &["spec", "policyTypes"], types);
        }
        ("scheduling.k8s.io", _) => default(object, &["preemptionPolicy"], "PreemptLowerPriority"),
        ("storage.k8s.io", "storageclasses") => {
            default(object, &["reclaimPolicy"], "Delete");
            default(object, &["volumeBindingMode"], "Immediate");
        }
        ("storage.k8s.io", "csidrivers") => {
            for (field, value) in [
                ("attachRequired", json!(true)),
                ("podInfoOnMount", json!(false)),
                ("fsGroupPolicy", json!("ReadWriteOnceWithFSType")),
                ("storageCapacity", json!(false)),
                ("volumeLifecycleModes", json!(["Persistent"])),
                ("requiresRepublish", json!(false)),
                ("seLinuxMount", json!(false)),
            ] {
                default(object, &["spec", field], value);
            }
        }
        ("apiregistration.k8s.io", _) if at(object, &["spec", "service"]).is_some_and(Value::is_object) => {
            default(object, &["spec", "service", "port"], 443);
        }
        ("admissionregistration.k8s.io", plural) => admission_defaults(plural, object),
        _ => {}
    }
}

/// `stringData` is for writing only: it is stored as `data`.
fn secret_defaults(secret: &mut Value) {
    default(secret, &["type"], "Opaque");
    if let Some(Value::Object(texts)) = remove(secret, &["stringData"]) {
        let data = map_at(secret, &["data"]);
        for (key, value) in texts {
            let encoded = BASE64_STANDARD.encode(value.as_str().unwrap_or_default());
            data.insert(key, encoded.into());
        }
    }
}

fn binding_defaults(binding: &mut Value) {
    default(binding, &["roleRef", "apiGroup"], RBAC);
    for subject in list_mut(binding, &["subjects"]) {
        if matches!(text(subject, &["kind"]), Some("User" | "Group")) {
            default(subject, &["apiGroup"], RBAC);
        }
    }
}

fn admission_defaults(plural: &str, object: &mut Value) {
    if plural == "validatingadmissionpolicies" {
        default(object, &["spec", "failurePolicy"], "Fail");
        if at(object, &["spec", "matchConstraints"]).is_some_and(Value::is_object) {
            default(object, &["spec", "matchConstraints", "matchPolicy"], "Equivalent");
            default(object, &["spec", "matchConstraints", "namespaceSelector"], json!({}));
            default(object, &["spec", "matchConstraints", "objectSelector"], json!({}));
            for rule in list_mut(object, &["spec", "matchConstraints", "resourceRules"]) {
                default(rule, &["scope"], "*");
            }
        }
        return;
    }
    for webhook in list_mut(object, &["webhooks"]) {
        default(webhook, &["failurePolicy"], "Fail");
        default(webhook, &["matchPolicy"], "Equivalent");
        default(webhook, &["timeoutSeconds"], 10);
        default(webhook, &["namespaceSelector"], json!({}));
        default(webhook, &["objectSelector"], json!({}));
        if plural == "mutatingwebhookconfigurations" {
            default(webhook, &["reinvocationPolicy"], "Never");
        }
        if let Some(service) = at_mut(webhook, &["clientConfig", "service"]) {
            default(service, &["port"], 443);
        }
        for rule in list_mut(webhook, &["rules"]) {
            default(rule, &["scope"], "*");
        }
    }
}

pub(super) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    match resource.is() {
        ("", "configmaps") => config_keys(object, &["data", "binaryData"]),
        ("", "secrets") => config_keys(object, &["data"]),
        ("", "persistentvolumeclaims") => validate_claim(object),
        ("", "events") => validate_event(object),
        ("", "nodes") => validate_taints(object),
        ("policy", _) => validate_budget(object),
        ("autoscaling", _) => validate_autoscaler(object),
        ("networking.k8s.io", "ingresses") => validate_ingress(object),
        (RBAC, "roles" | "clusterroles") => validate_rules(resource, object),
        (RBAC, plural) => validate_binding(object, plural == "rolebindings"),
        ("scheduling.k8s.io", _) => validate_priority(object),
        ("storage.k8s.io", "storageclasses") => required(object, &["provisioner"]).into_iter().collect(),
        ("discovery.k8s.io", _) => validate_slice(object),
        ("admissionregistration.k8s.io", plural) => crate::policies::validate(plural, object),
        _ => Vec::new(),
    }
}

/// What Go holds by value is written even when it is unset; nobody owns it.
pub(super) fn written_unset(resource: &Resource, object: &mut Value) {
    if resource.is() == ("", "events") {
        for time in ["eventTime", "firstTimestamp", "lastTimestamp"] {
            default(object, &[time], Value::Null);
        }
        default(object, &["reportingComponent"], "");
        default(object, &["reportingInstance"], "");
        default(object, &["source"], json!({}));
    }
}

/// A taint's key has each effect once.
pub(super) fn validate_taints(node: &Value) -> Vec<FieldError> {
    let taints = list(node, &["spec", "taints"]);
    let id = |taint: &Value| {
        (
            text(taint, &["key"]).map(str::to_owned),
            text(taint, &["effect"]).map(str::to_owned),
        )
    };
    let mut errors = Vec::new();
    for (place, taint) in taints.iter().enumerate() {
        if !taints.iter().take(place).any(|other| id(other) == id(taint)) {
            continue;
        }
        let field = |name: &str| json!(text(taint, &[name]).unwrap_or_default());
        let added = taint.get("timeAdded").cloned().unwrap_or_default();
        let error = FieldError {
            field: format!("metadata.taints[{place}]"),
            kind: FieldErrorKind::Duplicate,
            value: None,
            detail: format!(
                "{{\"Key\":{},\"Value\":{},\"Effect\":{},\"TimeAdded\":{added}}}: taints must be unique by key and effect pair",
                field("key"),
                field("value"),
                field("effect")
            ),
        };
        errors.push(error);
    }
    errors
}

/// An event belongs into the namespace of its object.
fn validate_event(event: &Value) -> Vec<FieldError> {
    let of_object = text(event, &["involvedObject", "namespace"]).unwrap_or_default();
    let strays = !of_object.is_empty() && of_object != crate::value::namespace(event);
    let error = || FieldError::invalid("involvedObject.namespace", of_object, "does not match event.namespace");
    strays.then(error).into_iter().collect()
}

fn config_keys(object: &Value, fields: &[&str]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for key in at(object, &["data"])
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.keys())
    {
        if at(object, &["binaryData", key]).is_some() {
            errors.push(FieldError::invalid(
                format!("data[{key}]"),
                key.as_str(),
                "duplicate of key present in binaryData",
            ));
        }
    }
    for field in fields {
        for (key, value) in at(object, &[field]).and_then(Value::as_object).into_iter().flatten() {
            size += value.as_str().map_or(0, str::len);
            let why = names::config_key(key);
            errors.extend(
                why.into_iter()
                    .map(|why| FieldError::invalid(format!("{field}[{key}]"), key.as_str(), why)),
            );
        }
    }
    if size > 1 << 20 {
        errors.push(FieldError::too_long("", 1 << 20));
    }
    errors
}

fn validate_claim(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    let found = list(object, &["spec", "accessModes"]);
    if found.is_empty() {
        errors.push(FieldError::required(
            "spec.accessModes",
            "at least 1 access mode is required",
        ));
    }
    for mode in found
        .iter()
        .filter_map(Value::as_str)
        .filter(|mode| !modes.contains(mode))
    {
        errors.push(FieldError::not_supported("spec.accessModes", mode, &modes));
    }
    if at(object, &["spec", "resources", "requests", "storage"]).is_none() {
        errors.push(FieldError::required("spec.resources[storage]", ""));
    }
    errors
}

fn validate_budget(object: &Value) -> Vec<FieldError> {
    let has = |field: &str| at(object, &["spec", field]).is_some();
    let mut errors = Vec::new();
    if has("minAvailable") && has("maxUnavailable") {
        let shown = at(object, &["spec"]).cloned().unwrap_or_default();
        errors.push(FieldError::invalid(
            "spec",
            shown,
            "minAvailable and maxUnavailable cannot be both set",
        ));
    }
    for field in ["minAvailable", "maxUnavailable"] {
        match at(object, &["spec", field]) {
            Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => {
                let detail = "must be greater than or equal to 0";
                errors.push(FieldError::invalid(
                    format!("spec.{field}"),
                    Value::Number(number.clone()),
                    detail,
                ));
            }
            Some(Value::String(share)) => {
                let number = share.strip_suffix('%').and_then(|number| number.parse::<u64>().ok());
                if number.is_none() {
                    let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                    errors.push(FieldError::invalid(format!("spec.{field}"), share.as_str(), detail));
                } else if number.is_some_and(|number| number > 100) {
                    errors.push(FieldError::invalid(
                        format!("spec.{field}"),
                        share.as_str(),
                        "must not be greater than 100%",
                    ));
                }
            }
            _ => {}
        }
    }
    let known = ["AlwaysAllow", "IfHealthyBudget"];
    if let Some(policy) = text(object, &["spec", "unhealthyPodEvictionPolicy"]).filter(|policy| !known.contains(policy))
    {
        errors.push(FieldError::not_supported(
            "spec.unhealthyPodEvictionPolicy",
            policy,
            &known,
        ));
    }
    errors
}

fn validate_autoscaler(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (least, most) = (
        int(object, &["spec", "minReplicas"]).unwrap_or(1),
        int(object, &["spec", "maxReplicas"]).unwrap_or(0),
    );
    if most < 1 {
        errors.push(FieldError::invalid("spec.maxReplicas", most, "must be greater than 0"));
    }
    if least < 1 {
        errors.push(FieldError::invalid(
            "spec.minReplicas",
            least,
            "must be greater than or equal to 1",
        ));
    }
    if most < least {
        errors.push(FieldError::invalid(
            "spec.maxReplicas",
            most,
            "must be greater than or equal to `minReplicas`",
        ));
    }
    errors.extend(required(object, &["spec", "scaleTargetRef", "kind"]));
    errors.extend(required(object, &["spec", "scaleTargetRef", "name"]));
    errors
}

fn validate_ingress(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let rules = list(object, &["spec", "rules"]);
    if rules.is_empty() && at(object, &["spec", "defaultBackend"]).is_none() {
        let shown = at(object, &["spec", "rules"]).cloned().unwrap_or(Value::Null);
        errors.push(FieldError::invalid(
            "spec",
            shown,
            "either `defaultBackend` or `rules` must be specified",
        ));
    }
    let known = ["Exact", "ImplementationSpecific", "Prefix"];
    for (rule_place, rule) in rules.iter().enumerate() {
        for (place, path) in list(rule, &["http", "paths"]).iter().enumerate() {
            let field = |rest: &str| format!("spec.rules[{rule_place}].http.paths[{place}].{rest}");
            match text(path, &["pathType"]) {
                None => errors.push(FieldError::required(field("pathType"), "pathType must be specified")),
                Some(kind) if !known.contains(&kind) => {
                    errors.push(FieldError::not_supported(field("pathType"), kind, &known))
                }
                Some("Exact" | "Prefix") => {
                    let found = text(path, &["path"]).unwrap_or_default();
                    if !found.starts_with('/') {
                        errors.push(FieldError::invalid(field("path"), found, "must be an absolute path"));
                    }
                }
                Some(_) => {}
            }
        }
    }
    errors
}

fn validate_rules(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (place, rule) in list(object, &["rules"]).iter().enumerate() {
        if list(rule, &["verbs"]).is_empty() {
            errors.push(FieldError::required(
                format!("rules[{place}].verbs"),
                "verbs must contain at least one value",
            ));
        }
        let urls = list(rule, &["nonResourceURLs"]);
        if !urls.is_empty() {
            if resource.plural() == "roles" {
                let shown = Value::from(urls.to_vec());
                let detail = "namespaced rules cannot apply to non-resource URLs";
                errors.push(FieldError::invalid(
                    format!("rules[{place}].nonResourceURLs"),
                    shown,
                    detail,
                ));
            }
            continue;
        }
        for (field, detail) in [
            ("apiGroups", "resource rules must supply at least one api group"),
            ("resources", "resource rules must supply at least one resource"),
        ] {
            if list(rule, &[field]).is_empty() {
                errors.push(FieldError::required(format!("rules[{place}].{field}"), detail));
            }
        }
    }
    errors
}

/// A ServiceAccount without a namespace is one of the binding's own namespace, so only cluster-wide bindings must name it.
fn validate_binding(object: &Value, namespaced: bool) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = required(object, &["roleRef", "name"]).into_iter().collect();
    let known = ["ClusterRole", "Role"];
    if let Some(kind) = text(object, &["roleRef", "kind"]).filter(|kind| !known.contains(kind)) {
        errors.push(FieldError::not_supported("roleRef.kind", kind, &known));
    }
    for (place, subject) in list(object, &["subjects"]).iter().enumerate() {
        if text(subject, &["name"]).is_none_or(str::is_empty) {
            errors.push(FieldError::required(format!("subjects[{place}].name"), ""));
        }
        match text(subject, &["kind"]) {
            Some("ServiceAccount") if !namespaced && text(subject, &["namespace"]).is_none_or(str::is_empty) => {
                errors.push(FieldError::required(format!("subjects[{place}].namespace"), ""));
            }
            Some("ServiceAccount" | "User" | "Group") => {}
            other => errors.push(FieldError::not_supported(
                format!("subjects[{place}].kind"),
                other.unwrap_or_default(),
                &["Group", "ServiceAccount", "User"],
            )),
        }
    }
    errors
}

fn validate_priority(object: &Value) -> Vec<FieldError> {
    let name = crate::value::name(object);
    let number = int(object, &["value"]).unwrap_or(0);
    let system = ["system-cluster-critical", "system-node-critical"].contains(&name);
    if name.starts_with("system-") && !system {
        let detail = "priority class names with 'system-' prefix are reserved for system use only. error: unknown system priority class";
        return vec![FieldError::forbidden("metadata.name", detail)];
    }
    if number > 1_000_000_000 && !system {
        let detail = "maximum allowed value of a user defined priority is 1000000000";
        return vec![FieldError::forbidden("value", detail)];
    }
    Vec::new()
}

fn validate_slice(object: &Value) -> Vec<FieldError> {
    let known = ["FQDN", "IPv4", "IPv6"];
    match text(object, &["addressType"]) {
        None | Some("") => vec![FieldError::required("addressType", "")],
        Some(kind) if !known.contains(&kind) => vec![FieldError::not_supported("addressType", kind, &known)],
        Some(_) => Vec::new(),
    }
}

pub(super) fn validate_update(resource: &Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    match resource.is() {
        ("", "secrets") => {
            let mut errors: Vec<FieldError> = immutable(old, new, &["type"]).into_iter().collect();
            errors.extend(frozen(old, new, &["data"]));
            errors
        }
        ("", "configmaps") => frozen(old, new, &["data", "binaryData"]),
        ("", "persistentvolumeclaims") => claim_update(old, new),
        (RBAC, "rolebindings" | "clusterrolebindings") if at(old, &["roleRef"]) != at(new, &["roleRef"]) => {
            // The real server shows the fields by the names of its own language.
            let field = |name: &str| text(new, &["roleRef", name]).unwrap_or_default();
            let shown = json!({"APIGroup": field("apiGroup"), "Kind": field("kind"), "Name": field("name")});
            vec![FieldError::invalid("roleRef", shown, "cannot change roleRef")]
        }
        ("scheduling.k8s.io", _) => {
            let mut errors = Vec::new();
            if int(old, &["value"]) != int(new, &["value"]) {
                errors.push(FieldError::forbidden("value", "may not be changed in an update."));
            }
            errors.extend(immutable(old, new, &["preemptionPolicy"]));
            errors
        }
        ("", "nodes") => {
            let id = |node: &Value| text(node, &["spec", "providerID"]).unwrap_or_default().to_owned();
            let changed = !id(old).is_empty() && id(old) != id(new);
            let why = "node updates may not change providerID except from \"\" to valid";
            changed
                .then(|| FieldError::forbidden("spec.providerID", why))
                .into_iter()
                .collect()
        }
        ("storage.k8s.io", "storageclasses") => {
            let mut errors = Vec::new();
            for (field, detail) in [
                ("parameters", "updates to parameters are forbidden."),
                ("provisioner", "updates to provisioner are forbidden."),
                ("reclaimPolicy", "updates to reclaimPolicy are forbidden."),
            ] {
                if at(old, &[field]) != at(new, &[field]) {
                    errors.push(FieldError::forbidden(field, detail));
                }
            }
            errors.extend(immutable(old, new, &["volumeBindingMode"]));
            errors
        }
        ("discovery.k8s.io", _) => immutable(old, new, &["addressType"]).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Data of an object that was declared immutable.
fn frozen(old: &Value, new: &Value, fields: &[&str]) -> Vec<FieldError> {
    if !flag(old, &["immutable"]) {
        return Vec::new();
    }
    let detail = "field is immutable when `immutable` is set";
    let mut errors = Vec::new();
    if !flag(new, &["immutable"]) {
        errors.push(FieldError::forbidden("immutable", detail));
    }
    for field in fields {
        if at(old, &[field]) != at(new, &[field]) {
            errors.push(FieldError::forbidden(*field, detail));
        }
    }
    errors
}

fn claim_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let strip = |claim: &Value| {
        let mut spec = at(claim, &["spec"]).cloned().unwrap_or_default();
        for path in [&["resources"][..], &["volumeName"], &["volumeAttributesClassName"]] {
            remove(&mut spec, path);
        }
        if text(old, &["spec", "storageClassName"]).is_none() {
            remove(&mut spec, &["storageClassName"]);
        }
        spec
    };
    if strip(old) == strip(new) {
        return Vec::new();
    }
    let detail =
        "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    vec![FieldError::forbidden("spec", detail)]
}
