//! How times, versions and counts are said on pages.

use jiff::Timestamp;
use model::words::span;

/// How long ago something was, or in how long it will be.
pub(crate) fn when(then: Timestamp, now: Timestamp) -> String {
    if then > now {
        format!("in {}", span(then.duration_since(now)))
    } else {
        format!("{} ago", span(now.duration_since(then)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_from_now() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (then, said) in [
            (0, "1h40m ago"),
            (5_990, "10s ago"),
            (6_060, "in 1m"),
            (200_000, "in 2d5h"),
        ] {
            assert_eq!(when(at(then), at(6_000)), said);
        }
    }
}
