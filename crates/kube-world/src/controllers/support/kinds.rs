//! The kinds of objects that controllers read and write.

/// A kind of the API: where it is found and what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
}

impl Kind {
    const fn new(group: &'static str, version: &'static str, plural: &'static str, kind: &'static str) -> Self {
        Self {
            group,
            version,
            plural,
            kind,
        }
    }

    /// `apiVersion` as objects carry it.
    pub(crate) fn api_version(self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

pub(crate) const POD: Kind = Kind::new("", "v1", "pods", "Pod");
pub(crate) const NODE: Kind = Kind::new("", "v1", "nodes", "Node");
pub(crate) const NAMESPACE: Kind = Kind::new("", "v1", "namespaces", "Namespace");
pub(crate) const SERVICE: Kind = Kind::new("", "v1", "services", "Service");
pub(crate) const ENDPOINTS: Kind = Kind::new("", "v1", "endpoints", "Endpoints");
pub(crate) const CONFIG_MAP: Kind = Kind::new("", "v1", "configmaps", "ConfigMap");
pub(crate) const CLAIM: Kind = Kind::new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
pub(crate) const VOLUME: Kind = Kind::new("", "v1", "persistentvolumes", "PersistentVolume");
pub(crate) const REPLICATION_CONTROLLER: Kind = Kind::new("", "v1", "replicationcontrollers", "ReplicationController");
pub(crate) const DEPLOYMENT: Kind = Kind::new("apps", "v1", "deployments", "Deployment");
pub(crate) const REPLICA_SET: Kind = Kind::new("apps", "v1", "replicasets", "ReplicaSet");
pub(crate) const STATEFUL_SET: Kind = Kind::new("apps", "v1", "statefulsets", "StatefulSet");
pub(crate) const DAEMON_SET: Kind = Kind::new("apps", "v1", "daemonsets", "DaemonSet");
pub(crate) const REVISION: Kind = Kind::new("apps", "v1", "controllerrevisions", "ControllerRevision");
pub(crate) const JOB: Kind = Kind::new("batch", "v1", "jobs", "Job");
pub(crate) const CRON_JOB: Kind = Kind::new("batch", "v1", "cronjobs", "CronJob");
pub(crate) const BUDGET: Kind = Kind::new("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget");
pub(crate) const AUTOSCALER: Kind = Kind::new(
    "autoscaling",
    "v2",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
);
pub(crate) const SLICE: Kind = Kind::new("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice");
pub(crate) const CLASS: Kind = Kind::new("storage.k8s.io", "v1", "storageclasses", "StorageClass");
