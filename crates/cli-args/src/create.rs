//! `create`.

use std::path::PathBuf;

use clap::Args;

/// Add objects from files
///
/// Reads YAML or JSON, each file with one or more documents. A document is a registry document (members "clusters"
/// and "infrastructure_accounts"), a list (member "items", as "get -o yaml" prints it), or a single object. An object
/// with the member "local_id" is a cluster, one with "external_id" an account, one with "instance_types" a node pool,
/// which then also names its "cluster". Objects that exist already are an error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # From a file, from a directory, from standard input
  fleetwright create -f cluster.yaml
  fleetwright create -f clusters/
  fleetwright get cluster kube-1 -o yaml | sed s/kube-1/kube-2/ | fleetwright create -f -

  # Say what would be created
  fleetwright create -f cluster.yaml --dry-run")]
pub struct CreateArgs {
    /// File, directory (its .yaml, .yml and .json files), or - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Write nothing, say what would be written
    #[arg(long)]
    pub dry_run: bool,
}
