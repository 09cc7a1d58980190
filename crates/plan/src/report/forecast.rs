//! Forecasts for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use disruption::{Basis, Refusal, clock, explain_instant, explain_reason};
use jiff::Timestamp;

use crate::change::Verb;
use crate::forecast::{ClusterForecast, PoolForecast};
use model::words::count;

/// Rows of one kind that are shown unless the whole is asked for.
const MOST: usize = 8;

/// A forecast for terminals.
pub(super) fn text(forecast: &ClusterForecast, whole: bool) -> String {
    let most = if whole { usize::MAX } else { MOST };
    let mut out = format!(
        "\nForecast for cluster {} as of {} ({})\n",
        forecast.alias,
        clock(forecast.at),
        forecast.source
    );
    for pool in &forecast.pools {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "  {} node pool {}: {}",
            pool.verb.sign(),
            pool.pool,
            headline(pool)
        );
        for (name, value) in facts(pool, forecast.at) {
            let _ = writeln!(out, "      {name:<9} {value}");
        }
        shown(&mut out, "nodes", &nodes(pool, forecast.at), most);
        shown(&mut out, "refuses", &refusals(pool, forecast.at), most);
    }
    for error in &forecast.errors {
        let _ = writeln!(out, "  ! {error}");
    }
    out
}

/// A forecast for a comment on a pull request.
pub(super) fn markdown(forecast: &ClusterForecast) -> String {
    let mut out = String::new();
    let pools = count(forecast.pools.len(), "node pool");
    let alias = &forecast.alias;
    let _ = writeln!(
        out,
        "\n<details><summary>Forecast: {alias} rolls {pools}{}</summary>\n\nAs of {} (`{}`).\n",
        worst(forecast),
        clock(forecast.at),
        forecast.source
    );
    for pool in &forecast.pools {
        let _ = writeln!(out, "**`{} {}`** {}\n", pool.verb.sign(), pool.pool, headline(pool));
        for (name, value) in facts(pool, forecast.at) {
            let _ = writeln!(out, "- {name}: {value}");
        }
        let refusals = refusals(pool, forecast.at);
        for line in refusals.iter().take(MOST) {
            let _ = writeln!(out, "- refuses: {line}");
        }
        if refusals.len() > MOST {
            let _ = writeln!(out, "- and {} more that refuse", refusals.len() - MOST);
        }
        out.push('\n');
    }
    for error in &forecast.errors {
        let _ = writeln!(out, "- :x: {error}");
    }
    out.push_str("</details>\n");
    out
}

/// The latest end of all pools, for a headline.
fn worst(forecast: &ClusterForecast) -> String {
    let each = forecast.pools.iter().map(|pool| pool.at_latest);
    let latest: Option<Option<Timestamp>> = each.reduce(|a, b| Some(a?.max(b?)));
    match latest.flatten() {
        Some(at) => format!(", done by {} at the latest", explain_instant(at, forecast.at)),
        None => ", without a bound".to_owned(),
    }
}

fn headline(pool: &PoolForecast) -> String {
    let why: Vec<String> = pool.why.iter().map(ToString::to_string).collect();
    let moved = count(usize::try_from(pool.pods()).unwrap_or(usize::MAX), "pod");
    let verb = if pool.verb == Verb::Delete {
        "go for good"
    } else {
        "are replaced"
    };
    format!(
        "{} with {moved} {verb}; {}",
        count(pool.nodes.len(), "node"),
        why.join("; ")
    )
}

fn facts(pool: &PoolForecast, at: Timestamp) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let end = |end: Option<Timestamp>, none: &str| end.map_or_else(|| none.to_owned(), |end| explain_instant(end, at));
    let expected = end(pool.expected, "nothing tells");
    facts.push(("expected", format!("{expected}, {}", basis(pool))));
    let without = match &pool.unbounded {
        Some(disruption::Unbounded::Blocked) => "no bound: the cluster's block has no end",
        Some(disruption::Unbounded::Quarantined) => "no bound: a node was given up",
        _ => "no bound",
    };
    facts.push(("latest", end(pool.at_latest, without)));
    let groups = pool.nodes.iter().map(|node| node.batch).max().unwrap_or(0);
    let groups = count(usize::try_from(groups).unwrap_or(usize::MAX), "group");
    facts.push((
        "pace",
        format!(
            "{groups}, {} at once at most",
            count_u32(pool.in_flight.min(size(pool)), "node")
        ),
    ));
    let hours = |hours: Option<u64>| hours.map_or_else(|| "?".to_owned(), |hours| hours.to_string());
    let (few, many) = (
        hours(pool.surge_node_hours_expected),
        hours(pool.surge_node_hours_at_most),
    );
    facts.push((
        "surge",
        format!(
            "{} first; {few} node-hours expected, {many} at most",
            count_u32(pool.surge, "new node")
        ),
    ));
    let mut owners: Vec<_> = pool.owners.iter().collect();
    owners.sort_by_key(|(name, share)| (std::cmp::Reverse(share.pods), (*name).clone()));
    let more = owners.len().saturating_sub(MOST);
    let mut named: Vec<String> = owners
        .into_iter()
        .take(MOST)
        .map(|(owner, share)| match share.protected {
            0 => format!("{owner} {}", share.pods),
            protected => format!("{owner} {} ({protected} protected)", share.pods),
        })
        .collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    if !named.is_empty() {
        facts.push(("pods of", named.join(", ")));
    }
    facts
}

