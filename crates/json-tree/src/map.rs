//! Maps from names to values.

use std::fmt;

use ecow::EcoVec;

use crate::names::name;
use crate::{Text, Value};

/// A member of a map.
type Member = (Text, Value);

/// Up to here members are compared one by one, which is quicker than halving.
const FEW: usize = 10;

/// A map from names to values, in the order of the names (by their bytes). A copy shares the members until one of the two changes.
#[derive(Clone, Default, Eq)]
pub struct Map(EcoVec<Member>);

impl Map {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self(EcoVec::new())
    }

    /// An empty map with room.
    #[must_use]
    pub fn with_capacity(members: usize) -> Self {
        Self(EcoVec::with_capacity(members))
    }

    /// A map of these members, with no more room than it needs. Of equal names the last one counts.
    pub(crate) fn of(members: impl ExactSizeIterator<Item = Member>) -> Self {
        let mut map = Self::with_capacity(members.len());
        for (key, value) in members {
            match map.search(&key) {
                Ok(place) => {
                    if let Some(slot) = map.at_mut(place) {
                        *slot = value;
                    }
                }
                Err(place) if place == map.len() => map.0.push((key, value)),
                Err(place) => map.0.insert(place, (key, value)),
            }
        }
        map
    }

    /// Whether both are the same memory.
    #[must_use]
    pub fn shares(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.as_slice(), other.0.as_slice())
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a member is.
    fn place(&self, key: &str) -> Option<usize> {
        if self.len() <= FEW {
            self.0.iter().position(|(name, _)| name.as_str() == key)
        } else {
            self.search(key).ok()
        }
    }

    /// Where a member is, or where it would have to be.
    fn search(&self, key: &str) -> Result<usize, usize> {
        // Members mostly come in order.
        match self.0.last() {
            Some((last, _)) if last.as_str() < key => Err(self.len()),
            _ => self.0.binary_search_by(|(name, _)| name.as_str().cmp(key)),
        }
    }

    /// The member of a name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let place = self.place(key)?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// The member of a name, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let place = self.place(key)?;
        self.at_mut(place)
    }

    /// The member of a name with that name.
    #[must_use]
    pub fn get_key_value(&self, key: &str) -> Option<(&Text, &Value)> {
        let place = self.place(key)?;
        self.0.get(place).map(|(name, value)| (name, value))
    }

    fn at_mut(&mut self, place: usize) -> Option<&mut Value> {
        self.0.make_mut().get_mut(place).map(|(_, value)| value)
    }

    /// Whether there is a member of this name.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_some()
    }

    /// Sets a member, and returns what it was before.
    pub fn insert(&mut self, key: impl AsRef<str>, value: Value) -> Option<Value> {
        let key = key.as_ref();
        match self.search(key) {
            Ok(place) => self.at_mut(place).map(|old| std::mem::replace(old, value)),
            Err(place) => {
                self.0.insert(place, (name(key), value));
                None
            }
        }
    }

    /// Takes a member away.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.remove_entry(key).map(|(_, value)| value)
    }

    /// Takes a member away, with its name.
    pub fn remove_entry(&mut self, key: &str) -> Option<(Text, Value)> {
        let place = self.place(key)?;
        Some(self.0.remove(place))
    }

    /// Keeps the members that a judge wants; nothing is copied where it wants all.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Text, &Value) -> bool) {
        let Some(first) = self.iter().position(|(name, value)| !wanted(name, value)) else {
            return;
        };
        let mut place = 0;
        // The first ones are judged already.
        self.0.retain(|(name, value)| {
            place += 1;
            place <= first || (place > first + 1 && wanted(name, value))
        });
    }

    /// Goes through the members and does with each what a function says. Nothing is copied as long as all stay as they are.
    ///
    /// # Errors
    /// The first one that the function returns; what was done by then stays done.
    pub fn revise<E>(&mut self, mut revised: impl FnMut(&Text, &Value) -> Result<Revision, E>) -> Result<(), E> {
        let mut place = 0;
        while let Some((name, value)) = self.0.get(place) {
            match revised(name, value)? {
                Revision::Keep => place += 1,
                Revision::Drop => {
                    self.0.remove(place);
                }
                Revision::Replace(new) => {
                    if let Some(slot) = self.at_mut(place) {
                        *slot = new;
                    }
                    place += 1;
                }
            }
        }
        Ok(())
    }

    /// Drops all members.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Moves all members of another map here; the other's win.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(std::mem::take(other));
    }

    /// The members in order of their names.
    pub fn iter(&self) -> Iter<'_> {
        fn pair(member: &Member) -> (&Text, &Value) {
            (&member.0, &member.1)
        }
        self.0.iter().map(pair)
    }

    /// The members, to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_> {
        fn pair(member: &mut Member) -> (&Text, &mut Value) {
            (&member.0, &mut member.1)
        }
        self.0.make_mut().iter_mut().map(pair)
    }

    /// The names in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Text> + ExactSizeIterator + Clone {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values in order of their names.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Value> {
        self.0.make_mut().iter_mut().map(|(_, value)| value)
    }

    /// The place of a member, be it there or not.
    pub fn entry(&mut self, key: impl AsRef<str>) -> Entry<'_> {
        let key = key.as_ref();
        match self.search(key) {
            Ok(place) => Entry::Occupied(OccupiedEntry { map: self, place }),
            Err(place) => Entry::Vacant(VacantEntry {
                key: name(key),
                map: self,
                place,
            }),
        }
    }
}

