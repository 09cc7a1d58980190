//! Requests and agreements to deletions: prunes above the threshold, clusters that are taken down.

use axum::extract::State;
use http::StatusCode;
use model::Invalid;
use ports::approvals::{self, Guarded};
use ports::ledger::EntryFilter;
use ports::registry::{Detail, PageRequest};
use ports::{RegistryError, WriteContext};
use registry_api::{ApprovalDraft, ApprovalEntry, ApprovalList, DecommissionDraft, GuardedName, encode_cursor, paths};

use super::reply::{self, Reply};
use crate::error::ApiError;
use crate::extract::{ApprovalsPath, AsOperator, AsReader, Json, LedgerQuery, NoQuery, Query};
use crate::openapi::{AgreeRefusals, CancelRefusals, ListRefusals};
use crate::state::AppState;

/// List requests and agreements to deletions
///
/// With `open=true` those that still matter, expired ones included until somebody closes them; with `open=false` those that
/// were used, called off or needed no longer.
#[utoipa::path(
    get, path = paths::APPROVALS, operation_id = "listApprovals", tag = "Approvals",
    params(LedgerQuery),
    responses((status = 200, description = "Those that match", body = ApprovalList), ListRefusals)
)]
pub(super) async fn list(State(state): State<AppState>, _: AsReader, Query(query): Query<LedgerQuery>) -> Reply {
    let list = state.call("list_approvals", listed(&state, &query)).await?;
    reply::json(StatusCode::OK, &list)
}

/// Agree to a deletion
///
/// To the prune that a cluster asks for, with the number of objects that the caller has seen, or to a decommission that
/// somebody else asked for. It is durable when it is answered. Refused to callers that the server does not know by name.
#[utoipa::path(
    post, path = paths::APPROVALS, operation_id = "approve", tag = "Approvals",
    request_body = ApprovalDraft,
    responses((status = 201, description = "It is agreed to", body = ApprovalEntry), AgreeRefusals)
)]
pub(super) async fn approve(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    Query(NoQuery): Query<NoQuery>,
    Json(draft): Json<ApprovalDraft>,
) -> Reply {
    unconditional(&writer.context)?;
    let approve = async {
        let cluster = state
            .registry
            .get_cluster(&draft.cluster_id, Detail::Full)
            .await?
            .object;
        let (ledger, clock, ids) = (state.ledger()?, state.clock.as_ref(), state.ids.as_ref());
        match (draft.what, draft.count) {
            (GuardedName::Prune, Some(count)) => {
                approvals::approve_prune(ledger, (clock, ids), &cluster, count, &writer.context).await
            }
            (GuardedName::Decommission, None) => {
                approvals::approve_decommission(ledger, clock, &cluster, &writer.context).await
            }
            (GuardedName::Prune, None) => Err(Invalid::new("count", "is required for a prune", "").into()),
            (GuardedName::Decommission, Some(count)) => {
                Err(Invalid::new("count", "must not be given for a decommission", count).into())
            }
        }
    };
    let given = state.call("approve", approve).await?;
    reply::json(StatusCode::CREATED, &ApprovalEntry::from(given))
}

/// Ask for a cluster to be taken down
///
/// The caller repeats the cluster's alias. The cluster becomes `decommission-requested` and waits for somebody else's
/// agreement, and 24 hours after that.
#[utoipa::path(
    post, path = paths::DECOMMISSIONS, operation_id = "requestDecommission", tag = "Approvals",
    request_body = DecommissionDraft,
    responses((status = 201, description = "It is asked for", body = ApprovalEntry), AgreeRefusals)
)]
pub(super) async fn decommission(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    Query(NoQuery): Query<NoQuery>,
    Json(draft): Json<DecommissionDraft>,
) -> Reply {
    unconditional(&writer.context)?;
    let ask = async {
        let cluster = state.registry.get_cluster(&draft.cluster_id, Detail::Full).await?;
        let places = (state.ledger()?, state.registry.as_ref());
        approvals::request_decommission(places, state.clock.as_ref(), &cluster, &draft.confirm, &writer.context).await
    };
    let asked = state.call("request_decommission", ask).await?;
    reply::json(StatusCode::CREATED, &ApprovalEntry::from(asked))
}

