//! What the oracle knows of the cluster: its own reading of the objects, written from the API's documentation and sharing
//! nothing with the engine's.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;

pub(crate) type Name = (String, String);

#[derive(Debug, Clone, Default)]
pub(crate) struct NodeFacts {
    /// Since when it carries the start of a drain, by the oracle's clock.
    pub(crate) draining: Option<Timestamp>,
    pub(crate) quarantined: bool,
    pub(crate) cordoned: bool,
    pub(crate) tainted: bool,
    pub(crate) status: String,
    pub(crate) machine: String,
    pub(crate) zone: String,
    pub(crate) ready: bool,
    /// When it was last seen ready.
    pub(crate) last_ready: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Set(String),
    Job(String),
    Daemon,
    Static,
    Bare,
}

#[derive(Debug, Clone)]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    pub(crate) node: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) owner: Option<(String, String)>,
    pub(crate) kind: Kind,
    pub(crate) created: Timestamp,
    pub(crate) phase: String,
    pub(crate) ready: bool,
    pub(crate) ready_changed: Timestamp,
    /// When its deletion was accepted.
    pub(crate) deleted: Option<Timestamp>,
    /// Since when the oracle sees it finished.
    pub(crate) finished: Option<Timestamp>,
    /// Since when its operator moves its data.
    pub(crate) moving: Option<Timestamp>,
    /// Since when it is a database's primary.
    pub(crate) primary: Option<Timestamp>,
    /// How many minutes after its deletion its finalizer goes.
    pub(crate) unmount: Option<i64>,
}

impl PodFacts {
    pub(crate) fn healthy(&self) -> bool {
        self.ready && self.deleted.is_none() && self.finished.is_none()
    }

    /// It leaves its node only because somebody asks.
    pub(crate) fn movable(&self) -> bool {
        self.finished.is_none() && !matches!(self.kind, Kind::Daemon | Kind::Static)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct BudgetFacts {
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) min_available: Option<String>,
    pub(crate) max_unavailable: Option<String>,
}

/// Everything, by name.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) nodes: BTreeMap<String, NodeFacts>,
    pub(crate) pods: BTreeMap<Name, PodFacts>,
    pub(crate) budgets: BTreeMap<Name, BudgetFacts>,
    /// Replicas of the controllers that own pods.
    pub(crate) replicas: BTreeMap<(String, String), usize>,
    /// When Jobs give up.
    pub(crate) deadlines: BTreeMap<String, Timestamp>,
    /// Since when StatefulSets lack a healthy member.
    pub(crate) degraded: BTreeMap<String, Timestamp>,
}

