//! Making plans: both sides of every cluster compared, and the clusters asked where that is wanted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cli_args::CompareArgs;
use futures::StreamExt as _;
use model::Cluster;
use plan::{ClusterInput, ClusterPlan, FleetPlan, Inputs, NodeCount, Recipe, Subject};
use render::{Input, Renderer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::commands::plan::forecasts::Rules;
use crate::console::Console;
use crate::failure::Failure;
use crate::fleet::{self, Comparison, Prepared, Problems, Sides};
use crate::looking::Clusters;
use crate::mask::{Hider, Mask};
use crate::settings::{Env, Settings};

/// In the place of a commit.
const OWN_CHANNEL: &str = "each cluster's channel";
/// In the place of a commit, when clusters are asked.
const LIVE: &str = "what is in the clusters";
/// Clusters that are asked at the same time.
const AT_ONCE: usize = 8;

/// A plan and what it was made from.
pub(crate) struct Made {
    pub(crate) plan: FleetPlan,
    /// A cluster could not be rendered, and that was said. What a look met is in its plan.
    pub(crate) failed: bool,
    pub(crate) comparison: Comparison,
    /// Rules of the node pools of each cluster, in the order of the clusters.
    pub(crate) rules: Vec<Rules>,
    /// Why prunes would wait for somebody's agreement, by cluster.
    pub(crate) asks: BTreeMap<String, String>,
}

/// The plan of one cluster, with what is needed to tell it.
struct Planned {
    plan: ClusterPlan,
    input: ClusterInput,
    mask: Mask,
    problems: [Problems; 2],
    asks: Option<String>,
    rules: Rules,
}

/// Makes the plan. With `clusters` they are asked what would become of their objects.
pub(crate) async fn make(
    args: &CompareArgs,
    clusters: Option<&Clusters>,
    settings: Settings,
    env: &Env,
    console: &mut Console,
) -> Result<Made, Failure> {
    let comparison = Comparison::read(args, settings, env, console).await?;
    let renderer = Renderer::new();
    let count = comparison.fleet.subjects.len();
    let mut all = Vec::new();
    match clusters {
        None => {
            let work = |at: usize| {
                let cluster = &comparison.fleet.subjects.get(at)?.cluster;
                let (from, to) = comparison.sides(at)?;
                Some(compared(cluster, Sides::render(&renderer, from, to), to).0)
            };
            fleet::each(count, work, |at, planned| {
                all.extend(planned);
                console.progress(at + 1, count, fleet::RENDERED);
                Ok(())
            })?;
        }
        Some(clusters) => {
            let work = (0..count).map(|at| looked(&renderer, &comparison, at, clusters));
            let mut looks = futures::stream::iter(work).buffered(AT_ONCE);
            while let Some(planned) = looks.next().await {
                all.extend(planned);
                console.progress(all.len(), count, "clusters asked");
            }
        }
    }
    let mut made = put_together(args, clusters.is_some(), all, comparison, console);
    made.plan.recipe = recipe(args, clusters.is_some());
    Ok(made)
}

fn put_together(
    args: &CompareArgs,
    live: bool,
    all: Vec<Planned>,
    comparison: Comparison,
    console: &mut Console,
) -> Made {
    let (mut inputs, mut plans, mut mask) = (Inputs::default(), Vec::new(), Mask::default());
    let (mut problems, mut asks) = ([Vec::new(), Vec::new()], BTreeMap::new());
    let mut rules = Vec::new();
    for planned in all {
        rules.push(planned.rules);
        asks.extend(planned.asks.map(|ask| (planned.plan.cluster.clone(), ask)));
        inputs.clusters.insert(planned.plan.cluster.clone(), planned.input);
        plans.push(planned.plan);
        mask.merge(planned.mask);
        for (all, own) in problems.iter_mut().zip(planned.problems) {
            all.push(own);
        }
    }
    // Templates see siblings of the same account, so the secrets of all clusters are masked in each.
    let hider = mask.hider();
    plans.iter_mut().for_each(|plan| hide(plan, &hider));
    let failed = fleet::say_errors(&comparison.fleet, &problems, console);
    let word = |side: &Option<String>, own: &str| side.clone().unwrap_or_else(|| own.to_owned());
    let from = word(&args.from, if live { LIVE } else { OWN_CHANNEL });
    Made {
        plan: FleetPlan::new(&from, &word(&args.to, OWN_CHANNEL), inputs, plans),
        failed,
        comparison,
        rules,
        asks,
    }
}

/// Renders both sides of one cluster and asks it.
async fn looked(renderer: &Renderer, comparison: &Comparison, at: usize, clusters: &Clusters) -> Option<Planned> {
    let cluster = &comparison.fleet.subjects.get(at)?.cluster;
    let (from, to) = comparison.sides(at)?;
    let sides = Sides::render(renderer, from, to);
    let hider = sides.mask.hider();
    let (mut planned, after) = compared(cluster, sides, to);
    planned.input.from.clone_from(&cluster.status.current_version);
    planned.plan.from.clone_from(&cluster.status.current_version);
    planned.input.live = Some(BTreeMap::new());
    let Ok(after) = after else { return Some(planned) };
    if !planned.plan.errors.is_empty() {
        return Some(planned);
    }
    let hide = |text: &str| hider.hide(text);
    match clusters
        .look(cluster, &after.desired, planned.plan.clone(), &hide)
        .await
    {
        Ok(seen) => {
            planned.plan = seen.plan;
            planned.input.live = Some(seen.digests);
            planned.asks = seen.asks;
        }
        Err(why) => planned.plan.errors.push(hide(&why)),
    }
    Some(planned)
}

/// Compares both sides of one cluster; what it is to be comes along.
fn compared(cluster: &Cluster, sides: Sides, to: &Prepared) -> (Planned, fleet::Rendered) {
    let Sides {
        before,
        after,
        mask,
        problems,
    } = sides;
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
    let planned = Planned {
        plan,
        input,
        mask,
        problems,
        asks: None,
        rules: match &after {
            Ok(after) => plan::pool_rules(cluster, &after.desired.items),
            Err(_) => Rules::default(),
        },
    };
    (planned, after)
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

/// How the plan was made. Paths are whole, so that it can be made again from another directory.
fn recipe(args: &CompareArgs, live: bool) -> Recipe {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let source = |spec: &String| match spec.rsplit_once(':') {
        Some((start, place)) if Path::new(place).exists() => format!("{start}:{}", text(whole(Path::new(place)))),
        _ => spec.clone(),
    };
    let sources = &args.sources;
    Recipe {
        live,
        config_sources: sources.config_sources.iter().map(source).collect(),
        to_config_sources: args.to_config_sources.iter().map(source).collect(),
        from: args.from.clone(),
        to: args.to.clone(),
        registry: sources.registry.as_ref().map(|place| match Path::new(place).exists() {
            true => text(whole(Path::new(place))),
            false => place.clone(),
        }),
        facts: sources.facts.as_deref().map(|path| text(whole(path))),
        kubeconfig: None,
        constant_directory_id: sources.constant_directory_id,
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
