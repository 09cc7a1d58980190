//! One pass over one cluster: look, decide, take the steps that may be taken, write down what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube_access::apply::{Conflicts, Policy};
use kube_access::applyset::Threshold;
use model::{Cluster, ClusterStatus, ClusterUpdate, ClusterVersion, LifecycleStatus, Problem, Progress, Update};
use ports::cloud::Cloud;
use ports::config_source::CombinedVersion;
use ports::{Clock, Fault, Ids, Ledger, Prometheus, Promote, Registry, RegistryError, WriteContext};
use render::Outcome;

use crate::concern::{
    DrainRun, Failure, Finding, ManifestMemory, StackMemory, Tally, decommission, drain, extra_stacks, main_stacks,
    manifests, pools,
};
use crate::concern::{ManifestRun, StackRun};
use crate::connect::{CloudSource, Connector, FactSource};
use crate::consent::{self, Decommission, PruneConsent};
use crate::desired::{Configuration, Subject};
use crate::drift;
use crate::gate::WriteGate;
use crate::guard::{Guard, Refusal, Touches};
use crate::inputs;
use crate::journal::Journal;
use crate::need::{self, Cause};
use crate::policies::Policies;
use crate::turns::Turns;

/// What passes can reach; shared by all.
pub struct Reach {
    /// The list of clusters.
    pub registry: Arc<dyn Registry>,
    /// Blocks, history, agreements.
    pub ledger: Arc<dyn Ledger>,
    /// What git says.
    pub configuration: Configuration,
    /// The clusters' APIs.
    pub connector: Arc<dyn Connector>,
    /// The clouds.
    pub clouds: Arc<dyn CloudSource>,
    /// What only the clouds know.
    pub facts: Arc<dyn FactSource>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and jitter.
    pub ids: Arc<dyn Ids>,
    /// How things are done.
    pub settings: Settings,
}

/// How things are done. The defaults suit production.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name in audit records.
    pub actor: String,
    /// Id of the plan that is carried out, for the history; empty where nobody made one beforehand.
    pub plan: String,
    /// Nothing is written anywhere: not to clusters, clouds, registry or ledger (fault F1).
    pub dry_run: bool,
    /// Whether the etcd stack is ours.
    pub manage_etcd: bool,
    /// How much may be pruned without agreement.
    pub threshold: Threshold,
    /// What an apply may do without asking.
    pub policy: Policy,
    /// How long a cluster waits before it is taken down.
    pub decommission_wait: jiff::SignedDuration,
    /// How the fleet moves and how its health is judged.
    pub policies: Policies,
    /// Who answers the queries of health checks; without one they have no answer, which is never taken for a good one.
    pub prometheus: Option<Arc<dyn Prometheus>>,
    /// Who moves the branches of channels through their gates; without one gates are evaluated and shown only.
    pub promote: Option<Arc<dyn Promote>>,
    /// How long its pods are asked to leave before its nodes go with them.
    pub decommission_drain: jiff::SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            actor: "lifecycle".to_owned(),
            plan: String::new(),
            dry_run: false,
            manage_etcd: false,
            threshold: Threshold::default(),
            policy: Policy {
                conflicts: Conflicts::Report,
                ..Policy::default()
            },
            decommission_wait: consent::WAIT,
            policies: Policies::default(),
            prometheus: None,
            promote: None,
            decommission_drain: jiff::SignedDuration::from_hours(1),
        }
    }
}

/// What is kept of a cluster between passes. Losing it costs reads and nothing else.
#[derive(Debug, Default)]
pub(crate) struct ClusterMemory {
    pub(crate) manifests: ManifestMemory,
    /// Digest of the entry that it was brought to last, if that is known.
    pub(crate) inputs: Option<String>,
}

/// How a pass ended.
#[derive(Debug, Clone, PartialEq)]
pub enum PassEnd {
    /// The cluster is as wanted.
    Done,
    /// Look again at this moment: something outside has to happen first.
    Waits(Timestamp, String),
    /// Try again with back-off.
    Failed(Failure),
    /// Not to be done now; an event will wake it.
    Stopped(Refusal),
}

impl PassEnd {
    /// The word in metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waits(..) => "waits",
            Self::Failed(_) => "failed",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// What a pass is for.
#[derive(Debug, Clone)]
pub(crate) enum Aim {
    Update {
        to: ClusterVersion,
        version: CombinedVersion,
        cause: Cause,
    },
    Decommission,
}

impl Aim {
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Update { cause, .. } => *cause,
            Self::Decommission => Cause::Decommission,
        }
    }
}

