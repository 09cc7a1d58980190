//! `unset`.

use clap::{Args, Subcommand};

/// Remove config items
#[derive(Debug, Args)]
pub struct UnsetArgs {
    /// What to remove.
    #[command(subcommand)]
    pub command: UnsetCommand,
}

/// What can be removed.
#[derive(Debug, Subcommand)]
pub enum UnsetCommand {
    /// Remove config items of a cluster or of one of its node pools
    ///
    /// A key that is not set is no error: it is reported as unchanged.
    #[command(
        visible_alias = "config-items",
        after_help = "Examples:
  # Allow updates again
  fleetwright unset config-item kube-1 cluster_update_block

  # Items of a node pool
  fleetwright unset config-item kube-1 --node-pool worker taints labels"
    )]
    ConfigItem(UnsetConfigItemArgs),
}

/// Which items to remove.
#[derive(Debug, Args)]
pub struct UnsetConfigItemArgs {
    /// Cluster, by id or alias
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,

    /// Keys
    #[arg(value_name = "KEY", required = true)]
    pub keys: Vec<String>,

    /// Remove the items of this node pool instead of the cluster's
    #[arg(short = 'p', long, value_name = "POOL")]
    pub node_pool: Option<String>,

    /// Write nothing, say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}
