//! The twin: clouds, living clusters, a registry and the engine's reach into them, at the version before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use cloud_sim::{SimClouds, SubnetSpec, WorldOptions};
use jiff::SignedDuration;
use json_tree::Value;
use kube_access::{Access, Context};
use kube_sim::ApiServer;
use lifecycle::{Configuration, Manager, Pace, Policies, Reach, Settings, Standing};
use model::{AccountLifecycle, Block, ClusterId, ClusterStatus, ConfigKey, InfrastructureAccount};
use ports::cloud::{Group, GroupSize, NodeGroups, Tags};
use ports::config_source::{ConfigSource, ConfigSources};
use ports::{Clock, Registry, SeededIds, SimClock, WriteContext};
use store::MemoryRegistry;
use tokio::task::JoinHandle;
use twin::{ClusterSpec, Fleet, FleetSpec, Furnishing, Shape, SharedFleet};

use crate::doors::{Doors, Skies, Watched};
use crate::error::RehearseError;
use crate::expect::Expected;
use crate::observe::Notes;
use crate::scenario::{ClusterInput, Scenario, Workload};
use crate::source::MovingSource;
use crate::workload::{adopt, aged, sizes, with_pools};

/// How long before the start the twin begins: time enough for stacks, nodes and pods.
const LEAD: SignedDuration = SignedDuration::from_hours(6);
/// How long nodes may take to join when the twin is built.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// One cluster of the twin.
pub(crate) struct Member {
    pub(crate) id: ClusterId,
    pub(crate) alias: String,
    pub(crate) server: ApiServer,
    pub(crate) notes: Notes,
    pub(crate) expected: Arc<Expected>,
    /// Nodes that stand for real ones.
    pub(crate) stands_for: BTreeMap<String, String>,
    /// Account and region.
    pub(crate) place: (String, String),
}

/// The twin of a fleet. It lives as long as the value.
pub(crate) struct Twin {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clouds: SimClouds,
    pub(crate) registry: Arc<MemoryRegistry>,
    pub(crate) reach: Arc<Reach>,
    pub(crate) members: Vec<Member>,
    /// The configuration stands at the version after.
    pub(crate) moved: Arc<AtomicBool>,
    fleet: SharedFleet,
    driver: JoinHandle<()>,
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Who writes when the twin is built.
pub(crate) fn context() -> WriteContext {
    WriteContext::by("rehearsal", "rehearsal")
}

/// Builds the twin and brings it to the version before. It ends at the start of the scenario.
pub(crate) async fn build(scenario: &Scenario, seed: u64, expected: Vec<Arc<Expected>>) -> Result<Twin, RehearseError> {
    let begin = scenario.start.saturating_sub(LEAD).unwrap_or(scenario.start);
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at(begin));
    let fleet = Fleet::build(fleet_spec(scenario, seed, &clock), Arc::clone(&clock)).await?;
    let clouds = fleet.clouds().clone();
    let registry = Arc::new(MemoryRegistry::new(Arc::clone(&clock)));
    fill_registry(scenario, &registry).await?;
    let moved = Arc::new(AtomicBool::new(false));
    let mut members = Vec::new();
    let mut doors = BTreeMap::new();
    for ((of, living), expected) in scenario.clusters.iter().zip(fleet.clusters()).zip(expected) {
        let id = of.cluster.id.clone();
        let member = Member {
            alias: of.cluster.alias.to_string(),
            server: living.server().clone(),
            notes: Notes::default(),
            stands_for: BTreeMap::new(),
            place: place_of(of),
            expected,
            id,
        };
        let watched = Watched {
            inner: living.api(),
            server: member.server.clone(),
            clock: Arc::clone(&clock),
            notes: member.notes.clone(),
        };
        let ids = Arc::new(SeededIds::child(seed, &format!("jitter/{}", member.alias)));
        let context = Context::new(&member.alias, Arc::clone(&clock), ids);
        doors.insert(member.id.to_string(), Access::from_service(context, watched));
        members.push(member);
    }
    let fleet = SharedFleet::new(fleet);
    let driver = tokio::task::spawn_local({
        let fleet = fleet.clone();
        async move { fleet.run().await }
    });
    let reach = Arc::new(reach(scenario, seed, &clock, &registry, &clouds, doors, &moved)?);
    let mut twin = Twin {
        clock,
        clouds,
        registry,
        reach,
        members,
        moved,
        fleet,
        driver,
    };
    twin.bring_up(scenario).await?;
    twin.grow(scenario).await?;
    twin.furnish(scenario, seed).await?;
    twin.block(scenario).await?;
    let left = scenario.start.duration_since(twin.clock.now());
    twin.clock.sleep(Duration::try_from(left).unwrap_or_default()).await;
    Ok(twin)
}

