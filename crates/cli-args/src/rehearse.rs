//! `rehearse`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{CompareArgs, SimProfile};

/// Run an update on a twin of the fleet in compressed time, and show what would happen
///
/// Builds a twin of the selected clusters in this process: registry entries and configuration are the real ones, clusters and
/// clouds are simulated. Brings it to --from, lets --to appear, and runs the engine of production on simulated time until all
/// is done or the time is over. Reports what happened when: steps of updates, nodes, evictions, pods that are held back, forced
/// terminations by owner, nodes that do not go, hours of extra nodes, and all of it against the bound of the disruption contract. Nothing
/// real is touched.
///
/// What runs in the clusters comes from dumps of their objects, from the living clusters (which are only read), or, without
/// either, from a profile. The same inputs and seed give the same report, byte for byte.
///
/// The exit code is 0 when the rehearsal could be held, whatever came of it, and 1 when it could not. With
/// --detailed-exitcode it is 2 when something was left to be done at the end.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # The next three days, if this branch were merged
  fleetwright rehearse --config-source main:git:. --registry registry.yaml --facts facts.yaml --from main --to HEAD --all

  # One cluster as it is now, as a page
  kubectl get nodes,pods,pdb,pv,pvc,deploy,rs,sts,ds,jobs -A -o yaml > shop.yaml
  fleetwright rehearse --config-source main:git:. --to HEAD --cluster shop --dump shop.yaml -o html --out rehearsal.html

  # How much of it is chance
  fleetwright rehearse --config-source main:git:. --to HEAD --cluster shop --seeds 20")]
pub struct RehearseArgs {
    /// What is compared.
    #[command(flatten)]
    pub compare: CompareArgs,

    /// Begin with a dump of a cluster's objects: a file of "kubectl get -o yaml|json" or "sim snapshot", or a directory with a
    /// file or directory for each cluster; repeat it for several
    #[arg(long = "dump", value_name = "[CLUSTER=]PATH", help_heading = "Twin")]
    pub dumps: Vec<String>,

    /// Begin with the living clusters, through the contexts of this kubeconfig that have their names; they are only read
    #[arg(long, value_name = "FILE", conflicts_with = "dumps", help_heading = "Twin")]
    pub kubeconfig: Option<PathBuf>,

    /// What runs in clusters of which nothing else is known
    #[arg(long, value_enum, value_name = "PROFILE", default_value_t = SimProfile::Zalando, help_heading = "Twin")]
    pub profile: SimProfile,

    /// Everything that is drawn follows from it
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Twin")]
    pub seed: u64,

    /// Run so many seeds in parallel, from --seed on, and report the ranges
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000), help_heading = "Twin")]
    pub seeds: u64,

    /// How many days to watch at most
    #[arg(long, value_name = "DAYS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=60), help_heading = "Twin")]
    pub days: u16,

    /// Walk in the waves of this fleet policy, within its limits, windows and freezes; without it every cluster begins at once
    #[arg(long, value_name = "FILE", help_heading = "Twin")]
    pub fleet_policy: Option<PathBuf>,

    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = RehearsalFormat::Text)]
    pub output: RehearsalFormat,

    /// Write the report to a file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Exit with 2 when something is left to be done at the end
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RehearsalFormat {
    /// For people, in a terminal
    Text,
    /// For programs
    Json,
    /// One page with the timeline drawn, which loads nothing
    Html,
}
