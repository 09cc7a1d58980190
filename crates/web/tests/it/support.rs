//! A registry with three clusters, and requests to its pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use jiff::Timestamp;
use model::{Cluster, ClusterId, ClusterVersion, InfrastructureAccount, Progress, Update, UpdateStep};
use ports::ledger::EntryDraft;
use ports::{Clock, Ledger, Registry, SystemClock, SystemIds, WriteContext};
use registry::{Access, Loopback};
use rollout::ClusterStatus;
use serde_json::{Value, json};
use store::MemoryRegistry;
use web::{ChannelHead, ItemOrigin, Pages, Surroundings, Workloads};

/// The world that the pages look at.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryRegistry>,
    pub(crate) pages: Pages,
}

/// What the surroundings say in tests.
struct Known;

#[async_trait]
impl Surroundings for Known {
    async fn channel(&self, channel: &str) -> Option<ChannelHead> {
        (channel == "beta").then(|| ChannelHead {
            config: "c0ffee1234".to_owned(),
            summary: Some("Roll <the> proxy".to_owned()),
            committed_at: None,
        })
    }

    async fn rollouts(&self, clusters: &BTreeSet<ClusterId>) -> BTreeMap<ClusterId, Arc<ClusterStatus>> {
        let at = Timestamp::UNIX_EPOCH;
        let status = |cluster: &ClusterId| {
            let outdated = u32::from(!cluster.as_str().ends_with(":shop"));
            let status = json!({
                "cluster": cluster, "at": at, "complete": true, "blocked": null, "trouble": [],
                "pools": [{"pool": "workers", "phase": "rolling", "desired": 3, "ready": 2, "outdated": outdated,
                    "failed_replacements": 0, "waits": ["waits for a new node"], "trouble": [], "nodes": []}],
            });
            Arc::new(serde_json::from_value(status).unwrap())
        };
        let known = clusters.iter().map(|cluster| (cluster.clone(), status(cluster)));
        known.collect()
    }

    async fn workloads(&self, cluster: &Cluster) -> Result<Workloads, String> {
        if cluster.alias.as_str() == "shop-test" {
            return Err("cluster shop-test does not answer".to_owned());
        }
        let node = json!({"metadata": {"name": "node-1", "labels": {"node.kubernetes.io/node-pool": "workers"}},
            "status": {"capacity": {"cpu": "4"}, "allocatable": {"cpu": "3800m"}, "conditions": [{"type": "Ready", "status": "True"}]}});
        let pod = |name: &str, node: &str| json!({"metadata": {"namespace": "shop", "name": name}, "spec": {"nodeName": node}, "status": {"phase": "Pending"}});
        Ok(Workloads::of(
            &[node],
            &[pod("cart-1", "node-1"), pod("cart-2", "")],
            Timestamp::UNIX_EPOCH,
        ))
    }

    async fn items(&self, _: &Cluster) -> Option<Vec<ItemOrigin>> {
        None
    }
}

fn cluster(alias: &str, channel: &str, environment: &str, config: &str) -> Cluster {
    let mut cluster: Cluster = serde_json::from_value(json!({
        "id": format!("aws:123456789012:eu-central-1:{alias}"), "alias": alias, "local_id": alias, "region": "eu-central-1",
        "infrastructure_account": "aws:123456789012", "provider": "simulated", "api_server_url": format!("https://{alias}.example.org"),
        "channel": channel, "environment": environment, "criticality_level": 2, "lifecycle_status": "ready",
        "config_items": {"dns_replicas": "2", "proxy_password": "hunter2<b>"},
        "node_pools": [{"name": "workers", "profile": "worker-splitaz", "instance_types": ["m6i.large"], "discount_strategy": "none", "min_size": 1, "max_size": 5}],
    }))
    .unwrap();
    cluster.status.current_version = ClusterVersion::of(config, &cluster).to_string();
    cluster
}

/// Three clusters; `shop` has the version of its channel, `blog` an older one, `shop-test` an update that fails.
pub(crate) async fn world(access: Access) -> World {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(MemoryRegistry::new(Arc::clone(&clock)));
    let context = WriteContext::by("test", "r1");
    let account: InfrastructureAccount = serde_json::from_value(json!({
        "id": "aws:123456789012", "type": "aws", "name": "shop", "owner": "team/shop", "cost_center": "1",
        "environment": "production", "criticality_level": 2, "external_id": "123456789012", "lifecycle_status": "ready",
    }))
    .unwrap();
    store.create_account(account, &context).await.unwrap();
    for (alias, channel, environment, config) in [
        ("shop", "beta", "production", "c0ffee1234"),
        ("blog", "beta", "production", "0ldc0de"),
        ("shop-test", "dev", "test", "abc"),
    ] {
        store
            .create_cluster(cluster(alias, channel, environment, config), &context)
            .await
            .unwrap();
    }
    let step = |path: &str, progress, message: &str| UpdateStep {
        path: path.to_owned(),
        progress,
        message: message.to_owned(),
        ..UpdateStep::default()
    };
    let update = Update {
        to: "beef#x".to_owned(),
        channel: "dev".to_owned(),
        cause: "version".to_owned(),
        progress: Progress::Failing,
        steps: vec![
            step("manifests/dns", Progress::Done, "2 objects"),
            step("pools/workers", Progress::Failing, "no capacity in eu-central-1a"),
        ],
        ..Update::default()
    };
    let draft = EntryDraft {
        kind: "update".parse().unwrap(),
        id: "shop-test.1".parse().unwrap(),
        cluster: Some("aws:123456789012:eu-central-1:shop-test".parse().unwrap()),
        open: true,
        body: serde_json::to_value(update).unwrap(),
        items: Vec::new(),
    };
    store.put_entry(draft, &context).await.unwrap();
    let pages = Pages::new(
        Arc::clone(&store) as _,
        Arc::clone(&store) as _,
        clock,
        Arc::new(SystemIds),
        access,
    );
    World {
        pages: pages.surroundings(Arc::new(Known)),
        store,
    }
}

/// Access for everybody on this machine.
pub(crate) fn open() -> Access {
    Access::Open(Loopback::new("127.0.0.1:0".parse().unwrap()).unwrap())
}

impl World {
    fn router(&self) -> Router {
        self.pages.clone().router()
    }

    /// The answer to a request, with its head.
    pub(crate) async fn send(&self, request: Request<Body>) -> (StatusCode, http::HeaderMap, String) {
        let answer = tower::ServiceExt::oneshot(self.router(), request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let (status, _, body) = self.send(Request::get(path).body(Body::empty()).unwrap()).await;
        (status, body)
    }

    pub(crate) fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Writes an open entry of the ledger.
    pub(crate) async fn put(&self, kind: &str, id: &str, body: &Value) {
        let draft = EntryDraft {
            kind: kind.parse().unwrap(),
            id: id.parse().unwrap(),
            cluster: None,
            open: true,
            body: body.clone(),
            items: Vec::new(),
        };
        self.store
            .put_entry(draft, &WriteContext::by("test", "r2"))
            .await
            .unwrap();
    }

    /// A form as a browser sends it from a page of this server.
    pub(crate) async fn post(&self, path: &str, form: &str) -> (StatusCode, http::HeaderMap, String) {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(Body::from(form.to_owned()));
        self.send(request.unwrap()).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}
