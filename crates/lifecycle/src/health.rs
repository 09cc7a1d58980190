//! Health after updates: what was there before is noted, the verdict is taken when the work is done, and told in the history.
//!
//! Before the first step of an update the cluster is observed (the *baseline*). When the work is done the cluster is watched
//! beside everything else: nothing waits for it but waves and gates, and a newer version begins without it. The state of each
//! watch is an entry of kind `health` in the ledger, one per cluster, so that a restarted replica goes on where another stopped;
//! the verdict is written to the record of the update as well, where people and waves read it.
//!
//! A version that is overtaken before it was found healthy leaves its baseline to the next one: what it broke is not taken for
//! what was there before.

mod begin;
mod checks;
mod observe;
mod record;
mod watcher;

pub(crate) use record::{Record, Workload, all_judged, fares, judged};
pub(crate) use watcher::Watcher;

pub use record::{Fared, Judged, KIND, fared};
