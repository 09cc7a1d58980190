//! The fault plan of one account: what goes wrong, how often, when, and what it hits.
//!
//! Every decision is drawn from the seed by the rule's place in the plan and by how often the rule has been asked, so the
//! same plan over the same calls goes wrong in the same places.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use ports::cloud::Market;

use crate::random::Random;

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFault {
    /// The service fails before it does anything.
    Refuse,
    /// The identity may not do it.
    Deny,
    /// Too many calls.
    Throttle,
    /// The answer takes that long; the work is done at the end of it.
    Delay(Duration),
    /// The work is done, the answer is lost.
    LoseAnswer,
    /// Reads only: the answer is that of so long ago.
    Stale(Duration),
}

impl CallFault {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Deny => "deny",
            Self::Throttle => "throttle",
            Self::Delay(_) => "delay",
            Self::LoseAnswer => "lose-answer",
            Self::Stale(_) => "stale-read",
        }
    }
}

/// When a rule is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From then on.
    pub from: Timestamp,
    /// Before then.
    pub until: Timestamp,
}

impl Window {
    /// Always.
    pub const ALWAYS: Self = Self {
        from: Timestamp::MIN,
        until: Timestamp::MAX,
    };

    /// True inside the window.
    #[must_use]
    pub fn contains(self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// A rule for calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRule {
    /// What goes wrong.
    pub fault: CallFault,
    /// Names of calls, such as `UpdateStack`; empty means all.
    pub calls: BTreeSet<String>,
    /// In how many of a thousand cases.
    pub per_mille: u32,
    /// When.
    pub window: Window,
    /// How often at most; `None`: no bound.
    pub at_most: Option<u32>,
}

impl CallRule {
    /// A rule for the given calls (none: all), always and every time.
    #[must_use]
    pub fn new(fault: CallFault, calls: &[&str]) -> Self {
        Self {
            fault,
            calls: calls.iter().map(|call| (*call).to_owned()).collect(),
            per_mille: 1000,
            window: Window::ALWAYS,
            at_most: None,
        }
    }

    /// The same in that many of a thousand cases.
    #[must_use]
    pub fn per_mille(mut self, per_mille: u32) -> Self {
        self.per_mille = per_mille;
        self
    }

    /// The same at most so often.
    #[must_use]
    pub fn at_most(mut self, times: u32) -> Self {
        self.at_most = Some(times);
        self
    }
}

/// Capacity that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityGap {
    /// Instance type; `None`: all.
    pub instance_type: Option<String>,
    /// Zone; `None`: all.
    pub zone: Option<String>,
    /// Market; `None`: both.
    pub market: Option<Market>,
    /// When.
    pub window: Window,
}

/// What goes wrong with a resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceFault {
    /// It fails with this reason.
    Fail(String),
    /// It takes so much longer.
    Hang(Duration),
}

/// What a stack does with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceStep {
    /// Makes it.
    Create,
    /// Changes it.
    Update,
    /// Deletes it.
    Delete,
}

/// A rule for resources. A stack whose resource fails to be made and then to be deleted stays half-made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRule {
    /// What goes wrong.
    pub fault: ResourceFault,
    /// In which step.
    pub step: ResourceStep,
    /// Name of the stack; `None`: all.
    pub stack: Option<String>,
    /// Name of the resource in the template; `None`: all.
    pub logical_id: Option<String>,
    /// Type; `None`: all.
    pub resource_type: Option<String>,
    /// In how many of a thousand cases.
    pub per_mille: u32,
    /// How often at most; `None`: no bound.
    pub at_most: Option<u32>,
}

impl ResourceRule {
    /// A rule for one resource of any stack, every time.
    #[must_use]
    pub fn new(step: ResourceStep, logical_id: &str, fault: ResourceFault) -> Self {
        Self {
            fault,
            step,
            stack: None,
            logical_id: Some(logical_id.to_owned()),
            resource_type: None,
            per_mille: 1000,
            at_most: None,
        }
    }

