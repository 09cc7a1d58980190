//! The store on SQL.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::stream::BoxStream;
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, ConfigKey, FileRegistry, InfrastructureAccount,
    InfrastructureAccountUpdate, NodePool, NodePoolName, NodePoolUpdate,
};
use ports::registry::{
    AccountFilter, Change, ClusterFilter, Detail, HistoryRecord, ImportMode, ImportReport, ObjectKind, Page,
    PageRequest, Revision, Versioned,
};
use ports::{Clock, RegistryError, WriteContext};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::backend::{self, Backend, registry_for};
use crate::batch::{Job, Outcome};
use crate::core::{Answer, ClusterChange, Write};
use crate::error::{Closed, OpenError, registry_error};
use crate::feed::{self, Newest};
use crate::migrate::{migrate, unreadable};
use crate::read;
use crate::sql::Pool;
use crate::url::{DatabaseUrl, Target};
use crate::writer::{QUEUE, Queued, Writer};

/// Connections that read a SQLite file at the same time.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL: one writes, one listens, the others read.
const POSTGRES_CONNECTIONS: u32 = 12;
/// How long a call waits for a connection, and a SQLite writer for another process.
const PATIENCE: Duration = Duration::from_secs(5);

/// The registry in a SQLite file or a PostgreSQL database; see the [crate] for what it promises.
///
/// One value serves all callers. Call [`Store::close`] before the end of the program; a store that is just dropped still
/// finishes the writes that it took on, as long as the runtime lives.
#[derive(Debug)]
pub struct Store {
    pub(crate) readers: Pool,
    writers: Pool,
    queue: Mutex<Option<mpsc::Sender<Queued>>>,
    newest: Newest,
    writer: Mutex<Option<JoinHandle<()>>>,
    lookout: JoinHandle<()>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Store {
    /// Opens the database, makes or migrates its schema, and starts the writing task.
    ///
    /// # Errors
    /// [`OpenError`]; the database is unchanged then.
    pub async fn open(url: &DatabaseUrl, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let database = url.to_string();
        let (writers, readers) = match url.target() {
            Target::Memory => {
                let pool = memory_pool(&database).await?;
                (pool.clone(), pool)
            }
            Target::File(path) => file_pools(path, &database).await?,
            Target::Postgres(options) => {
                let pool = postgres_pool((**options).clone(), &database).await?;
                (pool.clone(), pool)
            }
        };
        let conn = writers.acquire().await.map_err(|e| unreadable(&database, e))?;
        migrate(conn, &database).await?;
        let last = read::last_change(&readers)
            .await
            .map_err(|e| unreadable(&database, e))?;
        let newest = Newest::new(last);
        let (sender, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            pool: writers.clone(),
            keep: !matches!(url.target(), Target::Memory),
            clock: clock.clone(),
            newest: newest.clone(),
            queue,
        };
        let lookout = feed::look_for_others(readers.clone(), clock.clone(), newest.clone());
        Ok(Self {
            readers,
            writers,
            queue: Mutex::new(Some(sender)),
            newest,
            writer: Mutex::new(Some(tokio::spawn(writer.work()))),
            lookout: tokio::spawn(lookout),
            clock,
        })
    }

    /// Answers whether the database can be read and written now; for readiness probes.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] or [`RegistryError::Busy`].
    pub async fn ping(&self) -> Result<(), RegistryError> {
        let closed = self.sender().is_none_or(|queue| queue.is_closed());
        if closed {
            return Err(RegistryError::Unavailable(Box::new(Closed)));
        }
        read::last_change(&self.readers).await.map(drop).map_err(registry_error)
    }

    /// Finishes the writes that were taken on, refuses further ones, ends all streams of changes and closes the database.
    pub async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // The task ends when its queue is empty; it cannot be cancelled and does not panic.
            let _ = writer.await;
        }
        self.lookout.abort();
        self.newest.end();
        self.readers.close().await;
        self.writers.close().await;
    }

    fn sender(&self) -> Option<mpsc::Sender<Queued>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Queues a write and waits until it is durable, or refused.
    pub(crate) async fn enqueue(&self, job: Job) -> Result<Outcome, Closed> {
        let sender = self.sender().ok_or(Closed)?;
        let (reply, answer) = oneshot::channel();
        sender.send(Queued { job, reply }).await.map_err(|_| Closed)?;
        answer.await.map_err(|_| Closed)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.lookout.abort();
        self.newest.end();
    }
}

