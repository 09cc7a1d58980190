//! `cluster-update`.

use clap::{Args, Subcommand};

/// Block and unblock updates of the cluster that one works with
///
/// The habits of zkubectl. The cluster is the one of the current context of the kubeconfig, found in the registry by the URL of
/// its API server, or the one that --cluster names. "block" and "unblock" are commands of their own with more flags.
#[derive(Debug, Args)]
pub struct ClusterUpdateArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ClusterUpdateCommand,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum ClusterUpdateCommand {
    /// Refuse updates, with the reason; asks before it replaces a block
    #[command(after_help = "Examples:
  fleetwright cluster-update block canary broken
  fleetwright cluster-update block --cluster kube-1 --reason 'canary broken' --yes")]
    Block(ClusterUpdateBlockArgs),
    /// Allow updates again
    #[command(after_help = "Examples:
  fleetwright cluster-update unblock")]
    Unblock(ClusterUpdateUnblockArgs),
    /// Say whether the cluster is blocked, being updated or up to date
    #[command(after_help = "Examples:
  fleetwright cluster-update status")]
    Status(ClusterUpdateStatusArgs),
}

/// Which cluster to block, and why.
#[derive(Debug, Args)]
pub struct ClusterUpdateBlockArgs {
    /// Why; asked for when absent
    #[arg(value_name = "REASON")]
    pub words: Vec<String>,

    /// Why, as a flag
    #[arg(long, value_name = "TEXT", conflicts_with = "words")]
    pub reason: Option<String>,

    /// Cluster by id or alias, instead of the one of the kubeconfig
    #[arg(short = 'c', long, value_name = "CLUSTER")]
    pub cluster: Option<String>,

    /// Do not ask
    #[arg(short = 'y', long)]
    pub yes: bool,
}

/// Which cluster to unblock.
#[derive(Debug, Args)]
pub struct ClusterUpdateUnblockArgs {
    /// Cluster by id or alias, instead of the one of the kubeconfig
    #[arg(short = 'c', long, value_name = "CLUSTER")]
    pub cluster: Option<String>,

    /// Do not ask
    #[arg(short = 'y', long)]
    pub yes: bool,
}

/// Which cluster to tell about.
#[derive(Debug, Args)]
pub struct ClusterUpdateStatusArgs {
    /// Cluster by id or alias, instead of the one of the kubeconfig
    #[arg(short = 'c', long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
}
