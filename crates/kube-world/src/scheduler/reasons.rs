//! Why a node does not take a pod, in the scheduler's own words, and the message for a pod that no node takes.

use std::collections::BTreeMap;

use super::pod::PodClass;

/// A reason that a node has against a pod. The number is its bit in a [`Rejection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// Cordoned.
    Unschedulable,
    /// An untolerated taint.
    Taint,
    /// Node selector or required node affinity.
    NodeAffinity,
    /// A host port is taken.
    Ports,
    /// The node runs as many pods as it may.
    TooManyPods,
    /// Not enough CPU.
    Cpu,
    /// Not enough memory.
    Memory,
    /// Not enough local storage.
    Ephemeral,
    /// A claim for one pod alone is in use.
    ExclusiveClaim,
    /// The driver's limit of volumes on the node.
    VolumeCount,
    /// A bound volume cannot be reached from the node.
    VolumeNode,
    /// Nothing to bind a waiting claim to.
    VolumeBinding,
    /// A bound claim's volume is gone.
    VolumeMissing,
    /// A bound volume is in another zone.
    VolumeZone,
    /// A required spread constraint.
    Spread,
    /// A required spread constraint whose label the node lacks.
    SpreadLabel,
    /// Required pod affinity.
    Affinity,
    /// The pod's required anti-affinity.
    AntiAffinity,
    /// Required anti-affinity of a pod that is there.
    ExistingAntiAffinity,
    /// Preemption: nobody on the node may be evicted for the pod.
    NoVictims,
}

impl Reason {
    const ALL: [Self; 20] = [
        Self::Unschedulable,
        Self::Taint,
        Self::NodeAffinity,
        Self::Ports,
        Self::TooManyPods,
        Self::Cpu,
        Self::Memory,
        Self::Ephemeral,
        Self::ExclusiveClaim,
        Self::VolumeCount,
        Self::VolumeNode,
        Self::VolumeBinding,
        Self::VolumeMissing,
        Self::VolumeZone,
        Self::Spread,
        Self::SpreadLabel,
        Self::Affinity,
        Self::AntiAffinity,
        Self::ExistingAntiAffinity,
        Self::NoVictims,
    ];

    /// The scheduler's words for it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Unschedulable => "node(s) were unschedulable",
            Self::Taint => "node(s) had untolerated taint(s)",
            Self::NodeAffinity => "node(s) didn't match Pod's node affinity/selector",
            Self::Ports => "node(s) didn't have free ports for the requested pod ports",
            Self::TooManyPods => "Too many pods",
            Self::Cpu => "Insufficient cpu",
            Self::Memory => "Insufficient memory",
            Self::Ephemeral => "Insufficient ephemeral-storage",
            Self::ExclusiveClaim => {
                "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
            }
            Self::VolumeCount => "node(s) exceed max volume count",
            Self::VolumeNode => "node(s) didn't match PersistentVolume's node affinity",
            Self::VolumeBinding => "node(s) didn't find available persistent volumes to bind",
            Self::VolumeMissing => "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
            Self::VolumeZone => "node(s) had no available volume zone",
            Self::Spread => "node(s) didn't match pod topology spread constraints",
            Self::SpreadLabel => "node(s) didn't match pod topology spread constraints (missing required label)",
            Self::Affinity => "node(s) didn't match pod affinity rules",
            Self::AntiAffinity => "node(s) didn't match pod anti-affinity rules",
            Self::ExistingAntiAffinity => "node(s) didn't satisfy existing pods anti-affinity rules",
            Self::NoVictims => "No preemption victims found for incoming pod",
        }
    }

    const fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// Where the bits of extended resources begin, in the order in which the pod's requests name them.
const EXTENDED: u32 = Reason::ALL.len() as u32;

/// A node's "no": one or more reasons, and whether evicting pods could change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejection {
    bits: u32,
    lasting: bool,
}

