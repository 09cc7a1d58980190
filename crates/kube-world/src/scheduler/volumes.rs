//! Claims, volumes and storage classes: which nodes a pod's volumes allow.

use std::collections::BTreeMap;

use json_tree::Value;

use super::read::{self, Labels};
use super::selector::NodeTerm;

/// Labels of volumes that bind them to nodes with an equal label.
const ZONE_LABELS: [&str; 4] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

/// A claim's `namespace` and `name`.
pub type ClaimKey = (String, String);

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// `spec.volumeName`, once it is bound.
    pub volume: Option<String>,
    /// `spec.storageClassName`.
    pub class: Option<String>,
    /// `spec.accessModes`.
    pub access_modes: Vec<String>,
    /// Requested bytes.
    pub size: i64,
    /// Phase `Lost`.
    pub lost: bool,
    /// It has a deletion timestamp.
    pub deleting: bool,
}

impl Claim {
    /// Reads a claim object.
    #[must_use]
    pub fn from_json(claim: &Value) -> Self {
        let text = |path: &[&str]| {
            read::text(claim, path)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let size = read::at(claim, &["spec", "resources", "requests", "storage"]);
        Self {
            volume: text(&["spec", "volumeName"]),
            class: text(&["spec", "storageClassName"]),
            access_modes: read::texts(claim, &["spec", "accessModes"]),
            size: size.and_then(read::units).unwrap_or_default(),
            lost: read::text(claim, &["status", "phase"]) == Some("Lost"),
            deleting: read::at(claim, &["metadata", "deletionTimestamp"]).is_some_and(|when| !when.is_null()),
        }
    }

    /// Whether only one pod in the cluster may use it.
    fn is_for_one_pod(&self) -> bool {
        self.access_modes.iter().any(|mode| mode == "ReadWriteOncePod")
    }
}

/// A PersistentVolume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Volume {
    /// `spec.storageClassName`.
    pub class: Option<String>,
    /// `spec.accessModes`.
    pub access_modes: Vec<String>,
    /// Bytes.
    pub size: i64,
    /// The claim it belongs to, if it does.
    pub claim: Option<ClaimKey>,
    /// Required node affinity: one of these terms.
    pub nodes: Option<Vec<NodeTerm>>,
    /// Zone and region labels, each with the values it allows.
    pub zones: Vec<(String, Vec<String>)>,
    /// The CSI driver, for the node's limits.
    pub driver: Option<String>,
}

impl Volume {
    /// Reads a volume object.
    #[must_use]
    pub fn from_json(volume: &Value) -> Self {
        let text = |path: &[&str]| {
            read::text(volume, path)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let claim = || {
            let namespace = text(&["spec", "claimRef", "namespace"])?;
            Some((namespace, text(&["spec", "claimRef", "name"])?))
        };
        let size = read::at(volume, &["spec", "capacity", "storage"]);
        let labels = read::labels(volume, &["metadata", "labels"]);
        let zone = |key: &&str| {
            let values = labels.get(*key)?.split("__").map(str::to_owned).collect();
            Some(((*key).to_owned(), values))
        };
        Self {
            class: text(&["spec", "storageClassName"]),
            access_modes: read::texts(volume, &["spec", "accessModes"]),
            size: size.and_then(read::units).unwrap_or_default(),
            claim: claim(),
            nodes: read::at(volume, &["spec", "nodeAffinity", "required", "nodeSelectorTerms"])
                .and_then(Value::as_array)
                .map(|terms| terms.iter().map(NodeTerm::from_json).collect()),
            zones: ZONE_LABELS.iter().filter_map(zone).collect(),
            driver: text(&["spec", "csi", "driver"]),
        }
    }

    fn reachable_from(&self, name: &str, labels: &Labels) -> bool {
        self.nodes
            .as_ref()
            .is_none_or(|terms| terms.iter().any(|term| term.matches(name, labels)))
    }

    /// A node without any zone or region label is not held to the volume's.
    fn in_zone_of(&self, labels: &Labels) -> bool {
        let zoned = ZONE_LABELS.iter().any(|key| labels.contains_key(*key));
        let holds = |(key, values): &(String, Vec<String>)| labels.get(key).is_some_and(|value| values.contains(value));
        !zoned || self.zones.iter().all(holds)
    }

    fn suits(&self, key: &ClaimKey, claim: &Claim) -> bool {
        self.claim.as_ref().is_none_or(|owner| owner == key)
            && self.class == claim.class
            && self.size >= claim.size
            && claim.access_modes.iter().all(|mode| self.access_modes.contains(mode))
    }
}

/// A StorageClass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StorageClass {
    /// `provisioner`.
    pub provisioner: String,
    /// `volumeBindingMode: WaitForFirstConsumer`: the volume is made where the pod goes.
    pub waits: bool,
    /// `allowedTopologies`: one of these terms; empty is everywhere.
    pub topologies: Vec<NodeTerm>,
}