/// What the expectation of the whole pool rests on: that of its last node.
fn basis(pool: &PoolForecast) -> String {
    let last = pool
        .nodes
        .iter()
        .max_by_key(|node| node.expected.at.unwrap_or(Timestamp::MAX));
    let Some(last) = last else {
        return "it has no nodes".to_owned();
    };
    let pod = last
        .expected
        .slowest
        .as_ref()
        .map(|pod| format!(", the slowest is pod {pod}"))
        .unwrap_or_default();
    let words = match &last.expected.basis {
        Basis::Empty => "nothing has to move".to_owned(),
        Basis::Evictions { rounds: 1 } => "if every eviction is accepted at once".to_owned(),
        Basis::Evictions { rounds } => format!("if budgets let pods go in {rounds} rounds"),
        Basis::Force { against } => format!("by forced termination ({})", explain_reason(against)),
        Basis::PrimaryMoves => "when a database has moved its primary".to_owned(),
        Basis::Ending => "when a pod that ends is gone".to_owned(),
    };
    format!("{words}{pod}")
}

fn nodes(pool: &PoolForecast, at: Timestamp) -> Vec<String> {
    let each = pool.nodes.iter().map(|node| {
        let end = |end: Option<Timestamp>| end.map_or_else(|| "unknown".to_owned(), |end| explain_instant(end, at));
        format!(
            "{} in group {}, expected {}, latest {}",
            node.node,
            node.batch,
            end(node.expected.at),
            end(node.at_latest)
        )
    });
    each.collect()
}

/// Equal refusals of several pods on one line: what refuses, until when, whose and which pods these are.
fn refusals(pool: &PoolForecast, at: Timestamp) -> Vec<String> {
    let mut folded: BTreeMap<String, Vec<&Refusal>> = BTreeMap::new();
    for refusal in &pool.refusals {
        let key = format!("{} of {}", explain_reason(&refusal.reason), refusal.owner);
        folded.entry(key).or_default().push(refusal);
    }
    let mut rows: Vec<(Timestamp, String)> = folded
        .values()
        .filter_map(|of| {
            let first = of.first()?;
            let last = of.iter().map(|one| one.until).reduce(|a, b| Some(a?.max(b?))).flatten();
            let until = last.map_or_else(
                || "time alone does not end it".to_owned(),
                |until| {
                    format!(
                        "force not before {}, when {}",
                        explain_instant(until, at),
                        first.ended_by
                    )
                },
            );
            let pods: Vec<String> = of.iter().take(3).map(|one| one.pod.to_string()).collect();
            let more = of.len().saturating_sub(3);
            let rest = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let row = format!(
                "{}{rest} {}; {until}; owner {}",
                pods.join(", "),
                explain_reason(&first.reason),
                first.owner
            );
            Some((last.unwrap_or(Timestamp::MAX), row))
        })
        .collect();
    // What lasts longest comes first.
    rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn shown(out: &mut String, name: &str, rows: &[String], most: usize) {
    for (place, row) in rows.iter().take(most).enumerate() {
        let name = if place == 0 { name } else { "" };
        let _ = writeln!(out, "      {name:<9} {row}");
    }
    if rows.len() > most {
        let _ = writeln!(out, "      {:<9} ({} more)", "", rows.len() - most);
    }
}

fn size(pool: &PoolForecast) -> u32 {
    u32::try_from(pool.nodes.len()).unwrap_or(u32::MAX)
}

fn count_u32(n: u32, what: &str) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), what)
}
