//! When an update may begin: windows, freezes, and the floor under both.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use model::Cluster;
use model::acts::FreezeAct;

use super::Acts;
use crate::policy::{FleetPolicy, Weekday, Window};

/// Where periods of the floor are counted from: Monday, 1 January 2024, midnight UTC, in seconds.
const EPOCH: i64 = 1_704_067_200;
/// How far ahead the next opening is looked for before it is said to be unknown.
const FAR: SignedDuration = SignedDuration::from_hours(400 * 24);
/// A first look ahead that finds almost every opening: windows come back within a week.
const NEAR: SignedDuration = SignedDuration::from_hours(9 * 24);

/// From a moment to the one before which it ends.
type Stretch = (Timestamp, Timestamp);

/// Whether an update may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It may.
    Open {
        /// Until when; `None` for no end in sight.
        until: Option<Timestamp>,
        /// What would keep it from it, were it not for the floor.
        despite: Option<Closed>,
    },
    /// It may not.
    Closed(Closed),
}

/// Why nothing may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// In words: the freeze with its reason, or the windows that are not open.
    pub why: String,
    /// Who can lift it, in words.
    pub who: String,
    /// When an update may begin next; `None` for more than a year ahead.
    pub opens: Option<Timestamp>,
}

/// Freezes of one moment's policy and acts, and what was found out about clusters with the same windows and freezes.
pub(super) struct Calendar<'a> {
    policy: &'a FleetPolicy,
    acts: &'a [(Timestamp, FreezeAct)],
    now: Timestamp,
    known: BTreeMap<Rules, Opening>,
}

/// Positions of the windows, the policy's freezes and the acts that are for a cluster.
type Rules = (Vec<usize>, Vec<usize>, Vec<usize>);

/// Whether an update of this cluster may begin now.
#[must_use]
pub fn opening(policy: &FleetPolicy, acts: &Acts, cluster: &Cluster, now: Timestamp) -> Opening {
    Calendar::new(policy, &acts.freezes, now).opening(cluster)
}

impl<'a> Calendar<'a> {
    pub(super) fn new(policy: &'a FleetPolicy, acts: &'a [(Timestamp, FreezeAct)], now: Timestamp) -> Self {
        Self {
            policy,
            acts,
            now,
            known: BTreeMap::new(),
        }
    }

    pub(super) fn opening(&mut self, cluster: &Cluster) -> Opening {
        let rules = (
            positions(&self.policy.windows, |window| window.clusters.selects(cluster)),
            positions(&self.policy.freezes, |freeze| freeze.clusters.selects(cluster)),
            positions(self.acts, |(_, freeze)| freeze.clusters.selects(cluster)),
        );
        if let Some(known) = self.known.get(&rules) {
            return known.clone();
        }
        let found = self.find(&rules);
        self.known.insert(rules, found.clone());
        found
    }

    fn find(&self, rules: &Rules) -> Opening {
        if rules.0.is_empty() && rules.1.is_empty() && rules.2.is_empty() {
            return Opening::Open {
                until: None,
                despite: None,
            };
        }
        let now = self.now;
        let holds = |stretches: &[Stretch]| stretches.iter().find(|(from, to)| *from <= now && now < *to).copied();
        for ahead in [NEAR, FAR] {
            let allowed = self.allowed(rules, now.saturating_sub(NEAR).unwrap_or(now), later(now, ahead));
            if let Some((_, to)) = holds(&allowed) {
                let until = (to < later(now, ahead)).then_some(to);
                return Opening::Open { until, despite: None };
            }
            let by_floor = self.floor(rules, now, later(now, ahead));
            let next = |stretches: &[Stretch]| stretches.iter().map(|(from, _)| *from).filter(|from| *from > now).min();
            let opens = [next(&allowed), next(&by_floor)].into_iter().flatten().min();
            if let Some((_, to)) = holds(&by_floor) {
                return Opening::Open {
                    until: Some(to),
                    despite: Some(self.closed(rules, next(&allowed))),
                };
            }
            if opens.is_some() || ahead == FAR {
                return Opening::Closed(self.closed(rules, opens));
            }
        }
        Opening::Closed(self.closed(rules, None))
    }

