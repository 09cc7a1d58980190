//! What writes mean, without a database: given the objects as they are and a request, what they become and what is recorded.
//!
//! Both the SQL store and the one in memory run these functions; they differ only in where the objects come from.

mod diff;
mod entry;
mod import;
mod lease;
mod state;
mod write;

pub(crate) use diff::{diff_account, diff_cluster};
pub(crate) use lease::{LeaseRow, LeaseWrite};
pub(crate) use state::{EntryKey, LocalKey, Needs, State, Stored};
pub(crate) use write::{Answer, ClusterChange, Record, Stamp, Write, accept_context};
