//! Several seeds in parallel, and what they have in common.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::RehearseError;
use crate::report::Report;
use crate::run::rehearse;
use crate::scenario::Scenario;

/// Least, middle and most of a number over the seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Least.
    pub least: u64,
    /// Half of the seeds have at most this.
    pub middle: u64,
    /// Most.
    pub most: u64,
}

/// What several seeds came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges {
    /// The seeds.
    pub seeds: Vec<u64>,
    /// How many of them ended with everything done.
    pub done: u64,
    /// Seconds from the start until all was done; of seeds that were not done, until the end of the time.
    pub seconds: Range,
    /// Evictions that were accepted.
    pub evicted: Range,
    /// Pods that something held back.
    pub held: Range,
    /// Forced terminations.
    pub forced: Range,
    /// Nodes that were still to go at the end.
    pub stuck: Range,
    /// Seconds of extra nodes.
    pub surge_node_seconds: Range,
    /// The same by cluster: alias and seconds until it was done.
    pub clusters: Vec<(String, Range)>,
}

/// Holds a rehearsal with `count` seeds from `seed` on, as many at a time as there are cores. The report is that of the first
/// seed, with the ranges of all.
///
/// # Errors
/// That of the first seed that fails, as for [`rehearse`].
pub fn rehearse_many(scenario: &Scenario, seed: u64, count: u64) -> Result<Report, RehearseError> {
    let count = count.max(1);
    if count == 1 {
        return rehearse(scenario, seed);
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap_or(1));
    let (next, results) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= count {
                        return;
                    }
                    let result = rehearse(scenario, seed.wrapping_add(place));
                    let mut all = results.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push((place, result));
                }
            });
        }
    });
    let mut all = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_by_key(|(place, _)| *place);
    let mut reports = Vec::new();
    for (_, result) in all {
        reports.push(result?);
    }
    let ranges = ranges(&reports);
    let mut reports = reports.into_iter();
    let first = reports
        .next()
        .ok_or_else(|| RehearseError::Runtime("no seed was run".to_owned()))?;
    Ok(Report {
        ranges: Some(ranges),
        ..first
    })
}

fn ranges(reports: &[Report]) -> Ranges {
    let of = |number: &dyn Fn(&Report) -> u64| range(reports.iter().map(number).collect());
    let seconds = |report: &Report, done: Option<Timestamp>| {
        let until = done.unwrap_or(report.end);
        u64::try_from(until.duration_since(report.start).as_secs()).unwrap_or(0)
    };
    let clusters = reports.first().map(|report| report.clusters.len()).unwrap_or(0);
    let cluster = |place: usize| {
        let alias = reports.first()?.clusters.get(place)?.alias.clone();
        let each = reports.iter().filter_map(|report| {
            let done = match &report.clusters.get(place)?.outcome {
                crate::report::Outcome::Done { at } => Some(*at),
                crate::report::Outcome::Unchanged => Some(report.start),
                _ => None,
            };
            Some(seconds(report, done))
        });
        Some((alias, range(each.collect())))
    };
    Ranges {
        seeds: reports.iter().map(|report| report.seed).collect(),
        done: reports.iter().map(|report| u64::from(report.done_at.is_some())).sum(),
        seconds: of(&|report| seconds(report, report.done_at)),
        evicted: of(&|report| report.totals.evicted),
        held: of(&|report| report.totals.held),
        forced: of(&|report| report.totals.forced),
        stuck: of(&|report| report.totals.stuck),
        surge_node_seconds: of(&|report| report.totals.surge_node_seconds),
        clusters: (0..clusters).filter_map(cluster).collect(),
    }
}

fn range(mut numbers: Vec<u64>) -> Range {
    numbers.sort_unstable();
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
    Range {
        least: at(0),
        middle: at(numbers.len().saturating_sub(1) / 2),
        most: at(numbers.len().saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_what_half_of_the_seeds_have_at_most() {
        let check = |numbers: &[u64], expected: (u64, u64, u64)| {
            let range = range(numbers.to_vec());
            assert_eq!((range.least, range.middle, range.most), expected, "{numbers:?}");
        };
        check(&[], (0, 0, 0));
        check(&[7], (7, 7, 7));
        check(&[3, 1], (1, 1, 3));
        check(&[5, 1, 3], (1, 3, 5));
        check(&[4, 1, 3, 2], (1, 2, 4));
    }
}
