//! The controllers on a real API in memory, with hand-made scheduling and kubelets, and a clock that tests set.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::{ApiError, ApiServer, Tap};
use ports::{Clock, SeededIds};

use crate::cache::Caches;
use crate::controllers::daemonset::pinned;
use crate::controllers::support::tree::{at, deleting, flag, list, set, stamp, text};
use crate::engine::{Action, Change, Controller, View, controller_manager};
use crate::kind::{Key, Kind};
use crate::nodes::Machines;

/// A clock that stands until it is set.
#[derive(Debug)]
struct HandClock(Mutex<Timestamp>);

#[async_trait::async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, _time: Duration) {}
}

/// Finishes a future that has nothing to wait for.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a local call waited"),
    }
}

/// A look at the cluster after each write.
type Check = Box<dyn Fn(&Bench)>;

pub(super) struct Bench {
    pub(super) server: ApiServer,
    clock: Arc<HandClock>,
    tap: Tap,
    caches: Caches,
    machines: Machines,
    controllers: Vec<Box<dyn Controller>>,
    queue: BTreeSet<(usize, Key)>,
    wakes: BTreeMap<(usize, Key), Timestamp>,
    /// Reasons and messages of events, in order.
    pub(super) events: Vec<String>,
    pub(super) check: Option<Check>,
    turns: usize,
}

