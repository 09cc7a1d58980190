//! A registry in memory, for simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::stream::BoxStream;
use model::{
    AccountId, AccountLifecycle, Cluster, ClusterId, ClusterUpdate, ConfigItems, ConfigKey, FileCluster, FileRegistry,
    InfrastructureAccount, InfrastructureAccountUpdate, Invalid, NodePool, NodePoolName, NodePoolUpdate,
};
use ports::registry::{
    AccountFilter, Change, ClusterFilter, Detail, HistoryRecord, ImportMode, ImportReport, ObjectKind, Page,
    PageRequest, Revision, Versioned,
};
use ports::{Clock, Lease, LeaseError, LeaseName, Leases, RegistryError, WriteContext};

use crate::backend::{self, Backend, registry_for};
use crate::core::{Answer, ClusterChange, LeaseRow, LeaseWrite, Record, Stamp, State, Stored, Write};
use crate::feed::{self, Newest};
use crate::leases::{claiming, held, releasing, renewing};
use crate::read::{cut, history_start};

/// The same contract as [`crate::Store`] without a database: ordered maps, no threads, no waiting.
///
/// A simulation on tokio's paused clock needs it, because that clock runs ahead while a database works elsewhere.
#[derive(Debug)]
pub struct MemoryRegistry {
    inner: Arc<Mutex<Inner>>,
    newest: Newest,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    /// By sequence number.
    changes: BTreeMap<i64, HistoryRecord>,
}

impl MemoryRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::default(),
            newest: Newest::new(0),
            clock,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Looks at the objects.
    pub(crate) fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.inner().state)
    }

    fn lease_write(&self, name: &LeaseName, write: &LeaseWrite) -> Result<LeaseRow, LeaseError> {
        let mut inner = self.inner();
        let row = write.apply(name, inner.state.leases().get(name), self.clock.now_millis())?;
        inner.state.set_lease(name, row.clone());
        Ok(row)
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for MemoryRegistry {
    fn drop(&mut self) {
        self.newest.end();
    }
}

impl Inner {
    fn last(&self) -> i64 {
        self.changes.keys().next_back().copied().unwrap_or(0)
    }

    fn record(&mut self, record: Record, now: Stamp, context: &WriteContext) {
        let sequence = self.last() + 1;
        let entry = HistoryRecord {
            change: Change {
                sequence,
                time: now.timestamp(),
                kind: record.kind,
                id: record.id,
                action: record.action,
                revision: record.revision,
                actor: context.actor.clone(),
            },
            request_id: context.request_id.clone(),
            fields: record.fields,
        };
        self.changes.insert(sequence, entry);
    }

    fn changes_after(&self, after: i64, limit: usize) -> Vec<Change> {
        let later = self.changes.range(after.saturating_add(1)..);
        later.take(limit).map(|(_, record)| record.change.clone()).collect()
    }
}

/// True unless a filter asks for something else.
fn is<T: PartialEq + ?Sized>(wanted: Option<&T>, present: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == present)
}

fn account_matches(filter: &AccountFilter, account: &InfrastructureAccount) -> bool {
    is(filter.criticality_level.as_ref(), &account.criticality_level)
        && is(filter.environment.as_ref(), &account.environment)
        && is(filter.external_id.as_ref(), &account.external_id)
        && is(filter.lifecycle_status.as_ref(), &account.lifecycle_status)
        && is(filter.name.as_ref(), &account.name)
        && is(filter.owner.as_ref(), &account.owner)
        && is(filter.kind.as_ref(), &account.kind)
        && is(filter.cost_center.as_ref(), &account.cost_center)
}

fn cluster_matches(filter: &ClusterFilter, cluster: &Cluster, state: &State) -> bool {
    let account = || state.accounts().get(&cluster.infrastructure_account);
    is(filter.alias.as_deref(), cluster.alias.as_str())
        && is(filter.api_server_url.as_ref(), &cluster.api_server_url)
        && is(filter.channel.as_ref(), &cluster.channel)
        && is(filter.criticality_level.as_ref(), &cluster.criticality_level)
        && is(filter.environment.as_ref(), &cluster.environment)
        && is(
            filter.infrastructure_account.as_deref(),
            cluster.infrastructure_account.as_str(),
        )
        && is(filter.lifecycle_status.as_ref(), &cluster.lifecycle_status)
        && is(filter.local_id.as_ref(), &cluster.local_id)
        && is(filter.provider.as_ref(), &cluster.provider)
        && is(filter.region.as_ref(), &cluster.region)
        && filter
            .cost_center
            .as_ref()
            .is_none_or(|wanted| account().is_some_and(|a| a.object.cost_center == *wanted))
}

fn versioned<T: Clone>(stored: &Stored<T>) -> Versioned<T> {
    stored.clone().into_versioned()
}

fn shown(stored: &Stored<Cluster>, detail: Detail) -> Versioned<Cluster> {
    let mut found = versioned(stored);
    if detail == Detail::Brief {
        found.object.config_items = ConfigItems::new();
        found.object.node_pools = Vec::new();
    }
    found
}

