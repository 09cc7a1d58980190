//! `diff`.

use clap::{Args, ValueEnum};

use crate::CompareArgs;

/// Compare what two versions of the configuration want clusters to be
///
/// Renders every selected cluster twice and prints what differs. An edit that is the same in many clusters is printed once,
/// with the clusters that it concerns. Exit codes are those of "kubectl diff": 0 nothing differs, 1 something differs, 2 and
/// more an error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # What merging dev into alpha would change
  fleetwright diff --config-source main:git:https://example.org/config.git --from alpha --to dev -l channel=alpha

  # What the working copy changes, for the whole fleet
  fleetwright diff --config-source main:git:. --from dev --to-config-source main:dir:. --registry registry.yaml --all")]
pub struct DiffArgs {
    /// What is compared.
    #[command(flatten)]
    pub compare: CompareArgs,

    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ReportFormat::Text)]
    pub output: ReportFormat,

    /// Do not mask secrets
    #[arg(long)]
    pub show_secrets: bool,
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// For programs
    Json,
}
