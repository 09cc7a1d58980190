//! Ways to a registry and to clusters through which nothing can be written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use kube_access::{Access, Gate, Mode};
use lifecycle::connect::{Connector, Trouble};
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, ConfigKey, FileRegistry, InfrastructureAccount,
    InfrastructureAccountUpdate, NodePool, NodePoolName, NodePoolUpdate,
};
use ports::registry::{
    AccountFilter, Change, ClusterFilter, Detail, HistoryRecord, ImportMode, ImportReport, ObjectKind, Page,
    PageRequest, Revision, Versioned,
};
use ports::{Classified, Fault, Registry, RegistryError, Retry, WriteContext};

/// A registry that is only read. Every write is refused before anything is sent, and counted.
pub struct ReadOnly {
    inner: Arc<dyn Registry>,
    refused: AtomicU64,
}

impl ReadOnly {
    /// Seals a registry.
    #[must_use]
    pub fn new(inner: Arc<dyn Registry>) -> Self {
        Self {
            inner,
            refused: AtomicU64::new(0),
        }
    }

    /// How many writes were refused: a number other than 0 is a fault of ours.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn refuse<T>(&self, what: &str) -> Result<T, RegistryError> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(RegistryError::Forbidden(format!(
            "{what}: this registry belongs to another manager and is only read here"
        )))
    }
}

#[async_trait]
impl Registry for ReadOnly {
    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: &PageRequest,
    ) -> Result<Page<Versioned<InfrastructureAccount>>, RegistryError> {
        self.inner.list_accounts(filter, page).await
    }

    async fn get_account(&self, id: &AccountId) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
        self.inner.get_account(id).await
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
        self.inner.list_clusters(filter, detail, page).await
    }

    async fn get_cluster(&self, id: &ClusterId, detail: Detail) -> Result<Versioned<Cluster>, RegistryError> {
        self.inner.get_cluster(id, detail).await
    }

    async fn create_cluster(&self, _: Cluster, _: &WriteContext) -> Result<Versioned<Cluster>, RegistryError> {
        self.refuse("a cluster cannot be added")
    }

    async fn update_cluster(
        &self,
        _: &ClusterId,
        _: ClusterUpdate,
        _: &WriteContext,
    ) -> Result<Versioned<Cluster>, RegistryError> {
        self.refuse("a cluster cannot be changed")
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
        self.inner.list_node_pools(cluster).await
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
        self.inner.changes(after, limit).await
    }

    async fn watch(&self, after: i64) -> Result<BoxStream<'static, Result<Change, RegistryError>>, RegistryError> {
        self.inner.watch(after).await
    }

    async fn last_change(&self) -> Result<i64, RegistryError> {
        self.inner.last_change().await
    }

    async fn history(
        &self,
        kind: ObjectKind,
        id: &str,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>, RegistryError> {
        self.inner.history(kind, id, page).await
    }

    async fn import(&self, _: FileRegistry, _: ImportMode, _: &WriteContext) -> Result<ImportReport, RegistryError> {
        self.refuse("a document cannot be imported")
    }

    async fn export(&self) -> Result<FileRegistry, RegistryError> {
        self.inner.export().await
    }
}

/// Opens clusters for looking: the connector behind it must open them in dry-run mode, and a gate that is always shut stands
/// in front of every write besides.
pub struct LookOnly(Arc<dyn Connector>);

impl LookOnly {
    /// Seals a connector.
    #[must_use]
    pub fn new(inner: Arc<dyn Connector>) -> Self {
        Self(inner)
    }
}

/// A cluster was opened for writing where only a look was asked for.
#[derive(Debug, thiserror::Error)]
#[error("cluster {0} was opened for writing, and a shadow only looks")]
pub struct OpenedForWriting(String);

impl Classified for OpenedForWriting {
    fn fault(&self) -> Fault {
        Fault::Us
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// A gate that nothing passes.
struct Shut;

#[async_trait]
impl Gate for Shut {
    async fn permits(&self) -> bool {
        false
    }
}

#[async_trait]
impl Connector for LookOnly {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        let access = self.0.open(cluster).await?;
        if access.mode() != Mode::DryRun {
            return Err(Box::new(OpenedForWriting(cluster.alias.to_string())));
        }
        Ok(access.gated(Arc::new(Shut)))
    }
}
