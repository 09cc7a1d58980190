//! Settings, named as the original's flags.

use jiff::SignedDuration;

/// How one of several groups that would help is chosen. Several in a row narrow the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expander {
    /// The highest priority of the group.
    Priority,
    /// The least idle CPU and memory afterwards.
    LeastWaste,
    /// The fewest new nodes.
    LeastNodes,
    /// The most pods helped.
    MostPods,
}

/// The settings of the autoscaler.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `--expander`, in order.
    pub expanders: Vec<Expander>,
    /// `--balance-similar-node-groups`.
    pub balance_similar: bool,
    /// `--max-nodes-total`; 0 is no bound.
    pub max_nodes_total: usize,
    /// `--max-node-provision-time`.
    pub max_provision_time: SignedDuration,
    /// `--expendable-pods-priority-cutoff`: pods below it neither grow the cluster nor keep a node.
    pub expendable_cutoff: i32,
    /// `--scale-down-utilization-threshold`: nodes used less than this share may go.
    pub utilization_threshold: f64,
    /// `--scale-down-unneeded-time`.
    pub unneeded_time: SignedDuration,
    /// `--scale-down-delay-after-add`.
    pub delay_after_add: SignedDuration,
    /// `--max-empty-bulk-delete`.
    pub max_empty_bulk: usize,
    /// `--skip-nodes-with-system-pods`.
    pub keep_system_pods: bool,
    /// `--skip-nodes-with-local-storage`.
    pub keep_local_storage: bool,
}

impl Default for Options {
    /// The original's defaults.
    fn default() -> Self {
        Self {
            expanders: vec![Expander::LeastWaste],
            balance_similar: false,
            max_nodes_total: 0,
            max_provision_time: SignedDuration::from_mins(15),
            expendable_cutoff: -10,
            utilization_threshold: 0.5,
            unneeded_time: SignedDuration::from_mins(10),
            delay_after_add: SignedDuration::from_mins(10),
            max_empty_bulk: 10,
            keep_system_pods: true,
            keep_local_storage: true,
        }
    }
}

impl Options {
    /// As kubernetes-on-aws configures it: eager to shrink, by the priority of pools, with pause pods as a buffer.
    #[must_use]
    pub fn kubernetes_on_aws() -> Self {
        Self {
            expanders: vec![Expander::Priority, Expander::LeastWaste],
            balance_similar: true,
            max_provision_time: SignedDuration::from_mins(7),
            expendable_cutoff: -1_000_000,
            utilization_threshold: 1.0,
            unneeded_time: SignedDuration::from_mins(2),
            delay_after_add: SignedDuration::from_secs(-1),
            keep_system_pods: false,
            keep_local_storage: false,
            ..Self::default()
        }
    }
}
