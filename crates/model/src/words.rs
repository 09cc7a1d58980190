//! Times, counts and ids as sentences, tables and pages say them.

use std::fmt::Display;

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

/// `1 node`, `2 nodes`.
#[must_use]
pub fn count<N: Display + PartialEq + From<u8>>(n: N, one: &str) -> String {
    let plural = if n == N::from(1) { "" } else { "s" };
    format!("{n} {one}{plural}")
}

/// An id short enough for a table: of a commit what git shows, of others the beginning.
#[must_use]
pub fn short_id(id: &str) -> String {
    let commit = id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
    id.chars().take(if commit { 7 } else { 12 }).collect()
}

/// The configuration part of a version, with short ids: `id`, or `name=id;name=id` where it has several sources.
#[must_use]
pub fn short_config(config: &str) -> String {
    let source = |source: &str| match source.split_once('=') {
        Some((name, id)) => format!("{name}={}", short_id(id)),
        None => short_id(source),
    };
    config.split(';').map(source).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_plural_and_ids_are_cut() {
        assert_eq!([count(1_usize, "node"), count(2_u32, "node")], ["1 node", "2 nodes"]);
        let commit = "93eb84d0123456789012345678901234567890ab";
        for (config, short) in [
            (commit.to_owned(), "93eb84d"),
            (
                format!("main={commit};extra=tree-0123456789"),
                "main=93eb84d;extra=tree-0123456",
            ),
            ("abc".to_owned(), "abc"),
            (String::new(), ""),
        ] {
            assert_eq!(short_config(&config), short, "{config}");
        }
    }

    #[test]
    fn spans_have_their_two_largest_units() {
        let said = |seconds| span(SignedDuration::from_secs(seconds));
        assert_eq!(
            [said(5), said(65), said(7_800), said(90_000)],
            ["5s", "1m", "2h10m", "1d1h"]
        );
    }
}
