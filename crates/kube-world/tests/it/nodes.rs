//! Machines that come, die, return and go, and what the cluster makes of it.

use std::time::Duration;

use json_tree::{Value, json};
use kube_sim::UserInfo;
use kube_world::{NodeSpec, NodeTimes};
use tower::ServiceExt;

use crate::support::{Bench, START, condition, pod};

fn taints(node: &Value) -> Vec<String> {
    let list = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let mut taints: Vec<_> = list
        .iter()
        .map(|taint| {
            format!(
                "{}:{}",
                taint["key"].as_str().unwrap(),
                taint["effect"].as_str().unwrap()
            )
        })
        .collect();
    taints.sort();
    taints
}

/// The second at which something becomes true.
async fn when(bench: &mut Bench, within: i64, done: impl Fn(&Bench) -> bool) -> Option<i64> {
    let begin = bench.elapsed();
    while bench.elapsed() - begin <= within {
        if done(bench) {
            return Some(bench.elapsed() - begin);
        }
        bench.pass(1).await;
    }
    None
}

fn ready(bench: &Bench, node: &str) -> String {
    bench
        .read("nodes", node)
        .map_or_else(|| "gone".to_owned(), |node| condition(&node, "Ready"))
}

#[tokio::test]
async fn a_machine_boots_registers_and_gets_ready() {
    let mut bench = Bench::new(1);
    let mut spec = NodeSpec::new("a")
        .label("pool", "x")
        .taint("dedicated", "db", "NoSchedule");
    spec.boot_delay = Duration::from_secs(60);
    spec.ready_delay = Some(Duration::from_secs(15));
    spec.provider_id = "aws:///eu-central-1a/i-1".to_owned();
    bench.world.add_node(spec);
    bench.pass(59).await;
    assert_eq!(ready(&bench, "a"), "gone");
    bench.pass(1).await;
    let node = bench.read("nodes", "a").unwrap();
    assert_eq!(condition(&node, "Ready"), "False");
    let tainted = [
        "dedicated:NoSchedule",
        "node.kubernetes.io/not-ready:NoExecute",
        "node.kubernetes.io/not-ready:NoSchedule",
    ];
    assert_eq!(taints(&node), tainted);
    bench.pass(15).await;
    let node = bench.read("nodes", "a").unwrap();
    assert_eq!(condition(&node, "Ready"), "True");
    assert_eq!(taints(&node), ["dedicated:NoSchedule"]);
    assert_eq!(node["metadata"]["labels"]["pool"], "x");
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "a");
    assert_eq!(node["spec"]["providerID"], "aws:///eu-central-1a/i-1");
    assert_eq!(node["status"]["allocatable"]["cpu"], "4");
    let lease = bench
        .world
        .server()
        .read("coordination.k8s.io", "leases", "kube-node-lease", "a");
    assert_eq!(lease.unwrap()["spec"]["holderIdentity"], "a");
}

#[tokio::test]
async fn a_machine_may_boot_and_never_become_ready() {
    let mut bench = Bench::new(1);
    let mut spec = NodeSpec::new("a");
    spec.ready_delay = None;
    bench.world.add_node(spec);
    bench.pass(7_200).await;
    assert_eq!(ready(&bench, "a"), "False");
}