impl Bench {
    /// A cluster of so many nodes over two zones.
    pub(super) fn new(nodes: usize) -> Self {
        let clock = Arc::new(HandClock(Mutex::new("2026-03-02T00:00:00Z".parse().unwrap())));
        let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::new(7)));
        let tap = server.tap();
        let mut bench = Self {
            server,
            clock,
            tap,
            caches: Caches::default(),
            machines: Machines::new(Arc::default()),
            controllers: crate::controllers::all(),
            queue: BTreeSet::new(),
            wakes: BTreeMap::new(),
            events: Vec::new(),
            check: None,
            turns: 0,
        };
        for number in 0..nodes {
            let name = format!("n{number}");
            let zone = ["a", "b"][number % 2];
            bench.create(
                Kind::NODE,
                json!({"metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}}}),
            );
        }
        bench.settle();
        bench
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn create(&mut self, kind: Kind, object: Value) {
        self.apply(&Action::Create { kind, object }).unwrap();
    }

    /// Merges a patch into an object, as a person does.
    pub(super) fn patch(&mut self, kind: Kind, name: &str, patch: Value) {
        let key = Key::new(kind, "default", name);
        self.apply(&Action::Patch { key, patch }).unwrap();
    }

    pub(super) fn get(&self, kind: Kind, name: &str) -> Value {
        let namespace = if kind.namespaced { "default" } else { "" };
        self.server
            .read(kind.group, kind.resource, namespace, name)
            .unwrap_or_default()
    }

    pub(super) fn list(&self, kind: Kind) -> Vec<Value> {
        self.server.read_all(kind.group, kind.resource, "")
    }

    pub(super) fn evict(&mut self, pod: &str) -> Result<(), ApiError> {
        self.apply(&Action::Evict {
            key: Key::new(Kind::POD, "default", pod),
        })
    }

    pub(super) fn apply(&mut self, action: &Action) -> Result<(), ApiError> {
        let local = self.server.local(controller_manager());
        match action {
            Action::Create { kind, object } => {
                let namespace = text(object, &["metadata", "namespace"]).unwrap_or("default");
                let mut object = object.clone();
                set(&mut object, &["apiVersion"], kind.api_version());
                set(&mut object, &["kind"], kind.kind);
                done(local.create(kind.in_namespace(namespace), object)).map(|_| ())
            }
            Action::Patch { key, patch } => done(local.patch(key.place(), &key.name, "", patch)).map(|_| ()),
            Action::PatchStatus { key, patch } => {
                done(local.patch(key.place(), &key.name, "status", patch)).map(|_| ())
            }
            Action::Delete { key, options } => match done(local.delete(key.place(), &key.name, options)) {
                Err(error) if error.code == 404 => Ok(()),
                other => other.map(|_| ()),
            },
            Action::Evict { key } => done(local.evict(&key.namespace, &key.name)),
            Action::Bind { key, node } => done(local.bind(&key.namespace, &key.name, node)),
            Action::Event { reason, message, .. } => {
                self.events.push(format!("{reason}: {message}"));
                Ok(())
            }
            Action::WakeAt(_) => Ok(()),
        }
    }

    fn view(&self) -> View<'_> {
        View {
            now: self.clock.now(),
            server: &self.server,
            caches: &self.caches,
            machines: &self.machines,
        }
    }

    fn take_writes(&mut self) {
        for write in self.tap.take() {
            let (group, resource) = write.resource();
            let Some(kind) = Kind::of(group, resource) else {
                continue;
            };
            let key = Key::new(kind, write.namespace(), write.name());
            let mut change = Change::new(key, write.version(), write.before(), write.after());
            self.caches.take_in(&mut change);
            let found: Vec<(usize, Key)> = {
                let view = self.view();
                let all = self.controllers.iter().enumerate();
                all.flat_map(|(index, one)| one.interested(&change, &view).into_iter().map(move |key| (index, key)))
                    .collect()
            };
            self.queue.extend(found);
        }
    }

    /// Lets the controllers work until nothing is left to do.
    pub(super) fn settle(&mut self) {
        self.take_writes();
        while let Some((index, key)) = self.queue.pop_first() {
            self.turns += 1;
            assert!(
                self.turns < 200_000,
                "the controllers do not come to rest: {key} of {}",
                self.controllers[index].name()
            );
            self.wakes.remove(&(index, key.clone()));
            let actions = self.controllers[index].reconcile(&self.view(), &key);
            for action in actions {
                if let Action::WakeAt(at) = action {
                    self.wakes.insert((index, key.clone()), at);
                    continue;
                }
                if let Err(error) = self.apply(&action) {
                    let answer = self.controllers[index].failed(&self.view(), &key, &action, &error);
                    assert!(
                        !answer.is_empty() || error.code == 409,
                        "{} {}: {error:?}",
                        action.verb(),
                        action.subject()
                    );
                    answer.iter().for_each(|action| self.apply(action).unwrap());
                    break;
                }
                self.take_writes();
                if let Some(check) = self.check.take() {
                    check(self);
                    self.check = Some(check);
                }
            }
            self.take_writes();
        }
    }

    /// Lets time pass, waking controllers at the moments they asked for.
    pub(super) fn advance(&mut self, seconds: i64) {
        let end = self.now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
        loop {
            self.settle();
            let Some((place, at)) = self
                .wakes
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(place, at)| (place.clone(), *at))
            else {
                break;
            };
            if at > end {
                break;
            }
            let now = self.now().max(at);
            *self.clock.0.lock().unwrap() = now;
            self.wakes.remove(&place);
            self.queue.insert(place);
        }
        *self.clock.0.lock().unwrap() = end;
    }

    /// One round of scheduler and kubelets for the pods that `serve` picks: bind, run, become ready, stop.
    pub(super) fn serve(&mut self, serve: &dyn Fn(&Value) -> bool) -> bool {
        let mut moved = false;
        let pods = self.list(Kind::POD);
        for (number, pod) in pods.iter().enumerate().filter(|(_, pod)| serve(pod)) {
            let key = Key::of(Kind::POD, pod);
            if deleting(pod) {
                let options = kube_sim::DeleteOptions {
                    grace_period_seconds: Some(0),
                    ..Default::default()
                };
                self.apply(&Action::Delete { key, options }).unwrap();
            } else if at(pod, &["spec", "nodeName"]).is_none() {
                let nodes: Vec<Value> = self
                    .list(Kind::NODE)
                    .into_iter()
                    .filter(|node| !flag(node, &["spec", "unschedulable"]))
                    .collect();
                let free = nodes
                    .get(number % nodes.len().max(1))
                    .and_then(|node| text(node, &["metadata", "name"]));
                let Some(node) = pinned(pod).or(free).map(str::to_owned) else {
                    continue;
                };
                self.apply(&Action::Bind { key, node }).unwrap();
            } else if text(pod, &["status", "phase"]) == Some("Pending") {
                let broken = list(pod, &["spec", "containers"])
                    .iter()
                    .any(|one| text(one, &["image"]) == Some("broken"));
                self.run(&key, pod, number, !broken);
            } else {
                continue;
            }
            moved = true;
            self.settle();
        }
        self.settle();
        moved
    }

    fn run(&mut self, key: &Key, pod: &Value, number: usize, good: bool) {
        let now = stamp(self.now());
        let never = text(pod, &["spec", "restartPolicy"]) == Some("Never");
        let status = if never {
            let phase = if good { "Succeeded" } else { "Failed" };
            json!({"phase": phase, "startTime": now, "containerStatuses": [{"name": "main", "restartCount": 0, "image": "x",
                "imageID": "", "ready": false,
                "state": {"terminated": {"exitCode": i64::from(!good), "finishedAt": now}}}]})
        } else {
            json!({"phase": "Running", "startTime": now, "podIP": format!("10.2.{}.{}", number / 250, number % 250),
                "conditions": [{"type": "Ready", "status": if good { "True" } else { "False" }, "lastTransitionTime": now}]})
        };
        self.apply(&Action::PatchStatus {
            key: key.clone(),
            patch: json!({"status": status}),
        })
        .unwrap();
    }

    /// Lets everything run until nothing moves any more, a second at a time.
    pub(super) fn run_out(&mut self) {
        for _ in 0..500 {
            self.settle();
            if !self.serve(&|_| true) {
                return;
            }
            self.advance(1);
        }
        panic!("the cluster does not come to rest");
    }
}
