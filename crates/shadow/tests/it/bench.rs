//! The original's registry, our store, a Kubernetes API per cluster, perhaps a cloud, simulated time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sim::{CloudSim, SubnetSpec, WorldOptions};
use jiff::Timestamp;
use kube_access::{Access, Context, Mode};
use kube_sim::ApiServer;
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use lifecycle::{Claims, Configuration, Manager, Pace, Reach, Settings};
use model::Cluster;
use model::config_tree::ConfigTree;
use ports::cloud::{Cloud, Tags};
use ports::config_source::{ConfigSource, ConfigSources};
use ports::registry::Detail;
use ports::{Clock, Registry, SeededIds, SimClock, WriteContext};
use render::{DesiredCluster, Facts, Input};
use shadow::adoption::{Asked, Places};
use shadow::tenure::{POLL, Tenure};
use shadow::{Look, Masking, Means, Report, Shadow};
use store::MemoryRegistry;

use testkit::source::{TestSource, tree};

pub(crate) struct Bench {
    pub(crate) clock: Arc<SimClock>,
    /// The original's registry.
    pub(crate) upstream: Arc<MemoryRegistry>,
    /// Our store.
    pub(crate) own: Arc<MemoryRegistry>,
    pub(crate) source: Arc<TestSource>,
    pub(crate) servers: Arc<BTreeMap<String, ApiServer>>,
    pub(crate) cloud: Option<CloudSim>,
}

/// Opens the servers in a mode.
pub(crate) struct Servers {
    servers: Arc<BTreeMap<String, ApiServer>>,
    clock: Arc<SimClock>,
    mode: Mode,
}

#[async_trait]
impl Connector for Servers {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        let mut context = Context::new(cluster.alias.as_str(), self.clock.clone(), Arc::new(SeededIds::new(3)));
        context.settings.mode = self.mode;
        Ok(Access::from_service(
            context,
            self.servers[cluster.alias.as_str()].clone(),
        ))
    }
}

struct Around {
    cloud: Option<CloudSim>,
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
        Ok(Arc::new(Facts {
            simulated: true,
            ..Facts::default()
        }))
    }
}

/// Masks one word.
struct Masked;

impl Masking for Masked {
    fn hider(&self, _: &Input, _: &DesiredCluster) -> Box<dyn Fn(&str) -> String + Send + Sync> {
        Box::new(|text| text.replace("hunter2", "*****"))
    }
}

pub(crate) fn cluster(alias: &str) -> Cluster {
    serde_json::from_value(serde_json::json!({
        "id": format!("aws:1:eu-central-1:{alias}"), "alias": alias, "infrastructure_account": "aws:1",
        "region": "eu-central-1", "local_id": alias, "provider": "zalando-aws",
        "api_server_url": format!("https://{alias}.example.org"), "channel": "dev", "environment": "test",
        "criticality_level": 1, "lifecycle_status": "ready",
    }))
    .unwrap()
}

pub(crate) fn context(actor: &str) -> WriteContext {
    WriteContext::by(actor, "request-1")
}

/// A configuration whose ConfigMap `web/settings` says this.
pub(crate) fn commit(id: &str, level: &str) -> ConfigTree {
    let map = settings(level);
    tree(
        id,
        &[
            ("cluster/cluster.yaml", "Resources: {}\n"),
            ("cluster/config-defaults.yaml", "replicas: 2\n"),
            ("cluster/manifests/00-base/namespace.yaml", NAMESPACE),
            ("cluster/manifests/web/settings.yaml", &map),
        ],
    )
}

pub(crate) const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n";

pub(crate) fn settings(level: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, namespace: web}}\ndata: {{level: '{level}'}}\n"
    )
}

/// An account with one subnet.
fn account(start: Timestamp) -> WorldOptions {
    let mut options = WorldOptions::new("1", "eu-central-1", 7).unthrottled();
    options.any_image = true;
    options.start = start;
    options.subnets = vec![SubnetSpec {
        id: "subnet-a".to_owned(),
        zone: 'a',
        tags: Tags::new(),
    }];
    options
}

impl Bench {
    pub(crate) async fn new(aliases: &[&str]) -> Self {
        Self::made(aliases, false).await
    }

    pub(crate) async fn clouded(aliases: &[&str]) -> Self {
        Self::made(aliases, true).await
    }

