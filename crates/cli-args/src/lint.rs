//! `lint`.

use clap::Args;

use crate::{ReportFormat, SelectionArgs, SourceArgs};

/// Look for mistakes in configuration and registry
///
/// Finds config items that nothing knows or reads, values of the wrong type, secrets in clear, templates that do not render for
/// some cluster, objects that need a namespace and have none, and API versions that a Kubernetes version no longer serves.
/// The command fails when it finds an error; warnings alone do not fail it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fleetwright lint --config-source main:dir:. --registry registry.yaml --facts facts.yaml --all --kubernetes-version 1.36")]
pub struct LintArgs {
    /// Which clusters.
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// Where things come from.
    #[command(flatten)]
    pub sources: SourceArgs,

    /// Channel (branch, tag or commit) instead of each cluster's own
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,

    /// Kubernetes version to hold API versions against, such as 1.36
    #[arg(long, value_name = "VERSION")]
    pub kubernetes_version: Option<String>,

    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ReportFormat::Text)]
    pub output: ReportFormat,
}