/// Call off a deletion
///
/// Closes what was asked for or agreed to and answers it; an empty list when there was nothing. A cluster that was to be
/// taken down is `ready` again, and is brought to the version of its channel.
#[utoipa::path(
    delete, path = paths::APPROVALS_OF_CLUSTER, operation_id = "cancelApprovals", tag = "Approvals",
    params(ApprovalsPath),
    responses((status = 200, description = "What was open until now", body = ApprovalList), CancelRefusals)
)]
pub(super) async fn cancel(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: ApprovalsPath,
    Query(NoQuery): Query<NoQuery>,
) -> Reply {
    unconditional(&writer.context)?;
    let cancel = async {
        let cluster = state.registry.get_cluster(&path.cluster_id, Detail::Full).await?;
        let (ledger, clock) = (state.ledger()?, state.clock.as_ref());
        match path.what {
            Guarded::Prune => approvals::cancel_prune(ledger, clock, &path.cluster_id, &writer.context).await,
            Guarded::Decommission => {
                let places = (ledger, state.registry.as_ref());
                approvals::cancel_decommission(places, clock, &cluster, &writer.context).await
            }
        }
    };
    let closed = state.call("cancel_approvals", cancel).await?;
    let list = ApprovalList {
        items: closed.into_iter().map(ApprovalEntry::from).collect(),
        next: None,
    };
    reply::json(StatusCode::OK, &list)
}

/// Agreements have no revision that a caller could know.
fn unconditional(context: &WriteContext) -> Result<(), ApiError> {
    match context.expected {
        Some(revision) => {
            let rule = "must not be given: agreements are given and called off without a condition";
            Err(ApiError::invalid(Invalid::new("If-Match", rule, revision)))
        }
        None => Ok(()),
    }
}

/// One page: the kinds one after the other, each newest first. A cursor names the kind that goes on, and where.
async fn listed(state: &AppState, query: &LedgerQuery) -> Result<ApprovalList, RegistryError> {
    let (ledger, now) = (state.ledger()?, state.clock.now());
    let after = query.page.after.as_deref();
    let (first, mut within) = match after.map(|text| text.split_once('/')) {
        None => (None, None),
        Some(Some((kind, key))) => (Some(kind), Some(key.to_owned()).filter(|key| !key.is_empty())),
        Some(None) => {
            let text = after.unwrap_or_default();
            return Err(Invalid::new("continue", "must be the member `continue` of an answer", text).into());
        }
    };
    let mut list = ApprovalList::default();
    let kinds = approvals::kinds();
    let begin = match first {
        None => 0,
        Some(name) => kinds
            .iter()
            .position(|kind| kind.as_str() == name)
            .unwrap_or(kinds.len()),
    };
    for kind in kinds.into_iter().skip(begin) {
        let rest = query.page.limit.map(|limit| limit.saturating_sub(list.items.len()));
        if rest == Some(0) {
            list.next = Some(encode_cursor(&format!("{kind}/")));
            return Ok(list);
        }
        let filter = EntryFilter {
            cluster: query.cluster.clone(),
            open: query.open,
            ..EntryFilter::of(kind.clone())
        };
        let page = PageRequest {
            limit: rest,
            after: within.take(),
        };
        let found = ledger.list_entries(&filter, &page).await?;
        for entry in &found.items {
            list.items
                .extend(approvals::of_entry(entry, now)?.map(ApprovalEntry::from));
        }
        if let Some(key) = found.next {
            list.next = Some(encode_cursor(&format!("{kind}/{key}")));
            return Ok(list);
        }
    }
    Ok(list)
}
