//! `serve`: the registry and the lifecycle manager over clusters that exist.

mod shadowed;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cli_args::{Role, ServeRolesArgs};
use git_source::{DirectoryIds, GitOptions, SourceOptions, SourceSpec, TreeOptions};
use lifecycle::queue::Limits;
use lifecycle::{Claims, Configuration, Manager, Pace, Reach, Settings};
use ports::config_source::ConfigSources;
use ports::{Ids as _, Promote, SystemClock, SystemIds};

use super::up::existing::Contexts;
use crate::console::Console;
use crate::failure::Failure;
use crate::no_cloud::NoCloud;
use crate::prometheus::HttpPrometheus;
use crate::settings::Env;

/// How long a replica that dies keeps the cluster that it works on from others.
const TERM: Duration = Duration::from_secs(30);

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
    if let Some(url) = &args.shadow {
        return shadowed::run(&args, url, token_file, env, console).await;
    }
    let manages = args.roles.contains(&Role::Lifecycle);
    let parts = if manages { Some(parts(&args, env)?) } else { None };
    let policies = crate::fleet_policy::open(args.fleet_policy.as_deref(), plan::policy::FleetPolicy::default())?;
    let serving = super::registry::serving(&args.server, token_file, None, env, console).await?;
    let (store, shutdown, metrics) = (Arc::clone(&serving.store), serving.shutdown(), serving.metrics());
    let manager = parts.map(|parts| {
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
                prometheus: Some(parts.prometheus),
                promote: parts.promote,
                policies: policies.clone(),
                ..Settings::default()
            },
        });
        let pace = Pace {
            limits: Limits {
                fleet: usize::from(args.concurrency.max(1)),
                ..Limits::default()
            },
            claims: Some(Claims {
                leases: store.clone(),
                holder: format!("{}-{}", std::process::id(), SystemIds.uuid()),
                term: TERM,
            }),
            waves: true,
            ..Pace::default()
        };
        Manager::new(reach, pace)
    });
    let figures = manager.as_ref().map(Manager::metrics);
    let follows = tokio::spawn(metrics.follow(Arc::clone(&store), figures, None));
    let managing = manager.map(|manager| {
        let end = shutdown.clone();
        tokio::spawn(manager.run(async move { end.begun().await }))
    });
    let policy = args.fleet_policy.filter(|_| manages);
    let policy = policy.map(|file| tokio::spawn(crate::fleet_policy::follow(file, policies, SystemClock)));
    let handing_over = async {
        if let Some(managing) = managing {
            // A panic of it has been told already.
            let _ = managing.await;
        }
    };
    serving.run_beside(handing_over).await;
    follows.abort();
    if let Some(policy) = policy {
        policy.abort();
    }
    Ok(())
}

/// What the manager needs besides the store.
struct Parts {
    sources: ConfigSources,
    contexts: Contexts,
    prometheus: Arc<HttpPrometheus>,
    /// Who moves branches, where one repository is all of the configuration.
    promote: Option<Arc<dyn Promote>>,
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
    let (mut sources, mut movers) = (Vec::new(), Vec::new());
    for text in &args.config_sources {
        let spec: SourceSpec = text
            .parse()
            .map_err(|error: git_source::SpecError| Failure::of(&error).while_doing(text))?;
        let (source, promote) = spec.open_movable(&options);
        sources.push(source);
        movers.push(promote);
    }
    let promote = match movers.as_slice() {
        [only] => only.clone(),
        _ => None,
    };
    Ok(Parts {
        prometheus: Arc::new(HttpPrometheus::new()?),
        promote,
        sources: ConfigSources::new(sources).map_err(|error| Failure::of(&error))?,
        contexts: Contexts::new(kubeconfig.clone()),
    })
}
