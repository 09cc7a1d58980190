//! `rehearse`.

use std::sync::Arc;

use cli_args::{RehearsalFormat, RehearseArgs, SimProfile};
use jiff::SignedDuration;
use ports::config_source::SourceName;
use ports::{Clock as _, SystemClock};
use rehearse::{ClusterInput, RehearseError, Report, Scenario, SourceSides, Tips, Workload, print, rehearse_many};
use render::Input;

use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::Comparison;
use crate::pictures::{self, Dumps, Extent};
use crate::settings::{Env, Settings};

/// In the place of a commit.
const OWN_CHANNEL: &str = "each cluster's channel";

pub(super) async fn run(
    args: RehearseArgs,
    settings: Settings,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    let comparison = Comparison::read(&args.compare, settings, env, console).await?;
    let dumps = match &args.kubeconfig {
        Some(file) => pictures::look(file, &comparison.fleet, Extent::Workloads).await?,
        None => pictures::read(&args.dumps, &comparison.fleet)?,
    };
    for dump in dumps.values() {
        // What is broken is said with its place, before anything is built.
        dump.picture()?;
    }
    let scenario = scenario(&args, &comparison, dumps)?;
    let clusters = scenario.clusters.len();
    console.say(&format!(
        "rehearsing {} on a twin, {} at most",
        crate::fleet::names(&aliases(&scenario)),
        days(args.days)
    ));
    let began = SystemClock.now();
    let (seed, seeds) = (args.seed, args.seeds);
    let without_facts = args.compare.sources.facts.is_none();
    // The simulation has runtimes of its own, which must not be inside of this one.
    let held = tokio::task::spawn_blocking(move || rehearse_many(&scenario, seed, seeds)).await;
    let report = held
        .map_err(|error| Failure::of(&error))?
        .map_err(|error| match &error {
            RehearseError::Render { .. } if without_facts => Failure::of(&error)
                .hint("--facts FILE tells what the cloud would tell: images, subnets, outputs of stacks"),
            _ => Failure::of(&error),
        })?;
    let took = SystemClock.now().duration_since(began);
    let lived = report.end.duration_since(report.start);
    console.say(&format!(
        "{} of {clusters} clusters with {seeds} seeds passed in {:.1} s",
        hours(lived),
        took.as_secs_f64()
    ));
    tell(&report, &args, console)?;
    if args.detailed_exitcode && report.done_at.is_none() {
        return Err(Failure::Changes);
    }
    Ok(())
}

fn aliases(scenario: &Scenario) -> Vec<String> {
    let clusters = scenario.clusters.iter();
    clusters.map(|of| of.cluster.alias.to_string()).collect()
}

fn days(days: u16) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}

fn hours(time: SignedDuration) -> String {
    format!("{:.1} simulated hours", time.as_secs_f64() / 3_600.0)
}

fn tell(report: &Report, args: &RehearseArgs, console: &mut Console) -> Result<(), Failure> {
    let text = match args.output {
        RehearsalFormat::Text => print::text(report),
        RehearsalFormat::Html => print::html(report),
        RehearsalFormat::Json => {
            let mut text = serde_json::to_string_pretty(report).map_err(|error| Failure::of(&error))?;
            text.push('\n');
            text
        }
    };
    match &args.out {
        None => console.write(text.as_bytes()),
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
            console.say(&format!("wrote {}", path.display()));
            Ok(())
        }
    }
}

fn scenario(args: &RehearseArgs, comparison: &Comparison, mut dumps: Dumps) -> Result<Scenario, Failure> {
    let word = |side: &Option<String>| side.clone().unwrap_or_else(|| OWN_CHANNEL.to_owned());
    let mut scenario = Scenario::new(&word(&args.compare.from), &word(&args.compare.to));
    scenario.limit = SignedDuration::from_hours(24 * i64::from(args.days));
    if let Some(file) = &args.fleet_policy {
        let policies = crate::fleet_policy::open(Some(file), plan::policy::FleetPolicy::default())?;
        scenario.policy = Some((*policies.now()).clone());
    }
    if let Some(newest) = dumps.values().map(|dump| dump.at).max() {
        scenario.start = newest;
    }
    for (at, subject) in comparison.fleet.subjects.iter().enumerate() {
        let cluster = &subject.cluster;
        let Some((Ok(from), Ok(to))) = comparison.sides(at) else {
            let why = comparison
                .sides(at)
                .and_then(|(from, to)| from.as_ref().err().or(to.as_ref().err()));
            let why = why.map_or("its configuration cannot be read", String::as_str);
            return Err(Failure::new(format!("cluster {}: {why}", cluster.alias)));
        };
        place(&mut scenario, from, false, args.compare.from.is_some())?;
        place(&mut scenario, to, true, args.compare.to.is_some())?;
        let workload = match dumps.remove(cluster.alias.as_str()) {
            Some(dump) => Workload::Objects {
                source: dump.source,
                objects: Arc::new(dump.objects.into_iter().map(|(_, object)| object.into()).collect()),
            },
            None => profile(args.profile),
        };
        scenario.clusters.push(ClusterInput {
            cluster: (**cluster).clone(),
            owner: from.owner.clone(),
            account_name: from.account_name.clone(),
            facts: Arc::clone(&from.facts),
            workload,
        });
    }
    Ok(scenario)
}

/// Notes where the sources of a cluster stand on a side. `every` when the user named one version for all channels.
fn place(scenario: &mut Scenario, input: &Input, after: bool, every: bool) -> Result<(), Failure> {
    let channel = &input.cluster.channel;
    for source in input.config.sources() {
        let at = scenario
            .sources
            .iter()
            .position(|sides| sides.name.as_str() == source.name);
        let at = match at {
            Some(at) => at,
            None => {
                scenario.sources.push(SourceSides {
                    name: SourceName::new(source.name.clone()).map_err(|error| Failure::of(&error))?,
                    from: Tips::default(),
                    to: Tips::default(),
                });
                scenario.sources.len() - 1
            }
        };
        let Some(sides) = scenario.sources.get_mut(at) else {
            continue;
        };
        let tips = if after { &mut sides.to } else { &mut sides.from };
        if every {
            tips.every = Some(Arc::clone(&source.tree));
            continue;
        }
        let known = tips.channels.insert(channel.clone(), Arc::clone(&source.tree));
        if known.is_some_and(|known| known.id != source.tree.id) {
            return Err(Failure::new(format!(
                "cluster {}: config item override_channel makes it differ from others of channel {channel}",
                input.cluster.alias
            ))
            .hint("name both versions with --from and --to, or rehearse this cluster alone"));
        }
    }
    Ok(())
}

fn profile(profile: SimProfile) -> Workload {
    match profile {
        SimProfile::Shop => Workload::Profile(twin::Profile::Shop),
        SimProfile::Stateful => Workload::Profile(twin::Profile::Stateful),
        SimProfile::Batch => Workload::Profile(twin::Profile::Batch),
        SimProfile::Zalando => Workload::Profile(twin::Profile::Zalando),
        SimProfile::Empty => Workload::Objects {
            source: "no workloads".to_owned(),
            objects: Arc::default(),
        },
    }
}
