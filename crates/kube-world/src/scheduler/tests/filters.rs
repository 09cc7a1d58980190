//! One situation per filter, with the message of the refusal.

use json_tree::{Value, json};

use super::super::{Claim, Node, Pod, StorageClass, Volume};
use super::{World, both, node, on, pod, zone};

const NOT_HELPFUL: &str = "1 Preemption is not helpful for scheduling";
const NO_VICTIMS: &str = "1 No preemption victims found for incoming pod";

/// Checks one pod against one node beside pods that are there.
#[track_caller]
fn check(node: Value, others: &[Value], incoming: Value, expected: Result<(), (&str, &str)>) {
    let mut world = World::new();
    world.node("n", &node);
    for (nth, other) in others.iter().enumerate() {
        world.pod(&format!("other-{nth}"), &both(&on("n"), other));
    }
    world.pod("p", &incoming);
    let expected = match expected {
        Ok(()) => "n".to_owned(),
        Err((reason, preemption)) => {
            format!("0/1 nodes are available: {reason}. preemption: 0/1 nodes are available: {preemption}.")
        }
    };
    assert_eq!(world.outcome(), expected);
}

#[test]
fn resources() {
    let ask = |requests: Value| json!({ "spec": { "containers": [{ "resources": { "requests": requests } }] } });
    check(json!({}), &[], ask(json!({ "cpu": "4", "memory": "8Gi" })), Ok(()));
    check(
        json!({}),
        &[],
        ask(json!({ "cpu": "4001m" })),
        Err(("1 Insufficient cpu", NOT_HELPFUL)),
    );
    let taken = [ask(json!({ "cpu": "3500m" }))];
    check(
        json!({}),
        &taken,
        ask(json!({ "cpu": "501m" })),
        Err(("1 Insufficient cpu", NO_VICTIMS)),
    );
    check(json!({}), &taken, ask(json!({ "cpu": "500m" })), Ok(()));
    check(
        json!({}),
        &taken,
        ask(json!({ "cpu": "1", "memory": "9Gi", "example.com/gpu": 1 })),
        Err((
            "1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 Insufficient memory",
            NOT_HELPFUL,
        )),
    );
    check(
        json!({ "status": { "allocatable": { "pods": "1" } } }),
        &[ask(json!({}))],
        ask(json!({})),
        Err(("1 Too many pods", NO_VICTIMS)),
    );
    let storage = json!({ "status": { "allocatable": { "ephemeral-storage": "1Gi" } } });
    check(
        storage,
        &[],
        ask(json!({ "ephemeral-storage": "2Gi" })),
        Err(("1 Insufficient ephemeral-storage", NOT_HELPFUL)),
    );
}

#[test]
fn requests_of_init_containers_sidecars_overhead_and_of_the_pod() {
    let of = |cpu: &str| json!({ "resources": { "requests": { "cpu": cpu } } });
    let sidecar = |cpu: &str| both(&of(cpu), &json!({ "restartPolicy": "Always" }));
    let cpu = |spec: Value| super::super::resources::Requests::of_pod(&spec).stated.cpu;
    assert_eq!(cpu(json!({ "containers": [of("1"), of("500m")] })), 1_500);
    assert_eq!(
        cpu(json!({ "containers": [of("1")], "initContainers": [of("3"), of("2")] })),
        3_000
    );
    // The sidecar runs beside the containers, and beside the init container after it.
    let spec = json!({ "containers": [of("1")], "initContainers": [sidecar("1"), of("3")] });
    assert_eq!(cpu(spec), 4_000);
    let spec = json!({ "containers": [of("1")], "initContainers": [of("3"), sidecar("1")] });
    assert_eq!(cpu(spec), 3_000);
    let spec =
        json!({ "containers": [of("1")], "overhead": { "cpu": "250m" }, "resources": { "requests": { "cpu": "2" } } });
    assert_eq!(cpu(spec), 2_250);
    let weighed = super::super::resources::Requests::of_pod(&json!({ "containers": [{}, of("1")] }));
    assert_eq!(
        (weighed.weighed_cpu, weighed.weighed_memory),
        (1_100, 2 * 200 * 1024 * 1024)
    );
}

