//! Infrastructure accounts.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use model::{InfrastructureAccount, InfrastructureAccountUpdate};
use registry_api::{AccountList, encode_cursor, paths};

use super::reply::{self, Reply};
use crate::extract::{AccountPath, AccountQuery, AsAdmin, AsReader, Json, NoQuery, Query};
use crate::openapi::{CreateRefusals, ListRefusals, ReadRefusals, Tagged, WriteHeaders, WriteRefusals};
use crate::state::AppState;

/// List infrastructure accounts
#[utoipa::path(
    get, path = paths::ACCOUNTS, operation_id = "listInfrastructureAccounts", tag = "InfrastructureAccounts",
    params(AccountQuery),
    responses((status = 200, description = "The accounts that match, in id order", body = AccountList), ListRefusals)
)]
pub(super) async fn list(State(state): State<AppState>, _: AsReader, Query(query): Query<AccountQuery>) -> Reply {
    let page = state
        .call(
            "list_accounts",
            state.registry.list_accounts(&query.filter, &query.page),
        )
        .await?;
    let revisions = reply::revisions(&page.items);
    let items = page.items.into_iter().map(|account| account.object).collect();
    reply::json(
        StatusCode::OK,
        &AccountList {
            items,
            revisions,
            next: page.next.as_deref().map(encode_cursor),
        },
    )
}

/// Create an infrastructure account
#[utoipa::path(
    post, path = paths::ACCOUNTS, operation_id = "createInfrastructureAccount", tag = "InfrastructureAccounts",
    request_body = InfrastructureAccount,
    responses(Tagged<201, InfrastructureAccount>, CreateRefusals)
)]
pub(super) async fn create(
    State(state): State<AppState>,
    AsAdmin(writer): AsAdmin,
    Query(NoQuery): Query<NoQuery>,
    Json(account): Json<InfrastructureAccount>,
) -> Reply {
    let path = paths::account(&account.id);
    let made = state
        .call(
            "create_account",
            state.registry.create_account(account, &writer.context),
        )
        .await?;
    reply::created(&made, &path)
}

/// Get an infrastructure account
#[utoipa::path(
    get, path = paths::ACCOUNT, operation_id = "getInfrastructureAccount", tag = "InfrastructureAccounts",
    params(AccountPath, crate::openapi::ReadHeaders),
    responses(Tagged<200, InfrastructureAccount>, ReadRefusals)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    _: AsReader,
    path: AccountPath,
    Query(NoQuery): Query<NoQuery>,
    headers: HeaderMap,
) -> Reply {
    let found = state
        .call("get_account", state.registry.get_account(&path.account_id))
        .await?;
    reply::read(&headers, found.revision, &found.object)
}

/// Change an infrastructure account
#[utoipa::path(
    patch, path = paths::ACCOUNT, operation_id = "updateInfrastructureAccount", tag = "InfrastructureAccounts",
    params(AccountPath, WriteHeaders),
    request_body = InfrastructureAccountUpdate,
    responses(Tagged<200, InfrastructureAccount>, WriteRefusals)
)]
pub(super) async fn update(
    State(state): State<AppState>,
    AsAdmin(writer): AsAdmin,
    path: AccountPath,
    Query(NoQuery): Query<NoQuery>,
    Json(update): Json<InfrastructureAccountUpdate>,
) -> Reply {
    let call = state.registry.update_account(&path.account_id, update, &writer.context);
    reply::written(&state.call("update_account", call).await?)
}
