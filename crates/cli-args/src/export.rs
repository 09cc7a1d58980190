//! `export`.

use clap::{Args, ValueEnum};

/// Print the whole registry as one document
///
/// The document is what "import" reads, and what the original lifecycle manager reads with --registry=FILE. It is one
/// consistent state. Values of config items are printed as they are stored.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # A backup
  fleetwright export > registry.yaml

  # As JSON
  fleetwright export -o json | jq '.clusters | length'")]
pub struct ExportArgs {
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = DocumentFormat::Yaml)]
    pub output: DocumentFormat,
}

/// Formats of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DocumentFormat {
    /// YAML
    Yaml,
    /// JSON
    Json,
}
