//! What kinds a cluster serves: aggregated discovery, read once and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::access::Access;
use crate::call::Call;
use crate::error::AccessError;
use crate::resource::{ApiKind, GroupKind, list_at, split_api_version, text_at};

/// The kinds that a cluster serves, in the server's order of preference.
///
/// It is a value: planners take it, nothing in it changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kinds {
    all: Vec<ApiKind>,
    by_kind: BTreeMap<GroupKind, Vec<usize>>,
    partial: BTreeSet<String>,
}

impl Kinds {
    /// Puts kinds together; `partial` are the groups that did not answer.
    #[must_use]
    pub fn new(all: Vec<ApiKind>, partial: BTreeSet<String>) -> Self {
        let mut by_kind: BTreeMap<GroupKind, Vec<usize>> = BTreeMap::new();
        for (place, kind) in all.iter().enumerate() {
            by_kind.entry(kind.id.clone()).or_default().push(place);
        }
        Self { all, by_kind, partial }
    }

    /// All kinds.
    #[must_use]
    pub fn all(&self) -> &[ApiKind] {
        &self.all
    }

    /// The kind in exactly this version.
    #[must_use]
    pub fn exact(&self, api_version: &str, kind: &str) -> Option<&ApiKind> {
        let (group, version) = split_api_version(api_version);
        self.versions(&GroupKind::new(group, kind))
            .find(|found| found.version == version)
    }

    /// The kind in the version that the server prefers.
    #[must_use]
    pub fn preferred(&self, id: &GroupKind) -> Option<&ApiKind> {
        self.versions(id).next()
    }

    fn versions<'k>(&'k self, id: &GroupKind) -> impl Iterator<Item = &'k ApiKind> {
        self.by_kind
            .get(id)
            .into_iter()
            .flatten()
            .filter_map(|place| self.all.get(*place))
    }

    /// Groups that did not answer: what they hold is unknown, which is not the same as nothing (V12).
    #[must_use]
    pub fn partial(&self) -> &BTreeSet<String> {
        &self.partial
    }

    /// The kind behind what people write: `kind`, `resource`, `resource.group` or `resource.version.group`, as in
    /// `deletions.yaml` (fact 47). Of several, the one in the group that the server names first.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&ApiKind> {
        let lower = name.to_ascii_lowercase();
        let resource = |kind: &&ApiKind, text: &str| {
            kind.plural == text || kind.singular == text || kind.short_names.iter().any(|short| short == text)
        };
        if let Some(found) = self
            .all
            .iter()
            .find(|kind| kind.id.kind == name || resource(kind, &lower))
        {
            return Some(found);
        }
        let (first, rest) = lower.split_once('.')?;
        let with_group = |kind: &&ApiKind| kind.id.group == rest && (resource(kind, first) || is_kind(kind, first));
        if let Some(found) = self.all.iter().find(with_group) {
            return Some(found);
        }
        let (version, group) = rest.split_once('.').unwrap_or((rest, ""));
        let exact = |kind: &&ApiKind| {
            kind.id.group == group && kind.version == version && (resource(kind, first) || is_kind(kind, first))
        };
        self.all.iter().find(exact)
    }
}

fn is_kind(kind: &ApiKind, lower: &str) -> bool {
    kind.id.kind.eq_ignore_ascii_case(lower)
}

/// The cached answer of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    kinds: Option<Arc<Kinds>>,
    read_at: Option<Timestamp>,
}

/// How old the cache must be before a kind that it does not have makes it read again.
const MISS_PAUSE: Duration = Duration::from_secs(5);
/// Aggregated discovery in both versions, with the old form as the last resort.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

impl Access {
    /// The kinds that the cluster serves, from the cache.
    ///
    /// # Errors
    /// If they were never read and cannot be read now.
    pub async fn kinds(&self) -> Result<Arc<Kinds>, AccessError> {
        let mut cache = self.inner.cache.lock().await;
        match &cache.kinds {
            Some(kinds) => Ok(Arc::clone(kinds)),
            None => self.fill(&mut cache).await,
        }
    }

