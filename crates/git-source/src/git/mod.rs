//! A git repository as a source.

mod cause;
mod fetch;
mod mirror;
mod objects;
mod push;
mod snapshot;
mod trees;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use model::config_tree::ConfigTree;
use ports::config_source::{
    Channel, ChannelInfo, ConfigSource, ConfigSourceError, ConfigVersion, Refreshed, SourceName,
};

use crate::location::GitLocation;
use crate::walk::TreeOptions;
use mirror::{Mirror, MirrorLock};
use snapshot::Snapshot;
use trees::Trees;

/// How often a mirror that another process holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// How a git source is fetched and where its mirror lives.
#[derive(Debug, Clone)]
pub struct GitOptions {
    /// Directory of all mirrors; each source has a directory of its own in it, which may be deleted at any time between runs.
    pub cache_dir: PathBuf,
    /// Longest time that one refresh may take.
    pub fetch_timeout: Duration,
    /// Private key for `ssh` locations; without it, ssh finds one by its own rules.
    pub ssh_private_key: Option<PathBuf>,
    /// Known host keys for `ssh` locations; without it, those of the user and the machine count. An unknown host is refused.
    pub ssh_known_hosts: Option<PathBuf>,
    /// File with a token for `https` locations, read anew for each fetch so that it can be rotated.
    pub token_file: Option<PathBuf>,
}

impl GitOptions {
    /// Mirrors in `cache_dir`, two minutes for a fetch, no credentials.
    #[must_use]
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            fetch_timeout: Duration::from_secs(120),
            ssh_private_key: None,
            ssh_known_hosts: None,
            token_file: None,
        }
    }
}

/// A git repository as a source; see the crate's text for what it promises.
#[derive(Debug)]
pub struct GitSource {
    shared: Arc<Shared>,
}

/// What the async side and the blocking threads share.
#[derive(Debug)]
struct Shared {
    name: SourceName,
    location: GitLocation,
    options: GitOptions,
    tree_options: TreeOptions,
    mirror: Mirror,
    /// Held while fetching, and for nothing else: at most one fetch of this source is under way.
    fetching: Arc<tokio::sync::Mutex<()>>,
    /// What the last fetch brought; readers take it and let go of the lock at once.
    current: RwLock<Option<Arc<Snapshot>>>,
    trees: Trees,
}

/// Tells a blocking fetch to stop when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl GitSource {
    /// A source that reads `location`. Nothing is read or fetched yet.
    #[must_use]
    pub fn new(name: SourceName, location: GitLocation, options: GitOptions, tree_options: TreeOptions) -> Self {
        let mirror = Mirror::new(options.cache_dir.join(location.mirror_name()), &location, &options);
        let shared = Shared {
            name,
            location,
            options,
            tree_options,
            mirror,
            fetching: Arc::default(),
            current: RwLock::new(None),
            trees: Trees::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What can be read now: the last fetch of this process, else the mirror of an earlier one, else a first fetch.
    async fn snapshot(&self) -> Result<Arc<Snapshot>, ConfigSourceError> {
        if let Some(snapshot) = self.shared.current() {
            return Ok(snapshot);
        }
        let shared = Arc::clone(&self.shared);
        if let Some(snapshot) = self
            .blocking("opening the mirror", move || Ok(shared.open_existing()))
            .await?
        {
            return Ok(snapshot);
        }
        self.refresh().await?;
        self.shared
            .current()
            .ok_or_else(|| self.shared.local("opening the mirror", "it went away"))
    }

    /// Runs something that waits for disk or network away from the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        step: &'static str,
        work: impl FnOnce() -> Result<T, ConfigSourceError> + Send + 'static,
    ) -> Result<T, ConfigSourceError> {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| self.shared.local(step, error))?
    }

    /// Waits until no other process fetches into the mirror. It waits here and not on a thread, so that giving up leaves nothing behind.
    async fn lock_mirror(&self) -> Result<MirrorLock, ConfigSourceError> {
        loop {
            let shared = Arc::clone(&self.shared);
            let attempt = move || {
                shared
                    .mirror
                    .try_lock()
                    .map_err(|error| shared.local("locking the mirror", error))
            };
            if let Some(lock) = self.blocking("locking the mirror", attempt).await? {
                return Ok(lock);
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }

    async fn read_tree(&self, version: &ConfigVersion) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        let snapshot = self.snapshot().await?;
        let cell = self.shared.trees.cell(&version.id);
        let read = || async {
            let (shared, id) = (Arc::clone(&self.shared), version.id.clone());
            self.blocking("reading a tree", move || shared.read_tree(&snapshot, &id))
                .await
        };
        Ok(Arc::clone(cell.get_or_try_init(read).await?))
    }
}

#[async_trait]
impl ConfigSource for GitSource {
    fn name(&self) -> &SourceName {
        &self.shared.name
    }

    async fn resolve(&self, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        let snapshot = self.snapshot().await?;
        let (shared, channel) = (Arc::clone(&self.shared), channel.clone());
        self.blocking("looking up a channel", move || snapshot.resolve(&shared.name, &channel))
            .await
    }

    async fn tree(&self, version: &ConfigVersion) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        let error = match self.read_tree(version).await {
            Err(error @ ConfigSourceError::LocalCopy { .. }) => error,
            done => return done,
        };
        // The mirror was replaced under us, or is broken: with the next fetch it is whole again.
        self.shared.distrust();
        match self.refresh().await {
            Ok(_) => self.read_tree(version).await,
            Err(_) => Err(error),
        }
    }

    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError> {
        Ok(self.snapshot().await?.channels())
    }

    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError> {
        let limit = self.shared.options.fetch_timeout;
        let stop = StopOnDrop(Arc::default());
        let (shared, flag) = (Arc::clone(&self.shared), Arc::clone(&stop.0));
        let work = async {
            let guard = Arc::clone(&self.shared.fetching).lock_owned().await;
            let lock = self.lock_mirror().await?;
            self.blocking("fetching", move || {
                // Both locks go with the thread, which may outlive the wait for it.
                let _held = (guard, lock);
                shared.fetch(&flag)
            })
            .await
        };
        let done = tokio::time::timeout(limit, work).await;
        drop(stop);
        done.map_err(|_| self.shared.timeout())?
    }
}

impl Shared {
    fn current(&self) -> Option<Arc<Snapshot>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, snapshot: Arc<Snapshot>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// Makes the next fetch build the mirror anew if it is not sound.
    fn distrust(&self) {
        if let Some(snapshot) = self.current() {
            snapshot.distrust();
        }
    }

    /// The mirror as an earlier process left it, if it can be read. It is not published when a fetch did so meanwhile.
    fn open_existing(&self) -> Option<Arc<Snapshot>> {
        let snapshot = Arc::new(Snapshot::take(self.mirror.open().ok()?).ok()?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(current.get_or_insert(snapshot)))
    }

    fn local(
        &self,
        step: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ConfigSourceError {
        ConfigSourceError::LocalCopy {
            source_name: self.name.clone(),
            step,
            cause: cause.into(),
        }
    }

    fn timeout(&self) -> ConfigSourceError {
        ConfigSourceError::Timeout {
            source_name: self.name.clone(),
            location: self.location.to_shown(),
            limit: self.options.fetch_timeout,
        }
    }

    fn unreachable(&self, cause: gix::Error) -> ConfigSourceError {
        ConfigSourceError::Unreachable {
            source_name: self.name.clone(),
            location: self.location.to_shown(),
            cause: Box::new(cause::Cause::scrubbed(&cause, &self.location.secrets())),
        }
    }
}
