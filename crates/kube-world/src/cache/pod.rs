//! A pod, compact: what controllers, kubelets and the checks of invariants ask all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;
use json_tree::{Text, Value};
use kube_sim::Stored;

use super::raw::{RawFate, RawMetadata, RawOwner, RawPod, RawSpec, RawStatus};
use super::resources::Amounts;
use crate::by_hash::{Found, Known};

/// The phases of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// Accepted; not all containers have started.
    #[default]
    Pending,
    /// Bound, and at least one container runs, starts or restarts.
    Running,
    /// All containers ended well and none comes back.
    Succeeded,
    /// All containers ended, at least one badly, and none comes back.
    Failed,
    /// Nobody knows.
    Unknown,
}

impl Phase {
    /// Whether the pod has ended for good.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            "Unknown" => Self::Unknown,
            _ => Self::Pending,
        }
    }
}

/// The controlling owner of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its `apiVersion`.
    pub api_version: Arc<str>,
    /// Its kind.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Arc<str>,
}

/// A port of a container that has a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPort {
    /// Its name.
    pub name: Box<str>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Box<str>,
    /// Its number.
    pub number: i64,
}

/// How a pod can be named and reached by Services.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PodNetwork {
    /// The host name that it asks for; often empty.
    pub hostname: Box<str>,
    /// The headless Service that it asks to be named under; often empty.
    pub subdomain: Box<str>,
    /// The ports of its containers that have names, in order.
    pub ports: Box<[NamedPort]>,
}

/// What autoscalers measure pods by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PodMeasures {
    /// The annotations of the simulation: what the pod uses, and how its programs behave.
    pub annotations: BTreeMap<Box<str>, Box<str>>,
    /// Its containers, without those for its beginning.
    pub containers: Box<[ContainerRequests]>,
}

/// What a container asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerRequests {
    /// The container's name.
    pub name: Box<str>,
    /// Quantities by resource.
    pub requests: BTreeMap<Box<str>, Box<str>>,
}

/// A pod, compact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// The uid.
    pub uid: Box<str>,
    /// The version of the object that this was read from.
    pub version: u64,
    /// The labels; shared with equal pods.
    pub labels: Arc<BTreeMap<Box<str>, Box<str>>>,
    /// The node it is bound to.
    pub node: Option<Arc<str>>,
    /// The phase.
    pub phase: Phase,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// When the condition `Ready` last changed.
    pub ready_since: Option<Timestamp>,
    /// Its controlling owner; shared with siblings.
    pub controller: Option<Arc<Owner>>,
    /// When it was made.
    pub created: Timestamp,
    /// When it is to be gone; set once a deletion has begun.
    pub deleting_by: Option<Timestamp>,
    /// Seconds it may take to stop once a deletion has begun.
    pub deletion_grace: i64,
    /// What it asks for, init containers and overhead counted as the scheduler does; shared with equal pods.
    pub requests: Arc<Amounts>,
    /// How Services reach it; shared with equal pods.
    pub network: Arc<PodNetwork>,
    /// What autoscalers measure it by; shared with equal pods.
    pub measures: Arc<PodMeasures>,
    /// The claims that its volumes name.
    pub claims: Box<[Box<str>]>,
    /// Its priority.
    pub priority: i32,
    /// When a kubelet has taken it on.
    pub started: Option<Timestamp>,
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// Whether it mirrors a static pod of its node.
    pub mirror: bool,
    /// Restarts of its containers, added up.
    pub restarts: u32,
}

