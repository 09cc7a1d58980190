//! Following pods by their views leaves the same picture as reading each of them anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::{ApiError, ApiServer, DeleteOptions, UserInfo};
use ports::{Clock, SeededIds};
use proptest::prelude::*;

use super::super::super::tests::{both, on};
use super::super::{KubeScheduler, observe};
use crate::engine::{Action, Change, Scheduler, StepClock, View, World};
use crate::kind::Kind;
use crate::nodes::NodeSpec;

/// Two schedulers of one cluster: one that follows pods, and one that reads each pod anew.
#[derive(Debug)]
struct Pair {
    quick: KubeScheduler,
    thorough: KubeScheduler,
    /// How many writes the quick one took in without reading a pod.
    followed: Arc<AtomicUsize>,
}

impl Pair {
    fn agree(&self, what: &dyn std::fmt::Debug) {
        assert_eq!(picture(&self.quick), picture(&self.thorough), "after {what:?}");
    }
}

/// Everything that a scheduler knows of pods and nodes, whatever numbers it gave them.
fn picture(scheduler: &KubeScheduler) -> Vec<String> {
    let cluster = &scheduler.scheduler().cluster;
    let name = |node: Option<usize>| node.and_then(|node| cluster.nodes.get(node)).map(|slot| &slot.name);
    let pods = cluster.pod_ids.iter().map(|(uid, id)| {
        let pod = cluster.pods.get(*id).unwrap();
        let place = (
            name(pod.node),
            pod.assumed,
            name(pod.nominated),
            pod.terminating,
            pod.preempted,
        );
        format!("{uid} {place:?} {} {:?}", pod.since, cluster.spec_of(*id))
    });
    let nodes = cluster
        .nodes
        .iter()
        .map(|(id, slot)| format!("{} {:?}", slot.name, cluster.rooms.get(id)));
    let mut nodes: Vec<String> = nodes.collect();
    nodes.sort();
    let queue = (scheduler.scheduler().pending(), scheduler.due());
    pods.chain(nodes)
        .chain([format!("{queue:?} {:?}", scheduler.waiting)])
        .collect()
}

impl Scheduler for Pair {
    fn observe(&mut self, change: &Change, view: &View<'_>) {
        if observe::is_news(change) {
            if self.quick.follow(change, view.now) {
                self.followed.fetch_add(1, Ordering::Relaxed);
            } else {
                self.quick.observe(change, view);
            }
            let (before, after) = (change.before(), change.after());
            self.thorough.take_in(&change.key, before, after, view.now, view);
        }
        self.agree(&change.key);
    }

    fn schedule_next(&mut self, view: &View<'_>) -> Vec<Action> {
        let plan = self.quick.schedule_next(view);
        assert_eq!(plan, self.thorough.schedule_next(view));
        self.agree(&plan);
        plan
    }

    fn failed(&mut self, view: &View<'_>, action: &Action, error: &ApiError) {
        self.quick.failed(view, action, error);
        self.thorough.failed(view, action, error);
        self.agree(action);
    }

    fn clock_set(&mut self, by: SignedDuration) {
        self.quick.clock_set(by);
        self.thorough.clock_set(by);
    }

    fn due(&self) -> Option<Timestamp> {
        self.quick.due()
    }
}

/// A small cluster whose scheduler is a pair.
struct Story {
    clock: Arc<StepClock>,
    world: World,
    followed: Arc<AtomicUsize>,
    made: u32,
}

