//! Workloads as objects that have been there for a while: owners, pods on their nodes, volumes, budgets.

use jiff::Timestamp;
use json_tree::{Value, json};
use kube_world::World;
use ports::{Ids, SeededIds};

use super::case::{Case, Guard, Load};
use super::dice::Dice;

/// The namespace of all workloads.
pub(crate) const SPACE: &str = "default";
/// The finalizer that a drawn workload's pods carry.
pub(crate) const FINALIZER: &str = "example.org/unmount";

/// A node that pods can be put on.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) node: String,
    pub(crate) zone: String,
}

pub(crate) struct Planter<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) dice: Dice,
    pub(crate) ids: SeededIds,
    pub(crate) seats: Vec<Seat>,
    pub(crate) now: Timestamp,
    /// How old pods may be, in minutes.
    pub(crate) oldest: u64,
}

/// Plants all workloads of a case.
pub(crate) fn plant(world: &mut World, case: &Case, seats: Vec<Seat>) {
    let oldest = u64::try_from(case.policy.min_pod_lifetime.nanos() / 60_000_000_000).unwrap();
    let now = world.server().now();
    let mut planter = Planter {
        world,
        dice: Dice::child(case.seed, "objects"),
        ids: SeededIds::child(case.seed, "objects"),
        seats,
        now,
        oldest: oldest + oldest / 4,
    };
    for (number, load) in case.loads.iter().enumerate() {
        planter.load(&format!("app-{number}"), *load);
    }
}

fn template(name: &str, extra: &[(&str, &str)]) -> Value {
    let mut labels = json_tree::Map::new();
    labels.insert("app", name.into());
    for (key, value) in extra {
        labels.insert(key, (*value).into());
    }
    json!({"metadata": {"labels": labels, "annotations": {}}, "spec": {
        "terminationGracePeriodSeconds": 30, "serviceAccountName": "default",
        "containers": [{"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "100m"}},
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}]}})
}

