//! What was written down while nodes were replaced: rollouts of node pools, evidence of forced terminations.

use axum::extract::State;
use http::StatusCode;
use ports::RegistryError;
use ports::ledger::{Entry, EntryFilter};
use registry_api::{RecordEntry, RecordList, encode_cursor, paths};

use super::reply::{self, Reply};
use crate::extract::{AsReader, LedgerQuery, Query};
use crate::openapi::ListRefusals;
use crate::state::AppState;

/// Kind of the entries of rollouts, as their engine writes them.
const ROLLOUT: &str = "rollout";
/// Kind of the entries of forced terminations.
const EVIDENCE: &str = "forced-termination";

/// List rollouts of node pools
///
/// Newest first; with `open=true` those that go on, with `open=false` those that are over.
#[utoipa::path(
    get, path = paths::ROLLOUTS, operation_id = "listRollouts", tag = "Rollouts",
    params(LedgerQuery),
    responses((status = 200, description = "The rollouts that match", body = RecordList), ListRefusals)
)]
pub(super) async fn rollouts(State(state): State<AppState>, _: AsReader, Query(query): Query<LedgerQuery>) -> Reply {
    let list = state.call("list_rollouts", listed(&state, &query, ROLLOUT)).await?;
    reply::json(StatusCode::OK, &list)
}

/// List the evidence of forced terminations
///
/// Newest first. Each says which pod was terminated against its protections, by which right, with every rule and its clock and
/// the state of every budget; with `open=true` those whose outcome nobody has looked at.
#[utoipa::path(
    get, path = paths::EVIDENCE, operation_id = "listEvidence", tag = "Rollouts",
    params(LedgerQuery),
    responses((status = 200, description = "The records that match", body = RecordList), ListRefusals)
)]
pub(super) async fn evidence(State(state): State<AppState>, _: AsReader, Query(query): Query<LedgerQuery>) -> Reply {
    let list = state.call("list_evidence", listed(&state, &query, EVIDENCE)).await?;
    reply::json(StatusCode::OK, &list)
}

async fn listed(state: &AppState, query: &LedgerQuery, kind: &str) -> Result<RecordList, RegistryError> {
    let filter = EntryFilter {
        cluster: query.cluster.clone(),
        open: query.open,
        ..EntryFilter::of(kind.parse()?)
    };
    let page = state.ledger()?.list_entries(&filter, &query.page).await?;
    Ok(RecordList {
        items: page.items.into_iter().map(of_entry).collect(),
        next: page.next.as_deref().map(encode_cursor),
    })
}

fn of_entry(entry: Entry) -> RecordEntry {
    RecordEntry {
        id: entry.id.into(),
        cluster_id: entry.cluster,
        open: entry.open,
        revision: entry.revision.0,
        created_at: entry.created_at,
        updated_at: entry.updated_at,
        record: entry.body,
    }
}
