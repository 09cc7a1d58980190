//! What is known of all clusters between two looks: read once, then only what the change feed tells of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use model::{Cluster, ClusterId, Update};
use ports::RegistryError;
use ports::ledger::{Entry, EntryFilter, EntryId, EntryKind};
use ports::registry::{Change, ClusterFilter, Detail, ObjectKind, PageRequest};

use crate::health::{self, Fared};
use crate::pass::Reach;

/// One update of a cluster after the other, by when it began and its id.
type Updates = BTreeMap<(Timestamp, EntryId), Update>;

/// Clusters, their updates that go on, and how they fare.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) clusters: BTreeMap<ClusterId, Arc<Cluster>>,
    updates: BTreeMap<ClusterId, Updates>,
    pub(super) fared: BTreeMap<ClusterId, Fared>,
    heard: BTreeSet<Heard>,
    read: bool,
}

/// Something that changed and was not read since.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Cluster(ClusterId),
    Update(EntryId),
    Health(ClusterId),
}

impl Heard {
    fn of(change: &Change) -> Option<Self> {
        match change.kind {
            ObjectKind::Cluster => change.id.parse().ok().map(Self::Cluster),
            ObjectKind::Entry => match change.id.split_once('/')? {
                (health::KIND, id) => id.parse().ok().map(Self::Health),
                (kind, id) if kind == EntryKind::update().as_str() => id.parse().ok().map(Self::Update),
                _ => None,
            },
            ObjectKind::InfrastructureAccount => None,
        }
    }
}

impl Notes {
    /// Takes note of what has to be read before the next look.
    pub(super) fn hear(&mut self, change: &Change) {
        self.heard.extend(Heard::of(change));
    }

    /// The newest update of a cluster that goes on.
    pub(super) fn update(&self, cluster: &ClusterId) -> Option<&Update> {
        Some(self.updates.get(cluster)?.last_key_value()?.1)
    }

    /// Reads what changed; everything when that is not known, or is most of it.
    pub(super) async fn bring_up_to_date(&mut self, reach: &Reach) -> Result<(), RegistryError> {
        if !self.read || self.heard.len() > self.clusters.len() / 2 {
            return self.read_all(reach).await;
        }
        while let Some(heard) = self.heard.first().cloned() {
            self.reread(reach, &heard).await?;
            self.heard.remove(&heard);
        }
        Ok(())
    }

    async fn read_all(&mut self, reach: &Reach) -> Result<(), RegistryError> {
        let (filter, all) = (ClusterFilter::default(), PageRequest::all());
        let clusters = reach.registry.list_clusters(&filter, Detail::Full, &all).await?;
        let clusters = clusters.items.into_iter().map(|found| found.object);
        let going_on = EntryFilter {
            open: Some(true),
            ..EntryFilter::of(EntryKind::update())
        };
        let entries = reach.ledger.list_entries(&going_on, &all).await?;
        let fared = health::fared(&*reach.ledger).await?;
        *self = Self {
            clusters: clusters
                .map(|cluster| (cluster.id.clone(), Arc::new(cluster)))
                .collect(),
            fared,
            read: true,
            ..Self::default()
        };
        for entry in entries.items {
            self.updated(entry);
        }
        Ok(())
    }

    async fn reread(&mut self, reach: &Reach, heard: &Heard) -> Result<(), RegistryError> {
        match heard {
            Heard::Cluster(id) => match gone(reach.registry.get_cluster(id, Detail::Full).await)? {
                Some(found) => {
                    self.clusters.insert(id.clone(), Arc::new(found.object));
                }
                None => {
                    self.clusters.remove(id);
                }
            },
            Heard::Update(id) => {
                let entry = gone(reach.ledger.get_entry(&EntryKind::update(), id).await)?;
                entry.into_iter().for_each(|entry| self.updated(entry));
            }
            Heard::Health(id) => match health::fares(&*reach.ledger, id).await? {
                Some(fared) => {
                    self.fared.insert(id.clone(), fared);
                }
                None => {
                    self.fared.remove(id);
                }
            },
        }
        Ok(())
    }

    fn updated(&mut self, entry: Entry) {
        let Some(cluster) = entry.cluster else { return };
        let of_cluster = self.updates.entry(cluster).or_default();
        let place = (entry.created_at, entry.id);
        match serde_json::from_value(entry.body) {
            Ok(update) if entry.open => of_cluster.insert(place, update),
            _ => of_cluster.remove(&place),
        };
    }
}

/// `None` for what is not there.
fn gone<T>(found: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