    /// What keeps an update from beginning now, in words. A freeze is the better answer than a window that is not open.
    fn closed(&self, rules: &Rules, opens: Option<Timestamp>) -> Closed {
        let now = self.now;
        let act = rules
            .2
            .iter()
            .filter_map(|i| self.acts.get(*i))
            .find(|(from, freeze)| *from <= now && holds(freeze, now));
        if let Some((_, freeze)) = act {
            return Closed {
                why: format!("a freeze by {} ({:?})", freeze.by, freeze.reason),
                who: format!("{} or whoever may unfreeze can lift it", freeze.by),
                opens,
            };
        }
        let mut of_policy = rules.1.iter().filter_map(|i| self.policy.freezes.get(*i));
        if let Some(freeze) = of_policy.find(|freeze| freeze.from.0 <= now && now < freeze.to.0) {
            return Closed {
                why: format!("the freeze {:?}", freeze.reason),
                who: "whoever keeps the fleet policy can lift it".to_owned(),
                opens,
            };
        }
        let names: Vec<&str> = rules
            .0
            .iter()
            .filter_map(|i| self.policy.windows.get(*i))
            .map(|window| window.name.as_str())
            .collect();
        Closed {
            why: format!("its maintenance window {}", names.join(" or ")),
            who: "a fast lane lets it pass".to_owned(),
            opens,
        }
    }

    /// When windows and freezes let an update begin, between two moments.
    fn allowed(&self, rules: &Rules, from: Timestamp, to: Timestamp) -> Vec<Stretch> {
        let windows = rules.0.iter().filter_map(|i| self.policy.windows.get(*i));
        let open: Vec<Stretch> = windows.flat_map(|window| opened(window, from, to)).collect();
        let open = if rules.0.is_empty() {
            vec![(from, to)]
        } else {
            union(open)
        };
        let of_policy = rules.1.iter().filter_map(|i| self.policy.freezes.get(*i));
        let of_policy = of_policy.map(|freeze| (freeze.from.0, freeze.to.0));
        let of_acts = rules.2.iter().filter_map(|i| self.acts.get(*i));
        let of_acts = of_acts.map(|(from, freeze)| (*from, freeze.until.unwrap_or(Timestamp::MAX)));
        let frozen = union(of_policy.chain(of_acts).collect());
        clip(&minus(&open, &frozen), from, to)
    }

    /// When the floor lets an update begin, in the periods that touch the time between two moments.
    fn floor(&self, rules: &Rules, from: Timestamp, to: Timestamp) -> Vec<Stretch> {
        let floor = self.policy.floor;
        let every = floor.every.get().as_secs();
        if floor.time.is_zero() || every <= 0 {
            return Vec::new();
        }
        let mut all = Vec::new();
        let mut start = EPOCH + (from.as_second() - EPOCH).div_euclid(every) * every;
        while start < to.as_second() {
            let (Ok(begins), Ok(ends)) = (Timestamp::from_second(start), Timestamp::from_second(start + every)) else {
                break;
            };
            let allowed = self.allowed(rules, begins, ends);
            let open: SignedDuration = allowed.iter().map(|(from, to)| to.duration_since(*from)).sum();
            let closed = minus(&[(begins, ends)], &allowed);
            all.extend(last_of(&closed, floor.time.get().saturating_sub(open)));
            start += every;
        }
        union(all)
    }
}