/// Number of the account and region.
fn place_of(of: &ClusterInput) -> (String, String) {
    let account = of.cluster.infrastructure_account.as_str();
    let number = account.rsplit(':').next().unwrap_or(account);
    (number.to_owned(), of.cluster.region.clone())
}

fn fleet_spec(scenario: &Scenario, seed: u64, clock: &Arc<dyn Clock>) -> FleetSpec {
    let mut options = WorldOptions::new("", "", seed);
    options.subnets = subnets(scenario);
    let mut vpcs: BTreeSet<String> = scenario
        .clusters
        .iter()
        .filter_map(|of| of.facts.vpc_id.clone())
        .collect();
    options.vpc = vpcs.pop_first().unwrap_or_default();
    options.other_vpcs = vpcs;
    let catalogue = SimClouds::new(options.clone(), Arc::clone(clock)).sim("0", "eu-central-1");
    let shape = |name: &str| match catalogue.machine_type(name) {
        Some(found) => Shape {
            instance_type: found.name,
            cpu: found.vcpu.to_string(),
            memory: found.memory.to_string(),
            pods: found.max_pods,
        },
        None => Shape::default(),
    };
    let mut spec = FleetSpec::new(seed);
    spec.cloud = Some(options);
    for of in &scenario.clusters {
        let (account, region) = place_of(of);
        let cluster = ClusterSpec::new(of.cluster.id.as_str())
            .alias(of.cluster.alias.as_str())
            .place(&account, &region)
            .joined();
        spec = spec.cluster(with_pools(cluster, of, shape));
    }
    spec
}

/// The subnets that the facts name; the last letter of a zone says which one it is.
fn subnets(scenario: &Scenario) -> Vec<SubnetSpec> {
    let mut known = BTreeSet::new();
    for facts in scenario.clusters.iter().map(|of| &of.facts) {
        let maps = [
            &facts.subnets,
            &facts.lb_subnets,
            &facts.internal_node_subnets,
            &facts.pod_subnets,
        ];
        for (zone, subnet) in maps.into_iter().flatten().flatten() {
            if let Some(letter) = zone.chars().last().filter(char::is_ascii_lowercase) {
                known.insert((subnet.clone(), letter));
            }
        }
    }
    let spec = |(id, zone): (String, char)| SubnetSpec {
        id,
        zone,
        tags: Tags::new(),
    };
    known.into_iter().map(spec).collect()
}

async fn fill_registry(scenario: &Scenario, registry: &MemoryRegistry) -> Result<(), RehearseError> {
    let refused = |what: String| move |source| RehearseError::Registry { what, source };
    let mut known = BTreeSet::new();
    for of in &scenario.clusters {
        if known.insert(&of.cluster.infrastructure_account) {
            registry
                .create_account(account(of), &context())
                .await
                .map_err(refused(format!("account {}", of.cluster.infrastructure_account)))?;
        }
    }
    for of in &scenario.clusters {
        let mut cluster = of.cluster.clone();
        cluster.status = ClusterStatus::default();
        // A block would keep the twin from the version before as well; it is set again when that is reached.
        cluster.config_items.retain(|key, _| key.as_str() != Block::CONFIG_ITEM);
        registry
            .create_cluster(cluster, &context())
            .await
            .map_err(refused(format!("cluster {}", of.cluster.alias)))?;
    }
    Ok(())
}

