//! `sim`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    /// Serve simulated clusters until Ctrl-C
    ///
    /// Each cluster is a Kubernetes API in memory that kubectl and everything else can talk to: all built-in kinds,
    /// CustomResourceDefinitions, server-side apply, watches, evictions. Nothing runs behind it yet: no controllers, no
    /// scheduler, no nodes. The clusters are gone when the command ends. It listens on the loopback interface only, and
    /// everybody there may do everything.
    #[command(after_help = "Examples:
  # Three clusters, contexts sim-1 to sim-3
  fleetwright sim up --clusters 3 --kubeconfig /tmp/sim.kubeconfig
  kubectl --kubeconfig /tmp/sim.kubeconfig --context sim-2 get namespaces

  # One cluster with the objects of a dump
  fleetwright sim up --load dump.yaml")]
    Up(SimUpArgs),
}

/// Which clusters to serve, and where.
#[derive(Debug, Args)]
pub struct SimUpArgs {
    /// Number of clusters
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub clusters: u16,

    /// Address and port of the first cluster; the others take the ports after it, port 0 takes free ones
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// Kubeconfig to write, with a context sim-1, sim-2, ... for each cluster [default: $XDG_DATA_HOME/fleetwright/sim.kubeconfig]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// YAML with objects to start each cluster with, such as a dump of a real one
    #[arg(long, value_name = "FILE")]
    pub load: Option<PathBuf>,
}
