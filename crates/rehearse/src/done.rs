//! When a cluster of the twin is done: at its version, every machine with its group's definition, every mark gone.

use lifecycle::need::block_sentence;
use model::Cluster;
use ports::ledger::EntryFilter;
use ports::registry::{Detail, PageRequest};
use ports::{Ledger, Registry, RegistryError, blocks};

use crate::build::{Member, Twin};
use crate::error::RehearseError;

/// What keeps a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// A block; nobody waits for it.
    Blocked(String),
    /// The update is not there yet; with its problem, if it has one.
    Update(Option<String>),
    /// It has not got its turn; with what it waits for.
    Waits(String),
    /// Machines have an old definition, or a rollout is open.
    Nodes,
}

impl Rest {
    /// Whether it makes sense to wait.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Nothing | Self::Blocked(_))
    }
}

/// What keeps a cluster now.
pub(crate) async fn rest(twin: &Twin, member: &Member) -> Result<Rest, RehearseError> {
    let failed = |source: RegistryError| RehearseError::Registry {
        what: format!("cluster {}", member.alias),
        source,
    };
    let cluster = twin
        .registry
        .get_cluster(&member.id, Detail::Full)
        .await
        .map_err(failed)?
        .object;
    let now = twin.clock.now();
    let held = blocks::of_cluster(&*twin.registry, &cluster, now)
        .await
        .map_err(failed)?;
    if let Some(first) = held.first() {
        return Ok(Rest::Blocked(block_sentence(&member.alias, first, now)));
    }
    if cluster.status.current_version != member.expected.plan.to {
        return Ok(Rest::Update(problem(&cluster)));
    }
    let outdated = twin.groups(member, None).iter().any(|group| {
        group
            .instances
            .iter()
            .any(|one| one.launch_template != group.launch_template)
    });
    let marked = member
        .notes
        .seen()
        .lanes
        .iter()
        .any(|lane| lane.selected.is_some() && lane.gone.is_none());
    let open = EntryFilter {
        cluster: Some(member.id.clone()),
        open: Some(true),
        ..EntryFilter::of(kind(rollout::ROLLOUT_KIND)?)
    };
    let open = twin
        .registry
        .list_entries(&open, &PageRequest::all())
        .await
        .map_err(failed)?;
    if outdated || marked || !open.items.is_empty() {
        return Ok(Rest::Nodes);
    }
    Ok(Rest::Nothing)
}

fn problem(cluster: &Cluster) -> Option<String> {
    let first = cluster.status.problems.first()?;
    Some(match &first.instance {
        Some(step) => format!("{step}: {}", first.title),
        None => first.title.clone(),
    })
}

/// A kind of entries of the ledger.
pub(crate) fn kind(text: &str) -> Result<ports::ledger::EntryKind, RehearseError> {
    text.parse()
        .map_err(|_| RehearseError::Runtime(format!("{text:?} is no kind of entries")))
}
