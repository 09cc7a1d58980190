//! Blocks: refusals to update a cluster, with reason, owner and end.

use std::collections::BTreeMap;

use axum::extract::State;
use http::StatusCode;
use model::{ClusterId, ConfigItems, Invalid};
use ports::blocks::{self, Blocked};
use ports::ledger::{EntryFilter, EntryId};
use ports::registry::{ClusterFilter, Detail, PageRequest};
use ports::{Ledger, RegistryError, WriteContext};
use registry_api::{BlockDraft, BlockEntry, BlockList, encode_cursor, paths};

use super::reply::{self, Reply};
use crate::error::ApiError;
use crate::extract::{AsOperator, AsReader, BlockPath, BlocksPath, Json, LedgerQuery, NoQuery, Query, Writer};
use crate::openapi::{LedgerRefusals, LiftRefusals, ListRefusals};
use crate::state::AppState;

/// Cursor of a page that begins with the entries, after all blocks that are only config items.
const ENTRIES: &str = "e";

/// List blocks
///
/// With `open=true` those that hold now, a block that is only the config item `cluster_update_block` included; with
/// `open=false` those that have ended. A page may have fewer entries than `limit`, also when another one follows.
#[utoipa::path(
    get, path = paths::BLOCKS, operation_id = "listBlocks", tag = "Blocks",
    params(LedgerQuery),
    responses((status = 200, description = "The blocks that match", body = BlockList), ListRefusals)
)]
pub(super) async fn list(State(state): State<AppState>, _: AsReader, Query(query): Query<LedgerQuery>) -> Reply {
    let list = state.call("list_blocks", listed(&state, &query)).await?;
    reply::json(StatusCode::OK, &list)
}

/// Set a block
///
/// It is durable when it is answered, and ends by itself after 72 hours unless it says otherwise, after 14 days at most. A
/// block of scope `all` also sets the config item `cluster_update_block`, which other tools read.
#[utoipa::path(
    post, path = paths::BLOCKS, operation_id = "setBlock", tag = "Blocks",
    request_body = BlockDraft,
    responses((status = 201, description = "It holds", body = BlockEntry), LedgerRefusals)
)]
pub(super) async fn create(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    Query(NoQuery): Query<NoQuery>,
    Json(draft): Json<BlockDraft>,
) -> Reply {
    unconditional(&writer.context)?;
    let set = async {
        // A block of nodes touches no config item, so the ledger alone would take one of a cluster that is not there.
        state.registry.get_cluster(&draft.cluster_id, Detail::Brief).await?;
        let block = draft.block(&writer.context.actor);
        let (clock, ids) = (state.clock.as_ref(), state.ids.as_ref());
        blocks::set(state.ledger()?, clock, ids, &draft.cluster_id, block, &writer.context).await
    };
    let blocked = state.call("set_block", set).await?;
    reply::json(StatusCode::CREATED, &BlockEntry::new(blocked, true))
}

/// Lift all blocks of a cluster
///
/// Answers those that held; an empty list when none did. The config item `cluster_update_block` goes with them.
#[utoipa::path(
    delete, path = paths::BLOCKS_OF_CLUSTER, operation_id = "liftBlocks", tag = "Blocks",
    params(BlocksPath),
    responses((status = 200, description = "The blocks that held until now", body = BlockList), LiftRefusals)
)]
pub(super) async fn lift_all(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: BlocksPath,
    Query(NoQuery): Query<NoQuery>,
) -> Reply {
    lift(&state, "lift_blocks", &writer, &path.cluster_id, None).await
}

/// Lift one block
///
/// Answers it when it held, and an empty list when it had ended before.
#[utoipa::path(
    delete, path = paths::BLOCK, operation_id = "liftBlock", tag = "Blocks",
    params(BlockPath),
    responses((status = 200, description = "The block, if it held until now", body = BlockList), LiftRefusals)
)]
pub(super) async fn lift_one(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: BlockPath,
    Query(NoQuery): Query<NoQuery>,
) -> Reply {
    lift(&state, "lift_block", &writer, &path.cluster_id, Some(&path.block_id)).await
}

/// Lifts the blocks of a cluster, or the one that is named, and answers those that held.
async fn lift(
    state: &AppState,
    operation: &'static str,
    writer: &Writer,
    cluster: &ClusterId,
    only: Option<&EntryId>,
) -> Reply {
    unconditional(&writer.context)?;
    let (registry, clock) = (state.registry.as_ref(), state.clock.as_ref());
    let lift = async {
        let ledger = state.ledger()?;
        if let Some(id) = only {
            is_of(ledger, id, cluster).await?;
        }
        blocks::lift(ledger, registry, clock, cluster, only, &writer.context).await
    };
    let lifted = state.call(operation, lift).await?;
    let items = lifted.into_iter().map(|blocked| BlockEntry::new(blocked, false));
    let list = BlockList {
        items: items.collect(),
        next: None,
    };
    reply::json(StatusCode::OK, &list)
}

/// A block of another cluster is as unknown as one that never was.
async fn is_of(ledger: &dyn Ledger, id: &EntryId, cluster: &ClusterId) -> Result<(), RegistryError> {
    match ledger.get_entry(&blocks::kind(), id).await {
        Ok(entry) if entry.cluster.as_ref() == Some(cluster) => Ok(()),
        Ok(_) | Err(RegistryError::NotFound { .. }) => Err(RegistryError::NotFound {
            kind: "block",
            id: id.to_string(),
        }),
        Err(error) => Err(error),
    }
}

