//! Registry, ledger, leases and config source that fail now and then: before the work, or after it with the answer lost. Each
//! write is told to a listener before it is done, which may let the caller die there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use model::config_tree::ConfigTree;
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, ConfigKey, FileRegistry, InfrastructureAccount,
    InfrastructureAccountUpdate, NodePool, NodePoolName, NodePoolUpdate,
};
use ports::config_source::{
    Channel, ChannelInfo, ConfigSource, ConfigSourceError, ConfigVersion, Location, Refreshed, SourceName,
};
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{
    AccountFilter, Change, ClusterFilter, Detail, HistoryRecord, ImportMode, ImportReport, ObjectKind, Page,
    PageRequest, Revision, Versioned,
};
use ports::{Clock, Lease, LeaseError, LeaseName, Leases, Ledger, Registry, RegistryError, WriteContext};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::MemoryRegistry;
use tokio::sync::watch;

use testkit::source::TestSource;

type Result<T> = std::result::Result<T, RegistryError>;

/// Chance that is shared by everything that one manager calls.
#[derive(Clone)]
pub(crate) struct Chance {
    drawn: Arc<Mutex<(StdRng, u32)>>,
    /// Whether nothing answers at all; feeds end when that begins.
    away: watch::Sender<bool>,
}

impl Chance {
    pub(crate) fn new(seed: u64, per_mille: u32) -> Self {
        Self {
            drawn: Arc::new(Mutex::new((StdRng::seed_from_u64(seed), per_mille))),
            away: watch::Sender::new(false),
        }
    }

    /// No more faults.
    pub(crate) fn heal(&self) {
        self.drawn.lock().unwrap().1 = 0;
        self.away(false);
    }

    /// The store goes down, as it does when another server takes its place; or it is back.
    pub(crate) fn away(&self, away: bool) {
        self.away.send_replace(away);
    }

    pub(crate) fn strikes(&self) -> bool {
        let mut chance = self.drawn.lock().unwrap();
        let (random, per_mille) = &mut *chance;
        random.random_range(0..1_000) < *per_mille || *self.away.borrow()
    }

    /// Returns when the store goes down.
    async fn lost(&self) {
        let mut away = self.away.subscribe();
        // The sender lives as long as this chance.
        let _ = away.wait_for(|away| *away).await;
    }
}

/// A write that was done, and by whom.
pub(crate) struct Written<'a> {
    pub(crate) line: &'a str,
    pub(crate) cluster: Option<&'a ClusterId>,
    /// The versions that a status names, now and next.
    pub(crate) versions: Option<(&'a str, &'a str)>,
    /// The token of a claim.
    pub(crate) token: Option<i64>,
    /// Whether it is an entry that still matters, written whatever it was before. A verdict is added to an entry as it was read.
    pub(crate) open: bool,
}

/// Hears of each write that was done.
pub(crate) type OnWritten = Arc<dyn Fn(&Written<'_>) + Send + Sync>;

/// Whether the caller lives on, and if not, whether its write is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Lives,
    DiesBefore,
    DiesAfter,
}

/// Hears of each write: what it is, and what it says.
pub(crate) type OnWrite = Arc<dyn Fn(&str, &str) -> End + Send + Sync>;

/// Fails in so many of a thousand calls.
pub(crate) struct FaultyRegistry {
    inner: Arc<MemoryRegistry>,
    chance: Chance,
    on_write: OnWrite,
    on_written: Option<OnWritten>,
    /// How long news take to this manager. Two managers that are told at one moment would wake in an order that the runtime
    /// draws by itself.
    news: (Arc<dyn Clock>, Duration),
}

#[derive(Debug, thiserror::Error)]
#[error("injected")]
pub(crate) struct Injected;

pub(crate) fn lost() -> RegistryError {
    RegistryError::Unavailable(Box::new(Injected))
}

impl FaultyRegistry {
    pub(crate) fn new(
        inner: Arc<MemoryRegistry>,
        chance: Chance,
        on_write: OnWrite,
        news: (Arc<dyn Clock>, Duration),
    ) -> Self {
        Self {
            inner,
            chance,
            on_write,
            on_written: None,
            news,
        }
    }

