//! The lifecycle manager: brings each cluster to its channel's version, safely.
//!
//! A [`Manager`] watches the registry and the configuration, decides per cluster what it needs ([`need`]), and works on as
//! many clusters at a time as the limits allow ([`queue`]). A new version begins when the waves of its channel let it ([`waves`]). A pass over a cluster renders what git wants, brings its stacks,
//! manifests and node pools there, and writes down each step with its times and its sentence ([`journal`]). Passes can be
//! cut at any moment: the next one looks again and goes on.
//!
//! Before every step that leaves for a cluster or a cloud the [`guard`] is asked: no step is taken while a block holds, after
//! a newer version took over or the registry entry changed, without the lease ([`claims`]), where the cluster itself says that
//! another replica has it ([`fence`]), or in a dry run. Replicas know each other and whose turn it is ([`members`]). What cannot be read
//! is never taken for "none". Each concern of a cluster backs off by itself. [`Metrics`] are plain figures; who runs the manager
//! exports them. Spans carry cluster, cause and update.
//!
//! Beside the passes the health of updated clusters is watched ([`health`]), and channels with their gates are looked after, whose
//! branches are moved where the policy says so.
//!
//! What a pass would do to the objects of a cluster can be asked beforehand ([`preview`]). Agreements to deletions are those of
//! [`ports::approvals`], which the registry writes and passes ask for.
//!
//! What this crate deliberately does not do: it replaces no nodes (node rollout sees outdated nodes by itself, so no manifest
//! waits for one), serves nothing, and knows no concrete store, cloud or cluster: all of them come through ports.
//!
//! Main types: [`Manager`], [`Reach`], [`Settings`], [`Pace`], [`Claims`], [`Guard`](guard::Guard), [`Journal`](journal::Journal),
//! [`Metrics`].

mod archive;
mod backoff;
mod channels;
pub mod claims;
mod concern;
pub mod connect;
pub mod consent;
mod desired;
mod drift;
pub mod fence;
mod gate;
pub mod guard;
pub mod health;
mod inputs;
pub mod journal;
mod manager;
mod meanwhile;
pub mod members;
pub mod metrics;
pub mod need;
mod pass;
mod policies;
pub mod preview;
pub mod queue;
mod state;
mod status;
mod turns;
pub mod waves;

pub use backoff::Backoff;
pub use claims::Claims;
pub use concern::{Asked, Failure, Finding, Move, cause, next_move};
pub use desired::{Configuration, Subject};
pub use manager::{Manager, Pace, Wake};
pub use meanwhile::meanwhile;
pub use metrics::{Figures, Metrics};
pub use model::words;
pub use pass::{PassEnd, Reach, Settings};
pub use policies::Policies;
pub use state::Standing;
