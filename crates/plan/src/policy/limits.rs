//! How many clusters may be in flight.

use model::{Invalid, Validate};
use serde::{Deserialize, Serialize};

/// Clusters that may be in flight at the same time (V5). In flight is a cluster from the moment it may begin until it is done,
/// its health check included; one that fails stays in flight, since it is neither what it was nor what it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// In one wave.
    pub wave: u32,
    /// In one infrastructure account, over all channels.
    pub account: u32,
    /// In the fleet, over all channels.
    pub fleet: u32,
    /// Let begin by fast lanes, over all channels; these places are theirs alone, beside those of the fleet.
    pub urgent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wave: 5,
            account: 2,
            fleet: 10,
            urgent: 2,
        }
    }
}

impl Validate for Limits {
    fn check(&self, problems: &mut Vec<Invalid>) {
        let values = [
            ("wave", self.wave),
            ("account", self.account),
            ("fleet", self.fleet),
            ("urgent", self.urgent),
        ];
        for (field, value) in values {
            if value == 0 {
                let rule = "must be at least 1; pause a channel or freeze the fleet to hold it";
                problems.push(Invalid::new(format!("limits.{field}"), rule, value));
            }
        }
    }
}
