//! `sim fault`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use model::duration::GoDuration;

use super::cloud_fault::CloudFaultArgs;
use super::target::ClusterArgs;
use crate::Output;

/// Do harm to a running cluster, and end it
#[derive(Debug, Args)]
pub struct FaultArgs {
    /// Which harm.
    #[command(subcommand)]
    pub command: FaultCommand,
}

/// The kinds of harm.
#[derive(Debug, Subcommand)]
pub enum FaultCommand {
    /// Cut a machine off: its kubelet falls silent without a word
    ///
    /// The node turns NotReady 40 simulated seconds after its last sign of life, its pods are evicted when their
    /// tolerations have run out, and stay Terminating until the Node object goes or the machine comes back.
    #[command(after_help = "Examples:
  fleetwright sim fault kill-node worker-2 --cluster sim-1")]
    KillNode(NodeFaultArgs),
    /// Bring a machine back that was killed
    #[command(after_help = "Examples:
  fleetwright sim fault revive-node worker-2 --cluster sim-1")]
    ReviveNode(NodeFaultArgs),
    /// Take a machine away for good, as a terminated instance goes; a node group puts another in its place
    #[command(after_help = "Examples:
  fleetwright sim fault remove-node worker-2 --cluster sim-1")]
    RemoveNode(NodeFaultArgs),
    /// Give a spot instance its notice: it is taken two minutes later
    ///
    /// The node is drained as a termination handler does, and its group starts another instance. It needs a cluster whose
    /// nodes are instances of a cloud.
    #[command(after_help = "Examples:
  fleetwright sim fault spot-loss ip-172-31-0-5.eu-central-1.compute.internal --cluster sim-1")]
    SpotLoss(NodeFaultArgs),
    /// Set a cluster's clock forward or back
    ///
    /// Nodes and pods live on; schedules, deadlines and expiries see the new time. The other clusters, the cloud and the
    /// autoscaler keep theirs. Another jump the other way ends it.
    #[command(after_help = "Examples:
  fleetwright sim fault clock 2h --cluster sim-1
  fleetwright sim fault clock -2h --cluster sim-1")]
    Clock(ClockFaultArgs),
    /// Make the cloud refuse, dawdle, lack capacity or start instances that never become nodes
    ///
    /// Faults: refuse, deny, throttle, delay=TIME, lose-answer (the work is done), stale=TIME (reads lag), for some calls;
    /// no-capacity, for some instance types, zones and markets; never-ready (instances boot, their nodes never get ready).
    /// It needs a cluster whose nodes are instances of a cloud.
    #[command(after_help = "Examples:
  # No spot instances in one zone for ten minutes
  fleetwright sim fault cloud no-capacity --zone eu-central-1a --market spot --for 10m
  # Half of the new instances never become ready nodes
  fleetwright sim fault cloud never-ready --chance 0.5
  # The autoscaler may not resize
  fleetwright sim fault cloud deny --call UpdateAutoScalingGroup --name no-resize")]
    Cloud(CloudFaultArgs),
    /// Make the API refuse, dawdle, forget or cut
    ///
    /// Faults: refuse (connections are refused), dead (and open watches are cut), delay=TIME, slow=TIME (each part of an
    /// answer), lose-reply (the work is done), 401, 409, 410, 429 or 429=SECONDS (Retry-After), 500, 503, stale=WRITES
    /// (lists and single objects lag), watch-gap=TIME, watch-cut=BYTES. They stand between clients and the API: the cluster's own controllers
    /// do not feel them. Times pass on the cluster's clock.
    #[command(after_help = "Examples:
  # Half of all lists of pods meet a 429 for a minute
  fleetwright sim fault api 429=2 --verb list --resource pods --chance 0.5 --for 1m
  # Everything takes two seconds longer until the fault is cleared
  fleetwright sim fault api delay=2s --name slow-control-plane
  fleetwright sim fault clear slow-control-plane")]
    Api(ApiFaultArgs),
    /// Show the faults that are in force
    #[command(after_help = "Examples:
  fleetwright sim fault list --cluster sim-1")]
    List(ListFaultsArgs),
    /// End faults of the API and the cloud; dead machines come back with revive-node
    #[command(after_help = "Examples:
  fleetwright sim fault clear --cluster sim-1
  fleetwright sim fault clear fault-2")]
    Clear(ClearFaultsArgs),
}

/// A machine of a cluster.
#[derive(Debug, Args)]
pub struct NodeFaultArgs {
    /// Name of the node
    #[arg(value_name = "NODE")]
    pub node: String,

    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// By how much to set a clock.
#[derive(Debug, Args)]
pub struct ClockFaultArgs {
    /// How far forward, such as 2h, or back, such as -90s
    #[arg(value_name = "TIME", allow_hyphen_values = true)]
    pub by: GoDuration,

    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// A fault of the API, for some requests, for some time.
#[derive(Debug, Args)]
pub struct ApiFaultArgs {
    /// What happens to the requests
    #[arg(value_name = "FAULT")]
    pub fault: ApiFault,

    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Name to clear it by [default: fault-1, fault-2, ...]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// How long it lasts on the cluster's clock, such as 90s; for ever without it
    #[arg(long = "for", value_name = "TIME", value_parser = positive)]
    pub lasts: Option<GoDuration>,

    /// Only requests with this verb: get, list, watch, create, update, patch, delete; may be given again
    #[arg(long = "verb", value_name = "VERB")]
    pub verbs: Vec<String>,

    /// Only requests for this resource, such as pods, deployments.apps, pods/eviction; may be given again
    #[arg(long = "resource", value_name = "RESOURCE")]
    pub resources: Vec<String>,

    /// Only clients whose user agent begins like this, such as kubectl
    #[arg(long, value_name = "PREFIX")]
    pub user_agent: Option<String>,

