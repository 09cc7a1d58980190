//! Whether a node takes a pod: the scheduler's filters in its order.

use super::class::{Class, SpreadLink};
use super::cluster::{Cluster, Room};
use super::node::Node;
use super::reasons::{Reason, Rejection};
use super::rules::Rules;
use super::tally::{ClassId, NodeId, Tally};
use super::volumes::{Demand, Unreachable};

/// Everything about one pod's question that holds for all nodes alike.
pub(crate) struct Question<'a> {
    cluster: &'a Cluster,
    pub(crate) class: &'a Class,
    pub(crate) rules: &'a Rules,
    demand: &'a Demand,
    /// Required spread constraints, each with the highest count that a domain may have.
    spread: Vec<(&'a Tally, i64)>,
    affinity: Vec<&'a Tally>,
    /// Nobody matches the required affinity anywhere, but the pod itself does: it may be the first.
    first_of_its_kind: bool,
    anti: Vec<&'a Tally>,
    kept_away_by: Vec<&'a Tally>,
    /// Another pod uses a claim that allows only one.
    claim_taken: bool,
}

impl<'a> Question<'a> {
    /// Prepares the question for a class of pods with these demands on storage.
    pub(crate) fn new(cluster: &'a Cluster, class: ClassId, demand: &'a Demand) -> Option<Self> {
        let class = cluster.classes.get(class)?;
        let links = &class.links;
        let tallies =
            |ids: &[usize]| -> Vec<&'a Tally> { ids.iter().filter_map(|id| cluster.tallies.get(*id)).collect() };
        let limit = |link: &SpreadLink| {
            let tally = cluster.tallies.get(link.tally)?;
            Some((tally, link.max_skew + tally.least(link.min_domains) - link.own))
        };
        let affinity = tallies(&links.affinity);
        let nobody = affinity.iter().all(|tally| tally.total() == 0);
        Some(Self {
            cluster,
            class,
            rules: cluster.rules.get(links.rules)?,
            demand,
            spread: links.hard_spread.iter().filter_map(limit).collect(),
            first_of_its_kind: nobody && links.own_affinity,
            affinity,
            anti: tallies(&links.anti),
            kept_away_by: tallies(&links.kept_away_by)
                .into_iter()
                .filter(|tally| tally.total() > 0)
                .collect(),
            claim_taken: demand
                .exclusive()
                .iter()
                .any(|claim| cluster.claim_users.contains_key(claim)),
        })
    }

    /// Why the node does not take the pod; nothing when it does.
    pub(crate) fn rejection(&self, id: NodeId) -> Option<Rejection> {
        if let Some(reason) = self.rules.answer(id).no {
            return Some(Rejection::lasting(reason));
        }
        if let Some(rejection) = self.by_ports(id).or_else(|| self.by_room(id)) {
            return Some(rejection);
        }
        if !self.demand.is_empty()
            && let Some(rejection) = self.by_volumes(id)
        {
            return Some(rejection);
        }
        self.by_spread(id).or_else(|| self.by_affinity(id))
    }

    fn by_ports(&self, id: NodeId) -> Option<Rejection> {
        let wanted = &self.class.spec.ports;
        if wanted.is_empty() {
            return None;
        }
        let used = &self.cluster.nodes.get(id)?.ports;
        let conflict = used.iter().any(|port| wanted.iter().any(|other| other.conflicts(port)));
        conflict.then(|| Rejection::passing(Reason::Ports))
    }

    fn by_room(&self, id: NodeId) -> Option<Rejection> {
        let room = self.cluster.rooms.get(id)?;
        let wanted = &self.class.spec.requests.stated;
        let mut rejection = Rejection::default();
        if room.pods + 1 > room.max_pods {
            rejection.add(Reason::TooManyPods, false);
        }
        let amounts = [
            (wanted.cpu, room.cpu, room.used_cpu, Reason::Cpu),
            (wanted.memory, room.memory, room.used_memory, Reason::Memory),
            (wanted.ephemeral, room.ephemeral, room.used_ephemeral, Reason::Ephemeral),
        ];
        for (wanted, have, used, reason) in amounts {
            if wanted > 0 && wanted > have - used {
                rejection.add(reason, wanted > have);
            }
        }
        if !wanted.other.is_empty() {
            self.by_extended(id, &mut rejection);
        }
        rejection.is_some().then_some(rejection)
    }

