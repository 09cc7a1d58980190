//! Names that a mistyped name may have meant.

/// How many names are offered.
const OFFERED: usize = 5;

/// The known names nearest to `wanted`, nearest first: those that contain it or differ in few letters.
pub(crate) fn near_names<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let length = wanted.chars().count();
    let bound = (length / 3).max(1);
    let mut found: Vec<(usize, &str)> = known
        .filter_map(|name| {
            let distance = distance(&wanted.to_lowercase(), &name.to_lowercase());
            let related = distance <= bound || (length >= 3 && (name.contains(wanted) || wanted.contains(name)));
            related.then_some((distance, name))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
        .into_iter()
        .take(OFFERED)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Edits (insert, delete, replace, swap of neighbours) between two texts: the optimal string alignment distance.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = at(&last, j) + usize::from(x != y);
            best = best.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("beta", "beta", 0),
            ("beta", "beat", 1),
            ("stable", "stabel", 1),
            ("dev", "alpha", 5),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn nearest_first_and_few() {
        let known = ["alpha", "beta", "beta-2", "dev", "stable"];
        let near = |wanted: &str| near_names(wanted, known.into_iter());
        assert_eq!(near("beat"), ["beta"]);
        assert_eq!(near("Beta"), ["beta"]);
        assert_eq!(near("bet"), ["beta", "beta-2"]);
        assert_eq!(near("refs/heads/dev"), ["dev"]);
        assert!(near("production").is_empty());
        assert!(near("x").is_empty());
    }
}
