//! Config items of clusters and node pools.

use axum::extract::State;
use http::StatusCode;
use registry_api::{ConfigValue, paths};

use super::reply::{self, Reply};
use crate::extract::{AsOperator, ClusterItemPath, Json, NoQuery, PoolItemPath, Query};
use crate::openapi::{DeleteRefusals, Removed, Tagged, WriteHeaders, WriteRefusals};
use crate::state::AppState;

/// Set a config item of a cluster
#[utoipa::path(
    put, path = paths::CONFIG_ITEM, operation_id = "addOrUpdateConfigItem", tag = "ConfigItems",
    params(ClusterItemPath, WriteHeaders),
    request_body = ConfigValue,
    responses(Tagged<200, ConfigValue>, WriteRefusals)
)]
pub(super) async fn put(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: ClusterItemPath,
    Query(NoQuery): Query<NoQuery>,
    Json(item): Json<ConfigValue>,
) -> Reply {
    let call = state
        .registry
        .put_config_item(&path.cluster_id, &path.config_key, &item.value, &writer.context);
    let revision = state.call("put_config_item", call).await?;
    reply::tagged(StatusCode::OK, revision, &item)
}

/// Remove a config item of a cluster
#[utoipa::path(
    delete, path = paths::CONFIG_ITEM, operation_id = "deleteConfigItem", tag = "ConfigItems",
    params(ClusterItemPath, WriteHeaders),
    responses(Removed, DeleteRefusals)
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: ClusterItemPath,
    Query(NoQuery): Query<NoQuery>,
) -> Reply {
    let call = state
        .registry
        .delete_config_item(&path.cluster_id, &path.config_key, &writer.context);
    state.call("delete_config_item", call).await?;
    reply::removed(writer.context.expected)
}

/// Set a config item of a node pool
#[utoipa::path(
    put, path = paths::NODE_POOL_CONFIG_ITEM, operation_id = "addOrUpdateNodePoolConfigItem", tag = "ConfigItems",
    params(PoolItemPath, WriteHeaders),
    request_body = ConfigValue,
    responses(Tagged<200, ConfigValue>, WriteRefusals)
)]
pub(super) async fn put_of_pool(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: PoolItemPath,
    Query(NoQuery): Query<NoQuery>,
    Json(item): Json<ConfigValue>,
) -> Reply {
    let call = state.registry.put_node_pool_config_item(
        &path.cluster_id,
        &path.node_pool_name,
        &path.config_key,
        &item.value,
        &writer.context,
    );
    let revision = state.call("put_node_pool_config_item", call).await?;
    reply::tagged(StatusCode::OK, revision, &item)
}

/// Remove a config item of a node pool
#[utoipa::path(
    delete, path = paths::NODE_POOL_CONFIG_ITEM, operation_id = "deleteNodePoolConfigItem", tag = "ConfigItems",
    params(PoolItemPath, WriteHeaders),
    responses(Removed, DeleteRefusals)
)]
pub(super) async fn delete_of_pool(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: PoolItemPath,
    Query(NoQuery): Query<NoQuery>,
) -> Reply {
    let call = state.registry.delete_node_pool_config_item(
        &path.cluster_id,
        &path.node_pool_name,
        &path.config_key,
        &writer.context,
    );
    state.call("delete_node_pool_config_item", call).await?;
    reply::removed(writer.context.expected)
}
