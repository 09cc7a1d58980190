//! `history`.

use clap::{Args, Subcommand};

use crate::Output;

/// Show who changed an object, when, and what
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Whose history.
    #[command(subcommand)]
    pub command: HistoryCommand,
}

/// What has a history.
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Show the history of a cluster, its config items and node pools included
    ///
    /// Newest change first. Values that may be secrets are masked. The history of a removed cluster stays and is found by
    /// its id.
    #[command(
        visible_alias = "cl",
        after_help = "Examples:
  # The last changes
  fleetwright history cluster kube-1

  # The last 100, each with the values before and after
  fleetwright history cluster kube-1 --limit 100 -o yaml"
    )]
    Cluster(HistoryObjectArgs),
    /// Show the history of an infrastructure account
    #[command(
        visible_alias = "ac",
        after_help = "Examples:
  fleetwright history account aws:123456789012"
    )]
    Account(HistoryObjectArgs),
}

/// Whose history, and how much of it.
#[derive(Debug, Args)]
pub struct HistoryObjectArgs {
    /// Id; for clusters also the alias
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Most entries to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,

    /// Output format: table, wide, json, yaml, jsonpath=TEMPLATE, custom-columns=SPEC
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,

    /// Leave out the line with the column names
    #[arg(long)]
    pub no_headers: bool,
}
