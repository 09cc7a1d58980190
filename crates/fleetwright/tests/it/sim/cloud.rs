//! A cloud behind the clusters: groups that grow, shrink and replace, and what goes wrong there and with clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Sim;

/// The API of a cluster of a simulation.
struct Api {
    url: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// How long something may take on the machine's clock before the test fails.
const PATIENCE: Duration = Duration::from_secs(240);

impl Api {
    fn of(sim: &Sim, cluster: usize) -> Self {
        let list: Value = serde_json::from_str(&sim.ok(&["sim", "list", "-o", "json"])).unwrap();
        let url = &list["items"][0]["clusters"][cluster]["server"];
        Self {
            url: url.as_str().unwrap().to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.url));
        self.runtime
            .block_on(async { request.send().await?.error_for_status()?.json().await })
            .unwrap()
    }

    fn post(&self, path: &str, body: &Value) {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        self.runtime
            .block_on(async { request.send().await?.error_for_status() })
            .unwrap();
    }

    fn delete(&self, path: &str) {
        let request = self.client.delete(format!("{}{path}", self.url));
        self.runtime
            .block_on(async { request.send().await?.error_for_status() })
            .unwrap();
    }

    /// Watches nodes until they are as wanted.
    fn nodes_until(&self, wanted: impl Fn(&BTreeMap<String, Node>) -> bool) -> BTreeMap<String, Node> {
        let mut nodes = BTreeMap::new();
        let seen = self.runtime.block_on(async {
            let url = format!("{}/api/v1/nodes?watch=true", self.url);
            let watch = async {
                let mut response = self.client.get(url).send().await.unwrap();
                let mut text = Vec::new();
                // The watch begins with all nodes that are there.
                while let Some(chunk) = response.chunk().await.unwrap() {
                    text.extend_from_slice(&chunk);
                    while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = text.drain(..=end).collect();
                        take(&mut nodes, &serde_json::from_slice(&line).unwrap());
                    }
                    if wanted(&nodes) {
                        return true;
                    }
                }
                false
            };
            tokio::time::timeout(PATIENCE, watch).await
        });
        assert_eq!(seen, Ok(true), "{nodes:?}");
        nodes
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    ready: bool,
    pool: String,
}

