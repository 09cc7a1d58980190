//! The registry contract over what differs between stores: where writes go and where reads come from.

use async_trait::async_trait;
use futures::stream::BoxStream;
use model::{AccountId, Cluster, ClusterId, FileRegistry, InfrastructureAccount};
use ports::registry::{
    AccountFilter, Change, ClusterFilter, Detail, HistoryRecord, ObjectKind, Page, PageRequest, Revision, Versioned,
};
use ports::{RegistryError, WriteContext};

use crate::core::{Answer, ClusterChange, Stored, Write, accept_context};

type Result<T> = std::result::Result<T, RegistryError>;

/// What a store does in its own way.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    async fn submit(&self, write: Write, context: &WriteContext) -> Result<Answer>;
    async fn accounts(
        &self,
        filter: &AccountFilter,
        page: &PageRequest,
    ) -> Result<Page<Versioned<InfrastructureAccount>>>;
    async fn account(&self, id: &AccountId) -> Result<Option<Versioned<InfrastructureAccount>>>;
    async fn clusters(
        &self,
        filter: &ClusterFilter,
        detail: Detail,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Cluster>>>;
    async fn cluster(&self, id: &ClusterId, detail: Detail) -> Result<Option<Versioned<Cluster>>>;
    async fn changes_after(&self, after: i64, limit: usize) -> Result<Vec<Change>>;
    fn follow(&self, after: i64) -> BoxStream<'static, Result<Change>>;
    async fn newest(&self) -> Result<i64>;
    async fn records(&self, kind: ObjectKind, id: &str, page: &PageRequest) -> Result<Page<HistoryRecord>>;
    async fn document(&self) -> Result<FileRegistry>;
}

/// An answer that does not belong to its write; it would be a fault of this crate.
#[derive(Debug, thiserror::Error)]
#[error("a write was answered with another's answer")]
struct Mismatch;

fn mismatch() -> RegistryError {
    RegistryError::Internal(Box::new(Mismatch))
}

pub(crate) async fn submit(store: &impl Backend, write: Write, context: &WriteContext) -> Result<Answer> {
    accept_context(context)?;
    store.submit(write, context).await
}

pub(crate) async fn account(
    store: &impl Backend,
    write: Write,
    context: &WriteContext,
) -> Result<Versioned<InfrastructureAccount>> {
    match submit(store, write, context).await? {
        Answer::Account(account) => Ok(account.into_versioned()),
        _ => Err(mismatch()),
    }
}

pub(crate) async fn cluster(store: &impl Backend, write: Write, context: &WriteContext) -> Result<Stored<Cluster>> {
    match submit(store, write, context).await? {
        Answer::Cluster(cluster) => Ok(cluster),
        _ => Err(mismatch()),
    }
}

pub(crate) async fn change(
    store: &impl Backend,
    id: &ClusterId,
    change: ClusterChange,
    context: &WriteContext,
) -> Result<Stored<Cluster>> {
    cluster(store, Write::ChangeCluster(id.clone(), Box::new(change)), context).await
}

pub(crate) async fn pool_change(
    store: &impl Backend,
    id: &ClusterId,
    name: &model::NodePoolName,
    pool_change: ClusterChange,
    context: &WriteContext,
) -> Result<Versioned<model::NodePool>> {
    let stored = change(store, id, pool_change, context).await?;
    let pool = stored.object.node_pool(name.as_str()).cloned().ok_or_else(mismatch)?;
    Ok(Versioned {
        revision: stored.revision,
        object: pool,
    })
}

pub(crate) async fn revision(
    store: &impl Backend,
    id: &ClusterId,
    item_change: ClusterChange,
    context: &WriteContext,
) -> Result<Revision> {
    change(store, id, item_change, context)
        .await
        .map(|stored| stored.revision)
}

pub(crate) async fn import(
    store: &impl Backend,
    write: Write,
    context: &WriteContext,
) -> Result<ports::registry::ImportReport> {
    match submit(store, write, context).await? {
        Answer::Import(report) => Ok(report),
        _ => Err(mismatch()),
    }
}

pub(crate) async fn entry(store: &impl Backend, write: Write, context: &WriteContext) -> Result<ports::ledger::Entry> {
    match submit(store, write, context).await? {
        Answer::Entry(entry) => Ok(*entry),
        _ => Err(mismatch()),
    }
}

pub(crate) fn found<T>(object: Option<T>, kind: &'static str, id: &impl ToString) -> Result<T> {
    object.ok_or_else(|| RegistryError::NotFound {
        kind,
        id: id.to_string(),
    })
}

