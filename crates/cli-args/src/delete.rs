//! `delete`.

use std::path::PathBuf;

use clap::Args;

use crate::Kind;

/// Remove objects
///
/// Removes clusters or node pools from the registry. The registry removes only clusters that are "requested" or
/// "decommissioned"; to take a running cluster down, set its lifecycle_status to "decommission-requested" and let the
/// lifecycle manager do its work. Accounts cannot be removed: set their lifecycle_status to "decommissioned".
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # A cluster, by id or alias
  fleetwright delete cluster kube-1

  # A node pool
  fleetwright delete nodepool worker --cluster kube-1

  # Whatever a file names
  fleetwright delete -f cluster.yaml --dry-run")]
pub struct DeleteArgs {
    /// What to remove: cluster or nodepool
    #[arg(value_enum, value_name = "KIND", required_unless_present = "files")]
    pub kind: Option<Kind>,

    /// Names of objects; for clusters ids or aliases
    #[arg(value_name = "NAME", required_unless_present = "files")]
    pub names: Vec<String>,

    /// Remove the objects that files name: file, directory, or - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", conflicts_with_all = ["kind", "names", "cluster"])]
    pub files: Vec<PathBuf>,

    /// Cluster whose node pools to remove, by id or alias
    #[arg(short = 'c', long, value_name = "CLUSTER")]
    pub cluster: Option<String>,

    /// No error when an object does not exist
    #[arg(long)]
    pub ignore_not_found: bool,

    /// Write nothing, say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}
