//! `why` and `describe node`: what the contract says of a live cluster.

use cli_args::{GlobalArgs, NodeArgs, PodArgs, WhyArgs, WhyCommand, WhyFormat};
use disruption::{NodeName, PodKey, Verdict, clock, short};
use jiff::Timestamp;
use model::duration::GoDuration;
use rollout::{NodeStatus, PodStatus};
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::live::Live;
use crate::settings::Env;
use crate::table::{NONE, Table, one_line};

/// What stands before a decision on a node that nobody selected.
const IF_DRAINED: &str = "If its drain began now";

pub(super) async fn run(args: WhyArgs, global: &GlobalArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    match args.command {
        WhyCommand::Node(args) => node(args, false, global, env, console).await,
        WhyCommand::Pod(args) => pod(args, global, env, console).await,
    }
}

/// `describe node`: as `why node`, with every pod.
pub(super) async fn describe_node(
    args: NodeArgs,
    global: &GlobalArgs,
    env: &Env,
    console: &mut Console,
) -> Result<(), Failure> {
    node(args, true, global, env, console).await
}

/// An explanation in full, for JSON and YAML.
#[derive(Serialize)]
struct Explained<T> {
    at: Timestamp,
    /// The decision now.
    now: T,
    /// For a node that nobody selected: the decision if its drain began now.
    #[serde(skip_serializing_if = "Option::is_none")]
    if_drained: Option<T>,
    /// Objects that cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
}

async fn node(args: NodeArgs, all: bool, global: &GlobalArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let live = Live::read(&args.target, global, env).await?;
    let name = NodeName::from(args.name.as_str());
    let state = live.look.view().node(&name);
    let policy = live.policy(state.and_then(|state| state.pool.as_ref()));
    let Some(now) = live.look.node(&name, policy) else {
        return Err(Failure::new(format!(
            "node {name} not found in cluster {}",
            args.target.cluster
        )));
    };
    let selected = state.is_some_and(|state| state.mark.is_some());
    let explained = Explained {
        at: live.look.at(),
        if_drained: (!selected).then(|| live.look.node_if_drained(&name, policy)).flatten(),
        now,
        unreadable: live.look.unreadable(),
    };
    if print(&explained, args.target.output, console)? {
        return Ok(());
    }
    let mut text = format!("{}\n", one_line(explained.now.sentence.clone()));
    let shown = explained.if_drained.as_ref().unwrap_or(&explained.now);
    if all {
        let pool = state.and_then(|state| state.pool.as_ref());
        field(&mut text, "Pool", pool.map_or(NONE.to_owned(), ToString::to_string));
        field(&mut text, "Outdated", shown_or_none(explained.now.outdated.as_ref()));
        field(&mut text, "Selected", when(explained.now.selected, explained.at));
        field(&mut text, "Drain began", when(explained.now.draining, explained.at));
    }
    if !selected {
        text.push_str(&format!("{IF_DRAINED}:\n"));
    }
    field(
        &mut text,
        "Gone",
        format!(
            "expected {}, at the latest {}",
            when(shown.expected, explained.at),
            when(shown.latest, explained.at)
        ),
    );
    text.push_str(&pods(shown, all, explained.at));
    unreadable(&mut text, &explained.unreadable);
    console.write(text.as_bytes())
}

