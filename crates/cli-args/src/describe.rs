//! `describe`.

use clap::{Args, Subcommand};

use crate::why::NodeArgs;

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
    /// Show an update: what it does, how far each step is, what it waits for
    ///
    /// Steps that are done are told in one line; those that fail or wait are told to the last. How long it may take still is told
    /// from earlier updates of the same cluster. With --watch it ends with 1 when the update was stopped.
    #[command(after_help = "Examples:
  # By id, as \"get updates\" shows it; the newest one of a cluster
  fleetwright describe update 018d5b6e-1f2a-7c3d-8e4f-5a6b7c8d9e0f
  fleetwright describe update kube-1

  # Until it is over
  fleetwright describe update kube-1 --watch")]
    Update(DescribeUpdateArgs),
    /// Show a channel: its commit, its clusters that are not there or not healthy, and every condition of its gate
    ///
    /// Written down by the lifecycle manager, which knows the configuration; the age of what is shown is told.
    #[command(
        visible_alias = "ch",
        after_help = "Examples:
  fleetwright describe channel beta"
    )]
    Channel(DescribeChannelArgs),
    /// Show the change that walks through a channel: its waves, what halts it and why, what each cluster waits for
    ///
    /// Decided anew from what the lifecycle manager wrote down, by the policy in force.
    #[command(after_help = "Examples:
  fleetwright describe wave beta")]
    Wave(DescribeWaveArgs),
    /// Show a node of a cluster: why it goes, what it waits for, when it is gone, and each pod with the decision on it
    ///
    /// Read from the cluster itself, by the contract that the registry's config items set.
    #[command(after_help = "Examples:
  # A node of the cluster whose context in the kubeconfig is kube-1
  fleetwright describe node ip-10-2-3-4 --cluster kube-1")]
    Node(NodeArgs),
}

/// Which cluster to describe.
#[derive(Debug, Args)]
pub struct DescribeClusterArgs {
    /// Ids or aliases
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Which channel to describe.
#[derive(Debug, Args)]
pub struct DescribeChannelArgs {
    /// Names of channels
    #[arg(value_name = "CHANNEL", required = true)]
    pub names: Vec<String>,
}

/// The change of which channel to describe.
#[derive(Debug, Args)]
pub struct DescribeWaveArgs {
    /// Names of channels
    #[arg(value_name = "CHANNEL", required = true)]
    pub names: Vec<String>,
}

/// Which update to describe.
#[derive(Debug, Args)]
pub struct DescribeUpdateArgs {
    /// Ids of updates, or clusters whose newest update is meant
    #[arg(value_name = "ID|CLUSTER", required = true)]
    pub names: Vec<String>,

    /// Go on until the update is over: drawn anew on a terminal, a line per event elsewhere
    #[arg(short, long)]
    pub watch: bool,
}
