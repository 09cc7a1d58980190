//! `import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Write a whole registry document in one transaction
///
/// Reads a document as "export" prints it and as the original lifecycle manager reads it from a file: members "clusters"
/// and "infrastructure_accounts". All of it is written, or nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Fill an empty registry
  fleetwright import -f registry.yaml

  # Bring objects that exist to what the document says
  fleetwright import -f registry.yaml --mode apply

  # Copy a registry
  fleetwright --context old export | fleetwright --context new import -f -")]
pub struct ImportArgs {
    /// File, or - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub file: PathBuf,

    /// What to do with objects that exist
    #[arg(long, value_enum, default_value_t = ImportModeName::Create)]
    pub mode: ImportModeName,

    /// Write nothing, say what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// What to do with objects that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportModeName {
    /// Refuse the whole document
    Create,
    /// Bring them to what the document says, status included
    Apply,
}