#[test]
fn taints_and_cordons() {
    let tainted = |effect: &str| json!({ "spec": { "taints": [{ "key": "team", "value": "a", "effect": effect }] } });
    let tolerating = |toleration: Value| json!({ "spec": { "tolerations": [toleration] } });
    let refused = Err(("1 node(s) had untolerated taint(s)", NOT_HELPFUL));
    check(tainted("NoSchedule"), &[], json!({}), refused);
    check(tainted("NoExecute"), &[], json!({}), refused);
    check(tainted("PreferNoSchedule"), &[], json!({}), Ok(()));
    check(
        tainted("NoSchedule"),
        &[],
        tolerating(json!({ "key": "team", "value": "a" })),
        Ok(()),
    );
    check(
        tainted("NoSchedule"),
        &[],
        tolerating(json!({ "key": "team", "value": "b" })),
        refused,
    );
    check(
        tainted("NoSchedule"),
        &[],
        tolerating(json!({ "key": "team", "operator": "Exists" })),
        Ok(()),
    );
    check(
        tainted("NoSchedule"),
        &[],
        tolerating(json!({ "operator": "Exists" })),
        Ok(()),
    );
    let only_execute = json!({ "operator": "Exists", "effect": "NoExecute" });
    check(tainted("NoSchedule"), &[], tolerating(only_execute), refused);
    let cordoned = json!({ "spec": { "unschedulable": true } });
    check(
        cordoned.clone(),
        &[],
        json!({}),
        Err(("1 node(s) were unschedulable", NOT_HELPFUL)),
    );
    let like_a_daemon =
        json!({ "key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule" });
    check(cordoned, &[], tolerating(like_a_daemon), Ok(()));
}

#[test]
fn node_selector_and_affinity() {
    let refused = Err(("1 node(s) didn't match Pod's node affinity/selector", NOT_HELPFUL));
    let labelled = json!({ "metadata": { "labels": { "disk": "ssd", "cores": "8" } } });
    let selector = |value: &str| json!({ "spec": { "nodeSelector": { "disk": value } } });
    check(labelled.clone(), &[], selector("ssd"), Ok(()));
    check(labelled.clone(), &[], selector("hdd"), refused);
    let affinity = |terms: Value| {
        json!({ "spec": { "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": terms } } } } })
    };
    let term = |key: &str, operator: &str, values: Value| json!([{ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }]);
    for (terms, fits) in [
        (term("disk", "In", json!(["hdd", "ssd"])), true),
        (term("disk", "NotIn", json!(["ssd"])), false),
        (term("gpu", "NotIn", json!(["a"])), true),
        (term("disk", "Exists", json!([])), true),
        (term("gpu", "Exists", json!([])), false),
        (term("gpu", "DoesNotExist", json!([])), true),
        (term("cores", "Gt", json!(["7"])), true),
        (term("cores", "Gt", json!(["8"])), false),
        (term("cores", "Lt", json!(["9"])), true),
        (term("disk", "Lt", json!(["9"])), false),
        (json!([{}]), false),
        (
            json!([{}, { "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["n"] }] }]),
            true,
        ),
    ] {
        check(
            labelled.clone(),
            &[],
            affinity(terms),
            if fits { Ok(()) } else { refused },
        );
    }
}

#[test]
fn pods_of_a_daemon_set_are_bound_to_their_node_by_name() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.node(name, &json!({}));
    }
    let bound = |name: &str, cpu: &str| {
        let term = json!({ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [name] }] });
        json!({ "spec": {
            "containers": [{ "resources": { "requests": { "cpu": cpu } } }],
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] } } },
        }})
    };
    world.pod("fits", &bound("b", "1"));
    assert_eq!(world.outcome(), "b");
    world.pod("large", &bound("b", "9"));
    assert_eq!(
        world.outcome(),
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. \
         preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    );
}

#[test]
fn host_ports() {
    let port = |address: &str, protocol: &str| json!({ "spec": { "containers": [{ "ports": [{ "hostPort": 80, "hostIP": address, "protocol": protocol }] }] } });
    let refused = Err((
        "1 node(s) didn't have free ports for the requested pod ports",
        NO_VICTIMS,
    ));
    check(json!({}), &[port("", "TCP")], port("", "TCP"), refused);
    check(json!({}), &[port("", "TCP")], port("", "UDP"), Ok(()));
    check(json!({}), &[port("10.0.0.1", "TCP")], port("10.0.0.2", "TCP"), Ok(()));
    check(json!({}), &[port("10.0.0.1", "TCP")], port("0.0.0.0", "TCP"), refused);
}

fn term(app: &str, key: &str) -> Value {
    json!({ "labelSelector": { "matchLabels": { "app": app } }, "topologyKey": key })
}

