//! Raises the simulated fleet: clusters that stand at the versions that the registry remembers, with nodes and workloads.
//!
//! Nothing is faked: a lifecycle manager of its own makes stacks and applies manifests from the commits that the clusters
//! were at, over a registry in memory, on a runtime whose time is paused, so that hours pass while the machine works. The
//! program's own manager takes over the fleet that stands then. What users had changed in clusters by hand is not kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sim::{ApiLimits, Span, Timings, WorldOptions};
use control::{CloudFacts, CloudsByProvider};
use git_source::GitSource;
use json_tree::Value;
use kube_access::{Access, Context};
use kube_sim::{ApiServer, FaultyApi};
use kube_world::autoscaler::Options;
use lifecycle::connect::{CloudSource, Connector, Trouble};
use lifecycle::queue::Limits;
use lifecycle::{Configuration, Manager, Pace, Policies, Reach, Settings};
use model::{Block, Cluster, ClusterId, ClusterStatus, ClusterVersion, InfrastructureAccount, LifecycleStatus};
use ports::config_source::{ConfigSource, ConfigSources};
use ports::ledger::{Entry, EntryFilter};
use ports::registry::{ClusterFilter, Detail, PageRequest};
use ports::{Classified, Clock, Fault, Ledger, Registry, Retry, SeededIds, WriteContext};
use render::FactsFile;
use store::MemoryRegistry;
use twin::{ClusterSpec, Fleet, FleetSpec, SharedFleet};

use super::clock::WorldClock;
use super::{demo, example};
use crate::failure::Failure;
use crate::prometheus::HttpPrometheus;

/// All that is random in the demo follows from it.
const SEED: u64 = 20_240_601;
/// How much simulated time clusters get to come up, and how often they are looked at.
const PATIENCE: Duration = Duration::from_secs(3 * 3_600);
const LOOK: Duration = Duration::from_secs(10);
/// Kinds of ledger entries that tell a manager what it finds in clusters and clouds.
const MEMORIES: [&str; 2] = ["applied", "stacks"];

/// What a fleet is raised from.
pub(super) struct Plan {
    pub(super) accounts: Vec<InfrastructureAccount>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) source: Arc<GitSource>,
}

/// A simulated fleet.
pub(super) struct World {
    pub(super) fleet: SharedFleet,
    pub(super) members: Vec<Member>,
    /// What a manager remembers of it.
    pub(super) memories: Vec<Entry>,
    /// What did not come up, in sentences.
    pub(super) troubles: Vec<String>,
    pub(super) nodes: usize,
    pub(super) pods: usize,
    /// A cluster and a node of it that can be drained: no pod there refuses to go.
    pub(super) drainable: Option<(String, String)>,
}

/// A simulated cluster.
pub(super) struct Member {
    pub(super) id: ClusterId,
    pub(super) alias: String,
    pub(super) api: FaultyApi<ApiServer>,
    pub(super) server: ApiServer,
}

/// Raises the fleet. It blocks the thread that it is called on, which must not be one of a runtime.
///
/// # Errors
/// When the fleet cannot be built at all; clusters that do not come up are told in the result.
pub(super) fn raise(plan: Plan, clock: &Arc<WorldClock>) -> Result<World, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(|error| Failure::of(&error).while_doing("raising the fleet"))?;
    let world = runtime.block_on(async {
        clock.raise();
        raised(plan, clock).await
    });
    clock.live();
    world
}

