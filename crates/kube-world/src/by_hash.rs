//! Maps for looking things up. Their own order is never seen: what is listed has an order beside it.
//!
//! The indexes of a cluster hold tens of thousands of names, and nearly every turn looks for some. A search among ordered names
//! reads a dozen texts, each somewhere else in memory; a hash reads one.

use std::sync::Arc;

use hashbrown::Equivalent;
use rustc_hash::FxBuildHasher;

/// Values by what they are found by.
pub(crate) type Found<K, V> = hashbrown::HashMap<K, V, FxBuildHasher>;

/// Things that are there or not.
pub(crate) type Known<K> = hashbrown::HashSet<K, FxBuildHasher>;

/// A namespace and a name, for looking without making either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Names<'a>(pub(crate) &'a str, pub(crate) &'a str);

impl Equivalent<(Arc<str>, Arc<str>)> for Names<'_> {
    fn equivalent(&self, (namespace, name): &(Arc<str>, Arc<str>)) -> bool {
        *self == Names(namespace, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_they_were_put_in() {
        let mut found = Found::default();
        found.insert((Arc::<str>::from("ab"), Arc::<str>::from("c")), 1);
        assert_eq!(found.get(&Names("ab", "c")), Some(&1));
        assert_eq!(found.get(&Names("a", "bc")), None);
    }
}
