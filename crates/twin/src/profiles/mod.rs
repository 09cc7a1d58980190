//! What runs in a cluster: manifests as its users would have applied them, sized by the nodes and drawn from the seed.
//!
//! Each profile is a file: [`shop`] (web applications), [`stateful`] (databases and search), [`batch`] (jobs) and [`zalando`]
//! (a bit of all, with the system parts that such clusters have). Every profile has the troublemakers of [`trouble`], and
//! [`fill`] has the parts that they are all made of.

mod batch;
mod fill;
mod shop;
mod stateful;
mod trouble;
mod zalando;

use std::fmt;
use std::str::FromStr;

use json_tree::Value;

use crate::error::TwinError;
use crate::spec::ClusterSpec;
use fill::Filler;

/// A mix of workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Web applications with autoscalers, budgets and topology spread.
    Shop,
    /// Postgres-like and Elasticsearch-like sets with budgets of their own kind.
    Stateful,
    /// CronJobs, Jobs and workers.
    Batch,
    /// Teams with some of everything, beside the usual system parts.
    Zalando,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 4] = [Self::Shop, Self::Stateful, Self::Batch, Self::Zalando];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Stateful => "stateful",
            Self::Batch => "batch",
            Self::Zalando => "zalando",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = TwinError;

    fn from_str(text: &str) -> Result<Self, TwinError> {
        let found = Self::ALL.into_iter().find(|profile| profile.as_str() == text);
        found.ok_or_else(|| TwinError::NoProfile { name: text.to_owned() })
    }
}

/// The manifests of a profile for a cluster, namespaces first. The same profile, pools and seed give the same manifests.
///
/// # Errors
/// [`TwinError::Shape`] for a pool whose amounts cannot be read.
pub fn manifests(profile: Profile, cluster: &ClusterSpec, seed: u64) -> Result<Vec<Value>, TwinError> {
    let mut filler = Filler::new(cluster, seed)?;
    if filler.is_full() {
        return Ok(Vec::new());
    }
    if profile == Profile::Zalando {
        zalando::system(&mut filler);
    }
    trouble::add(&mut filler);
    let mut round = 0;
    while !filler.is_full() {
        match profile {
            Profile::Shop => shop::team(&mut filler, round),
            Profile::Stateful => stateful::team(&mut filler, round),
            Profile::Batch => batch::team(&mut filler, round),
            Profile::Zalando => zalando::team(&mut filler, round),
        }
        round += 1;
    }
    Ok(filler.into_objects())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::spec::PoolSpec;

    fn kinds(profile: Profile, nodes: u32) -> BTreeMap<String, usize> {
        let cluster = ClusterSpec::new("c").pool(PoolSpec::new("workers", nodes));
        let mut kinds = BTreeMap::new();
        for object in manifests(profile, &cluster, 1).unwrap() {
            *kinds.entry(object["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        kinds
    }

    #[test]
    fn profiles_grow_with_the_nodes_and_repeat() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse::<Profile>().unwrap(), profile);
            let (small, large) = (kinds(profile, 5), kinds(profile, 50));
            assert!(
                small["Deployment"] < large["Deployment"],
                "{profile}: {small:?} {large:?}"
            );
            assert_eq!(small, kinds(profile, 5));
            for kind in ["PodDisruptionBudget", "Pod", "Job", "Namespace"] {
                assert!(small.contains_key(kind), "{profile} has no {kind}");
            }
        }
        assert!(kinds(Profile::Stateful, 5)["StatefulSet"] >= 2);
        assert!(kinds(Profile::Batch, 5)["CronJob"] >= 1);
        assert!(kinds(Profile::Shop, 0).is_empty());
        assert!("nothing".parse::<Profile>().is_err());
    }
}
