//! One look at a cluster: what both managers do, and what taking over would change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use kube_access::apply::Policy;
use kube_access::applyset::Threshold;
use lifecycle::connect::{CloudSource, Connector, FactSource};
use lifecycle::preview::preview;
use lifecycle::preview::stacks::{Eyes, StackLooks, stack_looks};
use lifecycle::{Configuration, Subject};
use model::{AccountLifecycle, Cluster, ClusterId, ClusterVersion};
use plan::ClusterPlan;
use ports::config_source::CombinedVersion;
use ports::registry::{AccountFilter, ClusterFilter, Detail, PageRequest};
use ports::{Clock, Ledger, Registry, RegistryError};
use render::{DesiredCluster, Input};
use serde::{Deserialize, Serialize};

use crate::adoption::{self, Adoption, Standing};
use crate::agreement::{Agreement, State, Version};
use crate::report::Report;
use crate::sealed::{LookOnly, ReadOnly};
use crate::takeover::{self, Takeover};

/// Clusters that are looked at at the same time.
const AT_ONCE: usize = 8;

/// Hides the secrets of a cluster in texts.
pub trait Masking: Send + Sync {
    /// What hides the secrets that the templates of this cluster can see.
    fn hider(&self, input: &Input, desired: &DesiredCluster) -> Box<dyn Fn(&str) -> String + Send + Sync>;
}

/// What a shadow stands on.
pub struct Means {
    /// The original's registry. It is sealed here: nothing is written through it.
    pub registry: Arc<dyn Registry>,
    /// Our own ledger, with history and adoptions.
    pub ledger: Arc<dyn Ledger>,
    /// The original's configuration.
    pub configuration: Arc<Configuration>,
    /// The clusters' APIs, opened in dry-run mode.
    pub connector: Arc<dyn Connector>,
    /// The clouds.
    pub clouds: Arc<dyn CloudSource>,
    /// What only the clouds know.
    pub facts: Arc<dyn FactSource>,
    /// Hides secrets.
    pub masking: Arc<dyn Masking>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What an apply may do without asking.
    pub policy: Policy,
    /// How much may be pruned without agreement.
    pub threshold: Threshold,
    /// Whether the etcd stack would be ours.
    pub manage_etcd: bool,
}

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Something would be done otherwise, or taking over would change something.
    Differs,
    /// Something could not be looked at.
    Unseen,
    /// A commit or an entry is newer than what the original last saw: nothing can be said about the version yet.
    Moving,
    /// The same version, the same state, and taking over would change nothing.
    Agrees,
    /// Fleetwright manages it.
    Adopted,
    /// There is nothing to agree about: it is gone.
    Gone,
}

impl Verdict {
    /// All verdicts, in the order of attention.
    pub const ALL: [Self; 6] = [
        Self::Differs,
        Self::Unseen,
        Self::Moving,
        Self::Agrees,
        Self::Adopted,
        Self::Gone,
    ];

    /// The word in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Differs => "differs",
            Self::Unseen => "not seen",
            Self::Moving => "moving",
            Self::Agrees => "agrees",
            Self::Adopted => "adopted",
            Self::Gone => "gone",
        }
    }
}

/// One cluster, looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The cluster.
    pub cluster: ClusterId,
    /// What people call it.
    pub alias: String,
    /// Its channel.
    pub channel: String,
    /// When.
    pub at: Timestamp,
    /// What it came to.
    pub verdict: Verdict,
    /// What both managers do.
    pub agreement: Agreement,
    /// Who manages it, in one sentence, if that is not the original alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<String>,
    /// What taking over would change.
    pub takeover: Takeover,
    /// Everything that is not the same, in words; the first ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// Decides and plans beside another manager, and writes nothing.
pub struct Shadow {
    means: Means,
    registry: Arc<ReadOnly>,
    clusters: LookOnly,
}

impl Shadow {
    /// Stands beside the manager of this registry.
    #[must_use]
    pub fn new(means: Means) -> Self {
        Self {
            registry: Arc::new(ReadOnly::new(Arc::clone(&means.registry))),
            clusters: LookOnly::new(Arc::clone(&means.connector)),
            means,
        }
    }

