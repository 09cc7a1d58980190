//! What a plan was made from, and whether that is still so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Names a plan; equal inputs give equal ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub String);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the plan of one cluster depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterInput {
    /// The name that people use, for messages.
    pub alias: String,
    /// Version string before: the configuration's id and the digest of the registry entry (fact 1).
    pub from: String,
    /// Version string after.
    pub to: String,
    /// Digest of the discovered facts.
    pub facts: String,
    /// Digest of what was seen in the cluster; `None` for a plan without a live look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
}

/// Everything that a plan depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Per cluster, by id.
    pub clusters: BTreeMap<String, ClusterInput>,
}

/// Something that is no longer as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Alias of the cluster.
    pub cluster: String,
    /// What moved, in words, with both values where they help.
    pub what: String,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {}: {}", self.cluster, self.what)
    }
}

impl Inputs {
    /// The id that is bound to these inputs.
    #[must_use]
    pub fn id(&self) -> PlanId {
        // A map of texts always serialises, in the order of its keys.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let digest = hex::encode(Sha256::digest(bytes));
        PlanId(format!("plan-{}", digest.get(..12).unwrap_or(&digest)))
    }

    /// What differs now from what the plan was made from; empty when the plan still holds (V7).
    #[must_use]
    pub fn moved(&self, now: &Self) -> Vec<Moved> {
        let ids: BTreeSet<&String> = self.clusters.keys().chain(now.clusters.keys()).collect();
        let mut moved = Vec::new();
        for id in ids {
            match (self.clusters.get(id), now.clusters.get(id)) {
                (Some(then), Some(now)) => moved.extend(then.moved(now)),
                (Some(then), None) => moved.push(Moved {
                    cluster: then.alias.clone(),
                    what: "is not in the selection any more".to_owned(),
                }),
                (None, Some(now)) => moved.push(Moved {
                    cluster: now.alias.clone(),
                    what: "is new in the selection".to_owned(),
                }),
                (None, None) => {}
            }
        }
        moved
    }
}

impl ClusterInput {
    fn moved(&self, now: &Self) -> Vec<Moved> {
        let parts = [
            ("the version it is at", Some(&self.from), Some(&now.from), true),
            ("the version to come", Some(&self.to), Some(&now.to), true),
            ("the discovered facts", Some(&self.facts), Some(&now.facts), false),
            ("what is in the cluster", self.live.as_ref(), now.live.as_ref(), false),
        ];
        let differing = parts.into_iter().filter(|(_, then, now, _)| then != now);
        differing
            .map(|(name, then, now_is, telling)| Moved {
                cluster: now.alias.clone(),
                what: match (then, now_is) {
                    (Some(then), Some(now)) if telling => {
                        format!("{name} moved from {} to {}", shown(then), shown(now))
                    }
                    _ => format!("{name} changed"),
                },
            })
            .collect()
    }
}

fn shown(version: &str) -> &str {
    if version.is_empty() { "none" } else { version }
}