#[tokio::test]
async fn heartbeats_are_worked_out_for_who_reads() {
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    // Past the hour for which the events of the beginning are kept.
    bench.pass(3_605).await;
    let version = bench.world.server().resource_version();
    bench.pass(3_600).await;
    let get = async |bench: &Bench, path: &str| {
        let request = http::Request::get(path).body(String::new()).unwrap();
        let response = bench.world.server().clone().oneshot(request).await.unwrap();
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let lease_path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a";
    let time = |seconds: i64| jiff::Timestamp::from_second(START + seconds).unwrap().to_string();
    let renewed = |lease: &Value| lease["spec"]["renewTime"].as_str().unwrap().replace(".000000", "");
    assert_eq!(renewed(&get(&bench, lease_path).await), time(7_200));
    let node = get(&bench, "/api/v1/nodes/a").await;
    assert_eq!(node["status"]["conditions"][3]["lastHeartbeatTime"], time(7_200));
    assert_eq!(node["status"]["conditions"][3]["lastTransitionTime"], time(0));
    assert_eq!(bench.world.server().resource_version(), version);
    bench.world.kill_node("a");
    bench.pass(25).await;
    assert_eq!(renewed(&get(&bench, lease_path).await), time(7_200));
}

#[tokio::test]
async fn a_dead_node_is_noticed_and_its_pods_are_evicted_and_wait() {
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    bench.pass(10).await;
    bench.pod(pod("p", "a", &[])).await;
    bench.pass(50).await;
    assert_eq!(bench.phase("p"), "Running ready");
    // It dies right after a heartbeat: forty seconds later it counts as silent.
    bench.world.kill_node("a");
    let silent = when(&mut bench, 100, |bench| ready(bench, "a") == "Unknown").await;
    assert_eq!(silent, Some(40));
    let node = bench.read("nodes", "a").unwrap();
    assert_eq!(
        taints(&node),
        [
            "node.kubernetes.io/unreachable:NoExecute",
            "node.kubernetes.io/unreachable:NoSchedule"
        ]
    );
    assert_eq!(bench.phase("p"), "Running");
    let evicted = when(&mut bench, 400, |bench| bench.phase("p").contains("terminating")).await;
    assert_eq!(evicted, Some(300));
    assert_eq!(condition(&bench.read("pods", "p").unwrap(), "DisruptionTarget"), "True");
    // Nobody can tell that it has stopped, so it stays until the node's object goes.
    bench.pass(86_400).await;
    assert_eq!(bench.phase("p"), "Running terminating");
    bench.world.remove_node("a");
    let gone = when(&mut bench, 10, |bench| bench.phase("p") == "gone").await;
    assert!(gone.is_some_and(|seconds| seconds <= 2), "{gone:?}");
    assert_eq!(ready(&bench, "a"), "gone");
}

#[tokio::test]
async fn a_node_that_returns_takes_up_its_work() {
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    bench.pod(pod("stays", "a", &[])).await;
    let mut brief = pod("goes", "a", &[]);
    brief["spec"]["tolerations"] = json!([{
        "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10}]);
    bench.pod(brief).await;
    bench.pass(60).await;
    bench.world.kill_node("a");
    bench.pass(120).await;
    assert_eq!(
        (bench.phase("stays").as_str(), bench.phase("goes").as_str()),
        ("Running", "Running terminating")
    );
    bench.world.revive_node("a");
    bench.pass(30).await;
    assert_eq!(ready(&bench, "a"), "True");
    assert_eq!(taints(&bench.read("nodes", "a").unwrap()), Vec::<String>::new());
    assert_eq!(
        (bench.phase("stays").as_str(), bench.phase("goes").as_str()),
        ("Running ready", "gone")
    );
}

#[tokio::test]
async fn a_removed_machine_takes_its_node_with_it() {
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    bench.pod(pod("p", "a", &[])).await;
    bench.pass(63).await;
    bench.world.remove_node("a");
    let gone = when(&mut bench, 100, |bench| ready(bench, "a") == "gone").await;
    // The last heartbeat was three seconds before, and looks are five seconds apart.
    assert!(gone.is_some_and(|seconds| (37..=42).contains(&seconds)), "{gone:?}");
    bench.pass(3).await;
    assert_eq!(bench.phase("p"), "gone");
    assert!(!bench.world.remove_node("a"));
}

#[tokio::test]
async fn a_graceful_shutdown_ends_pods_and_says_why() {
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    bench.pod(pod("p", "a", &[("stop-after", "20s")])).await;
    bench.pod(pod("slow", "a", &[("stop-after", "1h")])).await;
    bench.pass(60).await;
    bench.world.shutdown_node("a", Some(Duration::from_secs(60)));
    bench.pass(1).await;
    assert_eq!(ready(&bench, "a"), "False");
    bench.pass(20).await;
    assert_eq!(
        (bench.phase("p").as_str(), bench.phase("slow").as_str()),
        ("Failed", "Running")
    );
    assert_eq!(bench.read("pods", "p").unwrap()["status"]["reason"], "Terminated");
    bench.pass(20).await;
    let slow = bench.read("pods", "slow").unwrap();
    assert_eq!(
        slow["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"],
        137
    );
    bench.pass(120).await;
    assert_eq!(ready(&bench, "a"), "Unknown");
}

#[tokio::test]
async fn a_cordon_becomes_a_taint() {
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    bench.pass(1).await;
    let nodes = kube_sim::Place {
        group: "",
        version: "v1",
        resource: "nodes",
        namespace: "",
    };
    for (cordoned, expected) in [
        (true, vec!["node.kubernetes.io/unschedulable:NoSchedule"]),
        (false, vec![]),
    ] {
        let admin = bench.world.server().local(UserInfo::admin());
        let patch = json!({"spec": {"unschedulable": cordoned}});
        admin.patch(nodes, "a", "", &patch).await.unwrap();
        bench.pass(1).await;
        assert_eq!(taints(&bench.read("nodes", "a").unwrap()), expected);
    }
}

#[tokio::test]
async fn a_node_that_nobody_speaks_for_becomes_unknown() {
    let mut bench = Bench::new(1);
    bench
        .create("", "v1", "nodes", json!({"metadata": {"name": "ghost"}}))
        .await;
    bench.pass(50).await;
    assert_eq!(ready(&bench, "ghost"), "");
    bench.pass(15).await;
    assert_eq!(ready(&bench, "ghost"), "Unknown");
}

#[tokio::test]
async fn the_oldest_pods_that_ended_go_when_there_are_too_many() {
    let times = NodeTimes {
        ended_pods: 3,
        ..NodeTimes::default()
    };
    let mut bench = Bench::with_times(1, times);
    bench.world.add_node(NodeSpec::new("a"));
    for number in 0..5 {
        let mut ends = pod(&format!("p{number}"), "a", &[("exit-after", "2s")]);
        ends["spec"]["restartPolicy"] = json!("Never");
        bench.pod(ends).await;
        bench.pass(1).await;
    }
    bench.pod(pod("stays", "a", &[])).await;
    bench.pass(60).await;
    let left: Vec<String> = (0..5).map(|number| bench.phase(&format!("p{number}"))).collect();
    assert_eq!(left, ["gone", "gone", "Succeeded", "Succeeded", "Succeeded"]);
    assert_eq!(bench.phase("stays"), "Running ready");
}

#[tokio::test]
async fn a_node_out_of_service_lets_its_terminating_pods_go() {
    let mut bench = Bench::new(1);
    bench.world.add_node(NodeSpec::new("a"));
    bench.pod(pod("p", "a", &[])).await;
    bench.pod(pod("bystander", "a", &[])).await;
    bench.pass(30).await;
    bench.world.kill_node("a");
    bench.pass(60).await;
    bench.delete_pod("p", None).await;
    bench.pass(120).await;
    assert!(
        bench.phase("p").ends_with("terminating"),
        "nobody is there who could end it"
    );
    let nodes = kube_sim::Place {
        group: "",
        version: "v1",
        resource: "nodes",
        namespace: "",
    };
    let mut taints = bench.read("nodes", "a").unwrap()["spec"]["taints"].clone();
    let taint = json!({"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoSchedule"});
    taints.as_array_mut().unwrap().push(taint);
    let admin = bench.world.server().local(UserInfo::admin());
    admin
        .patch(nodes, "a", "", &json!({"spec": {"taints": taints}}))
        .await
        .unwrap();
    bench.pass(1).await;
    assert_eq!(bench.phase("p"), "gone");
    assert_ne!(bench.phase("bystander"), "gone");
}
