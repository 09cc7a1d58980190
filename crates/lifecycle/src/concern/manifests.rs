//! The manifests of a cluster: deletions before, everything applied, what left git pruned, deletions after.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_access::apply::{Applier, ApplyPlan, ApplyReport, Component, Memory, ObjectResult, Outcome, Policy};
use kube_access::applyset::{
    ApplySet, Consent, PruneItem, PruneOutcome, PrunePlan, PruneRefusal, PruneReport, Threshold,
};
use kube_access::deletions::DeletionOutcome;
use kube_access::{Access, AccessError};
use model::{Deletion, Progress};
use ports::{Clock, Fault};
use render::{DesiredCluster, PoolDefinition};

use super::{Failure, Finding, Tally, about, karpenter};
use crate::gate::WriteGate;
use crate::guard::{Guard, Touches};
use crate::journal::Journal;

/// No threshold at all.
const ANY: Threshold = Threshold {
    objects: usize::MAX,
    percent: 100,
};

/// How many failing objects a problem names; the history has all.
const NAMED: usize = 5;

/// What is remembered of one cluster between runs.
#[derive(Debug, Default)]
pub(crate) struct ManifestMemory {
    pub(crate) objects: Memory,
    /// How many objects were pruned on the way to this version. A list that lagged shows only some of what left git, so what
    /// may go without consent is counted over all passes and not in each anew (V9).
    pruned: (String, usize),
    /// The plan of the version that was applied last: kept as long as the version stays.
    plan: Option<(String, Arc<ApplyPlan>)>,
}

impl ManifestMemory {
    /// Somebody else may have written since: what is there has to be read again. How much was pruned still counts.
    pub(crate) fn forget(&mut self) {
        self.objects = Memory::default();
        self.plan = None;
    }
}

/// What the work needs.
pub(crate) struct ManifestRun<'a> {
    pub(crate) access: Access,
    pub(crate) guard: &'a Guard,
    /// What `access` asks before each write.
    pub(crate) gate: Arc<WriteGate>,
    pub(crate) journal: &'a Journal,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) policy: Policy,
    pub(crate) threshold: Threshold,
    /// Agreement to a prune above the threshold.
    pub(crate) consent: Option<Consent>,
    /// How many objects went on the way to the version.
    pub(crate) tally: Tally,
    /// A cluster that others built: nothing is pruned and nothing deleted that was there before us.
    pub(crate) adopted: bool,
}

/// What else came out of it.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Objects that were written.
    pub(crate) written: usize,
    /// A prune that waits for consent.
    pub(crate) asks: Option<PrunePlan>,
}

/// Brings the objects of a cluster to what is wanted.
pub(crate) async fn manifests(
    run: &ManifestRun<'_>,
    desired: &DesiredCluster,
    memory: &mut ManifestMemory,
) -> (Finding, Applied) {
    let mut applied = Applied::default();
    if let Some(finding) = run.delete("deletions/before", &desired.deletions.pre_apply).await {
        return (finding, applied);
    }
    let finding = run.apply(desired, memory, &mut applied).await;
    if finding != Finding::Done {
        return (finding, applied);
    }
    match run.delete("deletions/after", &desired.deletions.post_apply).await {
        Some(finding) => (finding, applied),
        None => {
            // The objects of a whole fleet would take gigabytes; the next pass reads them again if there is one.
            memory.plan = None;
            (Finding::Done, applied)
        }
    }
}

