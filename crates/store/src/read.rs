//! Queries.

use model::{AccountId, Cluster, ClusterId, FileCluster, FileRegistry, InfrastructureAccount, Invalid};
use ports::RegistryError;
use ports::registry::{
    AccountFilter, Change, ClusterFilter, Detail, HistoryRecord, ObjectKind, Page, PageRequest, Versioned,
};

use crate::error::registry_error;
use crate::rows;
use crate::sql::{Arg, Conn, Pool, Sql};

type Result<T> = std::result::Result<T, RegistryError>;

/// Sequence number of the newest change.
pub(crate) async fn last_change(pool: &Pool) -> std::result::Result<i64, sqlx::Error> {
    let found = pool
        .fetch(Sql::new("SELECT sequence FROM feed WHERE id = 1"), |row| row.int(0))
        .await?;
    found.first().copied().ok_or(sqlx::Error::RowNotFound)
}

/// Joins conditions with AND; a value that no store can hold makes the whole condition false.
struct Conditions {
    sql: Sql,
    any: bool,
}

impl Conditions {
    fn new(sql: Sql) -> Self {
        Self { sql, any: false }
    }

    fn add(self, condition: &'static str, value: Option<Arg>) -> Self {
        let Some(value) = value else { return self };
        let sql = self.sql.push(if self.any { " AND " } else { " WHERE " });
        let sql = match value {
            // PostgreSQL refuses U+0000 in texts with an error; nothing stored contains it.
            Arg::Text(text) if text.contains('\0') => sql.push("1 = 0"),
            value => sql.push(condition).bind(value),
        };
        Self { sql, any: true }
    }

    fn text(self, condition: &'static str, value: Option<&String>) -> Self {
        self.add(condition, value.map(|v| v.as_str().into()))
    }

    /// Equality on a column of which only the beginning is indexed.
    fn long_text(self, beginning: &'static str, condition: &'static str, value: Option<&String>) -> Self {
        let first = value.map(|v| Arg::from(v.chars().take(64).collect::<String>()));
        self.add(beginning, first).text(condition, value)
    }
}

/// How many rows to ask for: one more than wanted tells whether another page follows.
pub(crate) fn rows_wanted(page: &PageRequest) -> Result<Option<i64>> {
    match page.limit {
        None => Ok(None),
        Some(0) => Err(Invalid::new("limit", "must be at least 1", 0).into()),
        Some(limit) => Ok(Some(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))),
    }
}

/// Cuts the surplus row off and names the last one that stayed.
pub(crate) fn cut<T>(mut items: Vec<T>, page: &PageRequest, id: impl Fn(&T) -> String) -> Page<T> {
    let Some(limit) = page.limit.filter(|limit| items.len() > *limit) else {
        return Page { items, next: None };
    };
    items.truncate(limit);
    let next = items.last().map(id);
    Page { items, next }
}

/// Adds the limit, if there is one.
pub(crate) fn limited(sql: Sql, rows: Option<i64>) -> Sql {
    match rows {
        Some(rows) => sql.push(" LIMIT ").bind(rows),
        None => sql,
    }
}

pub(crate) async fn accounts(
    pool: &Pool,
    filter: &AccountFilter,
    page: &PageRequest,
) -> Result<Page<Versioned<InfrastructureAccount>>> {
    let rows_wanted = rows_wanted(page)?;
    let status = filter.lifecycle_status.and_then(|s| serde_json::to_value(s).ok());
    let status = status.and_then(|s| s.as_str().map(Arg::from));
    let select = Sql::new("SELECT ").push(rows::ACCOUNT_COLUMNS).push(" FROM accounts a");
    let select = Conditions::new(select)
        .add(
            "a.criticality_level = ",
            filter.criticality_level.map(|n| i64::from(n).into()),
        )
        .text("a.environment = ", filter.environment.as_ref())
        .text("a.external_id = ", filter.external_id.as_ref())
        .add("a.lifecycle_status = ", status)
        .text("a.name = ", filter.name.as_ref())
        .text("a.owner = ", filter.owner.as_ref())
        .text("a.kind = ", filter.kind.as_ref())
        .text("a.cost_center = ", filter.cost_center.as_ref())
        .text("a.id > ", page.after.as_ref())
        .sql
        .push(" ORDER BY a.id");
    let found = pool.fetch(limited(select, rows_wanted), rows::account).await;
    Ok(cut(found.map_err(registry_error)?, page, |a| a.object.id.to_string()))
}

pub(crate) async fn account(pool: &Pool, id: &AccountId) -> Result<Option<Versioned<InfrastructureAccount>>> {
    let select = Sql::new("SELECT ")
        .push(rows::ACCOUNT_COLUMNS)
        .push(" FROM accounts a WHERE a.id = ")
        .bind(id.as_str());
    let found = pool.fetch(select, rows::account).await.map_err(registry_error)?;
    Ok(found.into_iter().next())
}

/// `SELECT … FROM clusters c` with or without the documents.
fn select_clusters(detail: Detail) -> Sql {
    let select = Sql::new("SELECT ").push(rows::CLUSTER_COLUMNS);
    match detail {
        Detail::Full => select
            .push(rows::DOCUMENT_COLUMNS)
            .push(" FROM clusters c JOIN cluster_documents d ON d.cluster_id = c.id"),
        Detail::Brief => select.push(" FROM clusters c"),
    }
}