async fn pod(args: PodArgs, global: &GlobalArgs, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let live = Live::read(&args.target, global, env).await?;
    let found = live.look.pods_named(&args.name);
    let key = one_of(&args.name, &found)?;
    let place = live.look.view().pod(key).and_then(|pod| pod.node.clone());
    let Some(node) = place else {
        return Err(Failure::new(format!(
            "pod {key} is on no node: nothing keeps it anywhere"
        )));
    };
    let state = live.look.view().node(&node);
    let policy = live.policy(state.and_then(|state| state.pool.as_ref()));
    let Some(now) = live.look.pod(key, policy) else {
        return Err(Failure::new(format!(
            "node {node} of pod {key} is not known to the cluster"
        )));
    };
    let selected = state.is_some_and(|state| state.mark.is_some());
    let explained = Explained {
        at: live.look.at(),
        if_drained: (!selected).then(|| live.look.if_drained(key, policy)).flatten(),
        now,
        unreadable: live.look.unreadable(),
    };
    if print(&explained, args.target.output, console)? {
        return Ok(());
    }
    let mut text = String::new();
    let shown = explained.if_drained.as_ref().unwrap_or(&explained.now);
    if selected {
        text.push_str(&format!("{}\n", one_line(shown.sentence.clone())));
    } else {
        text.push_str(&format!("pod {key} is on node {node}, which is not to be replaced\n"));
        text.push_str(&format!("{IF_DRAINED}: {}\n", one_line(shown.sentence.clone())));
    }
    field(&mut text, "Owner", shown.owner.clone());
    for budget in &shown.budgets {
        field(&mut text, "Budget", budget.clone());
    }
    let earliest = shown.earliest.map_or("when what it waits on ends".to_owned(), |at| {
        when(Some(at), explained.at)
    });
    field(&mut text, "Earliest end", earliest);
    field(&mut text, "Force not before", when(shown.until, explained.at));
    unreadable(&mut text, &explained.unreadable);
    console.write(text.as_bytes())
}

/// The one pod that is meant.
fn one_of<'a>(name: &str, found: &'a [PodKey]) -> Result<&'a PodKey, Failure> {
    match found {
        [] => Err(Failure::new(format!("pod {name} not found"))),
        [one] => Ok(one),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(
                Failure::new(format!("several pods are named {name}: {}", names.join(", ")))
                    .hint("give NAMESPACE/NAME"),
            )
        }
    }
}

/// Prints the whole; false for the text form.
fn print<T: Serialize>(explained: &Explained<T>, format: WhyFormat, console: &mut Console) -> Result<bool, Failure> {
    let value = serde_json::to_value(explained).map_err(|error| Failure::of(&error))?;
    match format {
        WhyFormat::Text => return Ok(false),
        WhyFormat::Json => {
            let text = serde_json::to_string_pretty(&value).map_err(|error| Failure::of(&error))?;
            console.line(&text)?;
        }
        WhyFormat::Yaml => console.write(yaml::to_string(&value).as_bytes())?,
    }
    Ok(true)
}

/// The pods of a node: all of them, or those that hold it.
fn pods(node: &NodeStatus, all: bool, now: Timestamp) -> String {
    let holds = |pod: &&PodStatus| all || matches!(pod.decision.verdict, Verdict::Wait(_) | Verdict::Force(_));
    let shown: Vec<&PodStatus> = node.pods.iter().filter(holds).collect();
    if shown.is_empty() {
        return "no pod holds it\n".to_owned();
    }
    let mut table = Table::with_header([
        "POD",
        "OWNER",
        "DECISION",
        "SINCE",
        "FORCE NOT BEFORE",
        "BUDGETS",
        "WHY",
    ]);
    for pod in shown {
        let (word, since) = match &pod.decision.verdict {
            Verdict::Evict => ("evict", None),
            Verdict::Force(_) => ("force", None),
            Verdict::Wait(wait) => ("wait", Some(wait.since)),
            Verdict::Leave(_) => ("stays", None),
        };
        table.push(vec![
            pod.pod.to_string(),
            pod.owner.clone(),
            word.to_owned(),
            since.map_or(NONE.to_owned(), clock),
            when(pod.until, now),
            if pod.budgets.is_empty() {
                NONE.to_owned()
            } else {
                pod.budgets.join("; ")
            },
            pod.sentence.clone(),
        ]);
    }
    table.take_text()
}

fn field(text: &mut String, name: &str, value: String) {
    text.push_str(&format!("  {:<18} {}\n", format!("{name}:"), one_line(value)));
}

fn shown_or_none(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| NONE.to_owned())
}

/// An instant with how far away it is.
fn when(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return NONE.to_owned() };
    let nanos = at.duration_since(now).as_nanos().unsigned_abs();
    let span = short(GoDuration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)));
    if at > now {
        format!("{} (in {span})", clock(at))
    } else {
        format!("{} ({span} ago)", clock(at))
    }
}

fn unreadable(text: &mut String, all: &[String]) {
    for one in all {
        text.push_str(&format!("! {}\n", one_line(one.clone())));
    }
}