    /// How many writes to the registry were attempted and refused: 0, or there is a fault in Fleetwright.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.registry.refused()
    }

    pub(crate) fn means(&self) -> &Means {
        &self.means
    }

    /// The clusters of the registry with their surroundings, as the lifecycle manager renders them.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn subjects(&self) -> Result<Vec<Subject>, RegistryError> {
        let accounts = self
            .registry
            .list_accounts(&AccountFilter::default(), &PageRequest::all())
            .await?;
        let ready = accounts.items.into_iter().map(|account| account.object);
        let ready = ready.filter(|account| account.lifecycle_status == AccountLifecycle::Ready);
        let accounts: BTreeMap<String, _> = ready.map(|account| (account.id.to_string(), account)).collect();
        let clusters = self
            .registry
            .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
            .await?;
        let mut all: Vec<Arc<Cluster>> = clusters.items.into_iter().map(|one| Arc::new(one.object)).collect();
        // The original sorts by age; whoever renders siblings in the order of ids sees the same set either way.
        all.sort_by(|one, other| one.id.cmp(&other.id));
        let subject = |cluster: &Arc<Cluster>| {
            let account = accounts.get(cluster.infrastructure_account.as_str());
            let same = |other: &&Arc<Cluster>| other.infrastructure_account == cluster.infrastructure_account;
            Subject {
                cluster: Arc::clone(cluster),
                owner: account.map(|account| account.owner.clone()).unwrap_or_default(),
                account_name: account.map(|account| account.name.clone()).unwrap_or_default(),
                siblings: all.iter().filter(same).cloned().collect(),
            }
        };
        Ok(all.iter().map(subject).collect())
    }

    /// Looks at all clusters, or at these.
    ///
    /// # Errors
    /// When the registry or the ledger cannot be read. What a single cluster does not answer is in its look.
    pub async fn report(&self, only: Option<&BTreeSet<ClusterId>>) -> Result<Report, RegistryError> {
        let wanted = |subject: &Subject| only.is_none_or(|only| only.contains(&subject.cluster.id));
        let subjects: Vec<Subject> = self.subjects().await?.into_iter().filter(wanted).collect();
        let adoptions = adoption::all(&*self.means.ledger).await?;
        // Boxed, since a future that borrows from what it iterates over is otherwise not seen to be `Send`.
        let mut each: Vec<BoxFuture<'_, Look>> = Vec::new();
        for subject in &subjects {
            each.push(self.look(subject, adoptions.get(&subject.cluster.id)).boxed());
        }
        let looks: Vec<Look> = futures::stream::iter(each).buffered(AT_ONCE).collect().await;
        Ok(Report::new(self.means.clock.now(), looks))
    }

    /// Looks at one cluster.
    pub async fn look(&self, subject: &Subject, adopted: Option<&Adoption>) -> Look {
        let now = self.means.clock.now();
        let standing = adoption::standing(adopted, &subject.cluster, now);
        // Our own mark is no block of anybody's: the look is at the cluster as both managers mean it.
        let subject = match adopted {
            Some(adoption) => adoption.unmarked(subject),
            None => subject.clone(),
        };
        let cluster = &subject.cluster;
        let head = self.means.configuration.version(cluster).await;
        let id = head.as_ref().map(CombinedVersion::id).map_err(Clone::clone);
        let agreement = Agreement::of(cluster, id.as_deref().map_err(String::as_str), now);
        let takeover = match agreement.theirs {
            State::Gone => Takeover::default(),
            _ => self.takeover(&subject, head).await,
        };
        let mut why = agreement.why();
        why.extend(takeover.plan.errors.iter().cloned());
        if !takeover.plan.is_empty() {
            why.push(format!("taking over would change {}", told(&takeover.plan)));
        }
        let sentence = standing.sentence(cluster.alias.as_str());
        let verdict = verdict(&standing, &agreement, &takeover);
        Look {
            cluster: cluster.id.clone(),
            alias: cluster.alias.to_string(),
            channel: cluster.channel.clone(),
            at: now,
            verdict,
            agreement,
            adoption: sentence,
            takeover,
            why,
        }
    }

    /// What taking over would change at the version that the cluster has: an update that is due anyway is not part of it.
    async fn takeover(&self, subject: &Subject, head: Result<CombinedVersion, String>) -> Takeover {
        let cluster = &subject.cluster;
        let Some(has) = takeover::config_of(&cluster.status.current_version) else {
            return Takeover::unseen(cluster, "it has no version yet, so there is nothing to take over");
        };
        let version = match head {
            Ok(head) if head.id() == has => head,
            _ => match self.means.configuration.at(&has) {
                Ok(version) => version,
                Err(why) => return Takeover::unseen(cluster, why),
            },
        };
        let facts = match self.means.facts.facts(cluster).await {
            Ok(facts) => facts,
            Err(error) => return Takeover::unseen(cluster, format!("the facts cannot be found out: {error}")),
        };
        // Facts are maps of texts, which always serialise, in the order of their keys; a digest of them all is no secret.
        let digest = takeover::short(&serde_json::to_vec(&*facts).unwrap_or_default());
        let input = match self.means.configuration.input(subject, &version, facts).await {
            Ok(input) => input,
            Err(why) => {
                let why = format!("the configuration of its version cannot be read: {why}");
                return Takeover::unseen(cluster, why);
            }
        };
        let outcome = self.means.configuration.rendered(&input);
        let hide = self.means.masking.hider(&input, &outcome.desired);
        let mut bound = takeover::input(cluster, &ClusterVersion::of(version.id(), cluster).to_string(), &digest);
        if !outcome.errors.is_empty() {
            let errors = outcome.errors.iter().map(|error| hide(&error.to_string())).collect();
            return Takeover {
                plan: ClusterPlan::failed(&takeover::subject(cluster), errors),
                input: bound,
                marked: 0,
            };
        }
        let (looks, blind) = self.stacks(cluster, &outcome.desired).await;
        let mut plan = takeover::of_stacks(cluster, &outcome.desired, looks.as_ref(), &*hide);
        plan.to.clone_from(&bound.to);
        plan.errors.extend(blind);
        let mut live = looks.as_ref().map(takeover::digests).unwrap_or_default();
        let marked = match self.objects(cluster, &outcome.desired, &mut plan, &*hide).await {
            Ok((digests, marked)) => {
                live.extend(digests);
                marked
            }
            Err(why) => {
                plan.errors.push(hide(&why));
                0
            }
        };
        bound.live = Some(live);
        Takeover {
            plan,
            input: bound,
            marked,
        }
    }

    /// What is in the cloud, and why it could not be looked at. Clusters that others built have none.
    async fn stacks(&self, cluster: &Cluster, desired: &DesiredCluster) -> (Option<StackLooks>, Option<String>) {
        let blind = |why: String| (None, Some(format!("stacks and node pools were not looked at: {why}")));
        let cloud = match self.means.clouds.cloud(cluster).await {
            Ok(Some(cloud)) => cloud,
            Ok(None) => return (None, None),
            Err(error) => return blind(error.to_string()),
        };
        match stack_looks(&Eyes::on(cloud), cluster, desired, self.means.manage_etcd).await {
            Ok(looks) => (Some(looks), None),
            Err(failure) => blind(failure.title),
        }
    }

    /// What the cluster says about its objects: a digest of each change, and how many would only be marked.
    async fn objects(
        &self,
        cluster: &Cluster,
        desired: &DesiredCluster,
        plan: &mut ClusterPlan,
        hide: &(dyn Fn(&str) -> String + Send + Sync),
    ) -> Result<(BTreeMap<String, String>, usize), String> {
        let unreachable = |error: lifecycle::connect::Trouble| format!("objects were not looked at: {error}");
        let access = self.clusters.open(cluster).await.map_err(unreachable)?;
        let how = (self.means.policy.clone(), self.means.threshold);
        let seen = preview(&access, desired, how, lifecycle::need::keeps_all(cluster)).await;
        let seen = seen.map_err(|failure| format!("objects were not looked at: {}", failure.title))?;
        let stacks = std::mem::take(&mut plan.deletions);
        let mut digests = seen.tell(plan, &|text| hide(text));
        plan.deletions.extend(stacks);
        let marked = takeover::without_marks(plan, &mut digests);
        Ok((digests, marked))
    }
}

fn verdict(standing: &Standing, agreement: &Agreement, takeover: &Takeover) -> Verdict {
    if *standing == Standing::Ours {
        return Verdict::Adopted;
    }
    if agreement.theirs == State::Gone && agreement.ours == State::Gone {
        return Verdict::Gone;
    }
    let changes = !takeover.plan.is_empty();
    match (&agreement.version, changes) {
        (_, true) => Verdict::Differs,
        (Version::Unknown { .. }, false) => Verdict::Unseen,
        _ if agreement.moves() => Verdict::Moving,
        _ if !agreement.same_state() => Verdict::Differs,
        _ if !takeover.plan.errors.is_empty() => Verdict::Unseen,
        _ => Verdict::Agrees,
    }
}

/// What a plan changes, in a few words.
fn told(plan: &ClusterPlan) -> String {
    let parts = [
        (plan.stacks.len(), "stack"),
        (plan.pools.len(), "node pool"),
        (plan.objects.len(), "object"),
        (plan.deletions.len(), "deletion"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    words.join(", ")
}
