//! What would go with an object that contains others: instances of a definition, contents of a namespace.
//!
//! Deleting the container deletes them all, whoever made them. So it is looked into first, and it stays as long as anything is
//! in it that is not going anyway (V11).

use serde_json::Value;

use super::prune_plan::{PruneItem, Rank};
use crate::access::Access;
use crate::call::Depth;
use crate::discovery::Kinds;
use crate::error::AccessError;
use crate::list::Selection;
use crate::resource::{ApiKind, GroupKind, ObjectKey, list_at, meta, text_at};

/// Kinds that the cluster itself fills namespaces with.
const BY_ITSELF: [(&str, &str); 4] = [
    ("", "Event"),
    ("events.k8s.io", "Event"),
    ("", "Endpoints"),
    ("coordination.k8s.io", "Lease"),
];

impl Access {
    /// The first object in a container that nobody but its own maker may delete; none if there is no such object, or the item
    /// contains nothing.
    pub(super) async fn contents(&self, item: &PruneItem, kinds: &Kinds) -> Result<Option<ObjectKey>, AccessError> {
        match item.rank {
            Rank::Definitions => self.instances(item, kinds).await,
            Rank::Namespaces => self.inhabitants(item, kinds).await,
            _ => Ok(None),
        }
    }

    async fn instances(&self, item: &PruneItem, kinds: &Kinds) -> Result<Option<ObjectKey>, AccessError> {
        let Some(definitions) = kinds.preferred(&item.key.kind) else {
            return Ok(None);
        };
        let Some(definition) = self.get(definitions, &item.key, Depth::Full).await? else {
            return Ok(None);
        };
        let defined = GroupKind::new(
            text_at(&definition, &["spec", "group"]),
            text_at(&definition, &["spec", "names", "kind"]),
        );
        self.complete(item, kinds, std::iter::once(&defined.group))?;
        let Some(kind) = kinds.preferred(&defined) else {
            return Ok(None);
        };
        let found = self.list(kind, &Selection::default(), Depth::Metadata).await?;
        Ok(found
            .iter()
            .find(|object| stays(object))
            .map(|object| ObjectKey::of(&kind.id, object)))
    }

    async fn inhabitants(&self, item: &PruneItem, kinds: &Kinds) -> Result<Option<ObjectKey>, AccessError> {
        self.complete(item, kinds, kinds.partial().iter())?;
        let selection = Selection {
            namespace: item.key.name.clone(),
            ..Selection::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        let fills = |kind: &&ApiKind| {
            let by_itself = BY_ITSELF.contains(&(kind.id.group.as_str(), kind.id.kind.as_str()));
            kind.namespaced && kind.can("list") && kind.can("delete") && !by_itself
        };
        for kind in kinds.all().iter().filter(fills) {
            // Served in several versions, kept once.
            if !seen.insert(&kind.id) {
                continue;
            }
            let found = self.list(kind, &selection, Depth::Metadata).await?;
            let stranger = found
                .iter()
                .find(|object| stays(object) && !is_of_every_namespace(kind, object));
            if let Some(stranger) = stranger {
                return Ok(Some(ObjectKey::of(&kind.id, stranger)));
            }
        }
        Ok(None)
    }

    /// What discovery did not tell may be in the container as well (V12).
    fn complete<'g>(
        &self,
        item: &PruneItem,
        kinds: &Kinds,
        mut groups: impl Iterator<Item = &'g String>,
    ) -> Result<(), AccessError> {
        match groups.find(|group| kinds.partial().contains(*group)) {
            None => Ok(()),
            Some(group) => Err(AccessError::PartialDiscovery {
                subject: item.key.to_string(),
                groups: vec![group.clone()],
            }),
        }
    }
}

/// True for objects that are there in their own right and are not going.
fn stays(object: &Value) -> bool {
    meta(object, "deletionTimestamp").is_empty() && list_at(object, &["metadata", "ownerReferences"]).next().is_none()
}

/// True for what every namespace has from the cluster.
fn is_of_every_namespace(kind: &ApiKind, object: &Value) -> bool {
    matches!(
        (kind.id.group.as_str(), kind.id.kind.as_str(), meta(object, "name")),
        ("", "ServiceAccount", "default") | ("", "ConfigMap", "kube-root-ca.crt")
    )
}