/// Blocks have no revision that a caller could know; a condition that is not looked at would be a promise that is not kept.
fn unconditional(context: &WriteContext) -> Result<(), ApiError> {
    match context.expected {
        Some(revision) => {
            let rule = "must not be given: blocks are set and lifted without a condition";
            Err(ApiError::invalid(Invalid::new("If-Match", rule, revision)))
        }
        None => Ok(()),
    }
}

/// One page: first the blocks that are only config items, in the order of their clusters, then the entries.
async fn listed(state: &AppState, query: &LedgerQuery) -> Result<BlockList, RegistryError> {
    let ledger = state.ledger()?;
    let items = items_of(state, query.cluster.as_ref()).await?;
    let (after_item, entries_at) = place(query.page.after.as_deref())?;
    let mut list = BlockList::default();
    if entries_at.is_none() && query.open != Some(false) {
        for blocked in only_items(state, ledger, query.cluster.as_ref(), &items).await? {
            if after_item.is_some_and(|after| blocked.cluster.as_str() <= after) {
                continue;
            }
            if query.page.limit.is_some_and(|limit| list.items.len() >= limit) {
                let last = list.items.last().map(|entry| format!("i/{}", entry.cluster_id));
                list.next = last.as_deref().map(encode_cursor);
                return Ok(list);
            }
            list.items.push(BlockEntry::new(blocked, true));
        }
    }
    let rest = query.page.limit.map(|limit| limit.saturating_sub(list.items.len()));
    if rest == Some(0) {
        list.next = Some(encode_cursor(ENTRIES));
        return Ok(list);
    }
    let page = PageRequest {
        limit: rest,
        after: entries_at.flatten(),
    };
    let next = entries(state, ledger, query, &items, &page, &mut list.items).await?;
    list.next = next.map(|key| encode_cursor(&format!("{ENTRIES}/{key}")));
    Ok(list)
}

/// Adds a page of entries, and tells where the next one begins.
async fn entries(
    state: &AppState,
    ledger: &dyn Ledger,
    query: &LedgerQuery,
    items: &BTreeMap<ClusterId, ConfigItems>,
    page: &PageRequest,
    into: &mut Vec<BlockEntry>,
) -> Result<Option<String>, RegistryError> {
    let filter = EntryFilter {
        cluster: query.cluster.clone(),
        // An entry that is open in the ledger may have ended all the same; one that is closed never holds.
        open: query.open.filter(|open| *open),
        ..EntryFilter::of(blocks::kind())
    };
    let found = ledger.list_entries(&filter, page).await?;
    let now = state.clock.now();
    for entry in &found.items {
        let Some(blocked) = blocks::of_entry(entry)? else {
            continue;
        };
        let holds = entry.open
            && items.get(&blocked.cluster).is_some_and(|items| {
                let held = blocks::holding(&blocked.cluster, items, std::slice::from_ref(&blocked), now);
                held.iter().any(|one| one.id == blocked.id)
            });
        if query.open.is_none_or(|wanted| wanted == holds) {
            into.push(BlockEntry::new(blocked, holds));
        }
    }
    Ok(found.next)
}

/// Config items of the clusters in question. The blocks of a cluster that is gone hold no more.
async fn items_of(
    state: &AppState,
    cluster: Option<&ClusterId>,
) -> Result<BTreeMap<ClusterId, ConfigItems>, RegistryError> {
    let clusters = match cluster {
        Some(id) => match state.registry.get_cluster(id, Detail::Full).await {
            Ok(found) => vec![found],
            Err(RegistryError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error),
        },
        None => {
            let (filter, all) = (ClusterFilter::default(), PageRequest::all());
            state.registry.list_clusters(&filter, Detail::Full, &all).await?.items
        }
    };
    let pairs = clusters
        .into_iter()
        .map(|found| (found.object.id, found.object.config_items));
    Ok(pairs.collect())
}

/// Blocks that nobody but the config item knows, in the order of their clusters.
async fn only_items(
    state: &AppState,
    ledger: &dyn Ledger,
    cluster: Option<&ClusterId>,
    items: &BTreeMap<ClusterId, ConfigItems>,
) -> Result<Vec<Blocked>, RegistryError> {
    let open = blocks::open(ledger, cluster).await?;
    let now = state.clock.now();
    let held = items
        .iter()
        .flat_map(|(id, items)| blocks::holding(id, items, &open, now));
    Ok(held.filter(|blocked| blocked.id.is_none()).collect())
}

/// Where a page begins: after the item of a cluster, or among the entries.
type Place<'a> = (Option<&'a str>, Option<Option<String>>);

fn place(after: Option<&str>) -> Result<Place<'_>, RegistryError> {
    match after {
        None => Ok((None, None)),
        Some(ENTRIES) => Ok((None, Some(None))),
        Some(text) => match text.split_once('/') {
            Some(("i", cluster)) => Ok((Some(cluster), None)),
            Some((ENTRIES, key)) => Ok((None, Some(Some(key.to_owned())))),
            _ => Err(Invalid::new("continue", "must be the member `continue` of an answer", text).into()),
        },
    }
}
