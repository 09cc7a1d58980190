//! What text and page say alike.

use jiff::Timestamp;
use model::duration::GoDuration;
use model::words::count;

use crate::ranges::Range;
use crate::report::{ClusterReport, Outcome, PoolReport, Report};

fn span(seconds: i64) -> String {
    disruption::short(GoDuration::from_nanos(seconds.saturating_mul(1_000_000_000)))
}

/// The time since the start: `+2h10m`.
pub(super) fn offset(report: &Report, at: Timestamp) -> String {
    format!("+{}", between(report.start, at))
}

/// The time between two instants.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    span(to.duration_since(from).as_secs())
}

/// Seconds as people say them.
pub(super) fn seconds(seconds: u64) -> String {
    span(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Seconds of nodes as hours of nodes, with one digit.
pub(super) fn node_hours(seconds: u64) -> String {
    let tenths = seconds.saturating_add(180) / 360;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// One number, or least and most.
pub(super) fn range(range: Range, word: impl Fn(u64) -> String) -> String {
    if range.least == range.most {
        return word(range.least);
    }
    format!("{} to {}", word(range.least), word(range.most))
}

/// How it all ended, in a sentence.
pub(super) fn verdict(report: &Report) -> String {
    let totals = &report.totals;
    if totals.clusters == 0 {
        return "There was nothing to do.".to_owned();
    }
    if let Some(at) = report.done_at {
        let all = match totals.clusters {
            1 => "The cluster is".to_owned(),
            n => format!("All {n} clusters are"),
        };
        if at == report.start {
            return format!("{all} at the new version already.");
        }
        return format!("{all} at the new version after {}.", between(report.start, at));
    }
    let (done, verb) = match totals.done {
        0 => ("none".to_owned(), "are"),
        1 => ("1".to_owned(), "is"),
        n => (n.to_string(), "are"),
    };
    let sentence = format!(
        "After {}, {done} of {} {verb} done",
        between(report.start, report.end),
        count(totals.clusters, "cluster")
    );
    match totals.stuck {
        0 => format!("{sentence}."),
        1 => format!("{sentence}; 1 node is still to go."),
        n => format!("{sentence}; {n} nodes are still to go."),
    }
}

/// How a cluster ended, in a few words.
pub(super) fn outcome(report: &Report, cluster: &ClusterReport) -> String {
    match &cluster.outcome {
        Outcome::Done { at } => format!("done in {}", between(report.start, *at)),
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Blocked { .. } => "blocked".to_owned(),
        Outcome::Failed { .. } => "failed".to_owned(),
        Outcome::Unfinished { .. } => "not done".to_owned(),
    }
}

/// Why a cluster is not done.
pub(super) fn why(cluster: &ClusterReport) -> Option<&str> {
    match &cluster.outcome {
        Outcome::Done { .. } | Outcome::Unchanged => None,
        Outcome::Blocked { why } | Outcome::Failed { why } => Some(why),
        Outcome::Unfinished { left } => Some(left),
    }
}

/// A pool's bound against what happened.
pub(super) struct Held {
    pub(super) actual: String,
    pub(super) expected: String,
    pub(super) latest: String,
    /// Whether the bound held; nothing when there was none.
    pub(super) within: Option<bool>,
}

/// Compares a pool's bound with what happened; nothing for pools that did not roll.
pub(super) fn held(report: &Report, pool: &PoolReport) -> Option<Held> {
    let began = pool.began?;
    let bound = pool.bound.as_ref();
    let since = |at: Option<Timestamp>, none: &str| at.map_or_else(|| none.to_owned(), |at| between(began, at));
    let latest = bound.and_then(|bound| bound.at_latest);
    let reached = pool.ended.unwrap_or(report.end);
    Some(Held {
        actual: since(pool.ended, "not done"),
        expected: since(bound.and_then(|bound| bound.expected), "unknown"),
        latest: since(latest, "no bound"),
        // A pool that is not done is within its bound as long as that has not passed.
        within: latest.map(|latest| reached <= latest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_nodes_have_one_digit() {
        for (seconds, expected) in [
            (0, "0.0"),
            (180, "0.1"),
            (3_600, "1.0"),
            (5_400, "1.5"),
            (36_100, "10.0"),
        ] {
            assert_eq!(node_hours(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn the_verdict_is_a_sentence() {
        let mut report = Report::parse(
            r#"{"format": "fleetwright.rehearsal/v1", "from": "a", "to": "b", "seed": 1, "start": "2026-01-05T08:00:00Z",
            "done_at": "2026-01-05T13:00:00Z", "end": "2026-01-08T08:00:00Z", "limit": "2026-01-08T08:00:00Z", "clusters": [],
            "totals": {"clusters": 3, "done": 3, "outdated": 0, "replaced": 0, "evicted": 0, "held": 0, "forced": 0, "stuck": 2,
            "surge_node_seconds": 0}}"#,
        )
        .unwrap();
        assert_eq!(verdict(&report), "All 3 clusters are at the new version after 5h.");
        report.done_at = None;
        report.totals.done = 1;
        assert_eq!(
            verdict(&report),
            "After 3d, 1 of 3 clusters is done; 2 nodes are still to go."
        );
        report.totals.done = 0;
        report.totals.stuck = 0;
        assert_eq!(verdict(&report), "After 3d, none of 3 clusters are done.");
    }
}
