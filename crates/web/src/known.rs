//! What registry and ledger say, read once for all pages that ask between two changes.
//!
//! Every change of either has a number ([`Registry::last_change`](ports::Registry::last_change)), so what was read is true for as
//! long as the number stays: the hundred pages that a change makes read themselves again cost one reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use lifecycle::waves::{Alarm, Books, open_alarms, runs};
use model::{Cluster, ClusterId};
use ports::RegistryError;
use ports::blocks::{self, Blocked};
use ports::registry::{AccountFilter, ClusterFilter, Detail, PageRequest};
use tokio::sync::Mutex;

use crate::fleet::{KnownUpdate, updates};
use crate::server::Pages;

/// All of it after one change.
#[derive(Debug)]
pub(crate) struct Known {
    sequence: i64,
    /// In full, by id.
    pub(crate) clusters: Vec<Arc<Cluster>>,
    /// Owners of accounts, by account.
    pub(crate) owners: BTreeMap<String, String>,
    /// The blocks whose entries are open.
    pub(crate) blocks: Vec<Blocked>,
    /// The newest open update of each cluster that has one.
    pub(crate) updates: BTreeMap<ClusterId, Arc<KnownUpdate>>,
    pub(crate) alarms: Vec<Alarm>,
    /// Configurations that channels stand at, as lifecycle managers wrote them down.
    pub(crate) heads: BTreeMap<String, String>,
    /// What waves are decided from; absent where no change is under way.
    pub(crate) books: Option<Books>,
}

/// The last reading.
#[derive(Debug, Default)]
pub(crate) struct LastKnown(Mutex<Option<Arc<Known>>>);

impl Known {
    /// What is known now. Those who ask while it is read wait for that reading.
    pub(crate) async fn now(pages: &Pages) -> Result<Arc<Self>, RegistryError> {
        let mut last = pages.known.0.lock().await;
        // Before everything else: what changes meanwhile is read again by the next one who asks.
        let sequence = pages.registry.last_change().await?;
        match &*last {
            Some(known) if known.sequence == sequence => Ok(Arc::clone(known)),
            _ => {
                let known = Arc::new(Self::read(pages, sequence).await?);
                *last = Some(Arc::clone(&known));
                Ok(known)
            }
        }
    }

    async fn read(pages: &Pages, sequence: i64) -> Result<Self, RegistryError> {
        let (registry, ledger) = (&*pages.registry, &*pages.ledger);
        let runs = runs(ledger).await?;
        let books = match runs.values().any(|run| run.over.is_none()) {
            true => Some(Books::read(registry, ledger).await?),
            false => None,
        };
        let (clusters, blocks) = match &books {
            Some(books) => (books.clusters.clone(), books.blocks.clone()),
            None => {
                let (filter, all) = (ClusterFilter::default(), PageRequest::all());
                let found = registry.list_clusters(&filter, Detail::Full, &all).await?;
                let clusters = found.items.into_iter().map(|found| Arc::new(found.object)).collect();
                (clusters, blocks::open(ledger, None).await?)
            }
        };
        let (filter, all) = (AccountFilter::default(), PageRequest::all());
        let accounts = registry.list_accounts(&filter, &all).await?.items.into_iter();
        let owners = accounts.map(|found| (found.object.id.to_string(), found.object.owner));
        Ok(Self {
            sequence,
            clusters,
            owners: owners.collect(),
            blocks,
            updates: newest_by_cluster(updates(pages, None, Some(true), None).await?),
            alarms: open_alarms(ledger).await?.into_values().collect(),
            heads: runs.into_iter().map(|(channel, run)| (channel, run.config)).collect(),
            books,
        })
    }
}

fn newest_by_cluster(updates: Vec<KnownUpdate>) -> BTreeMap<ClusterId, Arc<KnownUpdate>> {
    let mut by_cluster = BTreeMap::new();
    for known in updates {
        if let Some(cluster) = known.cluster.clone() {
            by_cluster.entry(cluster).or_insert_with(|| Arc::new(known));
        }
    }
    by_cluster
}
