//! How fast an autoscaler may follow its metrics: stabilisation windows, policies, bounds.
//!
//! What was recommended and what was done in the recent past is a [`History`]; the arithmetic never asks a clock.

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;

use crate::controllers::support::tree::{int, list, text};

/// Without rules of its own an autoscaler shrinks only to the highest recommendation of five minutes.
const DOWN_WINDOW: i64 = 300;

/// How often a real autoscaler looks.
const SYNC: SignedDuration = SignedDuration::from_secs(15);

/// The recent past of one autoscaler.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// What the metrics asked for, before anything held it back.
    pub(crate) recommendations: Vec<(Timestamp, i64)>,
    /// What was done: positive numbers grew the target, negative ones shrank it.
    pub(crate) changes: Vec<(Timestamp, i64)>,
}

impl History {
    /// Notes what the metrics ask for now.
    ///
    /// Nothing that is looked at changed since the last note, so a real autoscaler would have repeated it at each of its
    /// looks until now: the last one counts from its latest look.
    pub(crate) fn note(&mut self, replicas: i64, now: Timestamp) {
        if let (Some((when, _)), Ok(look)) = (self.recommendations.last_mut(), now.checked_sub(SYNC)) {
            *when = (*when).max(look);
        }
        self.recommendations.push((now, replicas));
    }

    /// Drops what no window can reach any more.
    pub(crate) fn prune(&mut self, rules: &Rules, now: Timestamp) {
        let recommended = rules.up.window.max(rules.down.window);
        let policies = rules.up.policies.iter().chain(&rules.down.policies);
        let changed = policies.map(|policy| policy.period).max().unwrap_or(0);
        let fresh = |when: &Timestamp, seconds: i64| age(*when, now) <= seconds;
        self.recommendations.retain(|(when, _)| fresh(when, recommended));
        self.changes.retain(|(when, _)| fresh(when, changed));
    }

    fn changed(&self, period: i64, now: Timestamp, grown: bool) -> i64 {
        let recent = self.changes.iter().filter(|(when, _)| age(*when, now) < period);
        recent
            .filter(|(_, by)| (*by > 0) == grown)
            .map(|(_, by)| by.abs())
            .sum()
    }
}

fn age(when: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(when).as_secs()
}

/// How much may change within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    percent: bool,
    value: i64,
    period: i64,
}

/// Which of several policies counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Select {
    Max,
    Min,
    Disabled,
}

/// The rules of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Direction {
    window: i64,
    policies: Vec<Policy>,
    select: Select,
}

/// The rules of an autoscaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    up: Direction,
    down: Direction,
}

impl Rules {
    /// Reads `spec.behavior`; what it leaves out is as the API's defaults say.
    pub(crate) fn read(behaviour: Option<&Value>) -> Self {
        let empty = Value::Null;
        let side = |name: &str| behaviour.and_then(|value| value.get(name)).unwrap_or(&empty);
        let policy = |percent, value, period| Policy { percent, value, period };
        let up = vec![policy(false, 4, 15), policy(true, 100, 15)];
        Self {
            up: direction(side("scaleUp"), 0, up),
            down: direction(side("scaleDown"), DOWN_WINDOW, vec![policy(true, 100, 15)]),
        }
    }

    /// When the next recommendation or change leaves its window: the next moment at which the past alone changes what
    /// may be done.
    pub(crate) fn next_moment(&self, history: &History, now: Timestamp) -> Option<Timestamp> {
        let windows: Vec<i64> = [self.up.window, self.down.window]
            .into_iter()
            .filter(|window| *window > 0)
            .collect();
        let policies = self.up.policies.iter().chain(&self.down.policies);
        let periods: Vec<i64> = policies.map(|policy| policy.period).collect();
        let ends = |whens: &[(Timestamp, i64)], seconds: &[i64]| -> Option<Timestamp> {
            let pairs = whens
                .iter()
                .flat_map(|(when, _)| seconds.iter().map(|seconds| (*when, *seconds)));
            pairs
                // A window counts to its last second, so what matters happens in the one after.
                .filter_map(|(when, seconds)| when.checked_add(SignedDuration::from_secs(seconds + 1)).ok())
                .filter(|moment| *moment > now)
                .min()
        };
        // The newest recommendation is the one of now: it stays, whatever ends.
        let earlier = history
            .recommendations
            .split_last()
            .map_or(&[][..], |(_, earlier)| earlier);
        let first = ends(earlier, &windows);
        first.into_iter().chain(ends(&history.changes, &periods)).min()
    }
}

