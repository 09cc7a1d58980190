//! What a plan was made from, and whether that is still so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::ClusterVersion;
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
    /// What the cluster was seen to need: a digest of each change, by what it changes; `None` for a plan without a live look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<BTreeMap<String, String>>,
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
        let mut what = Vec::new();
        let mut entry_changed = false;
        for (name, then, now) in [
            ("the version it is at", &self.from, &now.from),
            ("the version to come", &self.to, &now.to),
        ] {
            let (then_is, now_is) = (ClusterVersion::parse(then), ClusterVersion::parse(now));
            let empty = ClusterVersion::default();
            if then_is == empty || now_is == empty || then_is.config != now_is.config {
                if then != now {
                    what.push(format!("{name} moved from {} to {}", shown(then), shown(now)));
                }
            } else {
                entry_changed |= then_is.hash != now_is.hash;
            }
        }
        if entry_changed {
            what.push("its entry in the registry changed".to_owned());
        }
        if self.facts != now.facts {
            what.push("the discovered facts changed".to_owned());
        }
        what.extend(seen_otherwise(self.live.as_ref(), now.live.as_ref()));
        let told = what.into_iter().map(|what| Moved {
            cluster: now.alias.clone(),
            what,
        });
        told.collect()
    }
}

/// What the cluster needs now and did not need in the same way then.
fn seen_otherwise(then: Option<&BTreeMap<String, String>>, now: Option<&BTreeMap<String, String>>) -> Vec<String> {
    let (Some(then), Some(now)) = (then, now) else {
        let same = then.is_some() == now.is_some();
        return if same {
            Vec::new()
        } else {
            vec!["only one of the two looked into the cluster".to_owned()]
        };
    };
    let all: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let told = all
        .into_iter()
        .filter_map(|what| match (then.get(what), now.get(what)) {
            (Some(one), Some(other)) if one == other => None,
            (Some(_), Some(_)) => Some(format!("{what} is not as it was seen")),
            (Some(_), None) => Some(format!("{what} needs no change any more")),
            (None, _) => Some(format!("{what} needs a change that was not planned")),
        });
    told.collect()
}

fn shown(version: &str) -> &str {
    if version.is_empty() { "none" } else { version }
}
