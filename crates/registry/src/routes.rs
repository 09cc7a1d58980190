//! The operations: each reads its request, calls the registry once and answers.

mod accounts;
mod acts;
mod approvals;
mod blocks;
mod changes;
mod channels;
mod clusters;
mod config_items;
mod entries;
mod history;
mod node_pools;
mod records;
mod reply;
mod transfer;
mod updates;

use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use registry_api::{ErrorKind, paths};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::openapi;
use crate::state::AppState;

/// Every operation with its entry in the OpenAPI document.
pub(crate) fn operations() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::get, accounts::update))
        .routes(routes!(clusters::list, clusters::create))
        .routes(routes!(clusters::get, clusters::update, clusters::delete))
        .routes(routes!(config_items::put, config_items::delete))
        .routes(routes!(node_pools::list))
        .routes(routes!(node_pools::put, node_pools::update, node_pools::delete))
        .routes(routes!(config_items::put_of_pool, config_items::delete_of_pool))
        .routes(routes!(changes::read))
        .routes(routes!(history::read))
        .routes(routes!(blocks::list, blocks::create))
        .routes(routes!(blocks::lift_all))
        .routes(routes!(blocks::lift_one))
        .routes(routes!(approvals::list, approvals::approve))
        .routes(routes!(approvals::cancel))
        .routes(routes!(approvals::decommission))
        .routes(routes!(channels::list))
        .routes(routes!(channels::agreements, channels::agree))
        .routes(routes!(acts::list, acts::create))
        .routes(routes!(acts::lift))
        .routes(routes!(entries::list))
        .routes(routes!(entries::get, entries::put))
        .routes(routes!(updates::list))
        .routes(routes!(updates::get))
        .routes(routes!(records::rollouts))
        .routes(routes!(records::evidence))
        .routes(routes!(transfer::export))
        .routes(routes!(transfer::import))
}

/// All routes of the server except health and metrics.
pub(crate) fn router(state: AppState) -> Router {
    let (operations, document) = operations().split_for_parts();
    let document = openapi::finish(document);
    operations
        .route_layer(from_fn_with_state(state.clone(), crate::auth::authenticate))
        .route(paths::OPENAPI, get(async move || Json(document)))
        .route(paths::DOCS, get(openapi::page))
        .route(openapi::SCRIPT_PATH, get(openapi::script))
        .fallback(async || ApiError::new(ErrorKind::NoSuchPath, ErrorKind::NoSuchPath.title()).into_response())
        .layer(from_fn_with_state(state.clone(), crate::auth::check_host))
        .with_state(state)
}
