//! Who manages a cluster: a record in our own ledger, and the original's own block in its registry.
//!
//! Adopting writes the record first and then the item `cluster_update_block` with a text that only this adoption has: the
//! original leaves a cluster with that item alone, whatever its value, and nothing about the cluster's version changes when the
//! item goes again (fact 1.7). A run of the original that is under way ends only at its next refresh, so nothing is
//! written before the cluster's status has stood still for [`SETTLE`].
//!
//! Handing back closes our gate first, waits until no pass and no rollout of ours holds the cluster, and takes the item away
//! last. Every step can be repeated after a crash: until the last one nobody manages the cluster, never two.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifecycle::Subject;
use model::words::{ago, moment};
use model::{Block, Cluster, ClusterId, ClusterStatus, ClusterVersion, ConfigKey, Progress, Update};
use plan::PlanId;
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryKind};
use ports::registry::{Detail, PageRequest};
use ports::{Clock, Lease, LeaseError, LeaseName, Leases, Ledger, Registry, RegistryError, WriteContext};
use serde::{Deserialize, Serialize};

use crate::agreement::unblocked;
use crate::look::Look;

/// How long the original must have left a cluster alone before anything is written: twice its interval of 10 minutes, within
/// which it sees a block and cancels what it does.
pub const SETTLE: SignedDuration = SignedDuration::from_mins(20);
/// How long handing back waits for a pass of ours to end.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it asks.
const ASK: Duration = Duration::from_secs(2);
/// How long the cluster is kept from our own passes while it is handed back.
const TERM: Duration = Duration::from_secs(60);

/// Where an adoption stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The original was told to let go; nothing is written yet.
    Settling,
    /// Fleetwright manages the cluster.
    Managing,
    /// It is on its way back; nothing is written any more.
    Returning,
    /// The original manages it again.
    Returned,
}

/// How a cluster was handed back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// Who did.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// The record of an adoption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// Where it stands.
    pub phase: Phase,
    /// Who adopted the cluster.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The version that it had.
    pub version: String,
    /// The plan of what taking over changes, when somebody agreed to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// The value of the original's block that says that it is ours.
    pub mark: String,
    /// Nothing is written before this.
    pub not_before: Timestamp,
    /// The status that has to stand still until then.
    pub status: ClusterStatus,
    /// How it was handed back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Returned>,
}

/// Who manages a cluster now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The original.
    Theirs,
    /// Nobody yet: the original is given time to let go.
    Settling(Timestamp),
    /// Fleetwright.
    Ours,
    /// Nobody: Fleetwright adopted it, and its mark in the registry is gone, so the original may be at work.
    Unmarked,
    /// Nobody: somebody else's block stands where our mark was.
    Blocked(String),
    /// Nobody: it is being handed back.
    Returning,
}

impl Standing {
    /// In one sentence; `None` for clusters that the original manages as ever.
    #[must_use]
    pub fn sentence(&self, alias: &str) -> Option<String> {
        match self {
            Self::Theirs => None,
            Self::Settling(until) => Some(format!(
                "cluster {alias} is adopted; the original is given until {} to let go of it",
                moment(*until)
            )),
            Self::Ours => Some(format!("cluster {alias} is managed by Fleetwright")),
            Self::Unmarked => Some(format!(
                "cluster {alias} is adopted, but its mark is gone from the registry, so the original may be at work: nothing is written; adopt it again or hand it back"
            )),
            Self::Blocked(reason) => Some(format!(
                "cluster {alias} is adopted and blocked by {reason:?}; when that is over, adopt it again, which sets its mark anew"
            )),
            Self::Returning => Some(format!(
                "cluster {alias} is being handed back: nothing is written; hand-back goes on where it stopped"
            )),
        }
    }
}

