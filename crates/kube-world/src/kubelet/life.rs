//! The course of a pod that is not being stopped: what its status says at a time, and when it changes next.

use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use json_tree::{List, Value, json};

use super::containers::{Container, End, Rules, State, after};
use super::profile::{Draws, Profile};
use crate::annotations::Behaviour;
use crate::engine::seconds;
use crate::nodes::conditions::{self, Wanted};
use crate::path::Path as _;

/// A pod with what its kubelet knows about it.
#[derive(Debug)]
pub(super) struct Pod<'a> {
    pub(super) tree: &'a Value,
    pub(super) behaviour: Behaviour,
    pub(super) draws: Draws<'a>,
    pub(super) profile: &'a Profile,
    /// When the kubelet took it on.
    pub(super) begun: Timestamp,
}

/// What became of a pod by a time.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) status: Value,
    pub(super) containers: Vec<(Container, Rules)>,
    /// When something happens next by itself.
    pub(super) next: Option<Timestamp>,
}

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.path(path).and_then(Value::as_array).map_or(&[], List::as_slice)
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.path(path).and_then(Value::as_str).unwrap_or_default()
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}

impl<'a> Pod<'a> {
    /// Reads a pod; it is taken on now unless its status says since when.
    pub(super) fn read(tree: &'a Value, seed: u64, profile: &'a Profile, now: Timestamp) -> Self {
        Self {
            tree,
            behaviour: Behaviour::read(tree),
            draws: Draws {
                seed,
                uid: text(tree, "/metadata/uid"),
            },
            profile,
            begun: text(tree, "/status/startTime").parse().unwrap_or(now),
        }
    }

    fn policy(&self) -> &str {
        match text(self.tree, "/spec/restartPolicy") {
            "" => "Always",
            named => named,
        }
    }

    fn init_time(&self) -> Duration {
        let own = self.behaviour.init_after;
        own.unwrap_or_else(|| self.draws.delay("init", &self.profile.init))
    }

    /// Init containers that have to end, before the others start.
    fn inits(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        list(self.tree, "/spec/initContainers").iter()
    }

    fn is_sidecar(spec: &Value) -> bool {
        text(spec, "/restartPolicy") == "Always"
    }

    /// When images are there and the first init container starts.
    fn prepared(&self) -> Timestamp {
        let delay = self.behaviour.start_after;
        after(
            self.begun,
            delay.unwrap_or_else(|| self.draws.delay("start", &self.profile.start)),
        )
    }

    /// When the main containers start.
    fn start(&self) -> Timestamp {
        let count = self.inits().filter(|spec| !Self::is_sidecar(spec)).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        after(self.prepared(), self.init_time().saturating_mul(count))
    }

    fn rules(&self, place: usize) -> Rules {
        let behaviour = &self.behaviour;
        let policy = self.policy();
        let crash = behaviour.crash_after.filter(|_| place == 0).map(|after| End {
            after,
            code: behaviour.exit_code.unwrap_or(1),
            times: behaviour.crash_times.unwrap_or(i64::MAX),
        });
        let work = || self.draws.delay("work", &self.profile.work);
        let exit = behaviour.exit_after.or_else(|| (policy != "Always").then(work));
        let exit = exit.map(|after| End {
            after,
            code: behaviour.exit_code.unwrap_or(0),
            times: i64::MAX,
        });
        Rules {
            start: if behaviour.image_pull_error {
                Timestamp::MAX
            } else {
                self.start()
            },
            end: crash.or(exit),
            restarts: (policy == "Always", policy != "Never"),
        }
    }

    /// Whether a running container is ready, and when that changes next.
    fn readiness(&self, spec: &Value, since: Timestamp, now: Timestamp) -> (bool, Option<Timestamp>) {
        let behaviour = &self.behaviour;
        if behaviour.never_ready {
            return (false, None);
        }
        let probed = spec.get("readinessProbe").is_some();
        let drawn = || self.draws.delay("ready", &self.profile.ready);
        let delay = behaviour.ready_after.or_else(|| probed.then(drawn)).unwrap_or_default();
        let ready = after(since, delay);
        if now < ready {
            return (false, Some(ready));
        }
        let Some(fails) = behaviour.readiness_fails_at.map(|at| after(since, at)) else {
            return (true, None);
        };
        if now < fails {
            return (true, Some(fails));
        }
        match behaviour.readiness_fails_for.map(|time| after(fails, time)) {
            Some(heals) if now >= heals => (true, None),
            heals => (false, heals),
        }
    }

