//! What a lifecycle manager is given that runs beside the original: the registry in which only adopted clusters are free to be
//! worked on, and ways to clusters and clouds that only lead to those.
//!
//! A cluster that is not adopted shows the original's own block, so every guard that asks for blocks stops at it, before each
//! step anew. That alone would do; but what must never happen is held more than once, so writes to the registry and to clusters
//! ask for the adoption themselves, and a cloud is entered for adopted clusters only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;
use kube_access::{Access, Gate};
use lifecycle::connect::{CloudSource, Connector, Trouble};
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, ConfigKey, FileRegistry, InfrastructureAccount,
    InfrastructureAccountUpdate, NodePool, NodePoolName, NodePoolUpdate,
};
use ports::cloud::Cloud;
use ports::ledger::{EntryDraft, EntryKind};
use ports::registry::{
    AccountFilter, Action, Change, ClusterFilter, Detail, HistoryRecord, ImportMode, ImportReport, ObjectKind, Page,
    PageRequest, Revision, Versioned,
};
use ports::{Classified, Clock, Fault, Ledger, Registry, RegistryError, Retry, WriteContext};
use serde_json::json;

use crate::adoption::{self, Adoption, FEED, Phase, Standing};

/// How often the original's registry is read for changes: it has no feed.
pub const POLL: Duration = Duration::from_secs(30);

/// The registry of a manager that runs beside the original.
#[derive(Clone)]
pub struct Tenure(Arc<Inner>);

struct Inner {
    upstream: Arc<dyn Registry>,
    own: Arc<dyn Registry>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    poll: Duration,
}

/// A cluster is not ours to write to.
#[derive(Debug, thiserror::Error)]
#[error("cluster {0} is not adopted, and nothing is written to it")]
pub struct NotAdopted(String);

