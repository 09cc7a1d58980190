//! Sets of completion indexes as Indexed Jobs write them: `0-3,5,7-9`.

use std::collections::BTreeSet;

/// Reads the text of a set; parts that are no numbers or beyond the Job's completions are left out.
pub(crate) fn parse(text: &str, completions: i64) -> BTreeSet<i64> {
    let mut out = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<i64>(), last.trim().parse::<i64>()) else {
            continue;
        };
        out.extend(first.max(0)..=last.min(completions - 1));
    }
    out
}

/// Writes a set; runs of three and more become ranges.
pub(crate) fn print(indexes: &BTreeSet<i64>) -> String {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let parts: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_written() {
        for (indexes, text) in [
            (&[][..], ""),
            (&[0][..], "0"),
            (&[0, 1][..], "0,1"),
            (&[0, 1, 2, 5, 7, 8, 9][..], "0-2,5,7-9"),
        ] {
            let set: BTreeSet<i64> = indexes.iter().copied().collect();
            assert_eq!(print(&set), text);
            assert_eq!(parse(text, 100), set);
        }
        assert_eq!(parse("1-9,x,-", 3), BTreeSet::from([1, 2]));
    }
}