    /// The same at most so often.
    #[must_use]
    pub fn at_most(mut self, times: u32) -> Self {
        self.at_most = Some(times);
        self
    }
}

/// All that goes wrong in an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultPlan {
    /// Calls. The first rule that applies counts.
    pub calls: Vec<CallRule>,
    /// Missing capacity.
    pub capacity: Vec<CapacityGap>,
    /// Resources of stacks. The first rule that applies counts.
    pub resources: Vec<ResourceRule>,
    /// Instances, of a thousand, whose node never becomes ready; they boot, but their agent stays silent.
    pub never_ready_per_mille: u32,
    /// The same for a while; the larger number counts where several are in force.
    pub never_ready_spans: Vec<(Window, u32)>,
    /// Spot instances, of a thousand, that are taken back within their first hours.
    pub spot_loss_per_mille: u32,
}

/// The plan at work: how often each rule has been asked and has applied.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    plan: FaultPlan,
    random: Random,
    /// Asked and applied, per rule: calls first, then resources.
    used: Vec<(u64, u32)>,
}

impl Faults {
    pub(crate) fn new(plan: FaultPlan, random: Random) -> Self {
        let used = vec![(0, 0); plan.calls.len() + plan.resources.len()];
        Self { plan, random, used }
    }

    pub(crate) fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// The furthest that a stale read looks back; zero when there is none.
    pub(crate) fn longest_lag(&self) -> Duration {
        let lag = |rule: &CallRule| match rule.fault {
            CallFault::Stale(lag) => lag,
            _ => Duration::ZERO,
        };
        self.plan.calls.iter().map(lag).max().unwrap_or_default()
    }

    /// Goes on with another plan; rules that are in both keep what they have counted.
    pub(crate) fn set_plan(&mut self, plan: FaultPlan) {
        let old_calls = self.plan.calls.iter().zip(&self.used);
        let old_resources = self
            .plan
            .resources
            .iter()
            .zip(self.used.iter().skip(self.plan.calls.len()));
        let mut calls: Vec<(&CallRule, (u64, u32))> = old_calls.map(|(rule, used)| (rule, *used)).collect();
        let mut resources: Vec<(&ResourceRule, (u64, u32))> = old_resources.map(|(rule, used)| (rule, *used)).collect();
        let mut used: Vec<(u64, u32)> = plan.calls.iter().map(|rule| take(&mut calls, rule)).collect();
        used.extend(plan.resources.iter().map(|rule| take(&mut resources, rule)));
        (self.plan, self.used) = (plan, used);
    }

    /// Instances, of a thousand, that never become ready when they are launched now.
    pub(crate) fn never_ready(&self, now: Timestamp) -> u32 {
        let spans = self.plan.never_ready_spans.iter();
        let in_force = spans
            .filter(|(window, _)| window.contains(now))
            .map(|(_, per_mille)| *per_mille);
        in_force.max().unwrap_or(0).max(self.plan.never_ready_per_mille)
    }

    /// What goes wrong with this call.
    pub(crate) fn on_call(&mut self, call: &str, reads: bool, now: Timestamp) -> Option<CallFault> {
        let fits = |rule: &CallRule| {
            let stale = matches!(rule.fault, CallFault::Stale(_));
            (rule.calls.is_empty() || rule.calls.contains(call)) && rule.window.contains(now) && (reads || !stale)
        };
        let candidates: Vec<usize> = (0..)
            .zip(&self.plan.calls)
            .filter(|(_, rule)| fits(rule))
            .map(|(at, _)| at)
            .collect();
        for at in candidates {
            let rule = self.plan.calls.get(at).cloned()?;
            if self.applies(at, rule.per_mille, rule.at_most) {
                return Some(rule.fault);
            }
        }
        None
    }

