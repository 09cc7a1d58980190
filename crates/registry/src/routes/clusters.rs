//! Clusters.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use model::{Cluster, ClusterUpdate};
use ports::registry::Detail;
use registry_api::{BriefCluster, BriefClusterList, ClusterList, ErrorKind, encode_cursor, paths};

use super::reply::{self, Reply};
use crate::auth::Role;
use crate::error::ApiError;
use crate::extract::{
    AsAdmin, AsOperator, AsReader, ClusterListQuery, ClusterPath, ClusterQuery, Json, NoQuery, Query,
};
use crate::openapi::{CreateRefusals, DeleteRefusals, ListRefusals, ReadRefusals, Tagged, WriteHeaders, WriteRefusals};
use crate::state::AppState;

/// List clusters
#[utoipa::path(
    get, path = paths::CLUSTERS, operation_id = "listClusters", tag = "KubernetesClusters",
    params(ClusterListQuery),
    responses((status = 200, description = "The clusters that match, in id order", body = ClusterList), ListRefusals)
)]
pub(super) async fn list(State(state): State<AppState>, _: AsReader, Query(query): Query<ClusterListQuery>) -> Reply {
    let call = state.registry.list_clusters(&query.filter, query.detail, &query.page);
    let page = state.call("list_clusters", call).await?;
    let next = page.next.as_deref().map(encode_cursor);
    let revisions = reply::revisions(&page.items);
    match query.detail {
        Detail::Full => {
            let items = page.items.into_iter().map(|cluster| cluster.object).collect();
            reply::json(StatusCode::OK, &ClusterList { items, revisions, next })
        }
        Detail::Brief => {
            let items = page
                .items
                .iter()
                .map(|cluster| BriefCluster::from(&cluster.object))
                .collect();
            reply::json(StatusCode::OK, &BriefClusterList { items, revisions, next })
        }
    }
}

/// Create a cluster
#[utoipa::path(
    post, path = paths::CLUSTERS, operation_id = "createCluster", tag = "KubernetesClusters",
    request_body = Cluster,
    responses(Tagged<201, Cluster>, CreateRefusals)
)]
pub(super) async fn create(
    State(state): State<AppState>,
    AsAdmin(writer): AsAdmin,
    Query(NoQuery): Query<NoQuery>,
    Json(cluster): Json<Cluster>,
) -> Reply {
    let path = paths::cluster(&cluster.id);
    let made = state
        .call(
            "create_cluster",
            state.registry.create_cluster(cluster, &writer.context),
        )
        .await?;
    reply::created(&made, &path)
}

/// Get a cluster
#[utoipa::path(
    get, path = paths::CLUSTER, operation_id = "getCluster", tag = "KubernetesClusters",
    params(ClusterPath, ClusterQuery, crate::openapi::ReadHeaders),
    responses(Tagged<200, Cluster>, ReadRefusals)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    _: AsReader,
    path: ClusterPath,
    Query(query): Query<ClusterQuery>,
    headers: HeaderMap,
) -> Reply {
    let call = state.registry.get_cluster(&path.cluster_id, query.verbose);
    let found = state.call("get_cluster", call).await?;
    match query.verbose {
        Detail::Full => reply::read(&headers, found.revision, &found.object),
        Detail::Brief => reply::read(&headers, found.revision, &BriefCluster::from(&found.object)),
    }
}

/// Change a cluster
///
/// Members that are absent stay as they are; each one that is present replaces the stored one as a whole, `status` too:
/// a status without `next_version` clears it. Role operator may send `lifecycle_status`, `status` and `config_items`.
#[utoipa::path(
    patch, path = paths::CLUSTER, operation_id = "updateCluster", tag = "KubernetesClusters",
    params(ClusterPath, WriteHeaders),
    request_body = ClusterUpdate,
    responses(Tagged<200, Cluster>, WriteRefusals)
)]
pub(super) async fn update(
    State(state): State<AppState>,
    AsOperator(writer): AsOperator,
    path: ClusterPath,
    Query(NoQuery): Query<NoQuery>,
    Json(update): Json<ClusterUpdate>,
) -> Reply {
    if writer.role < Role::Admin {
        let members = beyond_operator(&update);
        if !members.is_empty() {
            let detail = format!("role {} may not change {}", writer.role, members.join(", "));
            return Err(ApiError::new(ErrorKind::Forbidden, detail));
        }
    }
    let call = state.registry.update_cluster(&path.cluster_id, update, &writer.context);
    reply::written(&state.call("update_cluster", call).await?)
}

/// Members of the update that only an admin may send. Taken apart in full, so that a new member is decided on here.
fn beyond_operator(update: &ClusterUpdate) -> Vec<&'static str> {
    let ClusterUpdate {
        id,
        alias,
        infrastructure_account,
        region,
        local_id,
        provider,
        api_server_url,
        channel,
        environment,
        criticality_level,
        lifecycle_status: _,
        status: _,
        config_items: _,
    } = update;
    [
        ("id", id.is_some()),
        ("alias", alias.is_some()),
        ("infrastructure_account", infrastructure_account.is_some()),
        ("region", region.is_some()),
        ("local_id", local_id.is_some()),
        ("provider", provider.is_some()),
        ("api_server_url", api_server_url.is_some()),
        ("channel", channel.is_some()),
        ("environment", environment.is_some()),
        ("criticality_level", criticality_level.is_some()),
    ]
    .into_iter()
    .filter_map(|(member, present)| present.then_some(member))
    .collect()
}

/// Delete a cluster
///
/// Only a cluster that is `requested` or `decommissioned` can be deleted.
#[utoipa::path(
    delete, path = paths::CLUSTER, operation_id = "deleteCluster", tag = "KubernetesClusters",
    params(ClusterPath, WriteHeaders),
    responses((status = 204, description = "It is gone"), DeleteRefusals)
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    AsAdmin(writer): AsAdmin,
    path: ClusterPath,
    Query(NoQuery): Query<NoQuery>,
) -> Reply {
    state
        .call(
            "delete_cluster",
            state.registry.delete_cluster(&path.cluster_id, &writer.context),
        )
        .await?;
    reply::done()
}
