//! A server over the registry in memory, called in process; every answer is held against the OpenAPI document.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use jiff::Timestamp;
use ports::{Clock, SeededIds, SimClock};
use registry::{Access, Limits, Loopback, Server};
use serde_json::{Value, json};
use service::Shutdown;
use store::MemoryRegistry;
use tower::ServiceExt;

use crate::document;

pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) store: Arc<MemoryRegistry>,
    pub(crate) shutdown: Shutdown,
    pub(crate) token: Option<&'static str>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn open() -> Access {
    Access::Open(Loopback::new("127.0.0.1:1".parse().unwrap()).unwrap())
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(|_| open(), Limits::default())
    }

    pub(crate) fn with(access: impl FnOnce(Arc<dyn Clock>) -> Access, limits: Limits) -> Self {
        let clock = Arc::new(SimClock::starting_at(Timestamp::from_second(1_700_000_000).unwrap()));
        let shutdown = Shutdown::new();
        let store = Arc::new(MemoryRegistry::new(clock.clone()));
        let server = Server::new(
            store.clone(),
            clock.clone(),
            Arc::new(SeededIds::new(1)),
            shutdown.clone(),
        )
        .ledger(store.clone())
        .limits(limits);
        Self {
            router: server.router(access(clock.clone())),
            clock,
            store,
            shutdown,
            token: None,
        }
    }

    /// The same server, called with this token.
    pub(crate) fn as_(&self, token: &'static str) -> Self {
        Self {
            router: self.router.clone(),
            clock: Arc::clone(&self.clock),
            store: Arc::clone(&self.store),
            shutdown: self.shutdown.clone(),
            token: Some(token),
        }
    }

    /// Calls with the headers `name: value` and holds the answer against the document.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
        let answer = Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
        };
        document::check(method, path, &answer);
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Body::empty()).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        self.send(method, path, &[("content-type", "application/json")], body)
            .await
    }

    /// A server with an account and a cluster.
    pub(crate) async fn filled() -> Self {
        let app = Self::new();
        app.fill().await;
        app
    }

    pub(crate) async fn fill(&self) {
        assert_eq!(
            self.call("POST", "/infrastructure-accounts", account()).await.status,
            201
        );
        assert_eq!(
            self.call("POST", "/kubernetes-clusters", cluster("kube-1"))
                .await
                .status,
            201
        );
    }
}

pub(crate) const CLUSTER: &str = "/kubernetes-clusters/aws:123456789012:eu-central-1:kube-1";

pub(crate) fn account() -> Value {
    json!({
        "id": "aws:123456789012", "type": "aws", "name": "test", "owner": "team/bar", "cost_center": "0000123",
        "environment": "test", "criticality_level": 1, "external_id": "123456789012", "lifecycle_status": "ready"
    })
}

pub(crate) fn cluster(name: &str) -> Value {
    json!({
        "id": format!("aws:123456789012:eu-central-1:{name}"), "alias": name, "infrastructure_account": "aws:123456789012",
        "region": "eu-central-1", "local_id": name, "provider": "zalando-aws",
        "api_server_url": format!("https://{name}.foo.example.org/"), "channel": "alpha", "environment": "test",
        "criticality_level": 1, "lifecycle_status": "ready"
    })
}

pub(crate) fn pool(name: &str) -> Value {
    json!({
        "name": name, "profile": "worker-splitaz", "instance_types": ["m5.large"], "discount_strategy": "none",
        "min_size": 1, "max_size": 3, "config_items": {}
    })
}
