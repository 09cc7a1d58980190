//! A fleet of four channels, with an eye on everything that is in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube_access::{Access, Context};
use kube_sim::ApiServer;
use lifecycle::waves::{RunRecord, Turn, runs, turns};
use lifecycle::{Manager, Pace, Policies, Wake};
use model::config_tree::ConfigTree;
use model::{Cluster, ClusterVersion};
use plan::policy::{FleetPolicy, Limits};
use plan::waves::Phase;
use ports::registry::{ClusterFilter, Detail, ObjectKind, PageRequest};
use ports::{Clock, Registry};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::bench::{Bench, World, cluster};
use crate::updates::commit;

/// The channels in the order in which a commit walks through them, with their numbers of clusters.
pub(crate) const WHOLE: [(&str, usize); 4] = [("dev", 3), ("alpha", 1), ("beta", 65), ("stable", 79)];

pub(crate) struct Fleet {
    pub(crate) bench: Bench,
    pub(crate) policies: Policies,
    pub(crate) aliases: Vec<String>,
    wake: Option<Wake>,
    manager: Option<JoinHandle<()>>,
    watch: JoinHandle<()>,
    most: Arc<Mutex<Most>>,
    log: Arc<Mutex<Vec<Step>>>,
}

/// Something that happened to a cluster, by its alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// It was let begin.
    Begun(String),
    /// It has its version.
    Done(String),
}

/// The most that were in flight at one moment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Most {
    pub(crate) fleet: usize,
    pub(crate) accounts: usize,
    pub(crate) waves: usize,
}

/// Cluster `n` of a channel: every fifth has another type; half of beta and all of stable are production; two clusters share an
/// account.
fn one(channel: &str, n: usize, of: usize) -> Cluster {
    let alias = format!("{channel}-{n:02}");
    let production = channel == "stable" || (channel == "beta" && n * 2 >= of);
    let kind = if n % 5 == 4 { "gpu" } else { "plain" };
    Cluster {
        channel: channel.to_owned(),
        environment: if production { "production" } else { "test" }.to_owned(),
        criticality_level: if production { 2 } else { 1 },
        infrastructure_account: format!("aws:{channel}{}", n / 2).parse().unwrap(),
        config_items: [("cluster_type".parse().unwrap(), kind.to_owned())].into(),
        ..cluster(&alias)
    }
}

/// The way to a cluster that takes its time, so that updates do: what is in flight can be seen.
fn slow(context: Context, server: ApiServer) -> Access {
    let clock = Arc::clone(&context.clock);
    let service = tower::service_fn(move |request| {
        let (server, clock) = (server.clone(), Arc::clone(&clock));
        async move {
            clock.sleep(Duration::from_millis(300)).await;
            server.oneshot(request).await
        }
    });
    Access::from_service(context, service)
}

/// A configuration whose component `web` is refused by clusters of one type.
pub(crate) fn broken_for(id: &str, level: &str, kind: &str) -> ConfigTree {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: '{{{{ if eq .Cluster.ConfigItems.cluster_type \"{kind}\" }}}}Bad_Name\
         {{{{ else }}}}good{{{{ end }}}}', namespace: web}}\n"
    );
    commit(id, level, &[("cluster/manifests/zz/bad.yaml", &text)])
}

pub(crate) fn good(id: &str, level: &str) -> ConfigTree {
    commit(id, level, &[])
}

