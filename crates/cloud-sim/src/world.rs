//! The synchronous state machine: an ordered queue of what is due, and the time up to which it has happened.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use ports::cloud::{Subnet, Tags, Vpc};

use crate::catalogue;
use crate::event::{Log, What};
use crate::faults::{FaultPlan, Faults};
use crate::options::{Span, WorldOptions};
use crate::random::Random;
use crate::state::{Due, State};
use crate::throttle::Throttle;

/// One account in one region.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) options: WorldOptions,
    pub(crate) random: Random,
    pub(crate) state: State,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) throttle: Throttle,
    /// Copies of the past for stale reads, oldest first; empty unless the fault plan has such reads.
    past: VecDeque<(Timestamp, State)>,
}

/// `time` later; stays at the end of time.
pub(crate) fn later(now: Timestamp, time: Duration) -> Timestamp {
    let time = jiff::SignedDuration::try_from(time).unwrap_or(jiff::SignedDuration::MAX);
    now.saturating_add(time).unwrap_or(Timestamp::MAX)
}

impl World {
    pub(crate) fn new(options: WorldOptions) -> Self {
        let random = Random::new(options.seed);
        let mut world = Self {
            now: options.start,
            random,
            state: State::default(),
            log: Log::default(),
            faults: Faults::new(FaultPlan::default(), random),
            throttle: Throttle::default(),
            past: VecDeque::new(),
            options,
        };
        world.state.types = catalogue::instance_types();
        world.lay_out_network();
        world
    }

    fn lay_out_network(&mut self) {
        let vpc = match self.options.vpc.as_str() {
            "" => self.new_id("vpc"),
            given => given.to_owned(),
        };
        for id in self.options.other_vpcs.iter().chain([&vpc]) {
            let record = Vpc {
                id: id.clone(),
                is_default: *id == vpc,
                ipv4_cidr: "172.31.0.0/16".to_owned(),
                ipv6_cidrs: Vec::new(),
                tags: Tags::new(),
            };
            self.state.vpcs.insert(id.clone(), record);
        }
        let mut specs = self.options.subnets.clone();
        if specs.is_empty() {
            let plain = |zone| crate::options::SubnetSpec {
                id: String::new(),
                zone,
                tags: Tags::new(),
            };
            specs = self.options.zones.chars().map(plain).collect();
        }
        for (number, spec) in (0_u32..).zip(specs) {
            let id = if spec.id.is_empty() {
                self.new_id("subnet")
            } else {
                spec.id
            };
            let subnet = Subnet {
                id: id.clone(),
                vpc: vpc.clone(),
                zone: format!("{}{}", self.options.region, spec.zone),
                ipv4_cidr: format!("172.31.{}.0/20", (number % 16) * 16),
                ipv6_cidrs: Vec::new(),
                tags: spec.tags,
            };
            self.state.subnets.insert(id, subnet);
        }
    }

    /// Goes on with this plan from now on.
    pub(crate) fn set_faults(&mut self, plan: FaultPlan) {
        self.faults.set_plan(plan);
        self.past.clear();
    }

    /// When the next thing happens on its own; `None` when nothing will.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.state.queue.keys().next().map(|(time, _)| *time)
    }

    /// Lets everything happen that is due up to `now`, in order. Time never goes back: an earlier `now` does nothing.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.state.queue.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((time, _), due) = entry.remove_entry();
            self.now = self.now.max(time);
            self.remember();
            self.happen(due);
        }
        self.now = self.now.max(now);
        self.remember();
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Running(id) => self.instance_runs(&id),
            Due::AgentReady(id) => self.agent_ready(&id),
            Due::Terminated(id) => self.instance_gone(&id),
            Due::Forget(id) => self.forget_instance(&id),
            Due::Rebalance(id) => self.recommend_rebalance(&id),
            Due::SpotNotice(id) => self.give_spot_notice(&id),
            Due::SpotLoss(id) => self.take_spot_instance(&id),
            Due::HealthCheck(id) => self.check_health(&id),
            Due::Tick(group) => self.tick(&group),
            Due::HookTimeout {
                group,
                instance,
                hook,
                round,
            } => self.hook_times_out(&group, &instance, &hook, round),
            Due::Task {
                stack,
                operation,
                logical_id,
            } => self.look_at_task(&stack, operation, &logical_id),
            Due::Step { stack, operation } => self.step_stack(&stack, operation),
        }
    }

    /// Lets something happen after a time.
    pub(crate) fn after(&mut self, time: Duration, due: Due) -> Timestamp {
        let at = later(self.now, time);
        self.at(at, due);
        at
    }

    pub(crate) fn at(&mut self, at: Timestamp, due: Due) {
        self.state.queued += 1;
        self.state.queue.insert((at.max(self.now), self.state.queued), due);
    }

    /// A time drawn for one purpose and subject.
    pub(crate) fn span(&self, purpose: &str, subject: &str, span: Span) -> Duration {
        self.random.between(purpose, subject, span.low, span.high)
    }

    pub(crate) fn log(&mut self, what: What) {
        self.log.push(self.now, what);
    }

    /// The next number of a kind of thing, from 1.
    pub(crate) fn count(&mut self, kind: &str) -> u64 {
        let counter = self.state.counters.entry(kind.to_owned()).or_default();
        *counter += 1;
        *counter
    }

    /// A new id in the provider's shape: prefix and seventeen hexadecimal digits.
    pub(crate) fn new_id(&mut self, prefix: &str) -> String {
        let number = self.count(prefix);
        format!("{prefix}-0{}", self.random.hex(prefix, &number.to_string(), 16))
    }

    /// A new UUID.
    pub(crate) fn new_uuid(&mut self, kind: &str) -> String {
        let number = self.count(kind);
        self.random.uuid(kind, &number.to_string())
    }

    /// Keeps a copy of the account for stale reads, about four per lag.
    fn remember(&mut self) {
        let lag = self.faults.longest_lag();
        if lag.is_zero() {
            return;
        }
        if self
            .past
            .back()
            .is_some_and(|(time, _)| later(*time, lag / 4) > self.now)
        {
            return;
        }
        self.past.push_back((self.now, self.state.clone()));
        // The newest copy that is old enough for the longest lag is still needed, older ones are not.
        while self.past.get(1).is_some_and(|(time, _)| later(*time, lag) <= self.now) {
            self.past.pop_front();
        }
    }

    /// Shows the account as it was that long ago, or as early as is known, to a reader.
    pub(crate) fn in_the_past<T>(&mut self, lag: Duration, read: impl FnOnce(&mut Self) -> T) -> T {
        let old = self
            .past
            .iter()
            .rev()
            .find(|(time, _)| later(*time, lag) <= self.now)
            .or(self.past.front());
        let Some((_, old)) = old else {
            return read(self);
        };
        let present = std::mem::replace(&mut self.state, old.clone());
        let result = read(self);
        self.state = present;
        result
    }
}
