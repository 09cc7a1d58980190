//! Deterministic simulation: a small fleet lives through commits, blocks, kills and faults on every external call, drawn from
//! a seed. What must never happen is checked as it happens, what must happen in the end once the faults stop.
//!
//! A failing seed replays with `FLEETWRIGHT_SEED=<seed> cargo test -p lifecycle --test it simulation::replay -- --nocapture`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloud_sim::{CallFault, CallRule, CloudSim, FaultPlan as CloudFaults, SubnetSpec, WorldOptions};
use jiff::Timestamp;
use kube_access::{Access, Context};
use kube_sim::{ApiServer, FaultPlan, FaultyApi};
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use lifecycle::guard::Rules;
use lifecycle::{Configuration, Manager, Pace, Reach, Settings};
use model::{Block, Cluster};
use ports::cloud::{Cloud, StackRequest, StackTemplate, Stacks, Tags};
use ports::config_source::ConfigSources;
use ports::registry::{Detail, PageRequest};
use ports::{Clock, Ledger, Registry, SeededIds, SimClock, blocks};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use render::Facts;
use sha2::{Digest, Sha256};
use store::MemoryRegistry;

use crate::bench::{cluster, context};
use crate::clouds::clouded;
use crate::faulty::FaultyRegistry;
use crate::oracle::{Oracle, Writes};
use crate::source::TestSource;

const CLUSTERS: [&str; 2] = ["kube-1", "kube-2"];
/// A secret config item; it must appear nowhere but in the cluster.
const SECRET: &str = "correct-horse-battery";
/// How long the fleet lives with faults.
const TROUBLE: u64 = 3_600;

/// What was seen of one seed.
#[derive(Debug, Default)]
struct Seen {
    breaches: Vec<String>,
    checks: u64,
    digest: String,
}

struct Fleet {
    clock: Arc<SimClock>,
    registry: Arc<MemoryRegistry>,
    faulty: Arc<FaultyRegistry>,
    source: Arc<TestSource>,
    servers: BTreeMap<String, ApiServer>,
    writes: BTreeMap<String, Writes>,
    cloud: CloudSim,
    access: Arc<Doors>,
    seed: u64,
    rules: Rules,
}

/// Opens clusters: with faults until they heal.
struct Doors {
    faulty: BTreeMap<String, Access>,
    sound: BTreeMap<String, Access>,
    healed: Mutex<bool>,
}

#[async_trait]
impl Connector for Doors {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        let doors = if *self.healed.lock().unwrap() {
            &self.sound
        } else {
            &self.faulty
        };
        Ok(doors[cluster.alias.as_str()].clone())
    }
}

struct OneCloud(CloudSim);

#[async_trait]
impl CloudSource for OneCloud {
    async fn cloud(&self, _: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        Ok(Some(Arc::new(self.0.clone())))
    }
}

#[async_trait]
impl FactSource for OneCloud {
    async fn facts(&self, _: &Cluster) -> Result<Arc<Facts>, Trouble> {
        Ok(Arc::new(Facts {
            simulated: true,
            ..Facts::default()
        }))
    }
}

/// A configuration whose level is the number of the commit. Every third one holds an object that the cluster refuses.
fn numbered(n: u32) -> model::config_tree::ConfigTree {
    let level = n.to_string();
    let main = format!(
        "Resources:\n  Role: {{Type: 'AWS::IAM::Role', Properties: {{RoleName: '{{{{ .Cluster.LocalID }}}}-role', Path: '/{}/'}}}}\n",
        n / 2
    );
    let mut tree = clouded(&format!("commit-{n}"), &level, &main);
    let mut add = |path: &str, text: String| {
        let file = model::config_tree::TreeFile {
            id: text.clone(),
            content: text.into_bytes().into(),
        };
        tree.files.insert(path.to_owned(), file);
    };
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: web}\nstringData: {password: '{{ .Cluster.ConfigItems.db_password }}'}\n";
    add("cluster/manifests/web/secret.yaml", secret.to_owned());
    if n % 3 == 2 {
        let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad, namespace: web}\ndata: {p: '{{ .Cluster.ConfigItems.db_password }}'}\n";
        add("cluster/manifests/zz/bad.yaml", bad.to_owned());
    }
    for extra in 0..n % 4 {
        let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra-{extra}, namespace: web}}\n");
        add(&format!("cluster/manifests/extra/e{extra}.yaml"), map);
    }
    tree
}