impl Planter<'_> {
    fn load(&mut self, name: &str, load: Load) {
        match load {
            Load::Deployment {
                replicas,
                budget,
                ready,
            } => {
                let mut pods = template(name, &[]);
                if !ready {
                    pods["metadata"]["annotations"]["sim.fleetwright.dev/never-ready"] = "true".into();
                }
                self.deployment(name, replicas, &pods);
                self.guard(name, budget);
            }
            Load::Volumes { replicas, budget } => {
                self.set(name, replicas, &template(name, &[]), true);
                self.guard(name, budget);
            }
            Load::Postgres {
                replicas,
                works,
                budget,
            } => {
                let operator = if works { "works" } else { "broken" };
                self.set(
                    name,
                    replicas,
                    &template(name, &[("spilo-role", "replica"), ("operator", operator)]),
                    true,
                );
                if budget {
                    let primary = json!({"matchLabels": {"app": name, "spilo-role": "master"}});
                    self.budget(name, json!({"minAvailable": 1, "selector": primary}));
                }
            }
            Load::Search { replicas, operator } => {
                let operator = if operator { "search" } else { "none" };
                self.set(name, replicas, &template(name, &[("operator", operator)]), false);
                self.guard(name, Guard::MaxUnavailable(0));
            }
            Load::Job { minutes, deadline } => self.job(name, minutes, deadline),
            Load::Bare => {
                let mut pod = template(name, &[]);
                pod["metadata"]["name"] = name.into();
                self.pod(pod, None);
            }
            Load::Finalized { minutes } => {
                let mut pods = template(name, &[]);
                pods["metadata"]["finalizers"] = json!([FINALIZER]);
                pods["metadata"]["annotations"]["unmount-minutes"] = minutes.to_string().into();
                self.deployment(name, 2, &pods);
            }
            Load::Daemon => {
                let object = json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
                    "metadata": {"name": name, "namespace": SPACE, "uid": self.ids.uuid(), "generation": 1},
                    "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name, &[])}});
                self.world.start_settled([object]);
            }
        }
    }

    fn guard(&mut self, name: &str, guard: Guard) {
        let all = json!({"matchLabels": {"app": name}});
        match guard {
            Guard::None => {}
            Guard::MaxUnavailable(count) => self.budget(name, json!({"maxUnavailable": count, "selector": all})),
            Guard::Percent(share) => self.budget(name, json!({"minAvailable": format!("{share}%"), "selector": all})),
            Guard::Overlapping => {
                self.budget(name, json!({"maxUnavailable": 1, "selector": all}));
                self.budget(&format!("{name}-too"), json!({"minAvailable": 1, "selector": all}));
            }
            Guard::AlwaysAllow => self.budget(
                name,
                json!({"maxUnavailable": 1, "selector": all, "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
            ),
        }
    }

    fn budget(&mut self, name: &str, spec: Value) {
        let object = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": spec,
            "metadata": {"name": name, "namespace": SPACE, "uid": self.ids.uuid(), "generation": 1}});
        self.world.start_settled([object]);
    }

    /// Puts an object in and returns it as the server holds it, defaults included.
    fn put(&mut self, group: &str, resource: &str, mut object: Value) -> Value {
        object["metadata"]["uid"] = self.ids.uuid().into();
        object["metadata"]["namespace"] = SPACE.into();
        object["metadata"]["generation"] = 1.into();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.world.start_settled([object]);
        self.world.server().read(group, resource, SPACE, &name).unwrap()
    }

    fn deployment(&mut self, name: &str, replicas: u32, pods: &Value) {
        let owner = self.put(
            "apps",
            "deployments",
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "annotations": {"deployment.kubernetes.io/revision": "1"}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pods}}),
        );
        let mut template = owner["spec"]["template"].clone();
        template["metadata"]["labels"]["pod-template-hash"] = "settled".into();
        let mut selector = owner["spec"]["selector"].clone();
        selector["matchLabels"]["pod-template-hash"] = "settled".into();
        let set = self.put("apps", "replicasets", json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": format!("{name}-settled"), "labels": template["metadata"]["labels"],
                "ownerReferences": owned("apps/v1", "Deployment", &owner), "annotations": {
                "deployment.kubernetes.io/revision": "1", "deployment.kubernetes.io/desired-replicas": replicas.to_string(),
                "deployment.kubernetes.io/max-replicas": (replicas + replicas.div_ceil(4)).to_string()}},
            "spec": {"replicas": replicas, "selector": selector, "template": template}}));
        for number in 0..replicas {
            let mut pod = set["spec"]["template"].clone();
            pod["metadata"]["name"] = format!("{name}-settled-{number}").into();
            pod["metadata"]["ownerReferences"] = owned("apps/v1", "ReplicaSet", &set);
            self.pod(pod, None);
        }
    }

    fn set(&mut self, name: &str, replicas: u32, pods: &Value, volumes: bool) {
        let owner = self.put(
            "apps",
            "statefulsets",
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": name}, "spec": {"replicas": replicas, "serviceName": name,
                "selector": {"matchLabels": {"app": name}}, "podManagementPolicy": "Parallel",
                "updateStrategy": {"type": "OnDelete"}, "template": pods,
                "volumeClaimTemplates": if volumes { json!([{"metadata": {"name": "data"}, "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                    "resources": {"requests": {"storage": "1Gi"}}}}]) } else { json!([]) }}}),
        );
        for ordinal in 0..replicas {
            let mut pod = owner["spec"]["template"].clone();
            let member = format!("{name}-{ordinal}");
            pod["metadata"]["name"] = member.as_str().into();
            pod["metadata"]["ownerReferences"] = owned("apps/v1", "StatefulSet", &owner);
            for (label, value) in [
                ("statefulset.kubernetes.io/pod-name", member.clone()),
                ("apps.kubernetes.io/pod-index", ordinal.to_string()),
            ] {
                pod["metadata"]["labels"][label] = value.into();
            }
            if ordinal == 0 && pod["metadata"]["labels"]["spilo-role"] == "replica" {
                pod["metadata"]["labels"]["spilo-role"] = "master".into();
            }
            pod["spec"]["hostname"] = member.as_str().into();
            let seat = self.dice.pick(&self.seats);
            if volumes {
                let claim = format!("data-{member}");
                pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]);
                self.volume(name, &claim, &seat);
            }
            self.pod(pod, Some(seat));
        }
    }

    fn volume(&mut self, app: &str, claim: &str, seat: &Seat) {
        let volume = format!("pv-{claim}");
        let size = json!({"storage": "1Gi"});
        let (uid, volume_uid) = (self.ids.uuid(), self.ids.uuid());
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim, "namespace": SPACE, "uid": uid, "labels": {"app": app},
                "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard", "volumeName": volume,
                "resources": {"requests": size}},
            "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": size}});
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume, "uid": volume_uid},
            "spec": {"capacity": size, "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"},
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": SPACE,
                    "name": claim["metadata"]["name"], "uid": uid},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [seat.zone]}]}]}}},
            "status": {"phase": "Bound"}});
        self.world.start_settled([claim, volume]);
    }

    fn job(&mut self, name: &str, minutes: u64, deadline: Option<u64>) {
        let uid = self.ids.uuid();
        let mut pods = template(
            name,
            &[
                ("batch.kubernetes.io/controller-uid", &uid),
                ("batch.kubernetes.io/job-name", name),
            ],
        );
        pods["spec"]["restartPolicy"] = "Never".into();
        // Pods that were put in count as running for an hour.
        pods["metadata"]["annotations"]["sim.fleetwright.dev/exit-after"] = format!("{}m", 60 + minutes).into();
        let started = self.now - jiff::SignedDuration::from_mins(60);
        let object = json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": name, "namespace": SPACE, "uid": uid, "creationTimestamp": text(started), "generation": 1},
            "spec": {"parallelism": 1, "completions": 1, "backoffLimit": 3,
                "activeDeadlineSeconds": deadline.map(|minutes| (60 + minutes) * 60),
                "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}, "template": pods},
            "status": {"startTime": text(started)}});
        self.world.start_settled([object]);
        let owner = self.world.server().read("batch", "jobs", SPACE, name).unwrap();
        let mut pod = owner["spec"]["template"].clone();
        pod["metadata"]["name"] = format!("{name}-run").into();
        pod["metadata"]["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
        pod["metadata"]["ownerReferences"] = owned("batch/v1", "Job", &owner);
        self.pod(pod, None);
    }

    fn pod(&mut self, mut pod: Value, seat: Option<Seat>) {
        let seat = seat.unwrap_or_else(|| self.dice.pick(&self.seats));
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["namespace"] = SPACE.into();
        pod["metadata"]["uid"] = self.ids.uuid().into();
        pod["metadata"]["creationTimestamp"] = text(self.dice.ago(self.now, self.oldest)).into();
        pod["spec"]["nodeName"] = seat.node.into();
        let patience =
            |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        pod["spec"]["tolerations"] = json!([
            patience("node.kubernetes.io/not-ready"),
            patience("node.kubernetes.io/unreachable")
        ]);
        self.world.start_settled([pod]);
    }
}

fn owned(version: &str, kind: &str, owner: &Value) -> Value {
    json!([{"apiVersion": version, "kind": kind, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true}])
}

pub(crate) fn text(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap().to_string()
}