    /// Reads the kinds again: after a definition was applied.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn refresh_kinds(&self) -> Result<Arc<Kinds>, AccessError> {
        let mut cache = self.inner.cache.lock().await;
        self.fill(&mut cache).await
    }

    /// The kinds, read again if one of `needed` (apiVersion and kind) is not among them and the cache is not brand-new.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn kinds_with(&self, needed: &BTreeSet<(String, String)>) -> Result<Arc<Kinds>, AccessError> {
        let mut cache = self.inner.cache.lock().await;
        let now = self.inner.clock.now();
        if let Some(kinds) = &cache.kinds {
            let missing = needed
                .iter()
                .any(|(version, kind)| kinds.exact(version, kind).is_none());
            let young = cache
                .read_at
                .is_some_and(|read| now.duration_since(read).unsigned_abs() < MISS_PAUSE);
            if !missing || young {
                return Ok(Arc::clone(kinds));
            }
        }
        self.fill(&mut cache).await
    }

    async fn fill(&self, cache: &mut Cache) -> Result<Arc<Kinds>, AccessError> {
        let mut found = Found::default();
        for root in ["/api", "/apis"] {
            let reply: Value = self.call(&Call::discover(root, AGGREGATED)).await?.json()?;
            if text_at(&reply, &["kind"]) == "APIGroupDiscoveryList" {
                found.aggregated(&reply);
            } else {
                self.each_group(root, &reply, &mut found).await?;
            }
        }
        let kinds = Arc::new(Kinds::new(found.kinds, found.partial));
        cache.kinds = Some(Arc::clone(&kinds));
        cache.read_at = Some(self.inner.clock.now());
        Ok(kinds)
    }

    /// The old form: one request for each version of each group.
    async fn each_group(&self, root: &str, reply: &Value, found: &mut Found) -> Result<(), AccessError> {
        let mut versions: Vec<String> = list_at(reply, &["versions"])
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        for group in list_at(reply, &["groups"]) {
            let preferred = text_at(group, &["preferredVersion", "groupVersion"]);
            versions.push(preferred.to_owned());
            let others = list_at(group, &["versions"]).map(|version| text_at(version, &["groupVersion"]));
            versions.extend(others.filter(|version| *version != preferred).map(str::to_owned));
        }
        for api_version in versions {
            let call = Call::discover(&format!("{root}/{api_version}"), "application/json");
            match self.call(&call).await {
                Ok(reply) => found.resources(&api_version, &reply.json()?),
                // An aggregated API whose server is down: its kinds are unknown, everything else is known.
                Err(AccessError::Server { .. } | AccessError::NotServed { .. } | AccessError::NoAnswer { .. }) => {
                    found.partial.insert(split_api_version(&api_version).0.to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Found {
    kinds: Vec<ApiKind>,
    partial: BTreeSet<String>,
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    list_at(value, &[field])
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

impl Found {
    fn aggregated(&mut self, reply: &Value) {
        for group in list_at(reply, &["items"]) {
            let name = text_at(group, &["metadata", "name"]);
            for version in list_at(group, &["versions"]) {
                if text_at(version, &["freshness"]) == "Stale" {
                    self.partial.insert(name.to_owned());
                }
                let served = text_at(version, &["version"]);
                self.kinds
                    .extend(list_at(version, &["resources"]).map(|resource| ApiKind {
                        id: GroupKind::new(name, text_at(resource, &["responseKind", "kind"])),
                        version: served.to_owned(),
                        plural: text_at(resource, &["resource"]).to_owned(),
                        singular: text_at(resource, &["singularResource"]).to_owned(),
                        short_names: texts(resource, "shortNames"),
                        namespaced: text_at(resource, &["scope"]) == "Namespaced",
                        verbs: texts(resource, "verbs"),
                    }));
            }
        }
    }

    fn resources(&mut self, api_version: &str, reply: &Value) {
        let (group, version) = split_api_version(api_version);
        let whole = list_at(reply, &["resources"]).filter(|resource| !text_at(resource, &["name"]).contains('/'));
        self.kinds.extend(whole.map(|resource| ApiKind {
            id: GroupKind::new(group, text_at(resource, &["kind"])),
            version: version.to_owned(),
            plural: text_at(resource, &["name"]).to_owned(),
            singular: text_at(resource, &["singularName"]).to_owned(),
            short_names: texts(resource, "shortNames"),
            namespaced: resource.get("namespaced").and_then(Value::as_bool).unwrap_or_default(),
            verbs: texts(resource, "verbs"),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, version: &str, kind: &str, plural: &str, short: &str) -> ApiKind {
        ApiKind {
            id: GroupKind::new(group, kind),
            version: version.into(),
            plural: plural.into(),
            singular: kind.to_ascii_lowercase(),
            short_names: vec![short.into()],
            namespaced: true,
            verbs: Vec::new(),
        }
    }

    #[test]
    fn names_are_found_in_all_four_forms() {
        let kinds = Kinds::new(
            vec![
                kind("", "v1", "Event", "events", "ev"),
                kind("events.k8s.io", "v1", "Event", "events", "ev"),
                kind("apps", "v1", "Deployment", "deployments", "deploy"),
                kind("apps", "v1beta1", "Deployment", "deployments", "deploy"),
            ],
            BTreeSet::new(),
        );
        for (name, group, version) in [
            ("Event", "", "v1"),
            ("events", "", "v1"),
            ("ev", "", "v1"),
            ("events.events.k8s.io", "events.k8s.io", "v1"),
            ("Event.events.k8s.io", "events.k8s.io", "v1"),
            ("events.v1.events.k8s.io", "events.k8s.io", "v1"),
            ("deployments.apps", "apps", "v1"),
            ("deployments.v1beta1.apps", "apps", "v1beta1"),
            ("deployment", "apps", "v1"),
        ] {
            let found = kinds.named(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(
                (found.id.group.as_str(), found.version.as_str()),
                (group, version),
                "{name}"
            );
        }
        for name in ["", "pods", "deployments.extensions", "deployments.v2.apps"] {
            assert_eq!(kinds.named(name), None, "{name}");
        }
    }
}
