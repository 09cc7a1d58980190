//! One transaction over many queued writes.
//!
//! The transaction first locks the counter of the feed, which makes writers take turns, in one process and across
//! replicas. What the writes look at is then read into a [`State`], the writes run on that without touching the database,
//! and the differences go out in a few statements. A refused write has touched nothing, so it needs no savepoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{AccountId, Alias, Cluster, ClusterId, InfrastructureAccount};
use ports::ledger::Entry;
use ports::registry::Detail;
use ports::{Clock, LeaseError, LeaseName, RegistryError, WriteContext};

use crate::core::{Answer, EntryKey, LeaseRow, LeaseWrite, LocalKey, Needs, Record, Stamp, State, Stored, Write};
use crate::rows;
use crate::sql::{Arg, Conn, MOST_ROWS, Sql, groups};

/// A queued write.
#[derive(Debug)]
pub(crate) enum Job {
    Registry(Box<Write>, Box<WriteContext>),
    Lease(LeaseName, LeaseWrite),
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Registry(Result<Answer, RegistryError>),
    Lease(Result<LeaseRow, LeaseError>),
}

/// A transaction that failed as a whole.
#[derive(Debug)]
pub(crate) struct Failed {
    /// True when the commit had been sent: nobody can say whether it took place, so it must not be repeated.
    pub(crate) committing: bool,
    pub(crate) error: sqlx::Error,
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self {
            committing: false,
            error,
        }
    }
}

/// Runs all jobs in one transaction, in order, and commits. Answers what each became, and the last sequence number.
pub(crate) async fn run<'a>(
    conn: &mut Conn,
    jobs: impl IntoIterator<Item = &'a Job> + Clone,
    clock: &dyn Clock,
) -> Result<(Vec<Outcome>, i64), Failed> {
    begin(conn).await?;
    let sequence = lock_feed(conn).await?;
    let mut batch = Batch::new(sequence, Stamp(clock.now_millis()));
    let mut needs = Needs::default();
    for job in jobs.clone() {
        needs.extend(batch.needs(job));
    }
    batch.load(conn, needs).await?;
    let mut outcomes = Vec::new();
    for job in jobs {
        // Nearly always everything is there by now; a new alias or local id of a cluster is what this finds missing.
        let needs = batch.needs(job);
        batch.load(conn, needs).await?;
        outcomes.push(batch.apply(job));
    }
    batch.flush(conn, sequence).await?;
    conn.script("COMMIT").await.map_err(|error| Failed {
        committing: true,
        error,
    })?;
    Ok((outcomes, batch.sequence))
}

async fn begin(conn: &mut Conn) -> Result<(), sqlx::Error> {
    match conn {
        // SQLite then waits for its turn here and not in the middle, where waiting could not help any more.
        Conn::Sqlite(_) => conn.script("BEGIN IMMEDIATE").await,
        Conn::Postgres(_) => conn.script("BEGIN").await,
    }
}

async fn lock_feed(conn: &mut Conn) -> Result<i64, sqlx::Error> {
    let select = Sql::new("SELECT sequence FROM feed WHERE id = 1");
    let select = match conn {
        Conn::Sqlite(_) => select,
        Conn::Postgres(_) => select.push(" FOR UPDATE"),
    };
    let found = conn.fetch(select, |row| row.int(0)).await?;
    found.first().copied().ok_or(sqlx::Error::RowNotFound)
}

struct Batch {
    now: Stamp,
    sequence: i64,
    state: State,
    /// What the database holds of each object that was looked up; absent ones too.
    accounts: BTreeMap<AccountId, Option<Stored<InfrastructureAccount>>>,
    clusters: BTreeMap<ClusterId, Option<Stored<Cluster>>>,
    leases: BTreeMap<LeaseName, Option<LeaseRow>>,
    entries: BTreeMap<EntryKey, Option<Arc<Entry>>>,
    aliases: BTreeSet<Alias>,
    locals: BTreeSet<LocalKey>,
    /// Rows of `changes`, made by [`rows::change_args`].
    changes: Vec<Result<Vec<Arg>, sqlx::Error>>,
}

impl Batch {
    fn new(sequence: i64, now: Stamp) -> Self {
        Self {
            now,
            sequence,
            state: State::default(),
            accounts: BTreeMap::new(),
            clusters: BTreeMap::new(),
            leases: BTreeMap::new(),
            entries: BTreeMap::new(),
            aliases: BTreeSet::new(),
            locals: BTreeSet::new(),
            changes: Vec::new(),
        }
    }

    fn needs(&self, job: &Job) -> Needs {
        match job {
            Job::Registry(write, context) => write.needs(context, &self.state),
            Job::Lease(name, _) => Needs {
                leases: BTreeSet::from([name.clone()]),
                ..Needs::default()
            },
        }
    }

