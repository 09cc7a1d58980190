//! For terminals: terraform's signs, what is lost first, counts at the end.

use std::fmt::Write as _;

use model::words::count;

use crate::change::Verb;
use crate::fleet::FleetPlan;
use crate::report::words;

/// How a report looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours of the terminal; signs carry the same meaning without them.
    pub colour: bool,
    /// Show every line and every cluster.
    pub whole: bool,
}

/// Lines of one change that are shown unless the whole is asked for.
const MOST_LINES: usize = 40;
/// Clusters that are named unless the whole is asked for.
const MOST_CLUSTERS: usize = 6;

/// The plan as text. Ends with a line of counts, also when nothing changes.
#[must_use]
pub fn text(plan: &FleetPlan, style: Style) -> String {
    let mut out = String::new();
    let (lines, named) = if style.whole {
        (usize::MAX, usize::MAX)
    } else {
        (MOST_LINES, MOST_CLUSTERS)
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{} from {} to {}\n", plan.id, plan.from, plan.to);
    for block in plan.blocks() {
        let (verb, subject) = (block.change.verb(), block.change.subject());
        let sign = paint(style, verb, &format!("{:>3}", verb.sign()));
        let _ = writeln!(out, "{sign} {subject}    {}", words::clusters(&block.clusters, named));
        for (verb, line) in words::details(&block, lines) {
            let sign = verb.map_or_else(
                || "  ".to_owned(),
                |verb| paint(style, verb, &format!("{:<2}", verb.sign())),
            );
            let _ = writeln!(out, "      {sign}{line}");
        }
    }
    for cluster in plan.clusters.iter().filter(|cluster| !cluster.errors.is_empty()) {
        for error in &cluster.errors {
            let _ = writeln!(out, "  ! cluster {}: {error}", cluster.alias);
        }
    }
    let pruned = words::pruned(plan);
    if !pruned.is_empty() {
        let each: Vec<String> = pruned.iter().map(|(alias, n)| format!("{alias} {n}")).collect();
        let _ = writeln!(
            out,
            "\nObjects that leave git and would be deleted: {}",
            each.join(", ")
        );
    }
    for forecast in &plan.forecasts {
        out.push_str(&super::forecast::text(forecast, style.whole));
    }
    let counts = plan.counts();
    if counts.changed == 0 && counts.failed == 0 {
        let _ = writeln!(
            out,
            "No changes. {} would stay as they are.",
            count(counts.clusters, "cluster")
        );
    } else {
        let _ = writeln!(out, "\n{}", words::total(&counts));
    }
    if counts.failed > 0 {
        let _ = writeln!(out, "{} could not be planned.", count(counts.failed, "cluster"));
    }
    out
}

fn paint(style: Style, verb: Verb, text: &str) -> String {
    if !style.colour {
        return text.to_owned();
    }
    let code = match verb {
        Verb::Delete => 31,
        Verb::Replace => 35,
        Verb::Update => 33,
        Verb::Create => 32,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
