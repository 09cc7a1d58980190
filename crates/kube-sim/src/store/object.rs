//! One stored object: canonical bytes and the few things that selectors and the garbage collector ask for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::registry::SelectableField;
use crate::value::{at, list, text, uid};

/// A version of an object. Its bytes never change.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) version: u64,
    /// Canonical JSON: keys sorted, no blanks.
    pub(crate) bytes: Bytes,
    /// Where the labels are in the bytes; labels are read in place, which costs less than keeping them twice.
    labels: (u32, u32),
    /// Where `apiVersion` and `kind` are in the bytes, each with the comma after it; lists leave them out of their items.
    type_meta: [(u32, u32); 2],
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
struct Envelope<'a> {
    #[serde(borrow)]
    metadata: Labels<'a>,
}

#[derive(Deserialize)]
struct Labels<'a> {
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Halves<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
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
        // A tree of JSON values always serialises: its keys are texts.
        let bytes = Bytes::from(serde_json::to_vec(value).unwrap_or_default().into_boxed_slice());
        let owners = list(value, &["metadata", "ownerReferences"]);
        Self {
            version,
            labels: if at(value, &["metadata", "labels"]).is_some() {
                find_labels(&bytes)
            } else {
                (0, 0)
            },
            type_meta: find_type_meta(&bytes),
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
        let halves: Halves<'_> = serde_json::from_slice(&self.bytes).ok()?;
        serde_json::from_str(halves.status?.get()).ok()
    }

    /// The object with another status and version, put together from its bytes: nothing else is parsed or written anew. None if it
    /// has no status yet.
    pub(crate) fn with_status(&self, status: &Value, version: u64, fields: &[SelectableField]) -> Option<Self> {
        let halves: Halves<'_> = serde_json::from_slice(&self.bytes).ok()?;
        let place = |raw: &RawValue| {
            let from = (raw.get().as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
            Some((from, from + raw.get().len()))
        };
        let (from, to) = place(halves.status?)?;
        let (metadata, _) = place(halves.metadata)?;
        // Keys are sorted, so the object's own version is the last such member of its metadata.
        let old = format!("\"resourceVersion\":\"{}\"", self.version);
        let at = metadata + halves.metadata.get().rfind(&old)?;
        let mut bytes = Vec::with_capacity(self.bytes.len() + 256);
        bytes.extend_from_slice(self.bytes.get(..at)?);
        bytes.extend_from_slice(format!("\"resourceVersion\":\"{version}\"").as_bytes());
        bytes.extend_from_slice(self.bytes.get(at + old.len()..from)?);
        serde_json::to_writer(&mut bytes, status).ok()?;
        bytes.extend_from_slice(self.bytes.get(to..)?);
        let fields = fields
            .iter()
            .zip(&self.fields)
            .map(|(field, old)| field.read_in("status", status).unwrap_or_else(|| old.clone()));
        Some(Self {
            version,
            bytes: Bytes::from(bytes.into_boxed_slice()),
            // Both lie before the version and do not move.
            labels: self.labels,
            type_meta: self.type_meta,
            fields: fields.collect(),
            uid: self.uid.clone(),
            owners: self.owners.clone(),
            deleting: self.deleting,
            held: self.held,
            status_only: true,
            tree: Mutex::default(),
        })
    }

    /// The last state of the object when it is taken away under a version: the same but for that number. Put together from its
    /// bytes.
    pub(crate) fn with_version(&self, version: u64) -> Option<Self> {
        let halves: Halves<'_> = serde_json::from_slice(&self.bytes).ok()?;
        let metadata = (halves.metadata.get().as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
        let old = format!("\"resourceVersion\":\"{}\"", self.version);
        let at = metadata + halves.metadata.get().rfind(&old)?;
        let mut bytes = Vec::with_capacity(self.bytes.len() + 2);
        bytes.extend_from_slice(self.bytes.get(..at)?);
        bytes.extend_from_slice(format!("\"resourceVersion\":\"{version}\"").as_bytes());
        bytes.extend_from_slice(self.bytes.get(at + old.len()..)?);
        Some(Self {
            version,
            bytes: Bytes::from(bytes.into_boxed_slice()),
            // All of these lie before the version.
            labels: self.labels,
            type_meta: self.type_meta,
            fields: self.fields.clone(),
            uid: self.uid.clone(),
            owners: self.owners.clone(),
            deleting: self.deleting,
            held: self.held,
            status_only: false,
            tree: Mutex::default(),
        })
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
        let [(a, b), (c, d)] = self.type_meta.map(|(from, to)| (from as usize, to as usize));
        [self.bytes.slice(..a), self.bytes.slice(b..c), self.bytes.slice(d..)]
    }

    /// The labels, read from the bytes.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let (from, to) = (self.labels.0 as usize, self.labels.1 as usize);
        self.bytes
            .get(from..to)
            .and_then(|raw| serde_json::from_slice(raw).ok())
            .unwrap_or_default()
    }
}

/// Offsets of the members `apiVersion` and `kind` of a serialised object, with the commas after them. Keys are sorted, and
/// `metadata` follows both.
fn find_type_meta(bytes: &Bytes) -> [(u32, u32); 2] {
    let mut found = [(0, 0); 2];
    let mut at = 1;
    while let Some(end) = member_end(bytes, at) {
        let member = bytes.get(at..end).unwrap_or_default();
        let place = if member.starts_with(b"\"apiVersion\":") {
            0
        } else if member.starts_with(b"\"kind\":") {
            1
        } else {
            at = end + 1;
            continue;
        };
        if let (Some(slot), Ok(from), Ok(to)) = (found.get_mut(place), u32::try_from(at), u32::try_from(end + 1)) {
            *slot = (from, to);
        }
        if place == 1 {
            break;
        }
        at = end + 1;
    }
    if let [first, (second, _)] = &mut found
        && *second == 0
    {
        // Without a kind nothing is left out at its place: the piece between begins and ends after the first.
        let end = first.1;
        found[1] = (end, end);
    }
    found
}

/// Where the member that begins at `at` ends: the place of the comma after it; none for the last one.
fn member_end(bytes: &Bytes, at: usize) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (place, byte) in bytes.get(at..)?.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => return Some(at + place),
            _ => {}
        }
    }
    None
}

/// Offsets of the raw labels in the serialised object.
fn find_labels(bytes: &Bytes) -> (u32, u32) {
    let Ok(Envelope {
        metadata: Labels { labels: Some(raw) },
    }) = serde_json::from_slice::<Envelope<'_>>(bytes)
    else {
        return (0, 0);
    };
    let from = (raw.get().as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
    let to = from + raw.get().len();
    (u32::try_from(from).unwrap_or(0), u32::try_from(to).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_type_can_be_left_out() {
        let check = |value: serde_json::Value, expected: &str| {
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
        let object = |version: u64, status: serde_json::Value| {
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
