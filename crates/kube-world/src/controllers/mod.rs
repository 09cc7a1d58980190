//! The controllers of kube-controller-manager, a folder each.
//!
//! A controller is a pure planner ([`crate::Controller`]): `mod.rs` of its folder says whom a write concerns and gathers
//! what the planner looks at, `plan.rs` is the planner on those inputs, and the files beside it are its arithmetic. The
//! order of a plan is the order in which it is done; names, reasons and texts are those of a real cluster, so that
//! `kubectl describe` and `kubectl rollout status` read the same.
//!
//! Real controllers guard against caches that lag behind their own writes (expectations, slow starts, resyncs). Here a
//! plan always sees the results of the plans before it, so none of that is needed; and nothing polls: a planner that
//! waits for time names the moment.

mod autoscaler;
mod budget;
mod cronjob;
mod daemonset;
mod deployment;
mod endpoints;
mod job;
mod quota;
mod replicaset;
mod root_ca;
mod statefulset;
mod support;
#[cfg(test)]
mod tests;
mod volumes;

pub use autoscaler::{METRICS_CONFIG_MAP, Metrics};

use crate::engine::Controller;

/// All controllers of a cluster, in the order in which they look at a write.
#[must_use]
pub fn all() -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(deployment::Deployments),
        Box::new(replicaset::ReplicaSets::new()),
        Box::new(replicaset::ReplicaSets::replication_controllers()),
        Box::new(daemonset::DaemonSets),
        Box::new(job::Jobs),
        Box::new(cronjob::CronJobs::default()),
        Box::new(budget::Budgets),
        Box::new(autoscaler::Autoscalers),
        Box::new(statefulset::StatefulSets),
        Box::new(endpoints::EndpointSlices),
        Box::new(volumes::Volumes),
        Box::new(root_ca::RootCertificates),
        Box::new(quota::ResourceQuotas),
    ]
}