/// Takes one more than a page holds, which is how [`cut`] knows whether another follows.
fn page_of<T>(
    items: impl Iterator<Item = T>,
    page: &PageRequest,
    id: impl Fn(&T) -> String,
) -> Result<Page<T>, RegistryError> {
    if page.limit == Some(0) {
        return Err(Invalid::new("limit", "must be at least 1", 0).into());
    }
    let wanted = page.limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
    Ok(cut(items.take(wanted).collect(), page, id))
}

#[async_trait]
impl Backend for MemoryRegistry {
    async fn submit(&self, write: Write, context: &WriteContext) -> Result<Answer, RegistryError> {
        let now = Stamp(self.clock.now_millis());
        let mut records = Vec::new();
        let mut inner = self.inner();
        let answer = write.apply(context, now, &mut inner.state, &mut records)?;
        for record in records {
            inner.record(record, now, context);
        }
        self.newest.raise(inner.last());
        Ok(answer)
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        page: &PageRequest,
    ) -> Result<Page<Versioned<InfrastructureAccount>>, RegistryError> {
        let inner = self.inner();
        let all = inner.state.accounts().values();
        let found = all
            .filter(|a| page.after.as_deref().is_none_or(|after| a.object.id.as_str() > after))
            .filter(|a| account_matches(filter, &a.object))
            .map(versioned);
        page_of(found, page, |a| a.object.id.to_string())
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Versioned<InfrastructureAccount>>, RegistryError> {
        Ok(self.inner().state.accounts().get(id).map(versioned))
    }

    async fn clusters(
        &self,
        filter: &ClusterFilter,
        detail: Detail,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Cluster>>, RegistryError> {
        let inner = self.inner();
        let all = inner.state.clusters().values();
        let found = all
            .filter(|c| page.after.as_deref().is_none_or(|after| c.object.id.as_str() > after))
            .filter(|c| cluster_matches(filter, &c.object, &inner.state))
            .map(|c| shown(c, detail));
        page_of(found, page, |c| c.object.id.to_string())
    }

    async fn cluster(&self, id: &ClusterId, detail: Detail) -> Result<Option<Versioned<Cluster>>, RegistryError> {
        Ok(self.inner().state.clusters().get(id).map(|c| shown(c, detail)))
    }

    async fn changes_after(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError> {
        Ok(self.inner().changes_after(after, limit))
    }

    fn follow(&self, after: i64) -> BoxStream<'static, Result<Change, RegistryError>> {
        let inner = self.inner.clone();
        let read = move |after, limit| {
            let changes = lock(&inner).changes_after(after, limit);
            async move { Ok(changes) }.boxed()
        };
        feed::follow(Arc::new(read), self.newest.subscribe(), after)
    }

    async fn newest(&self) -> Result<i64, RegistryError> {
        Ok(self.inner().last())
    }

    async fn records(
        &self,
        kind: ObjectKind,
        id: &str,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>, RegistryError> {
        let before = history_start(page)?.unwrap_or(i64::MAX);
        let inner = self.inner();
        let found = inner
            .changes
            .range(..before)
            .rev()
            .map(|(_, record)| record)
            .filter(|record| record.change.kind == kind && record.change.id == id)
            .cloned();
        page_of(found, page, |r| r.change.sequence.to_string())
    }

    async fn document(&self) -> Result<FileRegistry, RegistryError> {
        let inner = self.inner();
        let accounts = inner.state.accounts();
        let clusters = inner.state.clusters().values().map(|stored| {
            let cluster = (*stored.object).clone();
            let account = accounts
                .get(&cluster.infrastructure_account)
                .filter(|a| a.object.lifecycle_status == AccountLifecycle::Ready);
            FileCluster {
                owner: account.map(|a| a.object.owner.clone()),
                account_name: account.map(|a| a.object.name.clone()),
                cluster,
            }
        });
        Ok(FileRegistry {
            infrastructure_accounts: accounts.values().map(|a| (*a.object).clone()).collect(),
            clusters: clusters.collect(),
        })
    }
}

registry_for!(MemoryRegistry);

#[async_trait]
impl Leases for MemoryRegistry {
    async fn claim(&self, name: &LeaseName, holder: &str, ttl: Duration) -> Result<Lease, LeaseError> {
        held(&self.lease_write(name, &claiming(holder, ttl))?, name)
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease, LeaseError> {
        held(&self.lease_write(&lease.name, &renewing(lease, ttl))?, &lease.name)
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseError> {
        self.lease_write(&lease.name, &releasing(lease)).map(drop)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Lease>, LeaseError> {
        let now = self.clock.now_millis();
        let inner = self.inner();
        let rows = inner.state.leases().iter();
        let held = rows.filter(|(name, row)| name.as_str().starts_with(prefix) && row.expires_at > now);
        Ok(held.filter_map(|(name, row)| row.lease(name)).collect())
    }
}
