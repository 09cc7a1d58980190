//! Integration tests of the store, on SQLite and PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod behaviour;
mod crash;
mod leases;
mod opening;

use std::sync::Arc;

use ports::{Clock, SystemClock};
use store::{DatabaseUrl, Store};
use tempfile::TempDir;
use testkit::postgres;

/// A database that no other test uses.
struct Database {
    url: DatabaseUrl,
    text: String,
    /// Kept for its removal at the end.
    dir: TempDir,
}

impl Database {
    fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("sqlite:{}", dir.path().join("registry.db").display());
        Self {
            url: text.parse().unwrap(),
            text,
            dir,
        }
    }

    /// [`None`] when PostgreSQL is not installed.
    fn postgres() -> Option<Self> {
        let text = postgres::fresh_database().unwrap()?;
        Some(Self {
            url: text.parse().unwrap(),
            text,
            dir: tempfile::tempdir().unwrap(),
        })
    }

    async fn open(&self) -> Arc<Store> {
        self.open_at(Arc::new(SystemClock)).await
    }

    async fn open_at(&self, clock: Arc<dyn Clock>) -> Arc<Store> {
        Arc::new(Store::open(&self.url, clock).await.unwrap())
    }
}

/// One database of each kind that there is.
fn databases() -> Vec<Database> {
    [Some(Database::sqlite()), Database::postgres()]
        .into_iter()
        .flatten()
        .collect()
}