fn rule(kind: &str, term: &Value) -> Value {
    json!({ "spec": { "affinity": { kind: { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } } })
}

#[test]
fn affinity_between_pods() {
    let key = "topology.kubernetes.io/zone";
    let db = json!({ "metadata": { "labels": { "app": "db" } } });
    let near = rule("podAffinity", &term("db", key));
    let away = rule("podAntiAffinity", &term("db", key));
    check(json!({}), std::slice::from_ref(&db), near.clone(), Ok(()));
    check(
        json!({}),
        &[],
        near.clone(),
        Err(("1 node(s) didn't match pod affinity rules", NOT_HELPFUL)),
    );
    // The first of a group that wants to be together may go anywhere.
    check(json!({}), &[], rule("podAffinity", &term("web", key)), Ok(()));
    check(
        json!({}),
        std::slice::from_ref(&db),
        away.clone(),
        Err(("1 node(s) didn't match pod anti-affinity rules", NO_VICTIMS)),
    );
    check(
        json!({}),
        &[rule("podAntiAffinity", &term("web", key))],
        json!({}),
        Err(("1 node(s) didn't satisfy existing pods anti-affinity rules", NO_VICTIMS)),
    );
    // Another namespace does not count unless the term says so.
    let elsewhere = both(&db, &json!({ "metadata": { "namespace": "elsewhere" } }));
    check(json!({}), std::slice::from_ref(&elsewhere), away.clone(), Ok(()));
    let in_all = both(&term("db", key), &json!({ "namespaceSelector": {} }));
    check(
        json!({}),
        &[elsewhere],
        rule("podAntiAffinity", &in_all),
        Err(("1 node(s) didn't match pod anti-affinity rules", NO_VICTIMS)),
    );
}

#[test]
fn namespace_selectors_follow_the_labels_of_namespaces() {
    let mut world = World::new();
    world.node("n", &json!({}));
    let db = json!({ "metadata": { "namespace": "blue", "labels": { "app": "db" } } });
    world.pod("db", &both(&db, &on("n")));
    let mut by_team = term("db", "kubernetes.io/hostname");
    super::merge(
        &mut by_team,
        &json!({ "namespaceSelector": { "matchLabels": { "team": "x" } } }),
    );
    world.pod("p", &rule("podAffinity", &by_team));
    assert!(world.outcome().contains("1 node(s) didn't match pod affinity rules"));
    assert_eq!(world.decide(), None);
    let labels = [("team".to_owned(), "x".to_owned())].into();
    world.scheduler.set_namespace("blue", Some(labels), world.now);
    assert_eq!(world.outcome(), "n");
}

#[test]
fn match_label_keys_narrow_a_term_to_the_own_revision() {
    let revision = |hash: &str| json!({ "metadata": { "labels": { "app": "web", "pod-template-hash": hash } } });
    let own = both(
        &term("web", "kubernetes.io/hostname"),
        &json!({ "matchLabelKeys": ["pod-template-hash"] }),
    );
    let incoming = both(&revision("new"), &rule("podAntiAffinity", &own));
    check(json!({}), &[revision("old")], incoming.clone(), Ok(()));
    check(
        json!({}),
        &[revision("new")],
        incoming,
        Err(("1 node(s) didn't match pod anti-affinity rules", NO_VICTIMS)),
    );
}

fn spread(change: &Value) -> Value {
    let mut constraint = json!({
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "web" } },
    });
    super::merge(&mut constraint, change);
    json!({ "spec": { "topologySpreadConstraints": [constraint] } })
}

#[test]
fn the_cordoned_node_stays_a_domain() {
    // The trap of a drain with maxSkew 1: the cordoned, emptied node keeps the minimum at 0, so the replacement stays
    // pending, and the budget never allows the next eviction.
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.node(name, &json!({}));
        world.pod(&format!("web-{name}"), &both(&spread(&json!({})), &on(name)));
    }
    world.node("c", &json!({ "spec": { "unschedulable": true } }));
    world.gone("web-c");
    world.pod("replacement", &spread(&json!({})));
    assert_eq!(
        world.outcome(),
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match pod topology spread constraints. \
         preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
    );
    // With `nodeTaintsPolicy: Honor` it is no domain once the node controller has tainted it.
    let taint = json!([{ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }]);
    world.node("c", &json!({ "spec": { "unschedulable": true, "taints": taint } }));
    world.pod("honouring", &spread(&json!({ "nodeTaintsPolicy": "Honor" })));
    assert_ne!(world.outcome(), "c");
    // And when the node is gone, the pending one goes on by itself.
    world.gone("honouring");
    world.scheduler.remove_node("c", world.now);
    assert!(["a", "b"].contains(&world.outcome().as_str()));
}