    /// Only each N-th fitting request
    #[arg(long, value_name = "N", conflicts_with = "chance", value_parser = clap::value_parser!(u64).range(1..))]
    pub every: Option<u64>,

    /// Each fitting request with this probability, from 0 to 1
    #[arg(long, value_name = "P", value_parser = probability)]
    pub chance: Option<f64>,
}

/// Of which cluster.
#[derive(Debug, Args)]
pub struct ListFaultsArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Output format: table, json, yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Which faults to end.
#[derive(Debug, Args)]
pub struct ClearFaultsArgs {
    /// Name of a fault; all of the cluster without it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// What happens to a request, as a person types it and as the control endpoint takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiFault {
    /// `refuse`: the connection is refused.
    Refuse,
    /// `dead`: refused as well, and open watches are cut.
    Dead,
    /// `delay=TIME`: the request waits.
    Delay(Duration),
    /// `slow=TIME`: each part of the answer waits.
    Slow(Duration),
    /// `lose-reply`: the work is done, the answer lost.
    LoseReply,
    /// `401`, `409`, `410`, `500` or `503`.
    Code(u16),
    /// `429=SECONDS`: with this Retry-After; one second without it.
    TooManyRequests(u32),
    /// `stale=WRITES`: lists and single objects are as they were so many writes ago.
    Stale(u64),
    /// `watch-gap=TIME`: watches are silent for so long.
    WatchGap(Duration),
    /// `watch-cut=BYTES`: watches break after so many bytes.
    WatchCut(u64),
}

/// What faults are there, for error texts.
const FAULTS: &str = "refuse, dead, delay=TIME, slow=TIME, lose-reply, 401, 409, 410, 429[=SECONDS], 500, 503, stale=WRITES, watch-gap=TIME, watch-cut=BYTES";

impl FromStr for ApiFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let time = || {
            let value = value.ok_or_else(|| format!("{name} needs a time, such as {name}=2s"))?;
            let time = positive(value)?;
            time.to_std().ok_or_else(|| "must be longer than nothing".to_owned())
        };
        let number = || {
            let value = value.ok_or_else(|| format!("{name} needs a number, such as {name}=100"))?;
            value
                .parse::<u64>()
                .map_err(|_| format!("{name} must have a whole number, got {value:?}"))
        };
        match (name, value) {
            ("refuse", None) => Ok(Self::Refuse),
            ("dead", None) => Ok(Self::Dead),
            ("lose-reply", None) => Ok(Self::LoseReply),
            ("401", None) => Ok(Self::Code(401)),
            ("409", None) => Ok(Self::Code(409)),
            ("410", None) => Ok(Self::Code(410)),
            ("500", None) => Ok(Self::Code(500)),
            ("503", None) => Ok(Self::Code(503)),
            ("429", None) => Ok(Self::TooManyRequests(1)),
            ("429", Some(_)) => {
                let seconds = u32::try_from(number()?).map_err(|_| "429 must have less seconds".to_owned())?;
                Ok(Self::TooManyRequests(seconds))
            }
            ("delay", _) => Ok(Self::Delay(time()?)),
            ("slow", _) => Ok(Self::Slow(time()?)),
            ("watch-gap", _) => Ok(Self::WatchGap(time()?)),
            ("stale", _) => Ok(Self::Stale(number()?)),
            ("watch-cut", _) => Ok(Self::WatchCut(number()?)),
            _ => Err(format!("must be one of {FAULTS}")),
        }
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: &Duration| GoDuration::from_nanos(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        match self {
            Self::Refuse => f.write_str("refuse"),
            Self::Dead => f.write_str("dead"),
            Self::LoseReply => f.write_str("lose-reply"),
            Self::Code(code) => write!(f, "{code}"),
            Self::TooManyRequests(seconds) => write!(f, "429={seconds}"),
            Self::Delay(wait) => write!(f, "delay={}", time(wait)),
            Self::Slow(wait) => write!(f, "slow={}", time(wait)),
            Self::WatchGap(wait) => write!(f, "watch-gap={}", time(wait)),
            Self::Stale(writes) => write!(f, "stale={writes}"),
            Self::WatchCut(bytes) => write!(f, "watch-cut={bytes}"),
        }
    }
}

/// A duration longer than nothing.
pub(super) fn positive(text: &str) -> Result<GoDuration, String> {
    let time: GoDuration = text.parse().map_err(|error| format!("{error}"))?;
    if time > GoDuration::ZERO {
        Ok(time)
    } else {
        Err("must be longer than nothing".to_owned())
    }
}

pub(super) fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_printed_alike() {
        for (text, printed) in [
            ("refuse", Some("refuse")),
            ("dead", Some("dead")),
            ("delay=2s", Some("delay=2s")),
            ("delay=0.1s", Some("delay=100ms")),
            ("slow=1m", Some("slow=1m0s")),
            ("lose-reply", Some("lose-reply")),
            ("429", Some("429=1")),
            ("429=7", Some("429=7")),
            ("503", Some("503")),
            ("stale=10", Some("stale=10")),
            ("watch-gap=30s", Some("watch-gap=30s")),
            ("watch-cut=100", Some("watch-cut=100")),
            ("404", None),
            ("delay", None),
            ("delay=-1s", None),
            ("delay=soon", None),
            ("stale=x", None),
            ("503=1", None),
            ("refuse=1", None),
            ("", None),
        ] {
            let read = text.parse::<ApiFault>();
            assert_eq!(
                read.as_ref().ok().map(ToString::to_string).as_deref(),
                printed,
                "{text}"
            );
            if let Ok(fault) = read {
                assert_eq!(fault.to_string().parse(), Ok(fault), "{text}");
            }
        }
    }
}
