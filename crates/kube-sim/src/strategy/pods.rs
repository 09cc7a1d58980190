//! Pods and pod templates: defaults, rules, quality of service, admission.

use json_tree::{Value, json};
use model::quantity::Quantity;

use super::{cluster_object, names};
use crate::registry::GroupResource;
use crate::server::Core;
use crate::status::{ApiError, FieldError};
use crate::store::{Key, State};
use crate::value::{self, at, at_mut, default, flag, int, list, list_mut, map_at, remove, set, text};

/// The default for a pull policy: moving tags are pulled again.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    if name.contains('@') {
        return "IfNotPresent";
    }
    match name.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn probe_defaults(probe: &mut Value) {
    if let Some(http) = probe.get_mut("httpGet") {
        default(http, &["path"], "/");
        default(http, &["scheme"], "HTTP");
    }
    if let Some(grpc) = probe.get_mut("grpc") {
        default(grpc, &["service"], "");
    }
    for (field, number) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        if int(probe, &[field]).unwrap_or(0) == 0 {
            set(probe, &[field], number);
        }
    }
}

fn container_defaults(container: &mut Value) {
    default(container, &["terminationMessagePath"], "/dev/termination-log");
    default(container, &["terminationMessagePolicy"], "File");
    let policy = pull_policy(text(container, &["image"]).unwrap_or_default());
    default(container, &["imagePullPolicy"], policy);
    default(container, &["resources"], json!({}));
    for port in list_mut(container, &["ports"]) {
        default(port, &["protocol"], "TCP");
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            probe_defaults(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(http) = at_mut(container, &["lifecycle", hook, "httpGet"]) {
            default(http, &["path"], "/");
            default(http, &["scheme"], "HTTP");
        }
    }
    for variable in list_mut(container, &["env"]) {
        if let Some(field) = at_mut(variable, &["valueFrom", "fieldRef"]) {
            default(field, &["apiVersion"], "v1");
        }
        if let Some(field) = at_mut(variable, &["valueFrom", "resourceFieldRef"]) {
            default(field, &["divisor"], "0");
        }
    }
    limits_as_requests(container);
}

/// A limit without a request is a request as well.
fn limits_as_requests(container: &mut Value) {
    let limits = at(container, &["resources", "limits"])
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (name, limit) in limits {
        default(container, &["resources", "requests", &name], limit);
    }
}

const MODES: &[&str] = &["secret", "configMap", "downwardAPI", "projected"];

fn volume_defaults(volume: &mut Value) {
    let is_bare = volume
        .as_object()
        .is_some_and(|map| map.len() == 1 && map.contains_key("name"));
    if is_bare {
        set(volume, &["emptyDir"], json!({}));
    }
    for source in MODES {
        if let Some(source) = volume.get_mut(*source).filter(|source| source.is_object()) {
            default(source, &["defaultMode"], 420);
            for item in list_mut(source, &["items"]) {
                if let Some(field) = at_mut(item, &["fieldRef"]) {
                    default(field, &["apiVersion"], "v1");
                }
            }
        }
    }
    for source in list_mut(volume, &["projected", "sources"]) {
        if let Some(token) = source.get_mut("serviceAccountToken") {
            default(token, &["expirationSeconds"], 3_600);
        }
        for item in list_mut(source, &["downwardAPI", "items"]) {
            if let Some(field) = at_mut(item, &["fieldRef"]) {
                default(field, &["apiVersion"], "v1");
            }
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|path| path.is_object()) {
        default(path, &["type"], "");
    }
}

/// The defaults of a pod's spec, in pods and in templates.
pub(super) fn spec_defaults(object: &mut Value, path: &[&str]) {
    let Some(spec) = at_mut(object, path).filter(|spec| spec.is_object()) else {
        return;
    };
    default(spec, &["restartPolicy"], "Always");
    default(spec, &["dnsPolicy"], "ClusterFirst");
    default(spec, &["schedulerName"], "default-scheduler");
    default(spec, &["securityContext"], json!({}));
    default(spec, &["terminationGracePeriodSeconds"], 30);
    for group in ["initContainers", "containers", "ephemeralContainers"] {
        list_mut(spec, &[group]).iter_mut().for_each(container_defaults);
    }
    list_mut(spec, &["volumes"]).iter_mut().for_each(volume_defaults);
    if flag(spec, &["hostNetwork"]) {
        for container in list_mut(spec, &["containers"]) {
            for port in list_mut(container, &["ports"]) {
                if let Some(number) = int(port, &["containerPort"]) {
                    default(port, &["hostPort"], number);
                }
            }
        }
    }
    for constraint in list_mut(spec, &["topologySpreadConstraints"]) {
        default(constraint, &["whenUnsatisfiable"], "DoNotSchedule");
    }
    // The old name of the field and the new one always agree.
    if let Some(account) = text(spec, &["serviceAccountName"])
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
    {
        set(spec, &["serviceAccount"], account);
    } else if let Some(account) = text(spec, &["serviceAccount"])
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
    {
        set(spec, &["serviceAccountName"], account);
    }
}

/// The defaults of a pod template.
pub(super) fn template_defaults(object: &mut Value, path: &[&str]) {
    let spec: Vec<&str> = path.iter().copied().chain(["spec"]).collect();
    spec_defaults(object, &spec);
    if let Some(template) = at_mut(object, path).filter(|template| template.is_object()) {
        let metadata = map_at(template, &["metadata"]);
        // Go always writes the time of a template's metadata; nobody reads it.
        metadata.remove("creationTimestamp");
    }
}

pub(super) fn defaults(pod: &mut Value) {
    spec_defaults(pod, &["spec"]);
    default(pod, &["spec", "enableServiceLinks"], true);
    for condition in list_mut(pod, &["status", "conditions"]) {
        // These times are no pointers in Go, so an unset one is written as null.
        default(condition, &["lastProbeTime"], Value::Null);
        default(condition, &["lastTransitionTime"], Value::Null);
    }
}

/// Every pod leaves a broken node after five minutes unless it says otherwise.
fn default_tolerations(pod: &mut Value) {
    let spec = map_at(pod, &["spec"]);
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    if let Some(tolerations) = tolerations.as_array_mut() {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let covers = |toleration: &Value| {
                let effect = text(toleration, &["effect"]).unwrap_or_default();
                let found = text(toleration, &["key"]).unwrap_or_default();
                (effect.is_empty() || effect == "NoExecute")
                    && (found == key || (found.is_empty() && text(toleration, &["operator"]) == Some("Exists")))
            };
            if !tolerations.iter().any(covers) {
                tolerations
                    .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
            }
        }
    }
}

/// The quality-of-service class of a pod.
pub(super) fn quality(pod: &Value) -> &'static str {
    let containers = || {
        list(pod, &["spec", "containers"])
            .iter()
            .chain(list(pod, &["spec", "initContainers"]))
    };
    let zero = |value: &Value| matches!(value.as_str(), Some("0")) || value.as_i64() == Some(0);
    let of = |container: &Value, kind: &str, name: &str| {
        let limit = at(container, &["resources", kind, name]).or_else(|| {
            (kind == "requests")
                .then(|| at(container, &["resources", "limits", name]))
                .flatten()
        });
        limit.filter(|value| !zero(value)).cloned()
    };
    let (mut any, mut all) = (false, true);
    for container in containers() {
        for name in ["cpu", "memory"] {
            let (request, limit) = (of(container, "requests", name), of(container, "limits", name));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && request == limit;
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn place(path: &[&str], rest: &str) -> String {
    format!("{}.{rest}", path.join("."))
}

/// The rules for a pod's spec.
pub(super) fn validate(object: &Value, path: &[&str]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(spec) = at(object, path) else {
        return vec![FieldError::required(place(path, "containers"), "")];
    };
    if list(spec, &["containers"]).is_empty() {
        errors.push(FieldError::required(place(path, "containers"), ""));
    }
    let one_of = |errors: &mut Vec<FieldError>, field: &str, known: &[&str]| {
        if let Some(found) = text(spec, &[field])
            && !known.contains(&found)
        {
            errors.push(FieldError::not_supported(place(path, field), found, known));
        }
    };
    one_of(&mut errors, "restartPolicy", &["Always", "OnFailure", "Never"]);
    one_of(
        &mut errors,
        "dnsPolicy",
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    );
    let volumes: Vec<&str> = list(spec, &["volumes"])
        .iter()
        .filter_map(|volume| text(volume, &["name"]))
        .collect();
    for (number, name) in volumes.iter().enumerate() {
        let field = place(path, &format!("volumes[{number}].name"));
        errors.extend(
            names::dns_label(name)
                .into_iter()
                .map(|why| FieldError::invalid(field.clone(), *name, why)),
        );
        if volumes.iter().take(number).any(|other| other == name) {
            errors.push(FieldError::duplicate(field, *name));
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for group in ["initContainers", "containers"] {
        for (number, container) in list(spec, &[group]).iter().enumerate() {
            let field = place(path, &format!("{group}[{number}]"));
            validate_container(container, &field, &volumes, &mut seen, &mut errors);
        }
    }
    for field in ["terminationGracePeriodSeconds", "activeDeadlineSeconds"] {
        if let Some(found) = int(spec, &[field]).filter(|found| *found < 0) {
            errors.push(FieldError::invalid(
                place(path, field),
                found,
                "must be greater than or equal to 0",
            ));
        }
    }
    errors
}

/// No request is above its limit, and requests of what cannot be overcommitted are their limits.
fn requests_fit(container: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let amount = |value: &Value| value.as_str().and_then(|text| text.parse::<Quantity>().ok());
    let limits = at(container, &["resources", "limits"]).and_then(Value::as_object);
    for (name, shown) in limits.into_iter().flatten() {
        let wanted = at(container, &["resources", "requests", name]);
        let (Some(request), Some(limit)) = (wanted.and_then(amount), amount(shown)) else {
            continue;
        };
        let native = !name.contains('/') || name.contains("kubernetes.io/");
        let fixed = !native || name.starts_with("hugepages-");
        let detail = match (fixed, request.nanos().cmp(limit.nanos())) {
            (true, std::cmp::Ordering::Less | std::cmp::Ordering::Greater) => "must be equal to",
            (false, std::cmp::Ordering::Greater) => "must be less than or equal to",
            _ => continue,
        };
        let value = wanted.cloned().unwrap_or_default();
        let detail = format!("{detail} {name} limit of {}", shown.as_str().unwrap_or_default());
        errors.push(FieldError::invalid(
            format!("{field}.resources.requests"),
            value,
            detail,
        ));
    }
}

fn validate_container<'v>(
    container: &'v Value,
    field: &str,
    volumes: &[&str],
    seen: &mut Vec<&'v str>,
    errors: &mut Vec<FieldError>,
) {
    match text(container, &["name"]).unwrap_or_default() {
        "" => errors.push(FieldError::required(format!("{field}.name"), "")),
        name => {
            let why = names::dns_label(name);
            errors.extend(
                why.into_iter()
                    .map(|why| FieldError::invalid(format!("{field}.name"), name, why)),
            );
            if seen.contains(&name) {
                errors.push(FieldError::duplicate(format!("{field}.name"), name));
            }
            seen.push(name);
        }
    }
    if text(container, &["image"]).is_none_or(str::is_empty) {
        errors.push(FieldError::required(format!("{field}.image"), ""));
    }
    if let Some(found) = text(container, &["imagePullPolicy"])
        && !["Always", "IfNotPresent", "Never"].contains(&found)
    {
        let known = ["Always", "IfNotPresent", "Never"];
        errors.push(FieldError::not_supported(
            format!("{field}.imagePullPolicy"),
            found,
            &known,
        ));
    }
    requests_fit(container, field, errors);
    for (number, mount) in list(container, &["volumeMounts"]).iter().enumerate() {
        let mounted = text(mount, &["name"]).unwrap_or_default();
        if !volumes.contains(&mounted) {
            errors.push(FieldError {
                field: format!("{field}.volumeMounts[{number}].name"),
                kind: crate::status::FieldErrorKind::NotFound,
                value: Some(mounted.into()),
                detail: String::new(),
            });
        }
        if text(mount, &["mountPath"]).is_none_or(str::is_empty) {
            errors.push(FieldError::required(
                format!("{field}.volumeMounts[{number}].mountPath"),
                "",
            ));
        }
    }
    for (number, port) in list(container, &["ports"]).iter().enumerate() {
        match int(port, &["containerPort"]) {
            None => errors.push(FieldError::required(
                format!("{field}.ports[{number}].containerPort"),
                "",
            )),
            Some(found) if !(1..=65_535).contains(&found) => errors.push(FieldError::invalid(
                format!("{field}.ports[{number}].containerPort"),
                found,
                "must be between 1 and 65535, inclusive",
            )),
            Some(_) => {}
        }
    }
    for (number, variable) in list(container, &["env"]).iter().enumerate() {
        if text(variable, &["name"]).is_none_or(str::is_empty) {
            errors.push(FieldError::required(format!("{field}.env[{number}].name"), ""));
        }
    }
}

/// What may change in a running pod: images, deadline, more tolerations, gates, a shorter grace period.
pub(super) fn validate_update(subresource: &str, old: &Value, new: &Value) -> Vec<FieldError> {
    if matches!(subresource, "resize" | "ephemeralcontainers") {
        return Vec::new();
    }
    let strip = |pod: &Value| {
        let mut spec = at(pod, &["spec"]).cloned().unwrap_or_default();
        for group in ["containers", "initContainers"] {
            for container in list_mut(&mut spec, &[group]) {
                remove(container, &["image"]);
            }
        }
        for field in [
            "activeDeadlineSeconds",
            "tolerations",
            "schedulingGates",
            "terminationGracePeriodSeconds",
        ] {
            remove(&mut spec, &[field]);
        }
        spec
    };
    let mut errors = Vec::new();
    if strip(old) != strip(new) {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        errors.push(FieldError::forbidden("spec", detail));
    }
    let (before, after) = (list(old, &["spec", "tolerations"]), list(new, &["spec", "tolerations"]));
    if before.iter().any(|toleration| !after.contains(toleration)) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        let same_but_time = |a: &Value, b: &Value| {
            let (mut a, mut b) = (a.clone(), b.clone());
            remove(&mut a, &["tolerationSeconds"]);
            remove(&mut b, &["tolerationSeconds"]);
            a == b
        };
        if before
            .iter()
            .any(|old| !after.iter().any(|new| same_but_time(old, new)))
        {
            errors.push(FieldError::forbidden("spec.tolerations", detail));
        }
    }
    errors
}

/// Pods need their ServiceAccount and get the number of their priority class.
pub(super) fn admit(core: &Core, state: &State, pod: &mut Value) -> Result<(), ApiError> {
    let (name, namespace) = (value::name(pod).to_owned(), value::namespace(pod).to_owned());
    let is_mirror = at(pod, &["metadata", "annotations", "kubernetes.io/config.mirror"]).is_some();
    if core.config.service_accounts && !is_mirror {
        default(pod, &["spec", "serviceAccountName"], "default");
        let account = text(pod, &["spec", "serviceAccountName"])
            .unwrap_or("default")
            .to_owned();
        set(pod, &["spec", "serviceAccount"], account.as_str());
        let id = GroupResource::new("", "serviceaccounts");
        if state.get(&id, &Key::new(&namespace, &account)).is_none() && namespace_is_there(state, &namespace) {
            let why = format!(
                "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
            );
            return Err(ApiError::forbidden("", "pods", &name, &why));
        }
    }
    default_tolerations(pod);
    default(pod, &["spec", "preemptionPolicy"], "PreemptLowerPriority");
    admit_priority(state, pod, &name)
}

fn namespace_is_there(state: &State, namespace: &str) -> bool {
    cluster_object(state, "", "namespaces", namespace).is_some_and(|namespace| !namespace.deleting)
}

fn admit_priority(state: &State, pod: &mut Value, name: &str) -> Result<(), ApiError> {
    let class = text(pod, &["spec", "priorityClassName"]).unwrap_or_default().to_owned();
    let classes = GroupResource::new("scheduling.k8s.io", "priorityclasses");
    let found = if class.is_empty() {
        let all = state.collection(&classes).map(|collection| collection.objects.values());
        all.into_iter()
            .flatten()
            .map(|object| object.value())
            .find(|class| flag(class, &["globalDefault"]))
    } else {
        cluster_object(state, "scheduling.k8s.io", "priorityclasses", &class).map(|object| object.value())
    };
    match (&found, class.as_str()) {
        (Some(found), _) => {
            let number = int(found, &["value"]).unwrap_or(0);
            set(pod, &["spec", "priority"], number);
            if class.is_empty() {
                set(pod, &["spec", "priorityClassName"], value::name(found));
            }
            if let Some(policy) = text(found, &["preemptionPolicy"]) {
                set(pod, &["spec", "preemptionPolicy"], policy);
            }
        }
        (None, "") => default(pod, &["spec", "priority"], 0),
        (None, missing) => {
            let why = format!("no PriorityClass with name {missing} was found");
            return Err(ApiError::forbidden("", "pods", name, &why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_policies_follow_the_tag() {
        for (image, expected) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("reg:5000/nginx", "Always"),
            ("reg:5000/nginx:1.2", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), expected, "{image}");
        }
    }

    #[test]
    fn quality_follows_requests_and_limits() {
        let pod = |resources: Value| json!({"spec": {"containers": [{"resources": resources}]}});
        assert_eq!(quality(&pod(json!({}))), "BestEffort");
        assert_eq!(quality(&pod(json!({"requests": {"cpu": "1"}}))), "Burstable");
        assert_eq!(
            quality(&pod(json!({"limits": {"cpu": "1", "memory": "1Gi"}}))),
            "Guaranteed"
        );
    }
}
