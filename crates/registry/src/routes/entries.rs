//! Entries of the ledger as they are, for a lifecycle manager that runs beside the server: `fleetwright apply PLAN`.
//!
//! Everybody may read them. Written are only those that the engine keeps for itself; blocks and agreements have rules, and
//! operations of their own that hold them.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use model::Invalid;
use ports::RegistryError;
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryKind};
use registry_api::{LedgerEntry, LedgerEntryDraft, LedgerEntryList, encode_cursor, paths};

use super::reply::{self, Reply};
use crate::extract::{AsOperator, AsReader, EntriesPath, EntryPath, Json, LedgerQuery, NoQuery, Query};
use crate::openapi::{EntryRefusals, ListRefusals, ReadHeaders, ReadRefusals, Tagged, WriteHeaders};
use crate::state::AppState;

/// What the engine writes for itself: updates, what was applied to clusters and from what, what was asked of clouds, requests
/// for agreement, how many objects were pruned, how well a cluster was.
const ENGINE: [&str; 7] = [
    "update",
    "applied",
    "inputs",
    "stacks",
    "prune-request",
    "pruned",
    "health",
];

/// List entries of the ledger
///
/// Newest first, of one kind.
#[utoipa::path(
    get, path = paths::ENTRIES, operation_id = "listEntries", tag = "Ledger",
    params(EntriesPath, LedgerQuery),
    responses((status = 200, description = "The entries that match", body = LedgerEntryList), ListRefusals)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    _: AsReader,
    path: EntriesPath,
    Query(query): Query<LedgerQuery>,
) -> Reply {
    let read = async {
        let filter = EntryFilter {
            cluster: query.cluster.clone(),
            open: query.open,
            ..EntryFilter::of(path.entry_kind)
        };
        let page = state.ledger()?.list_entries(&filter, &query.page).await?;
        Ok(LedgerEntryList {
            items: page.items.into_iter().map(LedgerEntry::from).collect(),
            next: page.next.as_deref().map(encode_cursor),
        })
    };
    reply::json(StatusCode::OK, &state.call("list_entries", read).await?)
}

/// Get an entry of the ledger
#[utoipa::path(
    get, path = paths::ENTRY, operation_id = "getEntry", tag = "Ledger",
    params(EntryPath, ReadHeaders),
    responses(Tagged<200, LedgerEntry>, ReadRefusals)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    _: AsReader,
    path: EntryPath,
    Query(NoQuery): Query<NoQuery>,
    headers: HeaderMap,
) -> Reply {
    let read = async { state.ledger()?.get_entry(&path.entry_kind, &path.entry_id).await };
    let entry = state.call("get_entry", read).await?;
    reply::read(&headers, entry.revision, &LedgerEntry::from(entry))
}

/// Write an entry of the ledger
///
/// Of the kinds `update`, `applied`, `inputs`, `stacks`, `prune-request`, `pruned` and `health`. Of `prune-consent` and `decommission` only the end can be
/// written: what was used, the writer closes; nobody can agree to anything here.
#[utoipa::path(
    put, path = paths::ENTRY, operation_id = "putEntry", tag = "Ledger",
    params(EntryPath, WriteHeaders),
    request_body = LedgerEntryDraft,
    responses(Tagged<200, LedgerEntry>, EntryRefusals)
)]
pub(super) async fn put(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: EntryPath,
    Query(NoQuery): Query<NoQuery>,
    Json(draft): Json<LedgerEntryDraft>,
) -> Reply {
    let write = async {
        let draft = EntryDraft {
            kind: path.entry_kind,
            id: path.entry_id,
            cluster: draft.cluster_id,
            open: draft.open,
            body: draft.body,
            items: Vec::new(),
        };
        let ledger = state.ledger()?;
        if !ENGINE.contains(&draft.kind.as_str()) {
            let known = ledger.get_entry(&draft.kind, &draft.id).await;
            allowed(&draft, known.ok().as_ref())?;
        }
        ledger.put_entry(draft, &writer.context).await
    };
    let entry = state.call("put_entry", write).await?;
    reply::tagged(StatusCode::OK, entry.revision, &LedgerEntry::from(entry))
}

/// An agreement can be ended here and not given.
fn allowed(draft: &EntryDraft, known: Option<&Entry>) -> Result<(), RegistryError> {
    let agreement = [EntryKind::prune_consent(), EntryKind::decommission()].contains(&draft.kind);
    if !agreement {
        let rule = format!(
            "must be one of {}: others are written by operations of their own",
            ENGINE.join(", ")
        );
        return Err(Invalid::new("entry_kind", rule, &draft.kind).into());
    }
    let ends = known.is_some_and(|known| known.body == draft.body && known.cluster == draft.cluster && !draft.open);
    if ends {
        return Ok(());
    }
    Err(RegistryError::Forbidden(format!(
        "an entry of kind {} can only be closed here, as it is",
        draft.kind
    )))
}