    /// What goes wrong with this step of a resource.
    pub(crate) fn on_resource(
        &mut self,
        step: ResourceStep,
        stack: &str,
        logical_id: &str,
        resource_type: &str,
    ) -> Option<ResourceFault> {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        let fits = |rule: &ResourceRule| {
            rule.step == step
                && is(&rule.stack, stack)
                && is(&rule.logical_id, logical_id)
                && is(&rule.resource_type, resource_type)
        };
        let candidates: Vec<usize> = (0..)
            .zip(&self.plan.resources)
            .filter(|(_, rule)| fits(rule))
            .map(|(at, _)| at)
            .collect();
        for at in candidates {
            let rule = self.plan.resources.get(at).cloned()?;
            if self.applies(self.plan.calls.len() + at, rule.per_mille, rule.at_most) {
                return Some(rule.fault);
            }
        }
        None
    }

    /// True while that capacity is missing.
    pub(crate) fn lacks_capacity(&self, instance_type: &str, zone: &str, market: Market, now: Timestamp) -> bool {
        self.plan.capacity.iter().any(|gap| {
            gap.instance_type.as_ref().is_none_or(|wanted| wanted == instance_type)
                && gap.zone.as_ref().is_none_or(|wanted| wanted == zone)
                && gap.market.is_none_or(|wanted| wanted == market)
                && gap.window.contains(now)
        })
    }

    fn applies(&mut self, at: usize, per_mille: u32, at_most: Option<u32>) -> bool {
        let Some((asked, applied)) = self.used.get_mut(at) else {
            return false;
        };
        if at_most.is_some_and(|most| *applied >= most) {
            return false;
        }
        *asked += 1;
        let hit = self.random.chance("fault", &format!("{at}/{asked}"), per_mille);
        *applied += u32::from(hit);
        hit
    }
}

/// What an equal rule has counted; each count is taken once.
fn take<R: PartialEq>(known: &mut Vec<(&R, (u64, u32))>, rule: &R) -> (u64, u32) {
    let place = known.iter().position(|(old, _)| *old == rule);
    place.map(|place| known.swap_remove(place).1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_stay_keep_their_counts() {
        let once = CallRule::new(CallFault::Refuse, &["A"]).at_most(1);
        let plan = |calls: &[&CallRule]| FaultPlan {
            calls: calls.iter().map(|rule| (*rule).clone()).collect(),
            ..FaultPlan::default()
        };
        let mut faults = Faults::new(plan(&[&once]), Random::new(1));
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(faults.on_call("A", false, now), Some(CallFault::Refuse));
        let other = CallRule::new(CallFault::Throttle, &["B"]);
        faults.set_plan(plan(&[&other, &once]));
        assert_eq!(faults.on_call("A", false, now), None, "its budget is used up still");
        assert_eq!(faults.on_call("B", false, now), Some(CallFault::Throttle));
        faults.set_plan(plan(&[]));
        faults.set_plan(plan(&[&once]));
        assert_eq!(faults.on_call("A", false, now), Some(CallFault::Refuse), "a new rule");
    }

    #[test]
    fn rules_apply_by_call_window_and_budget() {
        let window = Window {
            from: Timestamp::from_second(10).unwrap(),
            until: Timestamp::from_second(20).unwrap(),
        };
        let rule = CallRule {
            window,
            ..CallRule::new(CallFault::Refuse, &["UpdateStack"]).at_most(2)
        };
        let stale = CallRule::new(CallFault::Stale(Duration::from_secs(5)), &[]);
        let plan = FaultPlan {
            calls: vec![rule, stale],
            ..FaultPlan::default()
        };
        let mut faults = Faults::new(plan, Random::new(1));
        assert_eq!(faults.longest_lag(), Duration::from_secs(5));
        let mut at = |call, reads, second| faults.on_call(call, reads, Timestamp::from_second(second).unwrap());
        assert_eq!(at("UpdateStack", false, 9), None);
        assert_eq!(at("CreateStack", false, 10), None);
        assert_eq!(at("UpdateStack", false, 10), Some(CallFault::Refuse));
        assert_eq!(at("UpdateStack", false, 19), Some(CallFault::Refuse));
        assert_eq!(at("UpdateStack", false, 19), None, "the budget is used up");
        assert_eq!(
            at("DescribeStacks", true, 5),
            Some(CallFault::Stale(Duration::from_secs(5)))
        );
    }
}
