//! The simulated fleet as it runs: its clusters served, its control at work, its configuration watched.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use control::{CloudsByProvider, Control, Handle, Options};
use lifecycle::queue::Limits;
use lifecycle::{Pace, Policies};
use model::{ClusterVersion, LifecycleStatus};
use ports::ledger::EntryDraft;
use ports::registry::{ClusterFilter, Detail, PageRequest};
use ports::{Clock, Ids as _, Ledger, Registry, SystemClock, SystemIds, WriteContext};
use rollout::{Notices, Refresh};
use service::Shutdown;
use store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::clock::WorldClock;
use super::repository::{CHANNELS, Repository};
use super::surroundings::{Fleet, Seen};
use super::world::{self, Parts, World};
use crate::commands::sim::kubeconfig;
use crate::failure::Failure;
use crate::fleet_metrics::FleetMetrics;

/// How often the repository is looked at, in real time.
const WATCH: Duration = Duration::from_secs(1);
/// First line of the kubeconfig.
const MARK: &str = "# Written by \"fleetwright up\"; overwritten by the next one.";

/// What the fleet runs on.
pub(super) struct Ground {
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<WorldClock>,
    pub(super) speed: f64,
    /// The fleet policy, and the file that it is followed in.
    pub(super) policy: (Policies, Option<PathBuf>),
    /// Who tells owners of forced terminations.
    pub(super) notices: Option<Arc<dyn Notices>>,
    pub(super) repository: Repository,
    pub(super) source: Arc<git_source::GitSource>,
    pub(super) seen: Arc<Seen>,
    pub(super) metrics: FleetMetrics,
    pub(super) shutdown: Shutdown,
}

/// Lets the fleet run; its tasks end with the shutdown.
///
/// # Errors
/// When ports or files cannot be had.
pub(super) async fn begin(world: World, ground: Ground, config: &Path) -> Result<JoinSet<()>, Failure> {
    let mut tasks = JoinSet::new();
    let mut contexts = Vec::new();
    for member in &world.members {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let listener = listener.map_err(|error| Failure::of(&error).while_doing("serving a simulated cluster"))?;
        let address = listener.local_addr().map_err(|error| Failure::of(&error))?;
        contexts.push((member.alias.clone(), address));
        let (api, end) = (member.api.clone(), ground.shutdown.clone());
        tasks.spawn(async move {
            if let Err(error) = kube_sim::serve(api, listener, None, async move { end.begun().await }).await {
                tracing::error!(%error, "a simulated cluster is no longer served");
            }
        });
    }
    kubeconfig::write(config, MARK, &contexts)?;
    remember(&ground.store, &world).await?;
    let clouds = Arc::new(CloudsByProvider::new(Arc::new(
        world.fleet.hold().await.clouds().clone(),
    )));
    let reach = world::reach(Parts {
        registry: ground.store.clone(),
        ledger: ground.store.clone(),
        source: ground.source.clone(),
        accesses: world::accesses(&world.members, ground.clock.clone(), ground.speed),
        clouds,
        clock: ground.clock.clone(),
        policies: ground.policy.0.clone(),
    })?;
    let options = Options {
        notices: ground.notices,
        ..options(ground.speed)
    };
    let (control, handle) = Control::new(Arc::new(reach), options);
    let (manager, rollouts) = control.into_parts();
    let figures = manager.metrics();
    let fleet = world.fleet;
    until(&mut tasks, &ground.shutdown, async move { fleet.run().await });
    let end = ground.shutdown.clone();
    tasks.spawn(async move { manager.run(async move { end.begun().await }).await });
    let end = ground.shutdown.clone();
    tasks.spawn(async move { rollouts.run(async move { end.begun().await }).await });
    let counting = ground
        .metrics
        .follow(Arc::clone(&ground.store), Some(figures), Some(handle.clone()));
    until(&mut tasks, &ground.shutdown, counting);
    let servers = world.members.iter();
    ground.seen.stands(Fleet {
        handle: handle.clone(),
        servers: servers
            .map(|member| (member.id.clone(), member.server.clone()))
            .collect(),
        clock: ground.clock.clone(),
        scaled: (ground.speed - 1.0).abs() > f64::EPSILON,
    });
    if let (policies, Some(file)) = ground.policy {
        until(
            &mut tasks,
            &ground.shutdown,
            crate::fleet_policy::follow(file, policies, SystemClock),
        );
    }
    let watching = watch(
        ground.repository.clone(),
        Arc::clone(&ground.store),
        handle,
        ground.seen,
    );
    until(&mut tasks, &ground.shutdown, watching);
    Ok(tasks)
}