impl PodView {
    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(|value| &**value)
    }

    /// Whether it neither has ended nor is being deleted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.phase.is_terminal() && self.deleting_by.is_none()
    }

    /// Whether it has been ready for this long at a time.
    #[must_use]
    pub fn is_available(&self, min_ready: jiff::SignedDuration, now: Timestamp) -> bool {
        self.ready
            && (min_ready.is_zero()
                || self
                    .ready_since
                    .is_some_and(|since| now.duration_since(since) >= min_ready))
    }

    /// Reads a pod; none if it is no pod, which a server does not store.
    pub(super) fn read(stored: &Stored, pool: &mut Pool) -> Option<Self> {
        let tree = stored.kept();
        let raw = match &tree {
            Some(tree) => json_tree::from_value(tree).ok()?,
            None => serde_json::from_slice(stored.bytes()).ok()?,
        };
        Some(Self::of_raw(stored, raw, pool))
    }

    /// The same by the bytes alone: what the shorter ways are held against.
    #[cfg(test)]
    pub(super) fn read_bytes(stored: &Stored, pool: &mut Pool) -> Option<Self> {
        let raw = serde_json::from_slice(stored.bytes()).ok()?;
        Some(Self::of_raw(stored, raw, pool))
    }

    fn of_raw(stored: &Stored, raw: RawPod<'_>, pool: &mut Pool) -> Self {
        let RawPod { metadata, spec, status } = raw;
        let told = Told::of(&status);
        let controller = metadata.owner_references.iter().find(|owner| owner.controller);
        pool.sweep();
        let family = pool.family(controller, &metadata, &spec);
        Self {
            namespace: pool.text(&metadata.namespace),
            name: (*metadata.name).into(),
            uid: stored.uid().into(),
            version: stored.version(),
            labels: family.labels,
            node: (!spec.node_name.is_empty()).then(|| pool.text(&spec.node_name)),
            phase: told.phase,
            ready: told.ready,
            ready_since: told.ready_since,
            controller: family.owner,
            created: metadata.creation_timestamp.unwrap_or_default(),
            deleting_by: metadata.deletion_timestamp,
            deletion_grace: metadata.deletion_grace_period_seconds.unwrap_or(0),
            requests: family.requests,
            network: family.network,
            measures: family.measures,
            claims: spec.claims(),
            priority: spec.priority,
            started: told.started,
            ip: told.ip,
            mirror: metadata.annotations.contains_key("kubernetes.io/config.mirror"),
            restarts: told.restarts,
        }
    }

    /// Reads a pod of which nothing but the status is new since `before`.
    pub(super) fn read_status(stored: &Stored, before: &Self) -> Option<Self> {
        let tree = stored.kept();
        let status: RawStatus<'_> = match &tree {
            Some(tree) => json_tree::from_value(tree.get("status")?).ok()?,
            None => serde_json::from_slice(stored.status_bytes()?).ok()?,
        };
        Some(before.clone().with_status(stored, &status))
    }

    /// Reads a pod of which nothing that siblings share is new since `before`: it was bound, its deletion began, its status moved.
    /// None where more than that is new, or where one of the two trees is not at hand.
    pub(super) fn read_fate(stored: &Stored, before: &Self, old: &Stored, pool: &mut Pool) -> Option<Self> {
        let (new, old) = (stored.kept()?, old.kept()?);
        if !same_but(&old["metadata"], &new["metadata"], &FATE) || !same_but(&old["spec"], &new["spec"], &["nodeName"])
        {
            return None;
        }
        let fate: RawFate<'_> = json_tree::from_value(&new).ok()?;
        let mut after = before.clone().with_status(stored, &fate.status);
        after.node = (!fate.spec.node_name.is_empty()).then(|| pool.text(&fate.spec.node_name));
        after.deleting_by = fate.metadata.deletion_timestamp;
        after.deletion_grace = fate.metadata.deletion_grace_period_seconds.unwrap_or(0);
        Some(after)
    }

    fn with_status(self, stored: &Stored, status: &RawStatus<'_>) -> Self {
        let told = Told::of(status);
        Self {
            version: stored.version(),
            phase: told.phase,
            ready: told.ready,
            ready_since: told.ready_since,
            started: told.started,
            ip: told.ip,
            restarts: told.restarts,
            ..self
        }
    }
}

/// The metadata that tell a pod's fate, and what the server notes with each write.
const FATE: [&str; 4] = [
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "resourceVersion",
];

/// Whether two maps have the same members, but for some.
fn same_but(one: &Value, two: &Value, but: &[&str]) -> bool {
    fn others<'v>(value: &'v Value, but: &[&str]) -> impl Iterator<Item = (&'v Text, &'v Value)> {
        let members = value.as_object().into_iter().flatten();
        members.filter(|(name, _)| !but.contains(&name.as_str()))
    }
    others(one, but).eq(others(two, but))
}

/// What a status tells.
struct Told {
    phase: Phase,
    ready: bool,
    ready_since: Option<Timestamp>,
    started: Option<Timestamp>,
    ip: Option<Ipv4Addr>,
    restarts: u32,
}

