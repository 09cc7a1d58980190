//! Updates: the history of bringing clusters from one version to the next.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use ports::RegistryError;
use ports::ledger::{Entry, EntryFilter, EntryKind};
use registry_api::{UpdateEntry, UpdateList, encode_cursor, paths};

use super::reply::{self, Reply};
use crate::extract::{AsReader, LedgerQuery, NoQuery, Query, UpdatePath};
use crate::openapi::{ListRefusals, ReadHeaders, ReadRefusals, Tagged};
use crate::state::AppState;

/// List updates
///
/// Newest first; with `open=true` those that go on, with `open=false` those that are over.
#[utoipa::path(
    get, path = paths::UPDATES, operation_id = "listUpdates", tag = "Updates",
    params(LedgerQuery),
    responses((status = 200, description = "The updates that match", body = UpdateList), ListRefusals)
)]
pub(super) async fn list(State(state): State<AppState>, _: AsReader, Query(query): Query<LedgerQuery>) -> Reply {
    let read = async {
        let filter = EntryFilter {
            cluster: query.cluster.clone(),
            open: query.open,
            ..EntryFilter::of(EntryKind::update())
        };
        let page = state.ledger()?.list_entries(&filter, &query.page).await?;
        let items = page.items.into_iter().map(of_entry).collect::<Result<Vec<_>, _>>()?;
        Ok(UpdateList {
            items,
            next: page.next.as_deref().map(encode_cursor),
        })
    };
    reply::json(StatusCode::OK, &state.call("list_updates", read).await?)
}

/// Get an update
#[utoipa::path(
    get, path = paths::UPDATE, operation_id = "getUpdate", tag = "Updates",
    params(UpdatePath, ReadHeaders),
    responses(Tagged<200, UpdateEntry>, ReadRefusals)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    _: AsReader,
    path: UpdatePath,
    Query(NoQuery): Query<NoQuery>,
    headers: HeaderMap,
) -> Reply {
    let read = async {
        match state.ledger()?.get_entry(&EntryKind::update(), &path.update_id).await {
            Ok(entry) => Ok((entry.revision, of_entry(entry)?)),
            Err(RegistryError::NotFound { .. }) => Err(RegistryError::NotFound {
                kind: "update",
                id: path.update_id.to_string(),
            }),
            Err(error) => Err(error),
        }
    };
    let (revision, update) = state.call("get_update", read).await?;
    reply::read(&headers, revision, &update)
}

fn of_entry(entry: Entry) -> Result<UpdateEntry, RegistryError> {
    let update = serde_json::from_value(entry.body).map_err(|error| RegistryError::Internal(Box::new(error)))?;
    Ok(UpdateEntry {
        id: entry.id.into(),
        cluster_id: entry.cluster,
        open: entry.open,
        revision: entry.revision.0,
        created_at: entry.created_at,
        updated_at: entry.updated_at,
        update,
    })
}