/// The account of a cluster, as far as templates see it.
fn account(of: &ClusterInput) -> InfrastructureAccount {
    let id = &of.cluster.infrastructure_account;
    let (kind, number) = id.as_str().split_once(':').unwrap_or(("aws", id.as_str()));
    let or = |text: &str, other: &str| {
        if text.is_empty() {
            other.to_owned()
        } else {
            text.to_owned()
        }
    };
    InfrastructureAccount {
        id: id.clone(),
        kind: kind.to_owned(),
        name: or(&of.account_name, number),
        owner: or(&of.owner, "unknown"),
        cost_center: "unknown".to_owned(),
        environment: of.cluster.environment.clone(),
        criticality_level: of.cluster.criticality_level,
        external_id: number.to_owned(),
        lifecycle_status: AccountLifecycle::Ready,
    }
}

fn reach(
    scenario: &Scenario,
    seed: u64,
    clock: &Arc<dyn Clock>,
    registry: &Arc<MemoryRegistry>,
    clouds: &SimClouds,
    doors: BTreeMap<String, Access>,
    moved: &Arc<AtomicBool>,
) -> Result<Reach, RehearseError> {
    let each = scenario
        .sources
        .iter()
        .map(|sides| -> Arc<dyn ConfigSource> { Arc::new(MovingSource::new(sides.clone(), Arc::clone(moved))) });
    let sources = ConfigSources::new(each.collect()).map_err(|error| RehearseError::Sources(error.to_string()))?;
    let facts = scenario
        .clusters
        .iter()
        .map(|of| (of.cluster.id.to_string(), Arc::clone(&of.facts)));
    let skies = Arc::new(Skies {
        clouds: clouds.clone(),
        facts: facts.collect(),
    });
    Ok(Reach {
        registry: registry.clone(),
        ledger: registry.clone(),
        configuration: Configuration::new(sources),
        connector: Arc::new(Doors(doors)),
        clouds: skies.clone(),
        facts: skies,
        clock: Arc::clone(clock),
        ids: Arc::new(SeededIds::child(seed, "engine")),
        settings: Settings {
            policies: Policies::new(scenario.policy.clone().unwrap_or_default()),
            ..Settings::default()
        },
    })
}

impl Twin {
    /// Lets the manager bring every cluster to the version before.
    async fn bring_up(&self, scenario: &Scenario) -> Result<(), RehearseError> {
        if self.members.is_empty() {
            return Ok(());
        }
        let manager = Manager::new(Arc::clone(&self.reach), Pace::default());
        let standing = manager.run_once().await.map_err(|source| RehearseError::Registry {
            what: "the list of clusters".to_owned(),
            source,
        })?;
        for (cluster, standing) in standing {
            let why = match standing {
                Standing::AsWanted(_) => continue,
                Standing::Failing(why)
                | Standing::Waiting(why)
                | Standing::Queued(why)
                | Standing::Stopped(why)
                | Standing::Blocked(why) => why,
                Standing::New | Standing::Running => "its update did not end".to_owned(),
            };
            return Err(RehearseError::NotThere {
                cluster,
                from: scenario.from.clone(),
                why,
            });
        }
        Ok(())
    }

    /// The groups of a cluster's pool.
    pub(crate) fn groups(&self, member: &Member, pool: Option<&str>) -> Vec<Group> {
        let sim = self.clouds.sim(&member.place.0, &member.place.1);
        let owner = rollout::names::cluster_tag(member.id.as_str());
        let mut groups = sim.groups_now();
        groups.retain(|group| {
            let of_pool = group.tags.get(rollout::names::POOL_TAG).map(String::as_str);
            group.tags.contains_key(&owner) && of_pool.is_some() && (pool.is_none() || of_pool == pool)
        });
        groups
    }

