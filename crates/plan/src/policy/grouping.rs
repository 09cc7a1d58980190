//! How the clusters of a channel are put into waves.

use std::collections::BTreeSet;

use model::selector::CLUSTER_FIELDS;
use model::{Invalid, Validate};
use serde::{Deserialize, Serialize};

use super::{Share, Span};

/// Environments in this list's place for all that it does not name.
pub(crate) const OTHERS: &str = "*";

/// The order of a channel. Its clusters form stages by environment and criticality, one after another; each stage begins with
/// canaries of every cluster type, goes on with the shares of `steps`, and ends with the rest. Each of these is a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Grouping {
    /// Environments, earliest first; `*` stands for all that are not named. They come before `production` by default.
    pub environments: Vec<String>,
    /// Whether clusters with a lower criticality level come first.
    pub by_criticality: bool,
    /// Fields that make the type of a cluster: clusters that have all of them alike are expected to break alike.
    #[serde(rename = "type")]
    pub kind: Vec<String>,
    /// Who goes first in a stage.
    pub canary: Canary,
    /// Shares of a stage that may be done before the next wave begins; what is left is the last wave.
    pub steps: Vec<Share>,
    /// How long a change of registry entries waits before its first cluster begins, so that an edit of many clusters is seen
    /// as one change.
    pub settle: Span,
}

/// The canaries of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Canary {
    /// Clusters of each type; 0 for no canary wave.
    pub per_type: u32,
}

impl Default for Canary {
    fn default() -> Self {
        Self { per_type: 1 }
    }
}

impl Default for Grouping {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            environments: texts(&[OTHERS, "production"]),
            by_criticality: true,
            kind: texts(&["provider", "config_items.cluster_type"]),
            canary: Canary::default(),
            steps: vec![Share::Percent(25)],
            settle: Span::seconds(10),
        }
    }
}

impl Validate for Grouping {
    fn check(&self, problems: &mut Vec<Invalid>) {
        let mut seen = BTreeSet::new();
        for name in &self.environments {
            if !seen.insert(name) {
                problems.push(Invalid::new("environments", "must not name one twice", name));
            }
        }
        for field in &self.kind {
            let first = field.split('.').next().unwrap_or_default();
            if !CLUSTER_FIELDS.contains(&first) {
                let rule = format!("must be fields of clusters: {}", CLUSTER_FIELDS.join(", "));
                problems.push(Invalid::new("type", rule, field));
            }
        }
        for step in &self.steps {
            if matches!(step, Share::Count(0) | Share::Percent(0)) {
                problems.push(Invalid::new("steps", "must be shares of at least one cluster", step));
            }
        }
    }
}
