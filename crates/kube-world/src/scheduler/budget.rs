//! Disruption budgets, as far as choosing victims needs them.

use std::collections::{BTreeMap, BTreeSet};

use json_tree::Value;

use super::read;
use super::selector::Selector;

/// A PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// `spec.selector`; a budget with an empty one concerns nobody here, as in the original.
    pub selector: Selector,
    /// `status.disruptionsAllowed`.
    pub allowed: i64,
    /// Names in `status.disruptedPods`: their disruption is in the number already.
    pub disrupted: BTreeSet<String>,
}

impl Budget {
    /// Reads a budget object.
    #[must_use]
    pub fn from_json(budget: &Value) -> Self {
        let disrupted = read::at(budget, &["status", "disruptedPods"]).and_then(Value::as_object);
        Self {
            selector: Selector::from_json(read::at(budget, &["spec", "selector"])),
            allowed: i64::from(read::int32(budget, &["status", "disruptionsAllowed"]).unwrap_or_default()),
            disrupted: disrupted
                .into_iter()
                .flatten()
                .map(|(name, _)| name.to_string())
                .collect(),
        }
    }
}

/// All budgets by namespace and name.
pub(crate) type Budgets = BTreeMap<(String, String), Budget>;
