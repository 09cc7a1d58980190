//! The contract, call by call.

use async_trait::async_trait;
use futures::stream::BoxStream;
use http::Method;
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, ConfigKey, FileRegistry, InfrastructureAccount,
    InfrastructureAccountUpdate, NodePool, NodePoolName, NodePoolUpdate,
};
use ports::registry::{
    AccountFilter, Change, ClusterFilter, Detail, HistoryRecord, ImportMode, ImportReport, ObjectKind, Page,
    PageRequest, Revision, Versioned,
};
use ports::{Registry, RegistryError, WriteContext};
use serde::Deserialize;

use super::transport::Call;
use super::{CHANGES_LIMIT, RegistryClient, feed};
use crate::{ChangeList, ConfigValue, HistoryList, NodePoolList, paths};

const CLUSTER: &str = "cluster";
const ACCOUNT: &str = "infrastructure account";
const POOL: &str = "node pool";
const ITEM: &str = "config item";

/// A list with revisions beside it, in the order of the entries. The original registry sends none.
#[derive(Deserialize)]
struct VersionedList<T> {
    items: Vec<T>,
    #[serde(rename = "continue", default)]
    next: Option<String>,
    #[serde(default)]
    revisions: Vec<i64>,
}

impl<T> From<VersionedList<T>> for Page<Versioned<T>> {
    fn from(list: VersionedList<T>) -> Self {
        // Revisions that do not match the items say nothing about any of them. At revision 0 no condition is ever met.
        let known = list.revisions.len() == list.items.len();
        let revisions = list.revisions.into_iter().filter(|_| known).chain(std::iter::repeat(0));
        let items = list.items.into_iter().zip(revisions);
        Self {
            items: items
                .map(|(object, revision)| Versioned {
                    revision: Revision(revision),
                    object,
                })
                .collect(),
            next: list.next,
        }
    }
}

/// Adds the members of a page request.
pub(super) fn paged(call: Call, page: &PageRequest) -> Call {
    call.query("limit", page.limit).query("continue", page.after.as_deref())
}

