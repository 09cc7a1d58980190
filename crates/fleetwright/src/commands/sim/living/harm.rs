//! The faults of a cluster: those in front of its API, and those of the account that its nodes come from.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use cli_args::{CloudFault, CloudMarket};
use cloud_sim::{CallFault, CallRule, CapacityGap, Window};
use jiff::{SignedDuration, Timestamp};
use kube_sim::{Calls, FaultRule};
use model::duration::GoDuration;
use ports::cloud::Market;

use super::Living;

/// A fault in force.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands::sim) enum Harm {
    /// Of the API.
    Api(FaultRule),
    /// Of the cloud.
    Cloud(CloudRule),
}

/// A fault of the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands::sim) struct CloudRule {
    pub(in crate::commands::sim) name: String,
    pub(in crate::commands::sim) fault: CloudFault,
    /// Names of calls; all where there are none.
    pub(in crate::commands::sim) calls: BTreeSet<String>,
    pub(in crate::commands::sim) instance_type: Option<String>,
    pub(in crate::commands::sim) zone: Option<String>,
    pub(in crate::commands::sim) market: Option<CloudMarket>,
    /// In how many of a thousand cases.
    pub(in crate::commands::sim) per_mille: u32,
    /// Until when, on the simulation's clock.
    pub(in crate::commands::sim) until: Option<Timestamp>,
}

/// Why a fault is not in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::commands::sim) enum HarmError {
    /// There is one of that name.
    #[error("{cluster} has a fault {name:?} already")]
    Taken { cluster: String, name: String },
    /// Nothing of the cloud can go wrong where there is none.
    #[error("{0} has no cloud behind it: start the simulation with --cloud")]
    NoCloud(String),
}

/// The faults of a cluster, with what their names are made from.
#[derive(Debug)]
pub(super) struct Harms {
    all: Vec<Harm>,
    made: u32,
    seed: u64,
}

impl Harm {
    pub(in crate::commands::sim) fn name(&self) -> &str {
        match self {
            Self::Api(rule) => &rule.name,
            Self::Cloud(rule) => &rule.name,
        }
    }

    fn set_name(&mut self, name: String) {
        match self {
            Self::Api(rule) => rule.name = name,
            Self::Cloud(rule) => rule.name = name,
        }
    }

    /// The fault, as a person asks for it.
    pub(in crate::commands::sim) fn fault(&self) -> String {
        match self {
            Self::Api(rule) => rule.fault.to_string(),
            Self::Cloud(rule) => rule.fault.to_string(),
        }
    }

    /// Until when, on the clock that it goes by.
    pub(in crate::commands::sim) fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Api(rule) => rule.span.map(|(_, end)| end),
            Self::Cloud(rule) => rule.until,
        }
    }

    /// What it concerns, in words: `50% of list,watch pods by kubectl`, `spot instances in eu-central-1a`.
    pub(in crate::commands::sim) fn concerns(&self) -> String {
        match self {
            Self::Api(rule) => requests(rule),
            Self::Cloud(rule) => rule.concerns(),
        }
    }
}

impl CloudRule {
    fn concerns(&self) -> String {
        let share = match self.per_mille {
            1000 => "all".to_owned(),
            per_mille => format!("{}% of", f64::from(per_mille) / 10.0),
        };
        match self.fault {
            CloudFault::NeverReady => format!("{share} new instances"),
            CloudFault::NoCapacity => {
                let mut words = vec!["all".to_owned()];
                words.extend(self.market.map(|market| match market {
                    CloudMarket::OnDemand => "on-demand".to_owned(),
                    CloudMarket::Spot => "spot".to_owned(),
                }));
                words.extend(self.instance_type.clone());
                words.push("instances".to_owned());
                words.extend(self.zone.as_ref().map(|zone| format!("in {zone}")));
                words.join(" ")
            }
            _ if self.calls.is_empty() => format!("{share} calls"),
            _ => format!("{share} {}", self.calls.iter().cloned().collect::<Vec<_>>().join(",")),
        }
    }

    fn window(&self) -> Window {
        Window {
            from: Timestamp::MIN,
            until: self.until.unwrap_or(Timestamp::MAX),
        }
    }

    /// Puts it into a plan.
    fn add_to(&self, plan: &mut cloud_sim::FaultPlan) {
        let fault = match self.fault {
            CloudFault::Refuse => CallFault::Refuse,
            CloudFault::Deny => CallFault::Deny,
            CloudFault::Throttle => CallFault::Throttle,
            CloudFault::Delay(time) => CallFault::Delay(time),
            CloudFault::LoseAnswer => CallFault::LoseAnswer,
            CloudFault::Stale(lag) => CallFault::Stale(lag),
            CloudFault::NeverReady => return plan.never_ready_spans.push((self.window(), self.per_mille)),
            CloudFault::NoCapacity => {
                return plan.capacity.push(CapacityGap {
                    instance_type: self.instance_type.clone(),
                    zone: self.zone.clone(),
                    market: self.market.map(|market| match market {
                        CloudMarket::OnDemand => Market::OnDemand,
                        CloudMarket::Spot => Market::Spot,
                    }),
                    window: self.window(),
                });
            }
        };
        plan.calls.push(CallRule {
            fault,
            calls: self.calls.clone(),
            per_mille: self.per_mille,
            window: self.window(),
            at_most: None,
        });
    }
}