fn direction(value: &Value, window: i64, policies: Vec<Policy>) -> Direction {
    let read = |policy: &Value| {
        Some(Policy {
            percent: text(policy, &["type"])? == "Percent",
            value: int(policy, &["value"])?,
            period: int(policy, &["periodSeconds"])?,
        })
    };
    let own: Vec<Policy> = list(value, &["policies"]).iter().filter_map(read).collect();
    Direction {
        window: int(value, &["stabilizationWindowSeconds"]).unwrap_or(window),
        policies: if own.is_empty() { policies } else { own },
        select: match text(value, &["selectPolicy"]) {
            Some("Min") => Select::Min,
            Some("Disabled") => Select::Disabled,
            _ => Select::Max,
        },
    }
}

/// A number of replicas and the conditions that say why it is this one: `(reason, message)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Normalised {
    pub(crate) replicas: i64,
    /// Reason and message of `AbleToScale`, which is true.
    pub(crate) able: (&'static str, &'static str),
    /// Whether `ScalingLimited` is true, its reason and message.
    pub(crate) limited: (bool, &'static str, &'static str),
}

/// The limits of an autoscaler: `minReplicas` and `maxReplicas`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

/// Holds a recommendation back as the rules and limits demand.
///
/// The recommendation of now has to be in the history already.
pub(crate) fn normalise(
    rules: &Rules,
    limits: Limits,
    history: &History,
    current: i64,
    wanted: i64,
    now: Timestamp,
) -> Normalised {
    let (stable, able) = stabilise(rules, history, current, wanted, now);
    let (replicas, limited) = limit(rules, limits, history, current, stable, now);
    Normalised {
        replicas,
        able,
        limited,
    }
}

fn stabilise(
    rules: &Rules,
    history: &History,
    current: i64,
    wanted: i64,
    now: Timestamp,
) -> (i64, (&'static str, &'static str)) {
    let recent = |window: i64| {
        let inside = history
            .recommendations
            .iter()
            .filter(move |(when, _)| age(*when, now) <= window);
        inside.map(|(_, replicas)| *replicas)
    };
    let lowest = recent(rules.up.window).chain([wanted]).min().unwrap_or(wanted);
    let highest = recent(rules.down.window).chain([wanted]).max().unwrap_or(wanted);
    let stable = current.max(lowest).min(highest);
    let able = match stable.cmp(&wanted) {
        std::cmp::Ordering::Greater => (
            "ScaleDownStabilized",
            "recent recommendations were higher than current one, applying the highest recent recommendation",
        ),
        std::cmp::Ordering::Less => (
            "ScaleUpStabilized",
            "recent recommendations were lower than current one, applying the lowest recent recommendation",
        ),
        std::cmp::Ordering::Equal => ("ReadyForNewScale", "recommended size matches current size"),
    };
    (stable, able)
}

type Limited = (bool, &'static str, &'static str);

const WITHIN: Limited = (
    false,
    "DesiredWithinRange",
    "the desired count is within the acceptable range",
);

fn limit(
    rules: &Rules,
    limits: Limits,
    history: &History,
    current: i64,
    wanted: i64,
    now: Timestamp,
) -> (i64, Limited) {
    let many = (
        true,
        "TooManyReplicas",
        "the desired replica count is more than the maximum replica count",
    );
    let few = (
        true,
        "TooFewReplicas",
        "the desired replica count is less than the minimum replica count",
    );
    if wanted > current {
        let pace = up_pace(&rules.up, history, current, now).max(current);
        let (bound, why) = if limits.max > pace {
            (
                pace,
                (
                    true,
                    "ScaleUpLimit",
                    "the desired replica count is increasing faster than the maximum scale rate",
                ),
            )
        } else {
            (limits.max, many)
        };
        return if wanted > bound { (bound, why) } else { (wanted, WITHIN) };
    }
    if wanted < current {
        let pace = down_pace(&rules.down, history, current, now).min(current);
        let (bound, why) = if limits.min < pace {
            (
                pace,
                (
                    true,
                    "ScaleDownLimit",
                    "the desired replica count is decreasing faster than the maximum scale rate",
                ),
            )
        } else {
            (limits.min, few)
        };
        return if wanted < bound { (bound, why) } else { (wanted, WITHIN) };
    }
    (wanted.clamp(limits.min, limits.max.max(limits.min)), WITHIN)
}

