//! The parts that profiles are made of, with requests that fit the nodes.

use std::collections::BTreeSet;

use json_tree::{Value, json};
use ports::{Ids, SeededIds};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::error::TwinError;
use crate::spec::{ClusterSpec, PoolSpec};
use crate::tree::set;

/// The share of a node that requests fill when all pods are of the usual weight, in percent.
const FILL: i64 = 70;

/// An application of a team.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) replicas: i64,
    /// How much it asks for, in percent of the usual.
    pub(super) weight: i64,
}

/// Collects manifests until the cluster has the pods that it shall have.
#[derive(Debug)]
pub(super) struct Filler {
    objects: Vec<Value>,
    namespaces: BTreeSet<String>,
    left: i64,
    nodes: i64,
    millicores: i64,
    mebibytes: i64,
    random: SmallRng,
}

impl Filler {
    pub(super) fn new(cluster: &ClusterSpec, seed: u64) -> Result<Self, TwinError> {
        // Workloads of a profile tolerate no taint, so pools with hard ones take none of them.
        let open = |pool: &&PoolSpec| pool.taints.iter().all(|(_, _, effect)| effect == "PreferNoSchedule");
        let pools: Vec<&PoolSpec> = cluster.pools.iter().filter(open).collect();
        let nodes: i64 = pools.iter().map(|pool| i64::from(pool.size)).sum();
        let per_node = i64::from(cluster.pods_per_node.max(1));
        // The smallest machine decides, so that what is asked for fits all of them.
        let (mut millicores, mut mebibytes) = (i64::MAX, i64::MAX);
        for pool in pools {
            let (cpu, memory) = pool.shape.amounts(&pool.name)?;
            (millicores, mebibytes) = (millicores.min(cpu), mebibytes.min(memory));
        }
        let share = |amount: i64| (amount / 100).saturating_mul(FILL) / per_node;
        Ok(Self {
            objects: Vec::new(),
            namespaces: BTreeSet::new(),
            left: nodes * i64::from(cluster.pods_per_node),
            nodes,
            millicores: share(millicores).max(1),
            mebibytes: share(mebibytes).max(1),
            random: SmallRng::seed_from_u64(SeededIds::child(seed, "profile").next_u64()),
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.left <= 0
    }

    /// The number of nodes that the cluster begins with.
    pub(super) fn nodes(&self) -> i64 {
        self.nodes
    }

    /// Namespaces first, then everything in the order in which it was added.
    pub(super) fn into_objects(self) -> Vec<Value> {
        let namespace = |name: &String| {
            json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}})
        };
        let given = ["default", "kube-system"];
        let made = self.namespaces.iter().filter(|name| !given.contains(&name.as_str()));
        made.map(namespace).chain(self.objects).collect()
    }

    /// One of a range, ends included.
    pub(super) fn draw(&mut self, from: i64, to: i64) -> i64 {
        self.random.random_range(from..=to)
    }

    /// An application with a weight of its own. Of its replicas as many are kept as there is room for, and one at least.
    pub(super) fn app(&mut self, namespace: &str, name: &str, replicas: i64) -> App {
        let replicas = replicas.min(self.left).max(1);
        let weight = self.draw(40, 160);
        App {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            replicas,
            weight,
        }
    }

    /// Adds an object that brings no pods.
    pub(super) fn add(&mut self, object: Value) {
        if let Some(namespace) = object.pointer("/metadata/namespace").and_then(Value::as_str) {
            self.namespaces.insert(namespace.to_owned());
        }
        self.objects.push(object);
    }

    /// Adds an object that brings so many pods.
    pub(super) fn add_with_pods(&mut self, object: Value, pods: i64) {
        self.left -= pods;
        self.add(object);
    }

    /// A Deployment with its Service, spread over zones.
    pub(super) fn deployment(&mut self, app: &App) -> Value {
        let mut template = self.template(app, 8080);
        if app.replicas > 1 {
            set(
                &mut template,
                &["spec", "topologySpreadConstraints"],
                json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": {"application": app.name}}}]),
            );
        }
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(app, &app.name), "spec": {
            "replicas": app.replicas, "selector": {"matchLabels": {"application": app.name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 1}},
            "template": template}})
    }

    /// A StatefulSet with a volume per pod, each on a node of its own.
    pub(super) fn stateful_set(&mut self, app: &App, port: u16, gigabytes: i64) -> Value {
        let mut template = self.template(app, port);
        set(
            &mut template,
            &["spec", "affinity"],
            json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": {
                "labelSelector": {"matchLabels": {"application": app.name}}, "topologyKey": "kubernetes.io/hostname"}}]}}),
        );
        set(&mut template, &["spec", "terminationGracePeriodSeconds"], 300);
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(app, &app.name), "spec": {
            "replicas": app.replicas, "serviceName": app.name, "selector": {"matchLabels": {"application": app.name}},
            "template": template, "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                "resources": {"requests": {"storage": format!("{gigabytes}Gi")}}}}]}})
    }

    /// The template of an application's pods.
    pub(super) fn template(&mut self, app: &App, port: u16) -> Value {
        let version = format!("v{}", self.draw(1, 40));
        // What is measured of it, for autoscalers: what they aim at, so that they have nothing to do at first.
        let used = json!({"sim.fleetwright.dev/cpu": format!("{}m", self.millicores(app.weight) * 60 / 100)});
        json!({"metadata": {"labels": {"application": app.name, "team": team(&app.namespace), "version": version},
                "annotations": used},
            "spec": {"containers": [{
                "name": app.name, "image": format!("registry.example.org/{}/{}:{version}", team(&app.namespace), app.name),
                "ports": [{"name": "main", "containerPort": port}],
                "env": [{"name": "APPLICATION", "value": app.name}],
                "readinessProbe": {"httpGet": {"path": "/health", "port": "main"}},
                "resources": self.resources(app.weight)}]}})
    }

    fn millicores(&self, weight: i64) -> i64 {
        (self.millicores * weight / 100).max(1)
    }

    /// Requests in percent of the usual.
    pub(super) fn resources(&self, weight: i64) -> Value {
        let cpu = self.millicores(weight);
        let memory = (self.mebibytes * weight / 100).max(1);
        json!({"requests": {"cpu": format!("{cpu}m"), "memory": format!("{memory}Mi")},
            "limits": {"memory": format!("{memory}Mi")}})
    }
}

