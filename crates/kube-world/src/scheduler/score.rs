//! How well nodes suit a pod: the scheduler's scores with its default weights, in its own integer arithmetic.

use super::class::SpreadLink;
use super::cluster::Room;
use super::filter::Question;
use super::resources::Requests;
use super::tally::{NodeId, Tally};

/// The best score of one plugin.
const BEST: i64 = 100;
const TAINT_WEIGHT: i64 = 3;
const NODE_AFFINITY_WEIGHT: i64 = 2;
const SPREAD_WEIGHT: i64 = 2;
const POD_AFFINITY_WEIGHT: i64 = 2;

/// Tables that are used again for each decision.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    raw: Vec<i64>,
    seen: Vec<bool>,
}

/// Scores the nodes that take the pod; `totals` gets one number for each, the higher the better.
pub(crate) fn score(question: &Question<'_>, nodes: &[NodeId], scratch: &mut Scratch, totals: &mut Vec<i64>) {
    totals.clear();
    let requests = &question.class.spec.requests;
    totals.extend(nodes.iter().map(|node| room_score(&question.room(*node), requests)));
    let answer = |node: &NodeId| question.rules.answer(*node);
    fill(scratch, nodes, |node| answer(node).dislikes);
    spread_out(&mut scratch.raw, true);
    add(totals, &scratch.raw, TAINT_WEIGHT);
    if !question.rules.spec.preferred.is_empty() {
        fill(scratch, nodes, |node| answer(node).wishes);
        spread_out(&mut scratch.raw, false);
        add(totals, &scratch.raw, NODE_AFFINITY_WEIGHT);
    }
    if !question.class.links.soft_spread.is_empty() {
        by_spread(question, nodes, scratch);
        add(totals, &scratch.raw, SPREAD_WEIGHT);
    }
    let links = &question.class.links;
    if !(links.wishes.is_empty() && links.weighed_by.is_empty()) {
        by_affinity(question, nodes, scratch);
        add(totals, &scratch.raw, POD_AFFINITY_WEIGHT);
    }
}

fn fill(scratch: &mut Scratch, nodes: &[NodeId], value: impl Fn(&NodeId) -> i64) {
    scratch.raw.clear();
    scratch.raw.extend(nodes.iter().map(value));
}

fn add(totals: &mut [i64], scores: &[i64], weight: i64) {
    for (total, score) in totals.iter_mut().zip(scores) {
        *total += weight * score;
    }
}

/// Stretches counts to 0..=100, or turns them round so that the highest becomes 0.
fn spread_out(scores: &mut [i64], reverse: bool) {
    let highest = scores.iter().copied().max().unwrap_or(0);
    for score in scores {
        let share = if highest == 0 { 0 } else { BEST * *score / highest };
        *score = if reverse { BEST - share } else { share };
    }
}

/// Least allocated and balanced allocation together.
pub(crate) fn room_score(room: &Room, requests: &Requests) -> i64 {
    let free = |have: i64, used: i64| if used > have { 0 } else { (have - used) * BEST / have };
    let mut parts = (0, 0);
    for (have, used) in [
        (room.cpu, room.weighed_cpu + requests.weighed_cpu),
        (room.memory, room.weighed_memory + requests.weighed_memory),
    ] {
        if have > 0 {
            parts = (parts.0 + free(have, used), parts.1 + 1);
        }
    }
    let least_allocated = if parts.1 == 0 { 0 } else { parts.0 / parts.1 };
    let (cpu, memory) = (requests.stated.cpu, requests.stated.memory);
    // A pod that asks for nothing does not change the balance, and is not scored for it.
    if cpu == 0 && memory == 0 {
        return least_allocated;
    }
    let with = balance(room, room.used_cpu + cpu, room.used_memory + memory);
    let without = balance(room, room.used_cpu, room.used_memory);
    least_allocated + BEST / 2 + (BEST / 2 + with - without) / 2
}

/// 100 less the spread of the shares of CPU and memory in use, in percent cut off.
#[expect(clippy::cast_precision_loss, reason = "amounts of a node are far below 2^53")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "cut off like the original, between 50 and 100"
)]
fn balance(room: &Room, cpu: i64, memory: i64) -> i64 {
    if room.cpu <= 0 || room.memory <= 0 {
        return BEST;
    }
    let share = |used: i64, have: i64| (used as f64 / have as f64).min(1.0);
    let deviation = ((share(cpu, room.cpu) - share(memory, room.memory)) / 2.0).abs();
    ((1.0 - deviation) * BEST as f64) as i64
}

/// Soft spreading: the fewer pods like this one in the node's domains, the better.
fn by_spread(question: &Question<'_>, nodes: &[NodeId], scratch: &mut Scratch) {
    let links: Vec<(&SpreadLink, &Tally)> = question
        .class
        .links
        .soft_spread
        .iter()
        .filter_map(|link| Some((link, question.tally(link.tally)?)))
        .collect();
    let strict = !question.class.spec.default_spread;
    let ignored = |node: NodeId| strict && links.iter().any(|(_, tally)| tally.domain_of(node).is_none());
    let scored = nodes.iter().filter(|node| !ignored(**node)).count();
    let weights: Vec<f64> = links
        .iter()
        .map(|(link, tally)| {
            let domains = if link.by_node {
                scored
            } else {
                domains(tally, nodes, &ignored, &mut scratch.seen)
            };
            weight(domains)
        })
        .collect();
    scratch.raw.clear();
    scratch.raw.extend(nodes.iter().map(|node| {
        if ignored(*node) {
            -1
        } else {
            crowd(&links, &weights, *node)
        }
    }));
    let kept = || scratch.raw.iter().copied().filter(|score| *score >= 0);
    let (lowest, highest) = (kept().min().unwrap_or(0), kept().max().unwrap_or(0));
    for score in &mut scratch.raw {
        *score = match *score {
            -1 => 0,
            _ if highest == 0 => BEST,
            score => BEST * (highest + lowest - score) / highest,
        };
    }
}

