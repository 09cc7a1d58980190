//! The planner against tables of situations.

use jiff::SignedDuration;
use json_tree::{Value, json};

use super::{Autoscaler, Blocker, Member, NodeGroup, Occupant, Options, Situation, Step};
use crate::scheduler::tests::{World, both, merge, node, on, pod, zone};
use crate::scheduler::{Budget, Node};

/// A cluster whose nodes belong to groups.
struct Fleet {
    world: World,
    groups: Vec<NodeGroup>,
    members: Vec<Member>,
    occupants: Vec<Occupant>,
    autoscaler: Autoscaler,
}

impl Fleet {
    fn new(options: Options) -> Self {
        Self {
            world: World::new(),
            groups: Vec::new(),
            members: Vec::new(),
            occupants: Vec::new(),
            autoscaler: Autoscaler::new(options),
        }
    }

    fn group(&mut self, id: &str, (min, target, max): (usize, usize, usize), change: &Value) {
        self.groups.push(NodeGroup {
            id: id.to_owned(),
            min,
            max,
            target,
            template: Node::from_json(&node("template", change), None),
            daemons: Vec::new(),
            priority: 0,
        });
    }

    fn node(&mut self, name: &str, group: &str, change: &Value) {
        let ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
        let change = both(&ready, change);
        self.world.node(name, &change);
        self.members.retain(|member| member.node != name);
        self.members.push(Member::from_json(&node(name, &change), group));
    }

    fn placed(&mut self, name: &str, node: &str, change: &Value) {
        let owned = json!({ "metadata": { "ownerReferences": [{ "kind": "ReplicaSet", "controller": true }] } });
        let change = both(&both(&owned, &on(node)), change);
        self.world.pod(name, &change);
        self.occupants.extend(Occupant::from_json(&pod(name, &change)));
    }

    fn pending(&mut self, name: &str, change: &Value) {
        self.world.pod(name, change);
        while self.world.decide().is_some() {}
    }

    fn plan(&mut self) -> Vec<Step> {
        let situation = Situation {
            groups: &self.groups,
            members: &self.members,
            occupants: &self.occupants,
        };
        self.autoscaler
            .plan(&mut self.world.scheduler, situation, self.world.now)
    }

    fn events(&mut self) -> Vec<String> {
        let steps = self.plan();
        steps
            .iter()
            .filter_map(Step::event)
            .map(|(reason, text)| format!("{reason}: {text}"))
            .collect()
    }

    /// What keeps a node.
    fn blocker(&mut self, node: &str) -> Result<usize, Option<Blocker>> {
        let situation = Situation {
            groups: &self.groups,
            members: &self.members,
            occupants: &self.occupants,
        };
        let member = self.members.iter().find(|member| member.node == node).unwrap().clone();
        let found = self
            .autoscaler
            .removable(&mut self.world.scheduler, situation, &member, &[].into());
        found.map(|pods| pods.len())
    }
}

fn asking(cpu: &str) -> Value {
    json!({ "spec": { "containers": [{ "resources": { "requests": { "cpu": cpu } } }] } })
}

#[test]
fn a_group_grows_by_what_the_pods_fill() {
    let mut fleet = Fleet::new(Options::default());
    fleet.group("workers", (0, 1, 10), &json!({}));
    fleet.node("w1", "workers", &json!({}));
    fleet.placed("full", "w1", &asking("4"));
    for nth in 0..5 {
        fleet.pending(&format!("p{nth}"), &asking("2"));
    }
    assert_eq!(
        fleet.events(),
        ["TriggeredScaleUp: pod triggered scale-up: [{workers 1->4 (max: 10)}]"]
    );
    // While the nodes are on their way, the same pods do not grow it again.
    fleet.groups[0].target = 4;
    assert_eq!(fleet.events(), [""; 0]);
    // A further pod does.
    fleet.pending("p5", &asking("4"));
    assert_eq!(
        fleet.events(),
        ["TriggeredScaleUp: pod triggered scale-up: [{workers 4->5 (max: 10)}]"]
    );
}

#[test]
fn a_group_at_zero_with_labels_and_taints_grows_for_those_that_need_it() {
    let mut fleet = Fleet::new(Options::default());
    fleet.group("plain", (0, 0, 3), &json!({}));
    let gpu = json!({
        "metadata": { "labels": { "gpu": "yes" } },
        "spec": { "taints": [{ "key": "gpu", "effect": "NoSchedule" }] },
        "status": { "allocatable": { "nvidia.com/gpu": "1" } },
    });
    fleet.group("gpu", (0, 0, 3), &gpu);
    let wanting = json!({ "spec": {
        "nodeSelector": { "gpu": "yes" }, "tolerations": [{ "key": "gpu", "operator": "Exists" }],
        "containers": [{ "resources": { "requests": { "nvidia.com/gpu": "1" } } }],
    }});
    fleet.pending("p", &wanting);
    assert_eq!(
        fleet.events(),
        ["TriggeredScaleUp: pod triggered scale-up: [{gpu 0->1 (max: 3)}]"]
    );
}

