//! Values that count their changes, so that a pass whose inputs are what they were need not be made again.

use std::ops::{Deref, DerefMut};

/// A value with the number of times it was given out to be changed. Who only wants to look must not borrow it mutably; who
/// replaces it by an equal value should not.
#[derive(Debug, Default)]
pub(crate) struct Tracked<T> {
    value: T,
    changes: u64,
}

impl<T> Tracked<T> {
    /// Grows with every change.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }
}

impl<T: PartialEq> Tracked<T> {
    /// Puts a value in the place of the one that is there, if it is another one.
    pub(crate) fn set(&mut self, value: T) {
        if self.value != value {
            **self = value;
        }
    }
}

impl<T> Deref for Tracked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Tracked<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changes += 1;
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_count() {
        let mut names = Tracked::<Vec<&str>>::default();
        assert!(names.is_empty());
        assert_eq!(names.changes(), 0);
        names.push("a");
        let before = names.changes();
        names.set(vec!["a"]);
        assert_eq!(names.changes(), before);
        names.set(vec!["b"]);
        assert!(names.changes() > before);
    }
}