    /// Gives every pool its nodes and waits for them.
    async fn grow(&self, scenario: &Scenario) -> Result<(), RehearseError> {
        let mut wanted: Vec<(usize, String, u32)> = Vec::new();
        for (at, (of, member)) in scenario.clusters.iter().zip(&self.members).enumerate() {
            let sim = self.clouds.sim(&member.place.0, &member.place.1);
            for (pool, size) in sizes(of) {
                let groups = self.groups(member, Some(&pool));
                let mut left = size;
                for (place, group) in groups.iter().enumerate() {
                    let rest = u32::try_from(groups.len() - place).unwrap_or(1);
                    let share = left.div_ceil(rest).clamp(group.min, group.max);
                    left = left.saturating_sub(share);
                    let size = GroupSize {
                        min: None,
                        max: None,
                        desired: Some(share),
                    };
                    sim.resize_group(&group.name, size)
                        .await
                        .map_err(|source| RehearseError::Cloud {
                            cluster: member.alias.clone(),
                            source,
                        })?;
                }
                if !groups.is_empty() {
                    wanted.push((at, pool, size - left));
                }
            }
        }
        let end = self.clock.now().saturating_add(PATIENCE).unwrap_or(scenario.start);
        loop {
            self.clock.sleep(Duration::from_secs(20)).await;
            let missing = wanted.iter().find_map(|(at, pool, size)| {
                let member = self.members.get(*at)?;
                let ready = ready_nodes(&member.server, pool);
                (ready < *size).then_some((member, pool, ready, *size))
            });
            let Some((member, pool, ready, size)) = missing else {
                return Ok(());
            };
            if self.clock.now() >= end {
                return Err(RehearseError::NotThere {
                    cluster: member.alias.clone(),
                    from: scenario.from.clone(),
                    why: format!("{ready} of {size} nodes of pool {pool} became ready"),
                });
            }
        }
    }

    /// Puts the workloads on the nodes and lets the controllers look at them.
    async fn furnish(&mut self, scenario: &Scenario, seed: u64) -> Result<(), RehearseError> {
        for (of, member) in scenario.clusters.iter().zip(&mut self.members) {
            let id = member.id.as_str();
            let mut fleet = self.fleet.hold().await;
            match &of.workload {
                Workload::Profile(profile) => {
                    fleet.furnish(id, Furnishing::Profile(*profile)).await?;
                    let pods = aged(&member.server, ports::Ids::next_u64(&SeededIds::child(seed, id)));
                    fleet.furnish(id, Furnishing::Objects(pods)).await?;
                }
                Workload::Objects { objects, .. } => {
                    let adopted = adopt(objects, &member.server);
                    member.stands_for = adopted.stands_for;
                    fleet.furnish(id, Furnishing::Objects(adopted.objects)).await?;
                }
            }
        }
        self.clock.sleep(Duration::from_secs(600)).await;
        Ok(())
    }

    /// Sets the blocks that the registry's entries have.
    async fn block(&self, scenario: &Scenario) -> Result<(), RehearseError> {
        for of in &scenario.clusters {
            let found = of
                .cluster
                .config_items
                .iter()
                .find(|(key, _)| key.as_str() == Block::CONFIG_ITEM);
            let Some((key, value)) = found else { continue };
            let key: &ConfigKey = key;
            self.registry
                .put_config_item(&of.cluster.id, key, value, &context())
                .await
                .map_err(|source| RehearseError::Registry {
                    what: format!("the block of cluster {}", of.cluster.alias),
                    source,
                })?;
        }
        Ok(())
    }
}

/// How many nodes of a pool are ready.
fn ready_nodes(server: &ApiServer, pool: &str) -> u32 {
    let ready = |node: &Value| {
        disruption::read_node(&node.into())
            .is_ok_and(|node| node.ready && node.pool.as_ref().is_some_and(|of| of.as_str() == pool))
    };
    let count = server
        .read_all("", "nodes", "")
        .iter()
        .filter(|node| ready(node))
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