fn team(namespace: &str) -> &str {
    namespace.split('-').next().unwrap_or(namespace)
}

/// Name, namespace and labels of an application's object.
pub(super) fn metadata(app: &App, name: &str) -> Value {
    json!({"name": name, "namespace": app.namespace, "labels": {"application": app.name, "team": team(&app.namespace)}})
}

/// A Service before an application.
pub(super) fn service(app: &App, port: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(app, &app.name), "spec": {
        "selector": {"application": app.name}, "ports": [{"name": "main", "port": port, "targetPort": "main"}]}})
}

/// A budget over labels; `rule` is `minAvailable` or `maxUnavailable`.
pub(super) fn budget(app: &App, name: &str, labels: &Value, rule: &str, value: impl Into<Value>) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(app, name),
        "spec": {rule: value.into(), "selector": {"matchLabels": labels}}})
}

/// An autoscaler of a Deployment between half and twice its size.
pub(super) fn autoscaler(app: &App) -> Value {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata(app, &app.name), "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.name},
        "minReplicas": (app.replicas / 2).max(1), "maxReplicas": app.replicas * 2,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}]}})
}

/// A CronJob whose runs take so long.
pub(super) fn cron_job(filler: &mut Filler, app: &App, schedule: &str, takes: &str) -> Value {
    let mut template = filler.template(app, 8080);
    set(&mut template, &["spec", "restartPolicy"], "OnFailure");
    set(
        &mut template,
        &["metadata", "annotations"],
        json!({"sim.fleetwright.dev/exit-after": takes}),
    );
    json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(app, &app.name), "spec": {
        "schedule": schedule, "concurrencyPolicy": "Forbid", "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1,
        "jobTemplate": {"spec": {"backoffLimit": 2, "template": template}}}})
}

/// A Job whose pods run so long.
pub(super) fn job(filler: &mut Filler, app: &App, takes: &str) -> Value {
    let mut template = filler.template(app, 8080);
    set(&mut template, &["spec", "restartPolicy"], "Never");
    set(
        &mut template,
        &["metadata", "annotations"],
        json!({"sim.fleetwright.dev/exit-after": takes}),
    );
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(app, &app.name), "spec": {
        "parallelism": app.replicas, "completions": app.replicas, "backoffLimit": 4, "template": template}})
}