async fn memory_pool(database: &str) -> Result<Pool, OpenError> {
    // Every further connection would be a database of its own, and the last one to close takes the data along.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(sqlite_options(Path::new(":memory:")))
        .await;
    pool.map(Pool::Sqlite).map_err(|e| unreadable(database, e))
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        // FULL: a commit returns after its fsync, so an answered write survives the loss of power.
        .synchronous(SqliteSynchronous::Full)
}

async fn file_pools(path: &Path, database: &str) -> Result<(Pool, Pool), OpenError> {
    make_file(path)?;
    let options = sqlite_options(path);
    let writers = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(PATIENCE)
        .connect_with(options.clone().journal_mode(SqliteJournalMode::Wal))
        .await
        .map_err(|e| unreadable(database, e))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .min_connections(1)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options.pragma("query_only", "on"));
    Ok((Pool::Sqlite(writers), Pool::Sqlite(readers)))
}

/// Makes the file readable for its owner only: it may hold secrets. SQLite gives its side files the same mode.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

async fn postgres_pool(options: PgConnectOptions, database: &str) -> Result<Pool, OpenError> {
    let options = options
        .application_name("fleetwright")
        // Durable answers whatever the server's default is; a writer that waits too long for its turn says so.
        .options([("synchronous_commit", "on"), ("lock_timeout", "5000")]);
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_with(options)
        .await;
    pool.map(Pool::Postgres).map_err(|e| unreadable(database, e))
}

#[async_trait]
impl Backend for Store {
    async fn submit(&self, write: Write, context: &WriteContext) -> Result<Answer, RegistryError> {
        let job = Job::Registry(Box::new(write), Box::new(context.clone()));
        match self.enqueue(job).await {
            Ok(Outcome::Registry(answer)) => answer,
            Ok(Outcome::Lease(_)) | Err(_) => Err(RegistryError::Unavailable(Box::new(Closed))),
        }
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        page: &PageRequest,
    ) -> Result<Page<Versioned<InfrastructureAccount>>, RegistryError> {
        read::accounts(&self.readers, filter, page).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Versioned<InfrastructureAccount>>, RegistryError> {
        read::account(&self.readers, id).await
    }

    async fn clusters(
        &self,
        filter: &ClusterFilter,
        detail: Detail,
        page: &PageRequest,
    ) -> Result<Page<Versioned<Cluster>>, RegistryError> {
        read::clusters(&self.readers, filter, detail, page).await
    }

    async fn cluster(&self, id: &ClusterId, detail: Detail) -> Result<Option<Versioned<Cluster>>, RegistryError> {
        read::cluster(&self.readers, id, detail).await
    }

    async fn changes_after(&self, after: i64, limit: usize) -> Result<Vec<Change>, RegistryError> {
        read::changes(&self.readers, after, limit).await
    }

    fn follow(&self, after: i64) -> BoxStream<'static, Result<Change, RegistryError>> {
        let pool = self.readers.clone();
        let read = move |after, limit| {
            let pool = pool.clone();
            async move { read::changes(&pool, after, limit).await }.boxed()
        };
        feed::follow(Arc::new(read), self.newest.subscribe(), after)
    }

    async fn newest(&self) -> Result<i64, RegistryError> {
        read::last_change(&self.readers).await.map_err(registry_error)
    }

    async fn records(
        &self,
        kind: ObjectKind,
        id: &str,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>, RegistryError> {
        read::history(&self.readers, kind, id, page).await
    }

    async fn document(&self) -> Result<FileRegistry, RegistryError> {
        read::export(&self.readers).await
    }
}

registry_for!(Store);