    fn apply(&mut self, job: &Job) -> Outcome {
        match job {
            Job::Registry(write, context) => {
                let mut records = Vec::new();
                let answer = write.apply(context, self.now, &mut self.state, &mut records);
                for record in &records {
                    self.record(record, context);
                }
                Outcome::Registry(answer)
            }
            Job::Lease(name, write) => {
                let row = write.apply(name, self.state.leases().get(name), self.now.0);
                if let Ok(row) = &row {
                    self.state.set_lease(name, row.clone());
                }
                Outcome::Lease(row)
            }
        }
    }

    fn record(&mut self, record: &Record, context: &WriteContext) {
        self.sequence += 1;
        self.changes.push(rows::change_args(
            self.sequence,
            self.now,
            record,
            &context.actor,
            &context.request_id,
        ));
    }

    /// Reads what is needed and has not been read yet.
    async fn load(&mut self, conn: &mut Conn, needs: Needs) -> Result<(), sqlx::Error> {
        let ids: Vec<_> = needs
            .accounts
            .into_iter()
            .filter(|id| !self.accounts.contains_key(id))
            .collect();
        for id in &ids {
            self.accounts.insert(id.clone(), None);
        }
        for some in ids.chunks(MOST_ROWS) {
            self.load_accounts(conn, some).await?;
        }
        let ids: Vec<_> = needs
            .clusters
            .into_iter()
            .filter(|id| !self.clusters.contains_key(id))
            .collect();
        self.load_clusters(conn, " WHERE c.id IN ", ids.iter().map(ClusterId::as_str))
            .await?;
        for id in ids {
            self.clusters.entry(id).or_insert(None);
        }
        let aliases: Vec<_> = needs.aliases.difference(&self.aliases).cloned().collect();
        self.load_clusters(conn, " WHERE c.alias IN ", aliases.iter().map(Alias::as_str))
            .await?;
        self.aliases.extend(aliases);
        let locals: Vec<_> = needs.locals.difference(&self.locals).cloned().collect();
        self.load_clusters(conn, " WHERE c.local_key IN ", locals.iter().map(LocalKey::as_str))
            .await?;
        self.locals.extend(locals);
        let names: Vec<_> = needs
            .leases
            .into_iter()
            .filter(|name| !self.leases.contains_key(name))
            .collect();
        self.load_leases(conn, names).await?;
        for key in needs.entries {
            self.load_entry(conn, key).await?;
        }
        Ok(())
    }

    async fn load_accounts(&mut self, conn: &mut Conn, ids: &[AccountId]) -> Result<(), sqlx::Error> {
        let select = Sql::new("SELECT ")
            .push(rows::ACCOUNT_COLUMNS)
            .push(" FROM accounts a WHERE a.id IN ")
            .tuple(padded(ids.iter().map(AccountId::as_str)));
        for found in conn.fetch(select, rows::account).await? {
            let id = found.object.id.clone();
            let stored = Stored::new(found.revision, found.object);
            self.state.set_account(&id, Some(stored.clone()));
            self.accounts.insert(id, Some(stored));
        }
        Ok(())
    }

