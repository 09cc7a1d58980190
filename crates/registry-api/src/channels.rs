//! Channels and their gates on the wire.

use model::{ChannelStatus, GateAgreement};
use serde::{Deserialize, Serialize};

/// All channels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelList {
    /// In the order in which commits walk through them.
    pub items: Vec<ChannelStatus>,
}

/// Agreements at gates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GateAgreementList {
    /// The agreements, newest first.
    pub items: Vec<GateAgreement>,
}

/// An agreement to be given. Who agrees is the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GateAgreementDraft {
    /// The channel behind the gate.
    pub channel: String,
    /// The commit that the caller has seen at the gate, or its first 7 or more characters.
    pub commit: String,
}
