//! What a simulated account is like: its place, its pace, its limits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

/// Bounds of a time that is drawn anew each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Shortest.
    pub low: Duration,
    /// Longest, except for stragglers.
    pub high: Duration,
}

impl Span {
    /// Between so many seconds.
    #[must_use]
    pub const fn seconds(low: u64, high: u64) -> Self {
        Self {
            low: Duration::from_secs(low),
            high: Duration::from_secs(high),
        }
    }
}

/// How long things take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// From the launch of an instance until it runs.
    pub boot: Span,
    /// One of a thousand instances that take three times as long as the longest boot.
    pub boot_stragglers_per_mille: u32,
    /// From running until the boot agent signals its stack and answers launch hooks.
    pub ready: Span,
    /// From the order to terminate until the instance is gone.
    pub shutdown: Span,
    /// From a change of size until the group acts on it.
    pub reaction: Span,
    /// From an instance's failure until its group's health check sees it.
    pub health_check: Span,
    /// From a spot notice until the instance is taken.
    pub spot_notice: Duration,
    /// How much earlier than the notice a rebalance recommendation comes.
    pub rebalance_lead: Duration,
    /// How long a terminated instance stays visible.
    pub terminated_visible: Duration,
    /// From registration until a target is judged.
    pub target_registration: Duration,
    /// From a DNS change until all name servers have it.
    pub dns_propagation: Span,
    /// First pause of a group after a launch that failed; doubled up to sixteen times as long.
    pub launch_retry: Duration,
    /// Time of a stack's resources, in percent of what the type usually takes.
    pub stack_percent: u32,
    /// Time that a bridge which boots nodes itself gives a running instance to become a ready node, in percent of what it
    /// usually gives.
    pub node_percent: u32,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            boot: Span::seconds(12, 40),
            boot_stragglers_per_mille: 20,
            ready: Span::seconds(40, 100),
            shutdown: Span::seconds(30, 90),
            reaction: Span::seconds(2, 8),
            health_check: Span::seconds(20, 60),
            spot_notice: Duration::from_secs(120),
            rebalance_lead: Duration::from_secs(300),
            terminated_visible: Duration::from_secs(3600),
            target_registration: Duration::from_secs(30),
            dns_propagation: Span::seconds(20, 60),
            launch_retry: Duration::from_secs(30),
            stack_percent: 100,
            node_percent: 100,
        }
    }
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Calls that may come at once.
    pub burst: u32,
    /// Calls per second in the long run.
    pub per_second: u32,
}

/// How many calls the account may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiLimits {
    /// Bucket of each call that reads, unless it has one of its own; `None` switches the limit off.
    pub reads: Option<Bucket>,
    /// Bucket of each call that writes, unless it has one of its own.
    pub writes: Option<Bucket>,
    /// Buckets of single calls by name, such as `DescribeStacks`.
    pub calls: BTreeMap<String, Bucket>,
}

impl ApiLimits {
    /// No limits.
    #[must_use]
    pub fn none() -> Self {
        Self {
            reads: None,
            writes: None,
            calls: BTreeMap::new(),
        }
    }
}

impl Default for ApiLimits {
    /// About what the provider grants a new account.
    fn default() -> Self {
        Self {
            reads: Some(Bucket {
                burst: 100,
                per_second: 20,
            }),
            writes: Some(Bucket {
                burst: 50,
                per_second: 5,
            }),
            calls: BTreeMap::from([(
                "DescribeStacks".to_owned(),
                Bucket {
                    burst: 50,
                    per_second: 10,
                },
            )]),
        }
    }
}

/// A subnet that the account begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetSpec {
    /// Id; made from the seed when empty.
    pub id: String,
    /// Letter of its zone.
    pub zone: char,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A whole account in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldOptions {
    /// Number of the account, twelve digits.
    pub account: String,
    /// Region.
    pub region: String,
    /// All that is random follows from it.
    pub seed: u64,
    /// Simulated time at the beginning.
    pub start: Timestamp,
    /// Letters of the zones.
    pub zones: String,
    /// Id of the network that the subnets are in; made from the seed when empty.
    pub vpc: String,
    /// Ids of further networks that stacks may name.
    pub other_vpcs: BTreeSet<String>,
    /// Subnets; when empty, one per zone.
    pub subnets: Vec<SubnetSpec>,
    /// How long things take.
    pub timings: Timings,
    /// How many calls are allowed.
    pub limits: ApiLimits,
    /// Every instance runs the boot agent: it signals its stack and answers launch hooks once it is ready. A bridge that
    /// boots nodes itself switches it off and does both.
    pub boot_agent: bool,
    /// An image that is asked for by owner and name comes into being, as if somebody had built it.
    pub images_on_demand: bool,
    /// Every image id is taken as known. Otherwise an unknown one is refused, as the provider does.
    pub any_image: bool,
    /// Largest number of virtual CPUs that may run, over all groups.
    pub vcpu_limit: Option<u32>,
    /// Mean life of a spot instance; `None`: they are taken by the fault plan only.
    pub spot_mean_life: Option<Duration>,
    /// Latency of every call.
    pub latency: Option<Span>,
}

impl WorldOptions {
    /// An account in a region, everything else usual.
    #[must_use]
    pub fn new(account: impl Into<String>, region: impl Into<String>, seed: u64) -> Self {
        Self {
            account: account.into(),
            region: region.into(),
            seed,
            start: Timestamp::UNIX_EPOCH,
            zones: "abc".to_owned(),
            vpc: String::new(),
            other_vpcs: BTreeSet::new(),
            subnets: Vec::new(),
            timings: Timings::default(),
            limits: ApiLimits::default(),
            boot_agent: true,
            images_on_demand: true,
            any_image: false,
            vcpu_limit: None,
            spot_mean_life: None,
            latency: None,
        }
    }

    /// The same without limits on calls.
    #[must_use]
    pub fn unthrottled(mut self) -> Self {
        self.limits = ApiLimits::none();
        self
    }
}
