//! `explain`.

use clap::{Args, Subcommand};

use crate::{SelectionArgs, SourceArgs};

/// Say where a value comes from
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// What to explain.
    #[command(subcommand)]
    pub command: ExplainCommand,
}

/// What can be explained.
#[derive(Debug, Subcommand)]
pub enum ExplainCommand {
    /// Which layer sets a config item, who overrides whom, and which templates read it
    #[command(after_help = "Examples:
  fleetwright explain config-item skipper_replicas --cluster kube-1 --config-source main:dir:. --registry registry.yaml")]
    ConfigItem(ExplainConfigItemArgs),
}

/// Which config item.
#[derive(Debug, Args)]
pub struct ExplainConfigItemArgs {
    /// Key of the config item
    #[arg(value_name = "KEY")]
    pub key: String,

    /// Which clusters.
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// Where things come from.
    #[command(flatten)]
    pub sources: SourceArgs,

    /// Channel (branch, tag or commit) instead of each cluster's own
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,

    /// Do not mask secrets
    #[arg(long)]
    pub show_secrets: bool,
}
