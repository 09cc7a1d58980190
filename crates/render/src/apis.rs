//! Kinds and API versions of Kubernetes that the lint knows.

/// A version of Kubernetes, such as 1.31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubernetesVersion {
    /// 1.
    pub major: u32,
    /// The minor version.
    pub minor: u32,
}

impl std::str::FromStr for KubernetesVersion {
    type Err = String;

    /// `1.31`, `v1.31` or `v1.31.2`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.trim_start_matches('v').split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { major, minor }),
            _ => Err(format!("{text:?} is not a Kubernetes version such as 1.31")),
        }
    }
}

impl std::fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An API version on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetiredApi {
    /// Kind; `*` means all of the API version.
    pub kind: &'static str,
    /// Minor version of Kubernetes 1 that deprecates it.
    pub deprecated: u32,
    /// Minor version of Kubernetes 1 that no longer serves it.
    pub removed: u32,
    /// What to use instead.
    pub replacement: &'static str,
    api_version: &'static str,
}

const fn api(
    api_version: &'static str,
    kind: &'static str,
    deprecated: u32,
    removed: u32,
    replacement: &'static str,
) -> RetiredApi {
    RetiredApi {
        kind,
        deprecated,
        removed,
        replacement,
        api_version,
    }
}

/// From Kubernetes' deprecated API migration guide.
const RETIRED: [RetiredApi; 40] = [
    api("extensions/v1beta1", "Deployment", 9, 16, "apps/v1"),
    api("extensions/v1beta1", "DaemonSet", 9, 16, "apps/v1"),
    api("extensions/v1beta1", "ReplicaSet", 9, 16, "apps/v1"),
    api("extensions/v1beta1", "NetworkPolicy", 9, 16, "networking.k8s.io/v1"),
    api("extensions/v1beta1", "PodSecurityPolicy", 11, 16, "policy/v1beta1"),
    api("extensions/v1beta1", "Ingress", 14, 22, "networking.k8s.io/v1"),
    api("apps/v1beta1", "*", 9, 16, "apps/v1"),
    api("apps/v1beta2", "*", 9, 16, "apps/v1"),
    api("networking.k8s.io/v1beta1", "*", 19, 22, "networking.k8s.io/v1"),
    api(
        "rbac.authorization.k8s.io/v1beta1",
        "*",
        17,
        22,
        "rbac.authorization.k8s.io/v1",
    ),
    api(
        "rbac.authorization.k8s.io/v1alpha1",
        "*",
        17,
        22,
        "rbac.authorization.k8s.io/v1",
    ),
    api(
        "admissionregistration.k8s.io/v1beta1",
        "MutatingWebhookConfiguration",
        16,
        22,
        "admissionregistration.k8s.io/v1",
    ),
    api(
        "admissionregistration.k8s.io/v1beta1",
        "ValidatingWebhookConfiguration",
        16,
        22,
        "admissionregistration.k8s.io/v1",
    ),
    api("apiextensions.k8s.io/v1beta1", "*", 16, 22, "apiextensions.k8s.io/v1"),
    api(
        "apiregistration.k8s.io/v1beta1",
        "*",
        19,
        22,
        "apiregistration.k8s.io/v1",
    ),
    api(
        "authentication.k8s.io/v1beta1",
        "TokenReview",
        19,
        22,
        "authentication.k8s.io/v1",
    ),
    api("authorization.k8s.io/v1beta1", "*", 19, 22, "authorization.k8s.io/v1"),
    api(
        "certificates.k8s.io/v1beta1",
        "CertificateSigningRequest",
        19,
        22,
        "certificates.k8s.io/v1",
    ),
    api("coordination.k8s.io/v1beta1", "Lease", 19, 22, "coordination.k8s.io/v1"),
    api(
        "scheduling.k8s.io/v1beta1",
        "PriorityClass",
        14,
        22,
        "scheduling.k8s.io/v1",
    ),
    api("storage.k8s.io/v1beta1", "CSIDriver", 19, 22, "storage.k8s.io/v1"),
    api("storage.k8s.io/v1beta1", "CSINode", 17, 22, "storage.k8s.io/v1"),
    api("storage.k8s.io/v1beta1", "StorageClass", 19, 22, "storage.k8s.io/v1"),
    api(
        "storage.k8s.io/v1beta1",
        "VolumeAttachment",
        19,
        22,
        "storage.k8s.io/v1",
    ),
    api("batch/v2alpha1", "CronJob", 8, 21, "batch/v1"),
    api("batch/v1beta1", "CronJob", 21, 25, "batch/v1"),
    api(
        "discovery.k8s.io/v1beta1",
        "EndpointSlice",
        21,
        25,
        "discovery.k8s.io/v1",
    ),
    api("events.k8s.io/v1beta1", "Event", 19, 25, "events.k8s.io/v1"),
    api(
        "autoscaling/v2beta1",
        "HorizontalPodAutoscaler",
        22,
        25,
        "autoscaling/v2",
    ),
    api(
        "autoscaling/v2beta2",
        "HorizontalPodAutoscaler",
        23,
        26,
        "autoscaling/v2",
    ),
    api("policy/v1beta1", "PodDisruptionBudget", 21, 25, "policy/v1"),
    api("policy/v1beta1", "PodSecurityPolicy", 21, 25, "Pod Security admission"),
    api("node.k8s.io/v1beta1", "RuntimeClass", 22, 25, "node.k8s.io/v1"),
    api(
        "storage.k8s.io/v1beta1",
        "CSIStorageCapacity",
        24,
        27,
        "storage.k8s.io/v1",
    ),
    api(
        "flowcontrol.apiserver.k8s.io/v1beta1",
        "*",
        23,
        26,
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    api(
        "flowcontrol.apiserver.k8s.io/v1beta2",
        "*",
        26,
        29,
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    api(
        "flowcontrol.apiserver.k8s.io/v1beta3",
        "*",
        29,
        32,
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    api(
        "admissionregistration.k8s.io/v1beta1",
        "ValidatingAdmissionPolicy",
        30,
        34,
        "admissionregistration.k8s.io/v1",
    ),
    api(
        "admissionregistration.k8s.io/v1beta1",
        "ValidatingAdmissionPolicyBinding",
        30,
        34,
        "admissionregistration.k8s.io/v1",
    ),
    api(
        "v1",
        "ComponentStatus",
        19,
        99,
        "the health endpoints of each component",
    ),
];

/// The table's entry for an object, if there is one.
#[must_use]
pub fn retired(api_version: &str, kind: &str) -> Option<RetiredApi> {
    RETIRED
        .into_iter()
        .find(|api| api.api_version == api_version && (api.kind == "*" || api.kind == kind))
}

/// Built-in kinds that live in a namespace, by API group.
const NAMESPACED: [(&str, &[&str]); 9] = [
    (
        "",
        &[
            "Pod",
            "Service",
            "ConfigMap",
            "Secret",
            "ServiceAccount",
            "Endpoints",
            "LimitRange",
            "ResourceQuota",
            "PersistentVolumeClaim",
            "ReplicationController",
            "PodTemplate",
        ],
    ),
    (
        "apps",
        &[
            "Deployment",
            "DaemonSet",
            "StatefulSet",
            "ReplicaSet",
            "ControllerRevision",
        ],
    ),
    ("batch", &["Job", "CronJob"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("policy", &["PodDisruptionBudget"]),
    ("networking.k8s.io", &["Ingress", "NetworkPolicy"]),
    ("rbac.authorization.k8s.io", &["Role", "RoleBinding"]),
    ("coordination.k8s.io", &["Lease"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
];

/// Whether a built-in kind needs a namespace; `false` for kinds that are not built in.
#[must_use]
pub fn is_namespaced(api_version: &str, kind: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    NAMESPACED
        .iter()
        .any(|(known, kinds)| *known == group && kinds.contains(&kind))
}
