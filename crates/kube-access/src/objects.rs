//! Single objects of any kind: what controllers write beside components, such as leases, records and node claims.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::access::Access;
use crate::call::Call;
use crate::error::AccessError;
use crate::resource::{ApiKind, ObjectKey};

const MERGE: &str = "application/merge-patch+json";

impl Access {
    /// Applies one object (server-side) in the name of `manager`. Without `force` a field that another manager owns with another
    /// value refuses the whole, so that of two that create the same object with different values only one succeeds.
    ///
    /// # Errors
    /// If a field is owned by another manager, or the cluster does not take the object.
    pub async fn apply_object(
        &self,
        kind: &ApiKind,
        object: &Value,
        manager: &str,
        force: bool,
    ) -> Result<Value, AccessError> {
        let key = ObjectKey::of(&kind.id, object);
        let body = Bytes::from(object.to_string());
        self.call(&Call::apply(kind, &key, body, manager, force, false))
            .await?
            .json()
    }

    /// Changes one object by a merge patch. With `version` the change is made only if the object is still that version
    /// ([`AccessError::Stale`] otherwise), and a lost answer is the caller's to look into.
    ///
    /// # Errors
    /// If the object does not exist, is another version, or the cluster does not take the change.
    pub async fn patch_object(
        &self,
        kind: &ApiKind,
        key: &ObjectKey,
        patch: &Value,
        version: Option<&str>,
    ) -> Result<Value, AccessError> {
        let mut patch = patch.clone();
        if let Some(version) = version {
            let metadata = patch
                .as_object_mut()
                .map(|map| map.entry("metadata").or_insert(json!({})));
            if let Some(map) = metadata.and_then(Value::as_object_mut) {
                map.insert("resourceVersion".to_owned(), version.into());
            }
        }
        let call = Call::patch(kind, key, MERGE, &patch, self.field_manager());
        let call = if version.is_some() { call } else { call.repeatable() };
        self.call(&call).await?.json()
    }

    /// Deletes exactly this object. One that is gone, or is another one by now, is fine.
    ///
    /// # Errors
    /// If the cluster does not allow it or breaks.
    pub async fn delete_object(&self, kind: &ApiKind, key: &ObjectKey, uid: &str) -> Result<(), AccessError> {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}});
        match self.call(&Call::delete(kind, key, &options)).await {
            Ok(_) | Err(AccessError::NotFound { .. } | AccessError::Stale { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