impl Fleet {
    async fn new(seed: u64, rules: Rules) -> Self {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let clock = Arc::new(SimClock::starting_at(start));
        let registry = Arc::new(MemoryRegistry::new(clock.clone()));
        let mut options = WorldOptions::new("1", "eu-central-1", seed).unthrottled();
        options.start = start;
        options.any_image = true;
        options.subnets = vec![SubnetSpec {
            id: "subnet-a".to_owned(),
            zone: 'a',
            tags: Tags::new(),
        }];
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
        cloud.set_faults(CloudFaults {
            calls: faults.map(|fault| CallRule::new(fault, &[]).per_mille(30)).into(),
            ..CloudFaults::default()
        });
        let (mut servers, mut writes) = (BTreeMap::new(), BTreeMap::new());
        let (mut faulty, mut sound) = (BTreeMap::new(), BTreeMap::new());
        for (n, alias) in (0_u64..).zip(CLUSTERS) {
            let mut entry = cluster(alias);
            entry
                .config_items
                .insert("db_password".parse().unwrap(), SECRET.to_owned());
            registry.create_cluster(entry, &context("setup")).await.unwrap();
            let server = ApiServer::new(clock.clone(), Arc::new(SeededIds::new(seed ^ n)));
            let log = Writes::default();
            let plan = FaultPlan::drawn(seed ^ (n + 1), clock.now(), Duration::from_secs(TROUBLE), 0.08);
            let ids = || Arc::new(SeededIds::new(seed ^ (n + 1_000)));
            let context = || Context::new(alias, clock.clone(), ids());
            let before = |inner| Oracle {
                inner,
                clock: clock.clone() as Arc<dyn Clock>,
                writes: log.clone(),
            };
            faulty.insert(
                alias.to_owned(),
                Access::from_service(context(), before(FaultyApi::over(server.clone(), plan))),
            );
            let calm = FaultyApi::over(server.clone(), FaultPlan::new(seed));
            sound.insert(alias.to_owned(), Access::from_service(context(), before(calm)));
            servers.insert(alias.to_owned(), server);
            writes.insert(alias.to_owned(), log);
        }
        Self {
            faulty: Arc::new(FaultyRegistry::new(registry.clone(), seed, 15)),
            access: Arc::new(Doors {
                faulty,
                sound,
                healed: Mutex::new(false),
            }),
            source: Arc::new(TestSource::new()),
            clock,
            registry,
            servers,
            writes,
            cloud,
            seed,
            rules,
        }
    }

    /// A manager that has no memory of earlier ones.
    fn manager(&self, life: u64) -> Manager {
        let reach = Reach {
            registry: self.faulty.clone(),
            ledger: self.faulty.clone(),
            configuration: Configuration::new(ConfigSources::new(vec![self.source.clone()]).unwrap()),
            connector: self.access.clone(),
            clouds: Arc::new(OneCloud(self.cloud.clone())),
            facts: Arc::new(OneCloud(self.cloud.clone())),
            clock: self.clock.clone(),
            ids: Arc::new(SeededIds::new(self.seed ^ (life << 20))),
            settings: Settings::default(),
        };
        let pace = Pace {
            rules: self.rules,
            ..Pace::default()
        };
        Manager::new(Arc::new(reach), pace)
    }

    fn heal(&self) {
        self.faulty.heal();
        self.cloud.set_faults(CloudFaults::default());
        *self.access.healed.lock().unwrap() = true;
    }

    async fn entry(&self, alias: &str) -> Cluster {
        self.registry
            .get_cluster(&cluster(alias).id, Detail::Full)
            .await
            .unwrap()
            .object
    }

    fn level(&self, alias: &str) -> Option<u32> {
        let map = self.servers[alias].read("", "configmaps", "web", "settings")?;
        map["data"]["level"].as_str()?.parse().ok()
    }
}

