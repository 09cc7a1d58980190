//! Shadow mode: decide beside another manager for weeks, write nothing, and move one cluster at a time.
//!
//! A [`Shadow`] stands on the registry and the configuration of a running Cluster Lifecycle Manager. For each cluster it says
//! what the original is doing and what Fleetwright would do ([`agreement`]), and what would change in the cluster and its
//! cloud if Fleetwright took it over at the version that it has ([`takeover`]). A [`Report`] folds what is equal in many
//! clusters; a [`history`] in a store of its own says for how long the two have agreed.
//!
//! Nothing is written, and that is enforced three times: the registry that it reads through refuses every write and counts
//! the attempt ([`sealed::ReadOnly`]); a cluster must have been opened in dry-run mode and gets a gate that stays shut
//! ([`sealed::LookOnly`]); of a cloud only eyes are left ([`lifecycle::preview::stacks::Eyes`]).
//!
//! [`adoption`] moves one cluster: a record with actor and reason, and the original's own block in the registry, so that it
//! lets go of exactly this cluster. [`tenure::Tenure`] is the registry that a lifecycle manager is given then: a cluster that
//! is not adopted is blocked in it, at each step anew, and writes to it are refused. Handing back puts things where they were.
//!
//! What this crate deliberately does not do: it decides nothing about updates (that is [`lifecycle::need`]'s), plans nothing
//! that a pass would not do (it asks the pass's own planner), opens no store, socket or file, and reads no clock but
//! [`ports::Clock`].
//!
//! Main types: [`Shadow`], [`Means`], [`Look`], [`Verdict`], [`Report`], [`history::Record`], [`adoption::Adoption`],
//! [`tenure::Tenure`], [`Follower`].
//!
//! ```
//! use model::{Cluster, ClusterVersion};
//! use shadow::agreement::{Agreement, Version};
//!
//! let mut cluster: Cluster = serde_json::from_value(serde_json::json!({
//!     "id": "aws:1:eu-central-1:kube-1", "alias": "shop", "infrastructure_account": "aws:1", "region": "eu-central-1",
//!     "local_id": "kube-1", "provider": "zalando-aws", "api_server_url": "https://kube-1.example.org", "channel": "dev",
//!     "environment": "test", "criticality_level": 1, "lifecycle_status": "ready",
//! }))?;
//! cluster.status.current_version = ClusterVersion::of("abc123", &cluster).to_string();
//! let agreement = Agreement::of(&cluster, Ok("abc123"), jiff::Timestamp::UNIX_EPOCH);
//! assert_eq!(agreement.version, Version::Same);
//! assert!(agreement.same_state());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod adoption;
pub mod agreement;
mod follower;
pub mod history;
mod look;
mod report;
pub mod sealed;
pub mod takeover;
pub mod tenure;

pub use follower::{Follower, Latest};
pub use look::{Look, Masking, Means, Shadow, Verdict};
pub use report::{Counts, Report, Row};
