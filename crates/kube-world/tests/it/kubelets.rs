//! Pods on their nodes.

use json_tree::{Value, json};
use kube_sim::{DeleteOptions, UserInfo};
use kube_world::{NodeSpec, Profile};

use crate::support::{Bench, condition, pod, pods};

/// Delays without a draw, so that figures can be told.
fn exact() -> Profile {
    let secs = |seconds| std::time::Duration::from_secs(seconds)..=std::time::Duration::from_secs(seconds);
    Profile {
        start: secs(2),
        init: secs(3),
        ready: secs(4),
        stop: secs(5),
        work: secs(20),
        ..Profile::default()
    }
}

async fn bench() -> Bench {
    let mut bench = Bench::with_profile(1, exact());
    bench.world.add_node(NodeSpec::new("a"));
    bench.pass(10).await;
    bench
}

/// The phases of a pod over time: the seconds since its creation at which each begins.
async fn course(bench: &mut Bench, name: &str, seconds: i64) -> Vec<(i64, String)> {
    let begin = bench.elapsed();
    let mut course: Vec<(i64, String)> = Vec::new();
    loop {
        let phase = bench.phase(name);
        if course.last().is_none_or(|(_, last)| *last != phase) {
            course.push((bench.elapsed() - begin, phase));
        }
        if bench.elapsed() - begin >= seconds {
            return course;
        }
        bench.pass(1).await;
    }
}

fn told(course: &[(i64, String)]) -> Vec<(i64, &str)> {
    course.iter().map(|(at, phase)| (*at, phase.as_str())).collect()
}

