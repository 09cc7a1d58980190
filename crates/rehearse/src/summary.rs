//! Puts what was seen into the report.

use std::collections::BTreeMap;

use disruption::{Cause, Evidence, explain_reason};
use jiff::Timestamp;
use model::{Progress, Update};
use ports::Ledger;
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::PageRequest;
use rollout::{EVIDENCE_KIND, EvidenceRecord, NodeStatus};
use serde::de::DeserializeOwned;

use crate::build::Member;
use crate::done::{Rest, kind};
use crate::error::RehearseError;
use crate::observe::Seen;
use crate::report::{
    Bound, ClusterReport, FORMAT, ForcedReport, HoldReport, NodeLane, Outcome, PoolReport, Report, StepReport,
    StuckNode, Totals,
};
use crate::run::Course;
use crate::scenario::{ClusterInput, Scenario};

/// The report of a run.
pub(crate) async fn report(scenario: &Scenario, seed: u64, course: &Course) -> Result<Report, RehearseError> {
    let mut clusters = Vec::new();
    for (of, member) in scenario.clusters.iter().zip(&course.twin.members) {
        clusters.push(cluster_report(scenario, course, of, member).await?);
    }
    let all_done = course.rests.values().all(|rest| *rest == Rest::Nothing);
    let last = clusters.iter().filter_map(|cluster| match cluster.outcome {
        Outcome::Done { at } => Some(at),
        _ => None,
    });
    Ok(Report {
        format: FORMAT.to_owned(),
        from: scenario.from.clone(),
        to: scenario.to.clone(),
        seed,
        start: scenario.start,
        done_at: all_done.then(|| last.max().unwrap_or(scenario.start)),
        end: course.end,
        limit: scenario.start.saturating_add(scenario.limit).unwrap_or(Timestamp::MAX),
        totals: totals(&clusters),
        clusters,
        ranges: None,
    })
}

fn totals(clusters: &[ClusterReport]) -> Totals {
    let mut totals = Totals::default();
    for cluster in clusters {
        let moved = cluster.moved();
        totals.clusters += 1;
        totals.done += u64::from(cluster.outcome.is_done());
        totals.evicted += moved.evicted;
        totals.held += moved.held;
        totals.forced += moved.forced;
        totals.stuck += u64::try_from(cluster.stuck.len()).unwrap_or(u64::MAX);
        totals.surge_node_seconds += cluster.surge_node_seconds();
        for pool in &cluster.pools {
            totals.outdated += u64::from(pool.outdated);
            totals.replaced += u64::from(pool.replaced);
        }
    }
    totals
}

/// All entries of a kind about a cluster, oldest first.
async fn entries<T: DeserializeOwned>(course: &Course, member: &Member, of: &str) -> Result<Vec<T>, RehearseError> {
    let filter = EntryFilter {
        cluster: Some(member.id.clone()),
        ..EntryFilter::of(kind(of)?)
    };
    let ledger = &course.twin.registry;
    let page = ledger
        .list_entries(&filter, &PageRequest::all())
        .await
        .map_err(|source| RehearseError::Registry {
            what: format!("the ledger of cluster {}", member.alias),
            source,
        })?;
    let mut items = page.items;
    items.sort_by(|a, b| (a.created_at, a.id.as_str()).cmp(&(b.created_at, b.id.as_str())));
    let read = items.into_iter().map(|entry| {
        serde_json::from_value(entry.body).map_err(|error| RehearseError::Runtime(format!("{of}: {error}")))
    });
    read.collect()
}

async fn cluster_report(
    scenario: &Scenario,
    course: &Course,
    of: &ClusterInput,
    member: &Member,
) -> Result<ClusterReport, RehearseError> {
    let updates: Vec<Update> = entries(course, member, EntryKind::update().as_str()).await?;
    let began = |update: &&Update| update.started_at.is_some_and(|at| at >= scenario.start);
    let updates: Vec<&Update> = updates.iter().filter(began).collect();
    let evidence: Vec<EvidenceRecord> = entries(course, member, EVIDENCE_KIND).await?;
    let mut seen = member.notes.seen();
    let mut forced = Vec::new();
    for record in evidence
        .iter()
        .filter(|record| record.outcome != rollout::Outcome::Abandoned)
    {
        forced.push(take_forced(&mut seen, &record.evidence));
    }
    forced.sort_by(|a, b| (a.at, &a.pod).cmp(&(b.at, &b.pod)));
    let mut holds: Vec<_> = seen.holds.values().cloned().collect();
    holds.sort_by(|a, b| {
        let lasted = |one: &HoldReport| one.until.unwrap_or(course.end).duration_since(one.since);
        (lasted(b), &a.pod, a.since).cmp(&(lasted(a), &b.pod, b.since))
    });
    let stuck = stuck(course, member, &seen);
    let outcome = outcome(course, member, &updates, &seen, &stuck);
    Ok(ClusterReport {
        cluster: member.id.to_string(),
        alias: member.alias.clone(),
        environment: of.cluster.environment.clone(),
        workload: of.workload.source(),
        outcome,
        updated: updated(&updates),
        steps: updates.last().map(|update| steps(update)).unwrap_or_default(),
        pools: pools(&seen, course.end),
        nodes: lanes(&seen),
        owners: seen.owners.clone(),
        holds,
        forced,
        stuck,
    })
}

