//! "Did you mean": the nearest existing name to a mistyped one.

/// Longest name, in bytes, that is compared: the comparison takes time by the product of both lengths, and nobody mistypes longer ones.
const LONGEST: usize = 256;

/// The candidate with the smallest edit distance, if it is near enough to be a likely typing error.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if wanted.len() > LONGEST {
        return None;
    }
    let allowed = (wanted.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .filter(|name| name.len().abs_diff(wanted.len()) <= 4 * allowed)
        .map(|name| (distance(wanted, name), name))
        .filter(|(far, name)| *far <= allowed && *far < name.chars().count())
        .min()
        .map(|(_, name)| name.to_owned())
}

/// Edit distance with insertions, deletions, replacements and swaps of neighbours, each counting one.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous_char = None;
    for (row, from) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let cell = |cells: &[usize], at: usize| cells.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&last, column) + usize::from(from != *to))
                .min(cell(&last, column + 1) + 1)
                .min(cell(&current, column) + 1);
            let swapped = column > 0 && previous_char == Some(*to) && right.get(column - 1) == Some(&from);
            if swapped {
                best = best.min(cell(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        previous_char = Some(from);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (left, right, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "abcd", 1),
            ("kitten", "sitting", 3),
            ("", "ab", 2),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let keys = ["skipper_cpu", "skipper_memory", "vpa_cpu"];
        assert_eq!(nearest("skiper_cpu", keys), Some("skipper_cpu".into()));
        assert_eq!(nearest("kube_proxy", keys), None);
        assert_eq!(nearest("b", ["a"]), None);
    }
}
