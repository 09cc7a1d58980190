//! The fleet of a seed: registry, clusters, cloud and source, and managers that reach them by ways with faults, each of whose
//! writes is seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sim::{CallFault, CallRule, CloudSim, FaultPlan as CloudFaults, WorldOptions};
use jiff::Timestamp;
use kube_access::applyset::Threshold;
use kube_access::{Access, Context};
use kube_sim::{ApiServer, FaultPlan, FaultyApi};
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use lifecycle::guard::Rules;
use lifecycle::{Claims, Configuration, Manager, Pace, Policies, Reach, Settings};
use model::Cluster;
use plan::policy::FleetPolicy;
use ports::cloud::{Cloud, StackRequest, StackTemplate, Stacks};
use ports::config_source::ConfigSources;
use ports::registry::Detail;
use ports::{Clock, Registry, SeededIds, SimClock};
use render::Facts;
use store::MemoryRegistry;

use super::cloud::SeenCloud;
use super::eye::{Eye, holder};
use super::{CLUSTERS, FEW, SECRET, TROUBLE};
use crate::bench::{cluster, context};
use crate::clouds::one_subnet;
use crate::faulty::{Chance, End, FaultyRegistry, FaultySource, lost};
use crate::life::{Fate, Life, SeenApi};
use testkit::source::TestSource;

/// Health is watched for so short a time that a life of some minutes sees all of it.
const HEALTH: &str =
    "kind: FleetPolicy\nhealth: {checkTime: 30s, checkTimes: [], settle: 1m, interval: 15s, watch: 1m}\n";
/// How long a claim holds.
pub(super) const TERM: u64 = 60;

pub(super) struct Fleet {
    pub(super) clock: Arc<SimClock>,
    pub(super) registry: Arc<MemoryRegistry>,
    pub(super) source: Arc<TestSource>,
    pub(super) servers: BTreeMap<String, ApiServer>,
    pub(super) cloud: CloudSim,
    pub(super) eye: Arc<Eye>,
    apis: BTreeMap<String, FaultyApi<ApiServer>>,
    chance: Chance,
    seed: u64,
    rules: Rules,
    replicas: bool,
}

/// How one manager reaches clusters, clouds and facts.
struct Ways {
    access: BTreeMap<String, Access>,
    cloud: CloudSim,
    eye: Arc<Eye>,
    actor: u64,
    chance: Chance,
}

