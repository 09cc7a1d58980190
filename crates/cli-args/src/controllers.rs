//! `controllers`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::LogFormat;
use crate::why::PolicyName;

/// A controller that runs inside a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum ControllerName {
    /// Replaces nodes with the label lifecycle-status=decommission-pending under the disruption contract
    NodeLifecycle,
    /// Takes the start-up taint off nodes whose system pods are ready
    NodeReadiness,
    /// Turns termination notices on nodes (taints) into marks, in time for their pods
    NodeShutdown,
}

/// Run the small controllers of one cluster, inside it or beside it
///
/// Replicas elect a leader by a Lease; the others wait. Records of forced terminations are ConfigMaps with the label
/// ledger.fleetwright.dev/kind=forced-termination. Inside a cluster the service account is used; beside it give a kubeconfig.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # In a pod of the cluster
  fleetwright controllers --enable node-lifecycle,node-shutdown --cluster-id aws:123456789012:eu-central-1:kube-1 --policy production

  # From outside, with the time of the cluster's own flags
  fleetwright controllers --enable node-lifecycle --kubeconfig ~/.kube/config --kube-context kube-1 \\
    --cluster-id aws:123456789012:eu-central-1:kube-1 --policy test --drain-grace-period 1h")]
pub struct ControllersArgs {
    /// Controllers to run, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', required = true, value_name = "NAMES")]
    pub enable: Vec<ControllerName>,

    /// Id of the cluster, for records
    #[arg(long, value_name = "ID")]
    pub cluster_id: String,

    /// The published policy that holds where no flag says otherwise
    #[arg(long, value_enum, value_name = "ENVIRONMENT", default_value = "production")]
    pub policy: PolicyName,

    /// Kubeconfig of a cluster outside; without one the service account of the pod is used
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    pub kube_context: Option<String>,

    /// Namespace of Lease, records and system pods
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    pub namespace: String,

    /// Who this replica is; two must not be the same [default: HOSTNAME, else a name of its own]
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,

    /// Key of the start-up taint
    #[arg(long, value_name = "KEY", default_value = "zalando.org/node-not-ready")]
    pub startup_taint: String,

    /// Keep new pods off marked nodes altogether, instead of preferring other nodes
    #[arg(long)]
    pub no_schedule_taint: bool,

    /// Time from the start of a node's drain until forcing starts
    #[arg(long, value_name = "DURATION")]
    pub drain_grace_period: Option<String>,

    /// Minimum lifetime of a pod before it is terminated by force
    #[arg(long, value_name = "DURATION")]
    pub drain_min_pod_lifetime: Option<String>,

    /// Minimum lifetime of ready pods in the same budget
    #[arg(long, value_name = "DURATION")]
    pub drain_min_healthy_sibling_lifetime: Option<String>,

    /// Minimum lifetime of pods in the same budget that are not ready
    #[arg(long, value_name = "DURATION")]
    pub drain_min_unhealthy_sibling_lifetime: Option<String>,

    /// Interval between forced terminations on one node
    #[arg(long, value_name = "DURATION")]
    pub drain_force_evict_interval: Option<String>,

    /// URL that gets a POST with a JSON body before a pod is terminated by force, and after
    #[arg(long, value_name = "URL")]
    pub notify_url: Option<String>,

    /// What to log, such as "info" or "info,rollout=debug"
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,

    /// How log lines look
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub log_format: LogFormat,
}