fn take(nodes: &mut BTreeMap<String, Node>, event: &Value) {
    let object = &event["object"];
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    if event["type"] == "DELETED" {
        nodes.remove(&name);
        return;
    }
    let conditions = object["status"]["conditions"].as_array();
    let is_ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    let node = Node {
        ready: conditions.into_iter().flatten().any(is_ready),
        pool: object["metadata"]["labels"]["node.kubernetes.io/node-pool"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    };
    nodes.insert(name, node);
}

fn ready(nodes: &BTreeMap<String, Node>) -> usize {
    nodes.values().filter(|node| node.ready).count()
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[test]
fn groups_grow_under_pending_pods_and_shrink_when_nodes_are_idle() {
    // Faster, and a busy machine is late with the heartbeats of nodes: those that seem lost are not taken for idle.
    let sim = Sim::up(&[
        "--nodes",
        "2",
        "--autoscaler=1:5",
        "--profile",
        "empty",
        "--speed",
        "100",
    ]);
    assert!(sim.welcome.contains("2 of 2 nodes"), "{}", sim.welcome);
    let api = Api::of(&sim, 0);
    // Two of these fit a node.
    api.post(
        DEPLOYMENTS,
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 6,
            "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                "containers": [{"name": "main", "image": "web:1", "resources": {"requests": {"cpu": "1500m"}}}]}}}}),
    );
    api.nodes_until(|nodes| ready(nodes) == 3);
    api.delete(&format!("{DEPLOYMENTS}/web?propagationPolicy=Background"));
    api.nodes_until(|nodes| nodes.len() == 1);
}

#[test]
fn a_spot_instance_gets_notice_goes_and_is_replaced() {
    let sim = Sim::up(&["--nodes", "3", "--spot", "1", "--profile", "shop", "--speed", "100"]);
    let api = Api::of(&sim, 0);
    let before = api.nodes_until(|nodes| ready(nodes) == 3);
    let in_pool = |pool: &str| before.iter().find(|(_, node)| node.pool == pool).unwrap().0.clone();
    let (own, spot) = (in_pool("worker"), in_pool("worker-spot"));
    let (well, text) = sim.fleetwright(&["sim", "fault", "spot-loss", &own]);
    assert!(!well && text.contains("is no spot instance"), "{text}");
    assert_eq!(
        sim.ok(&["sim", "fault", "spot-loss", &spot]),
        format!("machine/{spot} given notice\n")
    );
    let after = api.nodes_until(|nodes| !nodes.contains_key(&spot) && ready(nodes) == 3);
    assert_eq!(after.values().filter(|node| node.pool == "worker-spot").count(), 1);
    assert!(after.contains_key(&own));
}

#[test]
fn the_cloud_lacks_capacity_and_starts_what_never_becomes_a_node() {
    let sim = Sim::up(&["--nodes", "2", "--cloud", "--profile", "empty", "--speed", "100"]);
    let api = Api::of(&sim, 0);
    let first = api.nodes_until(|nodes| ready(nodes) == 2);
    let names: Vec<&String> = first.keys().collect();
    let text = sim.ok(&["sim", "fault", "cloud", "no-capacity", "--name", "full"]);
    assert_eq!(text, "fault/full: no-capacity for all instances\n");
    let text = sim.ok(&["sim", "fault", "remove-node", names[0]]);
    assert_eq!(text, format!("machine/{} removed\n", names[0]));
    api.nodes_until(|nodes| nodes.len() == 1);
    assert_eq!(sim.ok(&["sim", "fault", "clear", "full"]), "fault/full cleared\n");
    api.nodes_until(|nodes| ready(nodes) == 2);

    sim.ok(&["sim", "fault", "cloud", "never-ready"]);
    sim.ok(&[
        "sim",
        "fault",
        "cloud",
        "throttle",
        "--call",
        "DescribeAutoScalingGroups",
        "--chance",
        "0.25",
        "--for",
        "1h",
    ]);
    let table = sim.ok(&["sim", "fault", "list"]);
    assert!(
        table.contains("all new instances") && table.contains("25% of DescribeAutoScalingGroups"),
        "{table}"
    );
    sim.ok(&["sim", "fault", "remove-node", names[1]]);
    let sick = api.nodes_until(|nodes| nodes.len() == 2 && !nodes.contains_key(names[1]));
    assert_eq!(ready(&sick), 1, "{sick:?}");
}

#[test]
fn without_a_cloud_nothing_of_it_can_go_wrong() {
    let sim = Sim::up(&["--nodes", "1", "--profile", "empty"]);
    let (well, text) = sim.fleetwright(&["sim", "fault", "cloud", "no-capacity"]);
    assert_eq!(
        (well, text.as_str()),
        (
            false,
            "error: sim-1 has no cloud behind it: start the simulation with --cloud\n"
        )
    );
    let (well, text) = sim.fleetwright(&["sim", "fault", "cloud", "refuse", "--zone", "a"]);
    assert!(!well && text.contains("only for no-capacity"), "{text}");
}

#[test]
fn a_platform_of_many_teams_has_a_cloud_unless_told_otherwise() {
    for (args, in_cloud) in [
        (vec!["--profile", "zalando", "--nodes", "2"], true),
        (vec!["--profile", "zalando", "--nodes", "2", "--cloud=false"], false),
    ] {
        let sim = Sim::up(&args);
        let nodes = Api::of(&sim, 0).get("/api/v1/nodes");
        let name = nodes["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!(name.starts_with("ip-"), in_cloud, "{name}");
        assert!(sim.welcome.contains(&format!("kill-node {name} ")), "{}", sim.welcome);
    }
}

#[test]
fn a_cluster_whose_clock_is_set_lives_on() {
    let sim = Sim::up(&["--clusters", "2", "--nodes", "2", "--profile", "empty", "--speed", "20"]);
    let (set, other) = (Api::of(&sim, 0), Api::of(&sim, 1));
    let renewed = |api: &Api| -> jiff::Timestamp {
        let lease = api.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/worker-0");
        lease["spec"]["renewTime"].as_str().unwrap().parse().unwrap()
    };
    let text = sim.ok(&["sim", "fault", "clock", "2h", "--cluster", "sim-1"]);
    assert!(text.starts_with("clock/sim-1: set by 2h0m0s, shows "), "{text}");
    let apart = renewed(&set).duration_since(renewed(&other)).as_secs();
    assert!((7_000..7_400).contains(&apart), "{apart}");
    sim.ok(&["sim", "fault", "clock", "-4h", "--cluster", "sim-1"]);
    let apart = renewed(&set).duration_since(renewed(&other)).as_secs();
    assert!((-7_400..-7_000).contains(&apart), "{apart}");
    set.nodes_until(|nodes| ready(nodes) == 2);
    // A machine that dies now is noticed in its usual time.
    sim.ok(&["sim", "fault", "kill-node", "worker-0", "--cluster", "sim-1"]);
    let nodes = set.nodes_until(|nodes| ready(nodes) == 1 && nodes.len() == 2);
    assert!(nodes["worker-1"].ready);
}
