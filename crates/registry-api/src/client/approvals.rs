//! Requests and agreements to deletions.

use http::Method;
use model::ClusterId;
use ports::approvals::Guarded;
use ports::registry::{Page, PageRequest};
use ports::{RegistryError, WriteContext};

use super::RegistryClient;
use super::calls::paged;
use super::transport::Call;
use crate::{ApprovalDraft, ApprovalEntry, ApprovalList, DecommissionDraft, paths};

impl RegistryClient {
    /// Requests and agreements of one cluster or of all; with `open` those that still matter, or those that do not.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn list_approvals(
        &self,
        cluster: Option<&ClusterId>,
        open: Option<bool>,
        page: &PageRequest,
    ) -> Result<Page<ApprovalEntry>, RegistryError> {
        let call = Call::get(paths::APPROVALS)
            .query("cluster_id", cluster)
            .query("open", open);
        let list: ApprovalList = self.transport.send(paged(call, page)).await?.json()?;
        Ok(Page {
            items: list.items,
            next: list.next,
        })
    }

    /// Agrees, as the caller. Agreeing once more to the same is no error.
    ///
    /// # Errors
    /// [`RegistryError::Forbidden`] when nothing is asked for, or the caller asked for it; [`RegistryError::Invalid`] for
    /// another count than the cluster's; an unknown cluster.
    pub async fn approve(&self, draft: &ApprovalDraft, context: &WriteContext) -> Result<ApprovalEntry, RegistryError> {
        let call = Call::new(Method::POST, paths::APPROVALS)
            .about("cluster", &draft.cluster_id)
            .body(draft)?
            .context(context)?;
        self.transport.send(call).await?.json()
    }

    /// Asks for a cluster to be taken down, as the caller.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] when the typed name is another one; [`RegistryError::Forbidden`] for a cluster that is not
    /// ours to take down, or that somebody else asked for already.
    pub async fn request_decommission(
        &self,
        draft: &DecommissionDraft,
        context: &WriteContext,
    ) -> Result<ApprovalEntry, RegistryError> {
        let call = Call::new(Method::POST, paths::DECOMMISSIONS)
            .about("cluster", &draft.cluster_id)
            .body(draft)?
            .context(context)?;
        self.transport.send(call).await?.json()
    }

    /// Calls off what was asked for or agreed to, and answers what was open.
    ///
    /// # Errors
    /// An unknown cluster.
    pub async fn cancel_approvals(
        &self,
        what: Guarded,
        cluster: &ClusterId,
        context: &WriteContext,
    ) -> Result<Vec<ApprovalEntry>, RegistryError> {
        let call = Call::new(Method::DELETE, paths::approvals(what, cluster))
            .about("cluster", cluster)
            .context(context)?;
        let reply = self.transport.send(call).await?;
        // What the transport makes of "not found" after a lost answer: nothing is open any more.
        if reply.status == http::StatusCode::NO_CONTENT {
            return Ok(Vec::new());
        }
        Ok(reply.json::<ApprovalList>()?.items)
    }
}