impl Reach {
    pub(crate) fn context(&self) -> WriteContext {
        WriteContext::by(self.settings.actor.clone(), self.ids.uuid())
    }

    /// Works on one cluster.
    pub(crate) async fn pass(
        &self,
        subject: &Subject,
        aim: &Aim,
        guard: &Guard,
        turns: &Turns,
        memory: &mut ClusterMemory,
    ) -> PassEnd {
        let known = memory.manifests.objects.clone();
        let end = match aim {
            Aim::Update { to, version, cause } => {
                turns.begin(&to.to_string());
                self.update(subject, (to, version, *cause), guard, turns, memory).await
            }
            Aim::Decommission => {
                turns.begin("decommissioned");
                self.decommission(subject, guard, turns).await
            }
        };
        let done = matches!(end, Ok(PassEnd::Done));
        if done && memory.manifests.objects != known {
            let id = &subject.cluster.id;
            if let Err(error) = drift::remember(&*self.ledger, id, &memory.manifests.objects, &self.context()).await {
                // Not remembering costs reads after a restart and no more.
                tracing::warn!(%error, cluster = %subject.cluster.alias, "what was applied cannot be written down");
            }
        }
        match end {
            Ok(end) => end,
            Err(error) => PassEnd::Failed(Failure::of("registry", "the registry does not answer", &error)),
        }
    }

    async fn update(
        &self,
        subject: &Subject,
        (to, version, cause): (&ClusterVersion, &CombinedVersion, Cause),
        guard: &Guard,
        turns: &Turns,
        memory: &mut ClusterMemory,
    ) -> Result<PassEnd, RegistryError> {
        let (cluster, to) = (&subject.cluster, &to.to_string());
        let facts = match self.facts.facts(cluster).await {
            Ok(facts) => facts,
            Err(error) => {
                let failure = trouble("facts", "the cloud cannot be asked", &*error);
                return self.failed_early(cluster, (to, cause), guard, failure).await;
            }
        };
        let outcome = match self.configuration.render(subject, version, facts).await {
            Ok(outcome) => outcome,
            Err(why) => {
                let failure = Failure::told("configuration", why, Fault::Config);
                return self.failed_early(cluster, (to, cause), guard, failure).await;
            }
        };
        let cloud = match self.clouds.cloud(cluster).await {
            Ok(cloud) => cloud,
            Err(error) => {
                let failure = trouble("cloud", "the account cannot be entered", &*error);
                return self.failed_early(cluster, (to, cause), guard, failure).await;
            }
        };
        if let Err(refusal) = guard.permit(Touches::Configuration).await {
            return Ok(PassEnd::Stopped(refusal));
        }
        self.mark_begun(cluster, to).await?;
        let journal = self.begin(cluster, self.begun(cluster, to, cause), guard).await?;
        self.note_baseline(cluster, to, cause, &outcome.desired).await?;
        let run = Run {
            cluster,
            outcome: &outcome,
            guard,
            journal: &journal,
            turns,
        };
        let finding = self.concerns(&run, cloud, memory).await?;
        let digest = inputs::digest(cluster);
        if finding == Finding::Done && memory.inputs.as_ref() != Some(&digest) {
            inputs::remember(&*self.ledger, &cluster.id, &digest, &self.context()).await?;
            memory.inputs = Some(digest);
        }
        self.close(subject, to, finding, &journal).await
    }

    /// What the history says of an update that begins.
    fn begun(&self, cluster: &Cluster, to: &str, cause: Cause) -> Update {
        Update {
            from: cluster.status.current_version.clone(),
            to: to.to_owned(),
            channel: cluster.channel.clone(),
            cause: cause.as_str().to_owned(),
            plan: self.settings.plan.clone(),
            ..Update::default()
        }
    }

    /// Ends a pass of an update that failed before its first step. The history says so all the same: whoever counts failures,
    /// and whoever asks what became of a commit, reads it there.
    async fn failed_early(
        &self,
        cluster: &Cluster,
        (to, cause): (&str, Cause),
        guard: &Guard,
        failure: Failure,
    ) -> Result<PassEnd, RegistryError> {
        if !self.settings.dry_run {
            let journal = self.begin(cluster, self.begun(cluster, to, cause), guard).await?;
            journal.tell(Progress::Failing, &failure.title);
            journal.save().await?;
        }
        self.failed(cluster, to, failure).await
    }

