//! `plan`.

mod forecasts;

use std::io::IsTerminal as _;

use cli_args::{PlanArgs, PlanFormat};
use model::Cluster;
use plan::report::{self, Style};
use plan::{ClusterInput, ClusterPlan, FleetPlan, Inputs, NodeCount, Subject};
use render::{Input, Renderer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::{self, Comparison, Prepared, Problems, Sides};
use crate::mask::{Hider, Mask};
use crate::pictures;
use crate::settings::{Env, Settings};
use crate::table::Table;

use forecasts::Rules;

/// Longest comment that GitHub takes, in characters; bytes are never fewer.
const COMMENT: usize = 65_536;
/// In the place of a commit.
const OWN_CHANNEL: &str = "each cluster's channel";

pub(super) async fn run(args: PlanArgs, settings: Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let comparison = Comparison::read(&args.compare, settings, env, console).await?;
    let fleet = &comparison.fleet;
    let renderer = Renderer::new();
    let work = |at: usize| {
        let cluster = &fleet.subjects.get(at)?.cluster;
        let (from, to) = comparison.sides(at)?;
        Some(planned(&renderer, cluster, from, to))
    };
    let dumps = match &args.kubeconfig {
        Some(file) => pictures::look(file, fleet, pictures::Extent::Contract).await?,
        None => pictures::read(&args.forecast, fleet)?,
    };
    let (mut inputs, mut plans, mut mask) = (Inputs::default(), Vec::new(), Mask::default());
    let mut rules = Vec::new();
    let mut problems = [Vec::new(), Vec::new()];
    fleet::each(fleet.subjects.len(), work, |at, planned| {
        if let Some(planned) = planned {
            inputs.clusters.insert(planned.plan.cluster.clone(), planned.input);
            plans.push(planned.plan);
            rules.push(planned.rules);
            mask.merge(planned.mask);
            for (all, own) in problems.iter_mut().zip(planned.problems) {
                all.push(own);
            }
            console.progress(at + 1, fleet.subjects.len(), fleet::RENDERED);
        }
        Ok(())
    })?;
    // Templates see siblings of the same account, so the secrets of all clusters are masked in each.
    let hider = mask.hider();
    plans.iter_mut().for_each(|plan| hide(plan, &hider));
    let failed = fleet::say_errors(fleet, &problems, console);
    let word = |side: &Option<String>| side.clone().unwrap_or_else(|| OWN_CHANNEL.to_owned());
    let plan = FleetPlan::new(&word(&args.compare.from), &word(&args.compare.to), inputs, plans);
    let forecasts = forecasts::forecasts(fleet, &dumps, &plan.clusters, &rules)?;
    let plan = plan.with_forecasts(forecasts);
    tell(&plan, &args, console)?;
    match (failed, args.detailed_exitcode && !plan.is_empty()) {
        (true, _) => Err(Failure::AlreadySaid),
        (false, true) => Err(Failure::Changes),
        (false, false) => Ok(()),
    }
}

fn tell(plan: &FleetPlan, args: &PlanArgs, console: &mut Console) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        let text = serde_json::to_string(plan).map_err(|error| Failure::of(&error))?;
        std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    }
    match args.output {
        PlanFormat::Text => {
            let style = Style {
                colour: console.colour() && std::io::stdout().is_terminal(),
                whole: false,
            };
            console.write(report::text(plan, style).as_bytes())
        }
        PlanFormat::Wide => {
            let mut table = Table::default();
            report::table(plan).into_iter().for_each(|row| table.push(row.to_vec()));
            console.write(table.take_text().as_bytes())
        }
        PlanFormat::Json => {
            let value = serde_json::to_value(plan).map_err(|error| Failure::of(&error))?;
            crate::print::Format::Json.print_value(&value, console)
        }
        PlanFormat::Markdown => console.write(report::markdown(plan, COMMENT).as_bytes()),
    }
}

/// The plan of one cluster, with what is needed to tell it.
struct Planned {
    plan: ClusterPlan,
    rules: Rules,
    input: ClusterInput,
    mask: Mask,
    problems: [Problems; 2],
}

/// Renders both sides of one cluster, compares them and lets them go again.
fn planned(renderer: &Renderer, cluster: &Cluster, from: &Prepared, to: &Prepared) -> Planned {
    let Sides {
        before,
        after,
        mask,
        problems,
    } = Sides::render(renderer, from, to);
    let subject = subject(cluster);
    let mut errors: Vec<String> = problems.iter().flat_map(|side| side.errors().iter().cloned()).collect();
    errors.dedup();
    let version = |side: &fleet::Rendered| {
        side.as_ref()
            .map(|side| side.desired.version.clone())
            .unwrap_or_default()
    };
    let input = ClusterInput {
        alias: subject.alias.clone(),
        from: version(&before),
        to: version(&after),
        facts: to.as_ref().map(facts_digest).unwrap_or_default(),
        live: None,
    };
    let hider = mask.hider();
    let plan = match (&before, &after) {
        (Ok(before), Ok(after)) if errors.is_empty() => {
            let hide = |text: &str| hider.hide(text);
            plan::plan_cluster(&subject, Some(&before.desired), Some(&after.desired), &hide)
        }
        _ => ClusterPlan::failed(&subject, errors),
    };
    let rules = match &after {
        Ok(after) => plan::pool_rules(cluster, &after.desired.items),
        Err(_) => Rules::default(),
    };
    Planned {
        plan,
        rules,
        input,
        mask,
        problems,
    }
}

fn subject(cluster: &Cluster) -> Subject {
    let count = |size: i64| u64::try_from(size).unwrap_or_default();
    let pools = cluster.node_pools.iter().map(|pool| {
        let nodes = NodeCount {
            min: count(pool.min_size),
            max: count(pool.max_size),
            seen: None,
        };
        (pool.name.to_string(), nodes)
    });
    Subject {
        id: cluster.id.to_string(),
        alias: cluster.alias.to_string(),
        environment: cluster.environment.clone(),
        nodes: pools.collect(),
    }
}

/// Changes whenever a fact does; facts may be secret, a digest of them all is not.
fn facts_digest(input: &Input) -> String {
    // Facts are maps of texts, which always serialise, in the order of their keys.
    let bytes = serde_json::to_vec(&*input.facts).unwrap_or_default();
    hex::encode(Sha256::digest(bytes)).chars().take(16).collect()
}

/// Masks what the secrets of other clusters name.
fn hide(plan: &mut ClusterPlan, hider: &Hider) {
    let text = |text: &mut String| *text = hider.hide(text);
    for stack in &mut plan.stacks {
        stack.lines.iter_mut().for_each(|line| text(&mut line.1));
    }
    for field in plan.objects.iter_mut().flat_map(|object| &mut object.fields) {
        for side in [&mut field.old, &mut field.new].into_iter().flatten() {
            hide_value(side, hider);
        }
    }
    plan.errors.iter_mut().for_each(text);
}

fn hide_value(value: &mut Value, hider: &Hider) {
    match value {
        Value::String(text) => *text = hider.hide(text),
        Value::Array(items) => items.iter_mut().for_each(|item| hide_value(item, hider)),
        Value::Object(members) => members.values_mut().for_each(|member| hide_value(member, hider)),
        _ => {}
    }
}
