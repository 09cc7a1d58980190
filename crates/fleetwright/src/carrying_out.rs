//! What a lifecycle manager of one command stands on: a registry, clusters of a kubeconfig, and a history that is told as it
//! is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use kube_access::{Access, Mode};
use lifecycle::connect::{Connector, FactSource, Trouble};
use model::{Cluster, ClusterId, FileRegistry, Progress, Update};
use ports::config_source::{
    Channel, ChannelInfo, ConfigSource, ConfigSourceError, ConfigVersion, Refreshed, SourceName,
};
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{ImportMode, Page, PageRequest};
use ports::{Clock, Ledger, Registry, RegistryError, SystemClock, WriteContext};
use render::Facts;
use store::MemoryRegistry;
use tokio::sync::mpsc::UnboundedSender;

use crate::failure::Failure;
use crate::looking::Clusters;
use crate::session::Session;
use crate::settings::Settings;

/// A registry with its ledger.
#[derive(Clone)]
pub(crate) struct Books {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// A file, of which this is a copy: nothing is written back.
    pub(crate) file: bool,
}

impl Books {
    /// Those of the server in force.
    pub(crate) fn of_server(settings: &Settings) -> Result<Self, Failure> {
        let client = Arc::new(Session::new(settings)?.client);
        Ok(Self {
            registry: Arc::clone(&client) as _,
            ledger: client,
            file: false,
        })
    }

    /// A copy of a registry document, in memory.
    pub(crate) async fn of_document(document: FileRegistry) -> Result<Self, Failure> {
        let books = Arc::new(MemoryRegistry::new(Arc::new(SystemClock)));
        let context = WriteContext::by("file", "file");
        books.import(document, ImportMode::Create, &context).await?;
        Ok(Self {
            registry: Arc::clone(&books) as _,
            ledger: books,
            file: true,
        })
    }
}

/// Opens clusters by the kubeconfig, in this mode.
pub(crate) struct ByKubeconfig(pub(crate) Clusters, pub(crate) Mode);

/// Why a cluster cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NoWay(String);

impl ports::Classified for NoWay {
    fn fault(&self) -> ports::Fault {
        ports::Fault::User
    }

    fn retry(&self) -> ports::Retry {
        ports::Retry::Never
    }
}

#[async_trait]
impl Connector for ByKubeconfig {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        let opened = self.0.open(cluster, self.1).await;
        opened.map_err(|failure| Box::new(NoWay(failure.text())) as Trouble)
    }
}

/// The facts that the plan was made with.
pub(crate) struct GivenFacts(pub(crate) BTreeMap<ClusterId, Arc<Facts>>);

#[async_trait]
impl FactSource for GivenFacts {
    async fn facts(&self, cluster: &Cluster) -> Result<Arc<Facts>, Trouble> {
        Ok(self.0.get(&cluster.id).cloned().unwrap_or_default())
    }
}

/// A source that stays where it was when the plan was found to hold.
#[derive(Debug)]
pub(crate) struct Frozen(pub(crate) Arc<dyn ConfigSource>);

#[async_trait]
impl ConfigSource for Frozen {
    fn name(&self) -> &SourceName {
        self.0.name()
    }

    async fn resolve(&self, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        self.0.resolve(channel).await
    }

    async fn tree(&self, version: &ConfigVersion) -> Result<Arc<model::config_tree::ConfigTree>, ConfigSourceError> {
        self.0.tree(version).await
    }

    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError> {
        self.0.channels().await
    }

    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError> {
        Ok(Refreshed::default())
    }
}

/// A ledger that tells each step of an update as it is written down, a line per event.
pub(crate) struct Telling {
    inner: Arc<dyn Ledger>,
    lines: UnboundedSender<String>,
    told: std::sync::Mutex<BTreeMap<EntryId, Update>>,
}

impl Telling {
    pub(crate) fn new(inner: Arc<dyn Ledger>, lines: UnboundedSender<String>) -> Self {
        Self {
            inner,
            lines,
            told: std::sync::Mutex::default(),
        }
    }

    fn tell(&self, entry: &Entry) {
        let Ok(update) = serde_json::from_value::<Update>(entry.body.clone()) else {
            return;
        };
        let name = entry.id.as_str().split('.').next().unwrap_or_default();
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for line in crate::progress::events(name, told.get(&entry.id), &update, SystemClock.now()) {
            // Nobody listens any more after an interrupt.
            let _ = self.lines.send(line);
        }
        told.insert(entry.id.clone(), update);
    }
}

#[async_trait]
impl Ledger for Telling {
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry, RegistryError> {
        let entry = self.inner.put_entry(draft, context).await?;
        if entry.kind == EntryKind::update() {
            self.tell(&entry);
        }
        Ok(entry)
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry, RegistryError> {
        self.inner.get_entry(kind, id).await
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>, RegistryError> {
        self.inner.list_entries(filter, page).await
    }
}

/// How long an update may be quiet before it is taken for abandoned.
const QUIET: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// The update that somebody else carries out on a cluster right now, if there is one.
pub(crate) async fn under_way(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    now: Timestamp,
) -> Result<Option<EntryId>, RegistryError> {
    let filter = EntryFilter {
        cluster: Some(cluster.clone()),
        open: Some(true),
        ..EntryFilter::of(EntryKind::update())
    };
    let open = ledger.list_entries(&filter, &PageRequest::all()).await?.items;
    let running = open.into_iter().find(|entry| {
        let update = serde_json::from_value::<Update>(entry.body.clone());
        let runs = update.is_ok_and(|update| update.progress == Progress::Running);
        runs && now.duration_since(entry.updated_at) < QUIET
    });
    Ok(running.map(|entry| entry.id))
}