    /// Reads clusters by a unique column. One that was read before is left alone: writes may have changed it since.
    async fn load_clusters<'v>(
        &mut self,
        conn: &mut Conn,
        condition: &'static str,
        values: impl Iterator<Item = &'v str>,
    ) -> Result<(), sqlx::Error> {
        let values: Vec<&str> = values.collect();
        for some in values.chunks(MOST_ROWS) {
            let select = Sql::new("SELECT ")
                .push(rows::CLUSTER_COLUMNS)
                .push(rows::DOCUMENT_COLUMNS)
                .push(" FROM clusters c JOIN cluster_documents d ON d.cluster_id = c.id")
                .push(condition)
                .tuple(padded(some.iter().copied()));
            for found in conn.fetch(select, |row| rows::cluster(row, Detail::Full)).await? {
                let id = found.object.id.clone();
                if !self.clusters.contains_key(&id) {
                    let stored = Stored::new(found.revision, found.object);
                    self.state.set_cluster(&id, Some(stored.clone()));
                    self.clusters.insert(id, Some(stored));
                }
            }
        }
        Ok(())
    }

    async fn load_leases(&mut self, conn: &mut Conn, names: Vec<LeaseName>) -> Result<(), sqlx::Error> {
        for some in names.chunks(MOST_ROWS) {
            let select = Sql::new("SELECT name, holder, token, expires_at FROM leases WHERE name IN ")
                .tuple(padded(some.iter().map(LeaseName::as_str)));
            let found = conn
                .fetch(select, |row| {
                    let lease = LeaseRow {
                        holder: row.maybe_text(1)?.map(ToOwned::to_owned),
                        token: row.int(2)?,
                        expires_at: row.int(3)?,
                    };
                    Ok((row.text(0)?.to_owned(), lease))
                })
                .await?;
            let found: BTreeMap<_, _> = found.into_iter().collect();
            for name in some {
                let row = found.get(name.as_str()).cloned();
                if let Some(row) = &row {
                    self.state.set_lease(name, row.clone());
                }
                self.leases.insert(name.clone(), row);
            }
        }
        Ok(())
    }

    async fn load_entry(&mut self, conn: &mut Conn, key: EntryKey) -> Result<(), sqlx::Error> {
        if self.entries.contains_key(&key) {
            return Ok(());
        }
        let select = Sql::new("SELECT ")
            .push(rows::ENTRY_COLUMNS)
            .push(" FROM entries WHERE kind = ")
            .bind(key.0.as_str())
            .push(" AND id = ")
            .bind(key.1.as_str());
        let found = conn.fetch(select, rows::entry).await?.into_iter().next().map(Arc::new);
        if let Some(entry) = &found {
            self.state.set_entry(Arc::clone(entry));
        }
        self.entries.insert(key, found);
        Ok(())
    }

    /// Writes every difference between what was read and what the writes made of it.
    async fn flush(&mut self, conn: &mut Conn, first: i64) -> Result<(), sqlx::Error> {
        self.flush_accounts(conn).await?;
        self.flush_clusters(conn).await?;
        self.flush_leases(conn).await?;
        self.flush_entries(conn).await?;
        if self.sequence == first {
            return Ok(());
        }
        let changes = std::mem::take(&mut self.changes)
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let insert = "INSERT INTO changes (sequence, time, kind, object_id, action, revision, actor, request_id, fields) \
                      VALUES ";
        for some in groups(&changes) {
            conn.run(Sql::new(insert).tuples(some.iter().cloned())).await?;
        }
        let count = Sql::new("UPDATE feed SET sequence = ")
            .bind(self.sequence)
            .push(" WHERE id = 1");
        conn.run(count).await?;
        if matches!(conn, Conn::Postgres(_)) {
            let notify = Sql::new("SELECT pg_notify('fleetwright_changes', ")
                .bind(self.sequence.to_string())
                .push(")");
            conn.run(notify).await?;
        }
        Ok(())
    }

    async fn flush_accounts(&self, conn: &mut Conn) -> Result<(), sqlx::Error> {
        let mut changed = Vec::new();
        for (id, before) in &self.accounts {
            let after = self.state.accounts().get(id);
            // Accounts are never deleted, so one that differs is there.
            if let Some(after) = after.filter(|after| before.as_ref() != Some(after)) {
                changed.push(rows::account_args(after, self.now)?);
            }
        }
        for some in groups(&changed) {
            let upsert = Sql::new(
                "INSERT INTO accounts (id, kind, name, owner, cost_center, environment, criticality_level, external_id, \
                 lifecycle_status, revision, updated_at) VALUES ",
            )
            .tuples(some.iter().cloned())
            .push(
                " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, name = excluded.name, owner = excluded.owner, \
                 cost_center = excluded.cost_center, environment = excluded.environment, \
                 criticality_level = excluded.criticality_level, external_id = excluded.external_id, \
                 lifecycle_status = excluded.lifecycle_status, revision = excluded.revision, \
                 updated_at = excluded.updated_at",
            );
            conn.run(upsert).await?;
        }
        Ok(())
    }

    async fn flush_clusters(&self, conn: &mut Conn) -> Result<(), sqlx::Error> {
        let mut changes = ClusterChanges::default();
        for (id, before) in &self.clusters {
            changes.add(id, before.as_ref(), self.state.clusters().get(id), self.now)?;
        }
        changes.write(conn).await
    }

    async fn flush_leases(&self, conn: &mut Conn) -> Result<(), sqlx::Error> {
        let mut changed: Vec<Vec<Arg>> = Vec::new();
        for (name, before) in &self.leases {
            if let Some(after) = self
                .state
                .leases()
                .get(name)
                .filter(|after| before.as_ref() != Some(after))
            {
                changed.push(vec![
                    name.as_str().into(),
                    after.holder.clone().into(),
                    after.token.into(),
                    after.expires_at.into(),
                ]);
            }
        }
        for some in groups(&changed) {
            let upsert = Sql::new("INSERT INTO leases (name, holder, token, expires_at) VALUES ")
                .tuples(some.iter().cloned())
                .push(
                    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token, \
                     expires_at = excluded.expires_at",
                );
            conn.run(upsert).await?;
        }
        Ok(())
    }
}

