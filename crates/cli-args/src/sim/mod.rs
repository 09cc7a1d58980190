//! `sim`.

mod cloud_fault;
mod fault;
mod target;
mod up;

use clap::{Args, Subcommand};

pub use cloud_fault::{CloudFault, CloudFaultArgs, CloudMarket};
pub use fault::{
    ApiFault, ApiFaultArgs, ClearFaultsArgs, ClockFaultArgs, FaultArgs, FaultCommand, ListFaultsArgs, NodeFaultArgs,
};
pub use target::{ClusterArgs, SimulationArgs};
pub use up::{ScaleBounds, SimProfile, SimUpArgs};

use crate::Output;
use std::path::PathBuf;

/// Run simulated Kubernetes clusters
#[derive(Debug, Args)]
pub struct SimArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SimCommand,
}

/// What can be done with simulated clusters.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Serve living simulated clusters until Ctrl-C
    ///
    /// Each cluster is a Kubernetes API in memory with controllers, a scheduler, kubelets and machines behind it: pods are
    /// scheduled and become ready, Deployments roll, budgets refuse evictions, nodes die and come back. kubectl and
    /// everything else can talk to it. No containers run; annotations say how a pod's program behaves. The clusters are
    /// gone when the command ends. It listens on the loopback interface only, and everybody there may do everything.
    #[command(after_help = "Examples:
  # Three clusters of five nodes with shops in them, contexts sim-1 to sim-3
  fleetwright sim up --clusters 3 --nodes 5 --profile shop --kubeconfig /tmp/sim.kubeconfig
  kubectl --kubeconfig /tmp/sim.kubeconfig --context sim-2 get pods -A

  # An hour in a minute, with everything that happens in a file
  fleetwright sim up --speed 60 --event-log events.log

  # Nodes of a simulated cloud that grow and shrink with what is to run, two of them spot instances
  fleetwright sim up --nodes 4 --spot 2 --autoscaler=2:10

  # One cluster with the objects of a dump
  fleetwright sim up --load dump.yaml")]
    Up(SimUpArgs),
    /// Show the simulations that run here
    #[command(after_help = "Examples:
  fleetwright sim list
  fleetwright sim list -o json")]
    List(SimListArgs),
    /// Do harm to a running cluster, and end it
    Fault(FaultArgs),
    /// Write all objects of a running cluster as YAML
    ///
    /// The stream holds definitions and namespaces first; "sim load" and "sim up --load" read it. It holds the Secrets of
    /// the cluster as they are.
    #[command(after_help = "Examples:
  fleetwright sim snapshot --cluster sim-2 -f sim-2.yaml
  fleetwright sim snapshot | less")]
    Snapshot(SimSnapshotArgs),
    /// Put the objects of a file into a running cluster
    ///
    /// They are put in as they are, with new uids, whatever admission would say; objects that are there already are
    /// replaced. The file is what "sim snapshot" or "kubectl get ... -o yaml" wrote. Nothing is loaded unless every
    /// object is of a kind that is served.
    #[command(after_help = "Examples:
  fleetwright sim load --cluster sim-2 -f sim-1.yaml
  kubectl get deployments -A -o yaml | fleetwright sim load -f -")]
    Load(SimLoadArgs),
}

/// How to show what runs.
#[derive(Debug, Args)]
pub struct SimListArgs {
    /// Output format: table, json, yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Which cluster to write, and where to.
#[derive(Debug, Args)]
pub struct SimSnapshotArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// File to write; without it, or with -, standard output
    #[arg(short, long, value_name = "FILE")]
    pub filename: Option<PathBuf>,
}

/// What to put where.
#[derive(Debug, Args)]
pub struct SimLoadArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// YAML file with the objects; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub filename: PathBuf,
}