impl ManifestRun<'_> {
    async fn apply(&self, desired: &DesiredCluster, memory: &mut ManifestMemory, applied: &mut Applied) -> Finding {
        const PATH: &str = "manifests";
        self.journal.begin(PATH);
        if let Err(refusal) = self.guard.permit(Touches::Configuration).await {
            return refusal.into();
        }
        let applier = Applier::new(self.access.clone(), ApplySet::default()).policy(self.policy.clone());
        let plan = match memory.plan.as_ref().filter(|(version, _)| *version == desired.version) {
            Some((_, plan)) => Arc::clone(plan),
            None => match applier.plan(&components(desired)).await {
                Ok(plan) => Arc::new(plan),
                Err(error) => return Finding::Failed(Failure::of(PATH, "the manifests cannot be applied", &error)),
            },
        };
        memory.plan = Some((desired.version.clone(), Arc::clone(&plan)));
        let pass = match applier.apply(&plan, &mut memory.objects, None).await {
            Ok(pass) => pass,
            Err(error) => return Finding::Failed(Failure::of(PATH, "the cluster cannot be worked on", &error)),
        };
        applied.written = written(&pass.report);
        let finding = self.judge(&pass.report);
        if finding != Finding::Done || self.adopted {
            // An object that failed may be the new name of one that would go, so nothing is pruned then.
            return finding;
        }
        let prune = applier.plan_prune(&plan, &pass.observation);
        self.prune(&applier, (desired, &plan, &prune), memory, applied).await
    }

    /// A step in the history per component, and the finding over all.
    fn judge(&self, report: &ApplyReport) -> Finding {
        let mut by_component: BTreeMap<&str, Vec<&ObjectResult>> = BTreeMap::new();
        for result in &report.results {
            by_component.entry(&result.component).or_default().push(result);
        }
        for (component, results) in by_component {
            let path = format!("manifests/{component}");
            let bad: Vec<String> = results
                .iter()
                .filter(|r| !r.outcome.is_good())
                .map(|r| told(r))
                .collect();
            let changed = results
                .iter()
                .filter(|r| !matches!(r.outcome, Outcome::Unchanged))
                .count();
            match (bad.is_empty(), changed) {
                (true, 0) => self.journal.note(&path, Progress::Skipped, ""),
                (true, _) => {
                    let message = format!("{changed} of {} objects changed", results.len());
                    self.journal.note(&path, Progress::Done, &message);
                }
                (false, _) => self.journal.note(&path, Progress::Failing, &bad.join("; ")),
            }
        }
        if let Some(refusal) = self.gate.refusal() {
            self.journal.note("manifests", Progress::Stopped, &refusal.to_string());
            return refusal.into();
        }
        let bad: Vec<String> = report.bad().map(told).collect();
        let Some(first) = bad.first() else {
            self.journal.note("manifests", Progress::Done, &summary(report));
            return Finding::Done;
        };
        self.journal.note("manifests", Progress::Failing, &summary(report));
        let more = if bad.len() > 1 {
            format!(" (and {} more objects)", bad.len() - 1)
        } else {
            String::new()
        };
        Finding::Failed(Failure {
            title: format!("{first}{more}"),
            detail: bad.iter().take(NAMED).cloned().collect::<Vec<_>>().join("\n"),
            instance: "manifests".to_owned(),
            fault: Fault::Config,
            at_least: None,
        })
    }

    async fn prune(
        &self,
        applier: &Applier,
        (desired, plan, prune): (&DesiredCluster, &ApplyPlan, &PrunePlan),
        memory: &mut ManifestMemory,
        applied: &mut Applied,
    ) -> Finding {
        const PATH: &str = "prune";
        if prune.items.is_empty() {
            return Finding::Done;
        }
        self.journal.begin(PATH);
        if let Err(refusal) = self.guard.permit(Touches::Configuration).await {
            return refusal.into();
        }
        // Consent to another selection is none: the plan is asked about again.
        let consent = self.consent.as_ref().filter(|consent| consent.hash == prune.hash());
        let unwritten = |error| Finding::Failed(Failure::of(PATH, "what was pruned cannot be counted", &error));
        let before = match &memory.pruned {
            (version, count) if *version == desired.version => *count,
            _ => match self.tally.of(&desired.version, &names(prune)).await {
                Ok(count) => count,
                Err(error) => return unwritten(error),
            },
        };
        let threshold = match before {
            _ if !self.guard.rules.consent => ANY,
            0 => self.threshold,
            _ => Threshold {
                objects: self.threshold.objects.saturating_sub(before),
                percent: 0,
            },
        };
        if let Err(refusal) = prune.allowed(threshold, consent) {
            applied.asks = Some(prune.clone());
            let title = format!("{refusal}; give it with \"fleetwright approve prune\"");
            self.journal.note(PATH, Progress::Waiting, &title);
            return Finding::Failed(Failure::told(PATH, title, Fault::User));
        }
        let split = match karpenter::split(self, prune).await {
            Ok(split) => split,
            Err(error) => return Finding::Failed(Failure::of(PATH, "the nodes of a pool cannot be looked at", &error)),
        };
        if let Err(error) = self.tally.set(&desired.version, before, names(&split.now)).await {
            return unwritten(error);
        }
        // The whole of it is allowed, so a part of it is.
        let done = applier.prune(&split.now, plan, &mut memory.objects, ANY, None).await;
        let written = applied.written;
        let finding = self.judge_prune(done, applied);
        let deleted = applied.written.saturating_sub(written);
        memory.pruned = (desired.version.clone(), before + deleted);
        if deleted < split.now.items.len()
            && let Err(error) = self.tally.set(&desired.version, before + deleted, Vec::new()).await
        {
            return unwritten(error);
        }
        if let (Finding::Done, Some(Finding::Wait { sentence, .. })) = (&finding, &split.waits) {
            self.journal.note(PATH, Progress::Waiting, sentence);
        }
        finding.and(split.waits.unwrap_or(Finding::Done))
    }

    /// A step in the history for a prune, and what it came to.
    fn judge_prune(
        &self,
        done: Result<Result<PruneReport, PruneRefusal>, AccessError>,
        applied: &mut Applied,
    ) -> Finding {
        const PATH: &str = "prune";
        match done {
            Err(error) => Finding::Failed(Failure::of(PATH, "what left git cannot be deleted", &error)),
            Ok(Err(refusal)) => Finding::Failed(Failure::told(PATH, refusal.to_string(), Fault::User)),
            Ok(Ok(report)) => {
                let failed = report.results.iter().find_map(|result| match &result.outcome {
                    PruneOutcome::Failed(error) => Some(about(&result.key, &error.to_string())),
                    _ => None,
                });
                applied.written += report.deleted();
                match failed {
                    Some(title) => {
                        self.journal.note(PATH, Progress::Failing, &title);
                        Finding::Failed(Failure::told(PATH, title, Fault::User))
                    }
                    None => {
                        self.journal
                            .note(PATH, Progress::Done, &format!("{} objects deleted", report.deleted()));
                        Finding::Done
                    }
                }
            }
        }
    }

    /// Carries out deletions; `None` when nothing stands in the way of going on.
    async fn delete(&self, path: &str, deletions: &[Deletion]) -> Option<Finding> {
        if deletions.is_empty() || self.adopted {
            return None;
        }
        if let Err(refusal) = self.guard.permit(Touches::Configuration).await {
            return Some(refusal.into());
        }
        let results = match self.access.run_deletions(deletions).await {
            Ok(results) => results,
            Err(error) => {
                return Some(Finding::Failed(Failure::of(
                    path,
                    "the deletions cannot be carried out",
                    &error,
                )));
            }
        };
        let deleted = results.iter().filter(|r| r.outcome == DeletionOutcome::Deleted).count();
        let failed = results.iter().find_map(|result| match &result.outcome {
            DeletionOutcome::Failed(error) => Some(about(&result.key, &error.to_string())),
            _ => None,
        });
        if let Some(title) = failed {
            self.journal.note(path, Progress::Failing, &title);
            return Some(Finding::Failed(Failure::told(path, title, Fault::Config)));
        }
        if deleted > 0 {
            self.journal
                .note(path, Progress::Done, &format!("{deleted} objects deleted"));
        }
        None
    }
}