#[test]
fn spreading() {
    let web = json!({});
    let not_even = Err(("1 node(s) didn't match pod topology spread constraints", NO_VICTIMS));
    check(json!({}), &[], spread(&web), Ok(()));
    // One domain alone is always even.
    check(json!({}), &[web.clone(), web.clone()], spread(&web), Ok(()));
    check(
        json!({}),
        std::slice::from_ref(&web),
        spread(&json!({ "minDomains": 2 })),
        not_even,
    );
    check(json!({}), &[], spread(&json!({ "minDomains": 2 })), Ok(()));
    let rack = json!({ "topologyKey": "rack" });
    check(
        json!({}),
        &[],
        spread(&rack),
        Err((
            "1 node(s) didn't match pod topology spread constraints (missing required label)",
            NOT_HELPFUL,
        )),
    );
    check(
        json!({}),
        &[],
        spread(&json!({ "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway" })),
        Ok(()),
    );
}

#[test]
fn spreading_over_zones_counts_what_the_policies_say() {
    let by_zone = |change: &Value| spread(&both(&json!({ "topologyKey": "topology.kubernetes.io/zone" }), change));
    let mut world = World::new();
    world.node("a1", &zone("a"));
    world.node(
        "b1",
        &both(&zone("b"), &json!({ "metadata": { "labels": { "pool": "x" } } })),
    );
    world.pod("first", &both(&by_zone(&json!({})), &on("b1")));
    // Only pool x comes into question, so zone a is no domain under the default policy, and is one under `Ignore`.
    let in_pool = json!({ "spec": { "nodeSelector": { "pool": "x" } } });
    world.pod("honour", &both(&in_pool, &by_zone(&json!({}))));
    assert_eq!(world.outcome(), "b1");
    world.pod(
        "ignore",
        &both(&in_pool, &by_zone(&json!({ "nodeAffinityPolicy": "Ignore" }))),
    );
    assert!(
        world
            .outcome()
            .contains("1 node(s) didn't match pod topology spread constraints")
    );
}

#[test]
fn terminating_pods_are_not_spread_over_but_are_kept_away_from() {
    let leaving = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
    check(
        json!({}),
        std::slice::from_ref(&leaving),
        spread(&json!({ "minDomains": 2 })),
        Ok(()),
    );
    check(
        json!({}),
        &[leaving],
        rule("podAntiAffinity", &term("web", "kubernetes.io/hostname")),
        Err(("1 node(s) didn't match pod anti-affinity rules", NO_VICTIMS)),
    );
}

