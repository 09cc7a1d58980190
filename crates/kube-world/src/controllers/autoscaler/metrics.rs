//! The measurements of a simulated cluster: annotations of pods, and a config map for everything else.
//!
//! No metrics server measures anything here; tests, scenarios and people say what is measured. What a pod uses stands in
//! its annotations (`sim.fleetwright.dev/cpu: 250m`), values of pods' own metrics as well
//! (`sim.fleetwright.dev/metric.requests: "12"`). Values of objects and of the world outside stand in the config map
//! `fleetwright-metrics` of the namespace. So a change of a measurement is a write like any other, and wakes who needs it.

use json_tree::{Value, json};
use model::quantity::Quantity;

use crate::annotations::PREFIX;
use crate::controllers::support::tree::text;

/// The config map with the values of a namespace.
pub const METRICS_CONFIG_MAP: &str = "fleetwright-metrics";

/// Names of measurements, for those who set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metrics;

impl Metrics {
    /// The annotation of a pod with what it uses of a resource, such as `cpu` (`250m`) or `memory` (`64Mi`).
    #[must_use]
    pub fn usage_annotation(resource: &str) -> String {
        format!("{PREFIX}{resource}")
    }

    /// The annotation of a pod with the value of a metric of its own.
    #[must_use]
    pub fn pod_annotation(metric: &str) -> String {
        format!("{PREFIX}metric.{metric}")
    }

    /// The key in the config map of a value from outside the cluster.
    #[must_use]
    pub fn external_key(metric: &str) -> String {
        format!("external.{metric}")
    }

    /// The key in the config map of a value of an object.
    #[must_use]
    pub fn object_key(kind: &str, name: &str, metric: &str) -> String {
        format!("object.{kind}.{name}.{metric}")
    }

    /// The config map of a namespace with these values, ready to be created.
    #[must_use]
    pub fn config_map(namespace: &str, values: &[(String, String)]) -> Value {
        let data: json_tree::Map = values
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": METRICS_CONFIG_MAP, "namespace": namespace}, "data": data})
    }
}

/// A value in thousandths.
pub(super) fn millis(value: &str) -> Option<i64> {
    value.parse::<Quantity>().ok()?.to_millis()
}

/// The value under a key of the config map, in thousandths.
pub(super) fn of_map(map: Option<&Value>, key: &str) -> Option<i64> {
    millis(text(map?, &["data", key])?)
}
