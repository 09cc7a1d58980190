//! Looking for many texts among many, both in order, in one pass over both.

use std::cmp::Ordering;
use std::iter::Peekable;

/// Texts in order, among which others are looked for in the same order.
pub(crate) struct InOrder<I: Iterator>(Peekable<I>);

impl<'t, I: Iterator<Item = &'t str>> InOrder<I> {
    /// These texts, which have to come in their order.
    pub(crate) fn new(texts: I) -> Self {
        Self(texts.peekable())
    }

    /// Whether the text is among them. It must not come before the one that was looked for last.
    pub(crate) fn has(&mut self, text: &str) -> bool {
        while let Some(next) = self.0.peek() {
            match (*next).cmp(text) {
                Ordering::Less => drop(self.0.next()),
                other => return other.is_eq(),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_in_one_pass() {
        let mut texts = InOrder::new(["b", "d", "d", "f"].into_iter());
        let found = ["a", "b", "b", "c", "d", "e", "f", "g", "h"].map(|one| texts.has(one));
        assert_eq!(found, [false, true, true, false, true, false, true, false, false]);
        assert!(!InOrder::new(std::iter::empty()).has(""));
    }
}
