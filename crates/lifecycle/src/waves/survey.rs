//! Everything about waves, read from registry and ledger by somebody who is no manager: commands, pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{BlockScope, Cluster, ClusterId, Update};
use plan::policy::FleetPolicy;
use plan::waves::{Acts, Decisions, Member, Question, Run, decide};
use ports::blocks::{self, Blocked};
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::{ClusterFilter, Detail, PageRequest};
use ports::{Ledger, Registry, RegistryError};

use super::conductor::{in_force, member};
use super::records::{self, RunRecord, Turn};
use super::standing::{Known, Towards};
use crate::health::{self, Judged};
use crate::inputs;

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

/// What registry and ledger say of everything that waves look at. It holds no moment: what follows from it at one is
/// [`Books::survey`].
#[derive(Debug, Clone)]
pub struct Books {
    /// All clusters, in full.
    pub clusters: Vec<Arc<Cluster>>,
    /// The blocks whose entries are open.
    pub blocks: Vec<Blocked>,
    policy: FleetPolicy,
    records: BTreeMap<String, RunRecord>,
    turns: BTreeMap<ClusterId, Turn>,
    acts: Acts,
    applied: BTreeMap<ClusterId, String>,
    updates: BTreeMap<ClusterId, (Timestamp, Update)>,
    judged: BTreeMap<ClusterId, Judged>,
}

impl Books {
    /// Reads everything.
    ///
    /// # Errors
    /// Those of registry and ledger.
    pub async fn read(registry: &dyn Registry, ledger: &dyn Ledger) -> Result<Self, RegistryError> {
        let (policy, turns, records) = (
            records::policy_in_force(ledger).await?,
            records::turns(ledger).await?,
            records::runs(ledger).await?,
        );
        let acts = in_force(ledger).await?;
        let blocks = blocks::open(ledger, None).await?;
        let applied = inputs::recall(ledger).await?;
        let updates = open_updates(ledger).await?;
        let (filter, all) = (ClusterFilter::default(), PageRequest::all());
        let found = registry.list_clusters(&filter, Detail::Full, &all).await?;
        let clusters = found.items.into_iter().map(|found| Arc::new(found.object)).collect();
        Ok(Self {
            clusters,
            blocks,
            policy,
            records,
            turns,
            acts,
            applied,
            updates,
            // After the clusters: what is said of the version that one has must not be older than that.
            judged: health::all_judged(ledger).await?,
        })
    }

    /// The fleet at a moment. What a channel stands at is taken from the record of its change, which managers write; a cluster
    /// whose channel no manager has looked at yet is in no wave. Clusters that follow other channels for single sources are
    /// seen as if they did not.
    #[must_use]
    pub fn survey(&self, now: Timestamp) -> Survey {
        let under_way = self.records.iter().filter(|(_, run)| run.over.is_none());
        let runs = under_way.map(|(name, run)| {
            let (since, commit) = (run.since, run.commit);
            (name.clone(), Run { since, commit })
        });
        Survey {
            policy: self.policy.clone(),
            members: self.clusters.iter().map(|cluster| self.member(cluster, now)).collect(),
            runs: runs.collect(),
            records: self.records.clone(),
            turns: self.turns.clone(),
            acts: self.acts.clone(),
            at: now,
        }
    }

    fn member(&self, cluster: &Arc<Cluster>, now: Timestamp) -> Member {
        let run = self.records.get(&cluster.channel);
        let held = blocks::holding(&cluster.id, &cluster.config_items, &self.blocks, now);
        let blocked = held.iter().any(|blocked| blocked.block.scope == BlockScope::All);
        let digest = inputs::digest(cluster);
        let other = self.applied.get(&cluster.id).is_some_and(|applied| *applied != digest);
        let config = run.map(|run| run.config.as_str());
        let towards = Towards::of(cluster, config, &digest, other, blocked);
        let since = run.map(|run| run.behind.get(&cluster.id).copied().unwrap_or(run.since));
        let known = Known {
            turn: self.turns.get(&cluster.id),
            run,
            update: self.updates.get(&cluster.id).map(|(at, update)| (*at, update)),
            judged: self.judged.get(&cluster.id),
        };
        member(cluster, &towards, known, (false, since.unwrap_or(now)))
    }
}

/// Reads everything and says how it is now.
///
/// # Errors
/// Those of registry and ledger.
pub async fn survey(registry: &dyn Registry, ledger: &dyn Ledger, now: Timestamp) -> Result<Survey, RegistryError> {
    Ok(Books::read(registry, ledger).await?.survey(now))
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
