//! `render`.

use std::path::PathBuf;

use clap::Args;

use crate::{SelectionArgs, SourceArgs};

/// Print what git wants clusters to be
///
/// Renders stacks, node pools and manifests of each cluster from the configuration of its channel, its registry entry and the
/// facts. Nothing is asked of any cluster or cloud. A template that cannot be rendered is one error for the clusters that it
/// concerns; everything else is still printed, and the command fails at the end.
///
/// Values of secret config items are masked wherever they appear, unless --show-secrets is given.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # One cluster from a working copy
  fleetwright render --config-source main:dir:. --registry registry.yaml --facts facts.yaml --cluster kube-1

  # What beta would be at another commit, into files
  fleetwright render --config-source main:git:https://example.org/config.git --channel 4fe2a91 -l channel=beta --output /tmp/beta")]
pub struct RenderArgs {
    /// Which clusters.
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// Where things come from.
    #[command(flatten)]
    pub sources: SourceArgs,

    /// Channel (branch, tag or commit) instead of each cluster's own
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,

    /// Write files below DIR, a directory per cluster, instead of printing
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Do not mask secrets
    #[arg(long)]
    pub show_secrets: bool,
}
