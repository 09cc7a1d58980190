//! Schedules of CronJobs: five fields or `@hourly` and the like, in a time zone.
//!
//! The patterns are croner's work. What it reads beyond the syntax of Kubernetes (seconds, years, `L`, `W`, `#`, a
//! seventh weekday) is refused here, so that a schedule that works in the simulation works on a cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use model::duration::GoDuration;

/// Why a CronJob cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScheduleError {
    /// The zone is in no time zone database.
    #[error("unknown time zone {zone}")]
    UnknownZone { zone: String },
    /// The schedule is no five fields and no known word.
    #[error("{why}: {schedule}")]
    Unreadable { schedule: String, why: String },
}

#[derive(Debug, Clone)]
enum Rhythm {
    Pattern(Box<Cron>),
    /// `@every 90m`: from one start to the next.
    Every(SignedDuration),
}

/// A schedule that was understood.
#[derive(Debug)]
pub(crate) struct Schedule {
    rhythm: Rhythm,
    zone: TimeZone,
    /// A moment that was asked about, and the first one of the pattern after it: the answer for all moments in between as well.
    /// A CronJob asks several times from one start to the next, and so do all that have its schedule.
    known: Mutex<Option<(Timestamp, Timestamp)>>,
}

/// How many schedules are kept before all are forgotten: more than a cluster has different ones of.
const KEPT: usize = 1_000;

/// Schedules that were read before, by text and zone: reading one takes longer than all else in a turn.
#[derive(Debug, Default)]
pub(crate) struct Schedules(Mutex<BTreeMap<Texts, Arc<Schedule>>>);

/// A schedule and its zone, as they are written.
type Texts = (String, Option<String>);

impl Schedules {
    /// Reads a schedule as [`Schedule::parse`] does.
    pub(crate) fn read(&self, schedule: &str, zone: Option<&str>) -> Result<Arc<Schedule>, ScheduleError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (schedule.to_owned(), zone.map(str::to_owned));
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let read = Arc::new(Schedule::parse(schedule, zone)?);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(key, read.clone());
        Ok(read)
    }
}

impl Schedule {
    /// Reads `spec.schedule` and `spec.timeZone`; without a zone the controller's own counts, which is UTC.
    pub(crate) fn parse(schedule: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        // The schedule may carry the zone itself, which clusters took before there was a field for it.
        let (zone, pattern) = match schedule
            .strip_prefix("TZ=")
            .or_else(|| schedule.strip_prefix("CRON_TZ="))
        {
            Some(rest) => {
                let (own, pattern) = rest.split_once(' ').unwrap_or((rest, ""));
                (Some(zone.unwrap_or(own)), pattern)
            }
            None => (zone, schedule),
        };
        Ok(Self {
            rhythm: rhythm(pattern.trim())?,
            zone: find_zone(zone)?,
            known: Mutex::default(),
        })
    }

    /// The first moment of the schedule after another one; `None` where there is none (30 February).
    pub(crate) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.rhythm {
            Rhythm::Every(step) => {
                let whole = Timestamp::from_second(after.as_second()).ok()?;
                whole.checked_add(*step).ok()
            }
            Rhythm::Pattern(cron) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((_, next)) = known.filter(|(from, next)| (*from..*next).contains(&after)) {
                    return Some(next);
                }
                let start = after.to_zoned(self.zone.clone());
                let next = cron.find_next_occurrence(&start, false).ok()?.timestamp();
                *known = Some((after, next));
                Some(next)
            }
        }
    }

    /// The last moment in `(earliest, now]`, and how many there were, counted up to 101.
    pub(crate) fn last_missed(&self, earliest: Timestamp, now: Timestamp) -> Option<(Timestamp, usize)> {
        let last = match &self.rhythm {
            Rhythm::Every(step) => {
                let passed = now.duration_since(earliest).as_secs() / step.as_secs().max(1);
                let offset = SignedDuration::from_secs(passed.saturating_mul(step.as_secs()));
                earliest.checked_add(offset).ok()?
            }
            Rhythm::Pattern(cron) => {
                let end = now.to_zoned(self.zone.clone());
                cron.find_previous_occurrence(&end, true).ok()?.timestamp()
            }
        };
        if last <= earliest {
            return None;
        }
        let (mut count, mut at) = (0, earliest);
        while count <= 100 {
            match self.next_after(at) {
                Some(next) if next <= now => (count, at) = (count + 1, next),
                _ => break,
            }
        }
        Some((last, count))
    }
}

