//! What is kept of each watched object: only what a decision or a step looks at.

use std::collections::BTreeMap;

use disruption::marking::{
    self, DECOMMISSION_PRIORITY, DRAIN_START, LAST_FORCED, LIFECYCLE_STATUS, REPLACEMENT_STRATEGY, STATUS_DRAINING,
    STATUS_PENDING, TAINT_KEY,
};
use disruption::{Budget, BudgetObject, NodeMark, NodeName, OPERATOR_DRAINING, PodObject, PodState, PoolName, Zone};
use jiff::Timestamp;
use kube_access::watch::{Place, Reader};
use serde_json::Value;

use crate::claims::{self, ClaimSeen, Hash, NodePoolSeen};
use crate::names::{
    CLAIM_POOL_LABEL, CORDONED, DRAINED, MACHINE_ENDS, MACHINE_ENDS_REASON, POOL_LABEL, QUARANTINED,
    READY_LABEL_REMOVED, REARMING, SCALE_DOWN_HELD, SELECTED, SELECTED_REASON, ZONE_LABEL,
};

/// The projection of one object; an object that the contract needs and that cannot be read says so.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    Node(Result<Box<NodeSeen>, String>),
    Pod(Result<Box<PodSeen>, String>),
    Budget(Result<Box<Budget>, String>),
    /// Zones of a persistent volume.
    Volume(Vec<Zone>),
    /// The volume that a claim is bound to.
    Claim(Option<Box<str>>),
    /// How many members a StatefulSet wants.
    Set(Option<u32>),
    /// When a Job gives up by itself.
    Job(Option<Timestamp>),
    /// A NodePool of Karpenter.
    NodePool(Result<Box<NodePoolSeen>, String>),
    /// A NodeClaim of Karpenter.
    NodeClaim(Result<Box<ClaimSeen>, String>),
    /// The hash of a node class, with its group.
    NodeClass(Option<(Box<str>, Hash)>),
}

/// A node object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NodeSeen {
    pub(crate) name: NodeName,
    pub(crate) uid: Box<str>,
    pub(crate) created: Timestamp,
    pub(crate) ready: bool,
    pub(crate) ready_since: Timestamp,
    pub(crate) cordoned: bool,
    /// Last part of `spec.providerID`.
    pub(crate) machine: Option<Box<str>>,
    pub(crate) pool: Option<PoolName>,
    pub(crate) zone: Option<Zone>,
    pub(crate) status: Option<Box<str>>,
    pub(crate) tainted: bool,
    pub(crate) priority: i64,
    pub(crate) replace_first: bool,
    pub(crate) draining: Option<Timestamp>,
    pub(crate) last_forced: Option<Timestamp>,
    pub(crate) selected: Option<Timestamp>,
    pub(crate) reason: Option<Box<str>>,
    pub(crate) quarantined: Option<Box<str>>,
    pub(crate) ready_label_removed: Option<Timestamp>,
    /// We closed it.
    pub(crate) cordoned_by_us: bool,
    /// We told the autoscaler to leave it.
    pub(crate) held: bool,
    /// The label is back for a moment only.
    pub(crate) rearming: bool,
    /// We said that it is drained.
    pub(crate) drained: bool,
    /// Its machine ends then, whatever anybody does, as a notice on the node says.
    pub(crate) ends: Option<(Timestamp, Box<str>)>,
}

impl NodeSeen {
    /// The mark that its labels and annotations say. A node that another tool marked has no instant of selection until we
    /// write one; if it drains already, the start of the drain is it.
    pub(crate) fn mark(&self) -> Option<NodeMark> {
        let selected = self.selected.or(self.draining)?;
        let marked = self.is_marked() || self.quarantined.is_some();
        marked.then(|| NodeMark {
            draining: self.draining,
            last_forced: self.last_forced,
            quarantined: self.quarantined.clone(),
            ready_label_removed: self.ready_label_removed,
            ..NodeMark::new(selected, self.reason.clone().unwrap_or_else(|| "marked".into()))
        })
    }

    /// It carries the label of selected or draining nodes, or would but for the moment in which operators shall see it change.
    pub(crate) fn is_marked(&self) -> bool {
        self.rearming || matches!(self.status.as_deref(), Some(STATUS_PENDING | STATUS_DRAINING))
    }