/// Notes a forced termination on its node and its owner, and puts it into words.
fn take_forced(seen: &mut Seen, evidence: &Evidence) -> ForcedReport {
    let named = evidence.team.as_deref().or(evidence.application.as_deref());
    let owner = named.unwrap_or(&evidence.pod.namespace).to_owned();
    seen.owners.entry(owner.clone()).or_default().forced += 1;
    let node = evidence.node.to_string();
    let there = |lane: &&mut NodeLane| {
        lane.node == node && lane.joined <= evidence.decided && lane.gone.is_none_or(|gone| gone >= evidence.decided)
    };
    if let Some(lane) = seen.lanes.iter_mut().find(there) {
        lane.forced.push(evidence.decided);
    }
    let last = evidence.rules.iter().max_by_key(|reading| reading.met_at);
    let right = match (&evidence.cause, last) {
        (Cause::Contract, Some(last)) => format!("{} ({})", last.rule, disruption::clock(last.met_at)),
        (Cause::Contract, None) => "the contract".to_owned(),
        (Cause::MachineEnds { at }, _) => format!("its machine ends ({})", disruption::clock(*at)),
    };
    ForcedReport {
        at: evidence.decided,
        pod: evidence.pod.to_string(),
        owner,
        node,
        against: evidence.protections.iter().map(explain_reason).collect(),
        right,
    }
}

fn updated(updates: &[&Update]) -> Option<(Timestamp, Option<Timestamp>)> {
    let first = updates.iter().filter_map(|update| update.started_at).min()?;
    let last = updates.last().and_then(|update| update.finished_at);
    Some((first, last))
}

fn steps(update: &Update) -> Vec<StepReport> {
    let skipped = |progress: Progress| matches!(progress, Progress::Skipped | Progress::Pending);
    let each = update.steps.iter().filter(|step| !skipped(step.progress));
    each.map(|step| StepReport {
        path: step.path.clone(),
        progress: step.progress.as_str().to_owned(),
        began: step.started_at,
        ended: step.finished_at,
        message: step.message.clone(),
    })
    .collect()
}

fn outcome(course: &Course, member: &Member, updates: &[&Update], seen: &Seen, stuck: &[StuckNode]) -> Outcome {
    let id = member.id.as_str();
    match course.rests.get(id) {
        Some(Rest::Nothing) => {
            let touched = !updates.is_empty() || seen.lanes.iter().any(|lane| lane.selected.is_some());
            match course.done.get(id).filter(|_| touched) {
                Some(at) => Outcome::Done { at: *at },
                None => Outcome::Unchanged,
            }
        }
        Some(Rest::Blocked(why)) => Outcome::Blocked { why: why.clone() },
        Some(Rest::Update(Some(why))) => Outcome::Failed { why: why.clone() },
        Some(Rest::Waits(said)) => Outcome::Unfinished { left: said.clone() },
        Some(Rest::Update(None)) => {
            let waits = updates
                .last()
                .map(|update| update.message.clone())
                .filter(|text| !text.is_empty());
            Outcome::Unfinished {
                left: waits.unwrap_or_else(|| "its update waits for its turn".to_owned()),
            }
        }
        Some(Rest::Nodes) | None => Outcome::Unfinished {
            left: match stuck {
                [] => "its rollouts are open".to_owned(),
                [one] => format!("1 node: {}", one.sentence),
                [first, rest @ ..] => format!("{} nodes, the first: {}", rest.len() + 1, first.sentence),
            },
        },
    }
}

/// Nodes that are still to go, or were given up, with the engine's own sentences.
fn stuck(course: &Course, member: &Member, seen: &Seen) -> Vec<StuckNode> {
    let view = course.views.iter().find(|view| view.cluster == member.id);
    let status = view.and_then(|view| view.status.as_ref());
    let told: BTreeMap<&str, &NodeStatus> = status
        .into_iter()
        .flat_map(|status| &status.pools)
        .flat_map(|pool| &pool.nodes)
        .map(|node| (node.node.as_str(), node))
        .collect();
    let left = seen.lanes.iter().filter(|lane| {
        let goes = lane.selected.is_some() || lane.given_up.is_some() || told.contains_key(lane.node.as_str());
        lane.gone.is_none() && goes
    });
    left.map(|lane| {
        let told = told.get(lane.node.as_str());
        let own = || match &lane.given_up {
            Some(why) => format!("it was given up: {why}"),
            None => "it waits for its turn".to_owned(),
        };
        StuckNode {
            node: lane.node.clone(),
            pool: lane.pool.clone(),
            sentence: told.map_or_else(own, |node| node.sentence.clone()),
            at_latest: told.and_then(|node| node.latest).or(lane.at_latest),
        }
    })
    .collect()
}

