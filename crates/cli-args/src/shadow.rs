//! `shadow`, `adopt` and `hand-back`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use model::duration::GoDuration;

use crate::SourceArgs;

/// Where a shadow keeps what it knows, and how it comes to clusters.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Shadow")]
pub struct ShadowPlaceArgs {
    /// Database of the shadow itself, with its history and adoptions: sqlite:PATH or postgres://USER@HOST/NAME; the one of
    /// "serve --shadow" [env: FLEETWRIGHT_DATABASE]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,

    /// File with the password of the PostgreSQL database
    #[arg(long, value_name = "FILE")]
    pub database_password_file: Option<PathBuf>,

    /// File with contexts that lead to the clusters [default: as kubectl]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Say what Fleetwright would do beside a Cluster Lifecycle Manager, and write nothing
///
/// Reads the registry and the configuration of a manager that runs, decides and plans for every cluster as if it were in
/// charge, and tells where it would differ: another version, another state, and what taking the cluster over at the version that
/// it has would change in stacks, node pools and objects. What is the same in many clusters is told once. Objects that would only
/// get Fleetwright's label are not changes. What could not be looked at is told, and never taken for "nothing".
///
/// Nothing is written: not to the registry, not to clusters, not to clouds. With --database a history is kept there, and the
/// report says for how long both have agreed. The verdicts are: agrees, differs, moving (the original has not taken a new commit or
/// entry yet), not seen, adopted, gone.
///
/// The exit code is 0 when the fleet could be looked at. With --detailed-exitcode it is 2 when a cluster neither agrees nor is
/// adopted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # One report over the whole fleet of a running manager
  fleetwright shadow --registry https://registry.example.org --config-source main:git:https://git.example.org/config.git \\
      --kubeconfig contexts.yaml --facts facts.yaml

  # For weeks, with a history; a line whenever a verdict changes
  fleetwright shadow --watch --interval 10m --database sqlite:shadow.db --registry https://registry.example.org \\
      --config-source main:git:https://git.example.org/config.git --kubeconfig contexts.yaml

  # One cluster, everything that differs, for programs
  fleetwright shadow kube-1 -o json --registry clusters.yaml --config-source main:dir:config")]
pub struct ShadowArgs {
    /// Clusters, by id or alias [default: all]
    #[arg(value_name = "CLUSTER")]
    pub clusters: Vec<String>,

    /// Where things come from.
    #[command(flatten)]
    pub sources: SourceArgs,

    /// Where the shadow is.
    #[command(flatten)]
    pub place: ShadowPlaceArgs,

    /// Look again and again, and print a line for each verdict that changes
    #[arg(short, long)]
    pub watch: bool,

    /// With --watch: how long to wait between looks
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = crate::term::term)]
    pub interval: GoDuration,

    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = ShadowFormat::Text, conflicts_with = "watch")]
    pub output: ShadowFormat,

    /// Exit with 2 when a cluster neither agrees nor is adopted
    #[arg(long, conflicts_with = "watch")]
    pub detailed_exitcode: bool,
}

/// Formats of a shadow's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShadowFormat {
    /// A table, and what taking over would change
    Text,
    /// A row for each cluster, with the reasons
    Wide,
    /// Everything, for programs
    Json,
}

/// Take one cluster over from a Cluster Lifecycle Manager
///
/// Looks at the cluster first. When taking over would change nothing, it writes a record with actor and reason and the config item
/// cluster_update_block, by which the original lets go of this cluster and of no other; the version string of the cluster stays.
/// When it would change something, or something could not be looked at, it says what, and refuses unless --plan names what was read.
///
/// Nothing is written to the cluster before the original has left it alone for the time of --settle. Then the manager that runs with
/// "serve --shadow" on the same database brings it to the versions of its channel. Running it again sets a mark that somebody removed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # A cluster that agrees
  fleetwright adopt kube-1 --reason 'first of the test clusters' --database sqlite:shadow.db \\
      --registry https://registry.example.org --config-source main:git:https://git.example.org/config.git

  # One in which something would change, after having read what
  fleetwright adopt kube-2 --plan plan-1f2e3d4c5b6a --reason 'drift is to go' --database sqlite:shadow.db \\
      --registry https://registry.example.org --config-source main:git:https://git.example.org/config.git")]
pub struct AdoptArgs {
    /// Cluster, by id or alias
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,

    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Who [default: the user of this machine]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,

    /// The plan that was read, when taking over changes something
    #[arg(long, value_name = "PLAN")]
    pub plan: Option<String>,

    /// How long the original must have left the cluster alone before anything is written; twice its interval
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = crate::term::term)]
    pub settle: GoDuration,

    /// Where things come from.
    #[command(flatten)]
    pub sources: SourceArgs,

    /// Where the shadow is.
    #[command(flatten)]
    pub place: ShadowPlaceArgs,
}

/// Hand one cluster back to the Cluster Lifecycle Manager that it came from
///
/// Closes the record, waits until nothing of Fleetwright's is at work on the cluster, and takes the config item away that kept the
/// original from it. Version, status and templates stay as they are, so the original has nothing to do. When it would begin an update
/// then, because the channel has moved or an update of ours is not finished, it says so and refuses unless --accept-update is given.
/// It can be repeated: it goes on where it stopped.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Back to the original, as it is
  fleetwright hand-back kube-1 --reason 'end of the trial' --database sqlite:shadow.db \\
      --registry https://registry.example.org --config-source main:git:https://git.example.org/config.git")]
pub struct HandBackArgs {
    /// Cluster, by id or alias
    #[arg(value_name = "CLUSTER")]
    pub cluster: String,

    /// Why, in one line
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Who [default: the user of this machine]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,

    /// Hand it back although the original will update it then
    #[arg(long)]
    pub accept_update: bool,

    /// Where things come from.
    #[command(flatten)]
    pub sources: SourceArgs,

    /// Where the shadow is.
    #[command(flatten)]
    pub place: ShadowPlaceArgs,
}
