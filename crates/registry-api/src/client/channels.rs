//! Channels and their gates.

use http::Method;
use model::{ChannelStatus, GateAgreement};
use ports::{RegistryError, WriteContext};

use super::RegistryClient;
use super::transport::Call;
use crate::{ChannelList, GateAgreementDraft, GateAgreementList, paths};

impl RegistryClient {
    /// All channels, in the order in which commits walk through them.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn list_channels(&self) -> Result<Vec<ChannelStatus>, RegistryError> {
        let list: ChannelList = self.transport.send(Call::get(paths::CHANNELS)).await?.json()?;
        Ok(list.items)
    }

    /// Agreements at all gates, newest first.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn list_gate_agreements(&self) -> Result<Vec<GateAgreement>, RegistryError> {
        let list: GateAgreementList = self.transport.send(Call::get(paths::GATE_AGREEMENTS)).await?.json()?;
        Ok(list.items)
    }

    /// Agrees that a commit goes through the gate of a channel, as the caller. Agreeing once more is no error.
    ///
    /// # Errors
    /// A channel without a gate; [`RegistryError::Invalid`] when another commit stands there by now; [`RegistryError::Forbidden`]
    /// to callers that the server does not know by name.
    pub async fn agree_at_gate(
        &self,
        draft: &GateAgreementDraft,
        context: &WriteContext,
    ) -> Result<GateAgreement, RegistryError> {
        let call = Call::new(Method::POST, paths::GATE_AGREEMENTS)
            .about("channel", &draft.channel)
            .body(draft)?
            .context(context)?;
        self.transport.send(call).await?.json()
    }
}
