//! Node pools. They belong to their cluster: the revision in their answers is the cluster's.

use axum::extract::State;
use http::HeaderMap;
use model::{Invalid, NodePool, NodePoolUpdate};
use registry_api::{ErrorKind, NodePoolList, paths};

use super::reply::{self, Reply};
use crate::auth::Role;
use crate::error::ApiError;
use crate::extract::{AsAdmin, AsOperator, AsReader, ClusterPath, Json, NoQuery, PoolPath, Query};
use crate::openapi::{DeleteRefusals, ReadRefusals, Removed, Tagged, WriteHeaders, WriteRefusals};
use crate::state::AppState;

/// List the node pools of a cluster
#[utoipa::path(
    get, path = paths::NODE_POOLS, operation_id = "listNodePools", tag = "NodePools",
    params(ClusterPath, crate::openapi::ReadHeaders),
    responses(Tagged<200, NodePoolList>, ReadRefusals)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    _: AsReader,
    path: ClusterPath,
    Query(NoQuery): Query<NoQuery>,
    headers: HeaderMap,
) -> Reply {
    let found = state
        .call("list_node_pools", state.registry.list_node_pools(&path.cluster_id))
        .await?;
    reply::read(&headers, found.revision, &NodePoolList { items: found.object })
}

/// Create or replace a node pool
#[utoipa::path(
    put, path = paths::NODE_POOL, operation_id = "createOrUpdateNodePool", tag = "NodePools",
    params(PoolPath, WriteHeaders),
    request_body = NodePool,
    responses(Tagged<200, NodePool>, WriteRefusals)
)]
pub(super) async fn put(
    State(state): State<AppState>,
    AsAdmin(writer): AsAdmin,
    path: PoolPath,
    Query(NoQuery): Query<NoQuery>,
    Json(pool): Json<NodePool>,
) -> Reply {
    if pool.name != path.node_pool_name {
        let rule = format!("must be the name in the path, {}", path.node_pool_name);
        return Err(ApiError::invalid(Invalid::new("name", rule, pool.name)));
    }
    let call = state.registry.put_node_pool(&path.cluster_id, pool, &writer.context);
    reply::written(&state.call("put_node_pool", call).await?)
}

/// Change a node pool
///
/// Role operator may send `config_items`.
#[utoipa::path(
    patch, path = paths::NODE_POOL, operation_id = "updateNodePool", tag = "NodePools",
    params(PoolPath, WriteHeaders),
    request_body = NodePoolUpdate,
    responses(Tagged<200, NodePool>, WriteRefusals)
)]
pub(super) async fn update(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: PoolPath,
    Query(NoQuery): Query<NoQuery>,
    Json(update): Json<NodePoolUpdate>,
) -> Reply {
    if writer.role < Role::Admin {
        let members = beyond_operator(&update);
        if !members.is_empty() {
            let detail = format!("role {} may not change {}", writer.role, members.join(", "));
            return Err(ApiError::new(ErrorKind::Forbidden, detail));
        }
    }
    let call = state
        .registry
        .update_node_pool(&path.cluster_id, &path.node_pool_name, update, &writer.context);
    reply::written(&state.call("update_node_pool", call).await?)
}

/// Members of the update that only an admin may send. Taken apart in full, so that a new member is decided on here.
fn beyond_operator(update: &NodePoolUpdate) -> Vec<&'static str> {
    let NodePoolUpdate {
        name,
        profile,
        instance_types,
        discount_strategy,
        min_size,
        max_size,
        config_items: _,
    } = update;
    [
        ("name", name.is_some()),
        ("profile", profile.is_some()),
        ("instance_types", instance_types.is_some()),
        ("discount_strategy", discount_strategy.is_some()),
        ("min_size", min_size.is_some()),
        ("max_size", max_size.is_some()),
    ]
    .into_iter()
    .filter_map(|(member, present)| present.then_some(member))
    .collect()
}

/// Delete a node pool
#[utoipa::path(
    delete, path = paths::NODE_POOL, operation_id = "deleteNodePool", tag = "NodePools",
    params(PoolPath, WriteHeaders),
    responses(Removed, DeleteRefusals)
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    AsAdmin(writer): AsAdmin,
    path: PoolPath,
    Query(NoQuery): Query<NoQuery>,
) -> Reply {
    let call = state
        .registry
        .delete_node_pool(&path.cluster_id, &path.node_pool_name, &writer.context);
    state.call("delete_node_pool", call).await?;
    reply::removed(writer.context.expected)
}