    /// Ends a pass that failed before it had anything to write down.
    async fn failed(&self, cluster: &Cluster, to: &str, failure: Failure) -> Result<PassEnd, RegistryError> {
        if !self.settings.dry_run {
            self.report(cluster, to, &failure).await?;
        }
        Ok(PassEnd::Failed(failure))
    }

    /// Writes down that an update begins, before its first step (V15).
    async fn begin(&self, cluster: &Cluster, begun: Update, guard: &Guard) -> Result<Journal, RegistryError> {
        let id = format!("{}.{:08x}", cluster.alias, self.ids.next_u64() & 0xffff_ffff).parse()?;
        let (ledger, clock) = (Arc::clone(&self.ledger), Arc::clone(&self.clock));
        let journal = Journal::open(&cluster.id, id, begun, ledger, clock, self.context()).await?;
        if guard.rules.history {
            journal.save().await?;
        }
        tracing::Span::current().record("update", journal.id().as_str());
        Ok(journal)
    }

    /// All concerns of an update: stacks first, since others import from them; then manifests and pools side by side, for
    /// no manifest waits for a node pool.
    async fn concerns(
        &self,
        run: &Run<'_>,
        cloud: Option<Arc<dyn Cloud>>,
        memory: &mut ClusterMemory,
    ) -> Result<Finding, RegistryError> {
        let Run {
            cluster,
            outcome,
            guard,
            journal,
            turns,
        } = *run;
        let errors = render_failure(outcome);
        if let Some(failure) = &errors {
            journal.note("configuration", Progress::Failing, &failure.title);
        }
        let Some(cloud) = cloud else {
            return match errors {
                Some(failure) => Ok(Finding::Failed(failure)),
                None => self.manifests(run, memory).await,
            };
        };
        let bucket = bucket(cluster);
        let stacks = StackMemory::load(&cluster.id, Arc::clone(&self.ledger), self.context()).await?;
        let stack_run = StackRun {
            cloud: &*cloud,
            guard,
            journal,
            memory: &stacks,
            clock: &*self.clock,
            bucket: &bucket,
            turns,
        };
        // A template may fail only because the main stack, which gives its facts, is not there yet.
        let desired = &outcome.desired;
        let main = main_stacks(&stack_run, cluster, desired, self.settings.manage_etcd);
        let main = turns.take("stacks/main", main).await;
        if main != Finding::Done {
            return Ok(main);
        }
        if let Some(failure) = errors {
            journal.save().await?;
            return Ok(Finding::Failed(failure));
        }
        let extra = extra_stacks(&stack_run, cluster, desired);
        let extra = turns.take("stacks/extra", extra).await;
        if matches!(extra, Finding::Refused(_)) {
            return Ok(extra);
        }
        journal.save().await?;
        let (of_pools, of_manifests) =
            futures::join!(pools(&stack_run, cluster, desired), self.manifests(run, memory),);
        let after = crate::concern::delete_stacks(&stack_run, &desired.stack_deletions_post);
        let after = turns.take("deletions/stacks", after).await;
        Ok(extra.and(of_manifests?).and(of_pools).and(after))
    }

    async fn manifests(&self, run: &Run<'_>, memory: &mut ClusterMemory) -> Result<Finding, RegistryError> {
        let Run {
            cluster,
            outcome,
            guard,
            journal,
            turns,
        } = *run;
        let consent = consent::prune_consent(&*self.ledger, &cluster.id, self.clock.now()).await?;
        let mut asks = None;
        let work = async {
            let access = match self.connector.open(cluster).await {
                Ok(access) => access,
                Err(error) => {
                    return Finding::Failed(trouble("manifests", "the cluster cannot be reached", &*error));
                }
            };
            let gate = WriteGate::new(guard.clone());
            let run = ManifestRun {
                access: access.gated(gate.clone()),
                guard,
                gate,
                journal,
                clock: &*self.clock,
                policy: self.settings.policy.clone(),
                threshold: self.settings.threshold,
                consent,
                tally: Tally {
                    cluster: cluster.id.clone(),
                    ledger: Arc::clone(&self.ledger),
                    context: self.context(),
                },
                // What others built is adopted object by object; nothing of theirs is deleted before somebody says so.
                adopted: need::keeps_all(cluster),
            };
            let (finding, applied) = manifests(&run, &outcome.desired, &mut memory.manifests).await;
            turns.metrics().written(applied.written);
            asks = applied.asks;
            finding
        };
        let finding = turns.take("manifests", work).await;
        if let Some(prune) = asks {
            let wanted = PruneConsent {
                count: prune.items.len(),
                hash: prune.hash(),
                by: String::new(),
            };
            consent::ask(&*self.ledger, &cluster.id, &wanted, &self.context()).await?;
        } else if finding == Finding::Done {
            consent::settle_prune(&*self.ledger, &cluster.id, &self.context()).await?;
        }
        Ok(finding)
    }

