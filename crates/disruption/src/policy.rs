//! The numbers of the contract, per environment, cluster and pool.

use model::ConfigItems;
use model::duration::{DurationError, GoDuration};

use crate::rule::Rules;

/// Which column of the published table holds where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// 3 days, 6 hours, 5 minutes, 1 hour, 6 hours.
    Production,
    /// 8 hours, 2 hours, 5 minutes, 1 hour, 1 hour.
    Test,
}

impl Environment {
    /// The environment of a registry entry: `production`, and everything else is a test environment, as in the original
    /// configuration's defaults.
    #[must_use]
    pub fn named(name: &str) -> Self {
        if name == "production" {
            Self::Production
        } else {
            Self::Test
        }
    }
}

/// From which moment a sibling's lifetime counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SiblingClock {
    /// From its creation, as the original does (fact 58).
    #[default]
    Lifetime,
    /// From its last change between ready and not ready: stricter, since a pod that broke a minute ago is no longer old.
    SinceChange,
}

/// What happens to pods that lose something by moving.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Handling {
    /// They are evicted like all others, as the original does.
    #[default]
    Evict,
    /// They are left alone until the rules of forced termination are met.
    Hold,
}

/// The disruption policy: the five deadlines of the contract, and how the drain behaves where the contract is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Minimum lifetime of a pod before it is force-terminated.
    pub min_pod_lifetime: GoDuration,
    /// Time from the start of a node's drain until forcing starts.
    pub grace_period: GoDuration,
    /// Interval between forced terminations on one node.
    pub force_interval: GoDuration,
    /// Minimum lifetime of ready pods in the same budget.
    pub min_healthy_sibling_lifetime: GoDuration,
    /// Minimum lifetime of pods in the same budget that are not ready.
    pub min_unhealthy_sibling_lifetime: GoDuration,
    /// Pause before a refused eviction is asked again.
    pub poll_interval: GoDuration,
    /// What a terminating pod gets beyond its grace period before it counts as overdue.
    pub termination_headroom: GoDuration,
    /// How long a pod may be overdue before its node is given up as undrainable.
    pub stuck_after: GoDuration,
    /// How long before the machine goes away pods are ended without the contract, so that they still get a signal.
    pub shutdown_margin: GoDuration,
    /// How long an operator that moves data away is left alone at most.
    pub operator_time: GoDuration,
    /// How long a database operator has to move a primary before the signal to it is given again.
    pub rearm_after: GoDuration,
    /// From which moment siblings' lifetimes count.
    pub sibling_clock: SiblingClock,
    /// Pods that nobody makes again.
    pub bare_pods: Handling,
    /// Pods with local data.
    pub local_data: Handling,
    /// Pods whose owner asks by annotation not to be disturbed.
    pub owner_holds: Handling,
    /// Labels that mark the primary of a database, any of them.
    pub primary_labels: Vec<(Box<str>, Box<str>)>,
    /// What bounds and forecasts assume of the world.
    pub assumptions: Assumptions,
    /// The rules in force; anything but [`Rules::all`] is for simulations.
    pub rules: Rules,
}

/// What a bound takes for granted, and what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumptions {
    /// A replacement pod is created and ready within this time after the old one is gone, at most.
    pub replacement_at_most: GoDuration,
    /// The same, usually.
    pub replacement_usually: GoDuration,
    /// A new node is ready within this time, at most (15 min in the original).
    pub node_at_most: GoDuration,
    /// The same, usually.
    pub node_usually: GoDuration,
    /// A drained machine is gone within this time, at most (15 min in the original).
    pub machine_at_most: GoDuration,
}

