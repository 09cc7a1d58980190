//! One look at a cluster: reads only, and as few as will do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use kube_access::{Access, AccessError, Depth, GroupKind, Kinds, ListSink, ObjectKey, Selection};
use model::Cluster;
use plan::health::{self, Node, Observation, Rules, Short, Shortfall};
use serde_json::Value;

use super::Workload;
use crate::desired::chain;
use crate::pass::Reach;

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Questions whose median answer time is the latency of the API.
const PROBES: usize = 3;
/// So many workloads of a kind in a namespace are listed; fewer are read one by one.
const LISTED: usize = 4;

impl Reach {
    /// What a cluster is like now. What cannot be read is said to be missing. Before an update, workloads that are not there
    /// yet are none; after it they are missed.
    pub(crate) async fn observe(
        &self,
        cluster: &Cluster,
        workloads: &[Workload],
        rules: &Rules,
        before: bool,
    ) -> Observation {
        let mut seen = Observation::default();
        let look = async {
            match self.connector.open(cluster).await {
                Ok(access) => {
                    let look = Look {
                        access: &access,
                        rules,
                        now: self.clock.now(),
                        before,
                    };
                    match look.cluster(workloads, &mut seen).await {
                        Ok(kinds) => Some((access, kinds)),
                        Err(error) => {
                            seen.unanswered = Some(chain(&error));
                            None
                        }
                    }
                }
                Err(error) => {
                    seen.unanswered = Some(error.to_string());
                    None
                }
            }
        };
        let open = tokio::select! {
            biased;
            open = look => open,
            () = self.clock.sleep(PATIENCE) => {
                seen.unanswered = Some(format!("no answer within {} s", PATIENCE.as_secs()));
                None
            }
        };
        let reached = open.as_ref().map(|(access, kinds)| (access, &**kinds));
        self.custom_checks(cluster, reached, &mut seen).await;
        seen
    }
}

/// Looks at one cluster.
struct Look<'a> {
    access: &'a Access,
    rules: &'a Rules,
    now: Timestamp,
    before: bool,
}

