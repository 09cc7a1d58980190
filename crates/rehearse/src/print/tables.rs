//! The tables of a report; text and page print the same ones.

use std::collections::BTreeMap;

use crate::print::words;
use crate::ranges::Ranges;
use crate::report::{ClusterReport, OwnerReport, Report};

/// A table with its head.
pub(super) struct Table {
    pub(super) head: &'static [&'static str],
    pub(super) rows: Vec<Vec<String>>,
}

/// A row per cluster.
pub(super) fn clusters(report: &Report) -> Table {
    let row = |cluster: &ClusterReport| {
        let moved = cluster.moved();
        let update = match cluster.updated {
            Some((began, Some(ended))) => words::between(began, ended),
            Some((_, None)) => "open".to_owned(),
            None => "none".to_owned(),
        };
        let sum = |of: &dyn Fn(&crate::report::PoolReport) -> u32| -> u32 { cluster.pools.iter().map(of).sum() };
        vec![
            cluster.alias.clone(),
            cluster.environment.clone(),
            words::outcome(report, cluster),
            update,
            format!("{}/{}", sum(&|pool| pool.replaced), sum(&|pool| pool.outdated)),
            moved.evicted.to_string(),
            moved.held.to_string(),
            moved.forced.to_string(),
            cluster.stuck.len().to_string(),
            words::node_hours(cluster.surge_node_seconds()),
        ]
    };
    Table {
        head: &[
            "CLUSTER",
            "ENVIRONMENT",
            "OUTCOME",
            "UPDATE",
            "NODES",
            "EVICTED",
            "HELD",
            "FORCED",
            "STUCK",
            "SURGE NODE-HOURS",
        ],
        rows: report.clusters.iter().map(row).collect(),
    }
}

/// Forced terminations in the order of their time.
pub(super) fn forced(report: &Report, of: &[&ClusterReport]) -> Table {
    let mut all: Vec<_> = of
        .iter()
        .flat_map(|cluster| cluster.forced.iter().map(|one| (one.at, cluster.alias.as_str(), one)))
        .collect();
    all.sort_by(|a, b| (a.0, a.1, &a.2.pod).cmp(&(b.0, b.1, &b.2.pod)));
    let row = |(at, alias, one): (jiff::Timestamp, &str, &crate::report::ForcedReport)| {
        vec![
            words::offset(report, at),
            alias.to_owned(),
            one.owner.clone(),
            one.pod.clone(),
            one.against.join("; "),
            one.right.clone(),
        ]
    };
    Table {
        head: &["AFTER", "CLUSTER", "OWNER", "POD", "AGAINST", "WHEN"],
        rows: all.into_iter().map(row).collect(),
    }
}

/// What happened to whose pods.
pub(super) fn owners(of: &[&ClusterReport]) -> Table {
    let mut all: BTreeMap<&str, OwnerReport> = BTreeMap::new();
    for (owner, one) in of.iter().flat_map(|cluster| &cluster.owners) {
        let sum = all.entry(owner).or_default();
        sum.evicted += one.evicted;
        sum.held += one.held;
        sum.forced += one.forced;
    }
    let mut all: Vec<_> = all.into_iter().collect();
    // Those who are hit hardest come first.
    all.sort_by(|a, b| (b.1.forced, b.1.held, b.1.evicted, a.0).cmp(&(a.1.forced, a.1.held, a.1.evicted, b.0)));
    let row = |(owner, one): (&str, OwnerReport)| {
        vec![
            owner.to_owned(),
            one.evicted.to_string(),
            one.held.to_string(),
            one.forced.to_string(),
        ]
    };
    Table {
        head: &["OWNER", "EVICTED", "HELD", "FORCED"],
        rows: all.into_iter().map(row).collect(),
    }
}

/// What held pods back, longest first.
pub(super) fn holds(report: &Report, of: &[&ClusterReport]) -> Table {
    let mut all: Vec<_> = of
        .iter()
        .flat_map(|cluster| cluster.holds.iter().map(|one| (cluster.alias.as_str(), one)))
        .collect();
    let lasted = |one: &crate::report::HoldReport| one.until.unwrap_or(report.end).duration_since(one.since);
    all.sort_by(|(a_alias, a), (b_alias, b)| {
        (lasted(b), *a_alias, &a.pod, a.since).cmp(&(lasted(a), *b_alias, &b.pod, b.since))
    });
    let row = |(alias, one): (&str, &crate::report::HoldReport)| {
        let lasted = words::between(one.since, one.until.unwrap_or(report.end));
        vec![
            alias.to_owned(),
            one.owner.clone(),
            one.pod.clone(),
            one.why.clone(),
            words::offset(report, one.since),
            if one.until.is_some() {
                lasted
            } else {
                format!("{lasted}, still")
            },
        ]
    };
    Table {
        head: &["CLUSTER", "OWNER", "POD", "HELD BY", "FROM", "FOR"],
        rows: all.into_iter().map(row).collect(),
    }
}

