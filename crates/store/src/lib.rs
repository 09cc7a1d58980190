//! The registry's durable store: the one list of all clusters in a SQLite file or a PostgreSQL database.
//!
//! [`Store`] implements [`ports::Registry`], [`ports::Leases`] and [`ports::Ledger`]. Every write is one transaction with its audit record and
//! its entry in the change feed, which are the same row. Writes that arrive together share a transaction (group commit);
//! each is answered after the commit is on disk. All writers, also those of other replicas, take turns at the counter of
//! the feed, so the order of the feed is the order of the commits and a reader that resumes from a number misses nothing.
//! What a write means is decided by functions without a database, which [`MemoryRegistry`] shares.
//!
//! What this crate deliberately does not do: it speaks no HTTP, knows no users or rights, encrypts nothing, and never
//! deletes audit records.
//!
//! Main types: [`Store`], [`DatabaseUrl`], [`MemoryRegistry`], [`OpenError`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use ports::{Registry, SystemClock};
//! use store::{DatabaseUrl, Store};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let url: DatabaseUrl = "sqlite::memory:".parse()?;
//! let store = Store::open(&url, Arc::new(SystemClock)).await?;
//! assert_eq!(store.last_change().await?, 0);
//! store.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backend;
mod batch;
mod core;
mod entries;
mod error;
mod feed;
mod leases;
mod memory;
mod migrate;
mod read;
mod rows;
mod sql;
mod store;
mod url;
mod writer;

pub use error::OpenError;
pub use memory::MemoryRegistry;
pub use store::Store;
pub use url::{DatabaseUrl, DatabaseUrlError};
