//! A small fleet: registry in memory, a source of configuration, a Kubernetes API per cluster, simulated time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cloud_sim::{CloudSim, WorldOptions};
use jiff::Timestamp;
use kube_access::{Access, Context};
use kube_sim::{AllowAllWebhooks, ApiServer, Webhooks};
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use lifecycle::{Configuration, Manager, Pace, Reach, Settings, Standing, Wake};
use model::{Cluster, Update};
use ports::cloud::Cloud;
use ports::config_source::{ConfigSource, ConfigSources};
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{Detail, Page, PageRequest};
use ports::{Clock, Ledger, Registry, RegistryError, SeededIds, SimClock, WriteContext};
use render::Facts;
use store::MemoryRegistry;

use crate::faulty::lost;
use testkit::source::TestSource;

/// Everything that a test looks at.
pub(crate) struct Bench {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) registry: Arc<MemoryRegistry>,
    pub(crate) source: Arc<TestSource>,
    pub(crate) servers: Arc<BTreeMap<String, (ApiServer, Access)>>,
    pub(crate) reach: Arc<Reach>,
    pub(crate) ids: SeededIds,
}

struct Servers(Arc<BTreeMap<String, (ApiServer, Access)>>);

#[async_trait]
impl Connector for Servers {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        Ok(self.0[cluster.alias.as_str()].1.clone())
    }
}

/// The cloud of all clusters, if there is one, and what is known about them.
struct Around {
    cloud: Option<CloudSim>,
    facts: Arc<Facts>,
}

#[async_trait]
impl CloudSource for Around {
    async fn cloud(&self, _: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        Ok(self.cloud.clone().map(|sim| Arc::new(sim) as Arc<dyn Cloud>))
    }
}

#[async_trait]
impl FactSource for Around {
    async fn facts(&self, _: &Cluster) -> Result<Arc<Facts>, Trouble> {
        Ok(Arc::clone(&self.facts))
    }
}

pub(crate) fn cluster(alias: &str) -> Cluster {
    serde_json::from_value(serde_json::json!({
        "id": format!("aws:1:eu-central-1:{alias}"), "alias": alias, "infrastructure_account": "aws:1",
        "region": "eu-central-1", "local_id": alias, "provider": "simulated",
        "api_server_url": format!("https://{alias}.example.org"), "channel": "dev", "environment": "test",
        "criticality_level": 1, "lifecycle_status": "ready",
    }))
    .unwrap()
}

pub(crate) fn context(actor: &str) -> WriteContext {
    WriteContext::by(actor, "request-1")
}

/// What a fleet is made of.
pub(crate) struct World {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) settings: Settings,
    /// The cloud that they are in; without it they have none.
    pub(crate) cloud: Option<WorldOptions>,
    /// Where configuration comes from; a source that the test moves by hand when there is none.
    pub(crate) sources: Vec<Arc<dyn ConfigSource>>,
    pub(crate) facts: Facts,
    /// How the manager comes to a cluster.
    pub(crate) open: Box<Open>,
    /// When set, nobody can read which blocks hold.
    pub(crate) deaf: Arc<AtomicBool>,
}

/// A ledger that may lose its voice about blocks.
struct Deaf {
    inner: Arc<MemoryRegistry>,
    deaf: Arc<AtomicBool>,
}

