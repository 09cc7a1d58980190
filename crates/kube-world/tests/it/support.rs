//! A world on a clock that jumps, with short ways to look at it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::{ApiServer, DeleteOptions, Place, UserInfo};
use kube_world::invariants::Memory;
use kube_world::{NodeTimes, Profile, StepClock, World};
use ports::SeededIds;

/// When every test begins: a whole minute.
pub(crate) const START: i64 = 1_750_000_020;

pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

pub(crate) struct Bench {
    pub(crate) clock: Arc<StepClock>,
    pub(crate) world: World,
    memory: Memory,
}

pub(crate) fn server(clock: &Arc<StepClock>, seed: u64) -> ApiServer {
    ApiServer::new(clock.clone(), Arc::new(SeededIds::child(seed, "api")))
}

impl Bench {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_profile(seed, Profile::default())
    }

    pub(crate) fn with_profile(seed: u64, profile: Profile) -> Self {
        let clock = Arc::new(StepClock::at(start()));
        let world = World::builder(server(&clock, seed)).seed(seed).profile(profile).build();
        Self {
            clock,
            world,
            memory: Memory::default(),
        }
    }

    /// A world whose control plane is as patient as told.
    pub(crate) fn with_times(seed: u64, times: NodeTimes) -> Self {
        let clock = Arc::new(StepClock::at(start()));
        let world = World::builder(server(&clock, seed))
            .seed(seed)
            .node_times(times)
            .build();
        Self {
            clock,
            world,
            memory: Memory::default(),
        }
    }

    /// Lets time pass and holds the world to its laws.
    pub(crate) async fn pass(&mut self, seconds: i64) -> u64 {
        let until = self.world.server().now() + SignedDuration::from_secs(seconds);
        let steps = self.world.advance_to(&self.clock, until).await;
        assert_eq!(self.memory.check(&self.world.view()), []);
        steps
    }

    /// Seconds since the beginning.
    pub(crate) fn elapsed(&self) -> i64 {
        self.world.server().now().as_second() - START
    }

    pub(crate) async fn create(&self, group: &str, version: &str, resource: &str, object: Value) {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let place = Place {
            group,
            version,
            resource,
            namespace: &namespace,
        };
        self.world
            .server()
            .local(UserInfo::admin())
            .create(place, object)
            .await
            .unwrap();
    }

    pub(crate) async fn pod(&self, pod: Value) {
        self.create("", "v1", "pods", pod).await;
    }

    pub(crate) async fn delete_pod(&self, name: &str, grace: Option<i64>) {
        let options = DeleteOptions {
            grace_period_seconds: grace,
            ..DeleteOptions::default()
        };
        let place = pods();
        self.world
            .server()
            .local(UserInfo::admin())
            .delete(place, name, &options)
            .await
            .unwrap();
    }

    pub(crate) fn read(&self, resource: &str, name: &str) -> Option<Value> {
        let namespace = if resource == "nodes" { "" } else { "default" };
        self.world.server().read("", resource, namespace, name)
    }

    pub(crate) fn phase(&self, pod: &str) -> String {
        match self.read("pods", pod) {
            None => "gone".to_owned(),
            Some(pod) => {
                let phase = pod["status"]["phase"].as_str().unwrap_or_default();
                let ending = if pod["metadata"]["deletionTimestamp"].is_null() {
                    ""
                } else {
                    " terminating"
                };
                let ready = if condition(&pod, "Ready") == "True" {
                    " ready"
                } else {
                    ""
                };
                format!("{phase}{ready}{ending}")
            }
        }
    }

    /// The reasons of the events about an object, with their counts.
    pub(crate) fn events(&self, name: &str) -> Vec<(String, i64)> {
        let all = self.world.server().read_all("", "events", "");
        all.iter()
            .filter(|event| event["involvedObject"]["name"] == name)
            .map(|event| {
                (
                    event["reason"].as_str().unwrap().to_owned(),
                    event["count"].as_i64().unwrap(),
                )
            })
            .collect()
    }
}

pub(crate) fn pods() -> Place<'static> {
    Place {
        group: "",
        version: "v1",
        resource: "pods",
        namespace: "default",
    }
}

pub(crate) fn condition(object: &Value, r#type: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == r#type);
    found.map_or_else(String::new, |found| found["status"].as_str().unwrap().to_owned())
}

/// A pod bound to a node, with annotations of ours (without their prefix).
pub(crate) fn pod(name: &str, node: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: Value = annotations
        .iter()
        .map(|(key, value)| (format!("sim.fleetwright.dev/{key}"), json!(value)))
        .collect::<json_tree::Map>()
        .into();
    json!({
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {"nodeName": node, "containers": [
            {"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}})
}
