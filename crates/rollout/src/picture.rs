//! The one picture of a cluster that decisions are made from: watched objects joined with the cloud's machines.
//!
//! It is kept up to date object by object. What one object cannot tell (zones of volumes, sizes of sets, deadlines of
//! Jobs) is filled in from the others, and what only we know (refusals, forced terminations of budgets) from memory.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use disruption::{BudgetKey, ClusterView, NodeMark, NodeName, NodeState, PodKey, PodKind, PodState, PoolName, Zone};
use jiff::Timestamp;
use kube_access::watch::WatchEvent;
use kube_access::{GroupKind, ObjectKey};

use crate::claims::Provision;
use crate::lists::{List, Lists};
use crate::machines::{Fleet, Machine};
use crate::seen::{NodeSeen, PodSeen, Seen};
use crate::tracked::Tracked;

type Named = (Box<str>, Box<str>);

/// What is kept of a pod beside its state.
#[derive(Debug, Clone)]
struct Extras {
    claims: Vec<Box<str>>,
    moving: bool,
}

/// The picture.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    pub(crate) view: ClusterView,
    pub(crate) nodes: Tracked<BTreeMap<NodeName, NodeSeen>>,
    /// The nodes that a pass may have to do with.
    lists: Lists,
    /// The nodes by their machines.
    of_machine: BTreeSet<(Box<str>, NodeName)>,
    extras: BTreeMap<PodKey, Extras>,
    claims: BTreeMap<Named, Box<str>>,
    volumes: BTreeMap<Box<str>, Vec<Zone>>,
    sets: BTreeMap<Named, u32>,
    jobs: BTreeMap<Named, Timestamp>,
    /// Evictions that were refused, with the UID that was meant.
    refused: BTreeMap<PodKey, (Box<str>, Timestamp)>,
    /// Since when an operator is seen moving a pod's data.
    moving: BTreeMap<PodKey, (Box<str>, Timestamp)>,
    /// The last forced termination in each budget, from the ledger.
    forced: BTreeMap<BudgetKey, Timestamp>,
    synced: BTreeSet<GroupKind>,
    pub(crate) trouble: BTreeMap<GroupKind, String>,
    /// Objects that cannot be read, and why.
    pub(crate) unreadable: BTreeMap<ObjectKey, String>,
    /// Pools that are being removed.
    removed: BTreeSet<PoolName>,
    /// The mark alone makes a node outdated.
    by_marks: bool,
    /// What Karpenter has.
    pub(crate) provision: Provision,
    /// Machines that were ready once since we look.
    pub(crate) was_ready: Tracked<BTreeSet<Box<str>>>,
}

impl Picture {
    /// A picture in which the marks alone say which nodes are to go.
    pub(crate) fn by_marks() -> Self {
        Self {
            by_marks: true,
            ..Self::default()
        }
    }

    /// Everything was read completely and can be read now.
    pub(crate) fn complete(&self, kinds: usize) -> bool {
        self.synced.len() == kinds && self.trouble.is_empty()
    }

    /// Takes an event in.
    pub(crate) fn take(&mut self, event: WatchEvent<Seen>, fleet: &Fleet, now: Timestamp) {
        match event {
            WatchEvent::Applied { key, value } => {
                self.unreadable.remove(&key);
                self.applied(key, value, fleet, now);
            }
            WatchEvent::Deleted { key } => {
                self.unreadable.remove(&key);
                self.deleted(&key, fleet, now);
            }
            WatchEvent::Synced { kind } => {
                self.trouble.remove(&kind);
                self.synced.insert(kind);
            }
            WatchEvent::Trouble { kind, error } => {
                self.trouble.insert(kind, error.to_string());
            }
        }
    }

    fn applied(&mut self, key: ObjectKey, value: Seen, fleet: &Fleet, now: Timestamp) {
        match value {
            Seen::Node(Ok(node)) => self.put_node(*node, fleet, now),
            Seen::Pod(Ok(pod)) => self.put_pod(*pod, now),
            Seen::Budget(Ok(mut budget)) => {
                budget.last_forced = self.forced.get(&budget.key).copied();
                self.view.set_budget(*budget);
            }
            Seen::Node(Err(why))
            | Seen::Pod(Err(why))
            | Seen::Budget(Err(why))
            | Seen::NodePool(Err(why))
            | Seen::NodeClaim(Err(why)) => {
                self.unreadable.insert(key, why);
            }
            Seen::NodePool(Ok(pool)) => self.provision.put_pool(key.name.into(), *pool),
            Seen::NodeClaim(Ok(claim)) => self.provision.put_claim(key.name.into(), *claim),
            Seen::NodeClass(class) => self.provision.set_class(&key.name, class),
            Seen::Volume(zones) => {
                self.volumes.insert(key.name.into(), zones);
                self.refill(|_, extras| !extras.claims.is_empty());
            }
            Seen::Claim(volume) => {
                set(&mut self.claims, named(&key), volume);
                let (namespace, claim) = named(&key);
                self.refill(|pod, extras| *pod.namespace == *namespace && extras.claims.contains(&claim));
            }
            Seen::Set(wanted) => {
                set(&mut self.sets, named(&key), wanted);
                self.refill(|pod, _| *pod.namespace == *key.namespace);
            }
            Seen::Job(end) => {
                set(&mut self.jobs, named(&key), end);
                self.refill(|pod, _| *pod.namespace == *key.namespace);
            }
        }
    }

