//! The schema and how a database gets it.

use crate::error::OpenError;
use crate::sql::{Columns, Conn, Sql};

/// A step of the schema, in the dialect of each database.
struct Migration {
    version: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

/// All steps, oldest first. A released step is never changed; new ones are added at the end.
const MIGRATIONS: [Migration; 2] = [
    Migration {
        version: 1,
        sqlite: include_str!("../migrations/sqlite/0001_registry.sql"),
        postgres: include_str!("../migrations/postgres/0001_registry.sql"),
    },
    Migration {
        version: 2,
        sqlite: include_str!("../migrations/sqlite/0002_entries.sql"),
        postgres: include_str!("../migrations/postgres/0002_entries.sql"),
    },
];

/// `PRAGMA application_id` of our files ("FLTW"), by which a foreign file is recognised.
const SET_APPLICATION_ID: &str = "PRAGMA application_id = 1179407447";
const APPLICATION_ID: i64 = 1_179_407_447;

/// Brings the database to the newest schema; replicas that start together do it one after the other.
///
/// # Errors
/// The database is as it was before after any error.
pub(crate) async fn migrate(mut conn: Conn, database: &str) -> Result<(), OpenError> {
    match steps(&mut conn, database).await {
        Ok(()) => Ok(()),
        Err(error) => {
            conn.abandon().await;
            Err(error)
        }
    }
}

async fn steps(conn: &mut Conn, database: &str) -> Result<(), OpenError> {
    let unreachable = |source| unreadable(database, source);
    match conn {
        Conn::Sqlite(_) => conn.script("BEGIN IMMEDIATE").await.map_err(unreachable)?,
        Conn::Postgres(_) => {
            conn.script("BEGIN").await.map_err(unreachable)?;
            let lock = Sql::new("SELECT pg_advisory_xact_lock(5073571104331584599)");
            conn.run(lock).await.map_err(unreachable)?;
        }
    }
    let found = present_version(conn, database).await?;
    let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
    if found > known {
        return Err(OpenError::Newer {
            database: database.to_owned(),
            found,
            known,
        });
    }
    for migration in MIGRATIONS.iter().filter(|m| m.version > found) {
        carry_out(conn, migration)
            .await
            .map_err(|source| OpenError::Migration {
                database: database.to_owned(),
                version: migration.version,
                source,
            })?;
    }
    conn.script("COMMIT").await.map_err(unreachable)
}

async fn carry_out(conn: &mut Conn, migration: &Migration) -> Result<(), sqlx::Error> {
    match conn {
        Conn::Sqlite(_) => {
            conn.script(SET_APPLICATION_ID).await?;
            conn.script(migration.sqlite).await?;
        }
        Conn::Postgres(_) => conn.script(migration.postgres).await?,
    }
    let set = Sql::new("UPDATE fleetwright_meta SET value = ")
        .bind(migration.version)
        .push(" WHERE name = 'schema_version'");
    conn.run(set).await
}

/// Version of the schema, 0 for an empty database, in which the table that holds it is then made.
async fn present_version(conn: &mut Conn, database: &str) -> Result<i64, OpenError> {
    let unreachable = |source| unreadable(database, source);
    let count = |row: &dyn Columns| row.int(0);
    // The second number tells a database of another program from an empty one.
    let query = match conn {
        Conn::Sqlite(_) => {
            "SELECT count(*) FROM sqlite_master WHERE name = 'fleetwright_meta'
             UNION ALL SELECT count(*) FROM sqlite_master"
        }
        Conn::Postgres(_) => {
            "SELECT count(*) FROM information_schema.tables
             WHERE table_schema = current_schema() AND table_name = 'fleetwright_meta'
             UNION ALL SELECT count(*) FROM information_schema.tables
             WHERE table_schema = current_schema()
             AND table_name IN ('accounts', 'clusters', 'cluster_documents', 'changes', 'feed', 'leases', 'entries')"
        }
    };
    let counts = conn.fetch(Sql::new(query), count).await.map_err(unreachable)?;
    let ours = counts.first().is_some_and(|n| *n > 0);
    let others = counts.get(1).is_some_and(|n| *n > 0);
    let marked = match conn {
        Conn::Sqlite(_) => {
            let id = conn.fetch(Sql::new("PRAGMA application_id"), count).await;
            let id = id.map_err(unreachable)?.first().copied().unwrap_or(0);
            id == APPLICATION_ID || (!ours && id == 0)
        }
        Conn::Postgres(_) => true,
    };
    if !marked || (!ours && others) {
        return Err(OpenError::NotOurs {
            database: database.to_owned(),
            reason: "it holds tables of another program".to_owned(),
        });
    }
    if !ours {
        let make = "CREATE TABLE fleetwright_meta (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL);
            INSERT INTO fleetwright_meta (name, value) VALUES ('schema_version', 0)";
        conn.script(make).await.map_err(unreachable)?;
        return Ok(0);
    }
    let version = Sql::new("SELECT value FROM fleetwright_meta WHERE name = 'schema_version'");
    let version = conn.fetch(version, count).await.map_err(unreachable)?;
    version.first().copied().ok_or_else(|| OpenError::NotOurs {
        database: database.to_owned(),
        reason: "its schema version is missing".to_owned(),
    })
}

/// The error of a database that cannot be read: damage is told apart from absence.
pub(crate) fn unreadable(database: &str, source: sqlx::Error) -> OpenError {
    let code = match &source {
        sqlx::Error::Database(error) => error.code().and_then(|c| c.parse::<i32>().ok()).map(|c| c & 0xff),
        _ => None,
    };
    let reason = match code {
        Some(26) => "the file is not a SQLite database",
        Some(11) => "the file is damaged",
        _ => {
            return OpenError::Unreachable {
                database: database.to_owned(),
                source,
            };
        }
    };
    OpenError::NotOurs {
        database: database.to_owned(),
        reason: reason.to_owned(),
    }
}