/// Nodes that are still to go.
pub(super) fn stuck(report: &Report, of: &[&ClusterReport]) -> Table {
    let all = of
        .iter()
        .flat_map(|cluster| cluster.stuck.iter().map(|one| (cluster.alias.as_str(), one)));
    let row = |(alias, one): (&str, &crate::report::StuckNode)| {
        let latest = one
            .at_latest
            .map_or_else(|| "unknown".to_owned(), |at| words::offset(report, at));
        vec![
            alias.to_owned(),
            one.pool.clone(),
            one.node.clone(),
            latest,
            one.sentence.clone(),
        ]
    };
    Table {
        head: &["CLUSTER", "POOL", "NODE", "LATEST", "WAITS ON"],
        rows: all.map(row).collect(),
    }
}

/// The bound of each pool against what happened.
pub(super) fn bounds(report: &Report, of: &[&ClusterReport]) -> Table {
    let pools = of
        .iter()
        .flat_map(|cluster| cluster.pools.iter().map(|pool| (cluster.alias.as_str(), pool)));
    let row = |(alias, pool): (&str, &crate::report::PoolReport)| {
        let held = words::held(report, pool)?;
        let verdict = match held.within {
            Some(true) => "within",
            Some(false) => "LATE",
            None => "no bound",
        };
        let hours = |hours: Option<u64>| hours.map_or_else(|| "?".to_owned(), |hours| hours.to_string());
        let bound = pool.bound.as_ref();
        Some(vec![
            alias.to_owned(),
            pool.pool.clone(),
            held.actual,
            held.expected,
            held.latest,
            verdict.to_owned(),
            words::node_hours(pool.surge_node_seconds),
            hours(bound.and_then(|bound| bound.surge_hours_at_most)),
        ])
    };
    Table {
        head: &[
            "CLUSTER",
            "POOL",
            "TOOK",
            "EXPECTED",
            "BOUND",
            "VERDICT",
            "SURGE NODE-HOURS",
            "AT MOST",
        ],
        rows: pools.filter_map(row).collect(),
    }
}

/// Least, middle and most over the seeds.
pub(super) fn ranges(ranges: &Ranges) -> Table {
    let number = |n: u64| n.to_string();
    let row = |what: &str, range: crate::ranges::Range, word: &dyn Fn(u64) -> String| {
        vec![what.to_owned(), word(range.least), word(range.middle), word(range.most)]
    };
    let mut rows = vec![
        row("time until all is done", ranges.seconds, &words::seconds),
        row("evictions", ranges.evicted, &number),
        row("pods held back", ranges.held, &number),
        row("forced terminations", ranges.forced, &number),
        row("nodes still to go", ranges.stuck, &number),
        row("surge node-hours", ranges.surge_node_seconds, &words::node_hours),
    ];
    rows.extend(
        ranges
            .clusters
            .iter()
            .map(|(alias, range)| row(&format!("cluster {alias}"), *range, &words::seconds)),
    );
    Table {
        head: &["WHAT", "LEAST", "MIDDLE", "MOST"],
        rows,
    }
}

/// The steps of a cluster's update.
pub(super) fn steps(report: &Report, cluster: &ClusterReport) -> Table {
    let row = |step: &crate::report::StepReport| {
        let began = step.began.map_or_else(String::new, |at| words::offset(report, at));
        let took = match (step.began, step.ended) {
            (Some(began), Some(ended)) => words::between(began, ended),
            _ => String::new(),
        };
        vec![
            step.path.clone(),
            step.progress.clone(),
            began,
            took,
            step.message.clone(),
        ]
    };
    Table {
        head: &["STEP", "STATE", "AFTER", "TOOK", "WHAT"],
        rows: cluster.steps.iter().map(row).collect(),
    }
}
