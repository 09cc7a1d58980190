//! A pass: the phases of a plan in order, each object with what is remembered and observed of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::Value;

use super::component::Component;
use super::decide::{Decision, decide};
use super::memory::{Applied, Memory, ParentRecord};
use super::object::{Done, Hand};
use super::observe::Observation;
use super::plan::{Additions, ApplyPlan, Phase, PlanError, Step, defines, plan};
use super::policy::Policy;
use super::report::{ApplyReport, Event, ObjectResult, Outcome, Reporter, Silent};
use crate::access::{Access, Mode};
use crate::applyset::{ApplySet, PART_OF};
use crate::call::Depth;
use crate::diff::{LiveDiff, LiveDiffs};
use crate::discovery::Kinds;
use crate::error::AccessError;
use crate::resource::GroupKind;

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The objects make no sense.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The cluster does not answer.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl ports::Classified for ApplyError {
    fn fault(&self) -> ports::Fault {
        match self {
            Self::Plan(_) => ports::Fault::Config,
            Self::Access(error) => error.fault(),
        }
    }

    fn retry(&self) -> ports::Retry {
        match self {
            Self::Plan(_) => ports::Retry::Never,
            Self::Access(error) => error.retry(),
        }
    }
}

/// Brings the objects of one set in one cluster to what git wants.
#[derive(Clone)]
pub struct Applier {
    access: Access,
    set: ApplySet,
    policy: Policy,
    reporter: Arc<dyn Reporter>,
}

impl std::fmt::Debug for Applier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applier")
            .field("access", &self.access)
            .field("set", &self.set)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// A finished pass.
#[derive(Debug, Clone)]
pub struct Pass {
    /// What became of each object.
    pub report: ApplyReport,
    /// The members of the set as they were before the pass: what a plan of a prune is made from.
    pub observation: Observation,
}

impl Applier {
    /// An applier with the default policy that tells nobody.
    #[must_use]
    pub fn new(access: Access, set: ApplySet) -> Self {
        Self {
            access,
            set,
            policy: Policy::default(),
            reporter: Arc::new(Silent),
        }
    }

