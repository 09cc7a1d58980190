//! `up`: everything in one process.
//!
//! The registry is served first; a simulated fleet is raised behind it ([`world`], at the versions that the registry
//! remembers) and then runs with its control ([`running`]), from a git repository that the user may commit to
//! ([`repository`]). [`existing`] does the same with clusters of a kubeconfig.

mod clock;
mod demo;
mod example;
pub(super) mod existing;
mod repository;
mod running;
mod surroundings;
mod welcome;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cli_args::{UpArgs, env_vars};
use git_source::{GitLocation, GitOptions, GitSource, TreeOptions};
use jiff::Timestamp;
use model::LifecycleStatus;
use plan::policy::{FleetPolicy, Span};
use ports::config_source::SourceName;
use ports::registry::{AccountFilter, ClusterFilter, Detail, ImportMode, PageRequest};
use ports::{Clock, Ids as _, Registry as _, SystemClock, SystemIds, WriteContext};
use registry::{Access, Loopback};
use store::{DatabaseUrl, Store};
use twin::ScaledClock;
use web::{Alone, Surroundings};

use crate::console::Console;
use crate::failure::Failure;
use crate::serving::Serving;
use crate::settings::Env;
use clock::WorldClock;
use repository::{Content, Repository};
use running::Ground;
use surroundings::Seen;
use world::{Plan, World};

const DEFAULT_CLUSTERS: u16 = 12;
const DEFAULT_NODES: u16 = 3;

/// Where the data of `up` are.
pub(super) struct Places {
    data: PathBuf,
}

impl Places {
    fn registry(&self) -> PathBuf {
        self.data.join("registry.db")
    }

    fn repository(&self) -> PathBuf {
        self.data.join("fleet")
    }

    fn mirrors(&self) -> PathBuf {
        self.data.join("mirrors")
    }

    fn kubeconfig(&self) -> PathBuf {
        self.data.join("kubeconfig")
    }
}

pub(super) async fn run(args: UpArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let places = Places {
        data: data_directory(&args, env)?,
    };
    let cannot =
        |error| Failure::new(format!("{}: {error}", places.data.display())).hint("--data takes another directory");
    let fresh = !places.data.exists();
    std::fs::create_dir_all(&places.data).map_err(cannot)?;
    let _alone = alone(&places)?;
    let ended = started(args, &places, env, console).await;
    // A first start that failed leaves nothing half made behind. Who only does not read on has a fleet that runs.
    if fresh && !matches!(ended, Ok(()) | Err(Failure::BrokenPipe)) {
        let removed = std::fs::remove_dir_all(&places.data);
        if let Err(error) = removed {
            console.warn(&format!("{}: cannot be removed: {error}", places.data.display()));
        }
    }
    ended
}

/// Starts in a data directory that is there and ours.
async fn started(args: UpArgs, places: &Places, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let filter = env.get(&env_vars::LOG).unwrap_or("error");
    service::init_tracing(service::LogFormat::Text, filter, console.colour()).map_err(|error| Failure::of(&error))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let access = Access::Open(Loopback::new(address).map_err(|error| Failure::of(&error))?);
    let database = DatabaseUrl::sqlite(places.registry());
    let begin = begin(&database, &places.registry()).await?;
    let living = Arc::new(ScaledClock::new(Arc::new(SystemClock), begin, args.speed));
    let seen = Arc::new(Seen::default());
    let pages: Arc<dyn Surroundings> = if args.empty || args.kubeconfig.is_some() {
        Arc::new(Alone)
    } else {
        seen.clone()
    };
    let serving = Serving::start(&database, address, access, None, living.clone(), pages, None).await;
    let serving = serving.map_err(|failure| failure.hint("--port takes another one, --port 0 a free one"))?;
    if args.empty {
        welcome::empty(&serving.url(), &places.registry(), console)?;
        open_page(&args, &serving.url(), console);
        serving.run().await;
        console.say("stopped; the data stay");
        return Ok(());
    }
    if let Some(file) = &args.kubeconfig {
        return existing::run(file, &args, places, serving, console).await;
    }
    simulated(&args, places, serving, living, seen, console).await
}