async fn raised(plan: Plan, clock: &Arc<WorldClock>) -> Result<World, Failure> {
    let all: Vec<&Cluster> = plan.clusters.iter().collect();
    let fleet = Fleet::build(fleet_spec(&all), clock.clone())
        .await
        .map_err(|error| Failure::of(&error).while_doing("raising the fleet"))?;
    let members: Vec<Member> = members(&fleet, &plan.clusters);
    let clouds: Arc<dyn CloudSource> = Arc::new(CloudsByProvider::new(Arc::new(fleet.clouds().clone())));
    let scratch = Arc::new(MemoryRegistry::new(clock.clone()));
    let wanted = fill(&scratch, &plan).await?;
    let reach = reach(Parts {
        registry: scratch.clone(),
        ledger: scratch.clone(),
        source: plan.source.clone(),
        accesses: accesses(&members, clock.clone(), 1.0),
        clouds,
        clock: clock.clone(),
        policies: Policies::default(),
    })?;
    let shared = SharedFleet::new(fleet);
    let world = shared.clone();
    let life = tokio::spawn(async move { world.run().await });
    let manager = tokio::spawn(Manager::new(Arc::new(reach), pace()).run(std::future::pending()));
    let troubles = stands(&scratch, &shared, &wanted, &**clock).await?;
    manager.abort();
    life.abort();
    // Both are at rest: nothing else runs on this thread, and time stands still until somebody sleeps.
    let (_, _) = (manager.await, life.await);
    let memories = memories(&scratch).await?;
    let mut fleet = shared.hold().await;
    for cluster in &plan.clusters {
        let settled = fleet.with(cluster.id.as_str(), |one| {
            one.settle_profile(demo::profile(cluster), demo::open_pools(cluster))
        });
        settled
            .and_then(|done| done)
            .map_err(|error| Failure::of(&error).while_doing("raising the fleet"))?;
    }
    fleet.look();
    fleet.settle().await;
    let count = |resource| {
        fleet
            .clusters()
            .iter()
            .map(|one| one.server().read_all("", resource, "").len())
            .sum()
    };
    let (nodes, pods) = (count("nodes"), count("pods"));
    let drainable = drainable(&fleet, &plan.clusters);
    drop(fleet);
    Ok(World {
        fleet: shared,
        members,
        memories,
        troubles,
        nodes,
        pods,
        drainable,
    })
}

/// A node of the default pool without troublemakers, best in a cluster that is blocked: no update replaces it meanwhile.
fn drainable(fleet: &Fleet, clusters: &[Cluster]) -> Option<(String, String)> {
    let blocked = |cluster: &&Cluster| !cluster.config_items.contains_key(Block::CONFIG_ITEM);
    let mut ordered: Vec<&Cluster> = clusters.iter().collect();
    ordered.sort_by_key(blocked);
    ordered.into_iter().find_map(|cluster| {
        let server = fleet.cluster(cluster.id.as_str()).ok()?.server();
        let (nodes, pods) = (server.read_all("", "nodes", ""), server.read_all("", "pods", ""));
        let trouble = |name: &str| {
            let of = |pod: &Value| pod["spec"]["nodeName"] == name && pod["metadata"]["namespace"] == "trouble";
            pods.iter().any(of)
        };
        let pool = |node: &&Value| node["metadata"]["labels"]["node.kubernetes.io/node-pool"] == "worker-default";
        let names = nodes
            .iter()
            .filter(pool)
            .filter_map(|node| node["metadata"]["name"].as_str());
        let name = names.into_iter().find(|name| !trouble(name))?;
        Some((cluster.alias.to_string(), name.to_owned()))
    })
}

fn fleet_spec(clusters: &[&Cluster]) -> FleetSpec {
    let mut spec = FleetSpec::new(SEED);
    for cluster in clusters {
        let account = cluster.infrastructure_account.as_str();
        let account = account.rsplit(':').next().unwrap_or(account);
        let mut one = ClusterSpec::new(cluster.id.as_str())
            .alias(cluster.alias.as_str())
            .place(account, &cluster.region)
            .pods_per_node(demo::PODS_PER_NODE)
            .autoscaler(autoscaler());
        one.webhooks = false;
        spec = spec.cluster(one);
    }
    spec.cloud = Some(WorldOptions {
        timings: timings(),
        limits: ApiLimits::none(),
        ..WorldOptions::new("", "", SEED)
    });
    spec
}

