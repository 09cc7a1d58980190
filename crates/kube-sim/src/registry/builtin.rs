//! The table of built-in resources, shared by all servers of a process.

use std::sync::{Arc, LazyLock, OnceLock};

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::{GroupResource, Resource, Subresource, Version, api_version, fields};

/// One line of the table.
struct Row {
    group: &'static str,
    /// In order of preference; the last one marked by [`Row::storage`] is what is kept.
    versions: &'static [&'static str],
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
    categories: &'static [&'static str],
    subresources: &'static [&'static str],
}

const NS: bool = true;
const CLUSTER: bool = false;
const STATUS: &[&str] = &["status"];
const SCALED: &[&str] = &["scale", "status"];
const ALL: &[&str] = &["all"];
const NONE: &[&str] = &[];

#[expect(clippy::too_many_arguments, reason = "a line of a table, read by column")]
const fn row(
    group: &'static str,
    versions: &'static [&'static str],
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
    categories: &'static [&'static str],
    subresources: &'static [&'static str],
) -> Row {
    Row {
        group,
        versions,
        kind,
        plural,
        short,
        namespaced,
        categories,
        subresources,
    }
}

const V1: &[&str] = &["v1"];
const POD_SUBRESOURCES: &[&str] = &["binding", "ephemeralcontainers", "eviction", "log", "resize", "status"];
const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const FLOWCONTROL: &str = "flowcontrol.apiserver.k8s.io";

