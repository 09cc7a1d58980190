//! Kubelets: what becomes of the pods on their nodes.
//!
//! One controller plays the kubelets of all nodes. It keeps nothing: where a pod stands is read from its status, how long things
//! take is drawn from seed and pod or said by annotations, and a dead machine's pods are simply not looked at.

mod admission;
mod containers;
mod life;
mod profile;
mod stop;

use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;
use kube_sim::UserInfo;

pub use profile::{EventDetail, Profile};

use crate::cache::PodView;
use crate::engine::{Action, Change, Controller, EventType, View, kubelet_user};
use crate::kind::{Key, Kind};
use crate::nodes::{Machine, Power};
use crate::path::Path as _;
use life::{Course, Pod};
use stop::Order;

/// The controller that plays all kubelets.
pub(crate) fn controllers(seed: u64, profile: Profile) -> Vec<Box<dyn Controller>> {
    vec![Box::new(Kubelets { seed, profile })]
}

/// The name of the kubelets in the log.
pub(crate) const NAME: &str = "kubelet";

/// What the settling of a pod found out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    /// When its kubelet has to look at it next.
    pub(crate) next: Option<Timestamp>,
}

/// Gives a pod that is bound to a living machine the status of one that has been there for an hour. None for others.
pub(crate) fn settle(view: &View<'_>, pod: &mut Value, seed: u64, profile: &Profile) -> Option<Settled> {
    let node = pod.path("/spec/nodeName").and_then(Value::as_str)?;
    let machine = view.machine(node).filter(|machine| machine.is_alive(view.now))?;
    let host = machine.address();
    let shared = pod.path("/spec/hostNetwork").and_then(Value::as_bool) == Some(true);
    let address = if shared { host } else { free_address(view, machine) };
    let mut known = Pod::read(pod, seed, profile, view.now);
    known.begun = view
        .now
        .saturating_sub(SignedDuration::from_hours(1))
        .unwrap_or(view.now);
    let course = known.course(address, host, view.now);
    let next = course.next.map(|at| later(at, view.now));
    let status = course.status;
    if let Some(pod) = pod.as_object_mut() {
        pod.insert("status", status);
    }
    Some(Settled { next })
}

/// Times in a status are whole seconds, so what is due may lie a little in the past; it is never due again then.
fn later(at: Timestamp, now: Timestamp) -> Timestamp {
    at.max(now.saturating_add(SignedDuration::from_millis(1)).unwrap_or(now))
}

#[derive(Debug)]
struct Kubelets {
    seed: u64,
    profile: Profile,
}

fn node_of(view: &View<'_>, key: &Key) -> Option<Arc<str>> {
    view.pod(&key.namespace, &key.name).and_then(|pod| pod.node.clone())
}

impl Controller for Kubelets {
    fn name(&self) -> &'static str {
        NAME
    }

    fn user(&self, view: &View<'_>, key: &Key) -> UserInfo {
        kubelet_user(node_of(view, key).as_deref().unwrap_or_default())
    }

    fn host(&self, view: &View<'_>, key: &Key) -> Option<Arc<str>> {
        node_of(view, key)
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        let Some(pod) = &change.pod_after else {
            return Vec::new();
        };
        let here = pod.node.as_ref().is_some_and(|node| view.machine(node).is_some());
        // What it wrote itself it need not look at: its plan said when to look again.
        let own = change.actor == self.name() && !change.is_creation();
        if here && !own && !change.settled {
            vec![change.key.clone()]
        } else {
            Vec::new()
        }
    }

    fn machine_changed(&self, node: &str, view: &View<'_>) -> Vec<Key> {
        let pods = view.pods_on(node);
        pods.map(|pod| Key::new(Kind::POD, &pod.namespace, &pod.name)).collect()
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(pod) = view.pod(&key.namespace, &key.name) else {
            return Vec::new();
        };
        let Some(machine) = pod.node.as_ref().and_then(|node| view.machine(node)) else {
            return Vec::new();
        };
        match machine.power(view.now) {
            Power::Booting(at) => vec![Action::WakeAt(at)],
            Power::Dead(_) => Vec::new(),
            Power::Alive | Power::ShuttingDown(_) => self.look_after(view, key, pod, machine),
        }
    }
}

