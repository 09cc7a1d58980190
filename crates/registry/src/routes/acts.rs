//! What people do to the movement of the fleet: pauses of channels, freezes, fast lanes.

use axum::extract::State;
use http::StatusCode;
use model::Invalid;
use model::acts::{FastLane, FreezeAct, Pause};
use ports::acts::{self, Act, Movement};
use ports::ledger::EntryId;
use ports::{Ledger, RegistryError, WriteContext};
use registry_api::{ActDraft, ActEntry, ActList, ActName, AnyAct, paths};

use super::reply::{self, Reply};
use crate::error::ApiError;
use crate::extract::{ActPath, ActQuery, AsOperator, AsReader, Json, NoQuery, Query};
use crate::openapi::{LedgerRefusals, LiftRefusals, ListRefusals};
use crate::state::AppState;

/// List pauses, freezes and fast lanes
///
/// With `open=true` those that hold; without it those of the past too.
#[utoipa::path(
    get, path = paths::ACTS, operation_id = "listActs", tag = "Waves",
    params(ActQuery),
    responses((status = 200, description = "Those that match", body = ActList), ListRefusals)
)]
pub(super) async fn list(State(state): State<AppState>, _: AsReader, Query(query): Query<ActQuery>) -> Reply {
    let read = async {
        let (ledger, open) = (state.ledger()?, query.open);
        let mut items = of_kind::<Pause>(ledger, open).await?;
        items.extend(of_kind::<FreezeAct>(ledger, open).await?);
        items.extend(of_kind::<FastLane>(ledger, open).await?);
        Ok(ActList { items })
    };
    reply::json(StatusCode::OK, &state.call("list_acts", read).await?)
}

async fn of_kind<T: Movement>(ledger: &dyn Ledger, open: Option<bool>) -> Result<Vec<ActEntry>, RegistryError>
where
    ActEntry: From<Act<T>>,
{
    let all = acts::list::<T>(ledger, open == Some(true)).await?.into_iter();
    let wanted = all.filter(|act| open.is_none_or(|open| act.open == open));
    Ok(wanted.map(ActEntry::from).collect())
}

/// Pause a channel, freeze clusters, or open a fast lane
///
/// It is durable when it is answered. Who does it stands in it; a freeze ends by itself after 72 hours unless it says otherwise,
/// a fast lane after 24. Clusters that a fast lane lets pass carry its id and what they passed in their records.
#[utoipa::path(
    post, path = paths::ACTS, operation_id = "act", tag = "Waves",
    request_body = ActDraft,
    responses((status = 201, description = "It holds", body = ActEntry), LedgerRefusals)
)]
pub(super) async fn create(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    Query(NoQuery): Query<NoQuery>,
    Json(draft): Json<ActDraft>,
) -> Reply {
    unconditional(&writer.context)?;
    let act = async {
        let (ledger, with) = (state.ledger()?, (state.clock.as_ref(), state.ids.as_ref()));
        let context = &writer.context;
        Ok::<ActEntry, RegistryError>(match draft.act()? {
            AnyAct::Pause(pause) => acts::perform(ledger, with, pause, context).await?.into(),
            AnyAct::Freeze(freeze) => acts::perform(ledger, with, freeze, context).await?.into(),
            AnyAct::FastLane(lane) => acts::perform(ledger, with, lane, context).await?.into(),
        })
    };
    let done = state.call("act", act).await?;
    reply::json(StatusCode::CREATED, &done)
}

/// End a pause, a freeze or a fast lane
///
/// Answers it when it held, and an empty list when it had ended before. A pause is named by its channel.
#[utoipa::path(
    delete, path = paths::ACT, operation_id = "endAct", tag = "Waves",
    params(ActPath),
    responses((status = 200, description = "The act, if it held until now", body = ActList), LiftRefusals)
)]
pub(super) async fn lift(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: ActPath,
    Query(NoQuery): Query<NoQuery>,
) -> Reply {
    unconditional(&writer.context)?;
    let lift = async {
        let (ledger, id) = (state.ledger()?, &path.act_id);
        match path.what {
            ActName::Pause => lifted::<Pause>(&state, ledger, id, &writer.context).await,
            ActName::Freeze => lifted::<FreezeAct>(&state, ledger, id, &writer.context).await,
            ActName::FastLane => lifted::<FastLane>(&state, ledger, id, &writer.context).await,
        }
    };
    let items = state.call("end_act", lift).await?;
    reply::json(StatusCode::OK, &ActList { items })
}

async fn lifted<T: Movement>(
    state: &AppState,
    ledger: &dyn Ledger,
    id: &EntryId,
    context: &WriteContext,
) -> Result<Vec<ActEntry>, RegistryError>
where
    ActEntry: From<Act<T>>,
{
    let lifted = acts::lift::<T>(ledger, state.clock.as_ref(), id, context).await?;
    Ok(lifted.into_iter().map(ActEntry::from).collect())
}

/// Acts have no revision that a caller could know.
fn unconditional(context: &WriteContext) -> Result<(), ApiError> {
    match context.expected {
        Some(revision) => {
            let rule = "must not be given: this is done and ended without a condition";
            Err(ApiError::invalid(Invalid::new("If-Match", rule, revision)))
        }
        None => Ok(()),
    }
}
