//! Integration tests of the store, on SQLite and PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod behaviour;
mod blocks;
mod crash;
mod failover;
mod leases;
mod opening;

use std::sync::Arc;

use ports::{Clock, SystemClock};
use sqlx::{Connection, PgConnection, SqliteConnection};
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

    /// Runs statements on the database behind the store's back.
    async fn tamper(&self, sql: &'static str) {
        if let Some(path) = self.text.strip_prefix("sqlite:") {
            let mut conn = SqliteConnection::connect(&format!("sqlite:{path}?mode=rwc"))
                .await
                .unwrap();
            sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        } else {
            let mut conn = PgConnection::connect(&self.text).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
            conn.close().await.unwrap();
        }
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