impl Batch {
    async fn flush_entries(&self, conn: &mut Conn) -> Result<(), sqlx::Error> {
        let mut changed: Vec<Vec<Arg>> = Vec::new();
        for ((kind, id), before) in &self.entries {
            let after = self.state.entry(kind, id);
            if let Some(after) = after.filter(|after| before.as_ref() != Some(*after)) {
                changed.push(rows::entry_args(after)?);
            }
        }
        for some in groups(&changed) {
            let upsert = Sql::new(
                "INSERT INTO entries (kind, id, cluster_id, open, revision, created_at, updated_at, body) VALUES ",
            )
            .tuples(some.iter().cloned())
            .push(
                " ON CONFLICT (kind, id) DO UPDATE SET cluster_id = excluded.cluster_id, open = excluded.open, \
                 revision = excluded.revision, updated_at = excluded.updated_at, body = excluded.body",
            );
            conn.run(upsert).await?;
        }
        Ok(())
    }
}

/// The values of an `IN` list, with the last one repeated up to the next power of two, so that few texts are prepared.
fn padded<'v>(values: impl Iterator<Item = &'v str>) -> Vec<Arg> {
    let mut args: Vec<Arg> = values.map(Arg::from).collect();
    if let Some(last) = args.last().cloned() {
        args.resize(args.len().next_power_of_two(), last);
    }
    args
}

/// Differences of clusters, by statement.
#[derive(Default)]
struct ClusterChanges {
    deleted: Vec<Arg>,
    /// Clusters whose alias or local id changes: they step aside first, since two may swap theirs.
    moved: Vec<Arg>,
    updated: Vec<Vec<Arg>>,
    documents: Vec<Vec<Arg>>,
    inserted: Vec<Vec<Arg>>,
    inserted_documents: Vec<Vec<Arg>>,
}

impl ClusterChanges {
    fn add(
        &mut self,
        id: &ClusterId,
        before: Option<&Stored<Cluster>>,
        after: Option<&Stored<Cluster>>,
        now: Stamp,
    ) -> Result<(), sqlx::Error> {
        match (before, after) {
            (None, None) => {}
            (Some(_), None) => self.deleted.push(id.as_str().into()),
            (None, Some(after)) => {
                self.inserted.push(rows::cluster_args(after, now)?);
                self.inserted_documents.push(rows::document_args(&after.object)?);
            }
            (Some(before), Some(after)) => {
                let (old, new) = (&*before.object, &*after.object);
                if before.revision == after.revision && old == new {
                    return Ok(());
                }
                if old.alias != new.alias || LocalKey::of(old) != LocalKey::of(new) {
                    self.moved.push(id.as_str().into());
                }
                self.updated.push(rows::cluster_args(after, now)?);
                if old.config_items != new.config_items || old.node_pools != new.node_pools {
                    self.documents.push(rows::document_args(new)?);
                }
            }
        }
        Ok(())
    }

    async fn write(self, conn: &mut Conn) -> Result<(), sqlx::Error> {
        for some in groups(&self.deleted) {
            conn.run(Sql::new("DELETE FROM clusters WHERE id IN ").tuple(some.iter().cloned()))
                .await?;
        }
        for some in groups(&self.moved) {
            // No alias begins with `~`, and no hash contains it.
            let aside = Sql::new("UPDATE clusters SET alias = '~' || id, local_key = '~' || id WHERE id IN ")
                .tuple(some.iter().cloned());
            conn.run(aside).await?;
        }
        for some in groups(&self.updated) {
            let update = Sql::new(
                "UPDATE clusters SET alias = v.column2, infrastructure_account = v.column3, region = v.column4, \
                 local_id = v.column5, local_key = v.column6, provider = v.column7, api_server_url = v.column8, \
                 channel = v.column9, environment = v.column10, criticality_level = v.column11, \
                 lifecycle_status = v.column12, status = v.column13, revision = v.column14, created_at = v.column15, \
                 updated_at = v.column16 FROM (VALUES ",
            )
            .tuples(some.iter().cloned())
            .push(") AS v WHERE clusters.id = v.column1");
            conn.run(update).await?;
        }
        for some in groups(&self.documents) {
            let update =
                Sql::new("UPDATE cluster_documents SET config_items = v.column2, node_pools = v.column3 FROM (VALUES ")
                    .tuples(some.iter().cloned())
                    .push(") AS v WHERE cluster_documents.cluster_id = v.column1");
            conn.run(update).await?;
        }
        for some in groups(&self.inserted) {
            let insert = Sql::new(
                "INSERT INTO clusters (id, alias, infrastructure_account, region, local_id, local_key, provider, \
                 api_server_url, channel, environment, criticality_level, lifecycle_status, status, revision, \
                 created_at, updated_at) VALUES ",
            )
            .tuples(some.iter().cloned());
            conn.run(insert).await?;
        }
        for some in groups(&self.inserted_documents) {
            let insert = Sql::new("INSERT INTO cluster_documents (cluster_id, config_items, node_pools) VALUES ")
                .tuples(some.iter().cloned());
            conn.run(insert).await?;
        }
        Ok(())
    }
}
