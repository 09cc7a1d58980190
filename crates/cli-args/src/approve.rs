//! `approve`, `decommission` and `cancel`.

use clap::{Args, Subcommand};

/// Agree to a deletion, or that a commit goes through a gate
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// To what.
    #[command(subcommand)]
    pub command: ApproveCommand,
}

/// What can be agreed to.
#[derive(Debug, Subcommand)]
pub enum ApproveCommand {
    /// Agree that a cluster deletes the objects that left git
    ///
    /// A cluster asks for agreement when more objects left git than a threshold allows. "get approvals" shows how many;
    /// the agreement is to exactly that selection, and is refused when the cluster asks for another number by now. It counts
    /// for 72 hours and is used once.
    #[command(after_help = "Examples:
  # See what is asked for, then agree to it
  fleetwright get approvals
  fleetwright approve prune kube-1 --count 37")]
    Prune(ApprovePruneArgs),
    /// Agree that a cluster is taken down, as somebody else than the one who asked
    ///
    /// The cluster is taken down 24 hours later at the earliest. Until then, and also while it happens, "fleetwright cancel
    /// decommission" calls it off.
    #[command(after_help = "Examples:
  fleetwright approve decommission kube-1")]
    Decommission(ApproveDecommissionArgs),
    /// Agree that a commit goes through the gate of a channel
    ///
    /// The agreement is to the commit that stands at the gate now, and to no other. How many persons have to agree is in the
    /// fleet's policy; "describe channel" shows who did.
    #[command(after_help = "Examples:
  # To the commit that stands there
  fleetwright approve gate beta

  # Only if it is still this one
  fleetwright approve gate beta --commit 1a2b3c4")]
    Gate(ApproveGateArgs),
}

/// Agreement at a gate.
#[derive(Debug, Args)]
pub struct ApproveGateArgs {
    /// The channel behind the gate
    #[arg(value_name = "CHANNEL")]
    pub channel: String,

    /// The commit, or its first 7 or more characters; the one that stands at the gate when left out
    #[arg(long, value_name = "COMMIT")]
    pub commit: Option<String>,

    /// Write nothing, say what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// Agreement to a prune.
#[derive(Debug, Args)]
pub struct ApprovePruneArgs {
    /// Cluster, by id or alias
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,

    /// How many objects go, as "get approvals" shows it
    #[arg(long, value_name = "N")]
    pub count: usize,
}

/// Agreement to a decommission.
#[derive(Debug, Args)]
pub struct ApproveDecommissionArgs {
    /// Cluster, by id or alias
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,
}

/// Ask for a cluster to be taken down
///
/// Says what is lost and asks for the name of the cluster. Then somebody else has to agree ("fleetwright approve
/// decommission"), and 24 hours pass, before anything is deleted: nodes first, then the stacks, the main one last. A request
/// that nobody agrees to within 7 days expires.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Asks for the name
  fleetwright decommission kube-1

  # In a script, which types the name as well
  fleetwright decommission aws:123456789012:eu-central-1:kube-1 --confirm kube-1

  # Not after all
  fleetwright cancel decommission kube-1")]
pub struct DecommissionArgs {
    /// Cluster, by id or alias
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,

    /// The alias of the cluster, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,

    /// Write nothing, say what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// Call off a deletion that was asked for or agreed to
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # The cluster is ready again and goes on following its channel
  fleetwright cancel decommission kube-1

  # The agreement does not count any more
  fleetwright cancel prune kube-1")]
pub struct CancelArgs {
    /// What is called off.
    #[command(subcommand)]
    pub command: CancelCommand,
}

/// What can be called off.
#[derive(Debug, Subcommand)]
pub enum CancelCommand {
    /// Take back the request and the agreement to a prune
    #[command(after_help = "Examples:
  fleetwright cancel prune kube-1")]
    Prune(CancelClusterArgs),
    /// Take back the request and the agreement to take a cluster down
    #[command(after_help = "Examples:
  fleetwright cancel decommission kube-1")]
    Decommission(CancelClusterArgs),
}

/// Of which cluster something is called off.
#[derive(Debug, Args)]
pub struct CancelClusterArgs {
    /// Cluster, by id or alias
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,
}
