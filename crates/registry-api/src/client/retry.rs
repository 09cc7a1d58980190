//! When to try again.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use ports::Ids;

/// First bound of the back-off; it doubles with each attempt.
const BASE: Duration = Duration::from_millis(100);
/// Last bound of the back-off.
const CAP: Duration = Duration::from_secs(10);
/// Longest `Retry-After` that is waited for; a longer one is left to the caller.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Time before attempt `attempt` (1 is the first repetition): a random part of a bound that doubles, so that callers who
/// failed together do not come back together. Written here because the common crates draw their own randomness, which a
/// simulation could not replay.
pub(super) fn backoff(attempt: u32, ids: &dyn Ids) -> Duration {
    let bound = BASE.saturating_mul(1_u32 << attempt.saturating_sub(1).min(16)).min(CAP);
    bound.mul_f64(ids.fraction())
}

/// What `Retry-After` asks for, as seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A date in the past means now.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use ports::SeededIds;

    use super::*;

    #[test]
    fn bounds_double_up_to_the_cap_and_jitter_fills_them() {
        let ids = SeededIds::new(1);
        for (attempt, bound) in [(1, 100), (2, 200), (3, 400), (7, 6400), (8, 10_000), (60, 10_000)] {
            let drawn: Vec<u128> = (0..200).map(|_| backoff(attempt, &ids).as_millis()).collect();
            assert!(drawn.iter().all(|d| *d <= bound), "{attempt}");
            assert!(
                drawn.iter().any(|d| *d > bound / 2) && drawn.iter().any(|d| *d < bound / 2),
                "{attempt}"
            );
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        for (text, expected) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