fn data_directory(args: &UpArgs, env: &Env) -> Result<PathBuf, Failure> {
    let base = || {
        env.xdg(&env_vars::XDG_DATA_HOME, ".local/share")
            .map(|base| base.join("fleetwright"))
    };
    let data = args.data.clone().or_else(base);
    let data =
        data.ok_or_else(|| Failure::new("there is no place for the data").hint("give --data DIR, or set HOME"))?;
    // What is printed works from any directory.
    std::path::absolute(&data).map_err(|error| Failure::new(format!("{}: {error}", data.display())))
}

/// The lock of a data directory, held as long as this lives: two fleets on one registry would both manage its clusters and
/// overwrite each other's kubeconfig.
fn alone(places: &Places) -> Result<std::fs::File, Failure> {
    let path = places.data.join("up.lock");
    let cannot = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let file = std::fs::File::create(&path).map_err(|error| cannot(&error).hint("--data takes another directory"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let failure = Failure::new(format!("{}: \"up\" already runs here", places.data.display()));
            Err(failure.hint("--data takes another directory"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(cannot(&error)),
    }
}

/// When time begins: now, or when the registry was written last if its time ran ahead of the machine's.
async fn begin(database: &DatabaseUrl, file: &Path) -> Result<Timestamp, Failure> {
    let now = SystemClock.now();
    if !file.exists() {
        return Ok(now);
    }
    let store = Store::open(database, Arc::new(SystemClock))
        .await
        .map_err(|error| Failure::of(&error))?;
    let last = store.last_change().await?;
    let newest = store.changes(last.saturating_sub(1).max(0), 1).await?;
    store.close().await;
    Ok(newest.first().map_or(now, |change| change.time.max(now)))
}

/// Runs the simulated fleet.
async fn simulated(
    args: &UpArgs,
    places: &Places,
    serving: Serving,
    living: Arc<ScaledClock>,
    seen: Arc<Seen>,
    console: &mut Console,
) -> Result<(), Failure> {
    crate::commands::sim::kubeconfig::check_ours(&places.kubeconfig())?;
    let file = args.fleet_policy.clone();
    let policy = (crate::fleet_policy::open(file.as_deref(), demo_policy())?, file);
    let notices = crate::notices::to(args.notify_url.as_deref())?;
    let repository = Repository::open(&places.repository(), Content::Demo)?;
    let first = fill(args, &serving.store, &repository).await?;
    let (store, shutdown, url) = (Arc::clone(&serving.store), serving.shutdown(), serving.url());
    let metrics = serving.metrics();
    welcome::begins(&url, first, console)?;
    open_page(args, &url, console);
    let served = tokio::spawn(serving.run());
    let source = source(places, &repository)?;
    let clock = Arc::new(WorldClock::new(living));
    let started = SystemClock.now();
    let plan = plan(&store, Arc::clone(&source)).await?;
    let raised = tokio::select! {
        biased;
        () = shutdown.begun() => None,
        raised = raise(plan, &clock) => Some(raised?),
    };
    if let Some(world) = raised {
        for trouble in &world.troubles {
            console.warn(trouble);
        }
        let stands = welcome::Stands {
            url: &url,
            places,
            first,
            clusters: world.members.iter().map(|member| member.alias.clone()).collect(),
            nodes: world.nodes,
            pods: world.pods,
            drain: world.drainable.clone(),
            took: SystemClock.now().duration_since(started),
            speed: args.speed,
        };
        let ground = Ground {
            store,
            clock,
            speed: args.speed,
            policy,
            notices,
            repository,
            source,
            seen,
            metrics,
            shutdown: shutdown.clone(),
        };
        let mut tasks = running::begin(world, ground, &places.kubeconfig()).await?;
        stands.say(console)?;
        shutdown.begun().await;
        while tasks.join_next().await.is_some() {}
    }
    // It ends with the shutdown as well; a panic of it has been told already.
    let _ = served.await;
    console.say(
        "stopped; registry, history and repository stay, the simulated clusters are raised anew by the next start",
    );
    Ok(())
}

/// How the demo fleet moves: in the waves of every fleet, and a little faster than one that somebody relies on.
fn demo_policy() -> FleetPolicy {
    let mut policy = FleetPolicy::default();
    (policy.limits.wave, policy.limits.account, policy.limits.fleet) = (20, 20, 20);
    policy.waves.settle = Span::seconds(1);
    // Its pods start within seconds, so whether they do is known as soon.
    (policy.health.check_time, policy.health.settle) = (Span::seconds(3), Span::seconds(120));
    policy.health.check_times.clear();
    policy
}

/// Raises the fleet on a thread of its own: an interrupt does not wait for it.
async fn raise(plan: Plan, clock: &Arc<WorldClock>) -> Result<World, Failure> {
    let (answer, raised) = tokio::sync::oneshot::channel();
    let clock = Arc::clone(clock);
    std::thread::Builder::new()
        .name("raise".to_owned())
        .spawn(move || answer.send(world::raise(plan, &clock)))
        .map_err(|error| Failure::of(&error).while_doing("raising the fleet"))?;
    let lost = || Failure::new("raising the fleet: the thread that does it has ended");
    raised.await.map_err(|_| lost())?
}

/// Loads the example fleet into an empty registry.
async fn fill(args: &UpArgs, store: &Store, repository: &Repository) -> Result<bool, Failure> {
    // A registry that ever held anything is somebody's, even if it is empty now.
    if store.last_change().await? > 0 {
        return Ok(false);
    }
    let (clusters, nodes) = (
        args.clusters.unwrap_or(DEFAULT_CLUSTERS),
        args.nodes.unwrap_or(DEFAULT_NODES),
    );
    let mut example = demo::registry(clusters, nodes)?;
    demo::at_commit(&mut example, &repository.beginning().unwrap_or_default());
    let context = WriteContext::by("fleetwright up", SystemIds.uuid());
    store.import(example, ImportMode::Create, &context).await?;
    Ok(true)
}

/// The clusters to raise, as the registry remembers them.
async fn plan(store: &Store, source: Arc<GitSource>) -> Result<Plan, Failure> {
    let clusters = store
        .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
        .await?;
    let accounts = store
        .list_accounts(&AccountFilter::default(), &PageRequest::all())
        .await?;
    let there = clusters.items.into_iter().map(|one| one.object);
    Ok(Plan {
        accounts: accounts.items.into_iter().map(|one| one.object).collect(),
        clusters: there
            .filter(|one| one.lifecycle_status != LifecycleStatus::Decommissioned)
            .collect(),
        source,
    })
}

/// The repository as a source of configuration.
fn source(places: &Places, repository: &Repository) -> Result<Arc<GitSource>, Failure> {
    let path = repository.path().display().to_string();
    let location = GitLocation::parse(&path).map_err(|error| Failure::of(&error).while_doing(path))?;
    let name = SourceName::new("main").map_err(|error| Failure::of(&error))?;
    let options = GitOptions::new(places.mirrors());
    Ok(Arc::new(GitSource::new(
        name,
        location,
        options,
        TreeOptions::default(),
    )))
}

/// Opens the page in a browser, if that was asked for; where there is none, that is said and no more.
fn open_page(args: &UpArgs, url: &str, console: &mut Console) {
    if !args.open {
        return;
    }
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    if let Err(error) = std::process::Command::new(program).arg(url).spawn() {
        console.warn(&format!("{url} cannot be opened: {program}: {error}"));
    }
}