impl Ways {
    fn may(&self) -> Result<(), Trouble> {
        if self.chance.strikes() {
            Err(Box::new(lost()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Connector for Ways {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        self.may()?;
        Ok(self.access[cluster.alias.as_str()].clone())
    }
}

#[async_trait]
impl CloudSource for Ways {
    async fn cloud(&self, cluster: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        self.may()?;
        Ok(Some(Arc::new(SeenCloud {
            inner: self.cloud.clone(),
            eye: Arc::clone(&self.eye),
            actor: self.actor,
            alias: cluster.alias.to_string(),
        })))
    }
}

#[async_trait]
impl FactSource for Ways {
    async fn facts(&self, _: &Cluster) -> Result<Arc<Facts>, Trouble> {
        self.may()?;
        Ok(Arc::new(Facts {
            simulated: true,
            ..Facts::default()
        }))
    }
}

/// What goes wrong with a seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) registry_per_mille: u32,
    pub(super) cloud_per_mille: u32,
    pub(super) api: f64,
}

/// Faults on every external call.
pub(super) const STORM: Weather = Weather {
    registry_per_mille: 15,
    cloud_per_mille: 30,
    api: 0.08,
};
/// None.
pub(super) const CALM: Weather = Weather {
    registry_per_mille: 0,
    cloud_per_mille: 0,
    api: 0.0,
};

impl Fleet {
    pub(super) async fn new(seed: u64, rules: Rules, weather: Weather, replicas: bool) -> Self {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let clock = Arc::new(SimClock::starting_at(start));
        let registry = Arc::new(MemoryRegistry::new(clock.clone()));
        let options = WorldOptions { start, ..one_subnet() };
        let cloud = CloudSim::new(options, clock.clone());
        let foreign = "Resources:\n  Role: {Type: 'AWS::IAM::Role', Properties: {RoleName: theirs}}\n";
        let mut request = StackRequest::new("theirs", StackTemplate::Inline(foreign.to_owned()));
        request.capabilities.insert("CAPABILITY_NAMED_IAM".to_owned());
        cloud.create_stack(&request).await.unwrap();
        clock.sleep(Duration::from_secs(300)).await;
        let faults = [
            CallFault::Refuse,
            CallFault::Throttle,
            CallFault::LoseAnswer,
            CallFault::Delay(Duration::from_secs(20)),
        ];
        let rule = |fault| CallRule::new(fault, &[]).per_mille(weather.cloud_per_mille);
        cloud.set_faults(CloudFaults {
            calls: faults.map(rule).into(),
            ..CloudFaults::default()
        });
        let (mut servers, mut apis) = (BTreeMap::new(), BTreeMap::new());
        for (n, alias) in (0_u64..).zip(CLUSTERS) {
            let mut entry = cluster(alias);
            let key = "db_password".parse().unwrap();
            entry.config_items.insert(key, SECRET.to_owned());
            registry.create_cluster(entry, &context("setup")).await.unwrap();
            let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::new(seed ^ n)));
            let lasts = Duration::from_secs(TROUBLE);
            let plan = FaultPlan::drawn(seed ^ (n + 1), clock.now(), lasts, weather.api);
            apis.insert(alias.to_owned(), FaultyApi::over(server.clone(), plan));
            servers.insert(alias.to_owned(), server);
        }
        let eye = Eye::new(
            clock.clone(),
            registry.clone(),
            servers.clone(),
            cloud.clone(),
            replicas,
        );
        Self {
            source: Arc::new(TestSource::new()),
            eye: Arc::new(eye),
            chance: Chance::new(seed, weather.registry_per_mille),
            clock,
            registry,
            servers,
            cloud,
            apis,
            seed,
            rules,
            replicas,
        }
    }

    /// A manager that has no memory of earlier ones begins to work.
    pub(super) fn start(&self, actor: u64) -> Life {
        let (manager, _) = self.manager(actor);
        let wake = manager.wake();
        Life::begin(actor, wake, manager.run(std::future::pending()))
    }

    pub(super) fn manager(&self, actor: u64) -> (Manager, Arc<FaultyRegistry>) {
        let eye = Arc::clone(&self.eye);
        let on_write = Arc::new(move |line: &str, body: &str| match eye.record(actor, line, body) {
            Fate::Go => End::Lives,
            Fate::Before => End::DiesBefore,
            Fate::After => End::DiesAfter,
        });
        let registry = FaultyRegistry::new(
            self.registry.clone(),
            self.chance.clone(),
            on_write,
            (self.clock.clone(), Duration::from_millis(1 + actor % 16)),
        );
        let registry = Arc::new(registry);
        let access = self.apis.iter().zip(0_u64..).map(|((alias, api), n)| {
            let ids = Arc::new(SeededIds::new(self.seed ^ (n + 1_000) ^ (actor << 24)));
            let context = Context::new(alias, self.clock.clone(), ids);
            let (eye, of) = (Arc::clone(&self.eye), alias.clone());
            let seen = SeenApi {
                inner: api.clone(),
                on_call: Arc::new(move |line| eye.write(actor, &of, line)),
                wire: false,
            };
            (alias.clone(), Access::from_service(context, seen))
        });
        let ways = Arc::new(Ways {
            access: access.collect(),
            cloud: self.cloud.clone(),
            eye: Arc::clone(&self.eye),
            actor,
            chance: self.chance.clone(),
        });
        let source = FaultySource {
            inner: self.source.clone(),
            chance: self.chance.clone(),
        };
        let reach = Reach {
            registry: registry.clone(),
            ledger: registry.clone(),
            configuration: Configuration::new(ConfigSources::new(vec![Arc::new(source)]).unwrap()),
            connector: ways.clone(),
            clouds: ways.clone(),
            facts: ways,
            clock: self.clock.clone(),
            ids: Arc::new(SeededIds::new(self.seed ^ (actor << 20))),
            settings: Settings {
                threshold: Threshold {
                    objects: FEW,
                    percent: 0,
                },
                policies: Policies::new(FleetPolicy::parse(HEALTH).unwrap()),
                ..Settings::default()
            },
        };
        let claims = self.replicas.then(|| Claims {
            leases: registry.clone(),
            holder: holder(actor),
            term: Duration::from_secs(TERM),
        });
        let pace = Pace {
            rules: self.rules,
            claims,
            ..Pace::default()
        };
        (Manager::new(Arc::new(reach), pace), registry)
    }

    /// The faults stop.
    pub(super) fn heal(&self) {
        self.chance.heal();
        self.cloud.set_faults(CloudFaults::default());
        for api in self.apis.values() {
            api.set_plan(FaultPlan::new(self.seed));
        }
    }

    pub(super) async fn entry(&self, alias: &str) -> Cluster {
        let found = self.registry.get_cluster(&cluster(alias).id, Detail::Full).await;
        found.unwrap().object
    }
}
