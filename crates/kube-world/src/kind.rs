//! Names: the kinds that the world knows, and keys of objects.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use json_tree::Value;
use kube_sim::Place;

use crate::path::Path as _;

/// The names of a kind of object.
#[derive(Debug, PartialEq, Eq)]
pub struct KindNames {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The plural name.
    pub resource: &'static str,
    /// The version the world speaks.
    pub version: &'static str,
    /// The kind as `kind:` says it.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// A kind of object. Its names are its fields, through [`KindNames`].
///
/// Every write is compared with the kinds that each controller looks at, and keys are compared all the time: so a kind is a small
/// number, and only its order goes by its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(Which);

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The rank of each kind in the order of its group and plural name, worked out when the program is compiled: kinds are compared
/// in every look into a queue or an index.
const RANKS: [u8; Kind::ALL.len()] = {
    let mut ranks = [0; Kind::ALL.len()];
    let mut one = 0;
    while one < ranks.len() {
        let mut other = 0;
        while other < ranks.len() {
            if is_before(Kind::ALL[other].names(), Kind::ALL[one].names()) {
                ranks[one] += 1;
            }
            other += 1;
        }
        one += 1;
    }
    ranks
};

/// Whether a kind comes before another one by its group and plural name.
const fn is_before(one: &KindNames, two: &KindNames) -> bool {
    let (groups, resources) = (
        (one.group.as_bytes(), two.group.as_bytes()),
        (one.resource.as_bytes(), two.resource.as_bytes()),
    );
    is_less(groups.0, groups.1) || (!is_less(groups.1, groups.0) && is_less(resources.0, resources.1))
}

/// Whether a text comes before another one by its bytes.
const fn is_less(one: &[u8], two: &[u8]) -> bool {
    let mut place = 0;
    while place < one.len() && place < two.len() {
        if one[place] != two[place] {
            return one[place] < two[place];
        }
        place += 1;
    }
    one.len() < two.len()
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! kinds {
    ($($constant:ident = $group:literal, $version:literal, $resource:literal, $kind:ident, $namespaced:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        enum Which {
            $($kind),*
        }

        impl Kind {
            $(
                #[doc = concat!("The kind `", stringify!($kind), "`.")]
                pub const $constant: Self = Self(Which::$kind);
            )*
            const ALL: &'static [Self] = &[$(Self::$constant),*];

            const fn names(self) -> &'static KindNames {
                match self.0 {
                    $(
                        Which::$kind => &KindNames {
                            group: $group, resource: $resource, version: $version, kind: stringify!($kind), namespaced: $namespaced,
                        },
                    )*
                }
            }
        }

        impl Deref for Kind {
            type Target = KindNames;

            fn deref(&self) -> &KindNames {
                self.names()
            }
        }
    };
}

kinds! {
    POD = "", "v1", "pods", Pod, true;
    NODE = "", "v1", "nodes", Node, false;
    EVENT = "", "v1", "events", Event, true;
    LEASE = "coordination.k8s.io", "v1", "leases", Lease, true;
    NAMESPACE = "", "v1", "namespaces", Namespace, false;
    SERVICE = "", "v1", "services", Service, true;
    ENDPOINTS = "", "v1", "endpoints", Endpoints, true;
    SERVICE_ACCOUNT = "", "v1", "serviceaccounts", ServiceAccount, true;
    CONFIG_MAP = "", "v1", "configmaps", ConfigMap, true;
    SECRET = "", "v1", "secrets", Secret, true;
    PERSISTENT_VOLUME_CLAIM = "", "v1", "persistentvolumeclaims", PersistentVolumeClaim, true;
    PERSISTENT_VOLUME = "", "v1", "persistentvolumes", PersistentVolume, false;
    REPLICATION_CONTROLLER = "", "v1", "replicationcontrollers", ReplicationController, true;
    RESOURCE_QUOTA = "", "v1", "resourcequotas", ResourceQuota, true;
    DEPLOYMENT = "apps", "v1", "deployments", Deployment, true;
    REPLICA_SET = "apps", "v1", "replicasets", ReplicaSet, true;
    STATEFUL_SET = "apps", "v1", "statefulsets", StatefulSet, true;
    DAEMON_SET = "apps", "v1", "daemonsets", DaemonSet, true;
    CONTROLLER_REVISION = "apps", "v1", "controllerrevisions", ControllerRevision, true;
    JOB = "batch", "v1", "jobs", Job, true;
    CRON_JOB = "batch", "v1", "cronjobs", CronJob, true;
    ENDPOINT_SLICE = "discovery.k8s.io", "v1", "endpointslices", EndpointSlice, true;
    POD_DISRUPTION_BUDGET = "policy", "v1", "poddisruptionbudgets", PodDisruptionBudget, true;
    HORIZONTAL_POD_AUTOSCALER = "autoscaling", "v2", "horizontalpodautoscalers", HorizontalPodAutoscaler, true;
    STORAGE_CLASS = "storage.k8s.io", "v1", "storageclasses", StorageClass, false;
    CSI_NODE = "storage.k8s.io", "v1", "csinodes", CSINode, false;
    VOLUME_ATTACHMENT = "storage.k8s.io", "v1", "volumeattachments", VolumeAttachment, false;
    PRIORITY_CLASS = "scheduling.k8s.io", "v1", "priorityclasses", PriorityClass, false;
    INGRESS = "networking.k8s.io", "v1", "ingresses", Ingress, true;
}

impl Kind {
    fn rank(self) -> u8 {
        RANKS.get(self.0 as usize).copied().unwrap_or(u8::MAX)
    }

    /// All kinds that the world knows: pods and nodes first.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied()
    }

    /// The kind of a collection; none for kinds that nothing in the world looks at.
    #[must_use]
    pub fn of(group: &str, resource: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        // Plural names differ more than groups do.
        all.find(|kind| kind.resource == resource && kind.group == group)
            .copied()
    }

    /// The kind that an owner or scale target names.
    #[must_use]
    pub fn named(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let mut all = Self::ALL.iter();
        all.find(|known| known.group == group && known.kind == kind).copied()
    }

    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Where the objects of a namespace are.
    #[must_use]
    pub fn in_namespace<'a>(&self, namespace: &'a str) -> Place<'a>
    where
        'static: 'a,
    {
        Place {
            group: self.group,
            version: self.version,
            resource: self.resource,
            namespace: if self.namespaced { namespace } else { "" },
        }
    }
}

/// Names an object, and with it what a controller has to look at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// Names an object.
    #[must_use]
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key of an object of a known kind, read from its tree.
    #[must_use]
    pub fn of(kind: Kind, object: &Value) -> Self {
        let text = |field: &str| object.path(field).and_then(Value::as_str).unwrap_or_default();
        Self::new(kind, text("/metadata/namespace"), text("/metadata/name"))
    }

    /// Where the object is.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        self.kind.in_namespace(&self.namespace)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.kind.resource, self.name)
        } else {
            write!(f, "{}/{}/{}", self.kind.resource, self.namespace, self.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_their_names_and_ordered_by_them() {
        for kind in Kind::all() {
            assert_eq!(Kind::of(kind.group, kind.resource), Some(kind));
            assert_eq!(Kind::named(&kind.api_version(), kind.kind), Some(kind));
        }
        let mut kinds: Vec<Kind> = Kind::all().collect();
        kinds.sort();
        let names: Vec<_> = kinds.iter().map(|kind| (kind.group, kind.resource)).collect();
        assert!(names.is_sorted() && !names.windows(2).any(|pair| pair[0] == pair[1]));
    }
}
