//! The fleet that replicas share, and the ways by which each of them reaches it: a clock, a git mirror and a connection to the
//! store of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use kube_access::applyset::Threshold;
use kube_access::{Access, Context};
use kube_sim::{ApiServer, Fault, FaultPlan, FaultRule, FaultyApi};
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use lifecycle::guard::Rules;
use lifecycle::queue::Limits;
use lifecycle::{Backoff, Claims, Configuration, Manager, Pace, Policies, Reach, Settings};
use model::config_tree::ConfigTree;
use model::{Cluster, ClusterUpdate, Lineage, Update};
use plan::policy::FleetPolicy;
use ports::cloud::Cloud;
use ports::config_source::{
    Channel, ChannelInfo, ConfigSource, ConfigSourceError, ConfigSources, ConfigVersion, Location, Refreshed,
    SourceName,
};
use ports::ledger::{EntryFilter, EntryKind};
use ports::promote::{Promote, PromoteError, Way};
use ports::registry::PageRequest;
use ports::{Clock, Ledger, Registry, SeededIds, SimClock};
use render::Facts;
use store::MemoryRegistry;
use tokio::sync::Notify;

use super::FEW;
use super::witness::{Witness, holder};
use crate::bench::{cluster, context};
use crate::faulty::{Chance, End, FaultyRegistry, Injected, Written};
use crate::life::{Fate, Life, SeenApi};
use testkit::source::TestSource;

/// Health is watched for a short time, so that a life of some minutes sees all of it.
const HEALTH: &str =
    "kind: FleetPolicy\nhealth: {checkTime: 30s, checkTimes: [], settle: 30s, interval: 30s, watch: 30s}\n";
/// One cluster of the fleet at a time, and each is checked before the next one begins.
const WAVES: &str = "kind: FleetPolicy\nlimits: {wave: 1, account: 1, fleet: 1, urgent: 1}\nwaves: {settle: 1s}\n\
    health: {checkTime: 30s, checkTimes: [], settle: 30s, interval: 30s, watch: 30s}\n";
/// The second cluster is in a channel of its own, behind a gate that moves its branch.
const GATES: &str = "kind: FleetPolicy\nchannels: [{name: dev}, {name: beta}]\n\
    gates: [{channel: beta, soak: 40s, promote: true, takeBack: false}]\n\
    health: {checkTime: 30s, checkTimes: [], settle: 30s, interval: 30s, watch: 30s}\n";
/// How long a commit soaks in front of that gate.
pub(super) const SOAK: Duration = Duration::from_secs(40);
/// How long a claim holds.
pub(super) const TERM: Duration = Duration::from_secs(12);

/// The clock of one machine: it may be wrong, and it may jump.
#[derive(Debug)]
pub(super) struct Machine {
    right: Arc<SimClock>,
    off: AtomicI64,
}

impl Machine {
    /// From now on it is wrong by this many milliseconds.
    pub(super) fn jump(&self, millis: i64) {
        self.off.store(millis, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let off = SignedDuration::from_millis(self.off.load(Ordering::SeqCst));
        self.right.now().checked_add(off).unwrap()
    }

    async fn sleep(&self, time: Duration) {
        self.right.sleep(time).await;
    }
}

/// A mirror of git: it stands where git stood when it was brought up to date last.
#[derive(Debug)]
struct Mirror {
    git: Arc<TestSource>,
    heads: Mutex<BTreeMap<String, String>>,
    chance: Chance,
}

#[async_trait]
impl ConfigSource for Mirror {
    fn name(&self) -> &SourceName {
        self.git.name()
    }

    async fn resolve(&self, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        let heads = self.heads.lock().unwrap();
        match heads.get(channel.as_str()) {
            Some(id) => Ok(ConfigVersion::from_id(id.clone())),
            None => Err(ConfigSourceError::UnknownChannel {
                source_name: self.git.name().clone(),
                channel: channel.to_string(),
                near: Vec::new(),
            }),
        }
    }

