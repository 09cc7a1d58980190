//! The names of members.
//!
//! The same few names come again and again. Short ones lie in the map itself; of long ones the newest are kept in a small table,
//! so that maps share them.

use std::cell::RefCell;

use crate::Text;

/// How long a text may be to lie in the value itself.
const SHORT: usize = 15;
/// How many long names are kept; a power of two.
const KEPT: usize = 512;

thread_local! {
    // Nothing depends on what is in it: it only saves memory.
    static NAMES: RefCell<Vec<Text>> = RefCell::new(vec![Text::new(); KEPT]);
}

/// A name as a text that is shared with other maps where it is long.
pub(crate) fn name(name: &str) -> Text {
    if name.len() <= SHORT {
        return name.into();
    }
    let slot = slot(name.as_bytes());
    let kept = NAMES.try_with(|names| {
        let mut names = names.borrow_mut();
        let known = names.get_mut(slot)?;
        if known != name {
            *known = name.into();
        }
        Some(known.clone())
    });
    kept.ok().flatten().unwrap_or_else(|| name.into())
}

/// The slot of a name, by its length, its beginning and its end.
fn slot(name: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mixed = word(name.first_chunk()) ^ word(name.last_chunk()).rotate_left(23) ^ name.len() as u64;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_they_were() {
        for text in [
            "",
            "name",
            "fifteen--bytes-",
            "sixteen---bytes-",
            "terminationGracePeriodSeconds",
        ] {
            assert_eq!(name(text), text);
            assert_eq!(name(text), text);
        }
        let (one, two) = (name("a name that is long"), name("a name that is long"));
        assert!(std::ptr::eq(one.as_str(), two.as_str()));
        for number in 0..4 * KEPT {
            let long = format!("a name that is long and ends with {number}");
            assert_eq!(name(&long), long);
        }
    }
}
