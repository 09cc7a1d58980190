//! `apply PLAN`: carries a saved plan out, if everything is still as it was when the plan was made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use cli_args::{ApplyArgs, CompareArgs, SelectionArgs, SourceArgs};
use kube_access::Mode;
use lifecycle::{Configuration, Manager, Pace, Reach, Standing};
use model::{Cluster, ClusterId};
use plan::FleetPlan;
use ports::{Clock as _, SystemClock, SystemIds};
use tokio::sync::mpsc;

use super::DRY_RUN;
use crate::carrying_out::{self, Books, ByKubeconfig, GivenFacts, Telling};
use crate::console::Console;
use crate::documents::read_text;
use crate::failure::Failure;
use crate::looking::Clusters;
use crate::no_cloud::NoCloud;
use crate::planning::{self, Made};
use crate::settings::{Env, Settings};

pub(super) async fn run(
    path: PathBuf,
    args: ApplyArgs,
    settings: Settings,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let (name, text) = read_text(&path)?;
    let saved = FleetPlan::parse(&text).map_err(|why| Failure::new(format!("{name}: {why}")))?;
    complete(&saved)?;
    let kubeconfig = args
        .kubeconfig
        .clone()
        .or_else(|| saved.recipe.kubeconfig.clone().map(PathBuf::from));
    let clusters = Clusters::of(kubeconfig, env);
    let compare = compare(&saved, &args)?;
    let made = planning::make(&compare, Some(&clusters), settings.clone(), env, console).await?;
    unmoved(&saved, &made, console)?;
    ours(&made)?;
    let books = match &made.comparison.fleet.document {
        Some(document) => Books::of_document(document.clone()).await?,
        None => {
            let mut settings = settings;
            if let Some(url) = &compare.sources.registry {
                settings.server.value.clone_from(url);
            }
            Books::of_server(&settings)?
        }
    };
    at_once(&made, &books).await?;
    if args.dry_run {
        return console.line(&format!("{} applied{DRY_RUN}", saved.id));
    }
    carry_out(&saved, made, books, clusters, console).await
}

/// A plan that does not say everything is no agreement to anything.
fn complete(saved: &FleetPlan) -> Result<(), Failure> {
    let recipe = &saved.recipe;
    if let Some(plan) = saved.clusters.iter().find(|plan| !plan.errors.is_empty()) {
        let message = format!(
            "{} is not complete: cluster {} could not be planned",
            saved.id, plan.alias
        );
        return Err(Failure::new(message).hint("mend what it says there and make the plan again"));
    }
    if !recipe.live {
        let message = format!(
            "{} compares versions of the configuration and asked no cluster",
            saved.id
        );
        return Err(Failure::new(message).hint("\"fleetwright plan --live --out FILE\" makes one that can be applied"));
    }
    if recipe.to.is_some() || !recipe.to_config_sources.is_empty() {
        let message = format!(
            "{} leads to {}, and clusters follow their own channels",
            saved.id, saved.to
        );
        return Err(Failure::new(message).hint("merge it, or give the clusters that channel, and plan without --to"));
    }
    Ok(())
}

/// What has to be read again, as the plan's recipe says.
fn compare(saved: &FleetPlan, args: &ApplyArgs) -> Result<CompareArgs, Failure> {
    let recipe = &saved.recipe;
    let ids: Vec<String> = saved.inputs.clusters.keys().cloned().collect();
    if ids.is_empty() {
        return Err(Failure::new(format!("{} is about no cluster", saved.id)));
    }
    Ok(CompareArgs {
        selection: SelectionArgs {
            clusters: ids,
            selector: None,
            all: false,
        },
        sources: SourceArgs {
            config_sources: recipe.config_sources.clone(),
            registry: recipe.registry.clone(),
            facts: recipe.facts.clone().map(PathBuf::from),
            cache_dir: args.access.cache_dir.clone(),
            offline: args.access.offline,
            git_token_file: args.access.git_token_file.clone(),
            ssh_key: args.access.ssh_key.clone(),
            ssh_known_hosts: args.access.ssh_known_hosts.clone(),
            constant_directory_id: recipe.constant_directory_id,
        },
        from: recipe.from.clone(),
        to: None,
        to_config_sources: Vec::new(),
    })
}

/// Refuses when anything is not as it was, and says what.
fn unmoved(saved: &FleetPlan, made: &Made, console: &mut Console) -> Result<(), Failure> {
    if made.failed {
        return Err(Failure::AlreadySaid);
    }
    for plan in &made.plan.clusters {
        if let Some(why) = plan.errors.first() {
            return Err(Failure::new(format!("cluster {}: {why}", plan.alias)));
        }
    }
    let moved = saved.inputs.moved(&made.plan.inputs);
    if moved.is_empty() {
        return Ok(());
    }
    for moved in &moved {
        console.say(&moved.to_string());
    }
    let message = format!("{} does not hold any more; nothing was done", saved.id);
    Err(Failure::new(message).hint("make the plan again, read it, and apply that one"))
}