impl Classified for NotAdopted {
    fn fault(&self) -> Fault {
        Fault::User
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// The clusters as the manager sees them.
type Seen = BTreeMap<ClusterId, Cluster>;

impl Tenure {
    /// Over the original's registry; `own` is the store with our feed, `ledger` the one with adoptions.
    #[must_use]
    pub fn new(
        upstream: Arc<dyn Registry>,
        own: Arc<dyn Registry>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        poll: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            upstream,
            own,
            ledger,
            clock,
            poll,
        }))
    }

    /// Ways to clusters through which only adopted ones are written to.
    #[must_use]
    pub fn connector(&self, inner: Arc<dyn Connector>) -> Arc<dyn Connector> {
        Arc::new(AdoptedClusters {
            tenure: self.clone(),
            inner,
        })
    }

    /// Ways to the clouds of adopted clusters.
    #[must_use]
    pub fn clouds(&self, inner: Arc<dyn CloudSource>) -> Arc<dyn CloudSource> {
        Arc::new(AdoptedClouds {
            tenure: self.clone(),
            inner,
        })
    }

    /// Whether a cluster may be written to now. It asks ledger and registry each time, and what cannot be read is no "yes".
    ///
    /// # Errors
    /// Those of registry and ledger.
    pub async fn is_ours(&self, cluster: &ClusterId) -> Result<bool, RegistryError> {
        let found = self.0.upstream.get_cluster(cluster, Detail::Full).await?.object;
        Ok(self.standing(&found).await? == Standing::Ours)
    }

    async fn standing(&self, cluster: &Cluster) -> Result<Standing, RegistryError> {
        let adoption = adoption::of(&*self.0.ledger, &cluster.id).await?;
        Ok(adoption::standing(adoption.as_ref(), cluster, self.0.clock.now()))
    }

    /// The cluster as the manager is to see it: free of our mark when it is ours, blocked when it is not.
    fn shown(&self, mut cluster: Cluster, adoption: Option<&Adoption>) -> Cluster {
        let now = self.0.clock.now();
        let standing = adoption::standing(adoption, &cluster, now);
        match (&standing, adoption) {
            (Standing::Ours, Some(_)) => {
                cluster.config_items.remove(&adoption::item());
            }
            // A block of somebody else's says more than we could.
            (Standing::Blocked(_), _) => {}
            _ => {
                let why = standing
                    .sentence(cluster.alias.as_str())
                    .unwrap_or_else(|| "it is not adopted: the original manages it".to_owned());
                let said = cluster.config_items.get(&adoption::item());
                let mark = adoption.map(|adoption| &adoption.mark);
                if said.is_none() || said == mark {
                    cluster.config_items.insert(adoption::item(), why);
                }
            }
        }
        cluster
    }

    async fn seen(&self) -> Result<Seen, RegistryError> {
        let adoptions = adoption::all(&*self.0.ledger).await?;
        let all = self
            .0
            .upstream
            .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
            .await?;
        let mut seen = Seen::new();
        for cluster in all.items {
            let cluster = cluster.object;
            let adoption = match adoptions.get(&cluster.id) {
                Some(adoption) => self.settled(&cluster, adoption).await?,
                None => None,
            };
            seen.insert(cluster.id.clone(), self.shown(cluster, adoption.as_ref()));
        }
        Ok(seen)
    }

    /// Takes an adoption a step on: once the original has left the cluster alone for long enough, it is ours; a status that
    /// the original wrote meanwhile begins the time anew.
    async fn settled(&self, cluster: &Cluster, adoption: &Adoption) -> Result<Option<Adoption>, RegistryError> {
        let now = self.0.clock.now();
        if adoption.phase != Phase::Settling
            || !matches!(adoption::standing(Some(adoption), cluster, now), Standing::Settling(_))
        {
            return Ok(Some(adoption.clone()));
        }
        let mut next = adoption.clone();
        if cluster.status != adoption.status {
            let whole = adoption.not_before.duration_since(adoption.at);
            next.status = cluster.status.clone();
            next.at = now;
            next.not_before = now.saturating_add(whole).unwrap_or(Timestamp::MAX);
        } else if now >= adoption.not_before {
            next.phase = Phase::Managing;
        } else {
            return Ok(Some(next));
        }
        let context = WriteContext::by(adoption.by.clone(), format!("settle-{}", cluster.alias));
        adoption::write(&*self.0.ledger, &cluster.id, &next, &context).await?;
        Ok(Some(next))
    }

    fn refuse<T>(&self, what: &str) -> Result<T, RegistryError> {
        Err(RegistryError::Forbidden(format!(
            "{what} here: this registry belongs to another manager, write to it there"
        )))
    }

    /// Lets the status of an adopted cluster through, as the original writes it, and leaves a record of it, since the
    /// original's registry keeps none. The record is written first and under the lease: who lost it writes neither.
    async fn pass_on(
        &self,
        id: &ClusterId,
        update: ClusterUpdate,
        context: &WriteContext,
    ) -> Result<Versioned<Cluster>, RegistryError> {
        if !self.is_ours(id).await? {
            return Err(RegistryError::Forbidden(NotAdopted(id.to_string()).to_string()));
        }
        let update = ClusterUpdate {
            status: update.status,
            lifecycle_status: update.lifecycle_status,
            ..ClusterUpdate::default()
        };
        let body = json!({
            "at": self.0.clock.now(),
            "status": update.status,
            "lifecycle_status": update.lifecycle_status,
        });
        let draft = EntryDraft {
            kind: written()?,
            id: id.as_str().parse()?,
            cluster: Some(id.clone()),
            open: false,
            body,
            items: Vec::new(),
        };
        let record = WriteContext {
            expected: None,
            ..context.clone()
        };
        self.0.ledger.put_entry(draft, &record).await?;
        // Neither our leases nor our revisions mean anything there.
        let plain = WriteContext::by(context.actor.clone(), context.request_id.clone());
        let answered = self.0.upstream.update_cluster(id, update, &plain).await?;
        let adoption = adoption::of(&*self.0.ledger, id).await?;
        Ok(Versioned {
            revision: answered.revision,
            object: self.shown(answered.object, adoption.as_ref()),
        })
    }
}

fn written() -> Result<EntryKind, RegistryError> {
    Ok("upstream-write".parse()?)
}

/// What the stream of changes goes by.
struct Feed {
    tenure: Tenure,
    own: BoxStream<'static, Result<Change, RegistryError>>,
    seen: Seen,
    next: Timestamp,
    sequence: i64,
    ready: VecDeque<Change>,
}