/// Implements [`ports::Registry`] for a [`Backend`]. A macro, because a foreign trait cannot be implemented for all of them.
macro_rules! registry_for {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl ports::Registry for $store {
            async fn list_accounts(
                &self,
                filter: &AccountFilter,
                page: &PageRequest,
            ) -> Result<Page<Versioned<InfrastructureAccount>>, RegistryError> {
                self.accounts(filter, page).await
            }

            async fn get_account(&self, id: &AccountId) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
                backend::found(self.account(id).await?, "infrastructure account", id)
            }

            async fn create_account(
                &self,
                account: InfrastructureAccount,
                context: &WriteContext,
            ) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
                backend::account(self, Write::CreateAccount(account), context).await
            }

            async fn update_account(
                &self,
                id: &AccountId,
                update: InfrastructureAccountUpdate,
                context: &WriteContext,
            ) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
                backend::account(self, Write::UpdateAccount(id.clone(), update), context).await
            }

            async fn list_clusters(
                &self,
                filter: &ClusterFilter,
                detail: Detail,
                page: &PageRequest,
            ) -> Result<Page<Versioned<Cluster>>, RegistryError> {
                self.clusters(filter, detail, page).await
            }

            async fn get_cluster(&self, id: &ClusterId, detail: Detail) -> Result<Versioned<Cluster>, RegistryError> {
                backend::found(self.cluster(id, detail).await?, "cluster", id)
            }

            async fn create_cluster(
                &self,
                cluster: Cluster,
                context: &WriteContext,
            ) -> Result<Versioned<Cluster>, RegistryError> {
                let stored = backend::cluster(self, Write::CreateCluster(Box::new(cluster)), context).await?;
                Ok(stored.into_versioned())
            }

            async fn update_cluster(
                &self,
                id: &ClusterId,
                update: ClusterUpdate,
                context: &WriteContext,
            ) -> Result<Versioned<Cluster>, RegistryError> {
                let stored = backend::change(self, id, ClusterChange::Update(update), context).await?;
                Ok(stored.into_versioned())
            }

            async fn delete_cluster(&self, id: &ClusterId, context: &WriteContext) -> Result<(), RegistryError> {
                backend::submit(self, Write::DeleteCluster(id.clone()), context)
                    .await
                    .map(drop)
            }

            async fn put_config_item(
                &self,
                cluster: &ClusterId,
                key: &ConfigKey,
                value: &str,
                context: &WriteContext,
            ) -> Result<Revision, RegistryError> {
                let change = ClusterChange::PutItem(key.clone(), value.to_owned());
                backend::revision(self, cluster, change, context).await
            }

            async fn delete_config_item(
                &self,
                cluster: &ClusterId,
                key: &ConfigKey,
                context: &WriteContext,
            ) -> Result<(), RegistryError> {
                let change = ClusterChange::DeleteItem(key.clone());
                backend::revision(self, cluster, change, context).await.map(drop)
            }

            async fn list_node_pools(&self, cluster: &ClusterId) -> Result<Versioned<Vec<NodePool>>, RegistryError> {
                let found = self.get_cluster(cluster, Detail::Full).await?;
                Ok(Versioned {
                    revision: found.revision,
                    object: found.object.node_pools,
                })
            }

            async fn put_node_pool(
                &self,
                cluster: &ClusterId,
                pool: NodePool,
                context: &WriteContext,
            ) -> Result<Versioned<NodePool>, RegistryError> {
                let name = pool.name.clone();
                backend::pool_change(self, cluster, &name, ClusterChange::PutPool(pool), context).await
            }

            async fn update_node_pool(
                &self,
                cluster: &ClusterId,
                name: &NodePoolName,
                update: NodePoolUpdate,
                context: &WriteContext,
            ) -> Result<Versioned<NodePool>, RegistryError> {
                let change = ClusterChange::UpdatePool(name.clone(), update);
                backend::pool_change(self, cluster, name, change, context).await
            }

            async fn delete_node_pool(
                &self,
                cluster: &ClusterId,
                name: &NodePoolName,
                context: &WriteContext,
            ) -> Result<(), RegistryError> {
                let change = ClusterChange::DeletePool(name.clone());
                backend::revision(self, cluster, change, context).await.map(drop)
            }

            async fn put_node_pool_config_item(
                &self,
                cluster: &ClusterId,
                name: &NodePoolName,
                key: &ConfigKey,
                value: &str,
                context: &WriteContext,
            ) -> Result<Revision, RegistryError> {
                let change = ClusterChange::PutPoolItem(name.clone(), key.clone(), value.to_owned());
                backend::revision(self, cluster, change, context).await
            }

            async fn delete_node_pool_config_item(
                &self,
                cluster: &ClusterId,
                name: &NodePoolName,
                key: &ConfigKey,
                context: &WriteContext,
            ) -> Result<(), RegistryError> {
                let change = ClusterChange::DeletePoolItem(name.clone(), key.clone());
                backend::revision(self, cluster, change, context).await.map(drop)
            }

            async fn changes(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError> {
                self.changes_after(after, limit).await
            }

            async fn watch(
                &self,
                after: i64,
            ) -> Result<BoxStream<'static, Result<Change, RegistryError>>, RegistryError> {
                Ok(self.follow(after))
            }

            async fn last_change(&self) -> Result<i64, RegistryError> {
                self.newest().await
            }

            async fn history(
                &self,
                kind: ObjectKind,
                id: &str,
                page: &PageRequest,
            ) -> Result<Page<HistoryRecord>, RegistryError> {
                self.records(kind, id, page).await
            }

            async fn import(
                &self,
                document: FileRegistry,
                mode: ImportMode,
                context: &WriteContext,
            ) -> Result<ImportReport, RegistryError> {
                backend::import(self, Write::Import(Box::new(document), mode), context).await
            }

            async fn export(&self) -> Result<FileRegistry, RegistryError> {
                self.document().await
            }
        }
    };
}

pub(crate) use registry_for;
