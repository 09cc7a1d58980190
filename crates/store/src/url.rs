//! Where the data is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The address of a database: `sqlite:PATH`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
///
/// Its text forms never show a password.
///
/// ```
/// use store::DatabaseUrl;
///
/// let url: DatabaseUrl = "postgres://fleet:geheim@db.example.org/registry".parse()?;
/// assert_eq!(url.to_string(), "postgres://fleet@db.example.org:5432/registry");
/// # Ok::<(), store::DatabaseUrlError>(())
/// ```
#[derive(Clone)]
pub struct DatabaseUrl(Target);

#[derive(Clone)]
pub(crate) enum Target {
    Memory,
    File(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// Why a database address was refused. The address itself is not repeated, because it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// Another kind of database, or no kind at all.
    #[error("database: must start with `sqlite:` or `postgres://`")]
    Scheme,
    /// `sqlite:` without a path.
    #[error("database: `sqlite:` must be followed by the path of a file or by `:memory:`")]
    NoPath,
    /// A PostgreSQL address that does not parse.
    #[error("database: must be like `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require`: {0}")]
    Postgres(String),
}

impl DatabaseUrl {
    /// A SQLite file at this path.
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        Self(Target::File(path.as_ref().to_owned()))
    }

    /// A SQLite database that lives as long as its store.
    #[must_use]
    pub fn memory() -> Self {
        Self(Target::Memory)
    }

    pub(crate) fn target(&self) -> &Target {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(DatabaseUrlError::NoPath),
                ":memory:" => Ok(Self::memory()),
                path => Ok(Self::sqlite(path)),
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseUrlError::Scheme);
        }
        match PgConnectOptions::from_str(text) {
            Ok(options) => Ok(Self(Target::Postgres(Box::new(options)))),
            Err(error) => Err(DatabaseUrlError::Postgres(cause(&error, text))),
        }
    }
}

/// The parser's reason, unless it could repeat a part of the address.
fn cause(error: &sqlx::Error, address: &str) -> String {
    let reason = match error {
        sqlx::Error::Configuration(reason) => reason.to_string(),
        _ => String::new(),
    };
    let known = [
        "invalid port number",
        "empty host",
        "invalid domain character",
        "relative URL without a base",
    ];
    let repeated = address.contains(&reason);
    if known.contains(&reason.as_str()) && !repeated {
        reason
    } else {
        "not a valid address".to_owned()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Memory => f.write_str("sqlite::memory:"),
            Target::File(path) => write!(f, "sqlite:{}", path.display()),
            Target::Postgres(options) => {
                write!(f, "postgres://{}@", options.get_username())?;
                match options.get_socket() {
                    Some(socket) => f.write_str(&socket.display().to_string())?,
                    None => f.write_str(options.get_host())?,
                }
                write!(f, ":{}", options.get_port())?;
                options.get_database().map_or(Ok(()), |name| write!(f, "/{name}"))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_parse_and_print_without_passwords() {
        for (text, shown) in [
            ("sqlite:registry.db", "sqlite:registry.db"),
            ("sqlite:///var/lib/r.db", "sqlite:/var/lib/r.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("postgres://u:secret@h:6432/d", "postgres://u@h:6432/d"),
            ("postgresql://u@h/d?password=secret", "postgres://u@h:5432/d"),
            ("postgres:///d?host=/run/pg&user=u", "postgres://u@/run/pg:5432/d"),
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("secret"));
        }
    }

    #[test]
    fn refusals_say_what_fits_and_keep_the_password() {
        assert_eq!(
            "mysql://u:secret@h/d".parse::<DatabaseUrl>().unwrap_err(),
            DatabaseUrlError::Scheme
        );
        assert_eq!("sqlite:".parse::<DatabaseUrl>().unwrap_err(), DatabaseUrlError::NoPath);
        assert_eq!("".parse::<DatabaseUrl>().unwrap_err(), DatabaseUrlError::Scheme);
        for text in ["postgres://u:secret@h:port/d", "postgres://u:secret@h/d?sslmode=secret"] {
            let refused = text.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