/// This command enters no cloud, so it takes clusters that others built: of those git wants manifests only, and nothing of theirs
/// is pruned, so no prune waits for agreement either.
fn ours(made: &Made) -> Result<(), Failure> {
    for subject in &made.comparison.fleet.subjects {
        let Cluster {
            alias,
            provider,
            config_items,
            ..
        } = &*subject.cluster;
        if provider != Cluster::EXISTING {
            let message = format!(
                "cluster {alias} is of provider {provider:?}: its stacks and node pools are brought about by the lifecycle manager of a server"
            );
            return Err(
                Failure::new(message).hint("nothing was done; \"fleetwright get updates --watch\" shows how that goes")
            );
        }
        if config_items.get(lifecycle::need::MANAGE).map(String::as_str) != Some("true") {
            let item = lifecycle::need::MANAGE;
            let message = format!("cluster {alias} is only looked at");
            return Err(
                Failure::new(message).hint(format!("set its config item {item} to \"true\" to have it managed"))
            );
        }
    }
    Ok(())
}

/// This command begins with its clusters at once. Where lifecycle managers let clusters begin in waves, that would pass the limits, the
/// failure budget, freezes and pauses of the fleet, and the managers would count none of it: nothing is done there.
async fn at_once(made: &Made, books: &Books) -> Result<(), Failure> {
    let Some((since, _)) = lifecycle::waves::policy_told(&*books.ledger).await? else {
        return Ok(());
    };
    let list = |name: fn(&Cluster) -> &str| {
        let names = made
            .comparison
            .fleet
            .subjects
            .iter()
            .map(|subject| name(&subject.cluster));
        names
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(", ")
    };
    let message = format!(
        "the clusters of this fleet begin in waves (policy in force since {}), and this command would let {} begin at once; nothing was done",
        model::words::moment(since),
        list(|cluster| cluster.alias.as_str())
    );
    Err(Failure::new(message).hint(format!(
        "the lifecycle manager brings them to the same version when their turns come (\"fleetwright get waves\"); \"fleetwright fast-lane open {} \
         --version COMMIT --reason TEXT\" lets it pass waves, windows and freezes, and leaves evidence",
        list(|cluster| cluster.channel.as_str())
    )))
}

async fn carry_out(
    saved: &FleetPlan,
    made: Made,
    books: Books,
    clusters: Clusters,
    console: &mut Console,
) -> Result<(), Failure> {
    let clock = SystemClock;
    let ids: BTreeSet<ClusterId> = made
        .comparison
        .fleet
        .subjects
        .iter()
        .map(|s| s.cluster.id.clone())
        .collect();
    for id in &ids {
        if let Some(update) = carrying_out::under_way(&*books.ledger, id, clock.now()).await? {
            let message = format!("cluster {id} is being updated by somebody else (update {update})");
            return Err(Failure::new(message).hint("wait until it is over, and make the plan again"));
        }
    }
    let (lines, mut told) = mpsc::unbounded_channel();
    let reach = Reach {
        registry: Arc::clone(&books.registry),
        ledger: Arc::new(Telling::new(Arc::clone(&books.ledger), lines)),
        configuration: Configuration::new(made.comparison.sources.frozen()?),
        connector: Arc::new(ByKubeconfig(clusters, Mode::Live)),
        clouds: Arc::new(NoCloud),
        facts: Arc::new(GivenFacts(made.comparison.fleet.facts_by_cluster())),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        settings: lifecycle::Settings {
            plan: saved.id.to_string(),
            ..lifecycle::Settings::default()
        },
    };
    let pace = Pace {
        only: ids,
        anew: true,
        ..Pace::default()
    };
    let mut work = std::pin::pin!(Manager::new(Arc::new(reach), pace).run_once());
    let standings = loop {
        tokio::select! {
            biased;
            line = told.recv() => if let Some(line) = line { console.say(&line) },
            done = &mut work => break done?,
        }
    };
    while let Ok(line) = told.try_recv() {
        console.say(&line);
    }
    if books.file {
        console.say("the registry is a file: the versions in it stay as they are");
    }
    conclude(saved, &standings, console)
}

/// A line for each cluster; success only if all of them are as the plan says.
fn conclude(saved: &FleetPlan, standings: &[(String, Standing)], console: &mut Console) -> Result<(), Failure> {
    let versions: BTreeMap<&str, &str> = saved
        .clusters
        .iter()
        .map(|plan| (plan.alias.as_str(), plan.to.as_str()))
        .collect();
    let mut failed = false;
    for (alias, standing) in standings {
        match standing {
            Standing::AsWanted(_) => {
                let to = versions.get(alias.as_str()).copied().unwrap_or_default();
                console.line(&format!("cluster/{alias} updated to {to}"))?;
            }
            Standing::Blocked(why) | Standing::Waiting(why) | Standing::Failing(why) | Standing::Stopped(why) => {
                failed = true;
                console.fail(&Failure::new(format!("cluster {alias}: {why}")));
            }
            Standing::New | Standing::Queued(_) | Standing::Running => {
                failed = true;
                console.fail(&Failure::new(format!("cluster {alias} was not worked on to the end")));
            }
        }
    }
    if failed { Err(Failure::AlreadySaid) } else { Ok(()) }
}