    /// Tells the registry that an update runs, as the original does: `next_version`, before anything is done.
    async fn mark_begun(&self, cluster: &Cluster, to: &str) -> Result<(), RegistryError> {
        if cluster.status.next_version == to {
            return Ok(());
        }
        let mut status = ClusterStatus {
            next_version: to.to_owned(),
            ..cluster.status.clone()
        };
        // Another version was under way and is overtaken: its problems are not those of this one.
        if !cluster.status.next_version.is_empty() {
            status.problems.clear();
        }
        self.write_status(cluster, status, None).await
    }

    pub(crate) async fn write_status(
        &self,
        cluster: &Cluster,
        status: ClusterStatus,
        lifecycle: Option<LifecycleStatus>,
    ) -> Result<(), RegistryError> {
        let update = ClusterUpdate {
            status: Some(status),
            lifecycle_status: lifecycle,
            ..ClusterUpdate::default()
        };
        self.registry
            .update_cluster(&cluster.id, update, &self.context())
            .await
            .map(drop)
    }

    /// Ends a pass: status and problems in the registry as the original reads them, the outcome in the history.
    async fn close(
        &self,
        subject: &Subject,
        to: &str,
        finding: Finding,
        journal: &Journal,
    ) -> Result<PassEnd, RegistryError> {
        let cluster = &subject.cluster;
        match finding {
            Finding::Done => {
                // Before the cluster counts as updated: an update whose watch was lost would never be found healthy.
                journal.fares(self.begin_check(cluster, to, journal.id()).await?);
                let made = cluster.lifecycle_status != LifecycleStatus::Ready;
                let status = ClusterStatus {
                    last_version: cluster.status.current_version.clone(),
                    current_version: to.to_owned(),
                    next_version: String::new(),
                    problems: Vec::new(),
                };
                self.write_status(cluster, status, made.then_some(LifecycleStatus::Ready))
                    .await?;
                journal.finish(Progress::Done, "").await?;
                Ok(PassEnd::Done)
            }
            Finding::Wait { until, sentence } => {
                journal.tell(Progress::Waiting, &sentence);
                journal.save().await?;
                Ok(PassEnd::Waits(until, sentence))
            }
            Finding::Failed(failure) => {
                journal.tell(Progress::Failing, &failure.title);
                journal.save().await?;
                self.report(cluster, to, &failure).await?;
                Ok(PassEnd::Failed(failure))
            }
            Finding::Refused(refusal) => {
                journal.tell(Progress::Stopped, &refusal.to_string());
                match refusal {
                    // Stopped is the end of a record only when a newer version takes over; a block is waited out.
                    Refusal::Overtaken => {
                        journal
                            .finish(Progress::Stopped, "overtaken by a newer version")
                            .await?
                    }
                    _ => {
                        journal.tell(Progress::Waiting, &refusal.to_string());
                        journal.save().await?;
                    }
                }
                Ok(PassEnd::Stopped(refusal))
            }
        }
    }

    /// Writes a failure as the problem of a cluster, with detail and instance, which the original leaves empty.
    pub(crate) async fn report(&self, cluster: &Cluster, to: &str, failure: &Failure) -> Result<(), RegistryError> {
        let problem = Problem {
            detail: (failure.detail != failure.title).then(|| failure.detail.clone()),
            instance: Some(failure.instance.clone()),
            ..Problem::general(failure.title.clone())
        };
        let mut status = cluster.status.clone();
        to.clone_into(&mut status.next_version);
        status.add_problem(problem);
        if status == cluster.status {
            return Ok(());
        }
        self.write_status(cluster, status, None).await
    }