    /// What became of the pod by now.
    pub(super) fn course(&self, address: Ipv4Addr, host: Ipv4Addr, now: Timestamp) -> Course {
        let mut next = None;
        let mut containers = Vec::new();
        let statuses = list(self.tree, "/status/containerStatuses");
        for (place, spec) in list(self.tree, "/spec/containers").iter().enumerate() {
            let mut container = Container::read(spec, statuses);
            let rules = self.rules(place);
            let due = container.advance(rules, now).filter(|due| *due < Timestamp::MAX);
            next = earlier(next, due);
            containers.push((container, rules));
        }
        let (inits, initialized, init_next) = self.init_statuses(now);
        next = earlier(next, init_next);
        let waiting = self.waiting(initialized);
        let place = format!(
            "{}_{}",
            text(self.tree, "/metadata/name"),
            text(self.tree, "/metadata/namespace")
        );
        let mut shown = Vec::new();
        let mut unready = Vec::new();
        for ((container, rules), spec) in containers.iter().zip(list(self.tree, "/spec/containers")) {
            let (ready, due) = match container.state {
                State::Running { since } => self.readiness(spec, since, now),
                _ => (false, None),
            };
            next = earlier(next, due);
            if !ready {
                unready.push(container.name.as_str());
            }
            shown.push(container.status(ready, waiting, *rules, &place));
        }
        let phase = phase(&containers);
        let mut status = json!({
            "phase": phase, "startTime": seconds(self.begun), "containerStatuses": shown,
            "hostIP": host.to_string(), "hostIPs": [{"ip": host.to_string()}]});
        if !inits.is_empty() {
            status["initContainerStatuses"] = inits.into();
        }
        if now >= self.prepared() && !self.behaviour.image_pull_error {
            status["podIP"] = address.to_string().into();
            status["podIPs"] = json!([{"ip": address.to_string()}]);
        }
        status["conditions"] = self.conditions(phase, initialized, &unready, now).into();
        Course {
            status,
            containers,
            next,
        }
    }

    fn waiting(&self, initialized: bool) -> (&'static str, &'static str) {
        if self.behaviour.image_pull_error {
            ("ImagePullBackOff", "Back-off pulling image")
        } else if initialized {
            ("ContainerCreating", "")
        } else {
            ("PodInitializing", "")
        }
    }

    /// The statuses of the init containers, whether all that has to end has, and when that changes next.
    fn init_statuses(&self, now: Timestamp) -> (Vec<Value>, bool, Option<Timestamp>) {
        let (mut statuses, mut next) = (Vec::new(), None);
        let (time, mut turn) = (self.init_time(), self.prepared());
        let stuck = self.behaviour.image_pull_error;
        for spec in self.inits() {
            let sidecar = Self::is_sidecar(spec);
            let end = after(turn, time);
            let state = if stuck || now < turn {
                next = earlier(next, Some(turn).filter(|_| !stuck));
                State::Waiting
            } else if sidecar || now < end {
                next = earlier(next, Some(end).filter(|_| !sidecar));
                State::Running { since: turn }
            } else {
                State::Ended {
                    code: 0,
                    since: turn,
                    at: end,
                }
            };
            let mut container = Container::read(spec, &[]);
            container.state = state;
            let rules = Rules {
                start: turn,
                end: None,
                restarts: (false, false),
            };
            let ready = !matches!(state, State::Waiting) && (sidecar || !container.is_running());
            statuses.push(container.status(ready, ("PodInitializing", ""), rules, ""));
            if !sidecar {
                turn = end;
            }
        }
        (statuses, !stuck && now >= turn.min(self.start()), next)
    }

    fn conditions(&self, phase: &str, initialized: bool, unready: &[&str], now: Timestamp) -> Vec<Value> {
        let mut all = conditions::list(self.tree).to_vec();
        let mut say = |r#type: &str, status: bool, reason: &str, message: &str| {
            let wanted = Wanted {
                r#type,
                status: if status { "True" } else { "False" },
                reason: if status { "" } else { reason },
                message: if status { "" } else { message },
            };
            conditions::set(&mut all, wanted, false, now);
        };
        let has_inits = self.inits().next().is_some();
        say(
            "PodReadyToStartContainers",
            now >= self.prepared() && phase != "Succeeded",
            "",
            "",
        );
        let message = "containers with incomplete status";
        say(
            "Initialized",
            initialized || !has_inits,
            "ContainersNotInitialized",
            message,
        );
        let message = format!("containers with unready status: [{}]", unready.join(" "));
        let reason = if matches!(phase, "Succeeded" | "Failed") {
            "PodCompleted"
        } else {
            "ContainersNotReady"
        };
        let message = if reason == "PodCompleted" { "" } else { message.as_str() };
        let ready = unready.is_empty() && phase == "Running";
        say("ContainersReady", ready, reason, message);
        match self.shut_gate() {
            Some(gate) if ready => {
                let (status, message) = gate;
                let message = if status.is_empty() {
                    format!("corresponding condition of pod readiness gate \"{message}\" does not exist.")
                } else {
                    format!("the status of pod readiness gate \"{message}\" is not \"True\", but {status}")
                };
                say("Ready", false, "ReadinessGatesNotReady", &message);
            }
            _ => say("Ready", ready, reason, message),
        }
        say("PodScheduled", true, "", "");
        all
    }

    /// The first readiness gate whose condition is not true: that condition's status and type.
    fn shut_gate(&self) -> Option<(&str, &str)> {
        list(self.tree, "/spec/readinessGates")
            .iter()
            .map(|gate| text(gate, "/conditionType"))
            .map(|gate| (conditions::status(conditions::list(self.tree), gate), gate))
            .find(|(status, _)| *status != "True")
    }
}

/// The phase that follows from the containers.
fn phase(containers: &[(Container, Rules)]) -> &'static str {
    let done = |container: &Container, rules: &Rules| match container.state {
        State::Ended { code, .. } if !(if code == 0 { rules.restarts.0 } else { rules.restarts.1 }) => Some(code),
        _ => None,
    };
    let codes: Option<Vec<i64>> = containers
        .iter()
        .map(|(container, rules)| done(container, rules))
        .collect();
    match codes {
        Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
        Some(_) => "Failed",
        None if containers
            .iter()
            .all(|(container, _)| container.state == State::Waiting) =>
        {
            "Pending"
        }
        None => "Running",
    }
}
