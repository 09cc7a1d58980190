//! Clients of real and simulated clusters: discovery, apply, prune, evict, watch.
mod access;
pub mod apply;
pub mod applyset;
mod backoff;
mod budget;
mod call;
mod connect;
mod counters;
pub mod diff;
mod discovery;
mod error;
mod list;
mod resource;
mod status;

pub use access::{Access, FIELD_MANAGER, Mode, Settings};
pub use backoff::Backoff;
pub use budget::Rate;
pub use call::{Depth, Verb};
pub use connect::{Body, Context, Endpoint};
pub use counters::Counts;
pub use discovery::Kinds;
pub use error::{AccessError, FieldConflict, InvalidField};
pub use list::{ListSink, Selection};
pub use resource::{ApiKind, GroupKind, ObjectKey};