impl Harms {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            all: Vec::new(),
            made: 0,
            seed,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.all.iter().any(|harm| harm.name() == name)
    }

    fn free_name(&mut self) -> String {
        loop {
            self.made += 1;
            let name = format!("fault-{}", self.made);
            if !self.has(&name) {
                return name;
            }
        }
    }
}

impl Living {
    /// The faults, without those that are over.
    fn harms(&self) -> MutexGuard<'_, Harms> {
        let mut harms = self.harms.lock().unwrap_or_else(PoisonError::into_inner);
        harms
            .all
            .retain(|harm| harm.until().is_none_or(|end| end > self.time_of(harm)));
        harms
    }

    /// The time on the clock that a fault goes by: the cluster's, or that of the simulation.
    fn time_of(&self, harm: &Harm) -> Timestamp {
        match harm {
            Harm::Api(_) => self.now(),
            Harm::Cloud(_) => self.clock.now(),
        }
    }

    /// The faults that are not over.
    pub(in crate::commands::sim) fn faults(&self) -> Vec<Harm> {
        self.harms().all.clone()
    }

    /// How long a fault still lasts.
    pub(in crate::commands::sim) fn left(&self, harm: &Harm) -> Option<SignedDuration> {
        Some(harm.until()?.duration_since(self.time_of(harm)))
    }

    /// When something ends that lasts so long from now, by the clock that it goes by.
    pub(in crate::commands::sim) fn end_of(&self, of_cloud: bool, lasts: GoDuration) -> Option<Timestamp> {
        let now = if of_cloud { self.clock.now() } else { self.now() };
        now.saturating_add(SignedDuration::from_nanos(lasts.nanos())).ok()
    }

    /// Adds a fault; it gets a name if it has none.
    ///
    /// # Errors
    /// [`HarmError`].
    pub(in crate::commands::sim) fn add_fault(&self, mut harm: Harm) -> Result<Harm, HarmError> {
        if matches!(harm, Harm::Cloud(_)) && self.cloud.is_none() {
            return Err(HarmError::NoCloud(self.name.clone()));
        }
        let mut harms = self.harms();
        if harm.name().is_empty() {
            let name = harms.free_name();
            harm.set_name(name);
        } else if harms.has(harm.name()) {
            return Err(HarmError::Taken {
                cluster: self.name.clone(),
                name: harm.name().to_owned(),
            });
        }
        harms.all.push(harm.clone());
        self.put_in_force(&harms);
        self.note(format_args!(
            "fault begins {}: {} for {}",
            harm.name(),
            harm.fault(),
            harm.concerns()
        ));
        Ok(harm)
    }

    /// Ends one fault, or all; returns the names of those that ended.
    pub(in crate::commands::sim) fn clear_faults(&self, name: Option<&str>) -> Vec<String> {
        let mut harms = self.harms();
        let (gone, kept) = std::mem::take(&mut harms.all)
            .into_iter()
            .partition::<Vec<_>, _>(|harm| name.is_none_or(|name| name == harm.name()));
        harms.all = kept;
        self.put_in_force(&harms);
        for harm in &gone {
            self.note(format_args!("fault ends {}", harm.name()));
        }
        gone.iter().map(|harm| harm.name().to_owned()).collect()
    }

    fn put_in_force(&self, harms: &Harms) {
        let mut api = kube_sim::FaultPlan::new(harms.seed);
        let mut cloud = cloud_sim::FaultPlan::default();
        for harm in &harms.all {
            match harm {
                Harm::Api(rule) => api.rules.push(rule.clone()),
                Harm::Cloud(rule) => rule.add_to(&mut cloud),
            }
        }
        self.api.set_plan(api);
        if let Some(sim) = &self.cloud {
            sim.set_faults(cloud);
        }
    }

    /// Notes in the event log what was done to the cluster from outside.
    pub(super) fn note(&self, text: std::fmt::Arguments<'_>) {
        self.log.write(
            &format!("sim:{}", self.name),
            format_args!("{} {text}", self.clock.now()),
        );
    }
}

/// `half of list,watch pods by kubectl`.
fn requests(rule: &FaultRule) -> String {
    let mut words = vec![match rule.calls {
        Calls::All => "all".to_owned(),
        Calls::Nth(number) => format!("number {number} of"),
        Calls::Every(number) => format!("one in {number} of"),
        Calls::Chance(chance) => format!("{}% of", chance * 100.0),
    }];
    let join = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
    if !rule.requests.verbs.is_empty() {
        words.push(join(&rule.requests.verbs));
    }
    if rule.requests.resources.is_empty() {
        words.push("requests".to_owned());
    } else {
        words.push(join(&rule.requests.resources));
    }
    if !rule.requests.user_agent.is_empty() {
        words.push(format!("by {}", rule.requests.user_agent));
    }
    words.join(" ")
}
