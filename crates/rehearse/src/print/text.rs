//! For terminals.

use std::fmt::Write as _;

use model::words::count;

use crate::print::tables::{self, Table};
use crate::print::words;
use crate::report::{ClusterReport, Report};

/// Rows of one table that are shown.
const MOST: usize = 20;

/// The report as text.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "Rehearsal from {} to {}, seed {}, on a twin of {} from {}\n\n{}",
        report.from,
        report.to,
        report.seed,
        count(report.totals.clusters, "cluster"),
        disruption::clock(report.start),
        words::verdict(report)
    );
    section(&mut out, "Clusters", &tables::clusters(report));
    for cluster in &report.clusters {
        if let Some(why) = words::why(cluster) {
            let _ = writeln!(out, "  {}: {why}", cluster.alias);
        }
    }
    section(&mut out, "Timeline", &timeline(report));
    let all: Vec<&ClusterReport> = report.clusters.iter().collect();
    section(&mut out, "Forced terminations", &tables::forced(report, &all));
    section(&mut out, "Pods by owner", &tables::owners(&all));
    section(&mut out, "Pods that were held back", &tables::holds(report, &all));
    section(&mut out, "Nodes that are still to go", &tables::stuck(report, &all));
    section(&mut out, "Bound against actual", &tables::bounds(report, &all));
    if let Some(ranges) = &report.ranges {
        let title = format!("Over {} seeds", ranges.seeds.len());
        section(&mut out, &title, &tables::ranges(ranges));
    }
    out
}

/// What happened when, over the whole fleet.
fn timeline(report: &Report) -> Table {
    let mut events = Vec::new();
    for cluster in &report.clusters {
        let mut add = |at, what: String| events.push((at, cluster.alias.clone(), what));
        if let Some((began, ended)) = cluster.updated {
            add(began, "update begins".to_owned());
            if let Some(ended) = ended {
                add(ended, "definitions and manifests are applied".to_owned());
            }
        }
        for pool in &cluster.pools {
            if let Some(began) = pool.began {
                let nodes = count(pool.outdated, "node");
                add(began, format!("pool {}: {nodes} selected to go", pool.pool));
            }
            if let Some(ended) = pool.ended.filter(|_| pool.outdated > 0) {
                add(ended, format!("pool {}: the last old node is gone", pool.pool));
            }
        }
        for forced in &cluster.forced {
            add(
                forced.at,
                format!("pod {} of {} is terminated by force", forced.pod, forced.owner),
            );
        }
        if let crate::report::Outcome::Done { at } = &cluster.outcome {
            add(*at, "done".to_owned());
        }
    }
    events.sort();
    let rows = events
        .into_iter()
        .map(|(at, alias, what)| vec![words::offset(report, at), alias, what]);
    Table {
        head: &["AFTER", "CLUSTER", "WHAT"],
        rows: rows.collect(),
    }
}

fn section(out: &mut String, title: &str, table: &Table) {
    if table.rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    let shown = || table.rows.iter().take(MOST);
    let widths: Vec<usize> = (0..table.head.len())
        .map(|column| {
            let head = table.head.get(column).map_or(0, |text| text.len());
            let cells = shown()
                .filter_map(|row| row.get(column))
                .map(|text| text.chars().count());
            cells.max().unwrap_or(0).max(head)
        })
        .collect();
    let mut line = |cells: &[&str]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let text = padded.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "  {}", text.trim_end());
    };
    line(table.head);
    for row in shown() {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    if table.rows.len() > MOST {
        let _ = writeln!(out, "  ({} more)", table.rows.len() - MOST);
    }
}
