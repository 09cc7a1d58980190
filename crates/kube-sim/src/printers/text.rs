//! How ages, durations and lists are written in tables.

use jiff::Timestamp;
use json_tree::Value;

use super::Env;
use crate::value::{text, text_map};

/// A duration as kubectl writes it: two units at most, the smaller one only while it tells something.
pub(super) fn duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let with = |big: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{rest}{small}")
        }
    };
    match seconds {
        s if s < -1 => "<invalid>".to_owned(),
        s if s < 0 => "0s".to_owned(),
        s if s < 120 => format!("{s}s"),
        s if minutes < 10 => with(minutes, "m", s % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => with(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => with(days, "d", hours % 24, "h"),
        _ if hours < 24 * 365 * 2 => format!("{days}d"),
        _ if hours < 24 * 365 * 8 => with(hours / 24 / 365, "y", (hours / 24) % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// The time since an instant.
pub(super) fn since(when: &str, now: Timestamp) -> String {
    when.parse::<Timestamp>().map_or_else(
        |_| "<unknown>".to_owned(),
        |when| duration(now.as_second() - when.as_second()),
    )
}

/// The age of an object.
pub(super) fn age(object: &Value, env: &Env) -> String {
    text(object, &["metadata", "creationTimestamp"]).map_or_else(|| "<unknown>".to_owned(), |when| since(when, env.now))
}

/// Labels or another map of texts as `a=b,c=d`; `<none>` if empty.
pub(super) fn pairs(object: &Value, path: &[&str]) -> String {
    let parts: Vec<String> = text_map(object, path)
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    or_none(&parts.join(","))
}

/// A selector as text; `<none>` if empty.
pub(super) fn selector(object: &Value, path: &[&str]) -> String {
    let text = crate::value::at(object, path)
        .map(crate::handlers::selector_text)
        .unwrap_or_default();
    or_none(&text)
}

/// `<none>` for an empty text.
pub(super) fn or_none(text: &str) -> String {
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text.to_owned()
    }
}

/// A value as it stands, texts without quotes.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_as_kubectl_writes_them() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (3 * 3_600, "3h"),
            (3 * 3_600 + 60, "3h1m"),
            (9 * 3_600, "9h"),
            (48 * 3_600, "2d"),
            (49 * 3_600, "2d1h"),
            (9 * 86_400, "9d"),
            (800 * 86_400, "2y70d"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }
}
