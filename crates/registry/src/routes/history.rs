//! History of one object.

use axum::extract::State;
use http::StatusCode;
use registry_api::{HistoryEntry, HistoryList, encode_cursor, paths};

use super::reply::{self, Reply};
use crate::extract::{AsReader, HistoryPath, PageQuery, Query};
use crate::openapi::HistoryRefusals;
use crate::state::AppState;

/// Read the history of an object
///
/// Newest first; the history of a deleted object stays.
#[utoipa::path(
    get, path = paths::HISTORY, operation_id = "readHistory", tag = "Changes",
    params(HistoryPath, PageQuery),
    responses((status = 200, description = "What was changed, when and by whom", body = HistoryList), HistoryRefusals)
)]
pub(super) async fn read(
    State(state): State<AppState>,
    _: AsReader,
    path: HistoryPath,
    Query(PageQuery(page)): Query<PageQuery>,
) -> Reply {
    let found = state
        .call("history", state.registry.history(path.kind, &path.id, &page))
        .await?;
    let items = found.items.into_iter().map(HistoryEntry::from).collect();
    reply::json(
        StatusCode::OK,
        &HistoryList {
            items,
            next: found.next.as_deref().map(encode_cursor),
        },
    )
}