impl Kubelets {
    fn look_after(&self, view: &View<'_>, key: &Key, pod: &PodView, machine: &Machine) -> Vec<Action> {
        if pod.phase.is_terminal() && pod.deleting_by.is_none() {
            return Vec::new();
        }
        if pod.started.is_none() && pod.deleting_by.is_none() {
            let refusal = admission::refuse(view, pod, key);
            if !refusal.is_empty() {
                return refusal;
            }
        }
        let Some(mut tree) = view.object(key) else {
            return Vec::new();
        };
        let written = view
            .past_tree(tree.get("status").unwrap_or(&Value::Null))
            .map(|status| {
                // What it wrote before the clock was set back it reads, and writes again, as the clock shows it now.
                std::mem::replace(&mut Arc::make_mut(&mut tree)["status"], status)
            });
        let (now, host) = (view.now, machine.address());
        let address = pod.ip.unwrap_or_else(|| {
            let shared = tree.path("/spec/hostNetwork").and_then(Value::as_bool) == Some(true);
            if shared { host } else { free_address(view, machine) }
        });
        let course = Pod::read(&tree, self.seed, &self.profile, now);
        let state = course.course(address, host, now);
        if let Some(by) = pod.deleting_by {
            let mut order = Order::of_deletion(by, pod.deletion_grace);
            order.told = view.past(order.told);
            return stop::delete(&course, key, state, order, now);
        }
        if let Some((from, end)) = machine.shutdown {
            let grace = std::time::Duration::try_from(end.duration_since(from)).unwrap_or_default();
            let own = tree.path("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64);
            let grace = grace.min(std::time::Duration::from_secs(own.unwrap_or(30)));
            return stop::shut_down(&course, key, state, Order { told: from, grace }, now);
        }
        self.keep(key, &tree, written.as_ref(), state, now)
    }

    /// Brings the status to what became of the pod; `written` is what stands in it where that is not what was read.
    fn keep(&self, key: &Key, tree: &Value, written: Option<&Value>, state: Course, now: Timestamp) -> Vec<Action> {
        let mut plan = Vec::new();
        let status = tree.get("status").unwrap_or(&Value::Null);
        plan.extend(self.events(key, status, &state));
        let status = written.unwrap_or(status);
        let patch: json_tree::Map = match state.status {
            Value::Object(wanted) => wanted
                .into_iter()
                .filter(|(field, value)| status.get(field) != Some(value))
                .collect(),
            _ => json_tree::Map::new(),
        };
        if !patch.is_empty() {
            plan.push(Action::PatchStatus {
                key: key.clone(),
                patch: Value::Object([("status".to_owned(), Value::Object(patch))].into_iter().collect()),
            });
        }
        let next = state.next.map(|at| later(at, now));
        plan.extend(next.map(Action::WakeAt));
        plan
    }

    /// The events that a step of the course brings.
    fn events(&self, key: &Key, before: &Value, state: &Course) -> Vec<Action> {
        if self.profile.events == EventDetail::Nothing {
            return Vec::new();
        }
        let old = before.get("containerStatuses").and_then(Value::as_array);
        let new = state.status.get("containerStatuses").and_then(Value::as_array);
        let mut events = Vec::new();
        for (place, container) in new.into_iter().flatten().enumerate() {
            let was = old.and_then(|old| old.get(place)).unwrap_or(&Value::Null);
            let text =
                |value: &Value, path: &str| value.path(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            let event = |event_type, reason: &str, message: String| Action::Event {
                about: key.clone(),
                event_type,
                reason: reason.to_owned(),
                message,
            };
            let name = text(container, "/name");
            let waiting = text(container, "/state/waiting/reason");
            if waiting != text(was, "/state/waiting/reason") {
                match waiting.as_str() {
                    "CrashLoopBackOff" => {
                        let message = format!("Back-off restarting failed container {name} in pod {}", key.name);
                        events.push(event(EventType::Warning, "BackOff", message));
                    }
                    "ImagePullBackOff" => {
                        let message = format!("Failed to pull image \"{}\"", text(container, "/image"));
                        events.push(event(EventType::Warning, "Failed", message));
                    }
                    _ => {}
                }
            }
            let runs = container.path("/state/running").is_some();
            let since = "/state/running/startedAt";
            if self.profile.events == EventDetail::Everything && runs && text(container, since) != text(was, since) {
                let message = format!(
                    "Container image \"{}\" already present on machine",
                    text(container, "/image")
                );
                events.push(event(EventType::Normal, "Pulled", message));
                events.push(event(
                    EventType::Normal,
                    "Created",
                    format!("Container created: {name}"),
                ));
                events.push(event(EventType::Normal, "Started", "Container started".to_owned()));
            }
            let ready = |value: &Value| value.get("ready").and_then(Value::as_bool).unwrap_or(false);
            if ready(was) && !ready(container) && runs && text(was, since) == text(container, since) {
                events.push(event(
                    EventType::Warning,
                    "Unhealthy",
                    "Readiness probe failed".to_owned(),
                ));
            }
        }
        events
    }
}

/// The lowest address of the machine's pod network that no pod on it has.
fn free_address(view: &View<'_>, machine: &Machine) -> Ipv4Addr {
    let base = u32::from(machine.pod_network());
    let mut taken = [false; 256];
    for pod in view.pods_on(&machine.spec.name).filter(|pod| !pod.phase.is_terminal()) {
        let place = pod
            .ip
            .and_then(|ip| usize::try_from(u32::from(ip).checked_sub(base)?).ok());
        if let Some(place) = place.and_then(|place| taken.get_mut(place)) {
            *place = true;
        }
    }
    let free = (0..=255_u32).zip(taken).skip(2).find(|(_, taken)| !taken);
    Ipv4Addr::from(base + free.map_or(1, |(place, _)| place))
}
