//! Pauses, freezes and fast lanes.

use http::{Method, StatusCode};
use ports::ledger::EntryId;
use ports::{RegistryError, WriteContext};

use super::RegistryClient;
use super::transport::Call;
use crate::{ActDraft, ActEntry, ActList, ActName, paths};

impl RegistryClient {
    /// Acts; with `open` those that hold, or those that are over.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn list_acts(&self, open: Option<bool>) -> Result<Vec<ActEntry>, RegistryError> {
        let call = Call::get(paths::ACTS).query("open", open);
        Ok(self.transport.send(call).await?.json::<ActList>()?.items)
    }

    /// Does it, as the caller. It is durable when this returns.
    ///
    /// # Errors
    /// Refusals by field; [`RegistryError::Unavailable`] when the answer was lost: list the acts to see whether it holds.
    pub async fn act(&self, draft: &ActDraft, context: &WriteContext) -> Result<ActEntry, RegistryError> {
        let call = Call::new(Method::POST, paths::ACTS).body(draft)?.context(context)?;
        self.transport.send(call).await?.json()
    }

    /// Ends an act, and answers it if it held.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] for one that never was.
    pub async fn end_act(
        &self,
        what: ActName,
        id: &EntryId,
        context: &WriteContext,
    ) -> Result<Option<ActEntry>, RegistryError> {
        let call = Call::new(Method::DELETE, paths::act(what, id))
            .about(what.as_str(), id)
            .context(context)?;
        let reply = self.transport.send(call).await?;
        // What the transport makes of "not found" after a lost answer: it is over.
        if reply.status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        Ok(reply.json::<ActList>()?.items.into_iter().next())
    }
}