    async fn made(aliases: &[&str], clouded: bool) -> Self {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let clock = Arc::new(SimClock::starting_at(start));
        let upstream = Arc::new(MemoryRegistry::new(clock.clone()));
        let mut servers = BTreeMap::new();
        for (n, alias) in (0_u64..).zip(aliases) {
            upstream
                .create_cluster(cluster(alias), &context("setup"))
                .await
                .unwrap();
            let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::new(n)));
            servers.insert((*alias).to_owned(), server);
        }
        Self {
            own: Arc::new(MemoryRegistry::new(clock.clone())),
            source: Arc::new(TestSource::new()),
            servers: Arc::new(servers),
            cloud: clouded.then(|| CloudSim::new(account(start), clock.clone())),
            upstream,
            clock,
        }
    }

    fn configuration(&self) -> Configuration {
        let source = self.source.clone() as Arc<dyn ConfigSource>;
        Configuration::new(ConfigSources::new(vec![source]).unwrap())
    }

    pub(crate) fn connector(&self, mode: Mode) -> Arc<Servers> {
        Arc::new(Servers {
            servers: self.servers.clone(),
            clock: self.clock.clone(),
            mode,
        })
    }

    fn around(&self) -> Arc<Around> {
        Arc::new(Around {
            cloud: self.cloud.clone(),
        })
    }

    /// A shadow whose clusters are opened in this mode.
    pub(crate) fn shadow_in(&self, mode: Mode) -> Arc<Shadow> {
        let settings = Settings::default();
        Arc::new(Shadow::new(Means {
            registry: self.upstream.clone(),
            ledger: self.own.clone(),
            configuration: Arc::new(self.configuration()),
            connector: self.connector(mode),
            clouds: self.around(),
            facts: self.around(),
            masking: Arc::new(Masked),
            clock: self.clock.clone(),
            policy: settings.policy,
            threshold: settings.threshold,
            manage_etcd: false,
        }))
    }

    pub(crate) fn shadow(&self) -> Arc<Shadow> {
        self.shadow_in(Mode::DryRun)
    }

    pub(crate) async fn report(&self) -> Report {
        self.shadow().report(None).await.unwrap()
    }

    pub(crate) async fn look(&self, alias: &str) -> Look {
        let report = self.report().await;
        report.looks.into_iter().find(|look| look.alias == alias).unwrap()
    }

    pub(crate) fn places(&self) -> Places {
        Places {
            upstream: self.upstream.clone(),
            ledger: self.own.clone(),
            leases: self.own.clone(),
            clock: self.clock.clone(),
        }
    }

    pub(crate) fn tenure(&self) -> Tenure {
        Tenure::new(
            self.upstream.clone(),
            self.own.clone(),
            self.own.clone(),
            self.clock.clone(),
            POLL,
        )
    }

    /// Starts the lifecycle manager over what is adopted; it stops with the test.
    pub(crate) fn start(&self) {
        let tenure = self.tenure();
        let reach = Reach {
            ledger: self.own.clone(),
            configuration: self.configuration(),
            connector: tenure.connector(self.connector(Mode::Live)),
            clouds: tenure.clouds(self.around()),
            facts: self.around(),
            clock: self.clock.clone(),
            ids: Arc::new(SeededIds::new(7)),
            settings: Settings::default(),
            registry: Arc::new(tenure),
        };
        let pace = Pace {
            claims: Some(Claims {
                leases: self.own.clone(),
                holder: "replica-1".to_owned(),
                term: Duration::from_secs(60),
            }),
            ..Pace::default()
        };
        tokio::spawn(Manager::new(Arc::new(reach), pace).run(std::future::pending()));
    }

    pub(crate) fn own_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn pass_time(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// The cluster as the original's registry has it.
    pub(crate) async fn cluster(&self, alias: &str) -> Cluster {
        let id = cluster(alias).id;
        self.upstream.get_cluster(&id, Detail::Full).await.unwrap().object
    }

    pub(crate) fn level(&self, alias: &str) -> Option<String> {
        let map = self.servers[alias].read("", "configmaps", "web", "settings")?;
        map["data"]["level"].as_str().map(str::to_owned)
    }

    /// What would change with any write: the feed of the registry, the versions of the clusters, the events of the cloud.
    pub(crate) async fn marks(&self) -> (i64, Vec<u64>, Option<u64>) {
        (
            self.upstream.last_change().await.unwrap(),
            self.servers.values().map(ApiServer::resource_version).collect(),
            self.cloud.as_ref().map(CloudSim::last_event),
        )
    }
}

pub(crate) fn asked(reason: &str) -> Asked {
    Asked {
        by: "alice".to_owned(),
        reason: reason.to_owned(),
        id: format!("{:0>8}-{reason}", reason.len()),
    }
}
