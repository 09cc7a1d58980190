//! `why`, and what names a cluster that is looked into.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Say why a node or a pod is still where it is
///
/// Looks into the cluster and asks the disruption contract: what holds the node or pod, since when, until when at most, and who
/// can lift it. Of a node that nobody selected it says what would happen if its drain began now.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// What to explain.
    #[command(subcommand)]
    pub command: WhyCommand,
}

/// What can be explained.
#[derive(Debug, Subcommand)]
pub enum WhyCommand {
    /// Say why a node is still there
    #[command(after_help = "Examples:
  fleetwright why node ip-10-2-3-4 --cluster kube-1")]
    Node(NodeArgs),
    /// Say why a pod is still on its node
    #[command(after_help = "Examples:
  fleetwright why pod cart-0 --cluster kube-1
  fleetwright why pod shop/cart-0 --cluster kube-1 -o json")]
    Pod(PodArgs),
}

/// Which node.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Name of the node
    #[arg(value_name = "NODE")]
    pub name: String,

    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Which pod.
#[derive(Debug, Args)]
pub struct PodArgs {
    /// Name of the pod, or NAMESPACE/NAME
    #[arg(value_name = "POD")]
    pub name: String,

    /// The cluster.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// A live cluster.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The cluster, by id or alias; the context of the kubeconfig has the same name unless --kube-context is given
    #[arg(short = 'c', long, value_name = "CLUSTER")]
    pub cluster: String,

    /// The kubeconfig [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub kube_context: Option<String>,

    /// Use the published policy of this environment instead of the registry's config items; no registry is asked then
    #[arg(long, value_enum, value_name = "ENVIRONMENT")]
    pub policy: Option<PolicyName>,

    /// Output format: text, json or yaml
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: WhyFormat,
}

/// A published policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyName {
    /// 72h, 6h, 5m, 1h, 6h
    Production,
    /// 8h, 2h, 5m, 1h, 1h
    Test,
}

/// How an explanation is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum WhyFormat {
    /// For people
    #[default]
    Text,
    /// Everything, as JSON
    Json,
    /// Everything, as YAML
    Yaml,
}