impl Fleet {
    /// Clusters of these channels, all brought to the commit `zero` before; nothing runs yet.
    pub(crate) async fn of(channels: &[(&str, usize)]) -> Self {
        let clusters = channels
            .iter()
            .flat_map(|(channel, of)| (0..*of).map(move |n| one(channel, n, *of)));
        let clusters: Vec<Cluster> = clusters.collect();
        let aliases = clusters.iter().map(|cluster| cluster.alias.to_string()).collect();
        let world = World {
            clusters,
            open: Box::new(slow),
            ..World::of(&[])
        };
        let (bench, _) = world.build().await;
        let (most, log) = (Arc::new(Mutex::new(Most::default())), Arc::new(Mutex::new(Vec::new())));
        let watch = tokio::spawn(watch(bench.registry.clone(), most.clone(), log.clone()));
        let mut fleet = Self {
            policies: bench.reach.settings.policies.clone(),
            bench,
            aliases,
            wake: None,
            manager: None,
            watch,
            most,
            log,
        };
        fleet.policies.replace(open_policy());
        for (channel, _) in channels {
            fleet.bench.source.commit(channel, good("zero", "0"));
        }
        fleet.start();
        fleet
            .until("all are at commit zero", 3, async |fleet| {
                fleet.behind(None, "zero").await.is_empty()
            })
            .await;
        fleet.policies.replace(unchecked());
        *fleet.most.lock().unwrap() = Most::default();
        fleet.log.lock().unwrap().clear();
        fleet
    }

    /// Starts a manager, in the place of one that is dropped where it stands.
    pub(crate) fn start(&mut self) {
        self.start_with(Pace::default());
    }

    pub(crate) fn start_with(&mut self, pace: Pace) {
        self.stop();
        let pace = Pace {
            waves: true,
            // Tests wake it when a channel moves.
            refresh: std::time::Duration::from_secs(3_600),
            ..pace
        };
        let manager = Manager::new(Arc::clone(&self.bench.reach), pace);
        self.wake = Some(manager.wake());
        self.manager = Some(tokio::spawn(manager.run(std::future::pending())));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(manager) = self.manager.take() {
            manager.abort();
        }
    }

