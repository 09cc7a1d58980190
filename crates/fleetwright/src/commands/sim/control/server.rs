//! The side that answers.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use cli_args::ApiFault;
use jiff::SignedDuration;
use kube_sim::{Calls, Fault, FaultRule, Requests};
use model::duration::GoDuration;

use super::{Cleared, ClusterInfo, FaultInfo, FaultRequest, Loaded, NodeAction, NodeRequest, Refusal, SimulationInfo};
use crate::commands::sim::living::Living;
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
    if let Some((first, _)) = facts.clusters.first() {
        info.time = kube_world::seconds(first.now());
    }
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
                faults: cluster.api_faults().len(),
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
    let there = match request.action {
        NodeAction::Kill => cluster.kill_node(&node).await,
        NodeAction::Revive => cluster.revive_node(&node).await,
        NodeAction::Remove => cluster.remove_node(&node).await,
    };
    if there {
        return Ok(Json(request));
    }
    let text = format!("there is no machine {node:?} in {name}");
    Err(Refused(StatusCode::NOT_FOUND, text))
}

async fn faults(State(facts): Shared, Path(name): Path<String>) -> Answer<Vec<FaultInfo>> {
    let cluster = facts.cluster(&name)?;
    let rules = cluster.api_faults();
    Ok(Json(rules.iter().map(|rule| info(cluster, rule)).collect()))
}

async fn add_fault(
    State(facts): Shared,
    Path(name): Path<String>,
    body: Result<Json<FaultRequest>, JsonRejection>,
) -> Answer<FaultInfo> {
    let cluster = facts.cluster(&name)?;
    let Json(request) = body.map_err(malformed)?;
    let rule = rule(cluster, &request).map_err(|text| Refused(StatusCode::BAD_REQUEST, text))?;
    let taken = format!("{name} has a fault {:?} already", rule.name);
    match cluster.add_api_fault(rule) {
        Some(rule) => Ok(Json(info(cluster, &rule))),
        None => Err(Refused(StatusCode::CONFLICT, taken)),
    }
}

async fn clear(State(facts): Shared, Path(name): Path<String>) -> Answer<Cleared> {
    let cleared = facts.cluster(&name)?.clear_api_faults(None);
    Ok(Json(Cleared { cleared }))
}

async fn clear_one(State(facts): Shared, Path((name, fault)): Path<(String, String)>) -> Answer<Cleared> {
    let cleared = facts.cluster(&name)?.clear_api_faults(Some(&fault));
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

/// The rule that a request asks for; its name is empty where none is given.
fn rule(cluster: &Living, request: &FaultRequest) -> Result<FaultRule, String> {
    let fault: ApiFault = request.fault.parse().map_err(|error| format!("fault: {error}"))?;
    let mut rule = FaultRule::new(request.name.as_deref().unwrap_or_default(), kind(&fault));
    if let Some(lasts) = &request.lasts {
        let time: GoDuration = lasts.parse().map_err(|error| format!("for: {error}"))?;
        let now = cluster.now();
        let end = now.saturating_add(SignedDuration::from_nanos(time.nanos()));
        rule = rule.between(now, end.map_err(|_| "for: must end within the calendar".to_owned())?);
    }
    rule.requests = Requests {
        verbs: request.verbs.iter().cloned().collect(),
        resources: request.resources.iter().cloned().collect(),
        user_agent: request.user_agent.clone().unwrap_or_default(),
    };
    rule.calls = match (request.every, request.chance) {
        (Some(_), Some(_)) => return Err("every, chance: only one of them".to_owned()),
        (Some(0), _) => return Err("every: must be at least 1".to_owned()),
        (Some(number), _) => Calls::Every(number),
        (_, Some(chance)) if (0.0..=1.0).contains(&chance) => Calls::Chance(chance),
        (_, Some(_)) => return Err("chance: must be from 0 to 1".to_owned()),
        (None, None) => Calls::All,
    };
    Ok(rule)
}

fn kind(fault: &ApiFault) -> Fault {
    match *fault {
        ApiFault::Refuse => Fault::Refuse,
        ApiFault::Dead => Fault::Dead,
        ApiFault::Delay(time) => Fault::Delay(time),
        ApiFault::Slow(time) => Fault::Slow(time),
        ApiFault::LoseReply => Fault::LoseReply,
        ApiFault::Code(401) => Fault::Unauthorized,
        ApiFault::Code(409) => Fault::Conflict,
        ApiFault::Code(410) => Fault::Gone,
        ApiFault::Code(503) => Fault::Unavailable,
        ApiFault::Code(_) => Fault::InternalError,
        ApiFault::TooManyRequests(seconds) => Fault::TooManyRequests(seconds),
        ApiFault::Stale(writes) => Fault::Stale(writes),
        ApiFault::WatchGap(time) => Fault::WatchGap(time),
        ApiFault::WatchCut(bytes) => Fault::WatchCut(bytes),
    }
}

fn info(cluster: &Living, rule: &FaultRule) -> FaultInfo {
    let end = rule.span.map(|(_, end)| end);
    FaultInfo {
        name: rule.name.clone(),
        fault: rule.fault.to_string(),
        requests: requests(rule),
        until: end.map(kube_world::seconds),
        seconds_left: end.map(|end| end.duration_since(cluster.now()).as_secs()),
    }
}

/// `half of list,watch pods by kubectl`.
fn requests(rule: &FaultRule) -> String {
    let mut words = vec![match rule.calls {
        Calls::All => "all".to_owned(),
        Calls::Nth(number) => format!("number {number} of"),
        Calls::Every(number) => format!("one in {number} of"),
        Calls::Chance(chance) => format!("{}% of", chance * 100.0),
    }];
    let join = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
    if !rule.requests.verbs.is_empty() {
        words.push(join(&rule.requests.verbs));
    }
    if rule.requests.resources.is_empty() {
        words.push("requests".to_owned());
    } else {
        words.push(join(&rule.requests.resources));
    }
    if !rule.requests.user_agent.is_empty() {
        words.push(format!("by {}", rule.requests.user_agent));
    }
    words.join(" ")
}