/// Pools over zones stay even. Only nodes with next to nothing on them are taken away: moving pods is what rollouts do, under
/// the contract, and a node that they drain must not be drained by another rule meanwhile.
fn autoscaler() -> Options {
    Options {
        balance_similar: true,
        utilization_threshold: 0.1,
        ..Options::default()
    }
}

/// A brisk cloud: at the speed of 1 somebody sits before it and waits.
fn timings() -> Timings {
    Timings {
        boot: Span::seconds(2, 6),
        boot_stragglers_per_mille: 0,
        shutdown: Span::seconds(3, 8),
        reaction: Span::seconds(1, 2),
        health_check: Span::seconds(5, 15),
        stack_percent: 20,
        node_percent: 20,
        ..Timings::default()
    }
}

fn members(fleet: &Fleet, clusters: &[Cluster]) -> Vec<Member> {
    let of = |cluster: &Cluster| {
        let found = fleet.cluster(cluster.id.as_str()).ok()?;
        Some(Member {
            id: cluster.id.clone(),
            alias: cluster.alias.to_string(),
            api: found.api(),
            server: found.server().clone(),
        })
    };
    clusters.iter().filter_map(of).collect()
}

/// As many passes at a time as there are clusters, and nobody asks git anew.
fn pace() -> Pace {
    Pace {
        limits: Limits {
            fleet: usize::MAX,
            account: usize::MAX,
            ..Limits::default()
        },
        refresh: PATIENCE * 10,
        ..Pace::default()
    }
}

/// Registers the clusters that stood before, each asked for anew at the commit that it was at.
async fn fill(scratch: &MemoryRegistry, plan: &Plan) -> Result<Vec<Cluster>, Failure> {
    let context = WriteContext::by("fleetwright up", "raise");
    for account in &plan.accounts {
        scratch.create_account(account.clone(), &context).await?;
    }
    let mut wanted = Vec::new();
    for cluster in &plan.clusters {
        let stood = matches!(
            cluster.lifecycle_status,
            LifecycleStatus::Ready | LifecycleStatus::DecommissionRequested
        );
        let commit = ClusterVersion::parse(&cluster.status.current_version).config;
        if !stood || commit.is_empty() {
            continue;
        }
        let mut entry = Cluster {
            channel: commit,
            lifecycle_status: LifecycleStatus::Requested,
            status: ClusterStatus::default(),
            ..cluster.clone()
        };
        // A block stops updates, not the raising of what was there.
        entry.config_items.remove(Block::CONFIG_ITEM);
        entry.config_items.remove("override_channel");
        scratch.create_cluster(entry, &context).await?;
        wanted.push(cluster.clone());
    }
    Ok(wanted)
}

/// Waits until all clusters are ready and have their nodes; what is not in time is told.
async fn stands(
    scratch: &MemoryRegistry,
    fleet: &SharedFleet,
    wanted: &[Cluster],
    clock: &dyn Clock,
) -> Result<Vec<String>, Failure> {
    let end = clock.now().saturating_add(PATIENCE).unwrap_or(clock.now());
    loop {
        let listed = scratch
            .list_clusters(&ClusterFilter::default(), Detail::Brief, &PageRequest::all())
            .await?;
        let listed: BTreeMap<String, Cluster> = listed
            .items
            .into_iter()
            .map(|one| (one.object.id.to_string(), one.object))
            .collect();
        let mut missing = Vec::new();
        {
            let fleet = fleet.hold().await;
            for cluster in wanted {
                let entry = listed.get(cluster.id.as_str());
                let problem = entry.and_then(|entry| entry.status.problems.last());
                if entry.is_none_or(|entry| entry.lifecycle_status != LifecycleStatus::Ready) {
                    let why = problem.map_or("it is still being made", |problem| problem.title.as_str());
                    missing.push(format!("cluster {} did not come up: {why}", cluster.alias));
                    continue;
                }
                let least: i64 = cluster.node_pools.iter().map(|pool| pool.min_size).sum();
                let world = fleet.cluster(cluster.id.as_str()).map(|one| one.world().view());
                let ready = world.map_or(0, |view| view.nodes().filter(|node| node.is_ready()).count());
                if i64::try_from(ready).unwrap_or(i64::MAX) < least {
                    missing.push(format!("cluster {} has {ready} of its {least} nodes", cluster.alias));
                }
            }
        }
        if missing.is_empty() || clock.now() >= end {
            return Ok(missing);
        }
        clock.sleep(LOOK).await;
    }
}