impl Rejection {
    /// One reason that evicting pods might lift.
    pub(crate) const fn passing(reason: Reason) -> Self {
        Self {
            bits: reason.bit(),
            lasting: false,
        }
    }

    /// One reason that no eviction lifts.
    pub(crate) const fn lasting(reason: Reason) -> Self {
        Self {
            bits: reason.bit(),
            lasting: true,
        }
    }

    /// Adds a reason; the whole is lasting if any part is.
    pub(crate) fn add(&mut self, reason: Reason, lasting: bool) {
        self.bits |= reason.bit();
        self.lasting |= lasting;
    }

    /// Adds "insufficient" for the nth extended resource that the pod asks for.
    pub(crate) fn add_extended(&mut self, nth: usize, lasting: bool) {
        let room = usize::try_from(u32::BITS - EXTENDED - 1).unwrap_or_default();
        // Beyond a dozen extended resources in one pod the last bit stands for the rest.
        self.bits |= 1 << (EXTENDED + u32::try_from(nth.min(room)).unwrap_or_default());
        self.lasting |= lasting;
    }

    /// Whether there is a reason at all.
    pub(crate) fn is_some(self) -> bool {
        self.bits != 0
    }

    /// Whether evicting pods cannot help.
    #[must_use]
    pub fn is_lasting(self) -> bool {
        self.lasting
    }

    /// Whether this is among the reasons.
    #[must_use]
    pub fn has(self, reason: Reason) -> bool {
        self.bits & reason.bit() != 0
    }

    /// Reasons of both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            bits: self.bits | other.bits,
            lasting: self.lasting && other.lasting,
        }
    }

    /// Whether it is about amounts of resources.
    pub(crate) fn is_about_room(self) -> bool {
        let room = [Reason::TooManyPods, Reason::Cpu, Reason::Memory, Reason::Ephemeral];
        room.into_iter().any(|reason| self.has(reason)) || self.bits >> EXTENDED != 0
    }

    /// The reasons in words; extended resources are named after the pod's requests.
    #[must_use]
    pub fn texts(self, class: &PodClass) -> Vec<String> {
        let fixed = Reason::ALL
            .into_iter()
            .filter(|reason| self.has(*reason))
            .map(|reason| reason.text().to_owned());
        let extended = class
            .requests
            .stated
            .other
            .keys()
            .enumerate()
            .filter_map(|(nth, name)| {
                let mut bit = Self::default();
                bit.add_extended(nth, false);
                (self.bits & bit.bits != 0).then(|| format!("Insufficient {name}"))
            });
        fixed.chain(extended).collect()
    }
}

/// The message for a pod that no node takes: `0/5 nodes are available: 2 Insufficient cpu, 3 node(s) were unschedulable.`
///
/// `others` are nodes that were not looked at one by one, with the one text that holds for them. The order is that of the
/// texts with their counts, so `10 …` comes before `2 …`.
pub(crate) fn histogram(nodes: usize, class: &PodClass, rejections: &[Rejection], others: Option<&str>) -> String {
    let mut counts: BTreeMap<(u32, bool), usize> = BTreeMap::new();
    for rejection in rejections {
        *counts.entry((rejection.bits, rejection.lasting)).or_default() += 1;
    }
    let mut by_text: BTreeMap<String, usize> = BTreeMap::new();
    for ((bits, lasting), count) in counts {
        for text in (Rejection { bits, lasting }).texts(class) {
            *by_text.entry(text).or_default() += count;
        }
    }
    if let Some(text) = others.filter(|_| rejections.len() < nodes) {
        *by_text.entry(text.to_owned()).or_default() += nodes - rejections.len();
    }
    let mut parts: Vec<String> = by_text
        .into_iter()
        .map(|(text, count)| format!("{count} {text}"))
        .collect();
    parts.sort();
    let reasons = if parts.is_empty() {
        String::new()
    } else {
        format!(" {}.", parts.join(", "))
    };
    format!("0/{nodes} nodes are available:{reasons}")
}