impl Told {
    fn of(status: &RawStatus<'_>) -> Self {
        let ready = status.conditions.iter().find(|condition| condition.r#type == "Ready");
        Self {
            phase: Phase::parse(&status.phase),
            ready: ready.is_some_and(|condition| condition.status == "True"),
            ready_since: ready.and_then(|condition| condition.last_transition_time),
            started: status.start_time,
            ip: status.pod_ip.parse().ok(),
            restarts: status
                .container_statuses
                .iter()
                .map(|status| status.restart_count)
                .sum(),
        }
    }
}

/// What a pod shares with its siblings.
#[derive(Debug, Clone, Default)]
struct Family {
    owner: Option<Arc<Owner>>,
    labels: Arc<BTreeMap<Box<str>, Box<str>>>,
    requests: Arc<Amounts>,
    network: Arc<PodNetwork>,
    measures: Arc<PodMeasures>,
}

/// Values that many pods share, each kept once.
#[derive(Debug, Default)]
pub(super) struct Pool {
    texts: Known<Arc<str>>,
    labels: BTreeSet<Arc<BTreeMap<Box<str>, Box<str>>>>,
    /// The newest pod of each owner: the next one has most in common with it, and is compared with it first.
    families: Found<Box<str>, Family>,
    amounts: BTreeSet<Arc<Amounts>>,
    networks: BTreeSet<Arc<PodNetwork>>,
    measures: BTreeSet<Arc<PodMeasures>>,
    reads: u32,
}

impl Pool {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(found) = self.texts.get(text) {
            return found.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    /// What a pod shares with those of the same owner, and with all others that say the same.
    fn family(&mut self, owner: Option<&RawOwner<'_>>, metadata: &RawMetadata<'_>, spec: &RawSpec<'_>) -> Family {
        let known = owner.and_then(|owner| self.families.get(&*owner.uid)).cloned();
        let sibling = known.clone().unwrap_or_default();
        let family = Family {
            owner: sibling.owner.or_else(|| Some(self.owner(owner?))),
            labels: self.family_labels(sibling.labels, metadata),
            requests: share(&mut self.amounts, sibling.requests, spec.requests()),
            network: share(&mut self.networks, sibling.network, spec.network()),
            measures: share(
                &mut self.measures,
                sibling.measures,
                spec.measures(&metadata.annotations),
            ),
        };
        if let Some(owner) = owner
            && known.is_none_or(|known| !known.shares(&family))
        {
            self.families.insert((*owner.uid).into(), family.clone());
        }
        family
    }

    fn family_labels(
        &mut self,
        sibling: Arc<BTreeMap<Box<str>, Box<str>>>,
        metadata: &RawMetadata<'_>,
    ) -> Arc<BTreeMap<Box<str>, Box<str>>> {
        let raw = metadata.labels.iter().map(|(key, value)| (&**key, &**value));
        let same = sibling.iter().map(|(key, value)| (&**key, &**value)).eq(raw.clone());
        if same && !sibling.is_empty() {
            return sibling;
        }
        let labels = raw.map(|(key, value)| (key.into(), value.into())).collect();
        share(&mut self.labels, sibling, labels)
    }

    fn owner(&mut self, raw: &RawOwner<'_>) -> Arc<Owner> {
        Arc::new(Owner {
            api_version: self.text(&raw.api_version),
            kind: self.text(&raw.kind),
            name: (*raw.name).into(),
            uid: (*raw.uid).into(),
        })
    }

    /// Forgets, from time to time, what nobody uses any more.
    fn sweep(&mut self) {
        self.reads = self.reads.wrapping_add(1);
        if !self.reads.is_multiple_of(65_536) {
            return;
        }
        let is_used = |family: &Family| family.owner.as_ref().is_some_and(|owner| Arc::strong_count(owner) > 1);
        self.families.retain(|_, family| is_used(family));
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.labels.retain(|labels| Arc::strong_count(labels) > 1);
        self.amounts.retain(|amounts| Arc::strong_count(amounts) > 1);
        self.networks.retain(|network| Arc::strong_count(network) > 1);
        self.measures.retain(|measures| Arc::strong_count(measures) > 1);
    }
}

impl Family {
    fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.labels, &other.labels)
            && Arc::ptr_eq(&self.requests, &other.requests)
            && Arc::ptr_eq(&self.network, &other.network)
            && Arc::ptr_eq(&self.measures, &other.measures)
    }
}

/// The one value of the pool that is equal to this one; `likely` is looked at first.
fn share<T: Ord + Default>(pool: &mut BTreeSet<Arc<T>>, likely: Arc<T>, value: T) -> Arc<T> {
    // One that says nothing may be no value of the pool.
    if *likely == value && value != T::default() {
        return likely;
    }
    let new = Arc::new(value);
    if let Some(found) = pool.get(&new) {
        return found.clone();
    }
    pool.insert(new.clone());
    new
}
