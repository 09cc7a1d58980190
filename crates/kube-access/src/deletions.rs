//! The deletions that a configuration asks for before and after the components are applied (`deletions.yaml`, fact 47).

use model::{Deletion, DeletionTarget};
use serde_json::{Value, json};

use crate::access::{Access, Mode};
use crate::call::{Call, Depth};
use crate::discovery::Kinds;
use crate::error::AccessError;
use crate::list::Selection;
use crate::resource::{ApiKind, ObjectKey, list_at, meta};

/// What became of an object that a deletion means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletionOutcome {
    /// The cluster deletes it now, or did.
    Deleted,
    /// It would be deleted; nothing was, in dry-run mode.
    WouldDelete,
    /// It was not there: the deletion was done before.
    Missing,
    /// The cluster did not delete it.
    Failed(AccessError),
}

/// One object's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionResult {
    /// The object.
    pub key: ObjectKey,
    /// What became of it.
    pub outcome: DeletionOutcome,
}

/// A deletion that makes no sense in this cluster; it fails the whole run before anything is deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeletionError {
    /// No kind or resource has this name.
    #[error("deletions entry {place}: kind {kind:?} is not served by the cluster")]
    UnknownKind {
        /// Place of the entry, counted from 1.
        place: usize,
        /// The name.
        kind: String,
    },
    /// Objects of the kind live in namespaces and the entry names none.
    #[error("deletions entry {place}: kind {kind:?} needs a namespace")]
    NamespaceMissing {
        /// Place of the entry, counted from 1.
        place: usize,
        /// The name.
        kind: String,
    },
    /// The cluster does not answer.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl ports::Classified for DeletionError {
    fn fault(&self) -> ports::Fault {
        match self {
            Self::Access(error) => error.fault(),
            _ => ports::Fault::Config,
        }
    }

    fn retry(&self) -> ports::Retry {
        match self {
            Self::Access(error) => error.retry(),
            _ => ports::Retry::Never,
        }
    }
}

impl Access {
    /// Carries out deletions in order. Repeating it is harmless: what is gone is missing.
    ///
    /// All kinds are resolved before anything is deleted. A deletion is bound to the identity of the object that was found, so an
    /// object that takes the name in between is not hit. A namespace that is named is marked first, as its delete protection
    /// asks (`zalando.org/delete-date`, `zalando.org/delete-namespace`).
    ///
    /// # Errors
    /// If a kind is unknown, a namespace is missing, or objects cannot be read. What goes wrong with a single object is in
    /// the results.
    pub async fn run_deletions(&self, deletions: &[Deletion]) -> Result<Vec<DeletionResult>, DeletionError> {
        if deletions.is_empty() {
            return Ok(Vec::new());
        }
        let kinds = self.resolve_all(deletions).await?;
        let mut results = Vec::new();
        for (deletion, kind) in deletions.iter().zip(&kinds) {
            for (key, live) in self.targets(deletion, kind).await? {
                let outcome = match live {
                    None => DeletionOutcome::Missing,
                    Some(_) if self.mode() == Mode::DryRun => DeletionOutcome::WouldDelete,
                    Some(live) => match self.delete_one(deletion, kind, &key, &live).await {
                        Ok(outcome) => outcome,
                        Err(error) => DeletionOutcome::Failed(error),
                    },
                };
                results.push(DeletionResult { key, outcome });
            }
        }
        Ok(results)
    }

    async fn resolve_all(&self, deletions: &[Deletion]) -> Result<Vec<ApiKind>, DeletionError> {
        let known = self.kinds().await?;
        match resolve(deletions, &known) {
            // The cache may be older than a definition that somebody made.
            Err(DeletionError::UnknownKind { .. }) => resolve(deletions, &*self.refresh_kinds().await?),
            other => other,
        }
    }

    /// The objects that a deletion means; a name that nothing has comes without an object.
    async fn targets(
        &self,
        deletion: &Deletion,
        kind: &ApiKind,
    ) -> Result<Vec<(ObjectKey, Option<Value>)>, AccessError> {
        let namespace = deletion.namespace.as_deref().unwrap_or_default();
        let labels = match &deletion.target {
            DeletionTarget::Name(name) => {
                let key = kind.key(namespace, name);
                let live = self.get(kind, &key, Depth::Metadata).await?;
                return Ok(vec![(key, live)]);
            }
            DeletionTarget::Selector(selector) => selector.clone(),
            DeletionTarget::Labels(labels) => {
                let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                pairs.join(",")
            }
        };
        let selection = Selection {
            namespace: namespace.to_owned(),
            labels,
            ..Selection::default()
        };
        let mut found = self.list(kind, &selection, Depth::Metadata).await?;
        if let Some(wanted) = deletion.has_owner {
            found.retain(|object| list_at(object, &["metadata", "ownerReferences"]).next().is_some() == wanted);
        }
        Ok(found
            .into_iter()
            .map(|object| (ObjectKey::of(&kind.id, &object), Some(object)))
            .collect())
    }

    async fn delete_one(
        &self,
        deletion: &Deletion,
        kind: &ApiKind,
        key: &ObjectKey,
        live: &Value,
    ) -> Result<DeletionOutcome, AccessError> {
        let by_name = matches!(deletion.target, DeletionTarget::Name(_));
        if by_name && kind.id.group.is_empty() && kind.id.kind == "Namespace" {
            let today = self.clock().now().strftime("%Y-%m-%d").to_string();
            let marks = json!({"metadata": {"annotations": {
                "zalando.org/delete-date": today, "zalando.org/delete-namespace": key.name}}});
            let call =
                Call::patch(kind, key, "application/merge-patch+json", &marks, self.field_manager()).repeatable();
            self.call(&call).await?;
        }
        let mut options =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": meta(live, "uid")}});
        if let Some(map) = options.as_object_mut() {
            if let Some(seconds) = deletion.grace_period_seconds {
                map.insert("gracePeriodSeconds".to_owned(), seconds.into());
            }
            if let Some(propagation) = deletion.propagation_policy {
                map.insert("propagationPolicy".to_owned(), propagation.as_str().into());
            }
        }
        match self.call(&Call::delete(kind, key, &options)).await {
            Ok(_) => Ok(DeletionOutcome::Deleted),
            Err(AccessError::NotFound { .. }) => Ok(DeletionOutcome::Missing),
            // Either another object has the name now, or the server met another writer; a look tells.
            Err(error @ AccessError::Stale { .. }) => match self.get(kind, key, Depth::Metadata).await? {
                Some(now) if meta(&now, "uid") == meta(live, "uid") => Err(error),
                _ => Ok(DeletionOutcome::Missing),
            },
            Err(error) => Err(error),
        }
    }
}

/// The kinds of all deletions, in order.
fn resolve(deletions: &[Deletion], kinds: &Kinds) -> Result<Vec<ApiKind>, DeletionError> {
    let mut out = Vec::new();
    for (place, deletion) in deletions.iter().enumerate() {
        let (place, name) = (place + 1, deletion.kind.clone());
        let Some(kind) = kinds.named(&deletion.kind) else {
            if !kinds.partial().is_empty() {
                return Err(DeletionError::Access(AccessError::PartialDiscovery {
                    subject: format!("deletions entry {place}"),
                    groups: kinds.partial().iter().cloned().collect(),
                }));
            }
            return Err(DeletionError::UnknownKind { place, kind: name });
        };
        if kind.namespaced && deletion.namespace.is_none() {
            return Err(DeletionError::NamespaceMissing { place, kind: name });
        }
        out.push(kind.clone());
    }
    Ok(out)
}
