//! Begins a cluster in the middle of its life: manifests as users apply them become objects whose pods run already.
//!
//! What controllers would have made is made here as they would have made it: ReplicaSets and revisions with the templates as
//! the server holds them, pods with owners and labels, volumes bound in the zone of their pod. The controllers then look at
//! all of it and write the status of the owners; they find nothing else to do.

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_world::{Kind, World};
use ports::{Ids, SeededIds};

use crate::place::{Places, Siblings, Wish};
use crate::tree::{int, list, set, text};

/// The letters of generated names.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How long what users applied has been there.
const AGE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How long pods have been there: what kubelets say of settled pods.
const POD_AGE: SignedDuration = SignedDuration::from_hours(1);

/// Puts manifests and what follows from them into a world.
pub(crate) fn settle(world: &mut World, manifests: Vec<Value>, seed: u64) {
    let now = world.server().now();
    age_nodes(world, before(now, AGE));
    let mut settling = Settling {
        ids: SeededIds::child(seed, "settled"),
        places: Places::of(&world.view()),
        owners_since: before(now, AGE),
        pods_since: before(now, POD_AGE),
        now,
        world,
    };
    settling.put(storage_class());
    for manifest in manifests {
        settling.apply(manifest);
    }
}

/// Nodes have been there, and ready, for as long as what runs on them.
fn age_nodes(world: &mut World, since: Timestamp) {
    let since = kube_world::seconds(since);
    for mut node in world.server().read_all("", "nodes", "") {
        set(&mut node, &["metadata", "creationTimestamp"], since.as_str());
        let conditions = node.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten() {
            set(condition, &["lastTransitionTime"], since.as_str());
        }
        world.start_settled([node]);
    }
}

fn before(now: Timestamp, age: SignedDuration) -> Timestamp {
    now.saturating_sub(age).unwrap_or(now)
}

fn storage_class() -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Delete"})
}

struct Settling<'a> {
    world: &'a mut World,
    ids: SeededIds,
    places: Places,
    now: Timestamp,
    owners_since: Timestamp,
    pods_since: Timestamp,
}

