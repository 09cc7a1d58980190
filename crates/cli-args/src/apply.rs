//! `apply`.

use std::path::PathBuf;

use clap::Args;

use crate::SourceAccessArgs;

/// Carry out a saved plan, or bring registry objects to what files say
///
/// With PLAN, a file that "plan --live --out FILE" wrote: reads again everything that the plan was made from. When a commit, a
/// registry entry, a fact or an object in a cluster is not as it was, nothing is done, and what moved is said. Otherwise
/// exactly these clusters are updated, with a line for each step. It takes clusters of provider "kubeconfig"; others are
/// updated by the lifecycle manager of a server. So are all clusters of a server whose manager lets them begin in waves: there
/// nothing is done. Ends with 0 when every cluster is as the plan says, else with 1.
///
/// With -f, reads the same files as "create". Objects that do not exist are created. Of objects that exist, the members that the
/// file names are set, "config_items" as a whole map; members that it does not name, such as "status", stay as they
/// are. Node pools that the file names are set; others stay, unless --prune is given. Each cluster is written only if
/// nobody changed it in between.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Read a plan, then carry out exactly that one
  fleetwright plan --live --config-source main:git:. --cluster kube-1 --out plan.json
  fleetwright apply plan.json

  # Registry objects from a file; run it again and nothing changes
  fleetwright apply -f cluster.yaml

  # Move a cluster to another channel
  echo '{id: \"aws:123456789012:eu-central-1:kube-1\", local_id: kube-1, channel: beta}' | fleetwright apply -f -

  # See what a directory would change
  fleetwright apply -f clusters/ --dry-run")]
pub struct ApplyArgs {
    /// Saved plan to carry out
    #[arg(value_name = "PLAN", conflicts_with = "files", required_unless_present = "files")]
    pub plan: Option<PathBuf>,

    /// File, directory (its .yaml, .yml and .json files), or - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// With -f: remove node pools of the clusters in the files that the files do not name
    #[arg(long, conflicts_with = "plan")]
    pub prune: bool,

    /// Write nothing, say what would be written
    #[arg(long)]
    pub dry_run: bool,

    /// With PLAN: file with contexts that lead to the clusters [default: the one of the plan, else as kubectl]
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub kubeconfig: Option<PathBuf>,

    /// How sources are entered.
    #[command(flatten)]
    pub access: SourceAccessArgs,
}
