//! One comment on a pull request: verdict, counts and the largest risk on top, then a fold per class of change.

use std::fmt::Write as _;

use model::words::count;

use crate::change::{Change, Verb};
use crate::fleet::FleetPlan;
use crate::fold::Block;
use crate::report::words;

/// Lines of one change that are shown.
const MOST_LINES: usize = 25;
/// Clusters that are named.
const MOST_CLUSTERS: usize = 12;
/// Room for the sentence about what was left out.
const RESERVE: usize = 300;

/// The plan as Markdown of at most `limit` bytes. What does not fit is counted, not cut in the middle. The first line is a
/// marker by which a bot finds its comment again.
#[must_use]
pub fn markdown(plan: &FleetPlan, limit: usize) -> String {
    let counts = plan.counts();
    let blocks = plan.blocks();
    let mut out = String::from("<!-- fleetwright-plan -->\n");
    let verdict = match (counts.changed, counts.failed) {
        (0, 0) => "No effect on any cluster".to_owned(),
        (_, 0) => format!("{} of {} change", counts.changed, count(counts.clusters, "cluster")),
        (_, failed) => format!("{} cannot be planned", count(failed, "cluster")),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "### {verdict}\n\n`{}` from `{}` to `{}`\n",
        plan.id, plan.from, plan.to
    );
    if counts.changed > 0 {
        let _ = writeln!(out, "{}\n", words::total(&counts));
    }
    if let Some(risk) = largest_risk(&blocks) {
        let _ = writeln!(out, "**Largest risk:** {risk}\n");
    }
    let room = limit.saturating_sub(RESERVE);
    for cluster in &plan.clusters {
        for error in &cluster.errors {
            let line = format!("- :x: `{}`: {}\n", cluster.alias, escaped(error));
            if out.len() + line.len() < room {
                out.push_str(&line);
            }
        }
    }
    let mut left_out = 0;
    for (title, wanted) in classes() {
        let of_class: Vec<&Block> = blocks.iter().filter(wanted).collect();
        if of_class.is_empty() {
            continue;
        }
        let head = format!("\n<details><summary>{title} ({})</summary>\n\n", of_class.len());
        let foot = "\n</details>\n";
        if out.len() + head.len() + foot.len() >= room {
            left_out += of_class.len();
            continue;
        }
        out.push_str(&head);
        for block in of_class {
            let text = entry(block);
            if out.len() + text.len() + foot.len() < room {
                out.push_str(&text);
            } else {
                left_out += 1;
            }
        }
        out.push_str(foot);
    }
    for forecast in &plan.forecasts {
        let text = super::forecast::markdown(forecast);
        if out.len() + text.len() < room {
            out.push_str(&text);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let _ = writeln!(
            out,
            "\n{} did not fit into this comment; `fleetwright plan` prints all.",
            count(left_out, "more change")
        );
    }
    out
}

type Class = (&'static str, fn(&&Block) -> bool);

fn classes() -> [Class; 5] {
    [
        ("Deletions and replacements", |block| {
            matches!(block.change.verb(), Verb::Delete | Verb::Replace) && !matches!(block.change, Change::Pool(_))
        }),
        ("Node pools", |block| matches!(block.change, Change::Pool(_))),
        ("Stacks", |block| {
            matches!(block.change, Change::Stack(_)) && matches!(block.change.verb(), Verb::Update | Verb::Create)
        }),
        ("Changed objects", |block| {
            matches!(block.change, Change::Object(_)) && block.change.verb() == Verb::Update
        }),
        ("New objects", |block| {
            matches!(block.change, Change::Object(_)) && block.change.verb() == Verb::Create
        }),
    ]
}

fn entry(block: &Block) -> String {
    let mut out = String::new();
    let clusters = words::clusters(&block.clusters, MOST_CLUSTERS);
    let _ = writeln!(
        out,
        "**`{} {}`** in {clusters}",
        block.change.verb().sign(),
        block.change.subject()
    );
    let details = words::details(block, MOST_LINES);
    if !details.is_empty() {
        out.push_str("```diff\n");
        for (verb, line) in details {
            let sign = match verb {
                Some(Verb::Create) => "+",
                Some(Verb::Delete) => "-",
                Some(Verb::Update | Verb::Replace) => "!",
                None => " ",
            };
            // A fence inside a line would end the block.
            let _ = writeln!(out, "{sign} {}", line.replace("```", "` ` `"));
        }
        out.push_str("```\n");
    }
    out.push('\n');
    out
}

/// The change that touches most nodes, else the deletion that touches most clusters.
fn largest_risk(blocks: &[Block]) -> Option<String> {
    let nodes = |block: &&Block| block.drained.map(|drained| drained.seen.unwrap_or(drained.max));
    let drained = blocks.iter().filter(|block| block.drained.is_some()).max_by_key(nodes);
    if let Some((block, nodes)) = drained.and_then(|block| Some((block, block.drained?))) {
        let clusters = count(block.clusters.len(), "cluster");
        return Some(format!("{} drains {nodes} in {clusters}", block.change.subject()));
    }
    let deletions = blocks.iter().filter(|block| block.change.verb() == Verb::Delete);
    let worst = deletions.max_by_key(|block| block.clusters.len())?;
    let clusters = count(worst.clusters.len(), "cluster");
    Some(format!("{} is deleted in {clusters}", worst.change.subject()))
}

fn escaped(text: &str) -> String {
    text.replace('<', "&lt;").replace('\n', " ")
}
