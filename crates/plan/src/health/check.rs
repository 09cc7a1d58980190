//! One watch over a cluster after an update: pure, a step per look.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::{HealthReason, HealthState, HealthVerdict};
use serde::{Deserialize, Serialize};

use super::{Observation, Rules, Worse, missing, worse};

/// The state of a watch. It is kept between looks and survives restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// When the work of the update was done.
    pub began: Timestamp,
    /// Since when each thing that is worse has been seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    worse_since: BTreeMap<String, Timestamp>,
    /// Since when nothing that counts was worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clean_since: Option<Timestamp>,
    /// The verdict of the last look.
    pub verdict: HealthVerdict,
}

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The verdict now.
    pub verdict: HealthVerdict,
    /// When to look again; `None` when the watch is over.
    pub next: Option<SignedDuration>,
}

fn after(begin: Timestamp, time: SignedDuration) -> Timestamp {
    begin.saturating_add(time).unwrap_or(Timestamp::MAX)
}

impl Check {
    /// A watch that begins now; where nothing is checked it is over at once, and the cluster counts as healthy.
    #[must_use]
    pub fn begin(now: Timestamp, rules: &Rules) -> Self {
        let unchecked = HealthVerdict {
            state: HealthState::Healthy,
            since: Some(now),
            ..HealthVerdict::default()
        };
        Self {
            began: now,
            worse_since: BTreeMap::new(),
            clean_since: None,
            verdict: match rules.check_time.is_zero() {
                true => unchecked,
                false => HealthVerdict {
                    state: HealthState::Checking,
                    since: Some(now),
                    until: Some(after(after(now, rules.settle), rules.check_time)),
                    reasons: Vec::new(),
                },
            },
        }
    }

    /// One look.
    pub fn step(&mut self, now: Timestamp, baseline: Option<&Observation>, seen: &Observation, rules: &Rules) -> Step {
        let worse = worse(baseline, seen, rules);
        let unknown = missing(baseline, seen);
        self.worse_since.retain(|key, _| worse.contains_key(key));
        for key in worse.keys() {
            self.worse_since.entry(key.clone()).or_insert(now);
        }
        let counts = self.counting(&worse, now, rules);
        if counts.is_empty() && unknown.is_empty() {
            self.clean_since.get_or_insert(now);
        } else {
            self.clean_since = None;
        }
        let (state, until, reasons) = self.judge(now, &worse, counts, unknown, rules);
        let since = match self.verdict.state == state {
            true => self.verdict.since.or(Some(now)),
            false => Some(now),
        };
        self.verdict = HealthVerdict {
            state,
            since,
            until,
            reasons,
        };
        Step {
            verdict: self.verdict.clone(),
            next: self.next(now, rules),
        }
    }

    /// What is worse for longer than is tolerated, with the time since when.
    fn counting(&self, worse: &BTreeMap<String, Worse>, now: Timestamp, rules: &Rules) -> Vec<(HealthReason, bool)> {
        // A short check time would be over before anything counted.
        let tolerate = rules.tolerate.min(rules.check_time / 2);
        let since = |key: &String| self.worse_since.get(key).copied().unwrap_or(now);
        let lasting = worse
            .iter()
            .filter(|(key, worse)| worse.over || now.duration_since(since(key)) >= tolerate);
        lasting
            .map(|(key, worse)| {
                let reason = HealthReason {
                    since: Some(since(key)),
                    ..worse.reason.clone()
                };
                (reason, worse.over)
            })
            .collect()
    }

    fn judge(
        &self,
        now: Timestamp,
        worse: &BTreeMap<String, Worse>,
        counts: Vec<(HealthReason, bool)>,
        unknown: Vec<HealthReason>,
        rules: &Rules,
    ) -> (HealthState, Option<Timestamp>, Vec<HealthReason>) {
        let settled = now >= after(self.began, rules.settle);
        let at_most = Some(after(after(self.began, rules.settle), rules.check_time));
        let was = self.verdict.state;
        if !counts.is_empty() {
            let decided = settled || was == HealthState::Unhealthy || counts.iter().any(|(_, over)| *over);
            let reasons = counts.into_iter().map(|(reason, _)| reason).collect();
            return match decided {
                true => (HealthState::Unhealthy, None, reasons),
                false => (HealthState::Checking, at_most, reasons),
            };
        }
        if !unknown.is_empty() {
            // What was judged stays judged while it cannot be read; what was not is not judged by that.
            return match was {
                HealthState::Healthy => (was, self.verdict.until, Vec::new()),
                HealthState::Unhealthy => (was, None, self.verdict.reasons.clone()),
                HealthState::Checking | HealthState::Undecided => (HealthState::Undecided, None, unknown),
            };
        }
        let clean = self.clean_since.unwrap_or(now);
        match was {
            HealthState::Healthy => (was, Some(after(self.began, rules.watch)), Vec::new()),
            _ if now.duration_since(clean) >= rules.check_time => {
                (HealthState::Healthy, Some(after(self.began, rules.watch)), Vec::new())
            }
            HealthState::Unhealthy => (was, Some(after(clean, rules.check_time)), self.verdict.reasons.clone()),
            HealthState::Checking | HealthState::Undecided => {
                let not_yet = worse.values().map(|worse| worse.reason.clone()).collect();
                (HealthState::Checking, Some(after(clean, rules.check_time)), not_yet)
            }
        }
    }

    fn next(&self, now: Timestamp, rules: &Rules) -> Option<SignedDuration> {
        let calm = self.verdict.state == HealthState::Healthy && self.worse_since.is_empty();
        if calm && now >= after(self.began, rules.watch) {
            return None;
        }
        // Something that just got worse, in a cluster that is watched, is looked at more closely; one that is known to
        // be unhealthy and does not get better is not.
        let stuck = self.verdict.state == HealthState::Unhealthy && self.clean_since.is_none();
        Some(if calm || stuck {
            rules.watch_interval
        } else {
            rules.interval
        })
    }
}