    fn by_extended(&self, id: NodeId, rejection: &mut Rejection) {
        let Some(slot) = self.cluster.nodes.get(id) else { return };
        let Some(node) = &slot.info else { return };
        for (nth, (name, wanted)) in self.class.spec.requests.stated.other.iter().enumerate() {
            let have = node.allocatable.other.get(name).copied().unwrap_or_default();
            let used = slot.used_other.get(name).copied().unwrap_or_default();
            if *wanted > have - used {
                rejection.add_extended(nth, *wanted > have);
            }
        }
    }

    fn by_volumes(&self, id: NodeId) -> Option<Rejection> {
        if self.claim_taken {
            return Some(Rejection::passing(Reason::ExclusiveClaim));
        }
        let slot = self.cluster.nodes.get(id)?;
        let node = slot.info.as_ref()?;
        if self.exceeds_volume_limit(node, &slot.attached) {
            return Some(Rejection::passing(Reason::VolumeCount));
        }
        let reason = match self.cluster.storage.check(self.demand, &node.name, &node.labels) {
            Ok(()) => return None,
            Err(Unreachable::Node) => Reason::VolumeNode,
            Err(Unreachable::NothingToBind) => Reason::VolumeBinding,
            Err(Unreachable::Missing) => Reason::VolumeMissing,
            Err(Unreachable::Zone) => Reason::VolumeZone,
        };
        Some(Rejection::lasting(reason))
    }

    fn exceeds_volume_limit(
        &self,
        node: &Node,
        attached: &std::collections::BTreeMap<(String, (String, String)), u32>,
    ) -> bool {
        node.volume_limits.iter().any(|(driver, limit)| {
            let of_driver = |attachment: &&(String, (String, String))| attachment.0 == *driver;
            let new = self
                .demand
                .attached()
                .iter()
                .filter(of_driver)
                .filter(|key| !attached.contains_key(*key))
                .count();
            let old = attached.keys().filter(of_driver).count();
            new > 0 && i64::try_from(old + new).unwrap_or(i64::MAX) > *limit
        })
    }

    fn by_spread(&self, id: NodeId) -> Option<Rejection> {
        for (tally, limit) in &self.spread {
            match tally.in_domain_of(id) {
                None => return Some(Rejection::lasting(Reason::SpreadLabel)),
                Some(count) if count > *limit => return Some(Rejection::passing(Reason::Spread)),
                Some(_) => {}
            }
        }
        None
    }

    fn by_affinity(&self, id: NodeId) -> Option<Rejection> {
        let mut all_near = true;
        for tally in &self.affinity {
            match tally.in_domain_of(id) {
                None => return Some(Rejection::lasting(Reason::Affinity)),
                Some(count) => all_near &= count > 0,
            }
        }
        if !all_near && !self.first_of_its_kind {
            return Some(Rejection::lasting(Reason::Affinity));
        }
        let near = |tally: &&Tally| tally.in_domain_of(id).is_some_and(|count| count > 0);
        if self.anti.iter().any(near) {
            return Some(Rejection::passing(Reason::AntiAffinity));
        }
        if self.kept_away_by.iter().any(near) {
            return Some(Rejection::passing(Reason::ExistingAntiAffinity));
        }
        None
    }

    pub(crate) fn room(&self, id: NodeId) -> Room {
        self.cluster.rooms.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn tally(&self, id: usize) -> Option<&'a Tally> {
        self.cluster.tallies.get(id)
    }
}