impl Feed {
    async fn next(mut self) -> Option<(Result<Change, RegistryError>, Self)> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some((Ok(change), self));
            }
            let clock = Arc::clone(&self.tenure.0.clock);
            let wait = self.next.duration_since(clock.now()).try_into().unwrap_or_default();
            let heard = tokio::select! {
                biased;
                heard = self.own.next() => Some(heard?),
                () = clock.sleep(wait) => None,
            };
            match heard {
                Some(Ok(change)) => {
                    self.sequence = change.sequence;
                    match change.id.strip_prefix(FEED) {
                        // Who manages a cluster has changed: it is looked at at once.
                        Some(_) if change.kind == ObjectKind::Entry => self.next = clock.now(),
                        _ if change.kind == ObjectKind::Entry => return Some((Ok(change), self)),
                        _ => {}
                    }
                }
                Some(Err(error)) => return Some((Err(error), self)),
                None => {
                    if let Err(error) = self.poll().await {
                        return Some((Err(error), self));
                    }
                }
            }
        }
    }

    async fn poll(&mut self) -> Result<(), RegistryError> {
        let clock = &self.tenure.0.clock;
        self.next = clock.now().saturating_add(self.tenure.0.poll).unwrap_or(Timestamp::MAX);
        let seen = self.tenure.seen().await?;
        let time = self.tenure.0.clock.now();
        let mut changed: Vec<(&ClusterId, Action)> = Vec::new();
        for (id, cluster) in &seen {
            match self.seen.get(id) {
                None => changed.push((id, Action::Created)),
                Some(known) if known != cluster => changed.push((id, Action::Updated)),
                Some(_) => {}
            }
        }
        let gone = self.seen.keys().filter(|id| !seen.contains_key(*id));
        changed.extend(gone.map(|id| (id, Action::Deleted)));
        let changes = changed.into_iter().map(|(id, action)| Change {
            sequence: self.sequence,
            time,
            kind: ObjectKind::Cluster,
            id: id.to_string(),
            action,
            revision: Revision(0),
            actor: String::new(),
        });
        self.ready.extend(changes);
        self.seen = seen;
        Ok(())
    }
}