#[test]
fn the_reasons_when_nothing_helps() {
    let mut fleet = Fleet::new(Options::default());
    fleet.group("full", (0, 2, 2), &json!({}));
    fleet.group("small", (0, 0, 2), &json!({}));
    fleet.group(
        "tainted",
        (0, 0, 2),
        &json!({ "spec": { "taints": [{ "key": "k", "effect": "NoSchedule" }] } }),
    );
    fleet.pending("p", &asking("5"));
    assert_eq!(
        fleet.events(),
        [
            "NotTriggerScaleUp: pod didn't trigger scale-up: 1 Insufficient cpu, 1 max node group size reached, 1 node(s) had untolerated taint(s)"
        ]
    );
    let mut bounded = Fleet::new(Options {
        max_nodes_total: 1,
        ..Options::default()
    });
    bounded.group("a", (0, 1, 5), &json!({}));
    bounded.node("a1", "a", &json!({}));
    bounded.placed("full", "a1", &asking("4"));
    bounded.pending("p", &json!({}));
    assert_eq!(
        bounded.events(),
        ["NotTriggerScaleUp: pod didn't trigger scale-up: 1 max total nodes in cluster reached"]
    );
}

#[test]
fn a_volume_in_a_zone_grows_the_group_of_that_zone() {
    let mut fleet = Fleet::new(Options::kubernetes_on_aws());
    for name in ["a", "b", "c"] {
        fleet.group(name, (0, 0, 3), &zone(name));
    }
    for name in ["p", "q"] {
        let bound = json!({ "spec": { "nodeSelector": { "topology.kubernetes.io/zone": "b" } } });
        fleet.pending(name, &both(&bound, &asking("3")));
    }
    // The similar groups of the other zones do not share the growth.
    assert_eq!(
        fleet.events(),
        ["TriggeredScaleUp: pod triggered scale-up: [{b 0->2 (max: 3)}]"]
    );
}

#[test]
fn similar_groups_grow_evenly() {
    let mut fleet = Fleet::new(Options {
        balance_similar: true,
        ..Options::default()
    });
    for (name, target) in [("a", 2), ("b", 0), ("c", 1)] {
        fleet.group(name, (0, target, 5), &zone(name));
        for nth in 0..target {
            let node = format!("{name}{nth}");
            fleet.node(&node, name, &zone(name));
            fleet.placed(&format!("full-{node}"), &node, &asking("4"));
        }
    }
    for nth in 0..3 {
        fleet.pending(&format!("p{nth}"), &asking("4"));
    }
    assert_eq!(
        fleet.events(),
        ["TriggeredScaleUp: pod triggered scale-up: [{b 0->2 (max: 5)} {c 1->2 (max: 5)}]"]
    );
}

#[test]
fn the_expander_chooses() {
    let large = json!({ "status": { "allocatable": { "cpu": "16", "memory": "64Gi" } } });
    let check = |options: Options, priority: i32, expected: &str| {
        let mut fleet = Fleet::new(options);
        fleet.group("large", (0, 0, 3), &large);
        fleet.group("small", (0, 0, 3), &json!({}));
        fleet.groups[0].priority = priority;
        fleet.pending("p", &asking("3"));
        assert_eq!(
            fleet.events(),
            [format!(
                "TriggeredScaleUp: pod triggered scale-up: [{{{expected} 0->1 (max: 3)}}]"
            )]
        );
    };
    check(Options::default(), 0, "small");
    check(Options::kubernetes_on_aws(), 1_000, "large");
    check(Options::kubernetes_on_aws(), 0, "small");
}

