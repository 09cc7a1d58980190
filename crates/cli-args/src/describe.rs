//! `describe`.

use clap::{Args, Subcommand};

/// Show one object in detail
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// What to describe.
    #[command(subcommand)]
    pub command: DescribeCommand,
}

/// What can be described.
#[derive(Debug, Subcommand)]
pub enum DescribeCommand {
    /// Show a cluster: who it is, its versions, problems, config items, node pools and last changes
    ///
    /// Values of config items that may be secrets are masked; "get cluster NAME -o yaml" shows them.
    #[command(
        visible_alias = "cl",
        after_help = "Examples:
  # By alias, by id
  fleetwright describe cluster kube-1
  fleetwright describe cluster aws:123456789012:eu-central-1:kube-1"
    )]
    Cluster(DescribeClusterArgs),
}

/// Which cluster to describe.
#[derive(Debug, Args)]
pub struct DescribeClusterArgs {
    /// Ids or aliases
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}