impl Settling<'_> {
    fn apply(&mut self, mut manifest: Value) {
        let kind = text(&manifest, "/kind").to_owned();
        if kind == "Pod" {
            self.bare(manifest);
            return;
        }
        // A schedule counts from the creation, and nobody missed a run before the cluster was there.
        let since = if kind == "CronJob" { self.now } else { self.owners_since };
        set(&mut manifest, &["metadata", "creationTimestamp"], since.to_string());
        if !matches!(kind.as_str(), "Namespace" | "Service" | "ConfigMap") {
            set(&mut manifest, &["metadata", "generation"], 1);
        }
        match kind.as_str() {
            "Deployment" => {
                set(
                    &mut manifest,
                    &["metadata", "annotations", "deployment.kubernetes.io/revision"],
                    "1",
                );
                self.with_stored(Kind::DEPLOYMENT, manifest, Self::deployment);
            }
            "StatefulSet" => self.with_stored(Kind::STATEFUL_SET, manifest, Self::stateful_set),
            "DaemonSet" => self.with_stored(Kind::DAEMON_SET, manifest, Self::daemon_set),
            "Job" => self.job(manifest),
            "Namespace" => {
                // The server makes the account of a namespace that is created; this one was there before.
                let namespace = text(&manifest, "/metadata/name").to_owned();
                self.put(manifest);
                self.put(json!({"apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": {"name": "default", "namespace": namespace}}));
            }
            _ => self.put(manifest),
        }
    }

    /// Puts an object in; it gets a uid where it has none.
    fn put(&mut self, mut object: Value) {
        if text(&object, "/metadata/uid").is_empty() {
            set(&mut object, &["metadata", "uid"], self.ids.uuid());
        }
        self.world.start_settled([object]);
    }

    /// Puts an owner in and goes on with it as the server holds it, defaults included.
    fn with_stored(&mut self, kind: Kind, manifest: Value, go_on: fn(&mut Self, &Value)) {
        let (namespace, name) = (
            text(&manifest, "/metadata/namespace").to_owned(),
            text(&manifest, "/metadata/name").to_owned(),
        );
        self.put(manifest);
        let stored = self.world.server().read(kind.group, kind.resource, &namespace, &name);
        if let Some(stored) = stored {
            go_on(self, &stored);
        }
    }

    fn deployment(&mut self, deployment: &Value) {
        let replicas = int(deployment, "/spec/replicas").unwrap_or(1);
        let hash = self.letters(10);
        let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
        set(
            &mut template,
            &["metadata", "labels", "pod-template-hash"],
            hash.as_str(),
        );
        let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
        set(&mut selector, &["matchLabels", "pod-template-hash"], hash.as_str());
        let name = format!("{}-{hash}", text(deployment, "/metadata/name"));
        let surge = replicas + surge(deployment, replicas);
        let mut owned = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": name, "labels": template.pointer("/metadata/labels"), "generation": 1, "annotations": {
                "deployment.kubernetes.io/revision": "1", "deployment.kubernetes.io/desired-replicas": replicas.to_string(),
                "deployment.kubernetes.io/max-replicas": surge.to_string()}},
            "spec": {"replicas": replicas, "selector": selector, "template": template}});
        self.own(&mut owned, Kind::DEPLOYMENT, deployment, self.owners_since);
        set(&mut owned, &["metadata", "uid"], self.ids.uuid());
        self.put(owned.clone());
        let mut siblings = Siblings::default();
        let wish = Wish::of(owned.pointer("/spec/template/spec"));
        let base = format!("{name}-");
        for _ in 0..replicas {
            let mut pod = pod_of(owned.pointer("/spec/template"));
            set(&mut pod, &["metadata", "name"], format!("{base}{}", self.letters(5)));
            set(&mut pod, &["metadata", "generateName"], base.as_str());
            self.own(&mut pod, Kind::REPLICA_SET, &owned, self.pods_since);
            self.bind(pod, &wish, &mut siblings);
        }
    }

    fn stateful_set(&mut self, owner: &Value) {
        let (name, hash) = (text(owner, "/metadata/name").to_owned(), self.letters(10));
        self.revision(Kind::STATEFUL_SET, owner, &hash);
        let mut siblings = Siblings::default();
        let wish = Wish::of(owner.pointer("/spec/template/spec"));
        for ordinal in 0..int(owner, "/spec/replicas").unwrap_or(1) {
            let mut pod = pod_of(owner.pointer("/spec/template"));
            let own = format!("{name}-{ordinal}");
            for (label, value) in [
                ("statefulset.kubernetes.io/pod-name", own.clone()),
                ("apps.kubernetes.io/pod-index", ordinal.to_string()),
                ("controller-revision-hash", format!("{name}-{hash}")),
            ] {
                set(&mut pod, &["metadata", "labels", label], value);
            }
            // The first member of a Postgres-like set is its master.
            if ordinal == 0 && text(&pod, "/metadata/labels/spilo-role") == "replica" {
                set(&mut pod, &["metadata", "labels", "spilo-role"], "master");
            }
            set(&mut pod, &["metadata", "name"], own.as_str());
            set(&mut pod, &["metadata", "generateName"], format!("{name}-"));
            set(&mut pod, &["spec", "hostname"], own.as_str());
            set(&mut pod, &["spec", "subdomain"], text(owner, "/spec/serviceName"));
            self.own(&mut pod, Kind::STATEFUL_SET, owner, self.pods_since);
            let node = self.places.choose(&wish, &mut siblings);
            let mut volumes = Vec::new();
            for template in list(owner, "/spec/volumeClaimTemplates") {
                let claim = format!("{}-{own}", text(template, "/metadata/name"));
                volumes.push(json!({"name": text(template, "/metadata/name"),
                    "persistentVolumeClaim": {"claimName": claim}}));
                if let Some(node) = &node {
                    self.claim(owner, template, &claim, node);
                }
            }
            if !volumes.is_empty() {
                set(&mut pod, &["spec", "volumes"], volumes);
            }
            self.run(pod, node);
        }
    }

    /// A claim and the volume that it is bound to, in the zone of a node.
    fn claim(&mut self, owner: &Value, template: &Value, name: &str, node: &str) {
        let namespace = text(owner, "/metadata/namespace").to_owned();
        let size = template
            .pointer("/spec/resources/requests")
            .cloned()
            .unwrap_or_default();
        let (uid, volume_uid) = (self.ids.uuid(), self.ids.uuid());
        let volume = format!("pvc-{uid}");
        let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": self.owners_since.to_string(),
                "labels": owner.pointer("/spec/selector/matchLabels"), "finalizers": ["kubernetes.io/pvc-protection"],
                "annotations": {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes",
                    "volume.kubernetes.io/selected-node": node}},
            "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": size}});
        set(&mut claim, &["spec"], template.get("spec").cloned().unwrap_or_default());
        set(&mut claim, &["spec", "volumeName"], volume.as_str());
        self.put(claim);
        let zone = self.places.zone_of(node).unwrap_or_default().to_owned();
        self.put(json!({"apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": volume, "uid": volume_uid, "creationTimestamp": self.owners_since.to_string(),
                "finalizers": ["kubernetes.io/pv-protection"],
                "annotations": {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"}},
            "spec": {"capacity": size, "accessModes": ["ReadWriteOnce"], "storageClassName": text(template, "/spec/storageClassName"),
                "persistentVolumeReclaimPolicy": "Delete", "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": format!("vol-{volume_uid}")},
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name, "uid": uid},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]}]}}},
            "status": {"phase": "Bound"}}));
    }

    fn daemon_set(&mut self, owner: &Value) {
        let (name, hash) = (text(owner, "/metadata/name").to_owned(), self.letters(10));
        self.revision(Kind::DAEMON_SET, owner, &hash);
        let template = owner.pointer("/spec/template");
        let wish = Wish::of(template.and_then(|template| template.get("spec")));
        for node in self.places.accepting(&wish) {
            let mut pod = pod_of(template);
            set(&mut pod, &["metadata", "name"], format!("{name}-{}", self.letters(5)));
            set(&mut pod, &["metadata", "generateName"], format!("{name}-"));
            set(
                &mut pod,
                &["metadata", "labels", "controller-revision-hash"],
                hash.as_str(),
            );
            set(&mut pod, &["metadata", "labels", "pod-template-generation"], "1");
            set(
                &mut pod,
                &["spec", "affinity", "nodeAffinity"],
                json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}}),
            );
            self.own(&mut pod, Kind::DAEMON_SET, owner, self.pods_since);
            self.places.occupy(&node, &wish);
            self.run(pod, Some(node));
        }
    }

    /// The revision that holds an owner's template.
    fn revision(&mut self, kind: Kind, owner: &Value, hash: &str) {
        let mut template = owner.pointer("/spec/template").cloned().unwrap_or_default();
        let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
        set(&mut template, &["$patch"], "replace");
        set(&mut labels, &["controller.kubernetes.io/hash"], hash);
        let mut revision = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1,
            "metadata": {"name": format!("{}-{hash}", text(owner, "/metadata/name")), "labels": labels},
            "data": {"spec": {"template": template}}});
        let annotations = owner.pointer("/metadata/annotations").cloned();
        if let Some(annotations) = annotations {
            set(&mut revision, &["metadata", "annotations"], annotations);
        }
        self.own(&mut revision, kind, owner, self.owners_since);
        self.put(revision);
    }

    /// A Job that began an hour ago; the server draws its selector.
    fn job(&mut self, mut manifest: Value) {
        let uid = self.ids.uuid();
        let name = text(&manifest, "/metadata/name").to_owned();
        set(&mut manifest, &["metadata", "uid"], uid.as_str());
        set(
            &mut manifest,
            &["metadata", "creationTimestamp"],
            self.pods_since.to_string(),
        );
        set(
            &mut manifest,
            &["spec", "selector"],
            json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}),
        );
        for (label, value) in [
            ("batch.kubernetes.io/controller-uid", uid.as_str()),
            ("batch.kubernetes.io/job-name", name.as_str()),
            ("controller-uid", uid.as_str()),
            ("job-name", name.as_str()),
        ] {
            set(&mut manifest, &["spec", "template", "metadata", "labels", label], value);
        }
        set(
            &mut manifest,
            &["status"],
            json!({"startTime": self.pods_since.to_string()}),
        );
        self.with_stored(Kind::JOB, manifest, Self::job_pods);
    }

    fn job_pods(&mut self, owner: &Value) {
        let name = text(owner, "/metadata/name").to_owned();
        let mut siblings = Siblings::default();
        let wish = Wish::of(owner.pointer("/spec/template/spec"));
        for _ in 0..int(owner, "/spec/parallelism").unwrap_or(1) {
            let mut pod = pod_of(owner.pointer("/spec/template"));
            set(&mut pod, &["metadata", "name"], format!("{name}-{}", self.letters(5)));
            set(&mut pod, &["metadata", "generateName"], format!("{name}-"));
            set(
                &mut pod,
                &["metadata", "finalizers"],
                json!(["batch.kubernetes.io/job-tracking"]),
            );
            self.own(&mut pod, Kind::JOB, owner, self.pods_since);
            self.bind(pod, &wish, &mut siblings);
        }
    }

    fn bare(&mut self, mut pod: Value) {
        set(
            &mut pod,
            &["metadata", "creationTimestamp"],
            self.pods_since.to_string(),
        );
        let wish = Wish::of(pod.get("spec"));
        self.bind(pod, &wish, &mut Siblings::default());
    }

    /// Puts a pod on a node; without one it waits for the scheduler.
    fn bind(&mut self, pod: Value, wish: &Wish, siblings: &mut Siblings) {
        let node = self.places.choose(wish, siblings);
        self.run(pod, node);
    }

    fn run(&mut self, mut pod: Value, node: Option<String>) {
        admit(&mut pod);
        match node {
            Some(node) => set(&mut pod, &["spec", "nodeName"], node),
            None => set(
                &mut pod,
                &["status"],
                json!({"phase": "Pending", "qosClass": "Burstable"}),
            ),
        }
        self.put(pod);
    }

    /// Gives an object its owner, namespace and age.
    fn own(&self, object: &mut Value, kind: Kind, owner: &Value, since: Timestamp) {
        set(object, &["metadata", "namespace"], text(owner, "/metadata/namespace"));
        set(object, &["metadata", "creationTimestamp"], since.to_string());
        set(
            object,
            &["metadata", "ownerReferences"],
            json!([{"apiVersion": kind.api_version(), "kind": kind.kind, "name": text(owner, "/metadata/name"),
                "uid": text(owner, "/metadata/uid"), "controller": true, "blockOwnerDeletion": true}]),
        );
    }

    fn letters(&self, count: u32) -> String {
        let mut rest = self.ids.next_u64();
        let mut out = String::new();
        for _ in 0..count {
            let at = usize::try_from(rest % 27).unwrap_or(0);
            out.push(LETTERS.get(at).map_or('x', |letter| char::from(*letter)));
            rest /= 27;
        }
        out
    }
}