#[test]
fn a_group_whose_nodes_do_not_come_is_left_alone_and_the_next_one_tried() {
    let mut fleet = Fleet::new(Options::kubernetes_on_aws());
    fleet.group("spot", (0, 0, 3), &json!({}));
    fleet.group(
        "on-demand",
        (0, 0, 3),
        &json!({ "metadata": { "labels": { "lifecycle": "on-demand" } } }),
    );
    fleet.groups[0].priority = 1_000;
    fleet.pending("p", &asking("3"));
    assert_eq!(
        fleet.events(),
        ["TriggeredScaleUp: pod triggered scale-up: [{spot 0->1 (max: 3)}]"]
    );
    fleet.groups[0].target = 1;
    assert_eq!(fleet.plan(), []);
    fleet.world.pass(SignedDuration::from_mins(7));
    let steps = fleet.plan();
    assert!(
        matches!(&steps[0], Step::GiveUp { group, target: 0, .. } if group == "spot"),
        "{steps:?}"
    );
    fleet.groups[0].target = 0;
    assert_eq!(
        fleet.events(),
        ["TriggeredScaleUp: pod triggered scale-up: [{on-demand 0->1 (max: 3)}]"]
    );
    fleet.world.pass(SignedDuration::from_mins(5));
    assert_eq!(
        fleet.events(),
        ["TriggeredScaleUp: pod triggered scale-up: [{spot 0->1 (max: 3)}]"]
    );
}

#[test]
fn expendable_pods_do_not_grow_the_cluster() {
    let check = |options: Options, priority: i32, grows: bool| {
        let mut fleet = Fleet::new(options);
        fleet.group("a", (0, 0, 3), &json!({}));
        fleet.pending("p", &json!({ "spec": { "priority": priority } }));
        assert_eq!(!fleet.plan().is_empty(), grows);
    };
    check(Options::default(), -11, false);
    check(Options::default(), -10, true);
    // The buffer of pause pods has exactly the cut-off, so that it does grow the cluster.
    check(Options::kubernetes_on_aws(), -1_000_000, true);
}

#[test]
fn an_idle_node_goes_after_ten_minutes() {
    let mut fleet = Fleet::new(Options::default());
    fleet.group("workers", (1, 2, 3), &json!({}));
    fleet.node("busy", "workers", &json!({}));
    fleet.node("idle", "workers", &json!({}));
    fleet.placed("work", "busy", &asking("2"));
    fleet.placed("little", "idle", &asking("1"));
    assert_eq!(
        fleet.plan(),
        [Step::Mark {
            node: "idle".to_owned()
        }]
    );
    assert_eq!(
        fleet.autoscaler.due(),
        fleet.world.now.checked_add(SignedDuration::from_mins(10)).ok()
    );
    fleet.node("idle", "workers", &json!({ "spec": { "taints": [{ "key": "DeletionCandidateOfClusterAutoscaler", "effect": "PreferNoSchedule" }] } }));
    fleet.world.pass(SignedDuration::from_mins(9));
    assert_eq!(fleet.plan(), []);
    fleet.world.pass(SignedDuration::from_mins(1));
    let steps = fleet.plan();
    assert!(
        matches!(&steps[..], [Step::Remove { node, pods, .. }] if node == "idle" && pods.len() == 1),
        "{steps:?}"
    );
    assert_eq!(
        steps[0].event().unwrap().1,
        "marked the node as toBeDeleted/unschedulable"
    );
}

#[test]
fn a_node_in_use_again_is_unmarked_and_its_time_begins_anew() {
    let mut fleet = Fleet::new(Options::default());
    fleet.group("workers", (0, 2, 3), &json!({}));
    let marked = json!({ "spec": { "taints": [{ "key": "DeletionCandidateOfClusterAutoscaler", "effect": "PreferNoSchedule" }] } });
    fleet.node("a", "workers", &marked);
    fleet.node("b", "workers", &json!({}));
    fleet.placed("busy", "b", &asking("3"));
    assert_eq!(fleet.plan(), []);
    fleet.world.pass(SignedDuration::from_mins(8));
    fleet.placed("more", "a", &asking("3"));
    assert_eq!(fleet.plan(), [Step::Unmark { node: "a".to_owned() }]);
    assert_eq!(fleet.autoscaler.due(), None);
}

