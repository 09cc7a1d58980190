//! What pages show, read from registry, ledger and surroundings in as few questions as possible.

use std::sync::Arc;

use jiff::Timestamp;
use lifecycle::waves::Alarm;
use model::{Cluster, ClusterId, ClusterVersion, Update};
use ports::RegistryError;
use ports::blocks::{self, Blocked};
use ports::ledger::{Entry, EntryFilter, EntryId};
use ports::registry::PageRequest;
use rollout::ClusterStatus;

use crate::known::Known;
use crate::movement::Movement;
use crate::server::Pages;
use crate::surroundings::ChannelHead;
use ports::standing::{Seen, Standing, standing};

/// Channels in the order in which changes travel; others come after them by name.
const ORDER: [&str; 4] = ["dev", "alpha", "beta", "stable"];

/// An update with its place.
#[derive(Debug, Clone)]
pub(crate) struct KnownUpdate {
    pub(crate) id: EntryId,
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) update: Update,
}

/// A cluster with everything that a tile says.
#[derive(Debug, Clone)]
pub(crate) struct ClusterRow {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) owner: String,
    pub(crate) standing: Standing,
    pub(crate) update: Option<Arc<KnownUpdate>>,
    pub(crate) blocks: Vec<Blocked>,
    pub(crate) rollouts: Option<Arc<ClusterStatus>>,
    /// What has been so for too long, of it or of its channel.
    pub(crate) alarms: Vec<Alarm>,
}

impl ClusterRow {
    /// Configuration that it runs.
    pub(crate) fn config(&self) -> String {
        ClusterVersion::parse(&self.cluster.status.current_version).config
    }

    /// Nodes that are ready and that are wanted, over all pools.
    pub(crate) fn nodes(&self) -> Option<(u32, u32)> {
        let status = self.rollouts.as_ref().filter(|status| status.complete)?;
        let sum = |read: fn(&rollout::PoolStatus) -> u32| status.pools.iter().map(read).sum();
        Some((sum(|pool| pool.ready), sum(|pool| pool.desired)))
    }

    /// Nodes that are to be replaced.
    pub(crate) fn outdated(&self) -> u32 {
        outdated(self.rollouts.as_deref())
    }
}

fn outdated(status: Option<&ClusterStatus>) -> u32 {
    let pools = status.into_iter().flat_map(|status| &status.pools);
    pools.map(|pool| pool.outdated).sum()
}

/// The fleet at one moment.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) now: Timestamp,
    /// By alias.
    pub(crate) rows: Vec<ClusterRow>,
    /// The channels that clusters follow, in order, with where they stand.
    pub(crate) channels: Vec<(String, Option<ChannelHead>)>,
    /// How it moves.
    pub(crate) movement: Movement,
}

impl Fleet {
    /// Reads it.
    pub(crate) async fn read(pages: &Pages) -> Result<Self, RegistryError> {
        let known = Known::now(pages).await?;
        Ok(Self::of(pages, &known, &known.clusters).await)
    }

    async fn of(pages: &Pages, known: &Known, clusters: &[Arc<Cluster>]) -> Self {
        let now = pages.clock.now();
        let movement = Movement::of(known, pages.surroundings.world_time().unwrap_or(now));
        let mut names: Vec<String> = clusters.iter().map(|cluster| cluster.channel.clone()).collect();
        names.sort_by_key(|name| {
            (
                ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()),
                name.clone(),
            )
        });
        names.dedup();
        let mut channels = Vec::new();
        for name in names {
            // Where nobody reads git here, what managers wrote down last.
            let head = pages.surroundings.channel(&name).await;
            let head = head.or_else(|| known.heads.get(&name).map(|config| ChannelHead::at(config)));
            channels.push((name, head));
        }
        let ids = clusters.iter().map(|cluster| cluster.id.clone()).collect();
        let mut engines = pages.surroundings.rollouts(&ids).await;
        let mut rows = Vec::new();
        for cluster in clusters {
            let head = channels.iter().find(|(name, _)| *name == cluster.channel);
            let head = head
                .and_then(|(_, head)| head.as_ref())
                .map(|head| head.config.as_str());
            // What the cluster follows in single sources is not known here: such a one is never called behind.
            let head = head.filter(|_| !cluster.config_items.contains_key("override_channel"));
            let blocks = blocks::holding(&cluster.id, &cluster.config_items, &known.blocks, now);
            let update = known.updates.get(&cluster.id);
            let rollouts = engines.remove(&cluster.id);
            let seen = Seen {
                cluster,
                blocks: &blocks,
                update: update.map(|known| &known.update),
                head,
                outdated: outdated(rollouts.as_deref()),
            };
            let wait = movement.waits.get(&cluster.id).map(String::as_str);
            let standing = standing(&seen).that_waits(wait);
            let about = |alarm: &&Alarm| alarm.subject == cluster.alias.as_str() || alarm.subject == cluster.channel;
            let owner = known.owners.get(cluster.infrastructure_account.as_str());
            rows.push(ClusterRow {
                owner: owner.cloned().unwrap_or_default(),
                rollouts,
                standing,
                update: update.cloned(),
                blocks,
                alarms: movement.alarms.iter().filter(about).cloned().collect(),
                cluster: Arc::clone(cluster),
            });
        }
        rows.sort_by(|a, b| a.cluster.alias.cmp(&b.cluster.alias));
        Self {
            now,
            rows,
            channels,
            movement,
        }
    }

    /// One cluster, by alias or id.
    pub(crate) async fn cluster(pages: &Pages, name: &str) -> Result<Option<(Timestamp, ClusterRow)>, RegistryError> {
        let known = Known::now(pages).await?;
        let named = |cluster: &&Arc<Cluster>| cluster.alias.as_str() == name || cluster.id.as_str() == name;
        let Some(found) = known.clusters.iter().find(named) else {
            return Ok(None);
        };
        let fleet = Self::of(pages, &known, std::slice::from_ref(found)).await;
        Ok(fleet.rows.into_iter().next().map(|row| (fleet.now, row)))
    }

    /// The alias of a cluster; its id when it is gone.
    pub(crate) fn alias(&self, id: Option<&ClusterId>) -> String {
        let row = self.rows.iter().find(|row| Some(&row.cluster.id) == id);
        match row {
            Some(row) => row.cluster.alias.to_string(),
            None => id.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// Updates, newest first.
pub(crate) async fn updates(
    pages: &Pages,
    cluster: Option<ClusterId>,
    open: Option<bool>,
    limit: Option<usize>,
) -> Result<Vec<KnownUpdate>, RegistryError> {
    let filter = EntryFilter {
        cluster,
        open,
        ..EntryFilter::of("update".parse()?)
    };
    let page = pages
        .ledger
        .list_entries(&filter, &PageRequest { limit, after: None })
        .await?;
    page.items.into_iter().map(of_entry).collect()
}

/// One update.
pub(crate) async fn update(pages: &Pages, id: &EntryId) -> Result<KnownUpdate, RegistryError> {
    of_entry(pages.ledger.get_entry(&"update".parse()?, id).await?)
}

fn of_entry(entry: Entry) -> Result<KnownUpdate, RegistryError> {
    let update = serde_json::from_value(entry.body).map_err(|error| RegistryError::Internal(Box::new(error)))?;
    Ok(KnownUpdate {
        id: entry.id,
        cluster: entry.cluster,
        update,
    })
}
