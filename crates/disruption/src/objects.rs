//! A whole view from the objects of a dump: pods, nodes and budgets, joined with what others say about them.
//!
//! A rollout keeps its view up to date from watches and knows the machines behind the nodes; a forecast has a picture of one
//! moment and nothing else. Zones of volumes, sizes of StatefulSets and deadlines of Jobs are filled in where their objects
//! are part of the picture.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::budget::Budget;
use crate::marking::{self, REPLACEMENT_STRATEGY};
use crate::names::{PoolName, Zone};
use crate::node::{NodeMark, NodeState};
use crate::pod::{OPERATOR_DRAINING, PodKind, PodState};
use crate::read::{ReadError, read_budget, read_pod};
use crate::view::ClusterView;

/// Labels of a node with the name of its pool, the first that is there.
pub const POOL_LABELS: [&str; 2] = ["node.kubernetes.io/node-pool", "karpenter.sh/nodepool"];
/// Label of a node with its zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Namespace and name.
type Named = (Box<str>, Box<str>);

/// An object of a picture that cannot be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind} {name} cannot be read")]
pub struct ObjectError {
    /// Its kind.
    pub kind: String,
    /// Its namespace and name, as far as it has them.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub source: ReadError,
}

/// Collects objects until all are there.
///
/// ```
/// use disruption::ClusterObjects;
/// use serde_json::json;
///
/// let mut objects = ClusterObjects::default();
/// let node = json!({"kind": "Node", "metadata": {"name": "n1", "creationTimestamp": "2026-01-01T00:00:00Z",
///     "labels": {"node.kubernetes.io/node-pool": "workers"}}});
/// assert!(objects.take(&node)?);
/// assert!(!objects.take(&json!({"kind": "Service"}))?, "nothing that the contract looks at");
/// let view = objects.into_view();
/// assert_eq!(view.nodes().count(), 1);
/// # Ok::<(), disruption::ObjectError>(())
/// ```
#[derive(Debug, Default)]
pub struct ClusterObjects {
    nodes: Vec<NodeState>,
    budgets: Vec<Budget>,
    pods: Vec<(PodState, Vec<Box<str>>)>,
    claims: BTreeMap<Named, Box<str>>,
    volumes: BTreeMap<Box<str>, Vec<Zone>>,
    sets: BTreeMap<Named, u32>,
    jobs: BTreeMap<Named, Timestamp>,
    newest: Option<Timestamp>,
}

impl ClusterObjects {
    /// Takes an object; false for a kind that the contract does not look at.
    ///
    /// # Errors
    /// [`ObjectError`] when it is of a kind that the contract needs and lacks something that it needs.
    pub fn take(&mut self, object: &Value) -> Result<bool, ObjectError> {
        let kind = text(object, "/kind").unwrap_or_default();
        let named = (part(object, "/metadata/namespace"), part(object, "/metadata/name"));
        let failed = |source| ObjectError {
            kind: kind.to_owned(),
            name: [&*named.0, &*named.1]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("/"),
            source,
        };
        match kind {
            "Node" => self.nodes.push(read_node(object).map_err(failed)?),
            "Pod" => self.pods.push(pod(object).map_err(failed)?),
            "PodDisruptionBudget" => self.budgets.push(read_budget(object).map_err(failed)?),
            "PersistentVolume" => {
                self.volumes.insert(named.1, zones(object));
            }
            "PersistentVolumeClaim" => {
                self.claims.insert(named, part(object, "/spec/volumeName"));
            }
            "StatefulSet" => {
                let wanted = object.pointer("/spec/replicas").and_then(Value::as_u64);
                if let Some(wanted) = wanted.and_then(|count| u32::try_from(count).ok()) {
                    self.sets.insert(named, wanted);
                }
            }
            "Job" => {
                if let Some(end) = job_end(object) {
                    self.jobs.insert(named, end);
                }
            }
            _ => return Ok(false),
        }
        self.newest = self.newest.max(newest_instant(object));
        Ok(true)
    }

    /// The newest instant that any of the objects mentions as past: about when the picture was taken.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// The view.
    #[must_use]
    pub fn into_view(self) -> ClusterView {
        let pods: Vec<PodState> = self.pods.iter().map(|(pod, claims)| self.filled(pod, claims)).collect();
        ClusterView::new(self.nodes, self.budgets, pods)
    }

