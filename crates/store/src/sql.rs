//! One SQL text for two databases: statements that are put together from fixed parts, and rows that are read by position.
//!
//! This is the one file that asserts the safety of SQL to sqlx: the text of a [`Sql`] comes from `&'static str` parts and
//! placeholders only, so no value can ever become part of it.

use futures::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, PgPool, Postgres, Row, Sqlite, SqlitePool};

/// Most rows of one statement. Their numbers are powers of two, so that few texts are prepared.
pub(crate) const MOST_ROWS: usize = 64;

/// A bound value.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Text(String),
    MaybeText(Option<String>),
    Int(i64),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        Self::MaybeText(text)
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// A statement with its values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sql {
    text: String,
    args: Vec<Arg>,
}

impl Sql {
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            args: Vec::new(),
        }
    }

    /// Adds a fixed part.
    pub(crate) fn push(mut self, text: &'static str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Adds a placeholder with its value.
    pub(crate) fn bind(mut self, arg: impl Into<Arg>) -> Self {
        self.args.push(arg.into());
        self.text.push('$');
        self.text.push_str(&self.args.len().to_string());
        self
    }

    /// Adds `($1, $2, …)`.
    pub(crate) fn tuple(mut self, args: impl IntoIterator<Item = Arg>) -> Self {
        self.text.push('(');
        for (i, arg) in args.into_iter().enumerate() {
            self = if i > 0 {
                self.push(", ").bind(arg)
            } else {
                self.bind(arg)
            };
        }
        self.text.push(')');
        self
    }

    /// Adds `($1, …), ($9, …), …`.
    pub(crate) fn tuples(mut self, rows: impl IntoIterator<Item = Vec<Arg>>) -> Self {
        for (i, row) in rows.into_iter().enumerate() {
            self = if i > 0 {
                self.push(", ").tuple(row)
            } else {
                self.tuple(row)
            };
        }
        self
    }
}

/// Cuts rows into groups whose sizes are powers of two.
pub(crate) fn groups<T>(mut rows: &[T]) -> Vec<&[T]> {
    let mut groups = Vec::new();
    while !rows.is_empty() {
        let largest = if rows.len() >= MOST_ROWS {
            MOST_ROWS
        } else {
            1 << rows.len().ilog2()
        };
        let (group, rest) = rows.split_at(largest);
        groups.push(group);
        rows = rest;
    }
    groups
}

/// A row of either database, read by position.
pub(crate) trait Columns {
    fn text(&self, index: usize) -> Result<&str, sqlx::Error>;
    fn maybe_text(&self, index: usize) -> Result<Option<&str>, sqlx::Error>;
    fn int(&self, index: usize) -> Result<i64, sqlx::Error>;
}

macro_rules! columns_of {
    ($row:ty) => {
        impl Columns for $row {
            fn text(&self, index: usize) -> Result<&str, sqlx::Error> {
                self.try_get(index)
            }

            fn maybe_text(&self, index: usize) -> Result<Option<&str>, sqlx::Error> {
                self.try_get(index)
            }

            fn int(&self, index: usize) -> Result<i64, sqlx::Error> {
                self.try_get(index)
            }
        }
    };
}

columns_of!(SqliteRow);
columns_of!(PgRow);

/// Binds in the way of one database.
fn arguments<A: Arguments>(args: Vec<Arg>) -> Result<A, sqlx::Error>
where
    for<'q> String: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    for<'q> Option<String>: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    for<'q> i64: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
{
    let mut bound = A::default();
    for arg in args {
        match arg {
            Arg::Text(text) => bound.add(text),
            Arg::MaybeText(text) => bound.add(text),
            Arg::Int(number) => bound.add(number),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(bound)
}

/// One connection, given back to its pool when dropped.
pub(crate) enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Conn {
    /// Runs a statement for its effect.
    pub(crate) async fn run(&mut self, sql: Sql) -> Result<(), sqlx::Error> {
        let text = AssertSqlSafe(sql.text);
        match self {
            Self::Sqlite(conn) => {
                let args = arguments::<SqliteArguments>(sql.args)?;
                sqlx::query_with::<Sqlite, _>(text, args).execute(&mut **conn).await?;
            }
            Self::Postgres(conn) => {
                let args = arguments::<PgArguments>(sql.args)?;
                sqlx::query_with::<Postgres, _>(text, args).execute(&mut **conn).await?;
            }
        }
        Ok(())
    }

    /// Runs several statements without values, such as a migration or the borders of a transaction.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(conn) => sqlx::raw_sql(text).execute(&mut **conn).await.map(drop),
            Self::Postgres(conn) => sqlx::raw_sql(text).execute(&mut **conn).await.map(drop),
        }
    }

    /// Runs a query and reads each row as it comes.
    pub(crate) async fn fetch<T: Send>(
        &mut self,
        sql: Sql,
        read: impl Fn(&dyn Columns) -> Result<T, sqlx::Error> + Send,
    ) -> Result<Vec<T>, sqlx::Error> {
        let text = AssertSqlSafe(sql.text);
        let mut found = Vec::new();
        match self {
            Self::Sqlite(conn) => {
                let args = arguments::<SqliteArguments>(sql.args)?;
                let mut rows = sqlx::query_with::<Sqlite, _>(text, args).fetch(&mut **conn);
                while let Some(row) = rows.try_next().await? {
                    found.push(read(&row)?);
                }
            }
            Self::Postgres(conn) => {
                let args = arguments::<PgArguments>(sql.args)?;
                let mut rows = sqlx::query_with::<Postgres, _>(text, args).fetch(&mut **conn);
                while let Some(row) = rows.try_next().await? {
                    found.push(read(&row)?);
                }
            }
        }
        Ok(found)
    }

    /// Ends a transaction that failed. A connection on which not even that works is closed and not used again.
    pub(crate) async fn abandon(mut self) {
        if self.script("ROLLBACK").await.is_err() {
            match self {
                Self::Sqlite(conn) => drop(conn.detach()),
                Self::Postgres(conn) => drop(conn.detach()),
            }
        }
    }
}

/// The connections to one database.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    pub(crate) async fn acquire(&self) -> Result<Conn, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => pool.acquire().await.map(Conn::Sqlite),
            Self::Postgres(pool) => pool.acquire().await.map(Conn::Postgres),
        }
    }

    pub(crate) async fn fetch<T: Send>(
        &self,
        sql: Sql,
        read: impl Fn(&dyn Columns) -> Result<T, sqlx::Error> + Send,
    ) -> Result<Vec<T>, sqlx::Error> {
        self.acquire().await?.fetch(sql, read).await
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Sqlite(pool) => pool.is_closed(),
            Self::Postgres(pool) => pool.is_closed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_powers_of_two() {
        let sizes = |n: usize| groups(&vec![0; n]).iter().map(|g| g.len()).collect::<Vec<_>>();
        assert_eq!(sizes(0), Vec::<usize>::new());
        assert_eq!(sizes(37), [32, 4, 1]);
        assert_eq!(sizes(130), [64, 64, 2]);
    }

    #[test]
    fn placeholders_count_on() {
        let sql = Sql::new("INSERT INTO t VALUES ").tuples([vec![Arg::Int(1), Arg::Int(2)], vec![Arg::Int(3)]]);
        assert_eq!(sql.text, "INSERT INTO t VALUES ($1, $2), ($3)");
        assert_eq!(sql.args.len(), 3);
    }
}