impl Story {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(StepClock::at(Timestamp::from_second(1_750_000_020).unwrap()));
        let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::child(seed, "api")));
        let (scheduler, followed) = (|| KubeScheduler::new(Arc::new(SeededIds::new(seed))), Arc::default());
        let pair = Pair {
            quick: scheduler(),
            thorough: scheduler(),
            followed: Arc::clone(&followed),
        };
        let mut world = World::builder(server).seed(seed).scheduler(Box::new(pair)).build();
        for name in ["n0", "n1", "n2"] {
            world.add_node(NodeSpec::new(name));
        }
        Self {
            clock,
            world,
            followed,
            made: 0,
        }
    }

    async fn step(&mut self, op: u32) {
        let (op, choice) = (op % 8, op / 8);
        match op {
            0..=2 => self.create(choice).await,
            3 | 4 => self.delete(choice).await,
            5 => self.change_labels(choice).await,
            6 if choice.is_multiple_of(3) => {
                self.world.kill_node(&format!("n{}", choice / 3 % 3));
            }
            6 => {
                let name = format!("n{}", choice % 3);
                self.world.remove_node(&name);
                self.world.add_node(NodeSpec::new(&name));
            }
            _ => self.pass(i64::from(choice % 400)).await,
        }
        self.pass(i64::from(choice % 7)).await;
    }

    async fn pass(&mut self, seconds: i64) {
        let until = self.clock.now() + SignedDuration::from_secs(seconds);
        self.world.advance_to(&self.clock, until).await;
    }

    /// A pod of some size: short-lived, important, bound by hand, or none of these.
    async fn create(&mut self, choice: u32) {
        let name = format!("p{}", self.made);
        self.made += 1;
        let cpu = ["100m", "1500m", "3"][choice as usize % 3];
        let change = match choice / 3 % 5 {
            0 => {
                json!({"metadata": {"annotations": {"sim.fleetwright.dev/exit-after": "20s"}}, "spec": {"restartPolicy": "Never"}})
            }
            1 => json!({"spec": {"priority": 100}}),
            2 => on("n1"),
            _ => json!({}),
        };
        let container = json!({"name": "app", "image": "app:1", "resources": {"requests": {"cpu": cpu}}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default",
            "labels": {"app": "web"}}, "spec": {"containers": [container]}});
        let local = self.world.server().local(UserInfo::admin());
        let made = local.create(Kind::POD.in_namespace("default"), both(&pod, &change));
        made.await.unwrap();
    }

    fn pick(&self, choice: u32) -> Option<Value> {
        let pods = self.world.server().read_all("", "pods", "");
        let place = choice as usize % pods.len().max(1);
        pods.into_iter().nth(place)
    }

    async fn delete(&mut self, choice: u32) {
        let Some(pod) = self.pick(choice / 2) else { return };
        let options = DeleteOptions {
            grace_period_seconds: choice.is_multiple_of(2).then_some(0),
            ..DeleteOptions::default()
        };
        let name = pod["metadata"]["name"].as_str().unwrap();
        let local = self.world.server().local(UserInfo::admin());
        local
            .delete(Kind::POD.in_namespace("default"), name, &options)
            .await
            .unwrap();
    }

    async fn change_labels(&mut self, choice: u32) {
        let Some(pod) = self.pick(choice / 2) else { return };
        let patch = json!({"metadata": {"labels": {"app": ["web", "db"][choice as usize % 2]}}});
        let name = pod["metadata"]["name"].as_str().unwrap();
        let local = self.world.server().local(UserInfo::admin());
        local
            .patch(Kind::POD.in_namespace("default"), name, "", &patch)
            .await
            .unwrap();
    }
}

fn tell(ops: &[u32], seed: u64) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut story = Story::new(seed);
        for op in ops {
            story.step(*op).await;
        }
        story.pass(1_000).await;
        story.followed.load(Ordering::Relaxed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn views_tell_what_trees_tell(ops in prop::collection::vec(any::<u32>(), 1..60), seed in 0_u64..4) {
        tell(&ops, seed);
    }
}

#[test]
fn most_news_of_pods_are_followed() {
    // Three pods are made and bound, one of which comes to its end by itself; that one and another are deleted.
    let made = [0, 8 * 9, 8 * 9];
    let (wait, delete) = (7 + 8 * 100, [8 + 3, 8 + 3]);
    let followed = tell(&[&made[..], &[wait], &delete[..]].concat(), 1);
    assert_eq!(followed, 3 + 1 + 3);
}