/// Why a cluster cannot be adopted or handed back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptionError {
    /// Taking over would change something, and nobody has agreed to it.
    #[error("taking over cluster {alias} would change something: {why}")]
    WouldChange {
        /// The cluster.
        alias: String,
        /// What, in words.
        why: String,
        /// The plan to agree to.
        plan: PlanId,
    },
    /// Somebody agreed to something else.
    #[error("cluster {alias}: {given} is not what taking over would change now, that is {plan}")]
    OtherPlan {
        /// The cluster.
        alias: String,
        /// What was agreed to.
        given: String,
        /// What would change now.
        plan: PlanId,
    },
    /// It is not the moment.
    #[error("cluster {alias}: {why}")]
    NotNow {
        /// The cluster.
        alias: String,
        /// Why, and what helps.
        why: String,
    },
    /// It was never adopted.
    #[error("cluster {0} is not adopted")]
    NotAdopted(String),
    /// A pass or rollout of ours does not let go of the cluster.
    #[error("cluster {alias} is still worked on by replica {holder}: nothing more is written, repeat the command")]
    Held {
        /// The cluster.
        alias: String,
        /// The replica.
        holder: String,
    },
    /// Leases cannot be had.
    #[error("the leases on the cluster cannot be read")]
    Lease(#[source] LeaseError),
    /// Registry or ledger do not answer, or refuse.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Where adoptions are written.
#[derive(Clone)]
pub struct Places {
    /// The original's registry, for writing the mark.
    pub upstream: Arc<dyn Registry>,
    /// Our own ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Our own leases.
    pub leases: Arc<dyn Leases>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Who asks, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub by: String,
    /// Why; one line.
    pub reason: String,
    /// Something that no other request has, for the mark and the audit records.
    pub id: String,
}

impl Asked {
    fn context(&self) -> WriteContext {
        WriteContext::by(self.by.clone(), self.id.clone())
    }
}

fn kind() -> EntryKind {
    match "adoption".parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

/// The prefix of adoptions in a change feed.
pub(crate) const FEED: &str = "adoption/";

pub(crate) fn item() -> ConfigKey {
    match Block::CONFIG_ITEM.parse() {
        Ok(key) => key,
        Err(refused) => unreachable!("a name of the model: {refused}"),
    }
}

impl Adoption {
    /// The cluster without the mark of this adoption, as both managers mean it.
    #[must_use]
    pub fn unmarked(&self, subject: &Subject) -> Subject {
        if subject.cluster.config_items.get(&item()) != Some(&self.mark) {
            return subject.clone();
        }
        Subject {
            cluster: Arc::new(unblocked(&subject.cluster)),
            ..subject.clone()
        }
    }
}

/// Who manages a cluster, from the record of its adoption and what its entry says.
#[must_use]
pub fn standing(adoption: Option<&Adoption>, cluster: &Cluster, now: Timestamp) -> Standing {
    let Some(adoption) = adoption else {
        return Standing::Theirs;
    };
    match adoption.phase {
        Phase::Returned => return Standing::Theirs,
        Phase::Returning => return Standing::Returning,
        Phase::Settling | Phase::Managing => {}
    }
    match cluster.config_items.get(&item()) {
        None => Standing::Unmarked,
        Some(value) if *value != adoption.mark => Standing::Blocked(value.clone()),
        Some(_) if adoption.phase == Phase::Managing => Standing::Ours,
        Some(_) => Standing::Settling(adoption.not_before.max(now)),
    }
}

fn of_entry(entry: &Entry) -> Result<Adoption, RegistryError> {
    serde_json::from_value(entry.body.clone()).map_err(|error| RegistryError::Internal(Box::new(error)))
}

/// All adoptions, those that ended included, by cluster.
///
/// # Errors
/// Those of the ledger: who cannot read them must not take a cluster for adopted.
pub async fn all(ledger: &dyn Ledger) -> Result<BTreeMap<ClusterId, Adoption>, RegistryError> {
    let entries = ledger
        .list_entries(&EntryFilter::of(kind()), &PageRequest::all())
        .await?;
    let mut adoptions = BTreeMap::new();
    for entry in &entries.items {
        if let Some(cluster) = &entry.cluster {
            adoptions.insert(cluster.clone(), of_entry(entry)?);
        }
    }
    Ok(adoptions)
}

/// The adoption of one cluster.
///
/// # Errors
/// Those of the ledger.
pub async fn of(ledger: &dyn Ledger, cluster: &ClusterId) -> Result<Option<Adoption>, RegistryError> {
    match ledger.get_entry(&kind(), &cluster.as_str().parse()?).await {
        Ok(entry) => of_entry(&entry).map(Some),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) async fn write(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    adoption: &Adoption,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let draft = EntryDraft {
        kind: kind(),
        id: cluster.as_str().parse()?,
        cluster: Some(cluster.clone()),
        open: adoption.phase != Phase::Returned,
        body: serde_json::to_value(adoption).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await.map(drop)
}

fn under_way(status: &ClusterStatus) -> bool {
    !status.next_version.is_empty() && status.next_version != status.current_version
}

/// Adopts a cluster that was just looked at. `agreed` is the plan that somebody has read, when taking over changes something;
/// `settle` is how long the original is given to let go. Adopting once more sets a mark that was lost anew.
///
/// # Errors
/// [`AdoptionError::WouldChange`] and [`AdoptionError::OtherPlan`] when the plan was not agreed to, or not this one;
/// [`AdoptionError::NotNow`] while the original is at work, or somebody's block holds.
pub async fn adopt(
    places: &Places,
    look: &Look,
    agreed: Option<&str>,
    settle: SignedDuration,
    asked: &Asked,
) -> Result<Adoption, AdoptionError> {
    let alias = look.alias.clone();
    let not_now = |why: String| AdoptionError::NotNow {
        alias: alias.clone(),
        why,
    };
    let known = of(&*places.ledger, &look.cluster).await?;
    let cluster = places.upstream.get_cluster(&look.cluster, Detail::Full).await?.object;
    let now = places.clock.now();
    let value = cluster.config_items.get(&item());
    if known.as_ref().is_some_and(|known| known.phase == Phase::Returning) {
        return Err(not_now(
            "it is being handed back; repeat hand-back, which ends that".to_owned(),
        ));
    }
    let again = known.filter(|known| matches!(known.phase, Phase::Settling | Phase::Managing));
    match (&again, value) {
        (Some(known), Some(value)) if *value == known.mark => {
            let since = ago(known.at, now);
            return Err(not_now(format!("it was adopted by {} {since} ago", known.by)));
        }
        (_, Some(value)) => {
            return Err(not_now(format!("it is blocked by {value:?}; lift that first")));
        }
        (_, None) => {}
    }
    if under_way(&cluster.status) {
        let next = &cluster.status.next_version;
        return Err(not_now(format!(
            "the original brings it to {next}; adopt it when that is done"
        )));
    }
    let plan = look.takeover.id();
    match agreed {
        Some(given) if given != plan.0 => {
            let given = given.to_owned();
            return Err(AdoptionError::OtherPlan { alias, given, plan });
        }
        None if !look.takeover.is_nothing() => {
            let why = look.why.join("; ");
            return Err(AdoptionError::WouldChange { alias, why, plan });
        }
        _ => {}
    }
    let short: String = asked.id.chars().take(8).collect();
    let adoption = Adoption {
        phase: Phase::Settling,
        by: asked.by.clone(),
        reason: asked.reason.clone(),
        at: now,
        version: cluster.status.current_version.clone(),
        plan: agreed.map(|_| plan),
        mark: format!("managed by fleetwright ({short}): {}, {}", asked.by, asked.reason),
        not_before: now.saturating_add(settle).unwrap_or(Timestamp::MAX),
        status: cluster.status.clone(),
        returned: None,
    };
    write(&*places.ledger, &look.cluster, &adoption, &asked.context()).await?;
    let (item, context) = (item(), asked.context());
    let marked = places
        .upstream
        .put_config_item(&look.cluster, &item, &adoption.mark, &context);
    marked.await?;
    Ok(adoption)
}

/// Hands a cluster back. `head` is the configuration that its channel stands at, or why that cannot be said; with
/// `accept_update` it goes back although the original will update it then. Repeating it goes on where it stopped.
///
/// # Errors
/// [`AdoptionError::NotNow`] when the original would begin an update; [`AdoptionError::Held`] when a pass of ours does not end.
pub async fn hand_back(
    places: &Places,
    cluster: &ClusterId,
    head: Result<&str, &str>,
    accept_update: bool,
    asked: &Asked,
) -> Result<Adoption, AdoptionError> {
    let found = places.upstream.get_cluster(cluster, Detail::Full).await?.object;
    let alias = found.alias.to_string();
    let known = of(&*places.ledger, cluster).await?;
    let Some(mut adoption) = known.filter(|known| known.phase != Phase::Returned) else {
        return Err(AdoptionError::NotAdopted(alias));
    };
    if adoption.phase != Phase::Returning {
        if !accept_update && let Some(why) = would_update(places, &found, head).await? {
            return Err(AdoptionError::NotNow { alias, why });
        }
        adoption.phase = Phase::Returning;
        write(&*places.ledger, cluster, &adoption, &asked.context()).await?;
    }
    let held = let_go(places, cluster, &alias, asked).await?;
    let found = places.upstream.get_cluster(cluster, Detail::Full).await?.object;
    if found.config_items.get(&item()) == Some(&adoption.mark) {
        match places
            .upstream
            .delete_config_item(cluster, &item(), &asked.context())
            .await
        {
            Ok(()) | Err(RegistryError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    adoption.phase = Phase::Returned;
    adoption.returned = Some(Returned {
        by: asked.by.clone(),
        reason: asked.reason.clone(),
        at: places.clock.now(),
    });
    write(&*places.ledger, cluster, &adoption, &asked.context()).await?;
    for lease in held {
        // One that cannot be given back ends by itself.
        let _ = places.leases.release(&lease).await;
    }
    Ok(adoption)
}

/// Why the original would begin an update of the cluster, if it would.
async fn would_update(
    places: &Places,
    cluster: &Cluster,
    head: Result<&str, &str>,
) -> Result<Option<String>, AdoptionError> {
    let filter = EntryFilter {
        cluster: Some(cluster.id.clone()),
        open: Some(true),
        ..EntryFilter::of(EntryKind::update())
    };
    for entry in places.ledger.list_entries(&filter, &PageRequest::all()).await?.items {
        let update = serde_json::from_value::<Update>(entry.body).unwrap_or_default();
        if matches!(
            update.progress,
            Progress::Running | Progress::Waiting | Progress::Failing
        ) {
            let why = format!(
                "its update to {} is not finished; hand it back when that is done",
                update.to
            );
            return Ok(Some(why));
        }
    }
    if under_way(&cluster.status) {
        let next = &cluster.status.next_version;
        return Ok(Some(format!(
            "its update to {next} is not finished; hand it back when that is done"
        )));
    }
    let head = match head {
        Ok(head) => head,
        Err(why) => {
            return Ok(Some(format!(
                "whether the original would update it cannot be said: {why}"
            )));
        }
    };
    let version = ClusterVersion::of(head, &unblocked(cluster)).to_string();
    let has = &cluster.status.current_version;
    Ok((version != *has).then(|| format!("the original would update it, from {has} to {version}")))
}

/// Waits until no pass and no rollout of ours holds the cluster, and keeps them from it.
async fn let_go(places: &Places, cluster: &ClusterId, alias: &str, asked: &Asked) -> Result<Vec<Lease>, AdoptionError> {
    let holder = format!("hand-back-{}", asked.id);
    let mut leases = Vec::new();
    for work in ["lifecycle", "rollout"] {
        let name = LeaseName::new(format!("{work}/{cluster}")).map_err(RegistryError::from)?;
        let end = places.clock.now().saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
        loop {
            match places.leases.claim(&name, &holder, TERM).await {
                Ok(lease) => {
                    leases.push(lease);
                    break;
                }
                Err(LeaseError::Held { holder, .. }) if places.clock.now() >= end => {
                    let alias = alias.to_owned();
                    return Err(AdoptionError::Held { alias, holder });
                }
                Err(LeaseError::Held { .. }) => places.clock.sleep(ASK).await,
                Err(error) => return Err(AdoptionError::Lease(error)),
            }
        }
    }
    Ok(leases)
}
