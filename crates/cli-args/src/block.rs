//! `block` and `unblock`.

use clap::{Args, ValueEnum};
use model::duration::GoDuration;

/// Refuse updates of clusters for a while
///
/// A block is durable before it is acknowledged, and a running update notices it within seconds. It ends by itself: after 72
/// hours, or when --for or --until says, 14 days from now at most. Whoever still needs it then sets it again with a new reason.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # One cluster, for a day
  fleetwright block kube-1 --reason 'canary broken' --owner team-cart --ticket OPS-17 --for 24h

  # Keep the nodes of a channel until Monday; stacks and manifests are still updated
  fleetwright block -l channel=beta --reason payday --until 2026-12-07T06:00:00Z --scope nodes")]
pub struct BlockArgs {
    /// Clusters, by id or alias
    #[arg(
        value_name = "CLUSTER",
        required_unless_present = "selector",
        conflicts_with = "selector"
    )]
    pub clusters: Vec<String>,

    /// Clusters whose fields match, such as channel=beta,environment!=test
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Team or person that answers for it and can lift it [default: the caller]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,

    /// Ticket or address that tells more
    #[arg(long, value_name = "TICKET")]
    pub ticket: Option<String>,

    /// How long it holds, such as 24h, 3d or 1h30m [default: 72h]
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until", value_parser = crate::term::term)]
    pub term: Option<GoDuration>,

    /// When it ends, such as 2026-12-01T06:00:00Z
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,

    /// What it keeps from happening
    #[arg(long, value_enum, value_name = "SCOPE", default_value_t = ScopeName::All)]
    pub scope: ScopeName,

    /// Write nothing, say what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// What a block keeps from happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeName {
    /// Replacement of nodes; stacks and manifests are updated
    Nodes,
    /// Everything
    All,
}

/// Allow updates of clusters again
///
/// Lifts every block of the clusters, also one that was set through the config item "cluster_update_block". A cluster that is
/// not blocked is no error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # All blocks of a cluster
  fleetwright unblock kube-1

  # One of several blocks; \"get blocks -o wide\" shows their ids
  fleetwright unblock kube-1 --id 018d5b6e-1f2a-7c3d-8e4f-5a6b7c8d9e0f")]
pub struct UnblockArgs {
    /// Clusters, by id or alias
    #[arg(
        value_name = "CLUSTER",
        required_unless_present = "selector",
        conflicts_with = "selector"
    )]
    pub clusters: Vec<String>,

    /// Clusters whose fields match, such as channel=beta,environment!=test
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// Only the block with this id
    #[arg(long, value_name = "ID", conflicts_with = "selector")]
    pub id: Option<String>,

    /// Write nothing, say what would be lifted
    #[arg(long)]
    pub dry_run: bool,
}