    async fn decommission(&self, subject: &Subject, guard: &Guard, turns: &Turns) -> Result<PassEnd, RegistryError> {
        let cluster = &*subject.cluster;
        let now = self.clock.now();
        let wait = self.settings.decommission_wait;
        if let Decommission::Waits(sentence, until) =
            consent::may_decommission(&*self.ledger, cluster, wait, now).await?
        {
            let later = now.saturating_add(Duration::from_secs(300)).unwrap_or(Timestamp::MAX);
            return Ok(PassEnd::Waits(until.unwrap_or(later), sentence));
        }
        let cloud = match self.clouds.cloud(cluster).await {
            Ok(Some(cloud)) => cloud,
            Ok(None) => {
                let title = format!(
                    "cluster {} was built by others and is not ours to take down",
                    cluster.alias
                );
                let failure = Failure::told("decommission", title, Fault::User);
                return self.failed(cluster, &cluster.status.next_version, failure).await;
            }
            Err(error) => {
                let failure = trouble("cloud", "the account cannot be entered", &*error);
                return self.failed(cluster, &cluster.status.next_version, failure).await;
            }
        };
        let begun = Update {
            from: cluster.status.current_version.clone(),
            to: "decommissioned".to_owned(),
            channel: cluster.channel.clone(),
            cause: Cause::Decommission.as_str().to_owned(),
            ..Update::default()
        };
        if let Err(refusal) = guard.permit(Touches::Nodes).await {
            return Ok(PassEnd::Stopped(refusal));
        }
        let journal = self.begin(cluster, begun, guard).await?;
        let drained = turns
            .take("decommission/drain", self.drain(cluster, guard, &journal))
            .await;
        if drained != Finding::Done {
            return self
                .close(subject, &cluster.status.next_version, drained, &journal)
                .await;
        }
        journal.save().await?;
        let stacks = StackMemory::load(&cluster.id, Arc::clone(&self.ledger), self.context()).await?;
        let bucket = bucket(cluster);
        let run = StackRun {
            cloud: &*cloud,
            guard,
            journal: &journal,
            memory: &stacks,
            clock: &*self.clock,
            bucket: &bucket,
            turns,
        };
        match turns.take("decommission", decommission(&run, cluster)).await {
            Finding::Done => {
                let status = ClusterStatus {
                    last_version: cluster.status.current_version.clone(),
                    ..ClusterStatus::default()
                };
                self.write_status(cluster, status, Some(LifecycleStatus::Decommissioned))
                    .await?;
                consent::settle_decommission(&*self.ledger, &cluster.id, &self.context()).await?;
                journal.finish(Progress::Done, "").await?;
                Ok(PassEnd::Done)
            }
            other => self.close(subject, &cluster.status.next_version, other, &journal).await,
        }
    }
}

impl Reach {
    /// Lets the pods of a cluster leave before its nodes go.
    async fn drain(&self, cluster: &Cluster, guard: &Guard, journal: &Journal) -> Finding {
        let opened = self.connector.open(cluster).await;
        let gate = WriteGate::for_nodes(guard.clone());
        let run = DrainRun {
            access: opened
                .map(|access| access.gated(gate))
                .map_err(|error| error.to_string()),
            alias: cluster.alias.as_str(),
            guard,
            journal,
            clock: &*self.clock,
            bound: self.settings.decommission_drain,
        };
        drain(&run).await
    }
}

/// What all concerns of an update share.
#[derive(Clone, Copy)]
struct Run<'a> {
    cluster: &'a Cluster,
    outcome: &'a Outcome,
    guard: &'a Guard,
    journal: &'a Journal,
    turns: &'a Turns,
}

/// The bucket of an account and region for templates and pool files (cloud fact 4.6).
fn bucket(cluster: &Cluster) -> String {
    let account = cluster.infrastructure_account.as_str();
    let number = account.rsplit(':').next().unwrap_or(account);
    format!("cluster-lifecycle-manager-{number}-{}", cluster.region)
}

fn trouble(instance: &str, title: &str, error: &dyn crate::connect::ClassifiedError) -> Failure {
    Failure {
        title: format!("{title}: {error}"),
        detail: error.to_string(),
        instance: instance.to_owned(),
        fault: error.fault(),
        at_least: match error.retry() {
            ports::Retry::After(time) => Some(time),
            _ => None,
        },
    }
}

/// All errors of a rendering as one failure; every template is named.
fn render_failure(outcome: &Outcome) -> Option<Failure> {
    let mut by_path: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for error in &outcome.errors {
        by_path.entry(&error.path).or_default().push(error.to_string());
    }
    let first = outcome.errors.first()?.to_string();
    let more = outcome.errors.len() - 1;
    let rest = if more > 0 {
        format!(" (and {more} more)")
    } else {
        String::new()
    };
    Some(Failure {
        title: format!("{first}{rest}"),
        detail: by_path.into_values().flatten().collect::<Vec<_>>().join("\n"),
        instance: "configuration".to_owned(),
        fault: Fault::Config,
        at_least: None,
    })
}
