//! Durations as people type them: Go's, with days and weeks before it.

use model::duration::GoDuration;

/// Reads `90m`, `1h30m`, `3d`, `1w2d12h`. A day has 24 hours.
///
/// # Errors
/// In words for the command line.
pub(crate) fn term(text: &str) -> Result<GoDuration, String> {
    let mut hours: u32 = 0;
    let mut rest = text;
    for (unit, each) in [('w', 7 * 24), ('d', 24)] {
        let Some((number, after)) = rest.split_once(unit) else {
            continue;
        };
        let number: u32 = number.parse().map_err(|_| wrong())?;
        hours = number
            .checked_mul(each)
            .and_then(|more| hours.checked_add(more))
            .ok_or_else(wrong)?;
        rest = after;
    }
    let whole = match (hours, rest) {
        (0, rest) => rest.to_owned(),
        (hours, rest) => format!("{hours}h{rest}"),
    };
    whole.parse().map_err(|_| wrong())
}

fn wrong() -> String {
    "must be a time such as 90m, 24h, 3d or 1w".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_weeks_come_before_what_go_knows() {
        for (text, seconds) in [
            ("90m", Some(5_400)),
            ("1h30m", Some(5_400)),
            ("3d", Some(259_200)),
            ("1w", Some(604_800)),
            ("1w2d12h", Some(820_800)),
            ("1.5h", Some(5_400)),
            ("d", None),
            ("1.5d", None),
            ("2d1w", None),
            ("99999999999d", None),
            ("soon", None),
            ("", None),
        ] {
            let read = term(text).ok().and_then(GoDuration::to_std).map(|time| time.as_secs());
            assert_eq!(read, seconds, "{text}");
        }
    }
}
