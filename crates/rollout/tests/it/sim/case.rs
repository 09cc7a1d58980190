//! What one seed is about: size, policy, workloads, troubles. Everything is drawn before anything lives.

use disruption::{Environment, Handling, Policy, Rule, SiblingClock};
use model::duration::GoDuration;

use super::dice::Dice;

/// What a seed's cluster runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// A Deployment; `budget` says what guards it.
    Deployment { replicas: u32, budget: Guard, ready: bool },
    /// A StatefulSet with a volume for each member, in the zone of its node.
    Volumes { replicas: u32, budget: Guard },
    /// A Postgres cluster: a budget that wants one primary, or none, and an operator that moves the role, or does not.
    Postgres { replicas: u32, works: bool, budget: bool },
    /// An Elasticsearch cluster: a budget that allows nothing, and an operator that moves data away, or none.
    Search { replicas: u32, operator: bool },
    /// A Job that runs for so many minutes, with an own deadline or none.
    Job { minutes: u64, deadline: Option<u64> },
    /// A pod that nobody makes again.
    Bare,
    /// A Deployment whose pods wait for a finalizer for so many minutes.
    Finalized { minutes: u64 },
    /// A DaemonSet.
    Daemon,
}

/// The budgets of a Deployment or StatefulSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    None,
    MaxUnavailable(u32),
    Percent(u32),
    /// Two budgets over the same pods.
    Overlapping,
    /// Unhealthy pods may always go.
    AlwaysAllow,
}

/// Which faults a seed may have; the tests of single guards narrow it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taste {
    /// The API server misbehaves.
    pub(crate) api: bool,
    /// The cloud misbehaves.
    pub(crate) cloud: bool,
    /// Managers are killed, paused, doubled.
    pub(crate) kills: bool,
    /// Clocks jump.
    pub(crate) jumps: bool,
    /// Blocks, edited budgets, scaled workloads.
    pub(crate) people: bool,
    /// Machines are taken away.
    pub(crate) losses: bool,
    /// Watches fall silent for a minute, time and again.
    pub(crate) gaps: bool,
    /// Pods come all the time at first.
    pub(crate) bursts: bool,
    /// Lists of pods take half a minute, now and then.
    pub(crate) late: bool,
    /// Owners delete pods of theirs, one after another, to have them made anew.
    pub(crate) restarts: bool,
}

impl Taste {
    pub(crate) const ALL: Self = Self {
        api: true,
        cloud: true,
        kills: true,
        jumps: true,
        people: true,
        losses: true,
        gaps: false,
        bursts: false,
        late: false,
        restarts: false,
    };
    pub(crate) const CALM: Self = Self {
        api: false,
        cloud: false,
        kills: false,
        jumps: false,
        people: false,
        losses: false,
        gaps: false,
        bursts: false,
        late: false,
        restarts: false,
    };
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) nodes: u32,
    /// Letters of the zones.
    pub(crate) zones: &'static str,
    pub(crate) spot: bool,
    pub(crate) policy: Policy,
    pub(crate) loads: Vec<Load>,
    /// Minutes in which things go wrong.
    pub(crate) trouble: u64,
    pub(crate) managers: u32,
    pub(crate) taste: Taste,
    /// Guards of the engine in force.
    pub(crate) guards: rollout::Guards,
    /// The seed is over once this law is breached.
    pub(crate) seeks: Option<&'static str>,
}

impl Case {
    pub(crate) fn drawn(seed: u64) -> Self {
        let dice = Dice::child(seed, "case");
        let nodes = dice.size(2, 4);
        let zones = dice.pick(&["a", "a", "ab"]);
        let spot = dice.one_in(6);
        let policy = policy(&dice);
        let loads = (0..dice.within(2, 4)).map(|_| load(&dice)).collect();
        Self {
            seed,
            nodes,
            zones,
            spot,
            policy,
            loads,
            trouble: dice.within(30, 180),
            managers: if dice.one_in(3) { 2 } else { 1 },
            taste: Taste {
                bursts: dice.one_in(6),
                restarts: dice.one_in(6),
                ..Taste::ALL
            },
            guards: rollout::Guards::all(),
            seeks: None,
        }
    }