    /// Replaces the policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Tells this reporter what happens.
    #[must_use]
    pub fn reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporter = reporter;
        self
    }

    /// The cluster.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The set.
    #[must_use]
    pub fn set(&self) -> &ApplySet {
        &self.set
    }

    pub(crate) fn policy_ref(&self) -> &Policy {
        &self.policy
    }

    /// Makes the plan of an apply. It can be kept as long as components and served kinds stay the same.
    ///
    /// # Errors
    /// If an object makes no sense or the served kinds cannot be read.
    pub async fn plan(&self, components: &[Component]) -> Result<ApplyPlan, ApplyError> {
        let text =
            |object: &Value, field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let objects: Vec<&Arc<Value>> = components.iter().flat_map(|component| &component.objects).collect();
        let defined: BTreeSet<GroupKind> = objects.iter().filter_map(|object| Some(defines(object)?.0)).collect();
        let mut needed: BTreeSet<(String, String)> = objects
            .iter()
            .map(|object| (text(object, "apiVersion"), text(object, "kind")))
            .collect();
        needed.retain(|(version, kind)| {
            !defined.contains(&GroupKind::new(crate::resource::split_api_version(version).0, kind))
        });
        let kinds = self.access.kinds_with(&needed).await?;
        let additions = Additions {
            labels: BTreeMap::from([(PART_OF.to_owned(), self.set.id().to_owned())]),
            ..Additions::default()
        };
        Ok(plan(components, &kinds, &additions)?)
    }

    /// Carries a plan out.
    ///
    /// `observation` is what watches know; without it the members are listed, only their metadata if everything is remembered.
    /// With it, and everything as it was, the pass makes no call at all.
    ///
    /// # Errors
    /// If the parent of the set or the members cannot be read, or the parent cannot be written. What goes wrong with a single
    /// object is in the report, and `memory` then keeps what it knew.
    pub async fn apply(
        &self,
        plan: &ApplyPlan,
        memory: &mut Memory,
        observation: Option<Observation>,
    ) -> Result<Pass, AccessError> {
        let (began, before) = (self.access.clock().now(), self.access.counts());
        let observation = self.prepare(plan, memory, observation).await?;
        let mut results: Vec<Option<ObjectResult>> = vec![None; plan.steps.len()];
        let mut kinds = self.access.kinds().await?;
        for range in levels(plan) {
            let definitions = plan
                .steps
                .get(range.start)
                .is_some_and(|step| step.phase == Phase::Definitions);
            let done = self
                .level(plan, range.clone(), &results, memory, &observation, &kinds)
                .await;
            for (place, result, applied) in done {
                if let Some(applied) = applied {
                    memory.objects.insert(result.key.clone(), applied);
                }
                self.reporter.event(&Event::Done(result.clone()));
                if let Some(slot) = results.get_mut(place) {
                    *slot = Some(result);
                }
            }
            if definitions && self.access.mode() == Mode::Live {
                kinds = self.served(plan, &results, kinds).await?;
            }
        }
        // What is remembered stays as long as git wants the object or the cluster has it.
        let wanted = plan.keys();
        memory
            .objects
            .retain(|key, _| wanted.contains(key) || observation.get(key).is_some());
        let clock = self.access.clock();
        let report = ApplyReport {
            results: results.into_iter().flatten().collect(),
            warnings: plan.warnings.clone(),
            server_warnings: self.access.take_warnings(),
            dry_run: self.access.mode() == Mode::DryRun,
            calls: self.access.counts().since(&before),
            took: clock.now().duration_since(began).unsigned_abs(),
        };
        Ok(Pass { report, observation })
    }

    /// Makes sure that the parent says everything that is about to be written, and finds out what the members are like.
    async fn prepare(
        &self,
        plan: &ApplyPlan,
        memory: &mut Memory,
        observation: Option<Observation>,
    ) -> Result<Observation, AccessError> {
        let wanted = self.set.record(plan.kinds(), plan.namespaces());
        let covered = memory.parent.as_ref().is_some_and(|parent| parent.covers(&wanted));
        if let Some(observation) = observation
            && covered
        {
            return Ok(observation);
        }
        let parent = self.set.read(&self.access).await?;
        let known = parent.as_ref().or(memory.parent.as_ref());
        let all = known.map_or_else(|| wanted.clone(), |known| known.union(&wanted));
        if parent.as_ref() != Some(&all) && self.access.mode() == Mode::Live {
            self.set.write(&self.access, &all).await?;
            memory.parent = Some(all.clone());
        } else if parent.is_some() {
            memory.parent = parent.clone();
        }
        // Without a parent and without a memory nothing was ever applied.
        if parent.is_none() && memory.objects.is_empty() {
            return Ok(empty(&all));
        }
        let kinds = self.access.kinds().await?;
        let all_known = plan.steps.iter().all(|step| memory.objects.contains_key(&step.key));
        let depth = if all_known { Depth::Metadata } else { Depth::Full };
        self.access
            .observe(self.set.id(), &all.group_kinds, &kinds, depth)
            .await
    }

    /// Applies the steps of a level, a bounded number at a time, and returns the results in order.
    async fn level(
        &self,
        plan: &ApplyPlan,
        range: Range<usize>,
        results: &[Option<ObjectResult>],
        memory: &Memory,
        observation: &Observation,
        kinds: &Kinds,
    ) -> Vec<(usize, ObjectResult, Option<Applied>)> {
        let steps = range.clone().zip(plan.steps.get(range).unwrap_or_default());
        // Boxed one by one: as a lazy map of borrowing futures the whole could not travel between threads.
        let mut work: Vec<BoxFuture<'_, (usize, ObjectResult, Option<Applied>)>> = Vec::new();
        for (place, step) in steps {
            let one = async move {
                let clock = self.access.clock();
                let started = clock.now();
                let (outcome, applied) = match held_back(plan, step, results) {
                    Some(held) => (held, None),
                    None => self.step(plan, step, results, memory, observation, kinds).await,
                };
                let result = ObjectResult {
                    key: step.key.clone(),
                    component: step.component.clone(),
                    outcome,
                    started,
                    took: clock.now().duration_since(started).unsigned_abs(),
                };
                (place, result, applied)
            };
            work.push(one.boxed());
        }
        futures::stream::iter(work)
            .buffered(self.policy.concurrency.max(1))
            .collect()
            .await
    }

    async fn step(
        &self,
        plan: &ApplyPlan,
        step: &Step,
        results: &[Option<ObjectResult>],
        memory: &Memory,
        observation: &Observation,
        kinds: &Kinds,
    ) -> Done {
        let applied = memory.objects.get(&step.key);
        let observed = observation.get(&step.key);
        let decision = decide(step, applied, observed, self.access.field_manager());
        if let (Decision::Nothing, Some(observed)) = (decision, observed) {
            return (Outcome::Unchanged, Some(refreshed(step, observed)));
        }
        // What is still to come cannot be tried: its definition or namespace exists only in the plan.
        if self.access.mode() == Mode::DryRun && awaits_created(step, results) {
            return (Outcome::Created, None);
        }
        let Some(kind) = kinds.exact(&step.api_version, &step.key.kind.kind) else {
            return (self.not_served(step, kinds), None);
        };
        let hand = self.hand();
        let done = match decision {
            Decision::Nothing => return (Outcome::Unchanged, None),
            Decision::Apply { gone } => hand.apply(step, kind, observed, gone).await,
            Decision::Inspect { drift } => hand.inspect(step, kind, observed, drift).await,
        };
        let written = !matches!(done.0, Outcome::Unchanged) && done.0.lets_others_go_on();
        let waits = step.phase == Phase::Definitions && self.access.mode() == Mode::Live && used(plan, step);
        if written
            && waits
            && let Err(error) = hand.established(step, kind).await
        {
            return (Outcome::Failed { error }, done.1);
        }
        done
    }

    fn hand(&self) -> Hand<'_> {
        Hand {
            access: &self.access,
            policy: &self.policy,
            reporter: &*self.reporter,
        }
    }

    fn not_served(&self, step: &Step, kinds: &Kinds) -> Outcome {
        let subject = step.key.to_string();
        let error = if kinds.partial().contains(&step.key.kind.group) {
            AccessError::PartialDiscovery {
                subject,
                groups: vec![step.key.kind.group.clone()],
            }
        } else {
            AccessError::NotServed { subject }
        };
        Outcome::Failed { error }
    }

    /// Reads the served kinds again until the definitions that were written are among them: discovery lags behind.
    async fn served(
        &self,
        plan: &ApplyPlan,
        results: &[Option<ObjectResult>],
        kinds: Arc<Kinds>,
    ) -> Result<Arc<Kinds>, AccessError> {
        let good = |(step, result): &(&Step, &Option<ObjectResult>)| {
            let outcome = result.as_ref().map(|result| &result.outcome);
            step.phase == Phase::Definitions && outcome.is_some_and(Outcome::lets_others_go_on)
        };
        let good: Vec<_> = plan.steps.iter().zip(results).filter(good).collect();
        let unchanged = |result: &Option<ObjectResult>| {
            result
                .as_ref()
                .is_some_and(|result| result.outcome == Outcome::Unchanged)
        };
        let written = good.iter().any(|(_, result)| !unchanged(result));
        let defined: BTreeSet<GroupKind> = good
            .iter()
            .filter_map(|(step, _)| Some(defines(&step.object)?.0))
            .collect();
        let wanted: Vec<&Step> = plan
            .steps
            .iter()
            .filter(|step| defined.contains(&step.key.kind))
            .collect();
        let all = |kinds: &Kinds| {
            wanted
                .iter()
                .all(|step| kinds.exact(&step.api_version, &step.key.kind.kind).is_some())
        };
        // A definition may have been written by a pass that did not come to reading the kinds again.
        if !written && all(&kinds) {
            return Ok(kinds);
        }
        let clock = self.access.clock();
        let began = clock.now();
        loop {
            let kinds = self.access.refresh_kinds().await?;
            let waited = clock.now().duration_since(began).unsigned_abs();
            // What is not served by then fails by itself, object by object.
            if all(&kinds) || waited > self.policy.patience {
                return Ok(kinds);
            }
            clock.sleep(std::time::Duration::from_millis(500)).await;
        }
    }

    /// What applying would change, object by object, without writing anything. Values of secrets are masked.
    ///
    /// # Errors
    /// If the set cannot be read.
    pub async fn diff(&self, plan: &ApplyPlan) -> Result<LiveDiffs, AccessError> {
        let kinds = self.access.kinds().await?;
        let parent = self.set.read(&self.access).await?;
        let wanted = self.set.record(plan.kinds(), plan.namespaces());
        let observation = match parent {
            Some(parent) => {
                let all = parent.union(&wanted).group_kinds;
                self.access.observe(self.set.id(), &all, &kinds, Depth::Full).await?
            }
            None => Observation::default(),
        };
        let hand = self.hand();
        let mut out = LiveDiffs::new();
        for step in &plan.steps {
            let observed = observation.get(&step.key);
            let decision = decide(step, None, observed, self.access.field_manager());
            let coming = step.needs.iter().any(|need| {
                let needed = plan.steps.get(need.step).map(|needed| &needed.key);
                needed.is_some_and(|key| out.get(key) == Some(&LiveDiff::Create))
            });
            let found = match (decision, kinds.exact(&step.api_version, &step.key.kind.kind)) {
                (Decision::Nothing, _) => LiveDiff::Same,
                (_, None) if coming => LiveDiff::Create,
                (_, None) => match self.not_served(step, &kinds) {
                    Outcome::Failed { error } => LiveDiff::Unknown(error),
                    _ => LiveDiff::Create,
                },
                (_, Some(kind)) => hand.difference(step, kind, observed, coming).await,
            };
            out.insert(step.key.clone(), found);
        }
        Ok(out)
    }
}

