//! `serve --shadow`: beside the manager that is in charge, and in charge of what was adopted.

use std::path::Path;
use std::sync::Arc;

use cli_args::ServeRolesArgs;
use lifecycle::queue::Limits;
use lifecycle::{Claims, Configuration, Manager, Pace, Reach, Settings};
use ports::{Ids as _, Registry, SystemClock, SystemIds};
use registry_api::client::{ClientOptions, RegistryClient};
use shadow::Follower;
use shadow::sealed::ReadOnly;
use shadow::tenure::{POLL, Tenure};
use store::Store;

use super::{TERM, parts};
use crate::commands::registry;
use crate::console::Console;
use crate::failure::Failure;
use crate::looking::Clusters;
use crate::no_cloud::NoCloud;
use crate::settings::Env;
use crate::shadowing::{FactsGiven, looking, shadow, shared};

pub(super) async fn run(
    args: &ServeRolesArgs,
    url: &str,
    token_file: Option<&Path>,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let interval = args.shadow_interval.to_std().filter(|time| !time.is_zero());
    let interval = interval.ok_or_else(|| Failure::new("--shadow-interval: must be longer than nothing"))?;
    let (parts, facts) = (parts(args, env)?, args.facts.as_ref());
    let options = ClientOptions {
        token_file: args.shadow_token_file.clone(),
        ..ClientOptions::new(url)
    };
    let client = RegistryClient::new(&options, Arc::new(SystemClock), Arc::new(SystemIds))?;
    let upstream: Arc<dyn Registry> = Arc::new(client);
    let tenure = |store: &Arc<Store>| {
        let own = Arc::clone(store);
        Tenure::new(Arc::clone(&upstream), own.clone(), own, Arc::new(SystemClock), POLL)
    };
    // Whoever asks this server sees the original's registry, and writes to it there.
    let shown = |store: &Arc<Store>| Arc::new(ReadOnly::new(Arc::new(tenure(store)))) as Arc<dyn Registry>;
    let serving = registry::serving(&args.server, token_file, Some(&shown), env, console).await?;
    console.say(&format!(
        "shadowing the manager of {url}; only adopted clusters are managed here"
    ));
    let (store, shutdown, metrics) = (Arc::clone(&serving.store), serving.shutdown(), serving.metrics());
    let claims = Claims {
        leases: store.clone(),
        holder: format!("{}-{}", std::process::id(), SystemIds.uuid()),
        term: TERM,
    };
    let shadow = shadow(
        Arc::clone(&upstream),
        store.clone(),
        Arc::new(Configuration::new(shared(&parts.sources)?)),
        looking(Clusters::of(args.kubeconfig.clone(), env)),
        Arc::new(NoCloud),
        FactsGiven::read(facts)?,
    );
    let (follower, _) = Follower::new(Arc::new(shadow), Arc::new(SystemIds), interval);
    let tenure = tenure(&store);
    let reach = Reach {
        ledger: store.clone(),
        configuration: Configuration::new(parts.sources),
        connector: tenure.connector(Arc::new(parts.contexts)),
        clouds: tenure.clouds(Arc::new(NoCloud)),
        facts: Arc::new(FactsGiven::read(facts)?),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        settings: Settings::default(),
        registry: Arc::new(tenure),
    };
    let pace = Pace {
        limits: Limits {
            fleet: usize::from(args.concurrency.max(1)),
            ..Limits::default()
        },
        claims: Some(claims.clone()),
        ..Pace::default()
    };
    let manager = Manager::new(Arc::new(reach), pace);
    let figures = Some(manager.metrics());
    let follows = tokio::spawn(metrics.follow(Arc::clone(&store), figures, None));
    let (one, other) = (shutdown.clone(), shutdown.clone());
    let looks = tokio::spawn(follower.in_turn(claims).run(async move { one.begun().await }));
    let manages = tokio::spawn(manager.run(async move { other.begun().await }));
    serving.run().await;
    follows.abort();
    // A panic of either has been told already.
    let _ = (looks.await, manages.await);
    Ok(())
}