#[async_trait]
impl Registry for Tenure {
    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: &PageRequest,
    ) -> Result<Page<Versioned<InfrastructureAccount>>, RegistryError> {
        self.0.upstream.list_accounts(filter, page).await
    }

    async fn get_account(&self, id: &AccountId) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
        self.0.upstream.get_account(id).await
    }

    async fn create_account(
        &self,
        _: InfrastructureAccount,
        _: &WriteContext,
    ) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
        self.refuse("an account cannot be added")
    }

    async fn update_account(
        &self,
        _: &AccountId,
        _: InfrastructureAccountUpdate,
        _: &WriteContext,
    ) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
        self.refuse("an account cannot be changed")
    }

    async fn list_clusters(
        &self,
        filter: &ClusterFilter,
        detail: Detail,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Cluster>>, RegistryError> {
        let adoptions = adoption::all(&*self.0.ledger).await?;
        let mut found = self.0.upstream.list_clusters(filter, detail, page).await?;
        if detail == Detail::Full {
            for cluster in &mut found.items {
                let adoption = adoptions.get(&cluster.object.id);
                cluster.object = self.shown(cluster.object.clone(), adoption);
            }
        }
        Ok(found)
    }

    async fn get_cluster(&self, id: &ClusterId, detail: Detail) -> Result<Versioned<Cluster>, RegistryError> {
        let found = self.0.upstream.get_cluster(id, Detail::Full).await?;
        let adoption = adoption::of(&*self.0.ledger, id).await?;
        let mut object = self.shown(found.object, adoption.as_ref());
        if detail == Detail::Brief {
            object.config_items.clear();
            object.node_pools.clear();
        }
        Ok(Versioned {
            revision: found.revision,
            object,
        })
    }

    async fn create_cluster(&self, _: Cluster, _: &WriteContext) -> Result<Versioned<Cluster>, RegistryError> {
        self.refuse("a cluster cannot be added")
    }

    async fn update_cluster(
        &self,
        id: &ClusterId,
        update: ClusterUpdate,
        context: &WriteContext,
    ) -> Result<Versioned<Cluster>, RegistryError> {
        self.pass_on(id, update, context).await
    }

    async fn delete_cluster(&self, _: &ClusterId, _: &WriteContext) -> Result<(), RegistryError> {
        self.refuse("a cluster cannot be removed")
    }

    async fn put_config_item(
        &self,
        _: &ClusterId,
        _: &ConfigKey,
        _: &str,
        _: &WriteContext,
    ) -> Result<Revision, RegistryError> {
        self.refuse("a config item cannot be set")
    }

    async fn delete_config_item(&self, _: &ClusterId, _: &ConfigKey, _: &WriteContext) -> Result<(), RegistryError> {
        self.refuse("a config item cannot be removed")
    }

    async fn list_node_pools(&self, cluster: &ClusterId) -> Result<Versioned<Vec<NodePool>>, RegistryError> {
        self.0.upstream.list_node_pools(cluster).await
    }

    async fn put_node_pool(
        &self,
        _: &ClusterId,
        _: NodePool,
        _: &WriteContext,
    ) -> Result<Versioned<NodePool>, RegistryError> {
        self.refuse("a node pool cannot be set")
    }

    async fn update_node_pool(
        &self,
        _: &ClusterId,
        _: &NodePoolName,
        _: NodePoolUpdate,
        _: &WriteContext,
    ) -> Result<Versioned<NodePool>, RegistryError> {
        self.refuse("a node pool cannot be changed")
    }

    async fn delete_node_pool(&self, _: &ClusterId, _: &NodePoolName, _: &WriteContext) -> Result<(), RegistryError> {
        self.refuse("a node pool cannot be removed")
    }

    async fn put_node_pool_config_item(
        &self,
        _: &ClusterId,
        _: &NodePoolName,
        _: &ConfigKey,
        _: &str,
        _: &WriteContext,
    ) -> Result<Revision, RegistryError> {
        self.refuse("a config item of a node pool cannot be set")
    }

    async fn delete_node_pool_config_item(
        &self,
        _: &ClusterId,
        _: &NodePoolName,
        _: &ConfigKey,
        _: &WriteContext,
    ) -> Result<(), RegistryError> {
        self.refuse("a config item of a node pool cannot be removed")
    }

    async fn changes(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError> {
        self.0.own.changes(after, limit).await
    }

    async fn watch(&self, after: i64) -> Result<BoxStream<'static, Result<Change, RegistryError>>, RegistryError> {
        let feed = Feed {
            own: self.0.own.watch(after).await?,
            seen: self.seen().await?,
            next: self.0.clock.now().saturating_add(self.0.poll).unwrap_or(Timestamp::MAX),
            sequence: after,
            ready: VecDeque::new(),
            tenure: self.clone(),
        };
        Ok(futures::stream::unfold(feed, Feed::next).boxed())
    }

    async fn last_change(&self) -> Result<i64, RegistryError> {
        self.0.own.last_change().await
    }

    async fn history(
        &self,
        kind: ObjectKind,
        id: &str,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>, RegistryError> {
        match kind {
            ObjectKind::Entry => self.0.own.history(kind, id, page).await,
            ObjectKind::Cluster | ObjectKind::InfrastructureAccount => self.0.upstream.history(kind, id, page).await,
        }
    }

    async fn import(&self, _: FileRegistry, _: ImportMode, _: &WriteContext) -> Result<ImportReport, RegistryError> {
        self.refuse("a document cannot be imported")
    }

    async fn export(&self) -> Result<FileRegistry, RegistryError> {
        self.0.upstream.export().await
    }
}

struct AdoptedClusters {
    tenure: Tenure,
    inner: Arc<dyn Connector>,
}

/// Asks before each write to a cluster whether it is ours.
struct OursOnly {
    tenure: Tenure,
    cluster: ClusterId,
}

#[async_trait]
impl Gate for OursOnly {
    async fn permits(&self) -> bool {
        // What cannot be read is no permission.
        self.tenure.is_ours(&self.cluster).await.unwrap_or(false)
    }
}

#[async_trait]
impl Connector for AdoptedClusters {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        let access = self.inner.open(cluster).await?;
        Ok(access.gated(Arc::new(OursOnly {
            tenure: self.tenure.clone(),
            cluster: cluster.id.clone(),
        })))
    }
}

struct AdoptedClouds {
    tenure: Tenure,
    inner: Arc<dyn CloudSource>,
}

#[async_trait]
impl CloudSource for AdoptedClouds {
    async fn cloud(&self, cluster: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        match self.tenure.is_ours(&cluster.id).await {
            Ok(true) => self.inner.cloud(cluster).await,
            Ok(false) => Err(Box::new(NotAdopted(cluster.alias.to_string()))),
            Err(error) => Err(Box::new(error)),
        }
    }
}