#[tokio::test]
async fn a_bound_pod_runs_and_becomes_ready() {
    let mut bench = bench().await;
    let mut with_all = pod("p", "a", &[]);
    with_all["spec"]["initContainers"] = json!([
        {"name": "i1", "image": "i"}, {"name": "side", "image": "s", "restartPolicy": "Always"}, {"name": "i2", "image": "i"}]);
    with_all["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"path": "/", "port": 80}});
    bench.pod(with_all).await;
    let course = course(&mut bench, "p", 30).await;
    assert_eq!(told(&course), [(0, "Pending"), (8, "Running"), (12, "Running ready")]);
    let pod = bench.read("pods", "p").unwrap();
    let status = &pod["status"];
    assert_eq!(status["hostIP"], "172.16.0.10");
    assert_eq!(status["podIP"], "10.64.1.2");
    assert_eq!(status["containerStatuses"][0]["started"], true);
    let inits: Vec<_> = status["initContainerStatuses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["state"])
        .collect();
    assert!(
        inits[0]["terminated"]["exitCode"] == 0
            && inits[1]["running"].is_object()
            && inits[2]["terminated"].is_object()
    );
    for r#type in [
        "PodScheduled",
        "Initialized",
        "ContainersReady",
        "Ready",
        "PodReadyToStartContainers",
    ] {
        assert_eq!(condition(&pod, r#type), "True", "{type}");
    }
}

#[tokio::test]
async fn annotations_decide_how_a_pod_behaves() {
    let check = async |annotations: &[(&str, &str)], policy: &str, expected: &[(i64, &str)]| {
        let mut bench = bench().await;
        let mut pod = pod("p", "a", annotations);
        pod["spec"]["restartPolicy"] = policy.into();
        bench.pod(pod).await;
        let course = course(&mut bench, "p", 60).await;
        assert_eq!(told(&course), expected, "{annotations:?} {policy}");
    };
    check(
        &[("start-after", "7s")],
        "Always",
        &[(0, "Pending"), (7, "Running ready")],
    )
    .await;
    check(
        &[("ready-after", "9s")],
        "Always",
        &[(0, "Pending"), (2, "Running"), (11, "Running ready")],
    )
    .await;
    check(&[("never-ready", "true")], "Always", &[(0, "Pending"), (2, "Running")]).await;
    check(&[("image-pull-error", "true")], "Always", &[(0, "Pending")]).await;
    let flaky = [("readiness-fails-at", "10s"), ("readiness-fails-for", "5s")];
    let course = [
        (0, "Pending"),
        (2, "Running ready"),
        (12, "Running"),
        (17, "Running ready"),
    ];
    check(&flaky, "Always", &course).await;
    check(&[], "Never", &[(0, "Pending"), (2, "Running ready"), (22, "Succeeded")]).await;
    let exit = [("exit-after", "10s"), ("exit-code", "3")];
    check(&exit, "Never", &[(0, "Pending"), (2, "Running ready"), (12, "Failed")]).await;
}

#[tokio::test]
async fn a_crashing_container_backs_off() {
    let mut bench = bench().await;
    bench
        .pod(pod("p", "a", &[("crash-after", "5s"), ("start-after", "0s")]))
        .await;
    bench.pass(7).await;
    let status = |bench: &Bench| bench.read("pods", "p").unwrap()["status"]["containerStatuses"][0].clone();
    assert_eq!(status(&bench)["restartCount"], 1);
    bench.pass(6).await;
    let now = status(&bench);
    assert_eq!(now["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(now["lastState"]["terminated"]["exitCode"], 1);
    assert_eq!(bench.phase("p"), "Running");
    bench.pass(600).await;
    assert_eq!(status(&bench)["restartCount"], 6);
}

#[tokio::test]
async fn a_pod_stops_within_its_grace_period() {
    let check = async |annotations: &[(&str, &str)], grace: Option<i64>, expected: &[(i64, &str)]| {
        let mut bench = bench().await;
        bench.pod(pod("p", "a", annotations)).await;
        bench.pass(20).await;
        bench.delete_pod("p", grace).await;
        let course = course(&mut bench, "p", 100).await;
        assert_eq!(told(&course), expected, "{annotations:?} {grace:?}");
    };
    check(&[], None, &[(0, "Running ready terminating"), (5, "gone")]).await;
    check(
        &[("stop-after", "1h")],
        None,
        &[(0, "Running ready terminating"), (30, "gone")],
    )
    .await;
    check(
        &[("stop-after", "1h")],
        Some(3),
        &[(0, "Running ready terminating"), (3, "gone")],
    )
    .await;
    check(&[], Some(0), &[(0, "gone")]).await;
    check(
        &[("stuck-terminating", "true")],
        None,
        &[(0, "Running ready terminating")],
    )
    .await;
}

#[tokio::test]
async fn a_stuck_pod_goes_by_force_and_a_held_one_shows_its_end() {
    let mut bench = bench().await;
    bench.pod(pod("stuck", "a", &[("stuck-terminating", "true")])).await;
    let mut held = pod("held", "a", &[]);
    held["metadata"]["finalizers"] = json!(["example.org/wait"]);
    bench.pod(held).await;
    bench.pass(20).await;
    bench.delete_pod("stuck", None).await;
    bench.delete_pod("held", None).await;
    bench.pass(60).await;
    assert_eq!(bench.phase("stuck"), "Running ready terminating");
    assert_eq!(bench.phase("held"), "Succeeded terminating");
    bench.delete_pod("stuck", Some(0)).await;
    let release = json!({"metadata": {"finalizers": null}});
    let admin = bench.world.server().local(UserInfo::admin());
    admin.patch(pods(), "held", "", &release).await.unwrap();
    bench.pass(1).await;
    assert_eq!(
        (bench.phase("stuck").as_str(), bench.phase("held").as_str()),
        ("gone", "gone")
    );
}

#[tokio::test]
async fn readiness_gates_wait_for_their_conditions() {
    let mut bench = bench().await;
    let mut gated = pod("p", "a", &[]);
    gated["spec"]["readinessGates"] = json!([{"conditionType": "example.org/lb"}]);
    bench.pod(gated).await;
    bench.pass(20).await;
    assert_eq!(bench.phase("p"), "Running");
    let admin = bench.world.server().local(UserInfo::admin());
    let open = |pod: &Value| {
        let mut pod = pod.clone();
        let list = pod["status"]["conditions"].as_array_mut().unwrap();
        list.push(json!({"type": "example.org/lb", "status": "True"}));
        Ok(pod)
    };
    admin.edit(pods(), "p", "status", &open).await.unwrap();
    bench.pass(1).await;
    assert_eq!(bench.phase("p"), "Running ready");
}

#[tokio::test]
async fn a_full_node_refuses_pods() {
    let mut bench = Bench::with_profile(1, exact());
    bench.world.add_node(NodeSpec::new("a").capacity("cpu", "250m"));
    bench.world.add_node(NodeSpec::new("b").capacity("pods", "1"));
    bench.pass(10).await;
    for name in ["p1", "p2", "p3"] {
        bench.pod(pod(name, "a", &[])).await;
    }
    for name in ["q1", "q2"] {
        bench.pod(pod(name, "b", &[])).await;
    }
    bench.pass(20).await;
    let refused = bench.read("pods", "p3").unwrap();
    assert_eq!(refused["status"]["reason"], "OutOfcpu");
    assert_eq!(
        refused["status"]["message"],
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 100, used: 200, capacity: 250"
    );
    assert_eq!(bench.read("pods", "q2").unwrap()["status"]["reason"], "OutOfpods");
    assert_eq!(bench.phase("p2"), "Running ready");
    assert_eq!(bench.events("p3"), [("OutOfcpu".to_owned(), 1)]);
}

#[tokio::test]
async fn static_pods_are_mirrored_and_come_back() {
    let mut bench = Bench::with_profile(1, exact());
    let mut spec = NodeSpec::new("a");
    let mut manifest = pod("proxy", "", &[]);
    manifest["spec"]["hostNetwork"] = true.into();
    spec.static_pods.push(manifest);
    bench.world.add_node(spec);
    bench.pass(10).await;
    assert_eq!(bench.phase("proxy-a"), "Running ready");
    assert_eq!(bench.read("pods", "proxy-a").unwrap()["status"]["podIP"], "172.16.0.10");
    let uid = bench.read("pods", "proxy-a").unwrap()["metadata"]["uid"].clone();
    let options = DeleteOptions::default();
    let admin = bench.world.server().local(UserInfo::admin());
    admin.delete(pods(), "proxy-a", &options).await.unwrap();
    bench.pass(30).await;
    assert_eq!(bench.phase("proxy-a"), "Running ready");
    assert_ne!(bench.read("pods", "proxy-a").unwrap()["metadata"]["uid"], uid);
}

#[tokio::test]
async fn a_world_can_begin_with_pods_that_run() {
    let mut bench = bench().await;
    let pods = (0..3).map(|number| {
        let mut pod = pod(&format!("p{number}"), "a", &[]);
        (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
        pod
    });
    assert_eq!(bench.world.start_settled(pods), 3);
    assert_eq!(bench.phase("p2"), "Running ready");
    let version = bench.world.server().resource_version();
    bench.pass(60).await;
    assert_eq!(
        bench.world.server().resource_version(),
        version,
        "there was nothing left to do"
    );
    bench.delete_pod("p0", None).await;
    bench.pass(6).await;
    assert_eq!(bench.phase("p0"), "gone");
}
