//! The side that answers.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use jiff::SignedDuration;
use model::duration::GoDuration;
use ports::Clock;

use super::{
    Cleared, ClockRequest, ClusterInfo, FaultInfo, FaultRequest, Loaded, NodeRequest, Refusal, SimulationInfo, request,
};
use crate::commands::sim::living::{Harm, Living, NodeError};
use crate::failure::chain;

/// Largest snapshot that is taken.
const MOST_BYTES: usize = 512 << 20;

/// What the endpoint tells and reaches.
#[derive(Debug)]
pub(in crate::commands::sim) struct Facts {
    /// Each with the URL of its API.
    pub(in crate::commands::sim) clusters: Vec<(Living, String)>,
    /// All but time and clusters, which are filled in for each answer.
    pub(in crate::commands::sim) info: SimulationInfo,
    pub(in crate::commands::sim) token: String,
    /// The clock of the simulation.
    pub(in crate::commands::sim) clock: Arc<dyn Clock>,
}

type Shared = State<Arc<Facts>>;

/// A refusal with its code.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(Refusal { error: self.1 })).into_response()
    }
}

type Answer<T> = Result<Json<T>, Refused>;

/// The operations.
pub(in crate::commands::sim) fn router(facts: Arc<Facts>) -> Router {
    Router::new()
        .route("/sim/v1/simulation", get(simulation))
        .route("/sim/v1/clusters/{name}/nodes/{node}", post(act_on_node))
        .route("/sim/v1/clusters/{name}/clock", post(set_clock))
        .route(
            "/sim/v1/clusters/{name}/faults",
            get(faults).post(add_fault).delete(clear),
        )
        .route("/sim/v1/clusters/{name}/faults/{fault}", delete(clear_one))
        .route("/sim/v1/clusters/{name}/objects", get(snapshot).post(load))
        .fallback(async || Refused(StatusCode::NOT_FOUND, "there is no such path".to_owned()))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn_with_state(facts.clone(), check_token))
        .with_state(facts)
}

async fn check_token(State(facts): Shared, request: Request, next: Next) -> Response {
    let expected = format!("Bearer {}", facts.token);
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|given| given.as_bytes() == expected.as_bytes()) {
        return next.run(request).await;
    }
    Refused(StatusCode::UNAUTHORIZED, "the token is missing or wrong".to_owned()).into_response()
}

impl Facts {
    fn cluster(&self, name: &str) -> Result<&Living, Refused> {
        let found = self.clusters.iter().find(|(cluster, _)| cluster.name() == name);
        found.map(|(cluster, _)| cluster).ok_or_else(|| {
            let names: Vec<&str> = self.clusters.iter().map(|(cluster, _)| cluster.name()).collect();
            let text = format!("there is no cluster {name:?}, but {}", names.join(", "));
            Refused(StatusCode::NOT_FOUND, text)
        })
    }
}

async fn simulation(State(facts): Shared) -> Json<SimulationInfo> {
    let mut info = facts.info.clone();
    info.time = kube_world::seconds(facts.clock.now());
    info.clusters = facts
        .clusters
        .iter()
        .map(|(cluster, server)| {
            let counts = cluster.counts();
            ClusterInfo {
                name: cluster.name().to_owned(),
                server: server.clone(),
                nodes: counts.nodes,
                ready_nodes: counts.ready_nodes,
                pods: counts.pods,
                ready_pods: counts.ready_pods,
                faults: cluster.faults().len(),
            }
        })
        .collect();
    Json(info)
}

async fn act_on_node(
    State(facts): Shared,
    Path((name, node)): Path<(String, String)>,
    body: Result<Json<NodeRequest>, JsonRejection>,
) -> Answer<NodeRequest> {
    let cluster = facts.cluster(&name)?;
    let Json(request) = body.map_err(malformed)?;
    match cluster.act_on_node(&node, request.action).await {
        Ok(()) => Ok(Json(request)),
        Err(error @ NodeError::NoMachine { .. }) => Err(Refused(StatusCode::NOT_FOUND, error.to_string())),
        Err(error @ NodeError::NotSpot(_)) => Err(Refused(StatusCode::CONFLICT, error.to_string())),
    }
}

async fn set_clock(
    State(facts): Shared,
    Path(name): Path<String>,
    body: Result<Json<ClockRequest>, JsonRejection>,
) -> Answer<ClockRequest> {
    let cluster = facts.cluster(&name)?;
    let Json(request) = body.map_err(malformed)?;
    let by: GoDuration = request
        .by
        .parse()
        .map_err(|error| Refused(StatusCode::BAD_REQUEST, format!("by: {error}")))?;
    let time = cluster.set_clock(SignedDuration::from_nanos(by.nanos())).await;
    Ok(Json(ClockRequest {
        by: by.to_string(),
        time: Some(kube_world::seconds(time)),
    }))
}

async fn faults(State(facts): Shared, Path(name): Path<String>) -> Answer<Vec<FaultInfo>> {
    let cluster = facts.cluster(&name)?;
    let harms = cluster.faults();
    Ok(Json(harms.iter().map(|harm| info(cluster, harm)).collect()))
}

async fn add_fault(
    State(facts): Shared,
    Path(name): Path<String>,
    body: Result<Json<FaultRequest>, JsonRejection>,
) -> Answer<FaultInfo> {
    let cluster = facts.cluster(&name)?;
    let Json(request) = body.map_err(malformed)?;
    let harm = request::harm(cluster, &request).map_err(|text| Refused(StatusCode::BAD_REQUEST, text))?;
    match cluster.add_fault(harm) {
        Ok(harm) => Ok(Json(info(cluster, &harm))),
        Err(error) => Err(Refused(StatusCode::CONFLICT, error.to_string())),
    }
}

async fn clear(State(facts): Shared, Path(name): Path<String>) -> Answer<Cleared> {
    let cleared = facts.cluster(&name)?.clear_faults(None);
    Ok(Json(Cleared { cleared }))
}

async fn clear_one(State(facts): Shared, Path((name, fault)): Path<(String, String)>) -> Answer<Cleared> {
    let cleared = facts.cluster(&name)?.clear_faults(Some(&fault));
    if cleared.is_empty() {
        let text = format!("{name} has no fault {fault:?}");
        return Err(Refused(StatusCode::NOT_FOUND, text));
    }
    Ok(Json(Cleared { cleared }))
}

async fn snapshot(State(facts): Shared, Path(name): Path<String>) -> Result<Response, Refused> {
    let text = facts.cluster(&name)?.snapshot();
    Ok(([(header::CONTENT_TYPE, "application/yaml")], text).into_response())
}

async fn load(State(facts): Shared, Path(name): Path<String>, headers: HeaderMap, text: String) -> Answer<Loaded> {
    let cluster = facts.cluster(&name)?;
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if media != Some("application/yaml") {
        let text = "the body must be application/yaml".to_owned();
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let loaded = cluster.load(&text).await;
    let objects = loaded.map_err(|error| Refused(StatusCode::BAD_REQUEST, chain(&error)))?;
    Ok(Json(Loaded { objects }))
}

fn malformed(rejection: JsonRejection) -> Refused {
    Refused(rejection.status(), rejection.body_text())
}

fn info(cluster: &Living, harm: &Harm) -> FaultInfo {
    FaultInfo {
        name: harm.name().to_owned(),
        fault: harm.fault(),
        requests: harm.concerns(),
        until: harm.until().map(kube_world::seconds),
        seconds_left: cluster.left(harm).map(|left| left.as_secs()),
    }
}
