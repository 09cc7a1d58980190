//! What a simulation begins with: clusters, their pools, the cloud behind them.

use std::sync::Arc;

use cli_args::{ScaleBounds, SimProfile};
use kube_world::EventDetail;
use kube_world::autoscaler::Options;
use ports::Clock;
use twin::{ClusterSpec, Fleet, FleetSpec, LogSink, PoolSpec, SharedFleet, TwinError};

use super::{Living, load_into};

/// The pool of the nodes; without a cloud their names begin with it.
const POOL: &str = "worker";
/// The pool of spot instances.
const SPOT_POOL: &str = "worker-spot";
/// Where all accounts are.
const REGION: &str = "eu-central-1";

/// What clusters begin with.
pub(in crate::commands::sim) struct Beginning<'a> {
    /// How many clusters.
    pub(in crate::commands::sim) clusters: u16,
    /// How many nodes each.
    pub(in crate::commands::sim) nodes: u16,
    /// The cloud behind them; without one nodes are single machines.
    pub(in crate::commands::sim) cloud: Option<CloudBeginning>,
    /// What runs in them.
    pub(in crate::commands::sim) profile: SimProfile,
    /// Everything random follows from it.
    pub(in crate::commands::sim) seed: u64,
    /// Objects that are there from the start, as YAML.
    pub(in crate::commands::sim) objects: Option<&'a str>,
    /// Takes the lines of the event log.
    pub(in crate::commands::sim) sink: Option<LogSink>,
}

/// How nodes come from the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands::sim) struct CloudBeginning {
    /// How many of the nodes are spot instances.
    pub(in crate::commands::sim) spot: u16,
    /// Whether an autoscaler changes the groups, and between which sizes.
    pub(in crate::commands::sim) autoscaler: Option<ScaleBounds>,
}

/// Makes clusters `sim-1`, `sim-2`, ... whose nodes are ready and whose workloads run, and what drives them.
///
/// # Errors
/// When the objects to begin with cannot be loaded.
pub(in crate::commands::sim) async fn begin(
    beginning: Beginning<'_>,
    clock: Arc<dyn Clock>,
) -> Result<(SharedFleet, Vec<Living>), TwinError> {
    let mut spec = FleetSpec::new(beginning.seed);
    spec.clusters = (1..=beginning.clusters)
        .map(|number| cluster(&beginning, number))
        .collect();
    spec.sink = beginning.sink;
    let mut fleet = Fleet::build(spec, clock).await?;
    if let Some(text) = beginning.objects {
        for number in 1..=beginning.clusters {
            let name = format!("sim-{number}");
            let loaded = fleet.with(&name, |cluster| load_into(cluster.world_mut(), text))?;
            loaded.map_err(|source| TwinError::Objects { cluster: name, source })?;
        }
        fleet.settle().await;
    }
    let living = |cluster: &twin::Cluster| {
        let spec = cluster.spec();
        let on_cloud = spec.nodes_from == twin::NodeSource::Cloud;
        let cloud = on_cloud.then(|| fleet.clouds().sim(&spec.account, &spec.region));
        (
            cluster.id().to_owned(),
            cluster.server().clone(),
            cluster.api(),
            cluster.seed(),
            cloud,
        )
    };
    let parts: Vec<_> = fleet.clusters().iter().map(living).collect();
    let (clock, log) = (fleet.clock().clone(), fleet.log().clone());
    let fleet = SharedFleet::new(fleet);
    let living = parts
        .into_iter()
        .map(|(name, server, api, seed, cloud)| Living::new(name, server, api, cloud, seed, &fleet, &clock, &log));
    let living = living.collect();
    Ok((fleet, living))
}

fn cluster(beginning: &Beginning<'_>, number: u16) -> ClusterSpec {
    let kubelets = kube_world::Profile {
        events: EventDetail::Everything,
        ..kube_world::Profile::default()
    };
    let mut cluster = ClusterSpec::new(&format!("sim-{number}")).kubelets(kubelets).webhooks();
    cluster.profile = twin_profile(beginning.profile);
    let nodes = u32::from(beginning.nodes);
    let Some(cloud) = beginning.cloud else {
        if nodes > 0 {
            cluster = cluster.pool(PoolSpec::new(POOL, nodes));
        }
        return cluster;
    };
    // An account of its own, so that a fault of the cloud is one cluster's.
    cluster = cluster.place(&format!("{number:012}"), REGION).on_cloud();
    let spot = u32::from(cloud.spot).min(nodes);
    let bounded = |pool: PoolSpec| match cloud.autoscaler {
        None => pool,
        Some(ScaleBounds(Some((min, max)))) => pool.bounds(min.into(), max.into()),
        Some(ScaleBounds(None)) => {
            let size = pool.size;
            pool.bounds(size.min(1), (2 * size).max(1))
        }
    };
    let scaled = cloud.autoscaler.is_some();
    if nodes > spot || (scaled && spot == 0) {
        cluster = cluster.pool(bounded(PoolSpec::new(POOL, nodes - spot)));
    }
    if spot > 0 {
        cluster = cluster.pool(bounded(PoolSpec::new(SPOT_POOL, spot).spot()));
    }
    if scaled {
        cluster = cluster.autoscaler(match beginning.profile {
            SimProfile::Zalando => Options::kubernetes_on_aws(),
            _ => Options::default(),
        });
    }
    cluster
}

fn twin_profile(profile: SimProfile) -> Option<twin::Profile> {
    match profile {
        SimProfile::Empty => None,
        SimProfile::Shop => Some(twin::Profile::Shop),
        SimProfile::Stateful => Some(twin::Profile::Stateful),
        SimProfile::Batch => Some(twin::Profile::Batch),
        SimProfile::Zalando => Some(twin::Profile::Zalando),
    }
}
