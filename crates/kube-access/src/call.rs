//! One request: what it asks, what it may cost, and whether it may be sent twice.

use bytes::Bytes;
use serde_json::Value;

use crate::resource::{ApiKind, ObjectKey};

/// What a request does; the label of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads the list of served kinds.
    Discover,
    /// Reads one object.
    Get,
    /// Reads a page of a collection.
    List,
    /// Opens a watch.
    Watch,
    /// Applies an object server-side.
    Apply,
    /// Applies an object as a trial: the server answers and keeps nothing.
    DryRun,
    /// Patches an object.
    Patch,
    /// Deletes an object.
    Delete,
    /// Asks for an eviction.
    Evict,
}

impl Verb {
    /// All verbs, in the order of the counters.
    pub const ALL: [Self; 9] = [
        Self::Discover,
        Self::Get,
        Self::List,
        Self::Watch,
        Self::Apply,
        Self::DryRun,
        Self::Patch,
        Self::Delete,
        Self::Evict,
    ];

    /// The name as counters and texts show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Apply => "apply",
            Self::DryRun => "dry-run",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Evict => "evict",
        }
    }

    /// True if the server may keep something of it.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Apply | Self::Patch | Self::Delete | Self::Evict)
    }

    pub(crate) fn place(self) -> usize {
        Self::ALL.iter().position(|verb| *verb == self).unwrap_or_default()
    }
}

/// Whether sending a request again after its answer was lost is the same as sending it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It is: reads, server-side apply, deletion of one uid.
    Safe,
    /// It is not, or the caller decides: evictions, patches that test a version.
    CallerDecides,
}

/// A request on its way.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) method: http::Method,
    /// Path and query.
    pub(crate) uri: String,
    pub(crate) content_type: &'static str,
    pub(crate) accept: &'static str,
    pub(crate) body: Bytes,
    /// What it is about, for error texts: `Deployment.apps default/web`.
    pub(crate) subject: String,
    pub(crate) again: Again,
}

const JSON: &str = "application/json";
/// Only metadata of one object.
const ONE_META: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Only metadata of a collection, and of the objects of a watch.
const LIST_META: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// How much of each object a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Everything.
    Full,
    /// Names, labels, annotations, owners, managed fields.
    Metadata,
}

impl Call {
    fn new(verb: Verb, method: http::Method, uri: String, subject: String) -> Self {
        Self {
            verb,
            method,
            uri,
            content_type: JSON,
            accept: JSON,
            body: Bytes::new(),
            subject,
            again: Again::Safe,
        }
    }

    pub(crate) fn discover(path: &str, accept: &'static str) -> Self {
        let mut call = Self::new(
            Verb::Discover,
            http::Method::GET,
            path.to_owned(),
            format!("discovery {path}"),
        );
        call.accept = accept;
        call
    }

    pub(crate) fn get(kind: &ApiKind, namespace: &str, name: &str, depth: Depth) -> Self {
        let key = kind.key(namespace, name);
        let mut call = Self::new(
            Verb::Get,
            http::Method::GET,
            kind.object(namespace, name),
            key.to_string(),
        );
        if depth == Depth::Metadata {
            call.accept = ONE_META;
        }
        call
    }

    pub(crate) fn list(kind: &ApiKind, namespace: &str, query: &[(&str, &str)], depth: Depth) -> Self {
        let uri = with_query(&kind.collection(namespace), query);
        let mut call = Self::new(Verb::List, http::Method::GET, uri, format!("list of {}", kind.id));
        if depth == Depth::Metadata {
            call.accept = LIST_META;
        }
        call
    }

    pub(crate) fn watch(kind: &ApiKind, namespace: &str, query: &[(&str, &str)], depth: Depth) -> Self {
        let mut call = Self::list(kind, namespace, query, depth);
        call.verb = Verb::Watch;
        call.subject = format!("watch of {}", kind.id);
        if depth == Depth::Metadata {
            call.accept = ONE_META;
        }
        call
    }

    /// Server-side apply; as a trial, the server does everything except keeping the result.
    pub(crate) fn apply(kind: &ApiKind, key: &ObjectKey, body: Bytes, manager: &str, force: bool, trial: bool) -> Self {
        let mut query = vec![("fieldManager", manager), ("fieldValidation", "Warn")];
        if force {
            query.push(("force", "true"));
        }
        if trial {
            query.push(("dryRun", "All"));
        }
        let uri = with_query(&kind.object(&key.namespace, &key.name), &query);
        let verb = if trial { Verb::DryRun } else { Verb::Apply };
        let mut call = Self::new(verb, http::Method::PATCH, uri, key.to_string());
        // JSON is YAML; this media type is the one that all servers know.
        call.content_type = "application/apply-patch+yaml";
        call.body = body;
        call
    }

    /// A patch of another kind, such as `application/merge-patch+json`.
    pub(crate) fn patch(kind: &ApiKind, key: &ObjectKey, media: &'static str, patch: &Value, manager: &str) -> Self {
        let uri = with_query(&kind.object(&key.namespace, &key.name), &[("fieldManager", manager)]);
        let mut call = Self::new(Verb::Patch, http::Method::PATCH, uri, key.to_string());
        call.content_type = media;
        call.body = Bytes::from(patch.to_string());
        call.again = Again::CallerDecides;
        call
    }

    /// Says that sending it twice is the same as sending it once.
    pub(crate) fn repeatable(mut self) -> Self {
        self.again = Again::Safe;
        self
    }

    pub(crate) fn delete(kind: &ApiKind, key: &ObjectKey, options: &Value) -> Self {
        let mut call = Self::new(
            Verb::Delete,
            http::Method::DELETE,
            kind.object(&key.namespace, &key.name),
            key.to_string(),
        );
        call.body = Bytes::from(options.to_string());
        call
    }

    pub(crate) fn evict(namespace: &str, name: &str, eviction: &Value) -> Self {
        let uri = format!(
            "/api/v1/namespaces/{}/pods/{}/eviction",
            encode(namespace),
            encode(name)
        );
        let mut call = Self::new(Verb::Evict, http::Method::POST, uri, format!("Pod {namespace}/{name}"));
        call.body = Bytes::from(eviction.to_string());
        call.again = Again::CallerDecides;
        call
    }
}

/// A path with its query.
fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut uri = path.to_owned();
    for (i, (name, value)) in query.iter().enumerate() {
        uri.push(if i == 0 { '?' } else { '&' });
        uri.push_str(name);
        uri.push('=');
        uri.push_str(&encode(value));
    }
    uri
}

/// Percent-encodes everything but letters, digits and `-._~` (RFC 3986).
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            with_query("/a", &[("labelSelector", "a=b,c in (d)"), ("limit", "5")]),
            "/a?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5"
        );
    }

    #[test]
    fn every_verb_has_a_place_of_its_own() {
        for (place, verb) in Verb::ALL.into_iter().enumerate() {
            assert_eq!(verb.place(), place, "{}", verb.name());
        }
    }
}
