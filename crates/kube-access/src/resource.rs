//! Kinds and objects by name, and the paths of their requests.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::encode;

/// A kind without its version: what identifies a collection of objects across versions.
///
/// Prints as kubectl and ApplySets write it: `Deployment.apps`, `ConfigMap`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
}

impl GroupKind {
    /// Puts a group and a kind together.
    #[must_use]
    pub fn new(group: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
        }
    }

    /// Reads `Deployment.apps` or `ConfigMap`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (kind, group) = text.split_once('.').unwrap_or((text, ""));
        Self::new(group, kind)
    }

    /// True for the one kind whose values may never be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == "Secret"
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// One object of a cluster: kind, namespace (empty for cluster scope), name.
///
/// Prints as `Deployment.apps kube-system/coredns`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The kind.
    pub kind: GroupKind,
    /// The namespace; empty for objects of the cluster.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// Puts a key together; `namespace` is empty for objects of the cluster.
    #[must_use]
    pub fn new(kind: GroupKind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The key of a live object of a kind.
    #[must_use]
    pub fn of(kind: &GroupKind, object: &Value) -> Self {
        Self::new(kind.clone(), meta(object, "namespace"), meta(object, "name"))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// A kind as one cluster serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKind {
    /// Group and kind.
    pub id: GroupKind,
    /// The version.
    pub version: String,
    /// The name of the collection in paths, such as `deployments`.
    pub plural: String,
    /// The singular name that people may write.
    pub singular: String,
    /// Abbreviations that people may write.
    pub short_names: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with the collection.
    pub verbs: Vec<String>,
}

impl ApiKind {
    /// A kind of the core group, which every cluster serves at `v1`: it need not be asked for. What can be done with it is not said.
    #[must_use]
    pub fn core(kind: &str, plural: &str, namespaced: bool) -> Self {
        Self {
            id: GroupKind::new("", kind),
            version: "v1".to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_ascii_lowercase(),
            short_names: Vec::new(),
            namespaced,
            verbs: Vec::new(),
        }
    }

    /// The `apiVersion` of its objects.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.id.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.id.group, self.version)
        }
    }

    /// True if the server answers this verb on the collection.
    #[must_use]
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// The path of the collection; an empty namespace means all of them.
    #[must_use]
    pub fn collection(&self, namespace: &str) -> String {
        let root = if self.id.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.id.group, self.version)
        };
        if self.namespaced && !namespace.is_empty() {
            format!("{root}/namespaces/{}/{}", encode(namespace), self.plural)
        } else {
            format!("{root}/{}", self.plural)
        }
    }

    /// The path of one object.
    #[must_use]
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), encode(name))
    }

    /// The key of an object of this kind.
    #[must_use]
    pub fn key(&self, namespace: &str, name: &str) -> ObjectKey {
        ObjectKey::new(self.id.clone(), if self.namespaced { namespace } else { "" }, name)
    }
}

/// Splits `apps/v1` into group and version; the core group is empty.
#[must_use]
pub(crate) fn split_api_version(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

/// A text of an object's metadata; empty if it is not there.
#[must_use]
pub(crate) fn meta<'v>(object: &'v Value, field: &str) -> &'v str {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get(field))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A text at a path; empty if it is not there.
#[must_use]
pub(crate) fn text_at<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// The value at a path of mappings.
#[must_use]
pub(crate) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, field| value.get(field))
}

/// The elements of the list at a path; none if there is no list.
pub(crate) fn list_at<'v>(value: &'v Value, path: &[&str]) -> impl Iterator<Item = &'v Value> {
    at(value, path).and_then(Value::as_array).into_iter().flatten()
}

/// The mapping at a path below an object, made where it is missing. A scalar in the way is replaced.
pub(crate) fn map_mut<'v>(value: &'v mut Value, path: &[&str]) -> Option<&'v mut serde_json::Map<String, Value>> {
    let mut place = value;
    for field in path {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = place.as_object_mut()?.entry((*field).to_owned()).or_insert(Value::Null);
    }
    if !place.is_object() {
        *place = Value::Object(serde_json::Map::new());
    }
    place.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_and_print_as_kubectl_writes_them() {
        for text in ["Deployment.apps", "ConfigMap", "ClusterRole.rbac.authorization.k8s.io"] {
            assert_eq!(GroupKind::parse(text).to_string(), text);
        }
    }

    #[test]
    fn paths_follow_scope_and_group() {
        let mut kind = ApiKind {
            id: GroupKind::new("apps", "Deployment"),
            version: "v1".into(),
            plural: "deployments".into(),
            singular: "deployment".into(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: vec!["list".into()],
        };
        assert_eq!(kind.object("a", "b"), "/apis/apps/v1/namespaces/a/deployments/b");
        assert_eq!(kind.collection(""), "/apis/apps/v1/deployments");
        kind.namespaced = false;
        kind.id.group.clear();
        assert_eq!(kind.object("ignored", "system:b"), "/api/v1/deployments/system%3Ab");
    }
}
