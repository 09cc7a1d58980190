//! Which resources a server knows: the built-in table and what CustomResourceDefinitions add to it.

mod builtin;
mod fields;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub(crate) use builtin::{builtin, builtins};
pub(crate) use fields::SelectableField;

use kubemerge::schema::Schema;

use crate::crd::CustomVersion;

/// Names a collection of stored objects: group and plural.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupResource {
    /// The API group; empty for the core group.
    pub(crate) group: Arc<str>,
    /// The plural name.
    pub(crate) resource: Arc<str>,
}

impl GroupResource {
    /// Names a collection.
    pub(crate) fn new(group: &str, resource: &str) -> Self {
        Self {
            group: group.into(),
            resource: resource.into(),
        }
    }
}

/// One resource: a kind of object with its names, versions and subresources.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) id: GroupResource,
    /// Where the objects are kept: another resource's collection for the few that share one (events).
    pub(crate) stored_as: GroupResource,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// In order of preference.
    pub(crate) versions: Vec<Version>,
    /// The `apiVersion` that stored objects carry.
    pub(crate) storage: String,
    pub(crate) fields: Vec<SelectableField>,
    /// Set for resources that a CustomResourceDefinition made.
    pub(crate) custom: bool,
    /// Review-like resources that are answered and not stored.
    pub(crate) virtual_only: bool,
}

/// One version of a resource.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) served: bool,
    pub(crate) subresources: Vec<Subresource>,
    /// Schema, columns and subresource paths of a custom resource.
    pub(crate) custom: Option<CustomVersion>,
    /// The schema of a built-in kind, once somebody has asked for it: every write asks several times.
    pub(crate) schema: OnceLock<Arc<Schema>>,
}

/// A subresource as discovery names it.
#[derive(Debug, Clone)]
pub(crate) struct Subresource {
    pub(crate) name: Cow<'static, str>,
    pub(crate) group: Cow<'static, str>,
    pub(crate) version: Cow<'static, str>,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) verbs: &'static [&'static str],
}

impl Resource {
    pub(crate) fn group(&self) -> &str {
        &self.id.group
    }

    pub(crate) fn plural(&self) -> &str {
        &self.id.resource
    }

    /// The place of the selectable field by which the collection is indexed: the node of pods, as real API servers have it.
    pub(crate) fn indexed_field(&self) -> Option<usize> {
        let pods = self.is() == ("", "pods");
        pods.then(|| self.fields.iter().position(|field| field.name == "spec.nodeName"))
            .flatten()
    }

    /// Group and plural, for matching.
    pub(crate) fn is(&self) -> (&str, &str) {
        (&self.id.group, &self.id.resource)
    }

    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.served && version.name == name)
    }

    /// The storage version alone, without its group.
    pub(crate) fn storage_version(&self) -> &str {
        self.storage.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn verbs(&self) -> &'static [&'static str] {
        if self.virtual_only {
            &["create"]
        } else if self.custom {
            // The order in which the real server lists them.
            &[
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "create",
                "update",
                "watch",
            ]
        } else {
            &[
                "create",
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "update",
                "watch",
            ]
        }
    }
}

/// `v1` or `apps/v1`.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// Splits an `apiVersion` into group and version.
pub(crate) fn split_api_version(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

/// The resources of one server: the shared table and its own custom resources.
#[derive(Debug, Default, Clone)]
pub(crate) struct Registry {
    custom: BTreeMap<GroupResource, Arc<Resource>>,
}

impl Registry {
    pub(crate) fn find(&self, group: &str, plural: &str) -> Option<Arc<Resource>> {
        builtin(group, plural)
            .or_else(|| self.custom.get(&GroupResource::new(group, plural)))
            .cloned()
    }

    /// Finds the resource of a kind, as owner references and scale targets name it.
    pub(crate) fn find_kind(&self, group: &str, kind: &str) -> Option<Arc<Resource>> {
        self.all()
            .find(|resource| resource.group() == group && resource.kind == kind && !resource.virtual_only)
            .cloned()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        builtins().iter().chain(self.custom.values())
    }

    /// Whether there are no custom resources.
    pub(crate) fn is_builtin(&self) -> bool {
        self.custom.is_empty()
    }

    pub(crate) fn insert(&mut self, resource: Arc<Resource>) {
        self.custom.insert(resource.id.clone(), resource);
    }

    pub(crate) fn remove(&mut self, id: &GroupResource) {
        self.custom.remove(id);
    }

    /// Groups in the order discovery lists them, each with its versions in order of preference.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for resource in self.all() {
            let versions = groups.entry(resource.group()).or_default();
            for version in resource.versions.iter().filter(|version| version.served) {
                if !versions.contains(&version.name.as_str()) {
                    versions.push(&version.name);
                }
            }
        }
        let mut out: Vec<(String, Vec<String>)> = groups
            .into_iter()
            .map(|(group, mut versions)| {
                versions.sort_by_key(|version| std::cmp::Reverse(version_rank(version)));
                (group.to_owned(), versions.into_iter().map(str::to_owned).collect())
            })
            .collect();
        // Like the real server: core groups of the project first, extensions after them, custom groups last.
        out.sort_by_key(|(group, _)| (builtin::group_rank(group), group.clone()));
        out
    }
}

/// Orders versions as the API conventions do: stable over beta over alpha, then by number.
pub(crate) fn version_rank(version: &str) -> (u8, u32, u32) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major: u32 = rest.get(..digits)?.parse().ok()?;
        let tail = rest.get(digits..)?;
        if tail.is_empty() {
            return Some((3, major, 0));
        }
        if let Some(minor) = tail.strip_prefix("beta") {
            return Some((2, major, minor.parse().ok()?));
        }
        tail.strip_prefix("alpha")
            .and_then(|minor| Some((1, major, minor.parse().ok()?)))
    };
    parse().unwrap_or((0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ranked_as_the_conventions_say() {
        let mut versions = ["v1alpha1", "v2beta2", "v10", "foo", "v2", "v2beta10"];
        versions.sort_by_key(|version| std::cmp::Reverse(version_rank(version)));
        assert_eq!(versions, ["v10", "v2", "v2beta10", "v2beta2", "v1alpha1", "foo"]);
    }

    #[test]
    fn every_builtin_is_found_by_its_names() {
        let registry = Registry::default();
        for resource in builtins() {
            let found = registry
                .find(resource.group(), resource.plural())
                .map(|found| found.kind.clone());
            assert_eq!(found.as_deref(), Some(resource.kind.as_str()));
        }
        assert_eq!(registry.groups().first().map(|(group, _)| group.as_str()), Some(""));
    }
}