/// One seed from beginning to end.
async fn live(seed: u64, rules: Rules) -> Seen {
    let fleet = Fleet::new(seed, rules).await;
    let mut random = StdRng::seed_from_u64(seed);
    let mut seen = Seen::default();
    let mut commits = 1;
    let mut life = 0;
    let mut levels: BTreeMap<&str, u32> = BTreeMap::new();
    let mut blocked: BTreeMap<&str, (Timestamp, usize)> = BTreeMap::new();
    fleet.source.commit("dev", numbered(commits));
    let mut manager = None;
    let end = fleet.clock.now().as_second() + i64::try_from(TROUBLE).unwrap();
    while fleet.clock.now().as_second() < end {
        if manager.is_none() {
            life += 1;
            let next = fleet.manager(life);
            let wake = next.wake();
            manager = Some((tokio::spawn(next.run(std::future::pending())), wake));
        }
        let alias = CLUSTERS[random.random_range(0..CLUSTERS.len())];
        match random.random_range(0..10) {
            0..=2 => {
                commits += 1;
                fleet.source.commit("dev", numbered(commits));
                if let Some((_, wake)) = &manager
                    && random.random_bool(0.7)
                {
                    wake.configuration_moved();
                }
            }
            3..=4 if !blocked.contains_key(alias) => {
                let block = Block {
                    owner: "team".to_owned(),
                    ..Block::from_item("why (alice)")
                };
                let ids = SeededIds::new(random.random());
                let (ledger, id) = (&*fleet.registry, cluster(alias).id);
                blocks::set(ledger, &*fleet.clock, &ids, &id, block, &context("alice"))
                    .await
                    .unwrap();
                blocked.insert(alias, (fleet.clock.now(), fleet.writes[alias].lock().unwrap().len()));
            }
            5 if blocked.contains_key(alias) => {
                blocked.remove(alias);
                lift(&fleet, alias).await;
            }
            6 => {
                if let Some((task, _)) = manager.take() {
                    // Killed wherever it is; what it knew is gone.
                    task.abort();
                    let _ = task.await;
                }
            }
            7 => {
                let (id, key) = (cluster(alias).id, "replicas".parse().unwrap());
                let value = random.random_range(1..9).to_string();
                fleet
                    .registry
                    .put_config_item(&id, &key, &value, &context("bob"))
                    .await
                    .unwrap();
            }
            _ => {}
        }
        // In small steps, so that what happens in between is seen.
        for _ in 0..random.random_range(1..30) {
            fleet.clock.sleep(Duration::from_secs(random.random_range(1..20))).await;
            check(&fleet, &mut levels, &blocked, commits, &mut seen).await;
        }
    }
    for alias in blocked.into_keys() {
        lift(&fleet, alias).await;
    }
    fleet.heal();
    commits += if (commits + 1) % 3 == 2 { 2 } else { 1 };
    fleet.source.commit("dev", numbered(commits));
    if manager.is_none() {
        manager = Some((
            tokio::spawn(fleet.manager(life + 1).run(std::future::pending())),
            lifecycle::Wake::default(),
        ));
    }
    fleet.clock.sleep(Duration::from_secs(3 * 3_600)).await;
    check(&fleet, &mut levels, &BTreeMap::new(), commits, &mut seen).await;
    settled(&fleet, commits, &mut seen).await;
    if let Some((task, _)) = manager {
        task.abort();
    }
    seen.digest = digest(&fleet).await;
    seen
}

async fn lift(fleet: &Fleet, alias: &str) {
    let (ledger, registry) = (&*fleet.registry, &*fleet.registry);
    blocks::lift(
        ledger,
        registry,
        &*fleet.clock,
        &cluster(alias).id,
        None,
        &context("alice"),
    )
    .await
    .unwrap();
}

/// What must never happen.
async fn check<'a>(
    fleet: &Fleet,
    levels: &mut BTreeMap<&'a str, u32>,
    blocked: &BTreeMap<&'a str, (Timestamp, usize)>,
    commits: u32,
    seen: &mut Seen,
) where
    'static: 'a,
{
    for alias in CLUSTERS {
        seen.checks += 4;
        // V8: an older version never comes after a newer one.
        if let Some(level) = fleet.level(alias) {
            let last = levels.insert(alias, level).unwrap_or_default();
            if level < last || level > commits {
                seen.breaches.push(format!("V8 {alias}: level {level} after {last}"));
            }
        }
        // V4: nothing leaves for a blocked cluster after the moment in which the block was durable.
        if let Some((since, known)) = blocked.get(alias) {
            let writes = fleet.writes[alias].lock().unwrap();
            let late = writes.iter().skip(*known).find(|write| write.at > *since);
            if let Some(write) = late {
                seen.breaches.push(format!(
                    "V4 {alias}: {} at {} after the block of {since}",
                    write.line, write.at
                ));
            }
        }
        // V11: what we did not make stays.
        if fleet.servers[alias].read("", "namespaces", "", "kube-public").is_none() {
            seen.breaches.push(format!("V11 {alias}: kube-public is gone"));
        }
    }
    if fleet
        .cloud
        .stack("theirs")
        .await
        .is_ok_and(|stack| !stack.status.succeeded())
    {
        seen.breaches.push("V11: a stack of others was touched".to_owned());
    }
}

