//! Everything about waves, read from registry and ledger by somebody who is no manager: commands, pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{BlockScope, ClusterId, Update};
use plan::policy::FleetPolicy;
use plan::waves::{Acts, Decisions, Member, Question, Run, decide};
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::{ClusterFilter, Detail, PageRequest};
use ports::{Ledger, Registry, RegistryError, blocks};

use super::conductor::{in_force, member};
use super::records::{self, RunRecord, Turn};
use super::standing::{Known, Towards};
use crate::{health, inputs};

/// The fleet as waves see it.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The rules.
    pub policy: FleetPolicy,
    /// All clusters, with how they stand.
    pub members: Vec<Member>,
    /// The change of each channel that has one under way.
    pub runs: BTreeMap<String, Run>,
    /// The records of all changes, under way or over.
    pub records: BTreeMap<String, RunRecord>,
    /// Who was let begin last, when and by which right.
    pub turns: BTreeMap<ClusterId, Turn>,
    /// What people did and what of it holds.
    pub acts: Acts,
    /// When this was read.
    pub at: Timestamp,
}

impl Survey {
    /// What the rules say about it.
    #[must_use]
    pub fn decide(&self) -> Decisions {
        decide(&Question {
            policy: &self.policy,
            members: &self.members,
            runs: &self.runs,
            acts: &self.acts,
            now: self.at,
        })
    }
}

/// Reads everything. What a channel stands at is taken from the record of its change, which managers write; a cluster whose
/// channel no manager has looked at yet is in no wave. Clusters that follow other channels for single sources are seen as if
/// they did not.
///
/// # Errors
/// Those of registry and ledger.
pub async fn survey(registry: &dyn Registry, ledger: &dyn Ledger, now: Timestamp) -> Result<Survey, RegistryError> {
    let (policy, turns, records) = (
        records::policy_in_force(ledger).await?,
        records::turns(ledger).await?,
        records::runs(ledger).await?,
    );
    let acts = in_force(ledger).await?;
    let open = blocks::open(ledger, None).await?;
    let applied = inputs::recall(ledger).await?;
    let updates = open_updates(ledger).await?;
    let (filter, all) = (ClusterFilter::default(), PageRequest::all());
    let clusters = registry.list_clusters(&filter, Detail::Full, &all).await?;
    // After the clusters: what is said of the version that one has must not be older than that.
    let judged = health::all_judged(ledger).await?;
    let mut members = Vec::new();
    for found in clusters.items {
        let cluster = Arc::new(found.object);
        let run = records.get(&cluster.channel);
        let held = blocks::holding(&cluster.id, &cluster.config_items, &open, now);
        let blocked = held.iter().any(|blocked| blocked.block.scope == BlockScope::All);
        let digest = inputs::digest(&cluster);
        let other = applied.get(&cluster.id).is_some_and(|applied| *applied != digest);
        let config = run.map(|run| run.config.as_str());
        let towards = Towards::of(&cluster, config, &digest, other, blocked);
        let since = run.map(|run| run.behind.get(&cluster.id).copied().unwrap_or(run.since));
        let known = Known {
            turn: turns.get(&cluster.id),
            run,
            update: updates.get(&cluster.id).map(|(at, update)| (*at, update)),
            judged: judged.get(&cluster.id),
        };
        members.push(member(&cluster, &towards, known, (false, since.unwrap_or(now))));
    }
    let under_way = records.iter().filter(|(_, run)| run.over.is_none());
    let runs = under_way
        .map(|(name, run)| {
            (
                name.clone(),
                Run {
                    since: run.since,
                    commit: run.commit,
                },
            )
        })
        .collect();
    Ok(Survey {
        policy,
        members,
        runs,
        records,
        turns,
        acts,
        at: now,
    })
}

/// Updates that go on, by cluster, each with the moment of its last word.
pub(crate) async fn open_updates(
    ledger: &dyn Ledger,
) -> Result<BTreeMap<ClusterId, (Timestamp, Update)>, RegistryError> {
    let filter = EntryFilter {
        open: Some(true),
        ..EntryFilter::of(EntryKind::update())
    };
    let entries = ledger.list_entries(&filter, &PageRequest::all()).await?;
    let read = |entry: ports::ledger::Entry| {
        Some((
            entry.cluster?,
            (entry.updated_at, serde_json::from_value(entry.body).ok()?),
        ))
    };
    // Newest first: the newest of a cluster is to stay.
    Ok(entries.items.into_iter().rev().filter_map(read).collect())
}