fn mounting(claim: &str) -> Value {
    json!({ "spec": { "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }] } })
}

fn storage(world: &mut World, zone: &str) {
    let class = |mode: &str| StorageClass::from_json(&json!({ "provisioner": "ebs", "volumeBindingMode": mode }));
    world
        .scheduler
        .set_storage_class("wait", Some(class("WaitForFirstConsumer")), world.now);
    world
        .scheduler
        .set_storage_class("now", Some(class("Immediate")), world.now);
    let terms =
        json!([{ "matchExpressions": [{ "key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone] }] }]);
    let volume = json!({ "spec": { "csi": { "driver": "ebs" }, "nodeAffinity": { "required": { "nodeSelectorTerms": terms } } } });
    world
        .scheduler
        .set_volume("pv", Some(Volume::from_json(&volume)), world.now);
}

fn claim(world: &mut World, name: &str, spec: &Value) {
    let claim = Claim::from_json(&json!({ "spec": spec }));
    world
        .scheduler
        .set_claim(("default".to_owned(), name.to_owned()), Some(claim), world.now);
}

#[test]
fn volumes_hold_a_pod_to_their_zone() {
    let mut world = World::new();
    world.node("in-a", &zone("a"));
    world.node("in-b", &zone("b"));
    storage(&mut world, "b");
    let nobody = |text: &str| {
        format!(
            "0/2 nodes are available: {text}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        )
    };
    world.pod("p", &mounting("data"));
    assert_eq!(world.outcome(), nobody("persistentvolumeclaim \"data\" not found"));
    claim(&mut world, "data", &json!({ "storageClassName": "now" }));
    assert_eq!(
        world.outcome(),
        nobody("pod has unbound immediate PersistentVolumeClaims")
    );
    claim(
        &mut world,
        "data",
        &json!({ "storageClassName": "now", "volumeName": "pv" }),
    );
    assert_eq!(world.outcome(), "in-b");
    world.pod(
        "elsewhere",
        &both(
            &mounting("data"),
            &json!({ "spec": { "nodeSelector": { "kubernetes.io/hostname": "in-a" } } }),
        ),
    );
    assert_eq!(
        world.outcome(),
        nobody(
            "1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) didn't match Pod's node affinity/selector"
        )
    );
}

#[test]
fn a_waiting_claim_is_planned_for_the_chosen_node() {
    let mut world = World::new();
    world.node("n", &zone("a"));
    storage(&mut world, "b");
    claim(&mut world, "data", &json!({ "storageClassName": "wait" }));
    world.pod("p", &mounting("data"));
    let Some(super::Decision::Bind(binding)) = world.decide() else {
        panic!("a volume can be made")
    };
    assert_eq!(binding.volumes.provision, [("default".to_owned(), "data".to_owned())]);
    assert_eq!(binding.event(), "Successfully assigned default/p to n");
}

#[test]
fn the_smallest_volume_that_suits_is_bound_once() {
    let mut world = World::new();
    world.node("n", &zone("a"));
    let class = json!({ "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer" });
    let class = StorageClass::from_json(&class);
    world.scheduler.set_storage_class("local", Some(class), world.now);
    for (name, size) in [("large", "10Gi"), ("small", "2Gi"), ("tiny", "1Mi")] {
        let volume = json!({ "spec": { "storageClassName": "local", "capacity": { "storage": size } } });
        world
            .scheduler
            .set_volume(name, Some(Volume::from_json(&volume)), world.now);
    }
    let mut bound = Vec::new();
    for name in ["one", "two", "three"] {
        let spec = json!({ "storageClassName": "local", "resources": { "requests": { "storage": "1Gi" } } });
        claim(&mut world, name, &spec);
        world.pod(&format!("pod-{name}"), &mounting(name));
        match world.decide() {
            Some(super::Decision::Bind(binding)) => {
                bound.extend(binding.volumes.bind.into_iter().map(|(_, volume)| volume))
            }
            Some(super::Decision::Refuse(refusal)) => bound.push(refusal.message),
            None => {}
        }
    }
    assert_eq!(bound[..2], ["small", "large"]);
    assert!(
        bound[2].contains("1 node(s) didn't find available persistent volumes to bind"),
        "{bound:?}"
    );
}

#[test]
fn a_claim_for_one_pod_and_the_number_of_volumes() {
    let mut world = World::new();
    let limits = json!({ "spec": { "drivers": [{ "name": "ebs", "allocatable": { "count": 1 } }] } });
    let limited = Node::from_json(&node("n", &json!({})), Some(&limits));
    world.scheduler.set_node(limited, world.now);
    storage(&mut world, "a");
    claim(
        &mut world,
        "one",
        &json!({ "storageClassName": "wait", "accessModes": ["ReadWriteOncePod"] }),
    );
    claim(&mut world, "two", &json!({ "storageClassName": "wait" }));
    world.pod("first", &both(&mounting("one"), &on("n")));
    world.pod("same", &mounting("one"));
    assert!(world.outcome().contains(
        "1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use"
    ));
    world.pod("more", &mounting("two"));
    assert!(world.outcome().contains("1 node(s) exceed max volume count"));
    world.gone("first");
    assert_eq!(world.outcome(), "n");
}

#[test]
fn other_pods_than_ours_are_left_alone() {
    let mut world = World::new();
    world.node("n", &json!({}));
    world.pod("foreign", &json!({ "spec": { "schedulerName": "other" } }));
    world.pod("gated", &json!({ "spec": { "schedulingGates": [{ "name": "wait" }] } }));
    world.pod("done", &json!({ "status": { "phase": "Succeeded" } }));
    assert_eq!(world.decide(), None);
    let open = Pod::from_json(&pod("gated", &json!({})), None);
    world.scheduler.set_pod(open, world.now);
    assert_eq!(world.outcome(), "n");
}

#[test]
fn without_nodes() {
    let mut world = World::new();
    world.pod("p", &json!({}));
    assert_eq!(world.outcome(), "no nodes available to schedule pods");
    world.node("n", &json!({}));
    assert_eq!(world.outcome(), "n");
}
