//! What was applied, so that the next pass can tell that nothing has to be done.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::resource::{GroupKind, ObjectKey};

/// What an object was like right after it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Digest of what was sent.
    pub hash: String,
    /// The object's identity: a new object of the same name has another one.
    pub uid: String,
    /// The version of the object.
    pub resource_version: String,
    /// Name of the field set that was ours; changes when anybody changes the value of a field that we applied.
    pub fields: String,
}

/// What is remembered of one cluster between passes. It can be kept anywhere (it serialises) or lost: the next pass then
/// reads every object of the set once and compares.
///
/// It holds digests and versions, never values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The objects.
    #[serde(with = "pairs")]
    pub objects: BTreeMap<ObjectKey, Applied>,
    /// What the parent object of the set says.
    pub parent: Option<ParentRecord>,
}

/// The contents of a set's parent object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentRecord {
    /// The kinds that members have, or had and may still have.
    pub group_kinds: BTreeSet<GroupKind>,
    /// The namespaces that members are in, besides the parent's own.
    pub namespaces: BTreeSet<String>,
}

impl ParentRecord {
    /// True if everything of `other` is in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.group_kinds.is_superset(&other.group_kinds) && self.namespaces.is_superset(&other.namespaces)
    }

    /// Everything of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            group_kinds: self.group_kinds.union(&other.group_kinds).cloned().collect(),
            namespaces: self.namespaces.union(&other.namespaces).cloned().collect(),
        }
    }
}

/// A map with keys that are no text, as a list of pairs.
mod pairs {
    use super::{Applied, BTreeMap, ObjectKey};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<ObjectKey, Applied>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<BTreeMap<ObjectKey, Applied>, D::Error> {
        Ok(Vec::<(ObjectKey, Applied)>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_storage() {
        let mut memory = Memory::default();
        let key = ObjectKey::new(GroupKind::new("apps", "Deployment"), "ns", "n");
        let applied = Applied {
            hash: "h".into(),
            uid: "u".into(),
            resource_version: "1".into(),
            fields: "f".into(),
        };
        memory.objects.insert(key, applied);
        memory.parent = Some(ParentRecord::default());
        let text = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<Memory>(&text).unwrap(), memory);
    }
}