    /// Fills in what the pod object does not say.
    fn filled(&self, pod: &PodState, claims: &[Box<str>]) -> PodState {
        let mut pod = pod.clone();
        let namespace = pod.key.namespace.clone();
        match &mut pod.kind {
            PodKind::StatefulSet { owner, replicas, .. } => {
                *replicas = self.sets.get(&(namespace.clone(), owner.name.clone())).copied();
            }
            PodKind::Job { owner, deadline } => {
                let own = self.jobs.get(&(namespace.clone(), owner.name.clone())).copied();
                *deadline = [*deadline, own].into_iter().flatten().min();
            }
            _ => {}
        }
        let volumes = claims
            .iter()
            .filter_map(|claim| self.claims.get(&(namespace.clone(), claim.clone())));
        let zones: BTreeSet<&Zone> = volumes
            .filter_map(|volume| self.volumes.get(volume))
            .flatten()
            .collect();
        pod.volume_zones = zones.into_iter().cloned().collect();
        pod
    }
}

/// Reads a node with the marks that the original manager knows. What its machine is (spot, outdated) is the cloud's to say.
///
/// # Errors
/// [`ReadError`] for the first member or mark that cannot be read.
pub fn read_node(object: &Value) -> Result<NodeState, ReadError> {
    let (labels, annotations) = (
        strings(object, "/metadata/labels"),
        strings(object, "/metadata/annotations"),
    );
    let name = text(object, "/metadata/name").ok_or(ReadError::Member {
        field: "/metadata/name",
        expected: "a text",
    })?;
    let field = "/metadata/creationTimestamp";
    let created = text(object, field).ok_or(ReadError::Member {
        field,
        expected: "a time",
    })?;
    let created = created.parse().map_err(|source| ReadError::Time { field, source })?;
    let clocks = marking::clocks(&annotations)?;
    let mut node = NodeState::new(name.into(), created);
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    node.ready = conditions
        .into_iter()
        .flatten()
        .any(|one| text(one, "/type") == Some("Ready") && text(one, "/status") == Some("True"));
    node.cordoned = object.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
    node.pool = POOL_LABELS
        .iter()
        .find_map(|key| labels.get(*key))
        .map(|name| PoolName::from(name.as_str()));
    node.zone = labels.get(ZONE_LABEL).map(|zone| Zone::from(zone.as_str()));
    node.priority = marking::decommission_priority(&labels)?;
    node.replace_first = labels.get(REPLACEMENT_STRATEGY).map(String::as_str) != Some("none");
    node.mark = clocks.draining.map(|since| NodeMark {
        draining: Some(since),
        last_forced: clocks.last_forced,
        ..NodeMark::new(since, "marked already")
    });
    Ok(node)
}

/// The newest instant of an object that tells of its past: creation, conditions, starts of containers. Deletions that are
/// announced for later do not count.
#[must_use]
pub fn newest_instant(object: &Value) -> Option<Timestamp> {
    const PAST: [&str; 8] = [
        "creationTimestamp",
        "lastTransitionTime",
        "lastHeartbeatTime",
        "lastProbeTime",
        "lastUpdateTime",
        "startTime",
        "startedAt",
        "finishedAt",
    ];
    match object {
        Value::Object(members) => {
            let each = members.iter().filter_map(|(key, value)| match value {
                Value::String(text) if PAST.contains(&key.as_str()) => text.parse().ok(),
                // What managers noted about their fields is as old as the fields.
                _ if key == "managedFields" => None,
                other => newest_instant(other),
            });
            each.max()
        }
        Value::Array(items) => items.iter().filter_map(newest_instant).max(),
        _ => None,
    }
}

fn pod(object: &Value) -> Result<(PodState, Vec<Box<str>>), ReadError> {
    let mut state = read_pod(object)?;
    let moving = object
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(OPERATOR_DRAINING));
    if moving.and_then(Value::as_str).is_some_and(|value| value != "false") {
        // Since when is not written down; a picture sees it first when it is taken.
        state.operator_moving = Some(newest_instant(object).unwrap_or(state.created));
    }
    let volumes = object.pointer("/spec/volumes").and_then(Value::as_array);
    let claims = volumes
        .into_iter()
        .flatten()
        .filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
    Ok((state, claims.map(Into::into).collect()))
}