/// Old nodes first, each kind in the order in which they begin to go or come.
fn lanes(seen: &Seen) -> Vec<NodeLane> {
    let mut lanes = seen.lanes.clone();
    lanes.sort_by(|a, b| {
        let begins = |lane: &NodeLane| match lane.old {
            true => lane.draining.or(lane.selected).unwrap_or(Timestamp::MAX),
            false => lane.joined,
        };
        (&a.pool, !a.old, begins(a), a.gone.unwrap_or(Timestamp::MAX), &a.node).cmp(&(
            &b.pool,
            !b.old,
            begins(b),
            b.gone.unwrap_or(Timestamp::MAX),
            &b.node,
        ))
    });
    lanes
}

fn pools(seen: &Seen, end: Timestamp) -> Vec<PoolReport> {
    let mut by_pool: BTreeMap<&str, Vec<&NodeLane>> = BTreeMap::new();
    for lane in &seen.lanes {
        by_pool.entry(&lane.pool).or_default().push(lane);
    }
    by_pool
        .into_iter()
        .map(|(name, lanes)| pool(seen, name, &lanes, end))
        .collect()
}

fn pool(seen: &Seen, name: &str, lanes: &[&NodeLane], end: Timestamp) -> PoolReport {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let old = || lanes.iter().filter(|lane| lane.old);
    let outdated = || old().filter(|lane| lane.selected.is_some() || lane.gone.is_some());
    let ended = outdated()
        .map(|lane| lane.gone)
        .reduce(|a, b| Some(a?.max(b?)))
        .flatten();
    let (most, surge_node_seconds) = surge(lanes, old().count(), end);
    let forecast = seen
        .forecast
        .as_ref()
        .and_then(|all| all.pools.iter().find(|pool| pool.pool == name));
    PoolReport {
        pool: name.to_owned(),
        before: count(old().count()),
        outdated: count(outdated().count()),
        replaced: count(outdated().filter(|lane| lane.gone.is_some()).count()),
        most,
        began: outdated().filter_map(|lane| lane.selected).min(),
        ended,
        surge_node_seconds,
        bound: forecast.map(|pool| Bound {
            expected: pool.expected,
            at_latest: pool.at_latest,
            surge_hours_expected: pool.surge_node_hours_expected,
            surge_hours_at_most: pool.surge_node_hours_at_most,
        }),
    }
}

/// The most nodes at once, and the seconds of nodes beyond those that were there before.
fn surge(lanes: &[&NodeLane], before: usize, end: Timestamp) -> (u32, u64) {
    let mut changes: Vec<(Timestamp, i64)> = Vec::new();
    for lane in lanes {
        changes.push((lane.joined, 1));
        changes.extend(lane.gone.map(|gone| (gone, -1)));
    }
    changes.sort_unstable();
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let (mut nodes, mut most, mut seconds, mut since) = (0_i64, 0_i64, 0_i64, None);
    for (at, by) in changes.into_iter().chain([(end, 0)]) {
        if let Some(since) = since {
            let extra = (nodes - before).max(0);
            seconds += extra.saturating_mul(at.duration_since(since).as_secs().max(0));
        }
        nodes += by;
        most = most.max(nodes);
        since = Some(at);
    }
    (u32::try_from(most).unwrap_or(0), u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(old: bool, joined: i64, gone: Option<i64>) -> NodeLane {
        let at = |second| Timestamp::from_second(second).unwrap();
        NodeLane {
            node: "n".to_owned(),
            stands_for: None,
            pool: "p".to_owned(),
            old,
            joined: at(joined),
            ready: None,
            selected: None,
            draining: None,
            gone: gone.map(at),
            at_latest: None,
            given_up: None,
            evicted: 0,
            held: 0,
            forced: Vec::new(),
        }
    }

    #[test]
    fn surge_is_what_is_there_beyond_the_nodes_of_the_beginning() {
        let end = Timestamp::from_second(1_000).unwrap();
        let check = |lanes: &[NodeLane], expected: (u32, u64)| {
            let all: Vec<&NodeLane> = lanes.iter().collect();
            let before = lanes.iter().filter(|lane| lane.old).count();
            assert_eq!(surge(&all, before, end), expected);
        };
        check(&[lane(true, 0, None)], (1, 0));
        check(&[lane(true, 0, Some(300)), lane(false, 100, None)], (2, 200));
        // A machine that vanishes before its replacement comes is no surge.
        check(&[lane(true, 0, Some(300)), lane(false, 400, None)], (1, 0));
        check(&[lane(true, 0, None), lane(false, 900, None)], (2, 100));
    }
}