#[async_trait]
impl Ledger for Deaf {
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry, RegistryError> {
        self.inner.put_entry(draft, context).await
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry, RegistryError> {
        self.inner.get_entry(kind, id).await
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>, RegistryError> {
        if self.deaf.load(Ordering::SeqCst) && filter.kind == EntryKind::block() {
            return Err(lost());
        }
        self.inner.list_entries(filter, page).await
    }
}

/// Opens a server.
pub(crate) type Open = dyn Fn(Context, ApiServer) -> Access + Send;

impl World {
    pub(crate) fn of(aliases: &[&str]) -> Self {
        Self {
            clusters: aliases.iter().map(|alias| cluster(alias)).collect(),
            settings: Settings::default(),
            cloud: None,
            sources: Vec::new(),
            facts: Facts {
                simulated: true,
                ..Facts::default()
            },
            open: Box::new(Access::from_service),
            deaf: Arc::default(),
        }
    }

    pub(crate) async fn build(self) -> (Bench, Option<CloudSim>) {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let clock = Arc::new(SimClock::starting_at(start));
        let cloud = self.cloud.map(|options| {
            let options = WorldOptions { start, ..options };
            CloudSim::new(options, clock.clone())
        });
        let registry = Arc::new(MemoryRegistry::new(clock.clone()));
        let source = Arc::new(TestSource::new());
        let mut servers = BTreeMap::new();
        for (n, cluster) in (0_u64..).zip(self.clusters) {
            let alias = cluster.alias.to_string();
            registry.create_cluster(cluster, &context("setup")).await.unwrap();
            let server = ApiServer::builder(clock.clone(), Arc::new(SeededIds::new(n)))
                .admission(Arc::new(Webhooks::new(Arc::new(AllowAllWebhooks))))
                .build();
            let context = Context::new(&alias, clock.clone(), Arc::new(SeededIds::new(n + 1_000)));
            let access = (self.open)(context, server.clone());
            servers.insert(alias, (server, access));
        }
        let servers = Arc::new(servers);
        let sources = if self.sources.is_empty() {
            vec![source.clone() as Arc<dyn ConfigSource>]
        } else {
            self.sources
        };
        let around = Arc::new(Around {
            cloud: cloud.clone(),
            facts: Arc::new(self.facts),
        });
        let reach = Reach {
            registry: registry.clone(),
            ledger: Arc::new(Deaf {
                inner: registry.clone(),
                deaf: self.deaf,
            }),
            configuration: Configuration::new(ConfigSources::new(sources).unwrap()),
            connector: Arc::new(Servers(servers.clone())),
            clouds: around.clone(),
            facts: around,
            clock: clock.clone(),
            ids: Arc::new(SeededIds::new(7)),
            settings: self.settings,
        };
        let bench = Bench {
            clock,
            registry,
            source,
            servers,
            reach: Arc::new(reach),
            ids: SeededIds::new(9),
        };
        (bench, cloud)
    }
}

impl Bench {
    /// A fleet of these clusters; call it on a paused clock.
    pub(crate) async fn new(aliases: &[&str]) -> Self {
        Self::with(aliases, Settings::default()).await
    }

    pub(crate) async fn with(aliases: &[&str], settings: Settings) -> Self {
        let world = World {
            settings,
            ..World::of(aliases)
        };
        world.build().await.0
    }

    /// The same in a cloud.
    pub(crate) async fn clouded(aliases: &[&str], settings: Settings, options: WorldOptions) -> (Self, CloudSim) {
        let world = World {
            settings,
            cloud: Some(options),
            ..World::of(aliases)
        };
        let (bench, cloud) = world.build().await;
        (bench, cloud.unwrap())
    }

    /// Starts the manager in the background; it stops with the test.
    pub(crate) fn start(&self) -> Wake {
        let manager = Manager::new(Arc::clone(&self.reach), Pace::default());
        let wake = manager.wake();
        tokio::spawn(manager.run(std::future::pending()));
        wake
    }

    /// One look at everything.
    pub(crate) async fn once(&self) -> Vec<(String, Standing)> {
        Manager::new(Arc::clone(&self.reach), Pace::default())
            .run_once()
            .await
            .unwrap()
    }

    pub(crate) async fn pass_time(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn cluster(&self, alias: &str) -> Cluster {
        let id = cluster(alias).id;
        self.registry.get_cluster(&id, Detail::Full).await.unwrap().object
    }

    /// Value of a key of ConfigMap `web/settings`, if it is there.
    pub(crate) fn setting(&self, alias: &str, key: &str) -> Option<String> {
        let map = self.object(alias, "configmaps", "settings")?;
        map["data"][key].as_str().map(str::to_owned)
    }

    pub(crate) fn object(&self, alias: &str, resource: &str, name: &str) -> Option<json_tree::Value> {
        self.servers[alias].0.read("", resource, "web", name)
    }

    /// The ConfigMaps of namespace `web`, for changes by hand.
    pub(crate) fn configmaps(&self, alias: &str) -> kube::Api<kube::api::DynamicObject> {
        let client = kube::Client::new(self.servers[alias].0.clone(), "web");
        let kind = kube::discovery::ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk("", "v1", "ConfigMap"));
        kube::Api::namespaced_with(client, "web", &kind)
    }

    /// Updates of a cluster, newest first.
    pub(crate) async fn updates(&self, alias: &str) -> Vec<Update> {
        let filter = EntryFilter {
            cluster: Some(cluster(alias).id),
            ..EntryFilter::of(EntryKind::update())
        };
        let entries = self.registry.list_entries(&filter, &PageRequest::all()).await.unwrap();
        entries
            .items
            .into_iter()
            .map(|entry| serde_json::from_value(entry.body).unwrap())
            .collect()
    }

    /// The version that a cluster should have at this commit.
    pub(crate) async fn version(&self, alias: &str, commit: &str) -> String {
        model::ClusterVersion::of(commit, &self.cluster(alias).await).to_string()
    }
}
