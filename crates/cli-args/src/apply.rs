//! `apply`.

use std::path::PathBuf;

use clap::Args;

/// Bring objects to what files say
///
/// Reads the same files as "create". Objects that do not exist are created. Of objects that exist, the members that the
/// file names are set, "config_items" as a whole map; members that it does not name, such as "status", stay as they
/// are. Node pools that the file names are set; others stay, unless --prune is given. Each cluster is written only if
/// nobody changed it in between.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # From a file; run it again and nothing changes
  fleetwright apply -f cluster.yaml

  # Move a cluster to another channel
  echo '{id: \"aws:123456789012:eu-central-1:kube-1\", local_id: kube-1, channel: beta}' | fleetwright apply -f -

  # See what a directory would change
  fleetwright apply -f clusters/ --dry-run")]
pub struct ApplyArgs {
    /// File, directory (its .yaml, .yml and .json files), or - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Remove node pools of the clusters in the files that the files do not name
    #[arg(long)]
    pub prune: bool,

    /// Write nothing, say what would be written
    #[arg(long)]
    pub dry_run: bool,
}