impl StorageClass {
    /// Reads a storage class object.
    #[must_use]
    pub fn from_json(class: &Value) -> Self {
        let topology = |term: &Value| {
            let expressions = read::list(term, &["matchLabelExpressions"]).iter().map(|expression| {
                let mut as_requirement = expression.clone();
                if let Some(members) = as_requirement.as_object_mut() {
                    members.insert("operator", Value::from("In"));
                }
                as_requirement
            });
            NodeTerm::from_json(&json_tree::json!({ "matchExpressions": expressions.collect::<Vec<_>>() }))
        };
        Self {
            provisioner: read::text(class, &["provisioner"]).unwrap_or_default().to_owned(),
            waits: read::text(class, &["volumeBindingMode"]) == Some("WaitForFirstConsumer"),
            topologies: read::list(class, &["allowedTopologies"]).iter().map(topology).collect(),
        }
    }
}

/// All storage objects of the cluster.
#[derive(Debug, Default)]
pub struct Storage {
    /// Claims by namespace and name.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Volume>,
    /// Storage classes by name.
    pub classes: BTreeMap<String, StorageClass>,
}

/// What a pod's claims demand, found once per decision.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    /// Volumes of bound claims.
    bound: Vec<String>,
    /// Claims that wait for the pod's node.
    waiting: Vec<ClaimKey>,
    /// Claims that one pod alone may use.
    exclusive: Vec<ClaimKey>,
    /// Each claim with the driver that attaches it.
    attached: Vec<(String, ClaimKey)>,
}

/// Why a node's place does not suit the volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreachable {
    Node,
    NothingToBind,
    Missing,
    Zone,
}

/// What remains to be done for the claims before the pod can be bound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumePlan {
    /// Claims to bind to a volume that is there: claim and volume name.
    pub bind: Vec<(ClaimKey, String)>,
    /// Claims whose volume is to be made for the chosen node (annotation `volume.kubernetes.io/selected-node`).
    pub provision: Vec<ClaimKey>,
}

impl VolumePlan {
    /// Whether the pod can be bound at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bind.is_empty() && self.provision.is_empty()
    }
}

impl Demand {
    pub(crate) fn is_empty(&self) -> bool {
        self.bound.is_empty() && self.waiting.is_empty() && self.exclusive.is_empty() && self.attached.is_empty()
    }

    pub(crate) fn exclusive(&self) -> &[ClaimKey] {
        &self.exclusive
    }

    pub(crate) fn attached(&self) -> &[(String, ClaimKey)] {
        &self.attached
    }
}