fn holds(freeze: &FreezeAct, now: Timestamp) -> bool {
    freeze.lifted.is_none() && freeze.until.is_none_or(|until| now < until)
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn positions<T>(all: &[T], wanted: impl Fn(&T) -> bool) -> Vec<usize> {
    let each = all.iter().enumerate().filter(|(_, one)| wanted(one));
    each.map(|(i, _)| i).collect()
}

/// When a window is open, between two moments and a little beyond.
fn opened(window: &Window, from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let zone = window.time_zone.get();
    // One that opened yesterday may still be open, and no zone is further than a day from UTC.
    let date = |at: Timestamp, days: i64| at.to_zoned(zone.clone()).date().saturating_add(days.days());
    let (mut day, last) = (date(from, -1), date(to, 1));
    let mut all = Vec::new();
    while day <= last {
        if window.days.is_empty() || window.days.contains(&Weekday::of(day)) {
            all.extend(on(window, day));
        }
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    all
}

/// The opening of a window that begins on this day. Times that the clocks leave out are the moment after.
fn on(window: &Window, day: Date) -> Option<Stretch> {
    let moment = |day: Date, time| {
        let zoned = day.to_datetime(time).to_zoned(window.time_zone.get().clone());
        zoned.ok().map(|zoned| zoned.timestamp())
    };
    let closes = if window.to > window.from {
        day
    } else {
        day.tomorrow().ok()?
    };
    let stretch = (moment(day, window.from)?, moment(closes, window.to)?);
    (stretch.0 < stretch.1).then_some(stretch)
}

/// Stretches without overlaps, in order.
fn union(mut all: Vec<Stretch>) -> Vec<Stretch> {
    all.sort_unstable();
    let mut joined: Vec<Stretch> = Vec::new();
    for (from, to) in all.into_iter().filter(|(from, to)| from < to) {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// What is in the first and not in the second; both in order and without overlaps.
fn minus(these: &[Stretch], those: &[Stretch]) -> Vec<Stretch> {
    let mut left = Vec::new();
    for (from, to) in these {
        let mut at = *from;
        for (begins, ends) in those.iter().filter(|(begins, ends)| begins < to && ends > from) {
            if *begins > at {
                left.push((at, *begins));
            }
            at = at.max(*ends);
        }
        if at < *to {
            left.push((at, *to));
        }
    }
    left
}

fn clip(all: &[Stretch], from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let cut = all.iter().map(|(begins, ends)| ((*begins).max(from), (*ends).min(to)));
    cut.filter(|(begins, ends)| begins < ends).collect()
}

/// The end of some stretches, so much of it.
fn last_of(all: &[Stretch], mut wanted: SignedDuration) -> Vec<Stretch> {
    let mut last = Vec::new();
    for (from, to) in all.iter().rev() {
        if wanted <= SignedDuration::ZERO {
            break;
        }
        let length = to.duration_since(*from);
        let begins = if length <= wanted {
            *from
        } else {
            to.saturating_sub(wanted).unwrap_or(*from)
        };
        last.push((begins, *to));
        wanted = wanted.saturating_sub(length);
    }
    last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cluster(environment: &str) -> Cluster {
        serde_json::from_value(serde_json::json!({
            "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1",
            "region": "eu-central-1", "local_id": "kube-1", "provider": "zalando-aws", "api_server_url": "https://x.org",
            "channel": "beta", "environment": environment, "criticality_level": 2, "lifecycle_status": "ready",
        }))
        .unwrap()
    }

    fn policy(rest: &str) -> FleetPolicy {
        FleetPolicy::parse(&format!("kind: FleetPolicy\n{rest}")).unwrap()
    }

    const HOURS: &str = "windows:
  - {name: hours, clusters: environment=production, days: [mon, tue, wed, thu], from: '09:00', to: '16:00', timeZone: Europe/Berlin}
  - {name: night, clusters: environment=e2e, from: '22:00', to: '04:00'}
freezes:
  - {from: 2026-11-26, to: 2026-11-30, reason: Cyber Week, clusters: environment=production}
floor: {time: 0s}
";

    #[track_caller]
    fn said(policy: &FleetPolicy, environment: &str, now: &str) -> String {
        match opening(policy, &Acts::default(), &cluster(environment), at(now)) {
            Opening::Open { until, despite } => {
                let until = until.map_or_else(|| "no end".to_owned(), |until| until.to_string());
                let despite = despite
                    .map(|closed| format!(" despite {}", closed.why))
                    .unwrap_or_default();
                format!("open until {until}{despite}")
            }
            Opening::Closed(closed) => format!(
                "closed by {} until {}",
                closed.why,
                closed.opens.map_or_else(|| "?".to_owned(), |opens| opens.to_string())
            ),
        }
    }

    #[test]
    fn windows_and_freezes_say_when_an_update_may_begin() {
        let policy = policy(HOURS);
        for (environment, now, expected) in [
            // A Monday in winter: Berlin is an hour ahead of UTC.
            ("production", "2026-11-23T08:00:00Z", "open until 2026-11-23T15:00:00Z"),
            (
                "production",
                "2026-11-23T07:59:59Z",
                "closed by its maintenance window hours until 2026-11-23T08:00:00Z",
            ),
            (
                "production",
                "2026-11-23T15:00:00Z",
                "closed by its maintenance window hours until 2026-11-24T08:00:00Z",
            ),
            // In summer two.
            ("production", "2026-06-22T07:00:00Z", "open until 2026-06-22T14:00:00Z"),
            // Friday to Monday.
            (
                "production",
                "2026-11-20T12:00:00Z",
                "closed by its maintenance window hours until 2026-11-23T08:00:00Z",
            ),
            // The freeze is on a Thursday, the window after it on a Monday.
            (
                "production",
                "2026-11-26T12:00:00Z",
                "closed by the freeze \"Cyber Week\" until 2026-11-30T08:00:00Z",
            ),
            // Over midnight.
            ("e2e", "2026-11-26T23:00:00Z", "open until 2026-11-27T04:00:00Z"),
            ("e2e", "2026-11-27T03:59:00Z", "open until 2026-11-27T04:00:00Z"),
            (
                "e2e",
                "2026-11-27T04:00:00Z",
                "closed by its maintenance window night until 2026-11-27T22:00:00Z",
            ),
            // No window is for these.
            ("test", "2026-11-26T12:00:00Z", "open until no end"),
        ] {
            assert_eq!(said(&policy, environment, now), expected, "{environment} {now}");
        }
    }

    #[test]
    fn the_floor_opens_the_end_of_a_period_that_is_closed_for_too_long() {
        // Periods of a week begin on Mondays; the freeze leaves the Monday and Sunday of one of them.
        let policy = policy(
            "freezes: [{from: 2026-12-15, to: 2026-12-20, reason: year's end}, {from: 2026-12-21, to: 2026-12-28, reason: holidays}]
floor: {time: 12h, every: 7d}
",
        );
        for (now, expected) in [
            ("2026-12-14T12:00:00Z", "open until 2026-12-15T00:00:00Z"),
            (
                "2026-12-16T12:00:00Z",
                "closed by the freeze \"year's end\" until 2026-12-20T00:00:00Z",
            ),
            (
                "2026-12-27T11:59:00Z",
                "closed by the freeze \"holidays\" until 2026-12-27T12:00:00Z",
            ),
            (
                "2026-12-27T12:00:00Z",
                "open until 2026-12-28T00:00:00Z despite the freeze \"holidays\"",
            ),
            ("2026-12-28T12:00:00Z", "open until no end"),
        ] {
            assert_eq!(said(&policy, "test", now), expected, "{now}");
        }
    }

    #[test]
    fn a_freeze_by_somebody_names_them() {
        let acts = Acts {
            freezes: vec![(
                at("2026-11-23T08:00:00Z"),
                FreezeAct {
                    reason: "incident 7".to_owned(),
                    by: "alice".to_owned(),
                    until: Some(at("2026-11-23T20:00:00Z")),
                    ..FreezeAct::default()
                },
            )],
            ..Acts::default()
        };
        let Opening::Closed(closed) = opening(
            &FleetPolicy::default(),
            &acts,
            &cluster("test"),
            at("2026-11-23T09:00:00Z"),
        ) else {
            panic!("a freeze does not hold");
        };
        assert_eq!(closed.why, "a freeze by alice (\"incident 7\")");
        assert_eq!(closed.opens, Some(at("2026-11-23T20:00:00Z")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Whatever the windows and freezes: in every period there is the guaranteed time in which an update may begin.
        #[test]
        fn the_floor_is_kept_in_every_period(
            frozen in proptest::collection::vec((0..40_i64, 1..30_i64), 0..4),
            hours in 0..24_u32,
            days in proptest::sample::subsequence(vec!["mon", "tue", "wed", "sat"], 1..4),
            opens in 0..23_u32,
        ) {
            let mut policy = policy(&format!(
                "windows: [{{name: w, from: '{opens:02}:00', to: '{:02}:30', days: [{}]}}]\nfloor: {{time: {hours}h, every: 7d}}\n",
                opens, days.join(", ")
            ));
            let begins = Timestamp::from_second(EPOCH + 150 * 604_800).unwrap();
            let day = |day: i64| later(begins, SignedDuration::from_hours(24 * day));
            policy.freezes = frozen.iter().map(|(from, long)| crate::policy::Freeze {
                from: crate::policy::Moment(day(*from)),
                to: crate::policy::Moment(day(from + long)),
                reason: "x".to_owned(),
                clusters: model::selector::Selector::default(),
            }).collect();
            for week in 0..4 {
                let mut open = 0;
                for half_hour in 0..336 {
                    let now = later(day(week * 7), SignedDuration::from_mins(30 * half_hour));
                    match opening(&policy, &Acts::default(), &cluster("test"), now) {
                        Opening::Open { until, .. } => {
                            open += 1;
                            prop_assert!(until.is_none_or(|until| until > now));
                        }
                        Opening::Closed(closed) => {
                            // With a floor there is always a next time.
                            prop_assert!(closed.opens.is_some_and(|opens| opens > now) || hours == 0);
                        }
                    }
                }
                prop_assert!(open >= i64::from(hours) * 2, "week {week}: {open} half hours");
            }
        }
    }
}
