//! Channels as the lifecycle manager writes them down, and agreements at their gates.

use axum::extract::State;
use http::StatusCode;
use model::{GateAgreement, Invalid};
use ports::{RegistryError, channels};
use registry_api::{ChannelList, GateAgreementDraft, GateAgreementList, paths};

use super::reply::{self, Reply};
use crate::error::ApiError;
use crate::extract::{AsOperator, AsReader, Json, NoQuery, Query};
use crate::openapi::{AgreeRefusals, ListRefusals};
use crate::state::AppState;

/// List channels
///
/// Each with its commit, how many clusters have it, are behind, blocked or failing, the gate in front of it, and when it will
/// have arrived. They are in the order in which commits walk through them.
#[utoipa::path(
    get, path = paths::CHANNELS, operation_id = "listChannels", tag = "Channels",
    responses((status = 200, description = "All channels", body = ChannelList), ListRefusals)
)]
pub(super) async fn list(State(state): State<AppState>, _: AsReader, Query(NoQuery): Query<NoQuery>) -> Reply {
    let listed = async { channels::list(state.ledger()?).await };
    let items = state.call("list_channels", listed).await?;
    reply::json(StatusCode::OK, &ChannelList { items })
}

/// List agreements at gates
///
/// Newest first; those to commits that do not stand at the gate any more are among them.
#[utoipa::path(
    get, path = paths::GATE_AGREEMENTS, operation_id = "listGateAgreements", tag = "Channels",
    responses((status = 200, description = "All agreements", body = GateAgreementList), ListRefusals)
)]
pub(super) async fn agreements(State(state): State<AppState>, _: AsReader, Query(NoQuery): Query<NoQuery>) -> Reply {
    let listed = async { channels::agreements(state.ledger()?).await };
    let items = state.call("list_gate_agreements", listed).await?;
    reply::json(StatusCode::OK, &GateAgreementList { items })
}

/// Agree that a commit goes through a gate
///
/// To the commit that the caller has seen there: refused when another one stands at the gate by now. One person who agrees twice
/// is one person. Refused to callers that the server does not know by name.
#[utoipa::path(
    post, path = paths::GATE_AGREEMENTS, operation_id = "agreeAtGate", tag = "Channels",
    request_body = GateAgreementDraft,
    responses((status = 201, description = "It is agreed to", body = GateAgreement), AgreeRefusals)
)]
pub(super) async fn agree(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    Query(NoQuery): Query<NoQuery>,
    Json(draft): Json<GateAgreementDraft>,
) -> Reply {
    if let Some(revision) = writer.context.expected {
        let rule = "must not be given: agreements are given without a condition";
        return Err(ApiError::invalid(Invalid::new("If-Match", rule, revision)));
    }
    let agree = async {
        let (ledger, clock) = (state.ledger()?, state.clock.as_ref());
        let given = channels::agree(ledger, clock, &draft.channel, &draft.commit, &writer.context).await?;
        Ok::<GateAgreement, RegistryError>(given)
    };
    let given = state.call("agree_at_gate", agree).await?;
    reply::json(StatusCode::CREATED, &given)
}