/// Runs something until the shutdown begins.
fn until(tasks: &mut JoinSet<()>, shutdown: &Shutdown, work: impl Future<Output = ()> + Send + 'static) {
    let end = shutdown.clone();
    tasks.spawn(async move {
        tokio::select! {
            biased;
            () = end.begun() => {}
            () = work => {}
        }
    });
}

/// Quicker than in production, where every look costs calls that others need.
fn options(speed: f64) -> Options {
    Options {
        pace: Pace {
            limits: Limits {
                fleet: 20,
                ..Limits::default()
            },
            // Commits are seen by the watch below; this is for those that it misses.
            refresh: Duration::from_secs(60).mul_f64(speed.max(1.0)),
            waves: true,
            ..Pace::default()
        },
        refresh: Refresh {
            busy: Duration::from_secs(3),
            idle: Duration::from_secs(60),
            trouble: Duration::from_secs(10),
        },
        ..Options::default()
    }
}

/// Tells the manager what it finds in the clusters and clouds that were raised.
async fn remember(store: &Store, world: &World) -> Result<(), Failure> {
    let context = WriteContext::by("fleetwright up", SystemIds.uuid());
    for entry in &world.memories {
        let draft = EntryDraft {
            kind: entry.kind.clone(),
            id: entry.id.clone(),
            cluster: entry.cluster.clone(),
            open: entry.open,
            body: entry.body.clone(),
            items: Vec::new(),
        };
        store.put_entry(draft, &context).await?;
    }
    Ok(())
}

/// Wakes the manager when somebody committed, and lets the first update travel from channel to channel.
async fn watch(repository: Repository, store: Arc<Store>, handle: Handle, seen: Arc<Seen>) {
    let mut known = BTreeMap::new();
    loop {
        let look = repository.clone();
        let heads = tokio::task::spawn_blocking(move || look.heads()).await.ok().flatten();
        if let Some(heads) = heads.filter(|heads| *heads != known) {
            if !known.is_empty() {
                handle.configuration_moved();
            }
            seen.moved(heads.clone());
            known = heads;
        }
        if let Some(channel) = next_channel(&repository, &store).await {
            let mover = repository.clone();
            let moved = tokio::task::spawn_blocking(move || mover.promote(channel)).await;
            match moved {
                Ok(Ok(())) => tracing::info!(channel, "the first update goes on"),
                Ok(Err(failure)) => tracing::debug!(channel, ?failure, "somebody else moved the channel"),
                Err(error) => tracing::warn!(channel, %error, "the first update does not go on"),
            }
        }
        SystemClock.sleep(WATCH).await;
    }
}

/// The channel that the first update comes to next: the first one that still stands at the beginning, once every cluster of
/// the one before it is where it should be.
async fn next_channel(repository: &Repository, store: &Store) -> Option<&'static str> {
    let look = repository.clone();
    let found = tokio::task::spawn_blocking(move || {
        let begin = look.beginning()?;
        let head = |channel: &str| look.commit(&format!("refs/heads/{channel}"));
        let waits = CHANNELS
            .iter()
            .position(|channel| head(channel).as_ref() == Some(&begin))?;
        let before = *CHANNELS.get(waits.checked_sub(1)?)?;
        Some((*CHANNELS.get(waits)?, before, head(before)?))
    });
    let (waits, before, commit) = found.await.ok().flatten()?;
    let filter = ClusterFilter {
        channel: Some(before.to_owned()),
        ..ClusterFilter::default()
    };
    let clusters = store
        .list_clusters(&filter, Detail::Full, &PageRequest::all())
        .await
        .ok()?;
    let done = clusters.items.iter().map(|one| &one.object).all(|cluster| {
        cluster.lifecycle_status == LifecycleStatus::Decommissioned
            || cluster.status.current_version == ClusterVersion::of(commit.clone(), cluster).to_string()
    });
    done.then_some(waits)
}
