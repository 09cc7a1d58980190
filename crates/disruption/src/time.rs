//! Arithmetic on instants that cannot overflow and texts of spans for people.

use jiff::{SignedDuration, Timestamp};
use model::duration::GoDuration;

/// `at` moved by `by`; the ends of the calendar stand for "never" and "always".
pub(crate) fn after(at: Timestamp, by: GoDuration) -> Timestamp {
    let fallback = if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    at.checked_add(SignedDuration::from_nanos(by.nanos()))
        .unwrap_or(fallback)
}

/// `at` moved back by `by`.
pub(crate) fn before(at: Timestamp, by: GoDuration) -> Timestamp {
    at.checked_sub(SignedDuration::from_nanos(by.nanos()))
        .unwrap_or(if by.is_negative() {
            Timestamp::MAX
        } else {
            Timestamp::MIN
        })
}

/// The time from `from` to `to`, negative when `to` is earlier, cut to what a duration can hold.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> GoDuration {
    let nanos = to.duration_since(from).as_nanos();
    let limit = if nanos < 0 { i64::MIN } else { i64::MAX };
    GoDuration::from_nanos(i64::try_from(nanos).unwrap_or(limit))
}

/// `by` taken `times` times, cut to what a duration can hold.
pub(crate) fn times(by: GoDuration, times: usize) -> GoDuration {
    let times = i64::try_from(times).unwrap_or(i64::MAX);
    GoDuration::from_nanos(by.nanos().saturating_mul(times))
}

/// The sum, cut to what a duration can hold.
pub(crate) fn sum(a: GoDuration, b: GoDuration) -> GoDuration {
    GoDuration::from_nanos(a.nanos().saturating_add(b.nanos()))
}

/// `None` for the end of the calendar, which stands for "never".
pub(crate) fn unless_never(at: Timestamp) -> Option<Timestamp> {
    (at < Timestamp::MAX).then_some(at)
}

/// A span as people say it, with its two largest units: `2h10m`, `3d`, `45s`.
///
/// Spans below a second are `0s`; the sign is dropped.
#[must_use]
pub fn short(span: GoDuration) -> String {
    let seconds = span.nanos().unsigned_abs() / 1_000_000_000;
    let units = [
        (seconds / 86_400, 'd'),
        (seconds % 86_400 / 3_600, 'h'),
        (seconds % 3_600 / 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = units.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    units
        .iter()
        .skip(first)
        .take(2)
        .enumerate()
        .filter(|(i, (n, _))| *i == 0 || *n > 0)
        .map(|(_, (n, unit))| format!("{n}{unit}"))
        .collect()
}

/// An instant as people read it: `2026-11-21 14:05 UTC`, with seconds only when there are some.
#[must_use]
pub fn clock(at: Timestamp) -> String {
    let whole_minute = at.as_second().rem_euclid(60) == 0;
    let form = if whole_minute {
        "%Y-%m-%d %H:%M UTC"
    } else {
        "%Y-%m-%d %H:%M:%S UTC"
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (text, expected) in [
            ("0s", "0s"),
            ("999ms", "0s"),
            ("45s", "45s"),
            ("10m", "10m"),
            ("2h10m5s", "2h10m"),
            ("2h0m5s", "2h"),
            ("72h", "3d"),
            ("76h30m", "3d4h"),
        ] {
            assert_eq!(short(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn instants_show_seconds_only_when_there_are_some() {
        let at: Timestamp = "2026-11-21T14:05:00Z".parse().unwrap();
        assert_eq!(clock(at), "2026-11-21 14:05 UTC");
        assert_eq!(clock(after(at, "7s".parse().unwrap())), "2026-11-21 14:05:07 UTC");
    }

    #[test]
    fn the_ends_of_the_calendar_hold() {
        let long = GoDuration::from_nanos(i64::MAX);
        assert_eq!(after(Timestamp::MAX, long), Timestamp::MAX);
        assert_eq!(before(Timestamp::MIN, long), Timestamp::MIN);
        assert_eq!(between(Timestamp::MIN, Timestamp::MAX), long);
        assert_eq!(times(long, 7), long);
    }
}
