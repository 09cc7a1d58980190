//! One stored object: canonical bytes and the few things that selectors and the garbage collector ask for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use json_tree::Value;
use serde::Deserialize;

use super::places::{self, Places, Span};
use crate::registry::SelectableField;
use crate::value::{at, list, text, uid};

/// A version of an object. Its bytes never change.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) version: u64,
    /// Canonical JSON: keys sorted, no blanks.
    pub(crate) bytes: Bytes,
    /// Where its parts are in the bytes.
    places: Places,
    /// The values of the resource's selectable fields, in the order of its table.
    pub(crate) fields: Box<[Box<str>]>,
    pub(crate) uid: Box<str>,
    /// The uids of the owners.
    pub(crate) owners: Box<[Box<str>]>,
    /// Whether a deletion has begun.
    pub(crate) deleting: bool,
    /// Whether finalizers hold it, those of its specification included.
    pub(crate) held: bool,
    /// Whether this version differs from the one before it in nothing but its status (and its number).
    pub(crate) status_only: bool,
    /// The object as a tree, as long as [`super::Trees`] keeps it.
    tree: Mutex<Option<Arc<Value>>>,
}

#[derive(Deserialize)]
struct Placed<'a> {
    #[serde(borrow)]
    metadata: Names<'a>,
}

