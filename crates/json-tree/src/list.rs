//! Lists of values.

use std::fmt;
use std::ops::{Deref, DerefMut};

use ecow::EcoVec;

use crate::Value;

/// A list of values: a slice to read, copied when it is changed while somebody else holds it.
#[derive(Clone, Default, Eq)]
pub struct List(EcoVec<Value>);

impl List {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(EcoVec::new())
    }

    /// An empty list with room.
    #[must_use]
    pub fn with_capacity(items: usize) -> Self {
        Self(EcoVec::with_capacity(items))
    }

    /// A list of these items, with no more room than it needs.
    pub(crate) fn of(items: impl ExactSizeIterator<Item = Value>) -> Self {
        let mut list = Self::with_capacity(items.len());
        list.extend(items);
        list
    }

    /// The items.
    #[must_use]
    pub fn as_slice(&self) -> &[Value] {
        &self.0
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are the same memory.
    #[must_use]
    pub fn shares(&self, other: &Self) -> bool {
        std::ptr::eq(self.as_slice(), other.as_slice())
    }

    /// Adds an item at the end.
    pub fn push(&mut self, value: Value) {
        self.0.push(value);
    }

    /// Takes the last item.
    pub fn pop(&mut self) -> Option<Value> {
        self.0.pop()
    }

    /// Puts an item before a place.
    ///
    /// # Panics
    /// If the place is beyond the end.
    pub fn insert(&mut self, place: usize, value: Value) {
        self.0.insert(place, value);
    }

    /// Takes the item at a place.
    ///
    /// # Panics
    /// If there is none.
    pub fn remove(&mut self, place: usize) -> Value {
        self.0.remove(place)
    }

    /// Keeps the items that a judge wants; nothing is copied where it wants all.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Value) -> bool) {
        let Some(first) = self.iter().position(|item| !wanted(item)) else {
            return;
        };
        let mut place = 0;
        // The first ones are judged already.
        self.0.retain(|item| {
            place += 1;
            place <= first || (place > first + 1 && wanted(item))
        });
    }

    /// Replaces the items for which a function has something else. Nothing is copied as long as it has nothing.
    ///
    /// # Errors
    /// The first one that the function returns; what is replaced by then stays so.
    pub fn revise<E>(&mut self, mut revised: impl FnMut(usize, &Value) -> Result<Option<Value>, E>) -> Result<(), E> {
        for place in 0..self.len() {
            let Some(item) = self.0.get(place) else { break };
            if let Some(new) = revised(place, item)?
                && let Some(slot) = self.0.make_mut().get_mut(place)
            {
                *slot = new;
            }
        }
        Ok(())
    }

    /// Drops what is beyond a length.
    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Drops all items.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl DerefMut for List {
    fn deref_mut(&mut self) -> &mut [Value] {
        self.0.make_mut()
    }
}

impl PartialEq for List {
    /// What is shared is not looked at.
    fn eq(&self, other: &Self) -> bool {
        self.shares(other) || self.as_slice() == other.as_slice()
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<V: Into<Value>> FromIterator<V> for List {
    fn from_iter<I: IntoIterator<Item = V>>(items: I) -> Self {
        Self(items.into_iter().map(Into::into).collect())
    }
}

impl<V: Into<Value>> Extend<V> for List {
    fn extend<I: IntoIterator<Item = V>>(&mut self, items: I) {
        self.0.extend(items.into_iter().map(Into::into));
    }
}

impl IntoIterator for List {
    type Item = Value;
    type IntoIter = ecow::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'v> IntoIterator for &'v List {
    type Item = &'v Value;
    type IntoIter = std::slice::Iter<'v, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'v> IntoIterator for &'v mut List {
    type Item = &'v mut Value;
    type IntoIter = std::slice::IterMut<'v, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.make_mut().iter_mut()
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> Self {
        Self(items.into())
    }
}