/// What must be so in the end: W1, W4, and nothing that was written holds a secret (V13).
async fn settled(fleet: &Fleet, commits: u32, seen: &mut Seen) {
    for alias in CLUSTERS {
        seen.checks += 3;
        let found = fleet.entry(alias).await;
        let wanted = model::ClusterVersion::of(format!("commit-{commits}"), &found).to_string();
        if found.status.current_version != wanted || !found.status.problems.is_empty() {
            seen.breaches
                .push(format!("W1 {alias}: {:?}, wanted {wanted}", found.status));
        }
        let extra = (0..4)
            .filter(|n| {
                fleet.servers[alias]
                    .read("", "configmaps", "web", &format!("extra-{n}"))
                    .is_some()
            })
            .count();
        if u32::try_from(extra).unwrap() != commits % 4 {
            seen.breaches
                .push(format!("W4 {alias}: {extra} extra objects at commit {commits}"));
        }
        if serde_json::to_string(&found.status).unwrap().contains(SECRET) {
            seen.breaches.push(format!("V13 {alias}: status"));
        }
    }
    for kind in ["update", "stacks", "prune-request"] {
        let filter = ports::ledger::EntryFilter::of(kind.parse().unwrap());
        let entries = fleet
            .registry
            .list_entries(&filter, &PageRequest::all())
            .await
            .unwrap()
            .items;
        for entry in entries {
            seen.checks += 1;
            if entry.body.to_string().contains(SECRET) {
                seen.breaches.push(format!("V13 {kind}/{}", entry.id));
            }
            if kind == "update" && entry.open {
                seen.breaches
                    .push(format!("W4: update {} is still open: {}", entry.id, entry.body));
            }
        }
    }
}

/// Everything that happened, as one number.
async fn digest(fleet: &Fleet) -> String {
    let mut hash = Sha256::new();
    for change in fleet.registry.changes(0, usize::MAX).await.unwrap() {
        hash.update(format!("{change:?}\n"));
    }
    for (alias, writes) in &fleet.writes {
        for write in writes.lock().unwrap().iter() {
            hash.update(format!("{alias} {} {}\n", write.at, write.line));
        }
    }
    hash.update(fleet.cloud.log_text());
    hex::encode(hash.finalize())
}

fn run(seed: u64, rules: Rules) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(live(seed, rules))
}

fn seeds(default: u64) -> u64 {
    std::env::var("FLEETWRIGHT_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Runs the seeds on two threads and adds up.
fn run_all(count: u64) -> (u64, Vec<String>) {
    let halves: Vec<_> = (0..2)
        .map(|half| {
            std::thread::spawn(move || {
                let mut total = (0, Vec::new());
                for seed in (half..count).step_by(2) {
                    let seen = run(seed, Rules::default());
                    total.0 += seen.checks;
                    total
                        .1
                        .extend(seen.breaches.iter().map(|breach| format!("seed {seed}: {breach}")));
                }
                total
            })
        })
        .collect();
    let mut all = (0, Vec::new());
    for half in halves {
        let (checks, breaches) = half.join().unwrap();
        all.0 += checks;
        all.1.extend(breaches);
    }
    all
}

#[test]
fn no_seed_breaks_a_promise() {
    let count = seeds(500);
    let (checks, breaches) = run_all(count);
    eprintln!("{count} seeds, {checks} checks, {} breaches", breaches.len());
    let shown: Vec<&String> = breaches.iter().take(5).collect();
    assert!(breaches.is_empty(), "{} breaches, such as {shown:#?}", breaches.len());
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let one = run(11, Rules::default()).digest;
    assert_eq!(one, run(11, Rules::default()).digest);
    assert_ne!(one, run(12, Rules::default()).digest);
}

#[test]
fn replay() {
    let Some(seed) = std::env::var("FLEETWRIGHT_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
    else {
        return;
    };
    let seen = run(seed, Rules::default());
    eprintln!("{seen:#?}");
    assert!(seen.breaches.is_empty());
}
