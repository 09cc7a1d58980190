//! One stored object: canonical bytes and the few things that selectors and the garbage collector ask for.

use std::collections::BTreeMap;

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
    /// The values of the resource's selectable fields, in the order of its table.
    pub(crate) fields: Box<[Box<str>]>,
    pub(crate) uid: Box<str>,
    /// The uids of the owners.
    pub(crate) owners: Box<[Box<str>]>,
    /// Whether a deletion has begun.
    pub(crate) deleting: bool,
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
            bytes,
            fields: fields.iter().map(|field| field.read(value)).collect(),
            uid: uid(value).into(),
            owners: owners
                .iter()
                .filter_map(|owner| text(owner, &["uid"]))
                .map(Into::into)
                .collect(),
            deleting: at(value, &["metadata", "deletionTimestamp"]).is_some_and(|when| !when.is_null()),
        }
    }

    /// The object as a tree, for changing it.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
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