    /// A calm cluster with these workloads and short clocks, for showing one thing.
    pub(crate) fn about(seed: u64, loads: &[Load]) -> Self {
        let dice = Dice::child(seed, "about");
        let minutes = |count: i64| GoDuration::from_nanos(count * 60_000_000_000);
        let policy = Policy {
            min_pod_lifetime: minutes(60),
            grace_period: minutes(20),
            force_interval: minutes(8),
            min_healthy_sibling_lifetime: minutes(15),
            min_unhealthy_sibling_lifetime: minutes(25),
            operator_time: minutes(30),
            ..Policy::of(Environment::Test)
        };
        Self {
            seed,
            nodes: dice.size(2, 3),
            zones: "a",
            spot: false,
            policy,
            loads: loads.to_vec(),
            trouble: 90,
            managers: 1,
            taste: Taste::CALM,
            guards: rollout::Guards::all(),
            seeks: None,
        }
    }

    pub(crate) fn taste(mut self, taste: Taste) -> Self {
        self.taste = taste;
        self
    }

    pub(crate) fn without_guards(mut self, guards: &[rollout::Guard]) -> Self {
        for guard in guards {
            self.guards = self.guards.without(*guard);
        }
        self
    }

    pub(crate) fn without_rules(mut self, rules: &[Rule]) -> Self {
        for rule in rules {
            self.policy.rules = self.policy.rules.without(*rule);
        }
        self
    }
}

/// The published numbers now and then, mostly smaller ones that meet each other within few simulated hours.
fn policy(dice: &Dice) -> Policy {
    let minutes = |from, to| GoDuration::from_nanos(i64::try_from(dice.within(from, to)).unwrap() * 60_000_000_000);
    let mut policy = match dice.below(12) {
        0 => Policy::of(Environment::Production),
        1 => Policy::of(Environment::Test),
        _ => Policy {
            min_pod_lifetime: minutes(30, 120),
            grace_period: minutes(10, 40),
            force_interval: minutes(5, 10),
            min_healthy_sibling_lifetime: minutes(8, 20),
            min_unhealthy_sibling_lifetime: minutes(10, 40),
            operator_time: minutes(10, 40),
            ..Policy::of(Environment::Test)
        },
    };
    if dice.one_in(4) {
        policy.bare_pods = Handling::Hold;
    }
    if dice.one_in(4) {
        policy.sibling_clock = SiblingClock::SinceChange;
    }
    policy
}

fn guard(dice: &Dice) -> Guard {
    match dice.below(8) {
        0 => Guard::None,
        1 => Guard::MaxUnavailable(0),
        2 => Guard::Percent(50),
        3 => Guard::Overlapping,
        4 => Guard::AlwaysAllow,
        _ => Guard::MaxUnavailable(1),
    }
}

fn load(dice: &Dice) -> Load {
    match dice.below(12) {
        0 | 1 => Load::Volumes {
            replicas: dice.size(2, 3),
            budget: guard(dice),
        },
        2 => Load::Postgres {
            replicas: dice.size(2, 3),
            works: !dice.one_in(3),
            budget: !dice.one_in(4),
        },
        3 => Load::Search {
            replicas: dice.size(2, 3),
            operator: dice.one_in(2),
        },
        4 => Load::Job {
            minutes: dice.within(20, 200),
            deadline: dice.one_in(2).then(|| dice.within(60, 240)),
        },
        5 => Load::Bare,
        6 => Load::Finalized {
            minutes: dice.within(0, 20),
        },
        7 => Load::Daemon,
        _ => Load::Deployment {
            replicas: dice.size(1, 4),
            budget: guard(dice),
            ready: !dice.one_in(5),
        },
    }
}