/// What becomes of a member, in [`Map::revise`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// It stays as it is.
    Keep,
    /// It goes.
    Drop,
    /// It gets another value.
    Replace(Value),
}

/// The members of a map in order of their names.
pub(crate) type Iter<'m> = std::iter::Map<std::slice::Iter<'m, Member>, fn(&'m Member) -> (&'m Text, &'m Value)>;

/// The same, to be changed.
pub(crate) type IterMut<'m> =
    std::iter::Map<std::slice::IterMut<'m, Member>, fn(&'m mut Member) -> (&'m Text, &'m mut Value)>;

/// A place in a map.
#[derive(Debug)]
pub enum Entry<'m> {
    /// With a member.
    Occupied(OccupiedEntry<'m>),
    /// Without one.
    Vacant(VacantEntry<'m>),
}

/// A place with a member.
#[derive(Debug)]
pub struct OccupiedEntry<'m> {
    map: &'m mut Map,
    place: usize,
}

/// A place without a member.
#[derive(Debug)]
pub struct VacantEntry<'m> {
    map: &'m mut Map,
    place: usize,
    key: Text,
}

impl<'m> OccupiedEntry<'m> {
    /// The value.
    #[must_use]
    pub fn get(&self) -> &Value {
        &self.map.0[self.place].1
    }

    /// The value, to be changed.
    pub fn get_mut(&mut self) -> &mut Value {
        &mut self.map.0.make_mut()[self.place].1
    }

    /// The value, to be changed, for as long as the map is borrowed.
    #[must_use]
    pub fn into_mut(self) -> &'m mut Value {
        &mut self.map.0.make_mut()[self.place].1
    }

    /// Sets the value, and returns what it was before.
    pub fn insert(&mut self, value: Value) -> Value {
        std::mem::replace(self.get_mut(), value)
    }

    /// Takes the member away.
    #[must_use]
    pub fn remove(self) -> Value {
        self.map.0.remove(self.place).1
    }
}

impl<'m> VacantEntry<'m> {
    /// Sets the value.
    pub fn insert(self, value: Value) -> &'m mut Value {
        self.map.0.insert(self.place, (self.key, value));
        &mut self.map.0.make_mut()[self.place].1
    }
}

impl<'m> Entry<'m> {
    /// The value, set to this one where there is none.
    pub fn or_insert(self, value: Value) -> &'m mut Value {
        self.or_insert_with(|| value)
    }

    /// The value, made where there is none.
    pub fn or_insert_with(self, make: impl FnOnce() -> Value) -> &'m mut Value {
        match self {
            Self::Occupied(entry) => entry.into_mut(),
            Self::Vacant(entry) => entry.insert(make()),
        }
    }

    /// Changes the value where there is one.
    #[must_use]
    pub fn and_modify(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Self::Occupied(entry) = &mut self {
            change(entry.get_mut());
        }
        self
    }
}

impl PartialEq for Map {
    /// What is shared is not looked at.
    fn eq(&self, other: &Self) -> bool {
        self.shares(other) || self.0 == other.0
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: AsRef<str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(members: I) -> Self {
        let mut map = Self::new();
        map.extend(members);
        map
    }
}

impl<K: AsRef<str>> Extend<(K, Value)> for Map {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, members: I) {
        let members = members.into_iter();
        self.0.reserve(members.size_hint().0);
        for (key, value) in members {
            self.insert(key, value);
        }
    }
}

impl IntoIterator for Map {
    type Item = (Text, Value);
    type IntoIter = ecow::vec::IntoIter<Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'m> IntoIterator for &'m Map {
    type Item = (&'m Text, &'m Value);
    type IntoIter = Iter<'m>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'m> IntoIterator for &'m mut Map {
    type Item = (&'m Text, &'m mut Value);
    type IntoIter = IterMut<'m>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