    fn deleted(&mut self, key: &ObjectKey, fleet: &Fleet, now: Timestamp) {
        let named = named(key);
        match key.kind.kind.as_str() {
            "Node" => {
                let name = NodeName::from(key.name.as_str());
                self.view.remove_node(&name);
                self.lists.remove(&name);
                if let Some(machine) = self.nodes.remove(&name).and_then(|node| node.machine) {
                    // What the cloud was never read to have is not forgotten with it.
                    if self.was_ready.contains(&machine) && !fleet.machines.contains_key(&machine) {
                        self.was_ready.remove(&machine);
                    }
                    self.of_machine.remove(&(machine, name));
                }
            }
            "Pod" => {
                let pod = PodKey::new(named.0, named.1);
                self.extras.remove(&pod);
                self.refused.remove(&pod);
                self.moving.remove(&pod);
                self.view.remove_pod(&pod);
            }
            "PodDisruptionBudget" => {
                self.view.remove_budget(&BudgetKey::new(named.0, named.1));
            }
            "PersistentVolume" => self.applied(key.clone(), Seen::Volume(Vec::new()), fleet, now),
            "PersistentVolumeClaim" => self.applied(key.clone(), Seen::Claim(None), fleet, now),
            "StatefulSet" => self.applied(key.clone(), Seen::Set(None), fleet, now),
            "Job" => self.applied(key.clone(), Seen::Job(None), fleet, now),
            "NodePool" => self.provision.remove_pool(&named.1),
            "NodeClaim" => self.provision.remove_claim(&named.1),
            "EC2NodeClass" => self.provision.set_class(&named.1, None),
            _ => {}
        }
    }

    fn put_pod(&mut self, seen: PodSeen, now: Timestamp) {
        let key = seen.state.key.clone();
        let special = matches!(seen.state.kind, PodKind::StatefulSet { .. } | PodKind::Job { .. });
        if special || seen.moving || !seen.claims.is_empty() {
            let (claims, moving) = (seen.claims, seen.moving);
            self.extras.insert(key.clone(), Extras { claims, moving });
        } else {
            self.extras.remove(&key);
        }
        if seen.moving {
            let first = self.moving.get(&key).filter(|(uid, _)| *uid == seen.state.uid);
            if first.is_none() {
                self.moving.insert(key, (seen.state.uid.clone(), now));
            }
        } else {
            self.moving.remove(&key);
        }
        let filled = self.filled(seen.state);
        self.view.set_pod(filled);
    }

    /// Fills in what the pod object does not say.
    fn filled(&self, mut pod: PodState) -> PodState {
        let of = |name: &str| (pod.key.namespace.clone(), name.into());
        match &mut pod.kind {
            PodKind::StatefulSet { owner, replicas, .. } => *replicas = self.sets.get(&of(&owner.name)).copied(),
            PodKind::Job { owner, deadline } => {
                let own = self.jobs.get(&of(&owner.name)).copied();
                *deadline = [*deadline, own].into_iter().flatten().min();
            }
            _ => {}
        }
        let same = |entry: &&(Box<str>, Timestamp)| entry.0 == pod.uid;
        pod.refused = self.refused.get(&pod.key).filter(same).map(|(_, at)| *at);
        if let Some(extras) = self.extras.get(&pod.key) {
            let first = self.moving.get(&pod.key).map(|(_, at)| *at);
            pod.operator_moving = first.filter(|_| extras.moving);
            let zones = extras
                .claims
                .iter()
                .flat_map(|claim| self.zones(&pod.key.namespace, claim));
            pod.volume_zones = zones.cloned().collect();
        }
        pod
    }

    fn zones(&self, namespace: &str, claim: &str) -> &[Zone] {
        let volume = self.claims.get(&(namespace.into(), claim.into()));
        volume
            .and_then(|name| self.volumes.get(name))
            .map_or(&[], Vec::as_slice)
    }

