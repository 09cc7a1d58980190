//! Controllers, scheduler and kubelets together: what a person with kubectl would see.

use std::sync::Arc;

use jiff::SignedDuration;
use json_tree::{Value, json};
use kube_sim::{Place, UserInfo};
use kube_world::invariants::Memory;
use kube_world::scheduler::KubeScheduler;
use kube_world::{NodeSpec, StepClock, World, controllers};
use ports::SeededIds;

use crate::support::{server, start};

struct Cluster {
    clock: Arc<StepClock>,
    world: World,
    memory: Memory,
}

const DEPLOYMENTS: Place<'static> = Place {
    group: "apps",
    version: "v1",
    resource: "deployments",
    namespace: "default",
};
const BUDGETS: Place<'static> = Place {
    group: "policy",
    version: "v1",
    resource: "poddisruptionbudgets",
    namespace: "default",
};

impl Cluster {
    async fn new(seed: u64, nodes: usize) -> Self {
        let clock = Arc::new(StepClock::at(start()));
        let builder = World::builder(server(&clock, seed))
            .seed(seed)
            .controllers(controllers());
        let mut world = builder
            .scheduler(Box::new(KubeScheduler::new(Arc::new(SeededIds::child(
                seed,
                "scheduler",
            )))))
            .build();
        for number in 0..nodes {
            world.add_node(NodeSpec::new(&format!("n{number}")));
        }
        let mut cluster = Self {
            clock,
            world,
            memory: Memory::default(),
        };
        cluster.pass(60).await;
        cluster
    }

    /// Lets time pass, a second at a time, and holds the world to its laws.
    async fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            let until = self.world.server().now() + SignedDuration::from_secs(1);
            self.world.advance_to(&self.clock, until).await;
            assert_eq!(self.memory.check(&self.world.view()), []);
        }
    }

    async fn create(&self, place: Place<'_>, object: Value) {
        let local = self.world.server().local(UserInfo::admin());
        local.create(place, object).await.unwrap();
    }

    async fn patch(&self, place: Place<'_>, name: &str, patch: Value) {
        let local = self.world.server().local(UserInfo::admin());
        local.patch(place, name, "", &patch).await.unwrap();
    }

    fn status(&self, place: Place<'_>, name: &str, field: &str) -> i64 {
        let object = self
            .world
            .server()
            .read(place.group, place.resource, place.namespace, name);
        object.unwrap()["status"][field].as_i64().unwrap_or(0)
    }

    fn pods(&self) -> Vec<Value> {
        self.world.server().read_all("", "pods", "default")
    }
}

fn web() -> Value {
    json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"replicas": 10,
        "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "web:1", "resources": {"requests": {"cpu": "100m"}}}]}}}})
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_deployment_becomes_ready_rolls_and_keeps_its_budget_through_a_drain() {
    let mut cluster = Cluster::new(3, 5).await;
    cluster.create(DEPLOYMENTS, web()).await;
    let budget = json!({"metadata": {"name": "web", "namespace": "default"},
        "spec": {"minAvailable": 9, "selector": {"matchLabels": {"app": "web"}}}});
    cluster.create(BUDGETS, budget).await;
    cluster.pass(60).await;
    assert_eq!(cluster.status(DEPLOYMENTS, "web", "readyReplicas"), 10);
    assert_eq!(cluster.status(BUDGETS, "web", "currentHealthy"), 10);
    assert_eq!(cluster.status(BUDGETS, "web", "desiredHealthy"), 9);
    assert_eq!(cluster.status(BUDGETS, "web", "disruptionsAllowed"), 1);

    let nodes = Place {
        group: "",
        version: "v1",
        resource: "nodes",
        namespace: "",
    };
    cluster
        .patch(nodes, "n0", json!({"spec": {"unschedulable": true}}))
        .await;
    let on_node = |cluster: &Cluster| -> Vec<String> {
        let here = cluster.pods().into_iter().filter(|pod| pod["spec"]["nodeName"] == "n0");
        here.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = on_node(&cluster).len();
    assert!(before > 1, "{before}");
    let mut refused = 0;
    for _ in 0..60 {
        for pod in on_node(&cluster) {
            let evicted = cluster
                .world
                .server()
                .local(UserInfo::admin())
                .evict("default", &pod)
                .await;
            refused += usize::from(evicted.is_err_and(|error| error.code == 429));
        }
        cluster.pass(5).await;
        assert!(cluster.status(DEPLOYMENTS, "web", "readyReplicas") >= 9);
    }
    assert_eq!(on_node(&cluster), [""; 0]);
    assert!(refused > 0, "two at once are one too many");

    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}}});
    cluster.patch(DEPLOYMENTS, "web", image).await;
    for _ in 0..90 {
        cluster.pass(1).await;
        assert!(cluster.status(DEPLOYMENTS, "web", "availableReplicas") >= 8);
    }
    assert_eq!(cluster.status(DEPLOYMENTS, "web", "updatedReplicas"), 10);
    assert_eq!(cluster.pods().len(), 10);
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_cluster_at_rest_does_nothing_and_two_runs_are_one() {
    let run = async || {
        let mut cluster = Cluster::new(9, 3).await;
        cluster.create(DEPLOYMENTS, web()).await;
        cluster.pass(120).await;
        let mut names: Vec<String> = cluster.pods().iter().map(ToString::to_string).collect();
        let steps = cluster.world.steps();
        cluster.pass(60).await;
        names.push((cluster.world.steps() - steps).to_string());
        names
    };
    let (one, two) = (run().await, run().await);
    assert_eq!(one, two);
    assert_eq!(one.last().map(String::as_str), Some("0"), "nothing is due");
}
