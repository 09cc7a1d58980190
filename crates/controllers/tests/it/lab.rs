//! A cluster on a paused clock.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use json_tree::{Value, json};
use kube_access::{Access, Context};
use kube_sim::{ApiServer, Place, UserInfo};
use kube_world::scheduler::KubeScheduler;
use kube_world::{NodeSpec, SharedWorld, World, controllers};
use ports::{Clock, SeededIds, SimClock};

pub(crate) struct Lab {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) server: ApiServer,
    pub(crate) world: SharedWorld,
    seed: u64,
}

impl Lab {
    pub(crate) async fn new(seed: u64) -> Self {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at(start));
        let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::child(seed, "api")));
        let scheduler = KubeScheduler::new(Arc::new(SeededIds::child(seed, "scheduler")));
        let builder = World::builder(server.clone()).seed(seed).controllers(controllers());
        let world = SharedWorld::new(builder.scheduler(Box::new(scheduler)).build());
        let (living, time) = (world.clone(), clock.clone());
        tokio::spawn(async move { living.run(&time).await });
        let lab = Self {
            clock,
            server,
            world,
            seed,
        };
        lab.pass(10).await;
        lab
    }

    pub(crate) fn access(&self, who: &str) -> Access {
        let context = Context::new(who, self.clock.clone(), Arc::new(SeededIds::child(self.seed, who)));
        Access::from_service(context, self.server.clone())
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn node(&self, spec: NodeSpec) {
        self.world
            .hold()
            .await
            .add_node(spec.label("lifecycle-status", "ready"));
    }

    pub(crate) fn read_node(&self, name: &str) -> Value {
        self.server.read("", "nodes", "", name).unwrap()
    }

    pub(crate) async fn create(&self, group: &str, resource: &str, object: Value) {
        let namespace = object["metadata"]["namespace"].as_str().unwrap().to_owned();
        let place = Place {
            group,
            version: "v1",
            resource,
            namespace: &namespace,
        };
        self.server
            .local(UserInfo::admin())
            .create(place, object)
            .await
            .unwrap();
    }

    pub(crate) async fn deployment(&self, name: &str, replicas: u32) {
        let labels = json!({"app": name, "team": "shop"});
        let object = json!({"metadata": {"name": name, "namespace": "default"}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {
                "containers": [{"name": "app", "image": "app:1"}]}}}});
        self.create("apps", "deployments", object).await;
    }

    pub(crate) async fn budget(&self, name: &str, max_unavailable: u32) {
        let object = json!({"metadata": {"name": name, "namespace": "default"},
            "spec": {"maxUnavailable": max_unavailable, "selector": {"matchLabels": {"app": name}}}});
        self.create("policy", "poddisruptionbudgets", object).await;
    }

    pub(crate) fn pods_on(&self, node: &str) -> usize {
        let pods = self.server.read_all("", "pods", "default");
        pods.iter().filter(|pod| pod["spec"]["nodeName"] == node).count()
    }
}
