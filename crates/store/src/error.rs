//! Errors of opening a store, and what the registry says when its database fails.

use std::path::PathBuf;
use std::time::Duration;

use ports::{Classified, Fault, LeaseError, RegistryError, Retry};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be made.
    #[error("database file {path:?} cannot be made")]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database does not answer, or refuses us.
    #[error("database {database} cannot be opened")]
    Unreachable {
        /// Its address, without password.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The file or the schema belongs to another program, or is damaged.
    #[error("database {database} is not a registry of Fleetwright: {reason}")]
    NotOurs {
        /// Its address, without password.
        database: String,
        /// What was found.
        reason: String,
    },
    /// A newer Fleetwright has written it.
    #[error(
        "database {database} has schema version {found}, this program knows versions up to {known}: use a newer program"
    )]
    Newer {
        /// Its address, without password.
        database: String,
        /// Version of the database.
        found: i64,
        /// Newest version of this program.
        known: i64,
    },
    /// A migration failed; the database is as it was before.
    #[error("database {database} cannot be brought to schema version {version}")]
    Migration {
        /// Its address, without password.
        database: String,
        /// The version that failed.
        version: i64,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

impl Classified for OpenError {
    fn fault(&self) -> Fault {
        match self {
            Self::Migration { .. } => Fault::Us,
            _ => Fault::User,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } => Retry::After(Duration::from_secs(1)),
            _ => Retry::Never,
        }
    }
}

/// What became of a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Others hold what it needs; the same statement will do later.
    Busy,
    /// The connection or the server is gone.
    Lost,
    /// Neither: a statement or a stored value is wrong.
    Broken,
}

/// Sorts an error of the database.
pub(crate) fn failure(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::PoolTimedOut => Failure::Busy,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Failure::Lost,
        sqlx::Error::Database(error) => code_failure(&error.code().unwrap_or_default()),
        _ => Failure::Broken,
    }
}

/// SQLite's codes are decimal numbers whose low byte is the class; PostgreSQL's are five characters.
fn code_failure(code: &str) -> Failure {
    if code.len() == 5 {
        return match code {
            "40001" | "40P01" | "55P03" | "57014" => Failure::Busy,
            // The server has become the standby of another one: a new connection finds the one that takes writes.
            "25006" => Failure::Lost,
            _ if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Failure::Lost,
            _ => Failure::Broken,
        };
    }
    match code.parse::<i32>().map(|n| n & 0xff) {
        Ok(5 | 6) => Failure::Busy,
        // I/O error, disk full, cannot open.
        Ok(10 | 13 | 14) => Failure::Lost,
        _ => Failure::Broken,
    }
}

/// A database error as the registry's callers see it; its text is the source's, for logs.
pub(crate) fn registry_error(error: sqlx::Error) -> RegistryError {
    match failure(&error) {
        Failure::Busy => RegistryError::Busy {
            retry_after: Duration::from_secs(1),
        },
        Failure::Lost => RegistryError::Unavailable(Box::new(error)),
        Failure::Broken => RegistryError::Internal(Box::new(error)),
    }
}

/// A database error as the lease holders see it.
pub(crate) fn lease_error(error: sqlx::Error) -> LeaseError {
    LeaseError::Unavailable(Box::new(error))
}

/// The store was closed, or its writer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is closed")]
pub(crate) struct Closed;

/// The answer to all writes of a batch that failed; the original goes to the log, once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the transaction failed: {0}")]
pub(crate) struct BatchFailed(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_sorted() {
        for (code, expected) in [
            ("5", Failure::Busy),
            ("517", Failure::Busy),
            ("13", Failure::Lost),
            ("2067", Failure::Broken),
            ("40P01", Failure::Busy),
            ("57P01", Failure::Lost),
            ("25006", Failure::Lost),
            ("25001", Failure::Broken),
            ("23505", Failure::Broken),
        ] {
            assert_eq!(code_failure(code), expected, "{code}");
        }
    }
}
