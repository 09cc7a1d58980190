//! The words of Fleetwright as types: clusters, node pools, accounts, versions, problems, blocks, updates, quantities, durations.
//!
//! Text that a person or another program gave is parsed once, here, into a type; every refusal is an [`Invalid`] that
//! names the field, the rule and the offending value. Field names in JSON are those of the Cluster Registry API, so the
//! same types serve the wire, the store, the renderer and the planner.
//!
//! What this crate deliberately does not do: it performs no I/O, reads no clock, knows no HTTP and no database, and takes
//! no decisions about clusters.
//!
//! Main types: [`Cluster`], [`NodePool`], [`InfrastructureAccount`], [`ClusterStatus`], [`Problem`], [`ClusterVersion`], [`Block`],
//! [`Update`] with its steps as a tree ([`StepNode`]) and its [`HealthVerdict`], [`Deletion`]; how times and counts are said to people is in [`words`];
//! [`quantity::Quantity`], [`duration::GoDuration`]; [`selector::Selector`] picks clusters by their fields.
//!
//! ```
//! use model::{ClusterId, Invalid};
//!
//! let id: ClusterId = "aws:123456789012:eu-central-1:kube-1".parse()?;
//! assert_eq!(id.as_str(), "aws:123456789012:eu-central-1:kube-1");
//! let refused = "Kube_1".parse::<ClusterId>().unwrap_err();
//! assert_eq!(refused.field, "id");
//! # Ok::<(), Invalid>(())
//! ```

mod account;
pub mod acts;
mod block;
mod channel;
mod cluster;
pub mod config_tree;
mod deletion;
pub mod duration;
mod file_registry;
pub mod health;
mod ids;
mod invalid;
mod node_pool;
pub mod quantity;
pub mod secrets;
pub mod selector;
mod status;
mod step_tree;
mod update;
mod version;
pub mod words;

pub use account::{AccountLifecycle, InfrastructureAccount, InfrastructureAccountUpdate};
pub use block::{Block, BlockScope, Lifted};
pub use channel::{
    ChannelCounts, ChannelMember, ChannelMove, ChannelStatus, GateAgreement, GateCondition, GateState, GateStatus,
    Lineage, MemberState, MoveState,
};
pub use cluster::{Cluster, ClusterUpdate, ConfigItems, LifecycleStatus};
pub use deletion::{Deletion, DeletionTarget, Propagation};
pub use file_registry::{FileCluster, FileRegistry};
pub use health::{HealthReason, HealthState, HealthVerdict};
pub use ids::{AccountId, Alias, ClusterId, ConfigKey, NodePoolName};
pub use invalid::{Invalid, Validate};
pub use node_pool::{NodePool, NodePoolUpdate};
pub use status::{ClusterStatus, MAX_PROBLEMS, Problem};
pub use step_tree::StepNode;
pub use update::{Progress, Update, UpdateStep};
pub use version::{ClusterVersion, version_hash};