    /// The mark is complete: nothing of it is left to write.
    pub(crate) fn fully_marked(&self) -> bool {
        self.is_marked() && self.tainted && self.selected.is_some()
    }
}

/// A pod object.
#[derive(Debug, Clone)]
pub(crate) struct PodSeen {
    pub(crate) state: PodState,
    /// Names of its persistent volume claims.
    pub(crate) claims: Vec<Box<str>>,
    /// Its operator moves its data away.
    pub(crate) moving: bool,
}

pub(crate) fn text<'v>(object: &'v Value, path: &str) -> Option<&'v str> {
    object
        .pointer(path)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

pub(crate) fn items<'v>(object: &'v Value, path: &str) -> impl Iterator<Item = &'v Value> {
    object.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

pub(crate) fn strings(object: &Value, path: &str) -> BTreeMap<String, String> {
    let map = object.pointer(path).and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

pub(crate) fn time(object: &Value, path: &'static str) -> Result<Option<Timestamp>, String> {
    let parse = |text: &str| text.parse().map_err(|_| format!("{path} is not an RFC 3339 time"));
    text(object, path).map(parse).transpose()
}

pub(crate) fn clock(annotations: &BTreeMap<String, String>, key: &'static str) -> Result<Option<Timestamp>, String> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| format!("annotation {key} is not an RFC 3339 time"))
    };
    annotations.get(key).map(parse).transpose()
}

pub(crate) fn node(object: &Value) -> Seen {
    Seen::Node(read_node(object).map(Box::new))
}

fn read_node(object: &Value) -> Result<NodeSeen, String> {
    let labels = strings(object, "/metadata/labels");
    let annotations = strings(object, "/metadata/annotations");
    let clocks = marking::clocks(&annotations).map_err(|error| error.to_string())?;
    let created = time(object, "/metadata/creationTimestamp")?.ok_or("/metadata/creationTimestamp is missing")?;
    let condition = items(object, "/status/conditions").find(|one| text(one, "/type") == Some("Ready"));
    let since = condition
        .map(|one| time(one, "/lastTransitionTime"))
        .transpose()?
        .flatten();
    let machine = text(object, "/spec/providerID").and_then(|id| id.rsplit('/').next());
    let label = |key: &str| labels.get(key).map(String::as_str);
    Ok(NodeSeen {
        name: text(object, "/metadata/name")
            .ok_or("/metadata/name is missing")?
            .into(),
        uid: text(object, "/metadata/uid").unwrap_or_default().into(),
        created,
        ready: condition.is_some_and(|one| text(one, "/status") == Some("True")),
        ready_since: since.unwrap_or(created),
        cordoned: object.pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
        machine: machine.map(Into::into),
        pool: label(POOL_LABEL).or_else(|| label(CLAIM_POOL_LABEL)).map(Into::into),
        zone: label(ZONE_LABEL).map(Into::into),
        status: label(LIFECYCLE_STATUS).map(Into::into),
        tainted: items(object, "/spec/taints").any(|taint| text(taint, "/key") == Some(TAINT_KEY)),
        priority: marking::decommission_priority(&labels)
            .map_err(|error| format!("{error} ({DECOMMISSION_PRIORITY})"))?,
        replace_first: label(REPLACEMENT_STRATEGY) != Some("none"),
        draining: clocks.draining,
        last_forced: clocks.last_forced,
        selected: clock(&annotations, SELECTED)?,
        reason: annotations.get(SELECTED_REASON).map(|text| text.as_str().into()),
        quarantined: annotations.get(QUARANTINED).map(|text| text.as_str().into()),
        ready_label_removed: clock(&annotations, READY_LABEL_REMOVED)?,
        cordoned_by_us: annotations.contains_key(CORDONED),
        held: annotations.contains_key(SCALE_DOWN_HELD),
        rearming: annotations.contains_key(REARMING),
        drained: annotations.contains_key(DRAINED),
        ends: clock(&annotations, MACHINE_ENDS)?.map(|at| {
            let why = annotations.get(MACHINE_ENDS_REASON).map_or("notice", String::as_str);
            (at, why.into())
        }),
    })
}

