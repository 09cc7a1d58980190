//! Times as sentences and pages say them.

use jiff::{SignedDuration, Timestamp};

/// How long something lasts, in its two largest units: `2h10m`.
#[must_use]
pub fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs().unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, ..) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

/// How long ago something was.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(then))
}

/// A moment, to the minute.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_units() {
        let said = |seconds| span(SignedDuration::from_secs(seconds));
        assert_eq!(
            [said(5), said(65), said(7_800), said(90_000)],
            ["5s", "1m", "2h10m", "1d1h"]
        );
    }
}