async fn memories(scratch: &MemoryRegistry) -> Result<Vec<Entry>, Failure> {
    let mut all = Vec::new();
    for kind in MEMORIES {
        let kind = kind.parse().map_err(|error: model::Invalid| Failure::of(&error))?;
        let page = scratch
            .list_entries(&EntryFilter::of(kind), &PageRequest::all())
            .await?;
        all.extend(page.items);
    }
    Ok(all)
}

/// What a manager of the simulated fleet works with.
pub(super) struct Parts {
    pub(super) registry: Arc<dyn Registry>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) source: Arc<GitSource>,
    pub(super) accesses: BTreeMap<ClusterId, Access>,
    pub(super) clouds: Arc<dyn CloudSource>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) policies: Policies,
}

/// The ports of a manager of the simulated fleet.
///
/// # Errors
/// When the example's facts or the source make no sense, which tests rule out.
pub(super) fn reach(parts: Parts) -> Result<Reach, Failure> {
    let given = FactsFile::parse(example::FACTS).map_err(|error| Failure::of(&error))?;
    let mut given = given.defaults;
    // These come from the cluster's own stack.
    given.stack_outputs = None;
    let sources: Vec<Arc<dyn ConfigSource>> = vec![parts.source.clone()];
    let sources = ConfigSources::new(sources).map_err(|error| Failure::of(&error))?;
    let settings = Settings {
        prometheus: Some(Arc::new(HttpPrometheus::new()?)),
        promote: Some(parts.source),
        policies: parts.policies,
        ..Settings::default()
    };
    Ok(Reach {
        registry: parts.registry,
        ledger: parts.ledger,
        configuration: Configuration::new(sources),
        connector: Arc::new(Simulated(parts.accesses)),
        facts: Arc::new(CloudFacts::new(parts.clouds.clone(), parts.clock.clone(), given)),
        clouds: parts.clouds,
        clock: parts.clock,
        ids: Arc::new(ports::SystemIds),
        settings,
    })
}

/// Handles on the APIs of simulated clusters, in the runtime that this is called in. `speed` is how fast their time runs:
/// a request may take as long as it would in real time.
pub(super) fn accesses(members: &[Member], clock: Arc<dyn Clock>, speed: f64) -> BTreeMap<ClusterId, Access> {
    let open = |member: &Member| {
        let ids = Arc::new(SeededIds::child(SEED, member.id.as_str()));
        let mut context = Context::new(&member.alias, clock.clone(), ids);
        context.settings.timeout = context.settings.timeout.mul_f64(speed.max(1.0));
        (member.id.clone(), Access::from_service(context, member.api.clone()))
    };
    members.iter().map(open).collect()
}

/// Opens the APIs of simulated clusters.
struct Simulated(BTreeMap<ClusterId, Access>);

/// A cluster that was registered while the demo ran.
#[derive(Debug, thiserror::Error)]
#[error("cluster {0} was registered after the simulated fleet was raised; start fleetwright up again to have it made")]
struct NotRaised(String);

impl Classified for NotRaised {
    fn fault(&self) -> Fault {
        Fault::User
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

#[async_trait]
impl Connector for Simulated {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        let found = self.0.get(&cluster.id).cloned();
        found.ok_or_else(|| Box::new(NotRaised(cluster.alias.to_string())) as Trouble)
    }
}
