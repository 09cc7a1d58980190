//! A registry and ledger that fail now and then: before the work, or after it with the answer lost.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, ConfigKey, FileRegistry, InfrastructureAccount,
    InfrastructureAccountUpdate, NodePool, NodePoolName, NodePoolUpdate,
};
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{
    AccountFilter, Change, ClusterFilter, Detail, HistoryRecord, ImportMode, ImportReport, ObjectKind, Page,
    PageRequest, Revision, Versioned,
};
use ports::{Ledger, Registry, RegistryError, WriteContext};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::MemoryRegistry;

type Result<T> = std::result::Result<T, RegistryError>;

/// Fails in so many of a thousand calls.
pub(crate) struct FaultyRegistry {
    inner: Arc<MemoryRegistry>,
    chance: Mutex<(StdRng, u32)>,
}

#[derive(Debug, thiserror::Error)]
#[error("injected")]
struct Injected;

fn lost() -> RegistryError {
    RegistryError::Unavailable(Box::new(Injected))
}

impl FaultyRegistry {
    pub(crate) fn new(inner: Arc<MemoryRegistry>, seed: u64, per_mille: u32) -> Self {
        Self {
            inner,
            chance: Mutex::new((StdRng::seed_from_u64(seed), per_mille)),
        }
    }

    /// No more faults.
    pub(crate) fn heal(&self) {
        self.chance.lock().unwrap().1 = 0;
    }

    fn strikes(&self) -> bool {
        let mut chance = self.chance.lock().unwrap();
        let (random, per_mille) = &mut *chance;
        random.random_range(0..1_000) < *per_mille
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.strikes() {
            return Err(lost());
        }
        let done = work.await;
        if self.strikes() { Err(lost()) } else { done }
    }
}

macro_rules! delegate {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)+) => {
        #[async_trait]
        impl Registry for FaultyRegistry {
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out> {
                self.call(self.inner.$name($($arg),*)).await
            })+

            async fn watch(&self, after: i64) -> Result<BoxStream<'static, Result<Change>>> {
                self.call(self.inner.watch(after)).await
            }
        }
    };
}

delegate! {
    list_accounts(filter: &AccountFilter, page: &PageRequest) -> Page<Versioned<InfrastructureAccount>>;
    get_account(id: &AccountId) -> Versioned<InfrastructureAccount>;
    create_account(account: InfrastructureAccount, context: &WriteContext) -> Versioned<InfrastructureAccount>;
    update_account(id: &AccountId, update: InfrastructureAccountUpdate, context: &WriteContext) -> Versioned<InfrastructureAccount>;
    list_clusters(filter: &ClusterFilter, detail: Detail, page: &PageRequest) -> Page<Versioned<Cluster>>;
    get_cluster(id: &ClusterId, detail: Detail) -> Versioned<Cluster>;
    create_cluster(cluster: Cluster, context: &WriteContext) -> Versioned<Cluster>;
    update_cluster(id: &ClusterId, update: ClusterUpdate, context: &WriteContext) -> Versioned<Cluster>;
    delete_cluster(id: &ClusterId, context: &WriteContext) -> ();
    put_config_item(cluster: &ClusterId, key: &ConfigKey, value: &str, context: &WriteContext) -> Revision;
    delete_config_item(cluster: &ClusterId, key: &ConfigKey, context: &WriteContext) -> ();
    list_node_pools(cluster: &ClusterId) -> Versioned<Vec<NodePool>>;
    put_node_pool(cluster: &ClusterId, pool: NodePool, context: &WriteContext) -> Versioned<NodePool>;
    update_node_pool(cluster: &ClusterId, name: &NodePoolName, update: NodePoolUpdate, context: &WriteContext) -> Versioned<NodePool>;
    delete_node_pool(cluster: &ClusterId, name: &NodePoolName, context: &WriteContext) -> ();
    put_node_pool_config_item(cluster: &ClusterId, name: &NodePoolName, key: &ConfigKey, value: &str, context: &WriteContext) -> Revision;
    delete_node_pool_config_item(cluster: &ClusterId, name: &NodePoolName, key: &ConfigKey, context: &WriteContext) -> ();
    changes(after: i64, limit: usize) -> Vec<Change>;
    last_change() -> i64;
    history(kind: ObjectKind, id: &str, page: &PageRequest) -> Page<HistoryRecord>;
    import(document: FileRegistry, mode: ImportMode, context: &WriteContext) -> ImportReport;
    export() -> FileRegistry;
}

#[async_trait]
impl Ledger for FaultyRegistry {
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry> {
        self.call(self.inner.put_entry(draft, context)).await
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry> {
        self.call(self.inner.get_entry(kind, id)).await
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>> {
        self.call(self.inner.list_entries(filter, page)).await
    }
}