    async fn tree(&self, version: &ConfigVersion) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        self.git.tree(version).await
    }

    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError> {
        self.git.channels().await
    }

    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError> {
        if self.chance.strikes() {
            return Err(ConfigSourceError::Unreachable {
                source_name: self.git.name().clone(),
                location: Location("https://git.example.org/config.git".to_owned()),
                cause: Box::new(Injected),
            });
        }
        *self.heads.lock().unwrap() = self.git.heads();
        Ok(Refreshed::default())
    }
}

/// Moves branches of git, where each commit has the one before it as its parent.
#[derive(Debug)]
struct Branches {
    git: Arc<TestSource>,
    chance: Chance,
}

impl Branches {
    fn of(world: &World, chance: &Chance) -> Self {
        Self {
            git: Arc::clone(&world.source),
            chance: chance.clone(),
        }
    }
}

fn number(commit: &str) -> Result<u32, PromoteError> {
    let number = commit.strip_prefix("commit-").and_then(|n| n.parse().ok());
    number.ok_or_else(|| PromoteError::UnknownCommit {
        commit: commit.to_owned(),
    })
}

#[async_trait]
impl Promote for Branches {
    async fn lineage(&self, old: &str, new: &str) -> Result<Lineage, PromoteError> {
        Ok(match number(new)? > number(old)? {
            true => Lineage::Ahead,
            false => Lineage::Behind,
        })
    }

    async fn move_branch(&self, channel: &Channel, from: &str, to: &str, _: Way) -> Result<(), PromoteError> {
        if self.chance.strikes() {
            return Err(PromoteError::Unavailable(Box::new(Injected)));
        }
        let found = self.git.heads().remove(channel.as_str()).unwrap_or_default();
        if found != from {
            return Err(PromoteError::Elsewhere {
                channel: channel.to_string(),
                expected: from.to_owned(),
                found,
            });
        }
        self.git.commit(channel.as_str(), super::numbered(number(to)?));
        // The answer is lost now and then.
        match self.chance.strikes() {
            true => Err(PromoteError::Unavailable(Box::new(Injected))),
            false => Ok(()),
        }
    }
}

/// The clusters as one replica reaches them; they have no cloud.
struct Ways(BTreeMap<String, Access>);

#[async_trait]
impl Connector for Ways {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        Ok(self.0[cluster.alias.as_str()].clone())
    }
}

#[async_trait]
impl CloudSource for Ways {
    async fn cloud(&self, _: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        Ok(None)
    }
}

#[async_trait]
impl FactSource for Ways {
    async fn facts(&self, _: &Cluster) -> Result<Arc<Facts>, Trouble> {
        Ok(Arc::default())
    }
}

/// A replica at work.
pub(super) struct Replica {
    pub(super) life: Life,
    pub(super) machine: Arc<Machine>,
    /// Its way to git.
    pub(super) git: Chance,
    /// Its way to the store.
    pub(super) store: Chance,
    stop: Arc<Notify>,
}

impl Replica {
    /// Tells it to stop, as SIGTERM does.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }
}

pub(super) struct World {
    pub(super) clock: Arc<SimClock>,
    pub(super) registry: Arc<MemoryRegistry>,
    pub(super) source: Arc<TestSource>,
    pub(super) servers: BTreeMap<String, ApiServer>,
    pub(super) witness: Arc<Witness>,
    pub(super) apis: BTreeMap<String, FaultyApi<ApiServer>>,
    pub(super) pace: Pace,
    pub(super) settings: Settings,
    seed: u64,
    rules: Rules,
    /// How many of a thousand calls to the store fail.
    per_mille: u32,
    /// How long news take to a replica, where that is not a moment.
    pub(super) late: BTreeMap<u64, Duration>,
    /// The second cluster is behind a gate.
    gated: bool,
}