    /// The same, with this listener to what was done.
    pub(crate) fn telling(self, on_written: OnWritten) -> Self {
        Self {
            on_written: Some(on_written),
            ..self
        }
    }

    fn tell(&self, written: &Written<'_>, done: bool) {
        if let Some(on_written) = self.on_written.as_ref().filter(|_| done) {
            on_written(written);
        }
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.chance.strikes() {
            return Err(lost());
        }
        let done = work.await;
        if self.chance.strikes() { Err(lost()) } else { done }
    }

    async fn write<T, E>(
        &self,
        line: &str,
        body: &str,
        work: impl Future<Output = std::result::Result<T, E>> + Send,
    ) -> std::result::Result<T, E> {
        let end = (self.on_write)(line, body);
        if end == End::DiesBefore {
            return std::future::pending().await;
        }
        let done = work.await;
        match end {
            End::DiesAfter => std::future::pending().await,
            _ => done,
        }
    }
}

macro_rules! delegate {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)+) => {
        #[async_trait]
        impl Registry for FaultyRegistry {
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out> {
                self.call(self.inner.$name($($arg),*)).await
            })+

            async fn update_cluster(&self, id: &ClusterId, update: ClusterUpdate, context: &WriteContext) -> Result<Versioned<Cluster>> {
                let body = serde_json::to_string(&update).unwrap();
                let line = format!("registry {id}");
                let status = update.status.clone();
                let work = self.call(async {
                    let done = self.inner.update_cluster(id, update, context).await;
                    let versions = status.as_ref().map(|s| (s.current_version.as_str(), s.next_version.as_str()));
                    let written = Written { line: &line, cluster: Some(id), versions, token: None, open: false };
                    self.tell(&written, done.is_ok());
                    done
                });
                self.write(&line, &body, work).await
            }

            async fn watch(&self, after: i64) -> Result<BoxStream<'static, Result<Change>>> {
                let feed = self.call(self.inner.watch(after)).await?;
                let (clock, late) = self.news.clone();
                let later = move |change| {
                    let clock = Arc::clone(&clock);
                    async move {
                        clock.sleep(late).await;
                        change
                    }
                };
                let chance = self.chance.clone();
                let lost = async move { chance.lost().await };
                Ok(feed.take_until(lost).then(later).boxed())
            }
        }
    };
}

delegate! {
    list_accounts(filter: &AccountFilter, page: &PageRequest) -> Page<Versioned<InfrastructureAccount>>;
    get_account(id: &AccountId) -> Versioned<InfrastructureAccount>;
    create_account(account: InfrastructureAccount, context: &WriteContext) -> Versioned<InfrastructureAccount>;
    update_account(id: &AccountId, update: InfrastructureAccountUpdate, context: &WriteContext) -> Versioned<InfrastructureAccount>;
    list_clusters(filter: &ClusterFilter, detail: Detail, page: &PageRequest) -> Page<Versioned<Cluster>>;
    get_cluster(id: &ClusterId, detail: Detail) -> Versioned<Cluster>;
    create_cluster(cluster: Cluster, context: &WriteContext) -> Versioned<Cluster>;
    delete_cluster(id: &ClusterId, context: &WriteContext) -> ();
    put_config_item(cluster: &ClusterId, key: &ConfigKey, value: &str, context: &WriteContext) -> Revision;
    delete_config_item(cluster: &ClusterId, key: &ConfigKey, context: &WriteContext) -> ();
    list_node_pools(cluster: &ClusterId) -> Versioned<Vec<NodePool>>;
    put_node_pool(cluster: &ClusterId, pool: NodePool, context: &WriteContext) -> Versioned<NodePool>;
    update_node_pool(cluster: &ClusterId, name: &NodePoolName, update: NodePoolUpdate, context: &WriteContext) -> Versioned<NodePool>;
    delete_node_pool(cluster: &ClusterId, name: &NodePoolName, context: &WriteContext) -> ();
    put_node_pool_config_item(cluster: &ClusterId, name: &NodePoolName, key: &ConfigKey, value: &str, context: &WriteContext) -> Revision;
    delete_node_pool_config_item(cluster: &ClusterId, name: &NodePoolName, key: &ConfigKey, context: &WriteContext) -> ();
    changes(after: i64, limit: usize) -> Vec<Change>;
    last_change() -> i64;
    history(kind: ObjectKind, id: &str, page: &PageRequest) -> Page<HistoryRecord>;
    import(document: FileRegistry, mode: ImportMode, context: &WriteContext) -> ImportReport;
    export() -> FileRegistry;
}