#[test]
fn what_keeps_a_node() {
    let check = |change: Value, expected: fn(&Result<usize, Option<Blocker>>) -> bool| {
        let mut fleet = Fleet::new(Options::default());
        fleet.group("workers", (0, 2, 3), &json!({}));
        fleet.node("n", "workers", &json!({}));
        fleet.node("m", "workers", &json!({}));
        fleet.placed("p", "n", &change);
        let found = fleet.blocker("n");
        assert!(expected(&found), "{found:?}");
    };
    let annotated = |value: &str| json!({ "metadata": { "annotations": { "cluster-autoscaler.kubernetes.io/safe-to-evict": value } } });
    let bare = json!({ "metadata": { "ownerReferences": [] } });
    let local = json!({ "spec": { "volumes": [{ "name": "v", "emptyDir": {} }] } });
    let system = json!({ "metadata": { "namespace": "kube-system" } });
    let daemon = json!({ "metadata": { "ownerReferences": [{ "kind": "DaemonSet", "controller": true }] } });
    check(json!({}), |found| *found == Ok(1));
    check(daemon, |found| *found == Ok(0));
    check(asking("3"), |found| *found == Err(None));
    check(annotated("false"), |found| {
        matches!(found, Err(Some(Blocker::NotSafeToEvict(_))))
    });
    check(bare.clone(), |found| {
        matches!(found, Err(Some(Blocker::NotReplicated(_))))
    });
    check(both(&bare, &annotated("true")), |found| *found == Ok(1));
    check(local.clone(), |found| {
        matches!(found, Err(Some(Blocker::LocalStorage(_))))
    });
    check(both(&local, &annotated("true")), |found| *found == Ok(1));
    let safe = json!({ "metadata": { "annotations": { "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "w,v" } } });
    check(both(&local, &safe), |found| *found == Ok(1));
    check(system, |found| matches!(found, Err(Some(Blocker::SystemPod(_)))));
    let bound = json!({ "spec": { "nodeSelector": { "kubernetes.io/hostname": "n" } } });
    check(bound, |found| matches!(found, Err(Some(Blocker::NoPlace(_)))));
}

#[test]
fn budgets_bounds_annotations_and_the_pause_after_growth() {
    let mut fleet = Fleet::new(Options::default());
    fleet.group("workers", (0, 2, 3), &json!({}));
    fleet.node("n", "workers", &json!({}));
    fleet.node(
        "m",
        "workers",
        &json!({ "metadata": { "annotations": { "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true" } } }),
    );
    fleet.placed("p", "n", &json!({}));
    assert_eq!(fleet.blocker("m"), Err(Some(Blocker::Disabled)));
    let mut budget =
        json!({ "spec": { "selector": { "matchLabels": { "app": "web" } } }, "status": { "disruptionsAllowed": 0 } });
    fleet
        .world
        .scheduler
        .set_budget("default", "b", Some(Budget::from_json(&budget)));
    assert!(matches!(fleet.blocker("n"), Err(Some(Blocker::Budget(_)))));
    merge(&mut budget, &json!({ "status": { "disruptionsAllowed": 1 } }));
    fleet
        .world
        .scheduler
        .set_budget("default", "b", Some(Budget::from_json(&budget)));
    assert_eq!(fleet.blocker("n"), Ok(1));
    fleet.groups[0].min = 2;
    assert_eq!(fleet.blocker("n"), Err(Some(Blocker::GroupMinimum)));
    fleet.groups[0].min = 0;
    fleet.autoscaler.last_growth = Some(fleet.world.now.checked_add(SignedDuration::from_mins(5)).unwrap());
    fleet.plan();
    fleet.world.pass(SignedDuration::from_mins(12));
    assert!(
        !fleet.plan().iter().any(|step| matches!(step, Step::Remove { .. })),
        "it grew seven minutes ago"
    );
    fleet.world.pass(SignedDuration::from_mins(3));
    assert!(fleet.plan().iter().any(|step| matches!(step, Step::Remove { .. })));
}

#[test]
fn empty_nodes_go_together_used_ones_one_at_a_time_and_never_below_the_minimum() {
    let mut fleet = Fleet::new(Options::default());
    fleet.group("workers", (1, 7, 9), &json!({}));
    for nth in 0..4 {
        fleet.node(&format!("empty{nth}"), "workers", &json!({}));
    }
    for nth in 0..3 {
        fleet.node(&format!("used{nth}"), "workers", &json!({}));
        fleet.placed(&format!("p{nth}"), &format!("used{nth}"), &asking("1"));
    }
    fleet.plan();
    fleet.world.pass(SignedDuration::from_mins(10));
    let removed: Vec<String> = fleet
        .plan()
        .into_iter()
        .filter_map(|step| match step {
            Step::Remove { node, .. } => Some(node),
            _ => None,
        })
        .collect();
    assert_eq!(removed, ["empty0", "empty1", "empty2", "empty3", "used0"]);
}

#[test]
fn looking_leaves_the_scheduler_as_it_was() {
    let mut fleet = Fleet::new(Options::default());
    fleet.group("workers", (0, 2, 9), &json!({}));
    fleet.node("n", "workers", &json!({}));
    fleet.placed("p", "n", &json!({}));
    fleet.pending("large", &asking("4"));
    let picture = |fleet: &Fleet| {
        let scheduler = &fleet.world.scheduler;
        let names: Vec<Option<&str>> = ["p", "large"].iter().map(|uid| scheduler.node_of(uid)).collect();
        format!("{names:?} {:?} {:?}", scheduler.utilization("n"), scheduler.pending())
    };
    let before = picture(&fleet);
    fleet.plan();
    assert_eq!(picture(&fleet), before);
}
