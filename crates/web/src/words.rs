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

/// The first characters of a commit or content id.
pub(crate) fn short(config: &str) -> &str {
    let end = config.char_indices().nth(7).map_or(config.len(), |(at, _)| at);
    config.get(..end).unwrap_or(config)
}

/// `1 node`, `2 nodes`.
pub(crate) fn count(n: usize, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {one}s")
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

    #[test]
    fn ids_are_cut_and_counts_have_their_plural() {
        assert_eq!([short("0123456789"), short("abc"), short("")], ["0123456", "abc", ""]);
        assert_eq!([count(1, "node"), count(2, "node")], ["1 node", "2 nodes"]);
    }
}
