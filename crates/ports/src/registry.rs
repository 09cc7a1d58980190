//! The registry contract: the one list of all clusters, kept by a store or reached over the network.

mod error;
mod query;
mod record;

use async_trait::async_trait;
use futures::stream::BoxStream;
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, ConfigKey, FileRegistry, InfrastructureAccount,
    InfrastructureAccountUpdate, NodePool, NodePoolName, NodePoolUpdate,
};

pub use error::RegistryError;
pub use query::{AccountFilter, ClusterFilter, Detail, Page, PageRequest};
pub use record::{
    Action, Change, FieldChange, HistoryRecord, ImportMode, ImportReport, ObjectKind, Revision, Versioned,
};

use crate::leases::LeaseName;

/// Who writes, why, and under which conditions; stands in the audit record of the write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteContext {
    /// The person or program that asked for it.
    pub actor: String,
    /// Id of the request, to find it in logs.
    pub request_id: String,
    /// The write is refused unless the object is at this revision.
    pub expected: Option<Revision>,
    /// The write is refused unless this lease is still held with this token.
    pub fence: Option<(LeaseName, i64)>,
}

impl WriteContext {
    /// An unconditional write by `actor`.
    pub fn by(actor: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            request_id: request_id.into(),
            expected: None,
            fence: None,
        }
    }

    /// The same, refused unless the object is at `revision`.
    #[must_use]
    pub fn expecting(mut self, revision: Revision) -> Self {
        self.expected = Some(revision);
        self
    }

    /// The same, refused unless the lease is still held with this token.
    #[must_use]
    pub fn fenced(mut self, lease: &crate::Lease) -> Self {
        self.fence = Some((lease.name.clone(), lease.token));
        self
    }
}

/// The Cluster Registry.
///
/// Every write is one transaction: the object, its audit record and its entry in the change feed appear together or not at
/// all, and have been made durable when the call returns. Writes that change nothing succeed without a record and without
/// a new revision. `config_items` and `node_pools` belong to their cluster: writing them raises the cluster's revision.
///
/// All methods refuse with the variants of [`RegistryError`] that fit; nothing is written then.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Accounts that match, in id order.
    async fn list_accounts(
        &self,
        filter: &AccountFilter,
        page: &PageRequest,
    ) -> Result<Page<Versioned<InfrastructureAccount>>, RegistryError>;

    /// One account.
    async fn get_account(&self, id: &AccountId) -> Result<Versioned<InfrastructureAccount>, RegistryError>;

    /// Adds an account.
    async fn create_account(
        &self,
        account: InfrastructureAccount,
        context: &WriteContext,
    ) -> Result<Versioned<InfrastructureAccount>, RegistryError>;

    /// Changes an account.
    async fn update_account(
        &self,
        id: &AccountId,
        update: InfrastructureAccountUpdate,
        context: &WriteContext,
    ) -> Result<Versioned<InfrastructureAccount>, RegistryError>;

    /// Clusters that match, in id order; without [`Detail::Full`] they come with empty config items and node pools.
    async fn list_clusters(
        &self,
        filter: &ClusterFilter,
        detail: Detail,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Cluster>>, RegistryError>;

    /// One cluster.
    async fn get_cluster(&self, id: &ClusterId, detail: Detail) -> Result<Versioned<Cluster>, RegistryError>;

    /// Adds a cluster; `created_at` is set to now when absent.
    async fn create_cluster(
        &self,
        cluster: Cluster,
        context: &WriteContext,
    ) -> Result<Versioned<Cluster>, RegistryError>;

    /// Changes a cluster; each member of the update that is present replaces the stored one as a whole.
    async fn update_cluster(
        &self,
        id: &ClusterId,
        update: ClusterUpdate,
        context: &WriteContext,
    ) -> Result<Versioned<Cluster>, RegistryError>;

    /// Removes a cluster that is `requested` or `decommissioned`; any other is [`RegistryError::Forbidden`].
    async fn delete_cluster(&self, id: &ClusterId, context: &WriteContext) -> Result<(), RegistryError>;

    /// Sets a config item of a cluster.
    async fn put_config_item(
        &self,
        cluster: &ClusterId,
        key: &ConfigKey,
        value: &str,
        context: &WriteContext,
    ) -> Result<Revision, RegistryError>;

    /// Removes a config item of a cluster.
    async fn delete_config_item(
        &self,
        cluster: &ClusterId,
        key: &ConfigKey,
        context: &WriteContext,
    ) -> Result<(), RegistryError>;

    /// Node pools of a cluster, in the order that they were made in.
    async fn list_node_pools(&self, cluster: &ClusterId) -> Result<Versioned<Vec<NodePool>>, RegistryError>;

    /// Makes a node pool, or replaces the one of that name in its place.
    async fn put_node_pool(
        &self,
        cluster: &ClusterId,
        pool: NodePool,
        context: &WriteContext,
    ) -> Result<Versioned<NodePool>, RegistryError>;

    /// Changes a node pool.
    async fn update_node_pool(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        update: NodePoolUpdate,
        context: &WriteContext,
    ) -> Result<Versioned<NodePool>, RegistryError>;

    /// Removes a node pool.
    async fn delete_node_pool(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        context: &WriteContext,
    ) -> Result<(), RegistryError>;

    /// Sets a config item of a node pool.
    async fn put_node_pool_config_item(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        key: &ConfigKey,
        value: &str,
        context: &WriteContext,
    ) -> Result<Revision, RegistryError>;

    /// Removes a config item of a node pool.
    async fn delete_node_pool_config_item(
        &self,
        cluster: &ClusterId,
        name: &NodePoolName,
        key: &ConfigKey,
        context: &WriteContext,
    ) -> Result<(), RegistryError>;

    /// At most `limit` changes after sequence number `after`, oldest first; none is ever skipped: a change that becomes
    /// visible later has a higher number.
    async fn changes(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError>;

    /// All changes after `after` and then each new one as it happens, until the stream is dropped. An error ends the
    /// stream; the reader resumes from the last number that it saw.
    async fn watch(&self, after: i64) -> Result<BoxStream<'static, Result<Change, RegistryError>>, RegistryError>;

    /// Sequence number of the newest change; 0 before the first.
    async fn last_change(&self) -> Result<i64, RegistryError>;

    /// Audit records of one object, newest first; those of a deleted object stay.
    async fn history(
        &self,
        kind: ObjectKind,
        id: &str,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>, RegistryError>;

    /// Writes a whole document of accounts and clusters in one transaction, or nothing.
    async fn import(
        &self,
        document: FileRegistry,
        mode: ImportMode,
        context: &WriteContext,
    ) -> Result<ImportReport, RegistryError>;

    /// The whole registry as one consistent document, clusters with owner and account name where the account is known
    /// and ready.
    async fn export(&self) -> Result<FileRegistry, RegistryError>;
}
