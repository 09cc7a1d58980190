//! `sim up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Fastest that simulated time may run.
const FASTEST: f64 = 1000.0;
/// Slowest that simulated time may run.
const SLOWEST: f64 = 0.01;

/// What a cluster is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SimProfile {
    /// Nothing but what a new cluster has
    Empty,
    /// Web shops: Deployments of services with budgets, autoscalers, an ingress
    Shop,
    /// Databases and search: StatefulSets with strict budgets
    Stateful,
    /// Work that ends: Jobs, CronJobs, day-long pods
    Batch,
    /// The mixture of a platform with many teams, with its troublemakers
    Zalando,
}

impl SimProfile {
    /// The name, as typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Shop => "shop",
            Self::Stateful => "stateful",
            Self::Batch => "batch",
            Self::Zalando => "zalando",
        }
    }
}

/// Which clusters to serve, and where.
#[derive(Debug, Args)]
pub struct SimUpArgs {
    /// Number of clusters
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub clusters: u16,

    /// Number of nodes of each cluster, besides those of --load [default: 3, or 0 with --load]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u16).range(0..=5000))]
    pub nodes: Option<u16>,

    /// What the clusters are filled with [default: shop, or empty with --load]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<SimProfile>,

    /// How many simulated seconds pass in a second, from 0.01 to 1000
    #[arg(long, value_name = "S", default_value = "1", value_parser = speed)]
    pub speed: f64,

    /// Number that everything random follows from [default: another one each time]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

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

/// `10`, `0.5` or `60x`.
fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(speed) if (SLOWEST..=FASTEST).contains(&speed) => Ok(speed),
        _ => Err(format!("must be a number from {SLOWEST} to {FASTEST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_numbers_within_bounds() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("60x", Some(60.0)),
            ("0.5", Some(0.5)),
            ("0", None),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("1001", None),
            ("fast", None),
        ] {
            assert_eq!(speed(text).ok(), expected, "{text}");
        }
    }
}