/// The members of a set that was never there.
fn empty(parent: &ParentRecord) -> Observation {
    Observation {
        kinds: parent
            .group_kinds
            .iter()
            .map(|kind| (kind.clone(), BTreeMap::new()))
            .collect(),
    }
}

/// What is remembered of an object with which nothing has to be done.
fn refreshed(step: &Step, observed: &super::observe::Observed) -> Applied {
    Applied {
        hash: step.hash.clone(),
        uid: observed.uid.clone(),
        resource_version: observed.resource_version.clone(),
        fields: observed.fields.clone(),
    }
}

/// Runs of steps with the same phase and level.
fn levels(plan: &ApplyPlan) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut last = None;
    for (place, step) in plan.steps.iter().enumerate() {
        let turn = Some((step.phase, step.level));
        match out.last_mut() {
            Some(range) if turn == last => range.end = place + 1,
            _ => out.push(place..place + 1),
        }
        last = turn;
    }
    out
}

fn outcome(results: &[Option<ObjectResult>], place: usize) -> Option<&Outcome> {
    results.get(place)?.as_ref().map(|result| &result.outcome)
}

/// The first thing that a step needs and that failed.
fn held_back(plan: &ApplyPlan, step: &Step, results: &[Option<ObjectResult>]) -> Option<Outcome> {
    let failed = |place| outcome(results, place).is_some_and(|outcome| !outcome.lets_others_go_on());
    let need = step.needs.iter().find(|need| failed(need.step))?;
    Some(Outcome::HeldBack {
        by: plan.steps.get(need.step)?.key.clone(),
        rule: need.rule,
    })
}

/// True if the namespace or definition of an object would be new.
fn awaits_created(step: &Step, results: &[Option<ObjectResult>]) -> bool {
    use super::plan::Rule;
    let mut needs = step
        .needs
        .iter()
        .filter(|need| matches!(need.rule, Rule::Namespace | Rule::Definition));
    needs.any(|need| outcome(results, need.step) == Some(&Outcome::Created))
}

/// True if the plan has objects of the kind that a step defines.
fn used(plan: &ApplyPlan, step: &Step) -> bool {
    let Some((defined, _)) = defines(&step.object) else {
        return false;
    };
    plan.steps.iter().any(|step| step.key.kind == defined)
}
