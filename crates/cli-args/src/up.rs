//! `up`.

use std::path::PathBuf;

use clap::Args;

/// Start everything here: a registry, a simulated fleet, and what keeps it up to date
///
/// Runs the Cluster Registry, the lifecycle manager and the node rollouts in this process, over a simulated fleet of
/// Kubernetes clusters and a git repository of their configuration. The clusters are served over HTTP, with a
/// kubeconfig; commits to the repository are picked up within a second. The first update begins by itself.
/// All data are in one directory. It listens on the loopback interface only and asks nobody for a token: it is for looking
/// around, not for production. Ctrl-C stops it; started again, the clusters are raised at the versions that they had.
///
/// With --kubeconfig, clusters that exist are registered instead, one for each context. They are only looked at until a
/// cluster's config item "fleetwright_manage" is set to "true".
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Start with the example fleet
  fleetwright up

  # Four clusters, time ten times as fast, the data elsewhere, on another port
  fleetwright up --clusters 4 --speed 10 --data /tmp/try --port 9090

  # Register the clusters of a kubeconfig
  fleetwright up --kubeconfig ~/.kube/config --data ~/fleet")]
pub struct UpArgs {
    /// Directory for the data [default: $XDG_DATA_HOME/fleetwright]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Port on the loopback interface; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,

    /// How many clusters to begin with; counts for an empty registry [default: 12]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub clusters: Option<u16>,

    /// How many nodes the default pool of each cluster begins with, rounded up to a whole number in each of three zones; counts for an empty registry [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=300))]
    pub nodes: Option<u16>,

    /// How fast simulated time runs: 60 makes a minute of a second
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,

    /// File with the fleet policy: waves, limits, windows, freezes; read again when it changes
    #[arg(long, value_name = "FILE", conflicts_with = "empty")]
    pub fleet_policy: Option<PathBuf>,

    /// URL that gets a POST with a JSON body before a pod is terminated by force, and after
    #[arg(long, value_name = "URL", conflicts_with = "empty")]
    pub notify_url: Option<String>,

    /// Open the server's page in a browser
    #[arg(long)]
    pub open: bool,

    /// Leave an empty registry empty, and simulate nothing
    #[arg(long, conflicts_with_all = ["clusters", "nodes", "speed", "kubeconfig"])]
    pub empty: bool,

    /// Register the contexts of this kubeconfig as clusters, and simulate nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["clusters", "nodes", "speed"])]
    pub kubeconfig: Option<PathBuf>,
}

/// A factor that simulated time can run at.
fn speed(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if (0.1..=1000.0).contains(&factor) {
        Ok(factor)
    } else {
        Err("must be between 0.1 and 1000".to_owned())
    }
}