fn up_pace(rules: &Direction, history: &History, current: i64, now: Timestamp) -> i64 {
    let propose = |policy: &Policy| {
        let start = current - history.changed(policy.period, now, true) + history.changed(policy.period, now, false);
        if policy.percent {
            // In hundredths, so that 100 % of 7 is 7 exactly.
            start + (start.saturating_mul(policy.value).saturating_add(99)).div_euclid(100)
        } else {
            start + policy.value
        }
    };
    choose(rules, rules.policies.iter().map(propose), current, true)
}

fn down_pace(rules: &Direction, history: &History, current: i64, now: Timestamp) -> i64 {
    let propose = |policy: &Policy| {
        let start = current - history.changed(policy.period, now, true) + history.changed(policy.period, now, false);
        if policy.percent {
            (start.saturating_mul(100 - policy.value)).div_euclid(100)
        } else {
            start - policy.value
        }
    };
    choose(rules, rules.policies.iter().map(propose), current, false)
}

/// `Max` means the largest change, which is the largest number when growing and the smallest when shrinking.
fn choose(rules: &Direction, proposals: impl Iterator<Item = i64>, current: i64, grows: bool) -> i64 {
    let chosen = match rules.select {
        Select::Disabled => None,
        Select::Max if grows => proposals.max(),
        Select::Min if !grows => proposals.max(),
        Select::Max | Select::Min => proposals.min(),
    };
    chosen.unwrap_or(current)
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }

    fn history(recommendations: &[(i64, i64)], changes: &[(i64, i64)]) -> History {
        let read = |pairs: &[(i64, i64)]| pairs.iter().map(|(when, by)| (time(*when), *by)).collect();
        History {
            recommendations: read(recommendations),
            changes: read(changes),
        }
    }

    fn check(behaviour: &Value, history: &History, current: i64, wanted: i64, expected: (i64, &str, &str)) {
        let rules = Rules::read(Some(behaviour));
        let limits = Limits { min: 2, max: 20 };
        let found = normalise(&rules, limits, history, current, wanted, time(1_000));
        assert_eq!(
            (found.replicas, found.able.0, found.limited.1),
            expected,
            "{behaviour} {current} -> {wanted}"
        );
    }

    #[test]
    fn growth_is_bounded_by_policies_and_limits() {
        let none = json!({});
        let quiet = history(&[], &[]);
        check(&none, &quiet, 10, 18, (18, "ReadyForNewScale", "DesiredWithinRange"));
        check(&none, &quiet, 3, 18, (7, "ReadyForNewScale", "ScaleUpLimit"));
        check(&none, &quiet, 15, 25, (20, "ReadyForNewScale", "TooManyReplicas"));
        // Six were added ten seconds ago: the period started with four.
        check(
            &none,
            &history(&[], &[(990, 6)]),
            10,
            18,
            (10, "ReadyForNewScale", "ScaleUpLimit"),
        );
        let slow = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}});
        check(&slow, &quiet, 10, 18, (12, "ReadyForNewScale", "ScaleUpLimit"));
        check(
            &json!({"scaleUp": {"selectPolicy": "Disabled"}}),
            &quiet,
            10,
            18,
            (10, "ReadyForNewScale", "ScaleUpLimit"),
        );
    }

    #[test]
    fn shrinking_waits_for_its_window() {
        let none = json!({});
        let busy = history(&[(800, 9), (990, 4)], &[]);
        check(&none, &busy, 10, 4, (9, "ScaleDownStabilized", "DesiredWithinRange"));
        check(
            &none,
            &history(&[(600, 9)], &[]),
            10,
            4,
            (4, "ReadyForNewScale", "DesiredWithinRange"),
        );
        check(
            &none,
            &history(&[], &[]),
            10,
            1,
            (2, "ReadyForNewScale", "TooFewReplicas"),
        );
        let gentle = json!({"scaleDown": {"stabilizationWindowSeconds": 0,
            "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]}});
        check(&gentle, &busy, 10, 4, (9, "ReadyForNewScale", "ScaleDownLimit"));
    }

    #[test]
    fn the_next_moment_is_the_end_of_a_window() {
        let rules = Rules::read(None);
        let past = history(&[(800, 9), (1_000, 4)], &[(995, 4)]);
        assert_eq!(rules.next_moment(&past, time(1_000)), Some(time(1_011)));
        assert_eq!(
            rules.next_moment(&history(&[(800, 9), (1_000, 4)], &[]), time(1_000)),
            Some(time(1_101))
        );
        let mut old = history(&[(1, 9)], &[(1, 1)]);
        old.prune(&rules, time(1_000));
        assert_eq!(old, History::default());
    }
}