fn find_zone(zone: Option<&str>) -> Result<TimeZone, ScheduleError> {
    let Some(zone) = zone.filter(|zone| !zone.is_empty()) else {
        return Ok(TimeZone::UTC);
    };
    TimeZone::get(zone).map_err(|_| ScheduleError::UnknownZone { zone: zone.to_owned() })
}

fn rhythm(pattern: &str) -> Result<Rhythm, ScheduleError> {
    let unreadable = |why: &str| ScheduleError::Unreadable {
        schedule: pattern.to_owned(),
        why: why.to_owned(),
    };
    if let Some(step) = pattern.strip_prefix("@every ") {
        let step: GoDuration = step
            .trim()
            .parse()
            .map_err(|_| unreadable("failed to parse duration"))?;
        let step = step.to_std().ok_or_else(|| unreadable("failed to parse duration"))?;
        let seconds = i64::try_from(step.as_secs()).unwrap_or(i64::MAX).max(1);
        return Ok(Rhythm::Every(SignedDuration::from_secs(seconds)));
    }
    let fields: String = match pattern {
        "@yearly" | "@annually" => "0 0 1 1 *".to_owned(),
        "@monthly" => "0 0 1 * *".to_owned(),
        "@weekly" => "0 0 * * 0".to_owned(),
        "@daily" | "@midnight" => "0 0 * * *".to_owned(),
        "@hourly" => "0 * * * *".to_owned(),
        word if word.starts_with('@') => return Err(unreadable("unrecognized descriptor")),
        fields => fields
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace('?', "*"),
    };
    let parts: Vec<&str> = fields.split(' ').collect();
    let [_, _, day, _, weekday] = parts.as_slice() else {
        return Err(unreadable("expected exactly 5 fields"));
    };
    if weekday.split(',').any(|part| part.contains('7') && !part.contains('/')) {
        return Err(unreadable("end of range (7) above maximum (6)"));
    }
    let special = |field: &str| field.contains(['#', '+', 'L', 'l']) && !names_days(field);
    if day.contains(['L', 'l', 'W', 'w', '#', '+']) || special(weekday) {
        return Err(unreadable("failed to parse int from field"));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .sloppy_ranges(true)
        .build();
    let cron = parser.parse(&fields).map_err(|error| unreadable(&error.to_string()))?;
    Ok(Rhythm::Pattern(Box::new(cron)))
}

/// Whether a weekday field is made of names of days alone; none of them has an `L` or a sign.
fn names_days(field: &str) -> bool {
    let names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let known = |part: &str| names.contains(&part.to_ascii_uppercase().as_str());
    field.split([',', '-']).all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: &str, zone: Option<&str>, after: &str, expected: &[&str]) {
        let schedule = Schedule::parse(schedule, zone).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        for expected in expected {
            at = schedule.next_after(at).unwrap();
            assert_eq!(at.to_string(), *expected, "{schedule:?}");
        }
    }

    #[test]
    fn schedules_are_read_as_a_cluster_reads_them() {
        check(
            "*/15 * * * *",
            None,
            "2026-01-01T00:01:00Z",
            &["2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"],
        );
        check(
            "0 9-17/4 * * MON-FRI",
            None,
            "2026-01-02T14:00:00Z",
            &["2026-01-02T17:00:00Z", "2026-01-05T09:00:00Z"],
        );
        // Both days restricted: either one will do.
        check(
            "0 0 13 * 5",
            None,
            "2026-02-01T00:00:00Z",
            &["2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z"],
        );
        check(
            "5/20 * * * *",
            None,
            "2026-01-01T00:00:00Z",
            &["2026-01-01T00:05:00Z", "2026-01-01T00:25:00Z"],
        );
        check("@hourly", None, "2026-01-01T00:30:00Z", &["2026-01-01T01:00:00Z"]);
        check("@midnight", None, "2026-01-01T00:30:00Z", &["2026-01-02T00:00:00Z"]);
        check("@every 90m", None, "2026-01-01T00:30:00Z", &["2026-01-01T02:00:00Z"]);
        check("? ? * * *", None, "2026-01-01T00:30:00Z", &["2026-01-01T00:31:00Z"]);
    }

    #[test]
    fn what_was_asked_before_changes_no_answer() {
        // The clock is set forward and back in between.
        let begin: Timestamp = "2026-03-28T20:00:00Z".parse().unwrap();
        for pattern in ["*/20 * * * *", "0 */2 * * *", "30 2 * * *", "15 1-3 * * 0", "0 6 1 * *"] {
            let schedule = Schedule::parse(pattern, Some("Europe/Berlin")).unwrap();
            for step in 0..500 {
                let seconds = i64::from(step * 7_919 % 900_000) + if step % 2 == 0 { 0 } else { 18_230_400 };
                let after = begin + SignedDuration::from_secs(seconds);
                for moment in [after, after + SignedDuration::from_secs(i64::from(step % 5) * 60)] {
                    let fresh = Schedule::parse(pattern, Some("Europe/Berlin")).unwrap();
                    assert_eq!(
                        schedule.next_after(moment),
                        fresh.next_after(moment),
                        "{pattern} after {moment}"
                    );
                }
            }
        }
    }

    #[test]
    fn zones_move_schedules() {
        let berlin = Some("Europe/Berlin");
        check("0 6 * * *", berlin, "2026-01-01T00:00:00Z", &["2026-01-01T05:00:00Z"]);
        check("0 6 * * *", berlin, "2026-07-01T00:00:00Z", &["2026-07-01T04:00:00Z"]);
        check(
            "TZ=Asia/Tokyo 0 6 * * *",
            None,
            "2026-07-01T00:00:00Z",
            &["2026-07-01T21:00:00Z"],
        );
    }

    #[test]
    fn what_clusters_refuse_is_refused() {
        for bad in [
            "* * * *",
            "* * * * * *",
            "0 0 L * *",
            "0 0 * * 7",
            "0 0 * * 5#2",
            "61 * * * *",
            "@often",
            "",
            "a b c d e",
        ] {
            assert!(
                matches!(Schedule::parse(bad, None), Err(ScheduleError::Unreadable { .. })),
                "{bad}"
            );
        }
        assert!(matches!(
            Schedule::parse("@daily", Some("Mars/Base")),
            Err(ScheduleError::UnknownZone { .. })
        ));
    }

    #[test]
    fn missed_starts_are_counted() {
        let hourly = Schedule::parse("@hourly", None).unwrap();
        let missed = |from: &str, to: &str| hourly.last_missed(from.parse().unwrap(), to.parse().unwrap());
        assert_eq!(missed("2026-01-01T00:10:00Z", "2026-01-01T00:50:00Z"), None);
        let last = "2026-01-01T03:00:00Z".parse().unwrap();
        assert_eq!(missed("2026-01-01T00:10:00Z", "2026-01-01T03:00:00Z"), Some((last, 3)));
        let last = "2026-02-01T03:00:00Z".parse().unwrap();
        assert_eq!(
            missed("2026-01-01T00:10:00Z", "2026-02-01T03:20:00Z"),
            Some((last, 101))
        );
    }
}
