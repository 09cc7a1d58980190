//! What an update would do, said before anything is done.
//!
//! [`plan_cluster`] compares two desired states of one cluster and says which stacks, objects and node pools change, what
//! is deleted, which nodes are replaced and why. [`FleetPlan`] holds the plans of many clusters and folds what is equal in
//! many of them into one [`Block`] that lists the clusters. A plan has an id that is bound to its [`Inputs`]: who applies
//! it later asks [`Inputs::moved`] first and refuses when the world is no longer the one that was read. Its [`Recipe`] says how to
//! make it again.
//!
//! What this crate deliberately does not do: it asks no cluster and no cloud, reads no clock, renders nothing and carries
//! nothing out. Texts and values pass through a masking function on their way in, so a plan holds no secret and can be
//! saved, posted and shown to anybody. Without a live look it compares what git wanted with what git wants; node counts are
//! then those of the registry's bounds, and the report says so.
//!
//! With a [`Picture`] of a cluster, [`forecast_cluster`] says what the replacement of nodes would mean for whom and how long it
//! would take, by the disruption contract.
//!
//! How a fleet moves (waves, limits, windows, freezes) is a document of its own, [`policy::FleetPolicy`];
//! [`waves::decide`] says by it who may begin now and what the others wait for.
//!
//! Beside plans of single changes: [`health`] (is a cluster well after an update) and [`promotion`] (may a commit go on to the next
//! channel, must it come back).
//!
//! Main types: [`ClusterPlan`], [`FleetPlan`], [`Block`], [`Inputs`], [`PlanId`]; [`report`] prints.
//!
//! ```
//! use plan::{Subject, Verb, plan_cluster};
//! use render::{DesiredCluster, DesiredPool};
//!
//! let pool = |hash: &str| DesiredPool {
//!     name: "worker".into(), profile: "worker-splitaz".into(), files_text: None, files: Default::default(),
//!     user_data: Some(hash.into()), definition: None, hash: hash.into(),
//! };
//! let before = DesiredCluster { pools: vec![pool("a")], ..DesiredCluster::default() };
//! let after = DesiredCluster { pools: vec![pool("b")], ..DesiredCluster::default() };
//! let subject = Subject { id: "aws:1:eu-central-1:kube-1".into(), alias: "kube-1".into(), ..Subject::default() };
//! let plan = plan_cluster(&subject, Some(&before), Some(&after), &|text| text.to_owned());
//! assert_eq!(plan.pools[0].verb, Verb::Replace);
//! assert_eq!(plan.pools[0].why[0].to_string(), "user data changes (2 lines)");
//! ```

mod change;
mod cluster;
mod deletions;
mod fleet;
mod fold;
mod forecast;
pub mod health;
mod id;
mod immutable;
mod objects;
pub mod policy;
mod pools;
pub mod promotion;
mod recipe;
pub mod report;
mod stacks;
pub mod waves;

pub use change::{
    Change, ClusterPlan, Deletion, FieldEdit, LineEdit, NodeCount, ObjectChange, ObjectRef, Phase, PoolChange,
    StackChange, StackKind, Subject, Verb, Why,
};
pub use cluster::plan_cluster;
pub use fleet::{Counts, FleetPlan};
pub use fold::{Block, fold};
pub use forecast::{ClusterForecast, Picture, PoolForecast, PoolRules, forecast_cluster, pool_rules};
pub use id::{ClusterInput, Inputs, Moved, PlanId};
pub use immutable::immutable_field;
pub use objects::changed_object;
pub use recipe::Recipe;