#[derive(Deserialize)]
struct Names<'a> {
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl Object {
    pub(crate) fn new(value: &Value, version: u64, fields: &[SelectableField]) -> Self {
        let (bytes, places) = places::write(value);
        let owners = list(value, &["metadata", "ownerReferences"]);
        Self {
            version,
            places,
            bytes,
            fields: fields.iter().map(|field| field.read(value)).collect(),
            uid: uid(value).into(),
            owners: owners
                .iter()
                .filter_map(|owner| text(owner, &["uid"]))
                .map(Into::into)
                .collect(),
            deleting: at(value, &["metadata", "deletionTimestamp"]).is_some_and(|when| !when.is_null()),
            held: ["metadata", "spec"]
                .iter()
                .any(|part| !list(value, &[part, "finalizers"]).is_empty()),
            status_only: false,
            tree: Mutex::default(),
        }
    }

    /// An object of canonical bytes that has neither labels nor owners, and that nothing holds.
    pub(crate) fn plain(bytes: Bytes, version: u64, fields: Box<[Box<str>]>, uid: &str) -> Self {
        Self {
            version,
            places: Places::find(&bytes),
            bytes,
            fields,
            uid: uid.into(),
            owners: Box::default(),
            deleting: false,
            held: false,
            status_only: false,
            tree: Mutex::default(),
        }
    }

    /// The object as a tree of one's own, for changing it.
    pub(crate) fn value(&self) -> Value {
        match self.kept() {
            Some(tree) => Value::clone(&tree),
            None => self.parse(),
        }
    }

    /// The object as a tree, for reading it: the one that is kept, else a new one.
    pub(crate) fn tree(&self) -> Arc<Value> {
        self.kept().unwrap_or_else(|| Arc::new(self.parse()))
    }

    fn parse(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Value>>> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tree that is kept, if one is.
    pub(crate) fn kept(&self) -> Option<Arc<Value>> {
        self.slot().clone()
    }

    /// Whether a tree is kept.
    pub(super) fn has_tree(&self) -> bool {
        self.slot().is_some()
    }

    /// Keeps a tree, which has to be what the bytes say; returns the one that was kept before.
    pub(super) fn keep(&self, tree: Arc<Value>) -> Option<Arc<Value>> {
        self.slot().replace(tree)
    }

    /// Keeps no tree any more and gives out the one that there was.
    pub(super) fn let_go(&self) -> Option<Arc<Value>> {
        self.slot().take()
    }

    /// The status alone, as a tree; none if the object has none.
    pub(crate) fn status(&self) -> Option<Value> {
        if let Some(tree) = self.kept() {
            return tree.get("status").cloned();
        }
        serde_json::from_slice(self.status_bytes()?).ok()
    }

    /// The status alone, as bytes; none if the object has none.
    pub(crate) fn status_bytes(&self) -> Option<&[u8]> {
        self.places.status.of(&self.bytes)
    }

    /// The object with another status and version, put together from its bytes: nothing else is written anew. None if it has no
    /// status yet.
    pub(crate) fn with_status(&self, status: &Value, version: u64, fields: &[SelectableField]) -> Option<Self> {
        let (number, old) = (self.places.version, self.places.status);
        self.status_bytes()?;
        let (bytes, places) = places::written(|bytes| {
            let mut places = self.numbered(bytes, version)?;
            bytes.extend_from_slice(self.bytes.get(number.to()..old.from())?);
            let from = bytes.len();
            serde_json::to_writer(&mut *bytes, status).ok()?;
            places.status = Span::new(from, bytes.len());
            bytes.extend_from_slice(self.bytes.get(old.to()..)?);
            Some(places)
        });
        let fields = fields
            .iter()
            .zip(&self.fields)
            .map(|(field, old)| field.read_in("status", status).unwrap_or_else(|| old.clone()));
        Some(Self {
            status_only: true,
            ..self.again(version, bytes, places?, fields.collect())
        })
    }

    /// The last state of the object when it is taken away under a version: the same but for that number. Put together from its
    /// bytes.
    pub(crate) fn with_version(&self, version: u64) -> Option<Self> {
        let before = self.places.version.to();
        let (bytes, places) = places::written(|bytes| {
            let mut places = self.numbered(bytes, version)?;
            if self.status_bytes().is_some() {
                let moved = |place: usize| (place + bytes.len()).saturating_sub(before);
                places.status = Span::new(moved(places.status.from()), moved(places.status.to()));
            }
            bytes.extend_from_slice(self.bytes.get(before..)?);
            Some(places)
        });
        Some(self.again(version, bytes, places?, self.fields.clone()))
    }

    /// Writes the bytes up to the version, with another one.
    fn numbered(&self, bytes: &mut Vec<u8>, version: u64) -> Option<Places> {
        let number = self.places.version;
        number.of(&self.bytes)?;
        bytes.extend_from_slice(self.bytes.get(..number.from())?);
        write!(bytes, "\"{version}\"").ok()?;
        Some(Places {
            // Labels and type lie before the version and do not move.
            version: Span::new(number.from(), bytes.len()),
            ..self.places
        })
    }

    /// The object with other bytes that change nothing else of what is known about it.
    fn again(&self, version: u64, bytes: Bytes, places: Places, fields: Box<[Box<str>]>) -> Self {
        Self {
            version,
            bytes,
            places,
            fields,
            uid: self.uid.clone(),
            owners: self.owners.clone(),
            deleting: self.deleting,
            held: self.held,
            status_only: false,
            tree: Mutex::default(),
        }
    }

    /// Namespace and name, read from the bytes.
    pub(crate) fn place(&self) -> (String, String) {
        let found = serde_json::from_slice::<Placed<'_>>(&self.bytes);
        found.map_or_else(
            |_| <(String, String)>::default(),
            |placed| {
                (
                    placed.metadata.namespace.into_owned(),
                    placed.metadata.name.into_owned(),
                )
            },
        )
    }

    /// The bytes without `apiVersion` and `kind`, in pieces.
    pub(crate) fn untyped(&self) -> [Bytes; 3] {
        let [(a, b), (c, d)] = self.places.type_meta.map(|span| (span.from(), span.to()));
        [self.bytes.slice(..a), self.bytes.slice(b..c), self.bytes.slice(d..)]
    }

    /// The labels, read from the bytes.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let raw = self.places.labels.of(&self.bytes);
        raw.and_then(|raw| serde_json::from_slice(raw).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    #[test]
    fn the_type_can_be_left_out() {
        let check = |value: json_tree::Value, expected: &str| {
            let pieces = Object::new(&value, 1, &[]).untyped();
            let text: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        };
        check(
            json!({"apiVersion": "v1", "kind": "A", "aggregationRule": {"kind": "x,}\\\""}, "data": [{"kind": "A"}], "metadata": {}}),
            r#"{"aggregationRule":{"kind":"x,}\\\""},"data":[{"kind":"A"}],"metadata":{}}"#,
        );
        check(
            json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}),
            r#"{"metadata":{"name":"a"}}"#,
        );
        check(json!({"metadata": {"name": "a"}}), r#"{"metadata":{"name":"a"}}"#);
    }

    #[test]
    fn a_status_is_replaced_in_place() {
        let fields = [
            SelectableField::plain("status.phase"),
            SelectableField::plain("spec.nodeName"),
        ];
        let object = |version: u64, status: json_tree::Value| {
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n"}, "status": status, "metadata": {
                "annotations": {"resourceVersion": "7"}, "labels": {"a": "b"}, "name": "x", "namespace": "y",
                "resourceVersion": version.to_string(), "uid": "u"}})
        };
        let old = Object::new(&object(7, json!({"phase": "Pending"})), 7, &fields);
        let status = json!({"phase": "Running", "podIP": "10.0.0.1"});
        let quick = old.with_status(&status, 1234, &fields).unwrap();
        let slow = Object::new(&object(1234, status.clone()), 1234, &fields);
        assert_eq!(quick.bytes, slow.bytes);
        assert_eq!((&quick.fields, quick.labels()), (&slow.fields, slow.labels()));
        assert_eq!(quick.untyped(), slow.untyped());
        assert_eq!(quick.status(), Some(status.clone()));
        let gone = slow.with_version(99).unwrap();
        let again = Object::new(&object(99, status), 99, &fields);
        assert_eq!((&gone.bytes, &gone.fields), (&again.bytes, &again.fields));
    }

    #[test]
    fn a_kept_tree_says_what_the_bytes_say() {
        let object = Object::new(
            &json!({"metadata": {"name": "x"}, "status": {"phase": "Running"}}),
            7,
            &[],
        );
        assert!(!object.has_tree());
        assert_eq!(object.keep(object.tree()), None);
        assert!(object.has_tree());
        assert_eq!(
            object.value(),
            json!({"metadata": {"name": "x"}, "status": {"phase": "Running"}})
        );
        assert_eq!(object.status(), Some(json!({"phase": "Running"})));
        assert_eq!(object.let_go().as_deref(), Some(&object.value()));
        assert!(!object.has_tree());
    }

    #[test]
    fn labels_are_read_in_place() {
        let object = Object::new(
            &json!({"metadata": {"labels": {"a": "b\"c", "d": "e"}, "name": "x"}}),
            1,
            &[],
        );
        let labels = object.labels();
        assert_eq!(labels.get("a").map(String::as_str), Some("b\"c"));
        assert_eq!(labels.len(), 2);
        assert!(Object::new(&json!({"metadata": {}}), 1, &[]).labels().is_empty());
    }
}