pub(crate) fn pod(object: &Value) -> Seen {
    Pods::keep(PodObject::of(object))
}

pub(crate) fn budget(object: &Value) -> Seen {
    Budgets::keep(BudgetObject::of(object))
}

fn place<'o>([namespace, name, version]: [&'o str; 3]) -> Place<'o> {
    Place {
        namespace,
        name,
        version,
    }
}

/// Reads pods from the lines of a watch: most of what a cluster tells is of them.
pub(crate) struct Pods;

impl Reader for Pods {
    type Object<'a> = PodObject<'a>;
    type Kept = Seen;

    fn place<'o>(object: &'o PodObject<'_>) -> Place<'o> {
        place(object.place())
    }

    fn keep(object: PodObject<'_>) -> Seen {
        let moving = object.annotation(OPERATOR_DRAINING);
        let read = object.read().map(|state| {
            Box::new(PodSeen {
                claims: object.claims().map(Into::into).collect(),
                moving: moving.is_some_and(|value| value != "false"),
                state,
            })
        });
        Seen::Pod(read.map_err(|error| error.to_string()))
    }

    fn keep_tree(object: &Value) -> Seen {
        pod(object)
    }
}

/// Reads disruption budgets from the lines of a watch: their status changes with each pod that comes and goes.
pub(crate) struct Budgets;

impl Reader for Budgets {
    type Object<'a> = BudgetObject<'a>;
    type Kept = Seen;

    fn place<'o>(object: &'o BudgetObject<'_>) -> Place<'o> {
        place(object.place())
    }

    fn keep(object: BudgetObject<'_>) -> Seen {
        Seen::Budget(object.read().map(Box::new).map_err(|error| error.to_string()))
    }

    fn keep_tree(object: &Value) -> Seen {
        budget(object)
    }
}

pub(crate) fn volume(object: &Value) -> Seen {
    let terms = items(object, "/spec/nodeAffinity/required/nodeSelectorTerms");
    let wishes = terms.flat_map(|term| items(term, "/matchExpressions"));
    let zones = wishes.filter(|wish| text(wish, "/key").is_some_and(|key| key.ends_with("/zone")));
    let mut zones: Vec<Zone> = zones
        .flat_map(|wish| items(wish, "/values"))
        .filter_map(Value::as_str)
        .map(Zone::from)
        .collect();
    let labels = strings(object, "/metadata/labels");
    zones.extend(labels.get(ZONE_LABEL).map(|zone| Zone::from(zone.as_str())));
    zones.sort();
    zones.dedup();
    Seen::Volume(zones)
}

pub(crate) fn claim(object: &Value) -> Seen {
    Seen::Claim(text(object, "/spec/volumeName").map(Into::into))
}

pub(crate) fn stateful_set(object: &Value) -> Seen {
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_u64);
    Seen::Set(wanted.and_then(|count| u32::try_from(count).ok()))
}

pub(crate) fn job(object: &Value) -> Seen {
    let start = time(object, "/status/startTime").ok().flatten();
    let limit = object.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_i64);
    let end = start
        .zip(limit)
        .and_then(|(start, limit)| start.checked_add(jiff::SignedDuration::from_secs(limit)).ok());
    Seen::Job(end)
}

pub(crate) fn node_pool(object: &Value) -> Seen {
    Seen::NodePool(claims::read_pool(object).map(Box::new))
}

pub(crate) fn node_claim(object: &Value) -> Seen {
    Seen::NodeClaim(claims::read_claim(object).map(Box::new))
}

pub(crate) fn node_class(object: &Value) -> Seen {
    Seen::NodeClass(claims::read_class(object))
}

/// Annotations of a mark that are taken away with it. The last forced termination stays: its pace outlives the mark.
pub(crate) const MARK_ANNOTATIONS: [&str; 7] = [
    SELECTED,
    SELECTED_REASON,
    DRAIN_START,
    READY_LABEL_REMOVED,
    CORDONED,
    REARMING,
    DRAINED,
];

/// The annotation that keeps the pace of forced terminations.
pub(crate) const PACE: &str = LAST_FORCED;