fn zones(volume: &Value) -> Vec<Zone> {
    let list = |value: &Value, path: &str| {
        value
            .pointer(path)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let terms = list(volume, "/spec/nodeAffinity/required/nodeSelectorTerms");
    let wishes = terms.iter().flat_map(|term| list(term, "/matchExpressions"));
    let wishes = wishes.filter(|wish| text(wish, "/key").is_some_and(|key| key.ends_with("/zone")));
    let mut zones: Vec<Zone> = wishes
        .flat_map(|wish| list(&wish, "/values"))
        .filter_map(|zone| zone.as_str().map(Zone::from))
        .collect();
    let labels = strings(volume, "/metadata/labels");
    zones.extend(labels.get(ZONE_LABEL).map(|zone| Zone::from(zone.as_str())));
    zones
}

/// When a Job gives up by itself.
fn job_end(job: &Value) -> Option<Timestamp> {
    let start: Timestamp = text(job, "/status/startTime")?.parse().ok()?;
    let limit = job.pointer("/spec/activeDeadlineSeconds")?.as_i64()?;
    start.checked_add(SignedDuration::from_secs(limit)).ok()
}

fn text<'v>(object: &'v Value, path: &str) -> Option<&'v str> {
    let found = object.pointer(path).and_then(Value::as_str);
    found.filter(|text| !text.is_empty())
}

fn part(object: &Value, path: &str) -> Box<str> {
    text(object, path).unwrap_or_default().into()
}

fn strings(object: &Value, path: &str) -> BTreeMap<String, String> {
    let map = object.pointer(path).and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names::PodKey;

    #[test]
    fn a_picture_joins_pods_with_volumes_sets_and_jobs() {
        let owner = |kind: &str, name: &str| json!([{"kind": kind, "name": name, "controller": true}]);
        let pod = |name: &str, kind: &str, of: &str| {
            json!({"kind": "Pod", "metadata": {"name": name, "namespace": "shop", "uid": name,
                "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": owner(kind, of)},
                "spec": {"nodeName": "n1", "volumes": [{"persistentVolumeClaim": {"claimName": format!("data-{name}")}}]},
                "status": {"phase": "Running"}})
        };
        let expressions = json!([{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}]);
        let all = [
            pod("db-0", "StatefulSet", "db"),
            pod("run-x", "Job", "run"),
            json!({"kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"}, "spec": {"replicas": 3}}),
            json!({"kind": "Job", "metadata": {"name": "run", "namespace": "shop"},
                "spec": {"activeDeadlineSeconds": 60}, "status": {"startTime": "2026-01-01T00:00:00Z"}}),
            json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0", "namespace": "shop"},
                "spec": {"volumeName": "pv-1"}}),
            json!({"kind": "PersistentVolume", "metadata": {"name": "pv-1", "creationTimestamp": "2026-02-01T00:00:00Z"},
                "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": expressions}]}}}}),
        ];
        let mut objects = ClusterObjects::default();
        for object in &all {
            assert!(objects.take(object).unwrap());
        }
        assert_eq!(objects.newest(), Some("2026-02-01T00:00:00Z".parse().unwrap()));
        let view = objects.into_view();
        let member = view.pod(&PodKey::new("shop", "db-0")).unwrap();
        assert!(matches!(member.kind, PodKind::StatefulSet { replicas: Some(3), .. }));
        assert_eq!(member.volume_zones, [Zone::from("a")]);
        let run = view.pod(&PodKey::new("shop", "run-x")).unwrap();
        let end: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        assert!(matches!(run.kind, PodKind::Job { deadline: Some(at), .. } if at == end));
    }

    #[test]
    fn nodes_carry_their_marks_and_broken_objects_are_named() {
        let mut node = json!({"kind": "Node", "metadata": {"name": "n1", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"karpenter.sh/nodepool": "spot", "topology.kubernetes.io/zone": "a",
                "cluster-lifecycle-controller.zalan.do/replacement-strategy": "none"},
            "annotations": {"cluster-lifecycle-manager.zalando.org/drain-start": "2026-01-02T00:00:00Z"}},
            "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let read = read_node(&node).unwrap();
        assert_eq!(read.pool, Some(PoolName::from("spot")));
        assert!(read.ready && read.cordoned && !read.replace_first && read.is_draining());
        node["metadata"]["annotations"]["cluster-lifecycle-manager.zalando.org/drain-start"] = json!("yesterday");
        let error = ClusterObjects::default().take(&node).unwrap_err();
        assert_eq!(error.to_string(), "Node n1 cannot be read");
        assert!(matches!(error.source, ReadError::Mark(_)));
        let nameless = json!({"kind": "Pod", "metadata": {"namespace": "shop"}});
        let error = ClusterObjects::default().take(&nameless).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.source.to_string().as_str()),
            ("Pod shop cannot be read", "/metadata/name is missing or not a text")
        );
    }
}