/// The components in their order; Karpenter's objects of the pools follow as components of their own.
pub(crate) fn components(desired: &DesiredCluster) -> Vec<Component> {
    let of_pools = desired.pools.iter().filter_map(|pool| match &pool.definition {
        Some(PoolDefinition::Provisioners(content)) => {
            Some(Component::new(&format!("pools/{}", pool.name), content.values()))
        }
        _ => None,
    });
    let manifests = desired.components.iter().map(|component| {
        let objects = component
            .manifests
            .iter()
            .flat_map(|manifest| manifest.content.values());
        Component::new(&component.name, objects)
    });
    manifests.chain(of_pools).collect()
}

fn written(report: &ApplyReport) -> usize {
    let wrote = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Created
                | Outcome::Configured { .. }
                | Outcome::Recreated { .. }
                | Outcome::Drifted { corrected: true, .. }
        )
    };
    report.results.iter().filter(|result| wrote(&result.outcome)).count()
}

fn summary(report: &ApplyReport) -> String {
    let parts: Vec<String> = report.summary().iter().map(|(word, n)| format!("{n} {word}")).collect();
    parts.join(", ")
}

fn told(result: &ObjectResult) -> String {
    match &result.outcome {
        Outcome::Failed { error } => about(&result.key, &error.to_string()),
        Outcome::HeldBack { by, rule } => format!("{} waits for {by}: {rule}", result.key),
        other => format!("{}: {}", result.key, other.word()),
    }
}

/// The objects of a plan, told apart from others of the same name.
fn names(prune: &PrunePlan) -> Vec<String> {
    let name = |item: &PruneItem| format!("{} {}", item.key, item.uid);
    prune.items.iter().map(name).collect()
}