/// A pod as a template describes it.
fn pod_of(template: Option<&Value>) -> Value {
    let mut pod = template.cloned().unwrap_or_default();
    set(&mut pod, &["apiVersion"], "v1");
    set(&mut pod, &["kind"], "Pod");
    pod
}

/// What admission adds to every pod: its account, and patience with nodes that are in trouble.
fn admit(pod: &mut Value) {
    if text(pod, "/spec/serviceAccountName").is_empty() {
        set(pod, &["spec", "serviceAccountName"], "default");
    }
    let mut tolerations = list(pod, "/spec/tolerations").to_vec();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |toleration: &Value| {
            let named = text(toleration, "/key");
            (named == key || named.is_empty()) && matches!(text(toleration, "/effect"), "" | "NoExecute")
        };
        if !tolerations.iter().any(covers) {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    set(pod, &["spec", "tolerations"], tolerations);
}

/// How many pods a rollout may have above the size.
fn surge(deployment: &Value, replicas: i64) -> i64 {
    match deployment.pointer("/spec/strategy/rollingUpdate/maxSurge") {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        Some(Value::String(share)) => {
            let percent: i64 = share.trim_end_matches('%').parse().unwrap_or(25);
            (replicas * percent + 99) / 100
        }
        _ => (replicas * 25 + 99) / 100,
    }
}