const TABLE: &[Row] = &[
    row("", V1, "ConfigMap", "configmaps", &["cm"], NS, NONE, NONE),
    row("", V1, "Endpoints", "endpoints", &["ep"], NS, NONE, NONE),
    row("", V1, "Event", "events", &["ev"], NS, NONE, NONE),
    row("", V1, "LimitRange", "limitranges", &["limits"], NS, NONE, NONE),
    row(
        "",
        V1,
        "Namespace",
        "namespaces",
        &["ns"],
        CLUSTER,
        NONE,
        &["finalize", "status"],
    ),
    row("", V1, "Node", "nodes", &["no"], CLUSTER, NONE, STATUS),
    row(
        "",
        V1,
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        &["pvc"],
        NS,
        NONE,
        STATUS,
    ),
    row(
        "",
        V1,
        "PersistentVolume",
        "persistentvolumes",
        &["pv"],
        CLUSTER,
        NONE,
        STATUS,
    ),
    row("", V1, "Pod", "pods", &["po"], NS, ALL, POD_SUBRESOURCES),
    row("", V1, "PodTemplate", "podtemplates", NONE, NS, NONE, NONE),
    row(
        "",
        V1,
        "ReplicationController",
        "replicationcontrollers",
        &["rc"],
        NS,
        ALL,
        SCALED,
    ),
    row("", V1, "ResourceQuota", "resourcequotas", &["quota"], NS, NONE, STATUS),
    row("", V1, "Secret", "secrets", NONE, NS, NONE, NONE),
    row(
        "",
        V1,
        "ServiceAccount",
        "serviceaccounts",
        &["sa"],
        NS,
        NONE,
        &["token"],
    ),
    row("", V1, "Service", "services", &["svc"], NS, ALL, STATUS),
    row(
        ADMISSION,
        V1,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        NONE,
        CLUSTER,
        &["api-extensions"],
        NONE,
    ),
    row(
        ADMISSION,
        V1,
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        NONE,
        CLUSTER,
        &["api-extensions"],
        STATUS,
    ),
    row(
        ADMISSION,
        V1,
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        NONE,
        CLUSTER,
        &["api-extensions"],
        NONE,
    ),
    row(
        ADMISSION,
        V1,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        NONE,
        CLUSTER,
        &["api-extensions"],
        NONE,
    ),
    row(
        "apiextensions.k8s.io",
        V1,
        "CustomResourceDefinition",
        "customresourcedefinitions",
        &["crd", "crds"],
        CLUSTER,
        &["api-extensions"],
        STATUS,
    ),
    row(
        "apiregistration.k8s.io",
        V1,
        "APIService",
        "apiservices",
        NONE,
        CLUSTER,
        &["api-extensions"],
        STATUS,
    ),
    row(
        "apps",
        V1,
        "ControllerRevision",
        "controllerrevisions",
        NONE,
        NS,
        NONE,
        NONE,
    ),
    row("apps", V1, "DaemonSet", "daemonsets", &["ds"], NS, ALL, STATUS),
    row("apps", V1, "Deployment", "deployments", &["deploy"], NS, ALL, SCALED),
    row("apps", V1, "ReplicaSet", "replicasets", &["rs"], NS, ALL, SCALED),
    row("apps", V1, "StatefulSet", "statefulsets", &["sts"], NS, ALL, SCALED),
    row(
        "autoscaling",
        &["v2", "v1"],
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        &["hpa"],
        NS,
        ALL,
        STATUS,
    ),
    row("batch", V1, "CronJob", "cronjobs", &["cj"], NS, ALL, STATUS),
    row("batch", V1, "Job", "jobs", NONE, NS, ALL, STATUS),
    row(
        "certificates.k8s.io",
        V1,
        "CertificateSigningRequest",
        "certificatesigningrequests",
        &["csr"],
        CLUSTER,
        NONE,
        &["approval", "status"],
    ),
    row("coordination.k8s.io", V1, "Lease", "leases", NONE, NS, NONE, NONE),
    row(
        "discovery.k8s.io",
        V1,
        "EndpointSlice",
        "endpointslices",
        NONE,
        NS,
        NONE,
        NONE,
    ),
    row("events.k8s.io", V1, "Event", "events", &["ev"], NS, NONE, NONE),
    row(
        FLOWCONTROL,
        V1,
        "FlowSchema",
        "flowschemas",
        NONE,
        CLUSTER,
        NONE,
        STATUS,
    ),
    row(
        FLOWCONTROL,
        V1,
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        NONE,
        CLUSTER,
        NONE,
        STATUS,
    ),
    row(
        NETWORKING,
        V1,
        "IngressClass",
        "ingressclasses",
        NONE,
        CLUSTER,
        NONE,
        NONE,
    ),
    row(NETWORKING, V1, "Ingress", "ingresses", &["ing"], NS, NONE, STATUS),
    row(
        NETWORKING,
        V1,
        "NetworkPolicy",
        "networkpolicies",
        &["netpol"],
        NS,
        NONE,
        NONE,
    ),
    row(
        "node.k8s.io",
        V1,
        "RuntimeClass",
        "runtimeclasses",
        NONE,
        CLUSTER,
        NONE,
        NONE,
    ),
    row(
        "policy",
        V1,
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        &["pdb"],
        NS,
        NONE,
        STATUS,
    ),
    row(
        RBAC,
        V1,
        "ClusterRoleBinding",
        "clusterrolebindings",
        NONE,
        CLUSTER,
        NONE,
        NONE,
    ),
    row(RBAC, V1, "ClusterRole", "clusterroles", NONE, CLUSTER, NONE, NONE),
    row(RBAC, V1, "RoleBinding", "rolebindings", NONE, NS, NONE, NONE),
    row(RBAC, V1, "Role", "roles", NONE, NS, NONE, NONE),
    row(
        "scheduling.k8s.io",
        V1,
        "PriorityClass",
        "priorityclasses",
        &["pc"],
        CLUSTER,
        NONE,
        NONE,
    ),
    row(STORAGE, V1, "CSIDriver", "csidrivers", NONE, CLUSTER, NONE, NONE),
    row(STORAGE, V1, "CSINode", "csinodes", NONE, CLUSTER, NONE, NONE),
    row(
        STORAGE,
        V1,
        "CSIStorageCapacity",
        "csistoragecapacities",
        NONE,
        NS,
        NONE,
        NONE,
    ),
    row(
        STORAGE,
        V1,
        "StorageClass",
        "storageclasses",
        &["sc"],
        CLUSTER,
        NONE,
        NONE,
    ),
    row(
        STORAGE,
        V1,
        "VolumeAttachment",
        "volumeattachments",
        NONE,
        CLUSTER,
        NONE,
        STATUS,
    ),
];