fn text(object: &Value, path: &str) -> String {
    object
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn time(object: &Value, path: &str) -> Option<Timestamp> {
    object.pointer(path)?.as_str()?.parse().ok()
}

fn labels(object: &Value, path: &str) -> BTreeMap<String, String> {
    let map = object.pointer(path).and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs
        .map(|(key, value)| (key.to_string(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|one| one["type"] == kind)
}

impl Facts {
    /// Takes a write in; `object` is none for a removal.
    pub(crate) fn take(&mut self, resource: &str, name: Name, object: Option<&Value>, now: Timestamp) {
        match (resource, object) {
            ("nodes", None) => {
                self.nodes.remove(&name.1);
            }
            ("nodes", Some(node)) => self.node(name.1, node, now),
            ("pods", None) => {
                self.pods.remove(&name);
            }
            ("pods", Some(pod)) => self.pod(name, pod, now),
            ("poddisruptionbudgets", None) => {
                self.budgets.remove(&name);
            }
            ("poddisruptionbudgets", Some(budget)) => {
                let amount = |path: &str| budget.pointer(path).map(|value| value.to_string().replace('"', ""));
                let facts = BudgetFacts {
                    selector: labels(budget, "/spec/selector/matchLabels"),
                    min_available: amount("/spec/minAvailable"),
                    max_unavailable: amount("/spec/maxUnavailable"),
                };
                self.budgets.insert(name, facts);
            }
            ("replicasets" | "statefulsets", Some(owner)) => {
                let count = owner.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
                let key = (resource.trim_end_matches('s').to_owned(), name.1);
                self.replicas.insert(key, usize::try_from(count).unwrap());
            }
            ("jobs", Some(job)) => {
                let limit = job.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_i64);
                let end = time(job, "/status/startTime").zip(limit);
                if let Some((start, limit)) = end {
                    self.deadlines.insert(name.1, start + SignedDuration::from_secs(limit));
                }
            }
            _ => {}
        }
        if matches!(resource, "pods" | "statefulsets") {
            self.look_at_sets(now);
        }
    }

    /// What the log of a seed says of a node or pod.
    pub(crate) fn brief(&self, resource: &str, name: &Name) -> String {
        match resource {
            "nodes" => self.nodes.get(&name.1).map_or(" gone".to_owned(), |node| {
                let (status, zone) = (&node.status, &node.zone);
                let marks = [
                    (node.ready, "ready"),
                    (node.cordoned, "closed"),
                    (node.tainted, "tainted"),
                ];
                let marks: String = marks
                    .iter()
                    .filter(|mark| mark.0)
                    .map(|mark| format!(" {}", mark.1))
                    .collect();
                format!(" {zone} {status}{marks}")
            }),
            "pods" => self.pods.get(name).map_or(" gone".to_owned(), |pod| {
                let (node, phase) = (&pod.node, &pod.phase);
                let marks = [(pod.ready, "ready"), (pod.deleted.is_some(), "ending")];
                let marks: String = marks
                    .iter()
                    .filter(|mark| mark.0)
                    .map(|mark| format!(" {}", mark.1))
                    .collect();
                format!(" {phase} on {node}{marks}")
            }),
            _ => String::new(),
        }
    }

    fn node(&mut self, name: String, node: &Value, now: Timestamp) {
        let old = self.nodes.get(&name).cloned().unwrap_or_default();
        let notes = labels(node, "/metadata/annotations");
        let begun = notes.contains_key("cluster-lifecycle-manager.zalando.org/drain-start");
        let ready = condition(node, "Ready").is_some_and(|one| one["status"] == "True");
        let taints = node.pointer("/spec/taints").and_then(Value::as_array);
        let facts = NodeFacts {
            draining: begun.then(|| old.draining.unwrap_or(now)),
            quarantined: notes.contains_key("rollout.fleetwright.dev/quarantined"),
            cordoned: node.pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
            tainted: taints
                .into_iter()
                .flatten()
                .any(|taint| taint["key"] == "decommission-pending"),
            status: text(node, "/metadata/labels/lifecycle-status"),
            machine: text(node, "/spec/providerID")
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
            zone: text(node, "/metadata/labels/topology.kubernetes.io~1zone"),
            ready,
            last_ready: if ready || old.ready { Some(now) } else { old.last_ready },
        };
        self.nodes.insert(name, facts);
    }

    fn pod(&mut self, name: Name, pod: &Value, now: Timestamp) {
        let uid = text(pod, "/metadata/uid");
        let old = self.pods.get(&name).filter(|old| old.uid == uid);
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let owner = owners.into_iter().flatten().find(|owner| owner["controller"] == true);
        let owner = owner.map(|owner| (text(owner, "/kind").to_ascii_lowercase(), text(owner, "/name")));
        let notes = labels(pod, "/metadata/annotations");
        let kind = match &owner {
            _ if notes.contains_key("kubernetes.io/config.mirror") => Kind::Static,
            Some((kind, _)) if kind == "daemonset" => Kind::Daemon,
            Some((kind, name)) if kind == "statefulset" => Kind::Set(name.clone()),
            Some((kind, name)) if kind == "job" => Kind::Job(name.clone()),
            Some(_) => Kind::Plain,
            None => Kind::Bare,
        };
        let labels = labels(pod, "/metadata/labels");
        let (phase, created) = (
            text(pod, "/status/phase"),
            time(pod, "/metadata/creationTimestamp").unwrap(),
        );
        let ready = condition(pod, "Ready");
        let since = |holds: bool, old: Option<Timestamp>| holds.then(|| old.unwrap_or(now));
        let grace = pod
            .pointer("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_i64)
            .unwrap_or(0);
        let facts = PodFacts {
            node: text(pod, "/spec/nodeName"),
            ready: ready.is_some_and(|one| one["status"] == "True"),
            ready_changed: ready
                .and_then(|one| time(one, "/lastTransitionTime"))
                .unwrap_or(created),
            deleted: time(pod, "/metadata/deletionTimestamp").map(|at| at - SignedDuration::from_secs(grace)),
            finished: since(
                phase == "Succeeded" || phase == "Failed",
                old.and_then(|old| old.finished),
            ),
            moving: since(
                notes
                    .get("operator.zalando.org/draining")
                    .is_some_and(|value| value != "false"),
                old.and_then(|old| old.moving),
            ),
            primary: since(
                labels.get("spilo-role").is_some_and(|role| role == "master"),
                old.and_then(|old| old.primary),
            ),
            unmount: pod
                .pointer("/metadata/finalizers/0")
                .filter(|name| **name == super::objects::FINALIZER)
                .and_then(|_| notes.get("unmount-minutes")?.parse().ok()),
            uid,
            labels,
            owner,
            kind,
            created,
            phase,
        };
        self.pods.insert(name, facts);
    }

    fn look_at_sets(&mut self, now: Timestamp) {
        let sets: BTreeSet<String> = self
            .replicas
            .keys()
            .filter(|key| key.0 == "statefulset")
            .map(|key| key.1.clone())
            .collect();
        for set in sets {
            let healthy = self.members(&set).filter(|(_, pod)| pod.healthy()).count();
            let wanted = self
                .replicas
                .get(&("statefulset".to_owned(), set.clone()))
                .copied()
                .unwrap_or(0);
            if healthy >= wanted {
                self.degraded.remove(&set);
            } else {
                self.degraded.entry(set).or_insert(now);
            }
        }
    }

    pub(crate) fn members<'a>(&'a self, set: &'a str) -> impl Iterator<Item = (&'a Name, &'a PodFacts)> {
        self.pods
            .iter()
            .filter(move |(_, pod)| pod.kind == Kind::Set(set.to_owned()))
    }

    /// The budgets that guard a pod.
    pub(crate) fn budgets_of(&self, name: &Name, pod: &PodFacts) -> Vec<Name> {
        let guards = |(key, budget): &(&Name, &BudgetFacts)| key.0 == name.0 && budget.matches(pod);
        self.budgets.iter().filter(guards).map(|(key, _)| key.clone()).collect()
    }

    /// Healthy pods of a budget, and how many there have to be.
    pub(crate) fn reading(&self, key: &Name) -> (usize, usize) {
        let Some(budget) = self.budgets.get(key) else {
            return (0, 0);
        };
        let pods = self
            .pods
            .iter()
            .filter(|(name, pod)| name.0 == key.0 && budget.matches(pod));
        let (mut healthy, mut owners, mut alone) = (0, BTreeSet::new(), 0);
        for (_, pod) in pods {
            healthy += usize::from(pod.healthy());
            match &pod.owner {
                Some(owner) => _ = owners.insert(owner.clone()),
                None => alone += 1,
            }
        }
        let expected = owners
            .iter()
            .filter_map(|owner| self.replicas.get(owner))
            .sum::<usize>()
            + alone;
        let count = |amount: &str| match amount.strip_suffix('%') {
            Some(share) => (share.parse::<usize>().unwrap() * expected).div_ceil(100),
            None => amount.parse().unwrap(),
        };
        let desired = match (&budget.min_available, &budget.max_unavailable) {
            (Some(amount), _) => count(amount),
            (None, Some(amount)) => expected.saturating_sub(count(amount)),
            (None, None) => 0,
        };
        (healthy, desired)
    }

    /// Pods that suffer when this one goes: those under its budgets and the members of its set.
    pub(crate) fn siblings(&self, name: &Name, pod: &PodFacts) -> Vec<(&Name, &PodFacts)> {
        let budgets = self.budgets_of(name, pod);
        let related = |(other, facts): &(&Name, &PodFacts)| {
            let under = budgets
                .iter()
                .any(|key| key.0 == other.0 && self.budgets[key].matches(facts));
            let mate = matches!(&facts.kind, Kind::Set(_)) && facts.kind == pod.kind;
            *other != name
                && other.0 == name.0
                && facts.finished.is_none()
                && !matches!(facts.kind, Kind::Job(_))
                && (under || mate)
        };
        self.pods.iter().filter(related).collect()
    }
}

impl BudgetFacts {
    fn matches(&self, pod: &PodFacts) -> bool {
        self.selector
            .iter()
            .all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}