impl Look<'_> {
    /// # Errors
    /// When the API does not answer at all; what it refuses in single is noted as missing.
    async fn cluster(
        &self,
        workloads: &[Workload],
        seen: &mut Observation,
    ) -> Result<std::sync::Arc<Kinds>, AccessError> {
        let kinds = self.access.kinds().await?;
        seen.latency_ms = Some(self.latency(&kinds).await?);
        let excused = match self.nodes(&kinds, seen).await {
            Ok(excused) => excused,
            Err(error) => {
                seen.missing.insert("nodes".to_owned(), chain(&error));
                0
            }
        };
        if let Err(error) = self.pods(&kinds, seen).await {
            seen.missing.insert("pods".to_owned(), chain(&error));
        }
        let mut by_place: BTreeMap<(&str, &str, &str), Vec<&Workload>> = BTreeMap::new();
        for workload in workloads {
            let place = (
                workload.api_version.as_str(),
                workload.kind.as_str(),
                workload.namespace.as_str(),
            );
            by_place.entry(place).or_default().push(workload);
        }
        for wanted in by_place.values() {
            if let Err(error) = self.workloads(&kinds, wanted, excused, seen).await {
                let of = wanted.first().map_or("", |workload| workload.kind.as_str());
                seen.missing.insert(format!("workloads of kind {of}"), chain(&error));
            }
        }
        Ok(kinds)
    }

    /// The median time of a small question.
    async fn latency(&self, kinds: &Kinds) -> Result<u64, AccessError> {
        let Some(kind) = kinds.preferred(&GroupKind::new("", "Namespace")) else {
            return Err(AccessError::NotServed {
                subject: "Namespace".to_owned(),
            });
        };
        let mut times = Vec::new();
        for _ in 0..PROBES {
            let asked = self.access.clock().now();
            self.access.get(kind, &kind.key("", "kube-system"), Depth::Full).await?;
            times.push(self.access.clock().now().duration_since(asked));
        }
        times.sort();
        let median = times.get(PROBES / 2).copied().unwrap_or_default();
        Ok(u64::try_from(median.as_millis()).unwrap_or_default())
    }

    /// Nodes that are not ready; answers how many are just coming or going, or not ready, on which no pod of a DaemonSet can
    /// be counted.
    async fn nodes(&self, kinds: &Kinds, seen: &mut Observation) -> Result<u64, AccessError> {
        let (now, young) = (self.now, self.rules.young_node);
        let read = |node: &Value| match health::node(node, now, young) {
            Node::Ready if health::age(node, now) >= young => None,
            Node::Ready | Node::Excused => Some((name(node), None)),
            Node::NotReady(why) => Some((name(node), Some(why))),
        };
        let nodes = self.gather(kinds, "Node", &Selection::default(), &read).await?;
        let excused = u64::try_from(nodes.len()).unwrap_or(u64::MAX);
        let bad = nodes.into_iter().filter_map(|(node, why)| Some((node, why?)));
        seen.nodes.extend(bad);
        Ok(excused)
    }

    async fn pods(&self, kinds: &Kinds, seen: &mut Observation) -> Result<(), AccessError> {
        let pending = Selection {
            fields: "status.phase=Pending".to_owned(),
            ..Selection::default()
        };
        let (now, after) = (self.now, self.rules.pending_after);
        let read = |pod: &Value| {
            let why = health::pending(pod, now, after)?;
            Some((format!("{}/{}", text(pod, "/metadata/namespace"), name(pod)), Some(why)))
        };
        let pods = self.gather(kinds, "Pod", &pending, &read).await?;
        seen.pending
            .extend(pods.into_iter().filter_map(|(pod, why)| Some((pod, why?))));
        Ok(())
    }

    /// Reads a collection page by page and keeps what `read` makes of its objects.
    async fn gather(
        &self,
        kinds: &Kinds,
        kind: &str,
        selection: &Selection,
        read: &Reading<'_>,
    ) -> Result<Vec<(String, Option<String>)>, AccessError> {
        let Some(kind) = kinds.preferred(&GroupKind::new("", kind)) else {
            return Err(AccessError::NotServed {
                subject: kind.to_owned(),
            });
        };
        let mut sink = Gathered { kept: Vec::new(), read };
        self.access.list_into(kind, selection, Depth::Full, &mut sink).await?;
        Ok(sink.kept)
    }

    /// Workloads of one kind in one namespace.
    async fn workloads(
        &self,
        kinds: &Kinds,
        wanted: &[&Workload],
        excused: u64,
        seen: &mut Observation,
    ) -> Result<(), AccessError> {
        let Some(first) = wanted.first() else { return Ok(()) };
        let Some(kind) = kinds.exact(&first.api_version, &first.kind) else {
            return Err(AccessError::NotServed {
                subject: format!("{} {}", first.api_version, first.kind),
            });
        };
        let mut found: BTreeMap<ObjectKey, Value> = BTreeMap::new();
        if wanted.len() >= LISTED {
            let selection = Selection {
                namespace: first.namespace.clone(),
                ..Selection::default()
            };
            let names: BTreeSet<&str> = wanted.iter().map(|workload| workload.name.as_str()).collect();
            let all = self.access.list(kind, &selection, Depth::Full).await?;
            let ours = all
                .into_iter()
                .filter(|object| names.contains(text(object, "/metadata/name")));
            found.extend(ours.map(|object| (ObjectKey::of(&kind.id, &object), object)));
        } else {
            for workload in wanted {
                let key = kind.key(&workload.namespace, &workload.name);
                if let Some(object) = self.access.get(kind, &key, Depth::Full).await? {
                    found.insert(key, object);
                }
            }
        }
        for workload in wanted {
            let shortfall = match found.get(&kind.key(&workload.namespace, &workload.name)) {
                Some(object) => health::workload(&workload.kind, object, excused),
                None if self.before => None,
                None => Some(absent()),
            };
            if let Some(shortfall) = shortfall {
                let short = Short {
                    component: workload.component.clone(),
                    shortfall,
                };
                seen.workloads.insert(workload.subject(), short);
            }
        }
        Ok(())
    }
}

fn absent() -> Shortfall {
    Shortfall {
        missing: 1,
        wanted: 1,
        message: "it is not there".to_owned(),
        over: false,
    }
}

/// What is kept of an object, if anything: its name, and what is wrong with it.
type Reading<'r> = dyn Fn(&Value) -> Option<(String, Option<String>)> + Sync + 'r;

struct Gathered<'r> {
    kept: Vec<(String, Option<String>)>,
    read: &'r Reading<'r>,
}

impl ListSink for Gathered<'_> {
    fn take(&mut self, object: Value) {
        self.kept.extend((self.read)(&object));
    }

    fn reset(&mut self) {
        self.kept.clear();
    }
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn name(object: &Value) -> String {
    text(object, "/metadata/name").to_owned()
}