pub(crate) async fn clusters(
    pool: &Pool,
    filter: &ClusterFilter,
    detail: Detail,
    page: &PageRequest,
) -> Result<Page<Versioned<Cluster>>> {
    let rows_wanted = rows_wanted(page)?;
    let mut select = select_clusters(detail);
    if filter.cost_center.is_some() {
        select = select.push(" JOIN accounts a ON a.id = c.infrastructure_account");
    }
    let select = Conditions::new(select)
        .text("c.alias = ", filter.alias.as_ref())
        .text("c.api_server_url = ", filter.api_server_url.as_ref())
        .long_text("substr(c.channel, 1, 64) = ", "c.channel = ", filter.channel.as_ref())
        .add(
            "c.criticality_level = ",
            filter.criticality_level.map(|n| i64::from(n).into()),
        )
        .long_text(
            "substr(c.environment, 1, 64) = ",
            "c.environment = ",
            filter.environment.as_ref(),
        )
        .text("c.infrastructure_account = ", filter.infrastructure_account.as_ref())
        .add(
            "c.lifecycle_status = ",
            filter.lifecycle_status.map(|s| s.as_str().into()),
        )
        .text("c.local_id = ", filter.local_id.as_ref())
        .text("c.provider = ", filter.provider.as_ref())
        .text("c.region = ", filter.region.as_ref())
        .text("a.cost_center = ", filter.cost_center.as_ref())
        .text("c.id > ", page.after.as_ref())
        .sql
        .push(" ORDER BY c.id");
    let found = pool
        .fetch(limited(select, rows_wanted), |row| rows::cluster(row, detail))
        .await;
    Ok(cut(found.map_err(registry_error)?, page, |c| c.object.id.to_string()))
}

pub(crate) async fn cluster(pool: &Pool, id: &ClusterId, detail: Detail) -> Result<Option<Versioned<Cluster>>> {
    let select = select_clusters(detail).push(" WHERE c.id = ").bind(id.as_str());
    let found = pool.fetch(select, |row| rows::cluster(row, detail)).await;
    Ok(found.map_err(registry_error)?.into_iter().next())
}

pub(crate) async fn changes(pool: &Pool, after: i64, limit: usize) -> Result<Vec<Change>> {
    let select = Sql::new("SELECT ")
        .push(rows::CHANGE_COLUMNS)
        .push(" FROM changes WHERE sequence > ")
        .bind(after)
        .push(" ORDER BY sequence LIMIT ")
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    pool.fetch(select, rows::change).await.map_err(registry_error)
}

/// The place where a page of history begins: records with lower sequence numbers.
pub(crate) fn history_start(page: &PageRequest) -> Result<Option<i64>> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| Invalid::new("continue", "must be a sequence number that an earlier page gave", text).into())
    };
    page.after.as_ref().map(parse).transpose()
}

pub(crate) async fn history(
    pool: &Pool,
    kind: ObjectKind,
    id: &str,
    page: &PageRequest,
) -> Result<Page<HistoryRecord>> {
    let rows_wanted = rows_wanted(page)?;
    let select = Sql::new("SELECT ")
        .push(rows::CHANGE_COLUMNS)
        .push(", request_id, fields FROM changes");
    let select = Conditions::new(select)
        .add("kind = ", Some(kind.as_str().into()))
        .add("object_id = ", Some(id.into()))
        .add("sequence < ", history_start(page)?.map(Arg::from))
        .sql
        .push(" ORDER BY sequence DESC");
    let found = pool.fetch(limited(select, rows_wanted), rows::history).await;
    Ok(cut(found.map_err(registry_error)?, page, |r| {
        r.change.sequence.to_string()
    }))
}

/// The whole registry at one instant.
///
/// It runs in a task of its own: a caller that goes away must not give a connection back in the middle of a transaction.
pub(crate) async fn export(pool: &Pool) -> Result<FileRegistry> {
    let pool = pool.clone();
    let task = tokio::spawn(async move {
        let mut conn = pool.acquire().await?;
        match export_in_transaction(&mut conn).await {
            Ok(document) => Ok(document),
            Err(error) => {
                conn.abandon().await;
                Err(error)
            }
        }
    });
    let joined = task.await.map_err(|error| RegistryError::Internal(Box::new(error)))?;
    joined.map_err(registry_error)
}

async fn export_in_transaction(conn: &mut Conn) -> std::result::Result<FileRegistry, sqlx::Error> {
    match conn {
        Conn::Sqlite(_) => conn.script("BEGIN").await?,
        Conn::Postgres(_) => conn.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
    }
    let select = Sql::new("SELECT ")
        .push(rows::ACCOUNT_COLUMNS)
        .push(" FROM accounts a ORDER BY a.id");
    let accounts = conn.fetch(select, rows::account).await?;
    let select = Sql::new("SELECT ")
        .push(rows::CLUSTER_COLUMNS)
        .push(rows::DOCUMENT_COLUMNS)
        .push(
            ", a.owner, a.name FROM clusters c JOIN cluster_documents d ON d.cluster_id = c.id \
             LEFT JOIN accounts a ON a.id = c.infrastructure_account AND a.lifecycle_status = 'ready' ORDER BY c.id",
        );
    let clusters = conn
        .fetch(select, |row| {
            Ok(FileCluster {
                cluster: rows::cluster(row, Detail::Full)?.object,
                owner: row.maybe_text(16)?.map(ToOwned::to_owned),
                account_name: row.maybe_text(17)?.map(ToOwned::to_owned),
            })
        })
        .await?;
    conn.script("COMMIT").await?;
    Ok(FileRegistry {
        infrastructure_accounts: accounts.into_iter().map(|a| a.object).collect(),
        clusters,
    })
}
