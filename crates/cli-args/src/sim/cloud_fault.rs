//! `sim fault cloud`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use model::duration::GoDuration;

use super::fault::{positive, probability};
use super::target::ClusterArgs;

/// A fault of the cloud, for some time.
#[derive(Debug, Args)]
pub struct CloudFaultArgs {
    /// What goes wrong
    #[arg(value_name = "FAULT")]
    pub fault: CloudFault,

    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Name to clear it by [default: fault-1, fault-2, ...]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// How long it lasts on the simulation's clock, such as 10m; for ever without it
    #[arg(long = "for", value_name = "TIME", value_parser = positive)]
    pub lasts: Option<GoDuration>,

    /// Only this call, such as UpdateAutoScalingGroup; may be given again
    #[arg(long = "call", value_name = "CALL")]
    pub calls: Vec<String>,

    /// No capacity for this instance type alone
    #[arg(long, value_name = "TYPE")]
    pub instance_type: Option<String>,

    /// No capacity in this zone alone
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,

    /// No capacity of this market alone
    #[arg(long, value_name = "MARKET")]
    pub market: Option<CloudMarket>,

    /// Each call, or each new instance, with this probability, from 0 to 1
    #[arg(long, value_name = "P", value_parser = probability)]
    pub chance: Option<f64>,
}

/// How instances are paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CloudMarket {
    /// At the list price
    OnDemand,
    /// From spare capacity, which can be taken back
    Spot,
}

/// What goes wrong with a cloud, as a person types it and as the control endpoint takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudFault {
    /// `refuse`: the service fails before it does anything.
    Refuse,
    /// `deny`: the identity may not do it.
    Deny,
    /// `throttle`: too many calls.
    Throttle,
    /// `delay=TIME`: the answer takes so long.
    Delay(Duration),
    /// `lose-answer`: the work is done, the answer lost.
    LoseAnswer,
    /// `stale=TIME`: reads show what was so long ago.
    Stale(Duration),
    /// `no-capacity`: instances cannot be launched.
    NoCapacity,
    /// `never-ready`: instances boot, and their nodes never become ready.
    NeverReady,
}

/// What faults are there, for error texts.
const FAULTS: &str = "refuse, deny, throttle, delay=TIME, lose-answer, stale=TIME, no-capacity, never-ready";

impl FromStr for CloudFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let time = || {
            let value = value.ok_or_else(|| format!("{name} needs a time, such as {name}=2s"))?;
            positive(value)?
                .to_std()
                .ok_or_else(|| "must be longer than nothing".to_owned())
        };
        match (name, value) {
            ("refuse", None) => Ok(Self::Refuse),
            ("deny", None) => Ok(Self::Deny),
            ("throttle", None) => Ok(Self::Throttle),
            ("lose-answer", None) => Ok(Self::LoseAnswer),
            ("no-capacity", None) => Ok(Self::NoCapacity),
            ("never-ready", None) => Ok(Self::NeverReady),
            ("delay", _) => Ok(Self::Delay(time()?)),
            ("stale", _) => Ok(Self::Stale(time()?)),
            _ => Err(format!("must be one of {FAULTS}")),
        }
    }
}

impl fmt::Display for CloudFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: &Duration| GoDuration::from_nanos(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        match self {
            Self::Refuse => f.write_str("refuse"),
            Self::Deny => f.write_str("deny"),
            Self::Throttle => f.write_str("throttle"),
            Self::Delay(wait) => write!(f, "delay={}", time(wait)),
            Self::LoseAnswer => f.write_str("lose-answer"),
            Self::Stale(lag) => write!(f, "stale={}", time(lag)),
            Self::NoCapacity => f.write_str("no-capacity"),
            Self::NeverReady => f.write_str("never-ready"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_cloud_are_read_and_printed_alike() {
        for (text, printed) in [
            ("refuse", Some("refuse")),
            ("deny", Some("deny")),
            ("throttle", Some("throttle")),
            ("delay=2s", Some("delay=2s")),
            ("stale=1m", Some("stale=1m0s")),
            ("lose-answer", Some("lose-answer")),
            ("no-capacity", Some("no-capacity")),
            ("never-ready", Some("never-ready")),
            ("delay", None),
            ("stale=-1s", None),
            ("deny=1", None),
            ("503", None),
        ] {
            let read = text.parse::<CloudFault>();
            let shown = read.as_ref().ok().map(ToString::to_string);
            assert_eq!(shown.as_deref(), printed, "{text}");
            if let Ok(fault) = read {
                assert_eq!(fault.to_string().parse(), Ok(fault), "{text}");
            }
        }
    }
}