#[async_trait]
impl Ledger for FaultyRegistry {
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry> {
        let line = format!("ledger {}/{}", draft.kind, draft.id);
        let (body, cluster) = (draft.body.to_string(), draft.cluster.clone());
        let open = draft.open && context.expected.is_none();
        let work = self.call(async {
            let done = self.inner.put_entry(draft, context).await;
            let written = Written {
                line: &line,
                cluster: cluster.as_ref(),
                versions: None,
                token: None,
                open,
            };
            self.tell(&written, done.is_ok());
            done
        });
        self.write(&line, &body, work).await
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry> {
        self.call(self.inner.get_entry(kind, id)).await
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>> {
        self.call(self.inner.list_entries(filter, page)).await
    }
}

#[async_trait]
impl Leases for FaultyRegistry {
    async fn claim(&self, name: &LeaseName, holder: &str, ttl: Duration) -> std::result::Result<Lease, LeaseError> {
        let line = format!("claim {name}");
        let work = self.lease(async {
            let done = self.inner.claim(name, holder, ttl).await;
            let cluster = name.as_str().strip_prefix("lifecycle/").and_then(|id| id.parse().ok());
            let written = Written {
                line: &line,
                cluster: cluster.as_ref(),
                versions: None,
                token: done.as_ref().ok().map(|lease| lease.token),
                open: false,
            };
            self.tell(&written, done.is_ok());
            done
        });
        self.write(&line, "", work).await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> std::result::Result<Lease, LeaseError> {
        let work = self.lease(self.inner.renew(lease, ttl));
        self.write(&format!("renew {}", lease.name), "", work).await
    }

    async fn release(&self, lease: &Lease) -> std::result::Result<(), LeaseError> {
        let work = self.lease(self.inner.release(lease));
        self.write(&format!("release {}", lease.name), "", work).await
    }

    async fn list(&self, prefix: &str) -> std::result::Result<Vec<Lease>, LeaseError> {
        self.lease(self.inner.list(prefix)).await
    }
}

impl FaultyRegistry {
    async fn lease<T>(
        &self,
        work: impl Future<Output = std::result::Result<T, LeaseError>> + Send,
    ) -> std::result::Result<T, LeaseError> {
        let lost = || LeaseError::Unavailable(Box::new(Injected));
        if self.chance.strikes() {
            return Err(lost());
        }
        let done = work.await;
        if self.chance.strikes() { Err(lost()) } else { done }
    }
}

/// A config source whose git server fails now and then.
#[derive(Debug)]
pub(crate) struct FaultySource {
    pub(crate) inner: Arc<TestSource>,
    pub(crate) chance: Chance,
}

impl std::fmt::Debug for Chance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chance")
    }
}

impl FaultySource {
    fn may(&self) -> std::result::Result<(), ConfigSourceError> {
        if !self.chance.strikes() {
            return Ok(());
        }
        Err(ConfigSourceError::Unreachable {
            source_name: self.inner.name().clone(),
            location: Location("https://git.example.org/config.git".to_owned()),
            cause: Box::new(Injected),
        })
    }
}

#[async_trait]
impl ConfigSource for FaultySource {
    fn name(&self) -> &SourceName {
        self.inner.name()
    }

    async fn resolve(&self, channel: &Channel) -> std::result::Result<ConfigVersion, ConfigSourceError> {
        self.may()?;
        self.inner.resolve(channel).await
    }

    async fn tree(&self, version: &ConfigVersion) -> std::result::Result<Arc<ConfigTree>, ConfigSourceError> {
        self.may()?;
        self.inner.tree(version).await
    }

    async fn channels(&self) -> std::result::Result<Vec<ChannelInfo>, ConfigSourceError> {
        self.may()?;
        self.inner.channels().await
    }

    async fn refresh(&self) -> std::result::Result<Refreshed, ConfigSourceError> {
        self.may()?;
        self.inner.refresh().await
    }
}