    /// Moves a channel.
    pub(crate) fn commit(&self, channel: &str, tree: ConfigTree) {
        self.bench.source.commit(channel, tree);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(wake) = &self.wake {
            wake.configuration_moved();
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.bench.clock.now()
    }

    pub(crate) async fn clusters(&self) -> Vec<Cluster> {
        all(&*self.bench.registry).await
    }

    /// Aliases of clusters, of a channel or of all, that are not at a commit.
    pub(crate) async fn behind(&self, channel: Option<&str>, commit: &str) -> Vec<String> {
        let clusters = self.clusters().await.into_iter();
        clusters
            .filter(|cluster| channel.is_none_or(|channel| cluster.channel == channel))
            .filter(|cluster| cluster.status.current_version != ClusterVersion::of(commit, cluster).to_string())
            .map(|cluster| cluster.alias.to_string())
            .collect()
    }

    /// Aliases of clusters on which an update to a commit was begun, done or not.
    pub(crate) async fn touched(&self, commit: &str) -> BTreeSet<String> {
        let of = |version: &str| ClusterVersion::parse(version).config == commit;
        let clusters = self.clusters().await.into_iter();
        clusters
            .filter(|cluster| of(&cluster.status.current_version) || of(&cluster.status.next_version))
            .map(|cluster| cluster.alias.to_string())
            .collect()
    }

    pub(crate) async fn run(&self, channel: &str) -> RunRecord {
        runs(&*self.bench.registry).await.unwrap().remove(channel).unwrap()
    }

    pub(crate) async fn phase(&self, channel: &str) -> Phase {
        self.run(channel).await.phase
    }

    /// Who was let begin last, by alias.
    pub(crate) async fn turns(&self) -> BTreeMap<String, Turn> {
        let turns = turns(&*self.bench.registry).await.unwrap();
        let alias = |id: model::ClusterId| id.as_str().rsplit(':').next().unwrap().to_owned();
        turns.into_iter().map(|(id, turn)| (alias(id), turn)).collect()
    }

    pub(crate) fn most(&self) -> Most {
        self.most.lock().unwrap().clone()
    }

    /// Whether all of these were done before any of those began. Times do not tell: calls take none here.
    pub(crate) fn before(&self, these: &[String], those: &[String]) -> bool {
        let log = self.log.lock().unwrap();
        let done = log
            .iter()
            .rposition(|step| matches!(step, Step::Done(alias) if these.contains(alias)));
        let begun = log
            .iter()
            .position(|step| matches!(step, Step::Begun(alias) if those.contains(alias)));
        done.is_some() && begun.is_some() && done < begun
    }

    /// The first that was let begin since the fleet is there, or since this was asked last.
    pub(crate) fn first(&self) -> Option<String> {
        let mut log = self.log.lock().unwrap();
        let first = log.iter().find_map(|step| match step {
            Step::Begun(alias) => Some(alias.clone()),
            Step::Done(_) => None,
        });
        log.clear();
        first
    }

    /// Lets time pass until something holds, for so many hours at most.
    pub(crate) async fn until(&self, what: &str, hours: i64, holds: impl AsyncFn(&Self) -> bool) {
        // Seconds at first, then minutes: who waits for days need not look every second.
        let end = self.now().checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
        for step in 0_u64.. {
            if holds(self).await {
                return;
            }
            if self.now() > end {
                break;
            }
            self.bench.pass_time((step / 20).clamp(2, 300)).await;
        }
        panic!(
            "{what}: not within {hours} hours; {:?}",
            runs(&*self.bench.registry).await
        );
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop();
        self.watch.abort();
    }
}

async fn all(registry: &dyn Registry) -> Vec<Cluster> {
    let (filter, all) = (ClusterFilter::default(), PageRequest::all());
    let found = registry.list_clusters(&filter, Detail::Full, &all).await.unwrap();
    found.items.into_iter().map(|found| found.object).collect()
}

/// Looks at what is in flight whenever a cluster changes (V5).
async fn watch(registry: Arc<store::MemoryRegistry>, most: Arc<Mutex<Most>>, log: Arc<Mutex<Vec<Step>>>) {
    let mut feed = registry.watch(0).await.unwrap();
    let mut flying: BTreeMap<String, Cluster> = BTreeMap::new();
    while let Some(Ok(change)) = feed.next().await {
        let alias = change.id.rsplit(':').next().unwrap_or_default().to_owned();
        if change.kind == ObjectKind::Entry && change.id.starts_with("turn/") {
            log.lock().unwrap().push(Step::Begun(alias));
            continue;
        }
        if change.kind != ObjectKind::Cluster {
            continue;
        }
        let found = registry
            .get_cluster(&change.id.parse().unwrap(), Detail::Full)
            .await
            .unwrap()
            .object;
        if found.status.next_version.is_empty() && flying.contains_key(&change.id) {
            log.lock().unwrap().push(Step::Done(alias));
        }
        flying.insert(change.id, found);
        flying.retain(|_, cluster| !cluster.status.next_version.is_empty());
        let most_of = |key: &dyn Fn(&Cluster) -> String| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for cluster in flying.values() {
                *counts.entry(key(cluster)).or_default() += 1;
            }
            counts.into_values().max().unwrap_or_default()
        };
        let accounts = most_of(&|cluster| cluster.infrastructure_account.to_string());
        let waves = most_of(&|cluster| {
            format!(
                "{} {} {}",
                cluster.channel, cluster.environment, cluster.criticality_level
            )
        });
        let mut most = most.lock().unwrap();
        most.fleet = most.fleet.max(flying.len());
        most.accounts = most.accounts.max(accounts);
        most.waves = most.waves.max(waves);
    }
}

/// The default rules without health checks: what is updated is done.
pub(crate) fn unchecked() -> FleetPolicy {
    FleetPolicy::parse("kind: FleetPolicy\nhealth: {checkTime: 0s, checkTimes: []}\n").unwrap()
}

/// Everything at once: for bringing a fleet up.
fn open_policy() -> FleetPolicy {
    let mut policy = FleetPolicy {
        limits: Limits {
            wave: 200,
            account: 200,
            fleet: 200,
            urgent: 200,
        },
        ..unchecked()
    };
    policy.waves.environments = vec!["*".to_owned()];
    policy.waves.by_criticality = false;
    policy.waves.canary.per_type = 0;
    policy.waves.steps.clear();
    policy
}
