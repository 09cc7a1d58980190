//! Hashes of templates and short texts made of them: `pod-template-hash`, revision hashes, suffixes of names.
//!
//! Real clusters hash a dump of Go structs, which nobody outside can repeat; these hashes are as short, as stable and
//! made of the same letters, but not the same.

use json_tree::Value;

/// The letters of generated names: no vowels and nothing that is easily misread.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// FNV-1a over some texts; a separator keeps `("a", "bc")` and `("ab", "c")` apart.
pub(crate) fn fnv(parts: &[&str]) -> u32 {
    let mut hash = OFFSET;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(PRIME);
        }
    }
    // The last round of FNV leaves neighbours close together; names should not look alike.
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^ (hash >> 13)
}

/// A hash in the letters of names, up to ten long, as the real controllers write theirs.
pub(crate) fn encode(hash: u32) -> String {
    hash.to_string().bytes().map(|digit| letter(u32::from(digit))).collect()
}

fn letter(number: u32) -> char {
    let index = usize::try_from(number).unwrap_or(0) % LETTERS.len();
    LETTERS.get(index).map_or('x', |byte| char::from(*byte))
}

/// The hash of a template; another collision count gives another hash of the same template.
///
/// Trees of JSON print with sorted keys, so equal templates print alike.
pub(crate) fn template(template: &Value, collisions: Option<i64>) -> String {
    let text = template.to_string();
    let count = collisions.map(|count| count.to_string()).unwrap_or_default();
    encode(fnv(&[&text, &count]))
}

/// The five letters at the end of a generated name, drawn from what the name is for.
pub(crate) fn suffix(parts: &[&str]) -> String {
    let mut rest = fnv(parts);
    let mut out = String::with_capacity(5);
    for _ in 0..5 {
        out.push(letter(rest % 27));
        rest /= 27;
    }
    out
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    #[test]
    fn hashes_depend_on_content_and_collisions_alone() {
        let one = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}]}});
        let same = json!({"spec": {"containers": [{"image": "x:1", "name": "a"}]}});
        let other = json!({"spec": {"containers": [{"image": "x:2", "name": "a"}]}});
        assert_eq!(template(&one, None), template(&same, None));
        assert_ne!(template(&one, None), template(&other, None));
        assert_ne!(template(&one, None), template(&one, Some(1)));
    }

    #[test]
    fn names_are_made_of_safe_letters_and_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..1_000 {
            let suffix = suffix(&["uid", &number.to_string()]);
            assert_eq!(suffix.len(), 5);
            assert!(suffix.bytes().all(|c| LETTERS.contains(&c)), "{suffix}");
            seen.insert(suffix);
        }
        assert!(seen.len() > 995, "only {} different of 1000", seen.len());
    }
}