impl World {
    pub(super) async fn new(aliases: &[&str], seed: u64, rules: Rules, per_mille: u32) -> Self {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let clock = Arc::new(SimClock::starting_at(start));
        let registry = Arc::new(MemoryRegistry::new(clock.clone()));
        let (mut servers, mut apis) = (BTreeMap::new(), BTreeMap::new());
        for (n, alias) in (0_u64..).zip(aliases) {
            registry
                .create_cluster(cluster(alias), &context("setup"))
                .await
                .unwrap();
            let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::new(seed ^ n)));
            apis.insert(
                (*alias).to_owned(),
                FaultyApi::over(server.clone(), FaultPlan::new(seed)),
            );
            servers.insert((*alias).to_owned(), server);
        }
        let witness = Witness::new(clock.clone(), registry.clone(), servers.clone());
        let few = Threshold {
            objects: FEW,
            percent: 0,
        };
        Self {
            source: Arc::new(TestSource::new()),
            witness: Arc::new(witness),
            clock,
            registry,
            servers,
            apis,
            pace: Pace {
                limits: Limits::default(),
                backoff: Backoff {
                    most: Duration::from_secs(60),
                    ..Backoff::default()
                },
                ..Pace::default()
            },
            settings: Settings {
                threshold: few,
                policies: Policies::new(FleetPolicy::parse(HEALTH).unwrap()),
                ..Settings::default()
            },
            seed,
            rules,
            per_mille,
            late: BTreeMap::new(),
            gated: false,
        }
    }

    /// From now on replicas begin clusters in waves, one at a time.
    pub(super) fn in_waves(mut self) -> Self {
        self.pace.waves = true;
        self.settings.policies = Policies::new(FleetPolicy::parse(WAVES).unwrap());
        self
    }

    /// From now on the second cluster is behind a gate.
    pub(super) async fn behind_a_gate(mut self) -> Self {
        self.gated = true;
        self.settings.policies = Policies::new(FleetPolicy::parse(GATES).unwrap());
        let update = ClusterUpdate {
            channel: Some("beta".to_owned()),
            ..ClusterUpdate::default()
        };
        let id = cluster(super::CLUSTERS[1]).id;
        self.registry
            .update_cluster(&id, update, &context("setup"))
            .await
            .unwrap();
        self.witness.state().gated = true;
        self
    }

    /// Another commit; the first one is in all channels.
    pub(super) fn commit(&self, n: u32) {
        let first = std::mem::replace(&mut self.witness.state().commits, n) == 0;
        self.source.commit("dev", super::numbered(n));
        if first && self.gated {
            self.source.commit("beta", super::numbered(n));
        }
    }

    /// A replica that has no memory of earlier ones begins to work.
    pub(super) fn start(&self, actor: u64) -> Replica {
        let machine = Arc::new(Machine {
            right: self.clock.clone(),
            off: AtomicI64::new(0),
        });
        let (seed, witness) = (self.seed ^ (actor << 20), Arc::clone(&self.witness));
        let (store, git) = (Chance::new(seed, self.per_mille), Chance::new(seed ^ 1, self.per_mille));
        let on_write = Arc::new(move |line: &str, _: &str| match witness.record(actor, line) {
            Fate::Go => End::Lives,
            Fate::Before => End::DiesBefore,
            Fate::After => End::DiesAfter,
        });
        let witness = Arc::clone(&self.witness);
        let moment = Duration::from_millis(1 + actor % 64);
        let late = self.late.get(&actor).copied().unwrap_or(moment);
        let registry = FaultyRegistry::new(
            self.registry.clone(),
            store.clone(),
            on_write,
            (self.clock.clone(), late),
        );
        let registry = Arc::new(registry.telling(Arc::new(move |written: &Written<'_>| witness.taken(actor, written))));
        let access = self.apis.iter().zip(0_u64..).map(|((alias, api), n)| {
            let ids = Arc::new(SeededIds::new(seed ^ (n + 1_000)));
            let (witness, of) = (Arc::clone(&self.witness), alias.clone());
            let seen = SeenApi {
                inner: api.clone(),
                on_call: Arc::new(move |line| witness.write(actor, &of, line)),
                wire: true,
            };
            let context = Context::new(alias, machine.clone(), ids);
            (alias.clone(), Access::from_service(context, seen))
        });
        let ways = Arc::new(Ways(access.collect()));
        let mirror = Mirror {
            git: self.source.clone(),
            heads: Mutex::default(),
            chance: git.clone(),
        };
        let reach = Reach {
            registry: registry.clone(),
            ledger: registry.clone(),
            configuration: Configuration::new(ConfigSources::new(vec![Arc::new(mirror)]).unwrap()),
            connector: ways.clone(),
            clouds: ways.clone(),
            facts: ways,
            clock: machine.clone(),
            ids: Arc::new(SeededIds::new(seed ^ 2)),
            settings: Settings {
                promote: self
                    .gated
                    .then(|| Arc::new(Branches::of(self, &git)) as Arc<dyn Promote>),
                ..self.settings.clone()
            },
        };
        let claims = Claims {
            leases: registry,
            holder: holder(actor),
            term: TERM,
        };
        let pace = Pace {
            rules: self.rules,
            claims: Some(claims),
            ..self.pace.clone()
        };
        let manager = Manager::new(Arc::new(reach), pace);
        let (wake, stop) = (manager.wake(), Arc::new(Notify::new()));
        let told = Arc::clone(&stop);
        let life = Life::begin(actor, wake, manager.run(async move { told.notified().await }));
        Replica {
            life,
            machine,
            git,
            store,
            stop,
        }
    }

    /// Waits until a replica that was told to stop has stopped, or died at that; how long that takes.
    pub(super) async fn stopped(&self, replica: Replica) -> Duration {
        let began = self.clock.now();
        for _ in 0..1_000 {
            if replica.life.is_over() || self.witness.is_dead(replica.life.actor) {
                break;
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        replica.life.end().await;
        self.clock.now().duration_since(began).unsigned_abs()
    }

    /// From now on every write to a cluster takes so long, so that a replica can be met in the middle of its work.
    pub(super) fn slow(&self, seconds: u64) {
        let delay = Fault::Delay(Duration::from_secs(seconds));
        for api in self.apis.values() {
            let plan = FaultPlan::new(0);
            api.set_plan(match seconds {
                0 => plan,
                _ => plan.rule(FaultRule::new("slow", delay.clone()).verbs(&["patch", "create", "update"])),
            });
        }
    }

    /// Updates that were written down of a cluster.
    pub(super) async fn updates(&self, alias: &str) -> Vec<Update> {
        let filter = EntryFilter {
            cluster: Some(cluster(alias).id),
            ..EntryFilter::of(EntryKind::update())
        };
        let entries = self.registry.list_entries(&filter, &PageRequest::all()).await.unwrap();
        let update = |entry: ports::ledger::Entry| serde_json::from_value(entry.body).unwrap();
        entries.items.into_iter().map(update).collect()
    }

    /// Waits until all of these clusters are where their channel is, and answers how long that took.
    pub(super) async fn settled(&self, aliases: &[&str], most: u64) -> Duration {
        let began = self.clock.now();
        for _ in 0..most * 4 {
            if aliases.iter().all(|alias| self.is_settled(alias)) {
                return self.clock.now().duration_since(began).unsigned_abs();
            }
            self.clock.sleep(Duration::from_millis(250)).await;
        }
        let standing: Vec<_> = aliases.iter().map(|alias| self.witness.entry(alias).status).collect();
        panic!("not settled within {most} s: {standing:#?}");
    }

    /// What was seen, with no breach in it.
    pub(super) fn sound(&self) -> super::witness::Seen {
        let seen = self.witness.state().seen.clone();
        assert!(
            seen.breaches.is_empty(),
            "{:#?}
{:#?}",
            seen.breaches,
            seen.log
        );
        seen
    }

    /// What stands in a cluster.
    pub(super) fn level(&self, alias: &str) -> Option<u32> {
        let map = self.servers[alias].read("", "configmaps", "web", "settings");
        map.and_then(|map| map["data"]["level"].as_str()?.parse().ok())
    }

    pub(super) async fn pass_time(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Lets time pass, and sees every second what stands in the clusters.
    pub(super) async fn watch(&self, seconds: u64) {
        for _ in 0..seconds {
            self.pass_time(1).await;
            self.witness.levels();
        }
    }

    /// Whether a cluster is where its channel is, without a problem.
    pub(super) fn is_settled(&self, alias: &str) -> bool {
        let found = self.witness.entry(alias);
        let commits = self.witness.state().commits;
        let wanted = model::ClusterVersion::of(format!("commit-{commits}"), &found).to_string();
        found.status.current_version == wanted
            && found.status.problems.is_empty()
            && found.status.next_version.is_empty()
    }
}
