//! `sim up`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

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

    /// Whether the nodes are instances of node groups on a simulated cloud, which replace what goes; without it they are
    /// single machines [default: true with --profile zalando, --autoscaler or --spot]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub cloud: Option<bool>,

    /// So many of the nodes are spot instances, in a group of their own
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub spot: u16,

    /// Run a cluster autoscaler that keeps each cluster between so many nodes, such as 2:10 [default: 1 to twice the nodes]
    #[arg(long, value_name = "MIN:MAX", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub autoscaler: Option<ScaleBounds>,

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

    /// File to append everything that happens to, a line each: writes of every cluster, machines, the cloud, faults
    #[arg(long, value_name = "FILE")]
    pub event_log: Option<PathBuf>,

    /// YAML with objects to start each cluster with, such as a dump of a real one
    #[arg(long, value_name = "FILE")]
    pub load: Option<PathBuf>,
}

/// Between how many nodes an autoscaler keeps a cluster; empty where that follows from the nodes it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScaleBounds(pub Option<(u16, u16)>);

impl FromStr for ScaleBounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let numbers = text
            .split_once(':')
            .and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
        match numbers {
            Some((min, max)) if min <= max => Ok(Self(Some((min, max)))),
            Some(_) => Err("the smaller number comes first".to_owned()),
            None => Err("must be two numbers, such as 2:10".to_owned()),
        }
    }
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
    fn bounds_are_two_numbers() {
        for (text, expected) in [
            ("", Some(None)),
            ("2:10", Some(Some((2, 10)))),
            ("0:0", Some(Some((0, 0)))),
            ("3:2", None),
            ("3", None),
            ("a:b", None),
        ] {
            let read = text.parse::<ScaleBounds>().ok().map(|bounds| bounds.0);
            assert_eq!(read, expected, "{text}");
        }
    }

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