#[async_trait]
impl Registry for RegistryClient {
    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: &PageRequest,
    ) -> Result<Page<Versioned<InfrastructureAccount>>, RegistryError> {
        let lifecycle = filter
            .lifecycle_status
            .as_ref()
            .map(serde_json::to_value)
            .and_then(Result::ok);
        let call = Call::get(paths::ACCOUNTS)
            .query("criticality_level", filter.criticality_level)
            .query("environment", filter.environment.as_deref())
            .query("external_id", filter.external_id.as_deref())
            .query(
                "lifecycle_status",
                lifecycle.as_ref().and_then(serde_json::Value::as_str),
            )
            .query("name", filter.name.as_deref())
            .query("owner", filter.owner.as_deref())
            .query("type", filter.kind.as_deref())
            .query("cost_center", filter.cost_center.as_deref());
        let reply = self.transport.send(paged(call, page)).await?;
        Ok(reply.json::<VersionedList<_>>()?.into())
    }

    async fn get_account(&self, id: &AccountId) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
        self.transport
            .send(Call::get(paths::account(id)).about(ACCOUNT, id))
            .await?
            .versioned()
    }

    async fn create_account(
        &self,
        account: InfrastructureAccount,
        context: &WriteContext,
    ) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
        let call = Call::new(Method::POST, paths::ACCOUNTS)
            .body(&account)?
            .context(context)?;
        self.transport.send(call).await?.versioned()
    }

    async fn update_account(
        &self,
        id: &AccountId,
        update: InfrastructureAccountUpdate,
        context: &WriteContext,
    ) -> Result<Versioned<InfrastructureAccount>, RegistryError> {
        let call = Call::new(Method::PATCH, paths::account(id))
            .about(ACCOUNT, id)
            .body(&update)?
            .context(context)?;
        self.transport.send(call).await?.versioned()
    }

    async fn list_clusters(
        &self,
        filter: &ClusterFilter,
        detail: Detail,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Cluster>>, RegistryError> {
        let call = Call::get(paths::CLUSTERS)
            .query("alias", filter.alias.as_deref())
            .query("api_server_url", filter.api_server_url.as_deref())
            .query("channel", filter.channel.as_deref())
            .query("criticality_level", filter.criticality_level)
            .query("environment", filter.environment.as_deref())
            .query("infrastructure_account", filter.infrastructure_account.as_deref())
            .query("lifecycle_status", filter.lifecycle_status)
            .query("local_id", filter.local_id.as_deref())
            .query("provider", filter.provider.as_deref())
            .query("region", filter.region.as_deref())
            .query("cost_center", filter.cost_center.as_deref())
            .query("verbose", verbose(detail));
        let reply = self.transport.send(paged(call, page)).await?;
        Ok(reply.json::<VersionedList<_>>()?.into())
    }

    async fn get_cluster(&self, id: &ClusterId, detail: Detail) -> Result<Versioned<Cluster>, RegistryError> {
        let call = Call::get(paths::cluster(id))
            .about(CLUSTER, id)
            .query("verbose", verbose(detail));
        self.transport.send(call).await?.versioned()
    }

    async fn create_cluster(
        &self,
        cluster: Cluster,
        context: &WriteContext,
    ) -> Result<Versioned<Cluster>, RegistryError> {
        let call = Call::new(Method::POST, paths::CLUSTERS)
            .body(&cluster)?
            .context(context)?;
        self.transport.send(call).await?.versioned()
    }

    async fn update_cluster(
        &self,
        id: &ClusterId,
        update: ClusterUpdate,
        context: &WriteContext,
    ) -> Result<Versioned<Cluster>, RegistryError> {
        let call = Call::new(Method::PATCH, paths::cluster(id))
            .about(CLUSTER, id)
            .body(&update)?
            .context(context)?;
        self.transport.send(call).await?.versioned()
    }

    async fn delete_cluster(&self, id: &ClusterId, context: &WriteContext) -> Result<(), RegistryError> {
        let call = Call::new(Method::DELETE, paths::cluster(id))
            .about(CLUSTER, id)
            .context(context)?;
        self.transport.send(call).await.map(drop)
    }

    async fn put_config_item(
        &self,
        cluster: &ClusterId,
        key: &ConfigKey,
        value: &str,
        context: &WriteContext,
    ) -> Result<Revision, RegistryError> {
        let call = Call::new(Method::PUT, paths::config_item(cluster, key)).about(CLUSTER, cluster);
        let call = call
            .body(&ConfigValue {
                value: value.to_owned(),
            })?
            .context(context)?;
        self.transport.send(call).await?.revision()
    }

    async fn delete_config_item(
        &self,
        cluster: &ClusterId,
        key: &ConfigKey,
        context: &WriteContext,
    ) -> Result<(), RegistryError> {
        let call = Call::new(Method::DELETE, paths::config_item(cluster, key))
            .about(ITEM, key)
            .context(context)?;
        self.transport.send(call).await.map(drop)
    }

    async fn list_node_pools(&self, cluster: &ClusterId) -> Result<Versioned<Vec<NodePool>>, RegistryError> {
        let call = Call::get(paths::node_pools(cluster)).about(CLUSTER, cluster);
        let pools = self.transport.send(call).await?.versioned::<NodePoolList>()?;
        Ok(Versioned {
            revision: pools.revision,
            object: pools.object.items,
        })
    }

    async fn put_node_pool(
        &self,
        cluster: &ClusterId,
        pool: NodePool,
        context: &WriteContext,
    ) -> Result<Versioned<NodePool>, RegistryError> {
        let call = Call::new(Method::PUT, paths::node_pool(cluster, &pool.name)).about(CLUSTER, cluster);
        self.transport
            .send(call.body(&pool)?.context(context)?)
            .await?
            .versioned()
    }

    async fn update_node_pool(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        update: NodePoolUpdate,
        context: &WriteContext,
    ) -> Result<Versioned<NodePool>, RegistryError> {
        let call = Call::new(Method::PATCH, paths::node_pool(cluster, name)).about(POOL, name);
        self.transport
            .send(call.body(&update)?.context(context)?)
            .await?
            .versioned()
    }

    async fn delete_node_pool(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        context: &WriteContext,
    ) -> Result<(), RegistryError> {
        self.remove_node_pool(cluster, name, context).await.map(drop)
    }

    async fn put_node_pool_config_item(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        key: &ConfigKey,
        value: &str,
        context: &WriteContext,
    ) -> Result<Revision, RegistryError> {
        let call = Call::new(Method::PUT, paths::node_pool_config_item(cluster, name, key)).about(POOL, name);
        let call = call
            .body(&ConfigValue {
                value: value.to_owned(),
            })?
            .context(context)?;
        self.transport.send(call).await?.revision()
    }

    async fn delete_node_pool_config_item(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        key: &ConfigKey,
        context: &WriteContext,
    ) -> Result<(), RegistryError> {
        let call = Call::new(Method::DELETE, paths::node_pool_config_item(cluster, name, key)).about(ITEM, key);
        self.transport.send(call.context(context)?).await.map(drop)
    }

    async fn changes(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let list = self.poll(after, limit.min(CHANGES_LIMIT)).await?;
        Ok(list.items.into_iter().map(Into::into).collect())
    }

    async fn watch(&self, after: i64) -> Result<BoxStream<'static, Result<Change, RegistryError>>, RegistryError> {
        feed::follow(std::sync::Arc::clone(&self.transport), after).await
    }

    async fn last_change(&self) -> Result<i64, RegistryError> {
        Ok(self.poll(0, 1).await?.last)
    }

    async fn history(
        &self,
        kind: ObjectKind,
        id: &str,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>, RegistryError> {
        let call = Call::get(paths::history(kind, id)).about("object", id);
        let list = self.transport.send(paged(call, page)).await?.json::<HistoryList>()?;
        Ok(Page {
            items: list.items.into_iter().map(Into::into).collect(),
            next: list.next,
        })
    }

    async fn import(
        &self,
        document: FileRegistry,
        mode: ImportMode,
        context: &WriteContext,
    ) -> Result<ImportReport, RegistryError> {
        let mode = match mode {
            ImportMode::Create => "create",
            ImportMode::Apply => "apply",
        };
        let call = Call::new(Method::POST, paths::IMPORT)
            .query("mode", Some(mode))
            .body(&document)?
            .context(context)?;
        Ok(self.transport.send(call).await?.json::<crate::ImportReport>()?.into())
    }

    async fn export(&self) -> Result<FileRegistry, RegistryError> {
        self.transport.send(Call::get(paths::EXPORT)).await?.json()
    }
}

impl RegistryClient {
    /// Removes a node pool that must be there at the revision which `context` expects, and tells the cluster's revision
    /// afterwards, for the next conditional write. It is 0, which no condition ever meets, when nothing was expected or the
    /// server is an original, which knows no revisions.
    ///
    /// # Errors
    /// Those of [`Registry::delete_node_pool`].
    pub async fn remove_node_pool(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        context: &WriteContext,
    ) -> Result<Revision, RegistryError> {
        let call = Call::new(Method::DELETE, paths::node_pool(cluster, name))
            .about(POOL, name)
            .context(context)?;
        self.transport.send(call).await?.revision()
    }

    async fn poll(&self, after: i64, limit: usize) -> Result<ChangeList, RegistryError> {
        let call = Call::get(paths::CHANGES)
            .query("after", Some(after))
            .query("limit", Some(limit))
            .query("follow", Some(false));
        self.transport.send(call).await?.json()
    }
}

fn verbose(detail: Detail) -> Option<bool> {
    (detail == Detail::Brief).then_some(false)
}
