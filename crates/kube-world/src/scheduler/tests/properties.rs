//! Random stories: after every step the scheduler agrees with the reference on every node and every kind of pod, and what
//! it decides breaks no rule.

use json_tree::{Value, json};
use proptest::prelude::*;

use super::super::filter::Question;
use super::super::volumes::Demand;
use super::super::{Decision, Labels, Node, Pod};
use super::reference::{Present, Reference};
use super::{World, both, node, pod};

/// The kinds of pods that stories are made of.
fn kinds() -> Vec<Value> {
    let app = |app: &str| json!({ "metadata": { "labels": { "app": app } } });
    let selector = |app: &str| json!({ "matchLabels": { "app": app } });
    let term = |app: &str, key: &str| json!({ "labelSelector": selector(app), "topologyKey": key });
    let affinity = |kind: &str, terms: &[Value]| json!({ "spec": { "affinity": { kind: { "requiredDuringSchedulingIgnoredDuringExecution": terms } } } });
    let spread = |key: &str, skew: i32, more: Value| {
        let constraint = json!({ "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector("web") });
        both(&constraint, &more)
    };
    let spreads = |constraints: &[Value]| json!({ "spec": { "topologySpreadConstraints": constraints } });
    let (host, zone) = ("kubernetes.io/hostname", "topology.kubernetes.io/zone");
    let any_namespace = both(
        &term("db", zone),
        &json!({ "namespaceSelector": { "matchLabels": { "team": "x" } } }),
    );
    vec![
        json!({}),
        app("db"),
        both(&app("db"), &json!({ "metadata": { "namespace": "blue" } })),
        spreads(&[spread(host, 1, json!({}))]),
        spreads(&[spread(zone, 1, json!({})), spread(host, 2, json!({}))]),
        spreads(&[spread(zone, 1, json!({ "minDomains": 2, "nodeTaintsPolicy": "Honor" }))]),
        both(
            &spreads(&[spread(zone, 1, json!({}))]),
            &json!({ "spec": { "nodeSelector": { "pool": "x" } } }),
        ),
        both(
            &spreads(&[spread(zone, 1, json!({ "nodeAffinityPolicy": "Ignore" }))]),
            &json!({ "spec": { "nodeSelector": { "pool": "x" } } }),
        ),
        both(&app("db"), &affinity("podAntiAffinity", &[term("db", host)])),
        affinity("podAntiAffinity", std::slice::from_ref(&any_namespace)),
        affinity("podAffinity", &[term("db", zone)]),
        both(&app("cache"), &affinity("podAffinity", &[term("cache", zone)])),
        affinity("podAffinity", &[term("db", zone), any_namespace]),
        json!({ "spec": { "priority": 10, "tolerations": [{ "operator": "Exists" }] } }),
        both(&app("db"), &json!({ "spec": { "priority": -5 } })),
        json!({ "spec": { "priority": 10, "containers": [{ "resources": { "requests": { "cpu": "2" } } }] } }),
    ]
}

fn node_change(choice: u32) -> Value {
    let pool = if choice & 1 == 0 { "x" } else { "y" };
    let zone = match (choice >> 1) % 4 {
        0 => json!("a"),
        1 => json!("b"),
        2 => json!("c"),
        _ => Value::Null,
    };
    let taints = if (choice >> 3).is_multiple_of(4) {
        json!([{ "key": "k", "effect": "NoSchedule" }])
    } else {
        json!([])
    };
    json!({
        "metadata": { "labels": { "pool": pool, "topology.kubernetes.io/zone": zone } },
        "spec": { "taints": taints, "unschedulable": (choice >> 5).is_multiple_of(5) },
    })
}

/// A story in progress, told to both.
struct Story {
    world: World,
    reference: Reference,
    kinds: Vec<Value>,
    made: usize,
    log: Vec<String>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut story = Self {
            world: World::seeded(seed),
            reference: Reference::default(),
            kinds: kinds(),
            made: 0,
            log: Vec::new(),
        };
        for name in ["n0", "n1", "n2"] {
            story.set_node(name, 0b10_1000);
        }
        story
    }

    fn set_node(&mut self, name: &str, choice: u32) {
        let node = Node::from_json(&node(name, &node_change(choice)), None);
        self.reference.nodes.insert(name.to_owned(), node.clone());
        self.world.scheduler.set_node(node, self.world.now);
    }

    fn step(&mut self, op: u32) {
        let choice = op >> 3;
        let pick = |length: usize| usize::try_from(choice).unwrap() % length.max(1);
        match op & 7 {
            0..=2 => self.add_pod(&self.kinds[pick(self.kinds.len())].clone(), choice),
            3 => {
                if let Some(name) = self.reference.pods.keys().nth(pick(self.reference.pods.len())).cloned() {
                    self.reference.pods.remove(&name);
                    self.world.gone(&name);
                }
            }
            4 => {
                let name = format!("n{}", choice % 5);
                self.set_node(&name, choice / 5);
            }
            5 if choice.is_multiple_of(3) => {
                let name = format!("n{}", choice / 3 % 5);
                self.reference.nodes.remove(&name);
                self.world.scheduler.remove_node(&name, self.world.now);
            }
            5 => self.terminate(pick(self.reference.pods.len())),
            6 if choice.is_multiple_of(5) => {
                let team = if choice & 1 == 0 { "x" } else { "y" };
                let labels = Labels::from([("team".to_owned(), team.to_owned())]);
                self.reference.namespaces.insert("blue".to_owned(), labels.clone());
                self.world.scheduler.set_namespace("blue", Some(labels), self.world.now);
            }
            _ => self.decide(),
        }
        self.agree();
    }

    fn add_pod(&mut self, kind: &Value, choice: u32) {
        let name = format!("p{:03}", self.made);
        self.made += 1;
        let bound = choice.is_multiple_of(7).then(|| format!("n{}", choice % 5));
        let mut object = pod(&name, kind);
        if let Some(node) = &bound {
            super::merge(&mut object, &super::on(node));
        }
        let pod = Pod::from_json(&object, None);
        let present = Present {
            class: pod.class.clone(),
            node: bound,
            terminating: false,
        };
        self.reference.pods.insert(name, present);
        self.world.scheduler.set_pod(pod, self.world.now);
    }

    fn terminate(&mut self, nth: usize) {
        let Some((name, present)) = self.reference.pods.iter_mut().nth(nth) else {
            return;
        };
        let name = name.clone();
        if present.node.is_some() {
            present.terminating = true;
            let id = self.world.scheduler.cluster.pod_ids[name.as_str()];
            self.world.scheduler.cluster.set_terminating(id, true);
        }
    }

    /// A decision breaks no rule, as the reference sees it.
    fn decide(&mut self) {
        let Some(decision) = self.world.decide() else { return };
        match &decision {
            Decision::Bind(binding) => {
                let name = binding.pod.name.to_string();
                let class = self.reference.pods[&name].class.clone();
                let node = &self.reference.nodes[&binding.node];
                assert_eq!(self.reference.rejection(&class, node), None, "{name} on {}", node.name);
                self.reference.pods.get_mut(&name).unwrap().node = Some(binding.node.clone());
            }
            Decision::Refuse(refusal) => {
                let present = &self.reference.pods[&*refusal.pod.name];
                // Room may be kept for a nominated pod; without nominations a refusal means that nobody takes it.
                let kept = self
                    .world
                    .scheduler
                    .cluster
                    .nodes
                    .iter()
                    .any(|(_, slot)| !slot.nominated.is_empty());
                if !kept {
                    let takes = |node: &&Node| self.reference.rejection(&present.class, node).is_none();
                    assert_eq!(self.reference.nodes.values().find(takes), None, "{}", refusal.message);
                }
                let mine = present.class.priority;
                for victim in refusal.preemption.iter().flat_map(|preemption| &preemption.victims) {
                    let victim = &self.reference.pods[&*victim.name];
                    assert!(victim.class.priority < mine, "victims are less important");
                    assert_eq!(
                        victim.node.as_ref(),
                        refusal.preemption.as_ref().map(|preemption| &preemption.node)
                    );
                }
            }
        }
        self.log.push(format!("{decision:?}"));
    }

    /// Both give every node's answer alike, for every kind of pod that is there.
    fn agree(&mut self) {
        let cluster = &mut self.world.scheduler.cluster;
        let classes: Vec<usize> = cluster.classes.iter().map(|(id, _)| id).collect();
        for id in classes {
            cluster.sync_rules(id);
            let class = cluster.classes.get(id).unwrap().spec.clone();
            let demand = Demand::default();
            let question = Question::new(cluster, id, &demand).unwrap();
            for (name, node) in &self.reference.nodes {
                let ours = question.rejection(cluster.node_id(name).unwrap());
                let theirs = self.reference.rejection(&class, node);
                assert_eq!(
                    ours.is_some(),
                    theirs.is_some(),
                    "{name}: {ours:?} against {theirs:?} for {class:?}"
                );
                if let (Some(ours), Some(theirs)) = (ours, theirs) {
                    assert!(ours.has(theirs), "{name}: {:?} against {theirs:?}", ours.texts(&class));
                }
            }
        }
        for (id, slot) in cluster.nodes.iter() {
            let expected: i64 = self
                .reference
                .on(&slot.name)
                .map(|pod| pod.class.requests.stated.cpu)
                .sum();
            assert_eq!(cluster.rooms[id].used_cpu, expected, "{}", slot.name);
        }
    }
}

fn tell(ops: &[u32], seed: u64) -> Vec<String> {
    let mut story = Story::new(seed);
    for op in ops {
        story.step(*op);
    }
    for _ in 0..50 {
        story.decide();
    }
    story.agree();
    story.log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn agrees_with_the_reference_and_repeats_itself(ops in prop::collection::vec(any::<u32>(), 1..70), seed in 0_u64..4) {
        let first = tell(&ops, seed);
        prop_assert_eq!(first, tell(&ops, seed));
    }
}

#[test]
fn capacity_is_never_exceeded() {
    for seed in 0..20 {
        let mut world = World::seeded(seed);
        for nth in 0..5 {
            world.node(
                &format!("n{nth}"),
                &json!({ "status": { "allocatable": { "pods": "6" } } }),
            );
        }
        for nth in 0..60_u64 {
            let millis = (nth * 37 + seed * 101) % 1_500;
            world.pod(&format!("p{nth}"), &json!({ "spec": { "containers": [{ "resources": { "requests": { "cpu": format!("{millis}m"), "memory": format!("{millis}Mi") } } }] } }));
        }
        while world.decide().is_some() {}
        for room in &world.scheduler.cluster.rooms {
            assert!(
                room.used_cpu <= room.cpu && room.used_memory <= room.memory && room.pods <= room.max_pods,
                "{room:?}"
            );
        }
    }
}
