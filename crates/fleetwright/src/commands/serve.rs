//! `serve`: the registry and the lifecycle manager over clusters that exist.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cli_args::{Role, ServeRolesArgs};
use git_source::{DirectoryIds, GitOptions, SourceOptions, SourceSpec, TreeOptions};
use lifecycle::connect::{CloudSource, FactSource, Trouble};
use lifecycle::need::EXISTING;
use lifecycle::queue::Limits;
use lifecycle::{Configuration, Manager, Pace, Reach, Settings};
use model::Cluster;
use ports::cloud::Cloud;
use ports::config_source::ConfigSources;
use ports::{Classified, Clock as _, Fault, Ids as _, LeaseName, Leases, Retry, SystemClock, SystemIds};
use render::Facts;
use service::Shutdown;
use store::Store;

use super::up::existing::Contexts;
use crate::console::Console;
use crate::failure::Failure;
use crate::settings::Env;

/// How long the manager's lease lasts without being renewed, and how often it is.
const TERM: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(10);

pub(super) async fn run(
    args: ServeRolesArgs,
    token_file: Option<&Path>,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    if !args.roles.contains(&Role::Registry) {
        let failure = Failure::new("--roles: the registry is part of every server of this version");
        return Err(failure.hint("--roles registry,lifecycle"));
    }
    let manages = args.roles.contains(&Role::Lifecycle);
    let parts = if manages { Some(parts(&args, env)?) } else { None };
    let serving = super::registry::serving(&args.server, token_file, env, console).await?;
    let (store, shutdown, metrics) = (Arc::clone(&serving.store), serving.shutdown(), serving.metrics());
    let follows = tokio::spawn(metrics.follow(Arc::clone(&store), None));
    let managing = parts.map(|parts| {
        let reach = Arc::new(Reach {
            registry: store.clone(),
            ledger: store.clone(),
            configuration: Configuration::new(parts.sources),
            connector: Arc::new(parts.contexts),
            clouds: Arc::new(NoCloud),
            facts: Arc::new(NoCloud),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            settings: Settings {
                dry_run: args.dry_run,
                ..Settings::default()
            },
        });
        let pace = Pace {
            limits: Limits {
                fleet: usize::from(args.concurrency.max(1)),
                ..Limits::default()
            },
            ..Pace::default()
        };
        tokio::spawn(manage(reach, pace, Arc::clone(&store), shutdown.clone()))
    });
    serving.run().await;
    follows.abort();
    if let Some(managing) = managing {
        // A panic of it has been told already.
        let _ = managing.await;
    }
    Ok(())
}

/// What the manager needs besides the store.
struct Parts {
    sources: ConfigSources,
    contexts: Contexts,
}

fn parts(args: &ServeRolesArgs, env: &Env) -> Result<Parts, Failure> {
    if args.config_sources.is_empty() {
        return Err(
            Failure::new("the role lifecycle needs configuration").hint("give --config-source NAME:git:LOCATION")
        );
    }
    let Some(kubeconfig) = &args.kubeconfig else {
        return Err(Failure::new("the role lifecycle needs a way to the clusters").hint("give --kubeconfig FILE"));
    };
    let mut git = GitOptions::new(crate::fleet::cache_directory(args.cache_dir.as_ref(), env));
    git.token_file.clone_from(&args.git_token_file);
    let options = SourceOptions {
        git,
        tree: TreeOptions::default(),
        directory_ids: DirectoryIds::Content,
    };
    let mut sources = Vec::new();
    for text in &args.config_sources {
        let spec: SourceSpec = text
            .parse()
            .map_err(|error: git_source::SpecError| Failure::of(&error).while_doing(text))?;
        sources.push(spec.open(&options));
    }
    Ok(Parts {
        sources: ConfigSources::new(sources).map_err(|error| Failure::of(&error))?,
        contexts: Contexts::new(kubeconfig.clone()),
    })
}

/// Manages while this replica holds the lease. When it is lost, the manager is dropped between two steps and the next
/// holder looks again and goes on.
async fn manage(reach: Arc<Reach>, pace: Pace, store: Arc<Store>, shutdown: Shutdown) {
    let Ok(name) = LeaseName::new("lifecycle") else { return };
    let holder = format!("{}-{}", std::process::id(), SystemIds.uuid());
    while !shutdown.has_begun() {
        let Ok(lease) = store.claim(&name, &holder, TERM).await else {
            tokio::select! {
                biased;
                () = shutdown.begun() => return,
                () = SystemClock.sleep(RENEW) => continue,
            }
        };
        tracing::info!(holder, "this replica manages the clusters");
        let end = shutdown.clone();
        let manager = Manager::new(Arc::clone(&reach), pace.clone()).run(async move { end.begun().await });
        tokio::select! {
            biased;
            () = manager => {}
            () = lost(&store, lease, &holder) => tracing::warn!(holder, "another replica manages the clusters now"),
        }
    }
    if let Ok(lease) = store.claim(&name, &holder, TERM).await {
        // One that cannot be given back expires.
        let _ = store.release(&lease).await;
    }
}

/// Renews a lease; returns when it is lost, or could not be renewed in time.
async fn lost(store: &Store, mut lease: ports::Lease, holder: &str) {
    loop {
        SystemClock.sleep(RENEW).await;
        match store.renew(&lease, TERM).await {
            Ok(renewed) => lease = renewed,
            Err(error) if error.retry() == Retry::Never => return,
            Err(error) => {
                tracing::warn!(%error, holder, "the lease cannot be renewed");
                // Before it ends for others, it ends for us.
                if SystemClock.now() + RENEW >= lease.expires_at {
                    return;
                }
            }
        }
    }
}

/// No cloud: clusters that others built get manifests only, and no others can be looked after.
struct NoCloud;

/// A cluster whose provider needs a cloud.
#[derive(Debug, thiserror::Error)]
#[error(
    "provider {0} needs a cloud, and this version enters none; only clusters with the provider {EXISTING} are managed"
)]
struct NeedsCloud(String);

impl Classified for NeedsCloud {
    fn fault(&self) -> Fault {
        Fault::User
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

#[async_trait]
impl CloudSource for NoCloud {
    async fn cloud(&self, cluster: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        if cluster.provider == EXISTING {
            return Ok(None);
        }
        Err(Box::new(NeedsCloud(cluster.provider.clone())))
    }
}

#[async_trait]
impl FactSource for NoCloud {
    async fn facts(&self, cluster: &Cluster) -> Result<Arc<Facts>, Trouble> {
        self.cloud(cluster).await.map(|_| Arc::default())
    }
}
