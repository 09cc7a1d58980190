//! A node as the scheduler sees it.

use std::collections::BTreeMap;

use json_tree::Value;

use super::read::{self, Labels};
use super::resources::Resources;
use super::taints::{Effect, Taint};
use super::terms::ZONE;

/// The taint that stands for `spec.unschedulable`.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// A node: what it has to give and whom it takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`: cordoned.
    pub unschedulable: bool,
    /// `status.allocatable`.
    pub allocatable: Resources,
    /// How many pods it may run.
    pub max_pods: i64,
    /// How many volumes of each CSI driver it may attach (from its CSINode); a driver that is absent has no limit.
    pub volume_limits: BTreeMap<String, i64>,
}

impl Node {
    /// Reads a node object, and the CSINode of its name if there is one.
    #[must_use]
    pub fn from_json(node: &Value, csi_node: Option<&Value>) -> Self {
        let allocatable = read::at(node, &["status", "allocatable"]);
        let drivers = csi_node.map_or(&[][..], |csi| read::list(csi, &["spec", "drivers"]));
        let limit = |driver: &Value| {
            let name = read::text(driver, &["name"])?.to_owned();
            Some((name, read::at(driver, &["allocatable", "count"])?.as_i64()?))
        };
        Self {
            name: read::text(node, &["metadata", "name"]).unwrap_or_default().to_owned(),
            labels: read::labels(node, &["metadata", "labels"]),
            taints: read::list(node, &["spec", "taints"])
                .iter()
                .filter_map(Taint::from_json)
                .collect(),
            unschedulable: read::at(node, &["spec", "unschedulable"])
                .and_then(Value::as_bool)
                .unwrap_or(false),
            max_pods: allocatable
                .and_then(|list| list.get("pods"))
                .and_then(read::units)
                .unwrap_or_default(),
            allocatable: Resources::from_json(allocatable),
            volume_limits: drivers.iter().filter_map(limit).collect(),
        }
    }

    /// Region and zone: nodes are looked at zone by zone in turn, so that a sample touches all of them.
    pub(crate) fn zone(&self) -> (&str, &str) {
        let label = |new: &str, old: &str| {
            let value = self.labels.get(new).or_else(|| self.labels.get(old));
            value.map(String::as_str).unwrap_or_default()
        };
        (
            self.labels
                .get("topology.kubernetes.io/region")
                .map(String::as_str)
                .unwrap_or_default(),
            label(ZONE, "failure-domain.beta.kubernetes.io/zone"),
        )
    }

    /// The taint that a cordon amounts to.
    pub(crate) fn cordon() -> Taint {
        Taint::new(UNSCHEDULABLE, "", Effect::NoSchedule)
    }
}
