//! Simulated clusters, ways to them, and a way that breaks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use kube_access::apply::{Applier, ApplyPlan, Component, Event, Memory, Pass, Policy, Reporter};
use kube_access::applyset::ApplySet;
use kube_access::{Access, Body, Context, Mode};
use kube_sim::{AllowAllWebhooks, ApiServer, ReplyBody, Webhooks};
use ports::{Clock, SeededIds, SimClock};
use serde_json::{Value, json};
use tower::{Service, ServiceExt};

/// A clock that begins in 2026. Must be called inside a runtime.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()))
}

/// A cluster whose webhooks all say yes.
pub(crate) fn server() -> ApiServer {
    ApiServer::builder(clock(), Arc::new(SeededIds::new(7)))
        .admission(Arc::new(Webhooks::new(Arc::new(AllowAllWebhooks))))
        .build()
}

pub(crate) fn context() -> Context {
    Context::new("test", clock(), Arc::new(SeededIds::child(7, "jitter")))
}

pub(crate) fn access(server: &ApiServer) -> Access {
    Access::from_service(context(), server.clone())
}

pub(crate) fn dry(server: &ApiServer) -> Access {
    let mut context = context();
    context.settings.mode = Mode::DryRun;
    Access::from_service(context, server.clone())
}

/// Remembers what it is told.
#[derive(Debug, Default)]
pub(crate) struct Log(pub(crate) Mutex<Vec<Event>>);

impl Reporter for Log {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// One set in one cluster with what is remembered of it.
pub(crate) struct Bench {
    pub(crate) server: ApiServer,
    pub(crate) applier: Applier,
    pub(crate) memory: Memory,
    pub(crate) log: Arc<Log>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Policy::default())
    }

    pub(crate) fn with(policy: Policy) -> Self {
        let server = server();
        let log = Arc::new(Log::default());
        let applier = Applier::new(access(&server), ApplySet::default())
            .policy(policy)
            .reporter(log.clone());
        Self {
            server,
            applier,
            memory: Memory::default(),
            log,
        }
    }

    /// The same set seen by an access of its own.
    pub(crate) fn seen_by(&self, access: Access) -> Applier {
        Applier::new(access, ApplySet::default())
    }

    pub(crate) async fn plan(&self, components: &[Component]) -> ApplyPlan {
        self.applier.plan(components).await.unwrap()
    }

    pub(crate) async fn pass(&mut self, components: &[Component]) -> Pass {
        let plan = self.plan(components).await;
        self.applier.apply(&plan, &mut self.memory, None).await.unwrap()
    }
}

/// The outcomes by name, in order.
pub(crate) fn words(pass: &Pass) -> Vec<(String, &'static str)> {
    pass.report
        .results
        .iter()
        .map(|result| (result.key.name.clone(), result.outcome.word()))
        .collect()
}

pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
}

pub(crate) fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}})
}

pub(crate) fn definition() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {"group": "example.org", "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]}})
}

pub(crate) fn thing(name: &str) -> Value {
    json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": name, "namespace": "default"}, "spec": {"size": 1}})
}

/// Sends a request as somebody else would.
pub(crate) async fn send(
    server: &ApiServer,
    method: &str,
    path: &str,
    media: &str,
    agent: &str,
    body: &Value,
) -> (u16, Value) {
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .header("user-agent", agent)
        .body(text)
        .unwrap();
    let response = server.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Somebody changes an object with a merge patch.
pub(crate) async fn merge(server: &ApiServer, path: &str, agent: &str, body: &Value) {
    let (code, reply) = send(server, "PATCH", path, "application/merge-patch+json", agent, body).await;
    assert_eq!(code, 200, "{path}: {reply}");
}

/// How a call breaks.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is answered with this status and body and not carried out.
    Refuse(u16, Value),
    /// It is carried out and the answer is lost.
    LoseAnswer,
    /// It is never carried out and never answered.
    Hang,
}

/// Tells from the number (counted from 0), method and address of a call whether it breaks.
type When = Arc<dyn Fn(usize, &str, &str) -> bool + Send + Sync>;

/// A way to a cluster on which chosen calls break.
#[derive(Clone)]
pub(crate) struct Breaking {
    server: ApiServer,
    when: When,
    fault: Fault,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Breaking {
    pub(crate) fn new(
        server: &ApiServer,
        fault: Fault,
        when: impl Fn(usize, &str, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            server: server.clone(),
            when: Arc::new(when),
            fault,
            calls: Arc::default(),
        }
    }

    /// The calls so far, as method and address.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

impl Service<http::Request<Body>> for Breaking {
    type Response = http::Response<ReplyBody>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _context: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (method, uri) = (request.method().to_string(), request.uri().to_string());
        let mut calls = self.calls.lock().unwrap();
        let breaks = (self.when)(calls.len(), &method, &uri);
        calls.push(format!("{method} {uri}"));
        drop(calls);
        let fault = breaks.then(|| self.fault.clone());
        let server = self.server.clone();
        Box::pin(async move {
            match fault {
                Some(Fault::Refuse(code, body)) => {
                    let body = Bytes::from(body.to_string());
                    Ok(http::Response::builder()
                        .status(code)
                        .body(ReplyBody::from(body))
                        .unwrap())
                }
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::LoseAnswer) => {
                    let response = server.oneshot(request).await.unwrap();
                    if !uri.contains("watch=true") {
                        response.into_body().collect().await.unwrap();
                    }
                    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
                }
                None => Ok(server.oneshot(request).await.unwrap()),
            }
        })
    }
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "yaml" || ext == "json") {
            out.push(path);
        }
    }
}

/// The folder of the fixture's manifests; none, and a line that says so, if it is not there.
pub(crate) fn fixture_folder() -> Option<PathBuf> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kubernetes-on-aws/normalised/manifests");
    if !root.is_dir() {
        println!("the fixture is not there: this test passes over it");
        return None;
    }
    Some(root)
}

/// The components of a real platform repository, in its order.
pub(crate) fn fixture() -> Option<Vec<Component>> {
    let root = fixture_folder()?;
    let folders = std::fs::read_dir(&root).unwrap();
    let mut folders: Vec<PathBuf> = folders
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let component = |folder: PathBuf| {
        let mut paths = Vec::new();
        files(&folder, &mut paths);
        let mut objects = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(path).unwrap();
            let documents = yaml::load_documents(&text, &yaml::Options::manifests()).unwrap();
            objects.extend(
                documents
                    .into_iter()
                    .map(|document| document.value)
                    .filter(Value::is_object),
            );
        }
        Component::new(folder.file_name().unwrap().to_str().unwrap(), objects)
    };
    Some(folders.into_iter().map(component).collect())
}
