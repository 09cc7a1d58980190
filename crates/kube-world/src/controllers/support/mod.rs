//! What several controllers need: reading trees, hashes, names, selectors, conditions, shares.

pub(crate) mod acts;
pub(crate) mod conditions;
pub(crate) mod hash;
pub(crate) mod int_or_percent;
pub(crate) mod interest;
pub(crate) mod meta;
pub(crate) mod pods;
pub(crate) mod revisions;
pub(crate) mod scale;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod tree;
