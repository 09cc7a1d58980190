//! Blocks and updates.

use http::{Method, StatusCode};
use model::ClusterId;
use ports::ledger::EntryId;
use ports::registry::{Page, PageRequest};
use ports::{RegistryError, WriteContext};

use super::RegistryClient;
use super::calls::paged;
use super::transport::Call;
use crate::{BlockDraft, BlockEntry, BlockList, RecordEntry, RecordList, UpdateEntry, UpdateList, paths};

impl RegistryClient {
    /// Blocks of one cluster or of all; with `open` those that hold, or those that do not.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn list_blocks(
        &self,
        cluster: Option<&ClusterId>,
        open: Option<bool>,
        page: &PageRequest,
    ) -> Result<Page<BlockEntry>, RegistryError> {
        let call = Call::get(paths::BLOCKS)
            .query("cluster_id", cluster)
            .query("open", open);
        let list: BlockList = self.transport.send(paged(call, page)).await?.json()?;
        Ok(Page {
            items: list.items,
            next: list.next,
        })
    }

    /// Sets a block. It is durable when this returns.
    ///
    /// # Errors
    /// Refusals by field, an unknown cluster; [`RegistryError::Unavailable`] when the answer was lost, and then nobody
    /// knows whether the block holds: list the blocks, or set it once more.
    pub async fn set_block(&self, draft: &BlockDraft, context: &WriteContext) -> Result<BlockEntry, RegistryError> {
        let call = Call::new(Method::POST, paths::BLOCKS)
            .about("cluster", &draft.cluster_id)
            .body(draft)?
            .context(context)?;
        self.transport.send(call).await?.json()
    }

    /// Lifts the blocks of a cluster, or the one with this id, and answers those that held.
    ///
    /// # Errors
    /// An unknown cluster, or a block that the cluster never had.
    pub async fn lift_blocks(
        &self,
        cluster: &ClusterId,
        id: Option<&EntryId>,
        context: &WriteContext,
    ) -> Result<Vec<BlockEntry>, RegistryError> {
        let call = Call::new(Method::DELETE, paths::blocks(cluster, id)).context(context)?;
        let call = match id {
            Some(id) => call.about("block", id),
            None => call.about("cluster", cluster),
        };
        let reply = self.transport.send(call).await?;
        // What the transport makes of "not found" after a lost answer: there is nothing left to lift.
        if reply.status == StatusCode::NO_CONTENT {
            return Ok(Vec::new());
        }
        Ok(reply.json::<BlockList>()?.items)
    }

    /// Updates of one cluster or of all, newest first; with `open` those that go on, or those that are over.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn list_updates(
        &self,
        cluster: Option<&ClusterId>,
        open: Option<bool>,
        page: &PageRequest,
    ) -> Result<Page<UpdateEntry>, RegistryError> {
        let call = Call::get(paths::UPDATES)
            .query("cluster_id", cluster)
            .query("open", open);
        let list: UpdateList = self.transport.send(paged(call, page)).await?.json()?;
        Ok(Page {
            items: list.items,
            next: list.next,
        })
    }

    /// One update.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] and those of a read.
    pub async fn get_update(&self, id: &EntryId) -> Result<UpdateEntry, RegistryError> {
        self.transport
            .send(Call::get(paths::update(id)).about("update", id))
            .await?
            .json()
    }

    /// Rollouts of node pools, of one cluster or of all; with `open` those that go on, or those that are over.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn list_rollouts(
        &self,
        cluster: Option<&ClusterId>,
        open: Option<bool>,
        page: &PageRequest,
    ) -> Result<Page<RecordEntry>, RegistryError> {
        self.records(paths::ROLLOUTS, cluster, open, page).await
    }

    /// Evidence of forced terminations, of one cluster or of all, newest first; with `open` those whose outcome nobody has
    /// looked at.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn list_evidence(
        &self,
        cluster: Option<&ClusterId>,
        open: Option<bool>,
        page: &PageRequest,
    ) -> Result<Page<RecordEntry>, RegistryError> {
        self.records(paths::EVIDENCE, cluster, open, page).await
    }

    async fn records(
        &self,
        path: &'static str,
        cluster: Option<&ClusterId>,
        open: Option<bool>,
        page: &PageRequest,
    ) -> Result<Page<RecordEntry>, RegistryError> {
        let call = Call::get(path).query("cluster_id", cluster).query("open", open);
        let list: RecordList = self.transport.send(paged(call, page)).await?.json()?;
        Ok(Page {
            items: list.items,
            next: list.next,
        })
    }
}