/// Why the config items are no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A deadline is set nowhere: waiting for ever is no contract.
    #[error("config item {key} is missing: every disruption policy needs this deadline")]
    Missing {
        /// The item.
        key: &'static str,
    },
    /// The value is no Go duration. The value is not repeated.
    #[error("config item {key} is no duration")]
    Duration {
        /// The item.
        key: &'static str,
        /// What is wrong with it.
        #[source]
        source: DurationError,
    },
    /// The value is none of the words that the item knows. The value is not repeated.
    #[error("config item {key} must be {choices}")]
    Choice {
        /// The item.
        key: &'static str,
        /// The words.
        choices: &'static str,
    },
    /// The duration is below its minimum.
    #[error("config item {key} must {rule}")]
    Range {
        /// The item.
        key: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

const HOUR: i64 = 3_600_000_000_000;
const MINUTE: i64 = 60_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Config items that set the deadlines.
pub const POLICY_ITEMS: [&str; 6] = [
    "drain_min_pod_lifetime",
    "drain_grace_period",
    "drain_force_evict_interval",
    "drain_min_healthy_sibling_lifetime",
    "drain_min_unhealthy_sibling_lifetime",
    "drain_poll_interval",
];

/// Config item, `evict` or `hold`: pods that nobody makes again.
pub const BARE_PODS_ITEM: &str = "drain_bare_pods";
/// Config item, `evict` or `hold`: pods with local data.
pub const LOCAL_DATA_ITEM: &str = "drain_local_data";
/// Config item, `evict` or `hold`: pods whose owner asks by annotation not to be disturbed.
pub const OWNER_HOLDS_ITEM: &str = "drain_owner_holds";
/// Config item, `lifetime` or `since-change`: from when siblings' times count.
pub const SIBLING_CLOCK_ITEM: &str = "drain_sibling_clock";

impl Policy {
    /// The published numbers of an environment.
    #[must_use]
    pub fn of(environment: Environment) -> Self {
        let hours = |n: i64| GoDuration::from_nanos(n * HOUR);
        let minutes = |n: i64| GoDuration::from_nanos(n * MINUTE);
        let seconds = |n: i64| GoDuration::from_nanos(n * SECOND);
        let pick = |production, test| match environment {
            Environment::Production => hours(production),
            Environment::Test => hours(test),
        };
        let label = |key: &str, value: &str| (key.into(), value.into());
        Self {
            min_pod_lifetime: pick(72, 8),
            grace_period: pick(6, 2),
            force_interval: minutes(5),
            min_healthy_sibling_lifetime: hours(1),
            min_unhealthy_sibling_lifetime: pick(6, 1),
            poll_interval: seconds(30),
            termination_headroom: seconds(30),
            stuck_after: hours(1),
            shutdown_margin: seconds(40),
            operator_time: pick(6, 2),
            rearm_after: minutes(10),
            sibling_clock: SiblingClock::default(),
            bare_pods: Handling::default(),
            local_data: Handling::default(),
            owner_holds: Handling::default(),
            primary_labels: vec![label("spilo-role", "master"), label("spilo-role", "primary")],
            assumptions: Assumptions {
                replacement_at_most: minutes(15),
                replacement_usually: minutes(2),
                node_at_most: minutes(15),
                node_usually: minutes(4),
                machine_at_most: minutes(15),
            },
            rules: Rules::all(),
        }
    }

    /// The policy that config items set. Layers come strongest first: the pool's items, then the cluster's with the
    /// configuration's defaults, then the published numbers of `base`.
    ///
    /// Without a base every deadline must be set; an empty text is a broken duration, not an absent one. `0` is
    /// allowed for a deadline and means "at once": it was written on purpose.
    ///
    /// # Errors
    /// Every broken or missing item, in the order of [`POLICY_ITEMS`]; values are not repeated.
    pub fn resolve(base: Option<Environment>, layers: &[&ConfigItems]) -> Result<Self, Vec<PolicyError>> {
        let mut policy = Self::of(base.unwrap_or(Environment::Production));
        let mut problems = Vec::new();
        let defaults = policy.deadlines();
        for (key, default) in POLICY_ITEMS.into_iter().zip(defaults) {
            // The poll interval is no deadline: its absence keeps nobody waiting for ever.
            let default = (base.is_some() || key == "drain_poll_interval").then_some(default);
            match item(layers, key, default) {
                Ok(value) => policy.set(key, value),
                Err(error) => problems.push(error),
            }
        }
        policy.choose(layers, &mut problems);
        if problems.is_empty() { Ok(policy) } else { Err(problems) }
    }

    /// Reads the items that choose between two ways; the original does not know them, and without them all is as it was.
    fn choose(&mut self, layers: &[&ConfigItems], problems: &mut Vec<PolicyError>) {
        let (bare, data, holds, clock) = (
            choice(layers, BARE_PODS_ITEM, "evict", "hold", "evict or hold"),
            choice(layers, LOCAL_DATA_ITEM, "evict", "hold", "evict or hold"),
            choice(layers, OWNER_HOLDS_ITEM, "evict", "hold", "evict or hold"),
            choice(
                layers,
                SIBLING_CLOCK_ITEM,
                "lifetime",
                "since-change",
                "lifetime or since-change",
            ),
        );
        let handling = |second| if second { Handling::Hold } else { Handling::Evict };
        let mut take = |read: Result<bool, PolicyError>| {
            read.unwrap_or_else(|error| {
                problems.push(error);
                false
            })
        };
        self.bare_pods = handling(take(bare));
        self.local_data = handling(take(data));
        self.owner_holds = handling(take(holds));
        self.sibling_clock = if take(clock) {
            SiblingClock::SinceChange
        } else {
            SiblingClock::Lifetime
        };
    }

    fn deadlines(&self) -> [GoDuration; 6] {
        [
            self.min_pod_lifetime,
            self.grace_period,
            self.force_interval,
            self.min_healthy_sibling_lifetime,
            self.min_unhealthy_sibling_lifetime,
            self.poll_interval,
        ]
    }

    fn set(&mut self, key: &str, value: GoDuration) {
        match key {
            "drain_min_pod_lifetime" => self.min_pod_lifetime = value,
            "drain_grace_period" => self.grace_period = value,
            "drain_force_evict_interval" => self.force_interval = value,
            "drain_min_healthy_sibling_lifetime" => self.min_healthy_sibling_lifetime = value,
            "drain_min_unhealthy_sibling_lifetime" => self.min_unhealthy_sibling_lifetime = value,
            _ => self.poll_interval = value,
        }
    }
}

/// Whether the item has the second of its two words; the first is what holds without it.
fn choice(
    layers: &[&ConfigItems],
    key: &'static str,
    first: &str,
    second: &str,
    choices: &'static str,
) -> Result<bool, PolicyError> {
    match layers.iter().find_map(|items| items.get(key)) {
        None => Ok(false),
        Some(text) if text == first => Ok(false),
        Some(text) if text == second => Ok(true),
        Some(_) => Err(PolicyError::Choice { key, choices }),
    }
}

fn item(layers: &[&ConfigItems], key: &'static str, default: Option<GoDuration>) -> Result<GoDuration, PolicyError> {
    let Some(text) = layers.iter().find_map(|items| items.get(key)) else {
        return default.ok_or(PolicyError::Missing { key });
    };
    let value: GoDuration = text.parse().map_err(|source| PolicyError::Duration { key, source })?;
    let range = |rule| Err(PolicyError::Range { key, rule });
    if value.is_negative() {
        return range("not be negative");
    }
    if key == "drain_poll_interval" && value == GoDuration::ZERO {
        return range("be above zero");
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