    fn refill(&mut self, concerned: impl Fn(&PodKey, &Extras) -> bool) {
        let keys: Vec<PodKey> = self
            .extras
            .iter()
            .filter(|(key, extras)| concerned(key, extras))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            if let Some(pod) = self.view.pod(&key).cloned() {
                let filled = self.filled(pod);
                self.view.set_pod(filled);
            }
        }
    }

    /// Adds or replaces a node and joins it with its machine.
    pub(crate) fn put_node(&mut self, node: NodeSeen, fleet: &Fleet, now: Timestamp) {
        let state = self.state_of(&node, fleet, now);
        if node.ready
            && let Some(machine) = &node.machine
            && !self.was_ready.contains(machine)
        {
            self.was_ready.insert(machine.clone());
        }
        let before = self.nodes.get(&node.name);
        if before != Some(&node) {
            let before = before.and_then(|node| node.machine.clone());
            if before != node.machine {
                if let Some(machine) = before {
                    self.of_machine.remove(&(machine, node.name.clone()));
                }
                if let Some(machine) = &node.machine {
                    self.of_machine.insert((machine.clone(), node.name.clone()));
                }
            }
            self.nodes.insert(node.name.clone(), node);
        }
        self.put_state(state);
    }

    /// Takes in what decisions know of a node that is there.
    fn put_state(&mut self, state: NodeState) {
        if let Some(node) = self.nodes.get(&state.name) {
            self.lists.note(node, &state);
        }
        self.view.set_node(state);
    }

    /// The nodes of a list with what decisions know of them, by name.
    pub(crate) fn listed(&self, list: List) -> impl Iterator<Item = (&NodeSeen, &NodeState)> {
        let names = self.lists.of(list);
        names.filter_map(|name| Some((self.nodes.get(name)?, self.view.node(name)?)))
    }

    /// All nodes with what decisions know of them, by name. Both are kept by name, so no node has to be looked up.
    pub(crate) fn both(&self) -> impl Iterator<Item = (&NodeSeen, &NodeState)> {
        let mut states = self.view.nodes().peekable();
        self.nodes.values().filter_map(move |node| {
            loop {
                match states.peek()?.name.cmp(&node.name) {
                    Ordering::Less => drop(states.next()),
                    Ordering::Equal => return Some((node, states.next()?)),
                    Ordering::Greater => return None,
                }
            }
        })
    }

    /// The node of a machine; the first by name where several say that they are on it.
    pub(crate) fn node_of(&self, machine: &str) -> Option<&NodeSeen> {
        self.nodes_of(machine).next()
    }

    /// A node on the machine is to go.
    pub(crate) fn has_outdated_node(&self, machine: &str) -> bool {
        let mut states = self.nodes_of(machine).filter_map(|node| self.view.node(&node.name));
        states.any(|state| state.outdated.is_some())
    }

    fn nodes_of(&self, machine: &str) -> impl Iterator<Item = &NodeSeen> {
        let from = (Box::from(machine), NodeName::from(""));
        self.of_machine
            .range(from..)
            .take_while(move |(of, _)| **of == *machine)
            .filter_map(|(_, name)| self.nodes.get(name))
    }

    /// Joins the nodes of these machines anew, which are others than before or gone.
    pub(crate) fn rejoin_touched(&mut self, fleet: &Fleet, touched: &BTreeSet<Box<str>>, now: Timestamp) {
        for machine in touched {
            let (known, was) = (fleet.machines.contains_key(machine), self.was_ready.contains(machine));
            let is = self.nodes_of(machine).any(|node| node.ready);
            if was && !known && !is {
                self.was_ready.remove(machine);
            } else if is && !was {
                self.was_ready.insert(machine.clone());
            }
            let states: Vec<NodeState> = self
                .nodes_of(machine)
                .map(|node| self.state_of(node, fleet, now))
                .collect();
            for state in states {
                self.put_state(state);
            }
        }
    }

    /// Joins all nodes anew, after the cloud was read or the pools changed.
    pub(crate) fn rejoin(&mut self, fleet: &Fleet, removed: BTreeSet<PoolName>, by_marks: bool, now: Timestamp) {
        (self.removed, self.by_marks) = (removed, by_marks);
        // What the cloud was read before does not know a machine that has a node already.
        let ready = self.nodes.values().filter(|node| node.ready);
        let ready = ready.filter_map(|node| node.machine.as_ref());
        let before = self.was_ready.iter().filter(|one| fleet.machines.contains_key(*one));
        let all: BTreeSet<Box<str>> = before.chain(ready).cloned().collect();
        self.was_ready.set(all);
        let states: Vec<NodeState> = self
            .nodes
            .values()
            .map(|node| self.state_of(node, fleet, now))
            .collect();
        for state in states {
            self.put_state(state);
        }
    }

    fn state_of(&self, node: &NodeSeen, fleet: &Fleet, now: Timestamp) -> NodeState {
        let machine = node.machine.as_ref().and_then(|id| fleet.machines.get(id));
        let pool = machine.map(|one| one.pool.clone()).or_else(|| node.pool.clone());
        let mut state = NodeState::new(node.name.clone(), node.created);
        let removed = pool.as_ref().is_some_and(|pool| self.removed.contains(pool));
        state.pool = pool;
        state.zone.clone_from(&node.zone);
        state.ready = node.ready && machine.is_none_or(|one| one.serves);
        state.cordoned = node.cordoned;
        state.spot = machine.is_some_and(|one| one.spot);
        state.priority = node.priority;
        state.replace_first = node.replace_first && !removed;
        state.mark = node.mark();
        let ends = machine
            .and_then(|one: &Machine| one.ends.clone())
            .or_else(|| node.ends.clone());
        state.outdated = match (&ends, removed) {
            (Some((_, code)), _) => Some(format!("the cloud takes the machine back ({code})").into()),
            (None, true) => Some("the node pool is removed".into()),
            (None, false) if self.by_marks => marked_from_outside(node),
            (None, false) => machine.and_then(|one| one.outdated.clone()),
        };
        if let Some((at, _)) = ends {
            let reason = state.outdated.clone().unwrap_or_default();
            let mark = state.mark.get_or_insert_with(|| NodeMark::new(now, reason));
            mark.machine_ends = Some(at);
        }
        state
    }

    /// Remembers that an eviction was refused, or that its answer was lost: both are asked again after a pause.
    pub(crate) fn note_refused(&mut self, key: &PodKey, at: Timestamp) {
        if let Some(mut pod) = self.view.pod(key).cloned() {
            self.refused.insert(key.clone(), (pod.uid.clone(), at));
            pod.refused = Some(at);
            self.view.set_pod(pod);
        }
    }

    /// Forgets when evictions were refused, because the clock by which it was noted is not the one of now.
    pub(crate) fn forget_refusals(&mut self, now: Timestamp) {
        let keys: Vec<PodKey> = std::mem::take(&mut self.refused).into_keys().collect();
        for (_, first) in self.moving.values_mut() {
            *first = (*first).min(now);
        }
        for key in keys {
            if let Some(mut pod) = self.view.pod(&key).cloned() {
                pod.refused = None;
                self.view.set_pod(pod);
            }
        }
    }

    /// Remembers a forced termination of a budget, found in the ledger or just made.
    pub(crate) fn note_budget_forced(&mut self, key: &BudgetKey, at: Timestamp) {
        let last = self.forced.entry(key.clone()).or_insert(at);
        *last = (*last).max(at);
        if let Some(mut budget) = self.view.budget(key).cloned() {
            budget.last_forced = Some(*last);
            self.view.set_budget(budget);
        }
    }

    /// Why decisions on a node cannot be trusted: an object that bears on it cannot be read. Missing data is never "none".
    pub(crate) fn doubt(&self, node: &NodeName) -> Option<String> {
        if self.unreadable.is_empty() {
            return None;
        }
        let namespaces: BTreeSet<&str> = self.view.pods_on(node).map(|pod| &*pod.key.namespace).collect();
        let concerns = |key: &&ObjectKey| match key.kind.kind.as_str() {
            "Node" => key.name == node.as_str(),
            // The node of a pod that cannot be read is not known: it may be any.
            "Pod" => true,
            _ => namespaces.contains(key.namespace.as_str()),
        };
        let found = self.unreadable.keys().find(concerns)?;
        let why = self.unreadable.get(found)?;
        Some(format!("{found} cannot be read: {why}"))
    }

    /// A pod that is kept in the view under this key with this UID, not on its way out.
    pub(crate) fn living(&self, key: &PodKey, uid: &str) -> bool {
        self.view
            .pod(key)
            .is_some_and(|pod| *pod.uid == *uid && pod.terminating.is_none())
    }
}

fn named(key: &ObjectKey) -> Named {
    (key.namespace.as_str().into(), key.name.as_str().into())
}

/// Keeps what is known of an object, or that there is nothing to know.
fn set<T>(map: &mut BTreeMap<Named, T>, name: Named, value: Option<T>) {
    match value {
        Some(value) => map.insert(name, value),
        None => map.remove(&name),
    };
}

/// Why a node goes when its mark is all that counts.
fn marked_from_outside(node: &NodeSeen) -> Option<Box<str>> {
    node.is_marked()
        .then(|| node.reason.clone().unwrap_or_else(|| "marked for replacement".into()))
}
