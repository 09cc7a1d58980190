//! Replacing the nodes of a cluster: the hand that carries out what the disruption contract decides.
//!
//! A [`Rollout`] works on one cluster. It watches nodes, pods, budgets and what bears on them, reads the cloud's groups and
//! machines, finds the nodes that have not their pool's definition, asks [`disruption`] what happens next, and does exactly
//! that: marks, new nodes first, cordons, evictions, forced terminations with evidence written before the deletion,
//! termination of the machine. It makes no choices of its own about pods and nodes.
//!
//! It is level-triggered and can be killed at any write: what must survive is on the node objects, spelled as the original
//! manager spells it ([`disruption::marking`], [`names`]), or in the ledger ([`PoolRecord`], [`EvidenceRecord`]). It wakes
//! by watch events, by the instants at which decisions change, and by slow reads of the cloud ([`Refresh`]); nothing polls.
//! What is known is kept object by object, and a pool is looked at again only when something changed that its decision rests
//! on, so that the events of one node do not cost a look at all of them.
//!
//! Before every single write it asks [`MayDisrupt`]. A block stops it within one step and takes its marks back, taints too;
//! a lost lease or a shutdown stops it where it stands.
//!
//! Machines are those of the cloud's groups, or NodeClaims of Karpenter ([`Provisioner`]). What is outdated follows from the
//! definitions, or, inside a cluster, from the marks alone ([`Rollout::driven_by_marks`]).
//!
//! A watch may be behind and a clock may jump. So before a machine is ended or a pod terminated by force the pods are read
//! once more, and nothing is done while our clock and the API server's differ by more than five seconds ([`Guard`] lists what
//! keeps each promise; the simulation in `tests/it/sim` shows that each one is needed).
//!
//! # How exact it is
//!
//! Whether somebody may write, blocks, budgets (the API server's own answer), limits and the pause after a refusal hold exactly.
//! Elsewhere the world is known later than it is, and this is how much later at most:
//!
//! - Every clock of the contract is over when a forced termination is decided and recorded; the deletion leaves within five
//!   seconds or is decided anew. Paces count from the decision, or, when it was done later than that, from then.
//! - A grace period may begin one second before the node carries its start: a write that took longer writes the start anew.
//! - Clocks that differ from the API server's by five seconds, or by as much as a slow answer hides, count as agreeing.
//! - What others change between two looks is known when the watch tells, some fifth of a second later, or up to ninety
//!   seconds when the watch falls silent and breaks. Before a forced termination and the end of a machine pods are read once
//!   more.
//! - What the cloud announces for machines outside the spot market, such as a retirement, is read every five minutes
//!   ([`Refresh::idle`]); of the spot market and of new machines it is read with the groups.
//!
//! The simulation's oracle allows this much and no more (`tests/it/sim/mod.rs`, "What the oracle lets pass").
//!
//! What this crate deliberately does not do: it decides nothing about disruption, renders no pool, writes no stack, and
//! knows neither the registry nor who holds a lease; those who run it tell it what a pool is ([`PoolSpec`]).
//!
//! Main types: [`Rollout`] and its [`Handle`], [`Means`], [`ClusterSpec`], [`PoolSpec`], [`Strategy`], [`MayDisrupt`],
//! [`ClusterStatus`]; [`Look`] for one look without an engine.
//!
//! ```
//! use disruption::{Environment, Policy, PoolName};
//! use rollout::{PoolSpec, Strategy};
//!
//! let policy = Policy::of(Environment::Production);
//! let mut pool = PoolSpec::rolling(PoolName::from("workers"), policy, 20);
//! // A controller inside the cluster drains; we only mark and wait.
//! pool.strategy = Strategy::Mark;
//! assert!(!pool.removed);
//! ```

mod claims;
mod drain;
mod ending;
mod engine;
mod error;
mod events;
mod guard;
mod guards;
mod hand;
mod in_order;
mod lists;
mod look;
mod machines;
pub mod names;
mod no_cloud;
mod notice;
mod passes;
mod picture;
mod pool;
mod pools;
mod readings;
mod records;
mod second_look;
mod seen;
mod status;
mod surplus;
mod tracked;
mod watches;

pub use drain::RunCounts;
pub use engine::{Handle, Means, Rollout};
pub use error::RolloutError;
pub use guard::{MayDisrupt, Permission};
pub use guards::{Guard, Guards};
pub use look::Look;
pub use no_cloud::NoCloud;
pub use notice::{Notice, NoticeKind, Notices};
pub use pool::{ClusterSpec, PoolSpec, Provisioner, Refresh, Strategy, UnknownStrategy};
pub use ports::cloud::NodeCloud;
pub use records::{EVIDENCE_KIND, EvidenceRecord, Outcome, PoolRecord, ROLLOUT_KIND};
pub use status::{ClusterStatus, NodeStatus, PodStatus, PoolPhase, PoolStatus};
