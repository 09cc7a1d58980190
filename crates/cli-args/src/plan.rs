//! `plan`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::CompareArgs;

/// Say what an update would do, before anything is done
///
/// Renders every selected cluster twice, as "diff" does, and tells what bringing it from one version to the other would create,
/// change, replace and delete, and which nodes would be drained and why. What is lost comes first; what is the same in many
/// clusters is printed once. No cluster is asked, so numbers of nodes are the bounds of the registry. Secrets are masked. The
/// id of a plan is bound to the versions and facts that it was made from. With --forecast or --kubeconfig the plan also says
/// what the replacement of nodes would mean: whose pods move, what refuses until when, how long it takes.
///
/// With --live the clusters are asked: what an apply of the version to come would create, change and delete there, by trials that
/// the server does not keep. Fields that the server fills in by itself do not show. Stacks and node pools are still those of the
/// two versions; their nodes are counted. The id is then bound to what was seen as well, and "apply" carries the plan out.
///
/// The exit code is 0 when the plan could be made, and 1 when it could not, for whichever cluster. With --detailed-exitcode it
/// is 2 when the plan could be made and something changes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # What merging dev into alpha would do
  fleetwright plan --config-source main:git:https://example.org/config.git --from alpha --to dev -l channel=alpha

  # A comment for a pull request, and the whole plan beside it
  fleetwright plan --config-source main:git:. --to HEAD --all -o markdown --out plan.json

  # Whose pods move, what refuses until when, and how long it takes
  fleetwright plan --config-source main:git:. --to HEAD --cluster shop --forecast shop=dump.yaml

  # What an apply would do to two clusters now, saved for \"fleetwright apply plan.json\"
  fleetwright plan --live --config-source main:git:. --cluster kube-1 --cluster kube-2 --out plan.json

  # A row per cluster and change
  fleetwright plan --config-source main:git:. --to-config-source main:dir:. --registry registry.yaml --all -o wide")]
pub struct PlanArgs {
    /// What is compared.
    #[command(flatten)]
    pub compare: CompareArgs,

    /// Forecast the replacement of nodes from a dump of a cluster's objects: a file of "kubectl get -o yaml|json" or "sim
    /// snapshot", or a directory with a file or directory for each cluster; repeat it for several
    #[arg(long, value_name = "[CLUSTER=]PATH", help_heading = "Forecast")]
    pub forecast: Vec<String>,

    /// Ask the clusters what an apply would do, instead of comparing two versions of their manifests
    #[arg(long)]
    pub live: bool,

    /// File with contexts that lead to the clusters. With --live for the look [default: as kubectl]; without it for a forecast
    /// from the living clusters
    #[arg(long, value_name = "FILE", conflicts_with = "forecast", help_heading = "Forecast")]
    pub kubeconfig: Option<PathBuf>,

    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = PlanFormat::Text)]
    pub output: PlanFormat,

    /// Also save the plan as JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Exit with 2 when something changes
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Formats of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people
    Text,
    /// A row per cluster and change
    Wide,
    /// The saved form, for programs
    Json,
    /// A comment on a pull request, of at most 65536 bytes
    Markdown,
}