impl Storage {
    /// The demand of a pod's claims, or why no node at all can take the pod.
    pub(crate) fn demand(&self, namespace: &str, claims: &[(String, bool)]) -> Result<Demand, String> {
        let mut demand = Demand::default();
        let mut immediate = false;
        for (name, ephemeral) in claims {
            let key = (namespace.to_owned(), name.clone());
            let Some(claim) = self.claims.get(&key) else {
                return Err(missing(name, *ephemeral));
            };
            if claim.lost {
                let volume = claim.volume.as_deref().unwrap_or_default();
                return Err(format!(
                    "persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \"{volume}\""
                ));
            }
            if claim.deleting {
                return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
            }
            if claim.is_for_one_pod() {
                demand.exclusive.push(key.clone());
            }
            if let Some(driver) = self.driver(claim) {
                demand.attached.push((driver.to_owned(), key.clone()));
            }
            let class = claim.class.as_ref().and_then(|class| self.classes.get(class));
            match &claim.volume {
                Some(volume) => demand.bound.push(volume.clone()),
                None if class.is_some_and(|class| class.waits) => demand.waiting.push(key),
                None => immediate = true,
            }
        }
        if immediate {
            return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
        Ok(demand)
    }

    fn driver<'a>(&'a self, claim: &'a Claim) -> Option<&'a str> {
        if let Some(volume) = claim.volume.as_ref().and_then(|volume| self.volumes.get(volume)) {
            return volume.driver.as_deref();
        }
        let class = self.classes.get(claim.class.as_ref()?)?;
        Some(class.provisioner.as_str()).filter(|provisioner| *provisioner != NO_PROVISIONER)
    }

    /// Driver and claim of each claim that a placed pod attaches to its node.
    pub(crate) fn attachments(&self, namespace: &str, claims: &[(String, bool)]) -> Vec<(String, ClaimKey)> {
        let attachment = |(name, _): &(String, bool)| {
            let key = (namespace.to_owned(), name.clone());
            let driver = self.driver(self.claims.get(&key)?)?.to_owned();
            Some((driver, key))
        };
        claims.iter().filter_map(attachment).collect()
    }

    /// Whether the volumes can be used from a node.
    pub(crate) fn check(&self, demand: &Demand, name: &str, labels: &Labels) -> Result<(), Unreachable> {
        for volume in &demand.bound {
            match self.volumes.get(volume) {
                None => return Err(Unreachable::Missing),
                Some(volume) if !volume.reachable_from(name, labels) => return Err(Unreachable::Node),
                Some(_) => {}
            }
        }
        self.plan(demand, name, labels).ok_or(Unreachable::NothingToBind)?;
        let zoned = |volume: &String| self.volumes.get(volume).is_none_or(|volume| volume.in_zone_of(labels));
        if demand.bound.iter().all(zoned) {
            Ok(())
        } else {
            Err(Unreachable::Zone)
        }
    }

    /// How the waiting claims get their volumes on a node: the smallest volume that suits, or a new one.
    pub(crate) fn plan(&self, demand: &Demand, name: &str, labels: &Labels) -> Option<VolumePlan> {
        let mut plan = VolumePlan::default();
        for key in &demand.waiting {
            let claim = self.claims.get(key)?;
            let taken = |volume: &String| plan.bind.iter().any(|(_, other)| other == volume);
            let suiting = self
                .volumes
                .iter()
                .filter(|(id, volume)| volume.suits(key, claim) && volume.reachable_from(name, labels) && !taken(id));
            if let Some((id, _)) = suiting.min_by_key(|(_, volume)| volume.size) {
                plan.bind.push((key.clone(), id.clone()));
                continue;
            }
            let class = self.classes.get(claim.class.as_ref()?)?;
            let allowed = class.topologies.is_empty() || class.topologies.iter().any(|term| term.matches(name, labels));
            if class.provisioner == NO_PROVISIONER || !allowed {
                return None;
            }
            plan.provision.push(key.clone());
        }
        Some(plan)
    }
}

/// The provisioner of classes whose volumes are made by hand.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

fn missing(name: &str, ephemeral: bool) -> String {
    if ephemeral {
        format!("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{name}\"")
    } else {
        format!("persistentvolumeclaim \"{name}\" not found")
    }
}
