//! What got worse between two looks at a cluster. What was wrong before is nobody's fault now.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use model::{HealthReason, words};

use super::{Fails, Observation, Rules, Short};

/// Pods and nodes that a sentence names.
const NAMED: usize = 3;

/// One thing that got worse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worse {
    /// What, and how.
    pub reason: HealthReason,
    /// Waiting longer does not help: it counts although the time to settle is not over.
    pub over: bool,
}

/// What is worse in `now` than in `before`, by what it is. Without `before` everything that is wrong is held against the update:
/// a new cluster, or one that could not be observed.
#[must_use]
pub fn worse(before: Option<&Observation>, now: &Observation, rules: &Rules) -> BTreeMap<String, Worse> {
    let mut found = BTreeMap::new();
    let mut add = |key: String, component: &str, subject: String, message: String, over: bool| {
        let reason = HealthReason {
            component: component.to_owned(),
            subject,
            message,
            since: None,
        };
        found.insert(key, Worse { reason, over });
    };
    if let Some(message) = api(before, now, rules) {
        add("api".to_owned(), "", "api".to_owned(), message, false);
    }
    for (key, short) in &now.workloads {
        let known = before.and_then(|before| before.workloads.get(key));
        if let Some(message) = workload(known, short) {
            let over = short.shortfall.over;
            add(format!("workload {key}"), &short.component, key.clone(), message, over);
        }
    }
    for (name, message) in &now.nodes {
        if before.is_none_or(|before| !before.nodes.contains_key(name)) {
            add(
                format!("node {name}"),
                "",
                format!("Node {name}"),
                message.clone(),
                false,
            );
        }
    }
    if let Some(message) = pending(before, now, rules.more_pending) {
        add("pending".to_owned(), "", "pending pods".to_owned(), message, false);
    }
    for (check, failing) in &now.checks {
        let known = before.and_then(|before| before.checks.get(check));
        for (subject, fails) in failing {
            if further(known.and_then(|known| known.get(subject)), fails) {
                let message = format!("{subject}: {}", fails.message);
                add(
                    format!("check {check} {subject}"),
                    "",
                    format!("check {check}"),
                    message,
                    false,
                );
            }
        }
    }
    found
}

/// What has to be known for a verdict and cannot be read.
#[must_use]
pub fn missing(before: Option<&Observation>, now: &Observation) -> Vec<HealthReason> {
    let reason = |subject: &str, message: &str| HealthReason {
        subject: subject.to_owned(),
        message: message.to_owned(),
        ..HealthReason::default()
    };
    let mut all: Vec<HealthReason> = now.missing.iter().map(|(what, why)| reason(what, why)).collect();
    // An API that did not answer before either did not get worse; and yet nothing is known about the cluster.
    if let Some(why) = &now.unanswered
        && before.is_some_and(|before| before.unanswered.is_some())
    {
        all.push(reason("api", why));
    }
    all
}

fn api(before: Option<&Observation>, now: &Observation, rules: &Rules) -> Option<String> {
    if let Some(why) = &now.unanswered {
        let answered = before.is_none_or(|before| before.unanswered.is_none());
        return answered.then(|| format!("does not answer: {why}"));
    }
    let (was, is) = (before?.latency_ms?, now.latency_ms?);
    let floor = u64::try_from(rules.latency_floor.as_millis()).unwrap_or(u64::MAX);
    let slowest = (u128::from(was) * u128::from(rules.latency_percent) / 100).max(u128::from(floor));
    let said = |ms: u64| match i64::try_from(ms) {
        Ok(ms) if ms >= 10_000 => words::span(SignedDuration::from_millis(ms)),
        _ => format!("{ms} ms"),
    };
    (u128::from(is) > slowest).then(|| format!("answers in {}, before the update in {}", said(is), said(was)))
}

fn workload(known: Option<&Short>, short: &Short) -> Option<String> {
    let message = &short.shortfall.message;
    match known {
        None => Some(message.clone()),
        Some(known) if short.shortfall.missing > known.shortfall.missing => Some(format!(
            "{message}; before the update {} of {} were missing",
            known.shortfall.missing, known.shortfall.wanted
        )),
        Some(_) => None,
    }
}

fn pending(before: Option<&Observation>, now: &Observation, more: usize) -> Option<String> {
    let was = before.map_or(0, |before| before.pending.len());
    if now.pending.len() <= was.saturating_add(more) {
        return None;
    }
    let new = now
        .pending
        .iter()
        .filter(|(pod, _)| before.is_none_or(|before| !before.pending.contains_key(*pod)));
    let named: Vec<String> = new.take(NAMED).map(|(pod, why)| format!("{pod} {why}")).collect();
    Some(format!(
        "{} pods wait for too long, before the update {was}; among them {}",
        now.pending.len(),
        named.join(", ")
    ))
}

/// Whether a subject fails that did not fail before, or is more than twice as far beyond its limit.
fn further(known: Option<&Fails>, fails: &Fails) -> bool {
    match known.map(|known| (known.excess, fails.excess)) {
        None => true,
        Some((Some(was), Some(is))) => is > 2.0 * was,
        Some(_) => false,
    }
}