/// How many domains the nodes are in; all nodes without the label are one.
fn domains(tally: &Tally, nodes: &[NodeId], ignored: &impl Fn(NodeId) -> bool, seen: &mut Vec<bool>) -> usize {
    let nowhere = tally.domain_bound();
    seen.clear();
    seen.resize(nowhere + 1, false);
    let mut found = 0;
    for node in nodes.iter().filter(|node| !ignored(**node)) {
        let at = tally
            .domain_of(*node)
            .and_then(|domain| usize::try_from(domain).ok())
            .unwrap_or(nowhere);
        if seen.len() <= at {
            seen.resize(at + 1, false);
        }
        if let Some(seen) = seen.get_mut(at)
            && !std::mem::replace(seen, true)
        {
            found += 1;
        }
    }
    found
}

/// Domains are the more telling the more there are.
#[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
fn weight(domains: usize) -> f64 {
    (domains as f64 + 2.0).ln()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of pods are small")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded just before; numbers of pods are small"
)]
fn crowd(links: &[(&SpreadLink, &Tally)], weights: &[f64], node: NodeId) -> i64 {
    let mut sum = 0.0;
    for ((link, tally), weight) in links.iter().zip(weights) {
        let Some(in_domain) = tally.in_domain_of(node) else {
            continue;
        };
        let count = if link.by_node { tally.on(node) } else { in_domain };
        sum += count as f64 * weight + (link.max_skew - 1) as f64;
    }
    sum.round() as i64
}

/// Wishes about other pods, in both directions.
fn by_affinity(question: &Question<'_>, nodes: &[NodeId], scratch: &mut Scratch) {
    let links = &question.class.links;
    let weighted = links.wishes.iter().chain(&links.weighed_by);
    let counted: Vec<(&Tally, i64)> = weighted
        .filter_map(|(tally, weight)| Some((question.tally(*tally)?, *weight)))
        .filter(|(tally, _)| tally.total() > 0)
        .collect();
    fill(scratch, nodes, |node| {
        counted
            .iter()
            .map(|(tally, weight)| weight * tally.in_domain_of(*node).unwrap_or(0))
            .sum()
    });
    stretch(&mut scratch.raw);
}

/// Stretches scores that may be negative to 0..=100; equal ones all become 0.
#[expect(clippy::cast_precision_loss, reason = "sums of weights are far below 2^53")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "cut off like the original, between 0 and 100"
)]
fn stretch(scores: &mut [i64]) {
    let (lowest, highest) = (
        scores.iter().copied().min().unwrap_or(0),
        scores.iter().copied().max().unwrap_or(0),
    );
    let range = highest - lowest;
    for score in scores {
        *score = if range > 0 {
            (BEST as f64 * ((*score - lowest) as f64 / range as f64)) as i64
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_stretched_and_turned_round() {
        let check = |scores: &[i64], reverse: bool, expected: &[i64]| {
            let mut scores = scores.to_vec();
            spread_out(&mut scores, reverse);
            assert_eq!(scores, expected);
        };
        check(&[0, 0], true, &[100, 100]);
        check(&[0, 0], false, &[0, 0]);
        check(&[0, 1, 3], true, &[100, 67, 0]);
        check(&[0, 1, 3], false, &[0, 33, 100]);
    }

    #[test]
    fn wishes_below_zero_are_stretched_too() {
        let mut scores = vec![-100, 0, 50];
        stretch(&mut scores);
        assert_eq!(scores, [0, 66, 100]);
        let mut equal = vec![7, 7];
        stretch(&mut equal);
        assert_eq!(equal, [0, 0]);
    }

    #[test]
    fn free_and_balanced_nodes_score_higher() {
        let room = |used_cpu: i64, used_memory: i64| Room {
            cpu: 4_000,
            memory: 10_000,
            used_cpu,
            used_memory,
            weighed_cpu: used_cpu,
            weighed_memory: used_memory,
            ..Room::default()
        };
        let mut requests = Requests::default();
        requests.stated.cpu = 1_000;
        requests.weighed_cpu = 1_000;
        requests.stated.memory = 2_500;
        requests.weighed_memory = 2_500;
        // Empty: three quarters free, and as balanced as before: 75 + (50 + 25).
        assert_eq!(room_score(&room(0, 0), &requests), 75 + 75);
        // The balance was 75 (a share of 0.5 against 0) and stays so: (25 + 75) / 2 + 75.
        assert_eq!(room_score(&room(2_000, 0), &requests), 50 + 75);
        // Asking for nothing is scored for free room only.
        assert_eq!(room_score(&room(2_000, 0), &Requests::default()), 75);
    }
}