/// Answered and not stored.
const VIRTUAL: &[Row] = &[
    row("", V1, "Binding", "bindings", NONE, NS, NONE, NONE),
    row(
        "authentication.k8s.io",
        V1,
        "SelfSubjectReview",
        "selfsubjectreviews",
        NONE,
        CLUSTER,
        NONE,
        NONE,
    ),
    row(
        "authentication.k8s.io",
        V1,
        "TokenReview",
        "tokenreviews",
        NONE,
        CLUSTER,
        NONE,
        NONE,
    ),
    row(
        "authorization.k8s.io",
        V1,
        "LocalSubjectAccessReview",
        "localsubjectaccessreviews",
        NONE,
        NS,
        NONE,
        NONE,
    ),
    row(
        "authorization.k8s.io",
        V1,
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        NONE,
        CLUSTER,
        NONE,
        NONE,
    ),
    row(
        "authorization.k8s.io",
        V1,
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        NONE,
        CLUSTER,
        NONE,
        NONE,
    ),
    row(
        "authorization.k8s.io",
        V1,
        "SubjectAccessReview",
        "subjectaccessreviews",
        NONE,
        CLUSTER,
        NONE,
        NONE,
    ),
];

const READ_WRITE: &[&str] = &["get", "patch", "update"];
const CREATE: &[&str] = &["create"];

/// The kind that a subresource of a built-in resource speaks.
fn subresource(row: &Row, version: &'static str, name: &'static str) -> Subresource {
    let (group, version, kind, verbs) = match name {
        "scale" => ("autoscaling", "v1", "Scale", READ_WRITE),
        "eviction" => ("policy", "v1", "Eviction", CREATE),
        "binding" => ("", "v1", "Binding", CREATE),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest", CREATE),
        "finalize" => (row.group, version, row.kind, &["update"][..]),
        "log" => (row.group, version, row.kind, &["get"][..]),
        _ => (row.group, version, row.kind, READ_WRITE),
    };
    Subresource {
        name: name.into(),
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        verbs,
    }
}

fn resource(row: &Row, virtual_only: bool) -> Arc<Resource> {
    let id = GroupResource::new(row.group, row.plural);
    let is_new_event = row.group == "events.k8s.io";
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    let storage_version = row.versions.first().copied().unwrap_or_default();
    Arc::new(Resource {
        stored_as: if is_new_event {
            GroupResource::new("", "events")
        } else {
            id.clone()
        },
        id,
        kind: row.kind.to_owned(),
        list_kind: format!("{}List", row.kind),
        singular: row.kind.to_ascii_lowercase(),
        short_names: texts(row.short),
        categories: texts(row.categories),
        namespaced: row.namespaced,
        versions: row
            .versions
            .iter()
            .map(|&version| Version {
                name: version.to_owned(),
                served: true,
                subresources: row
                    .subresources
                    .iter()
                    .map(|&name| subresource(row, version, name))
                    .collect(),
                custom: None,
                schema: OnceLock::new(),
            })
            .collect(),
        storage: if is_new_event {
            "v1".to_owned()
        } else {
            api_version(row.group, storage_version)
        },
        fields: fields::of(row.group, row.plural),
        custom: false,
        virtual_only,
    })
}

static RESOURCES: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| {
    let mut all: Vec<_> = TABLE.iter().map(|row| resource(row, false)).collect();
    all.extend(VIRTUAL.iter().map(|row| resource(row, true)));
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
});

/// All built-in resources, by group and plural.
pub(crate) fn builtins() -> &'static [Arc<Resource>] {
    &RESOURCES
}

/// The built-in resources by group and plural: every write looks for its own.
static BY_NAME: LazyLock<HashMap<(&'static str, &'static str), &'static Arc<Resource>, FxBuildHasher>> =
    LazyLock::new(|| RESOURCES.iter().map(|resource| (resource.is(), resource)).collect());

/// Finds a built-in resource.
pub(crate) fn builtin(group: &str, plural: &str) -> Option<&'static Arc<Resource>> {
    BY_NAME.get(&(group, plural)).copied()
}

/// The place of a group in discovery, as the real server orders them.
pub(super) fn group_rank(group: &str) -> usize {
    const ORDER: &[&str] = &[
        "",
        "apiregistration.k8s.io",
        "apps",
        "events.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        NETWORKING,
        "policy",
        RBAC,
        STORAGE,
        ADMISSION,
        "apiextensions.k8s.io",
        "scheduling.k8s.io",
        "coordination.k8s.io",
        "node.k8s.io",
        "discovery.k8s.io",
        FLOWCONTROL,
    ];
    ORDER.iter().position(|known| *known == group).unwrap_or(ORDER.len())
}
