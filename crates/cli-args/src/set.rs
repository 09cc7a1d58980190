//! `set`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::ItemAssignment;
use crate::assignment::key_and_path;

/// Set config items
#[derive(Debug, Args)]
pub struct SetArgs {
    /// What to set.
    #[command(subcommand)]
    pub command: SetCommand,
}

/// What can be set.
#[derive(Debug, Subcommand)]
pub enum SetCommand {
    /// Set config items of a cluster or of one of its node pools
    ///
    /// Secrets do not belong on a command line, where other users of the machine and the shell's history see them: take
    /// them from a file or from standard input. One line break at the end of a file is not part of the value.
    #[command(
        visible_alias = "config-items",
        after_help = "Examples:
  # Two items of a cluster
  fleetwright set config-item kube-1 autoscaling_buffer_pods=3 coredns_log_svc_names=true

  # Block updates of a cluster, with the reason
  fleetwright set config-item kube-1 'cluster_update_block=canary broken (alice)'

  # Values from a file and from standard input
  fleetwright set config-item kube-1 --from-file worker_cert=worker.pem
  vault read -field=token db | fleetwright set config-item kube-1 db_token=-

  # An item of a node pool
  fleetwright set config-item kube-1 --node-pool worker taints=dedicated=gpu:NoSchedule"
    )]
    ConfigItem(SetConfigItemArgs),
}

/// Which items to set.
#[derive(Debug, Args)]
pub struct SetConfigItemArgs {
    /// Cluster, by id or alias
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,

    /// Keys and values; a value of - is read from standard input
    #[arg(value_name = "KEY=VALUE", required_unless_present = "from_file")]
    pub items: Vec<ItemAssignment>,

    /// Take the value from a file
    #[arg(long, value_name = "KEY=PATH", value_parser = key_and_path)]
    pub from_file: Vec<(String, PathBuf)>,

    /// Set the items of this node pool instead of the cluster's
    #[arg(short = 'p', long, value_name = "POOL")]
    pub node_pool: Option<String>,

    /// Write nothing, say what would be written
    #[arg(long)]
    pub dry_run: bool,
}
