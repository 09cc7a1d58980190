//! What a client gets to see of a stored object: its version of the object, a Table, or the metadata alone.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use json_tree::{Value, json};

use crate::convert;
use crate::local::Projection;
use crate::printers;
use crate::registry::Resource;
use crate::store::Object;

/// Which part of each object the rows of a Table carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncludeObject {
    None,
    Metadata,
    Object,
}

/// The shape of an answer, negotiated by the `Accept` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Table(IncludeObject),
    Metadata,
}

/// Turns stored objects into answers for one request.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) resource: Arc<Resource>,
    /// The version of the resource that the client named.
    pub(crate) version: String,
    pub(crate) shape: Shape,
    pub(crate) now: Timestamp,
    /// Works objects over before they are shown.
    pub(crate) projection: Option<Arc<dyn Projection>>,
}

impl View {
    /// Whether the stored bytes can be shown as they are.
    fn is_stored_version(&self) -> bool {
        self.projection.is_none()
            && self.resource.id == self.resource.stored_as
            && self.version == self.resource.storage_version()
    }

    /// The tree of an object in the client's version.
    pub(crate) fn convert(&self, value: Value) -> Value {
        if self.is_stored_version() {
            return value;
        }
        let mut value = convert::convert(value, &self.resource, &self.version);
        if let Some(projection) = &self.projection {
            projection.project(&mut value, self.now);
        }
        value
    }

    /// Writes an item of a list: items of built-in kinds do not repeat version and kind.
    pub(crate) fn item(&self, object: &Object, out: &mut BytesMut) {
        match self.shape {
            Shape::Object if self.resource.custom => out.put_slice(&self.object(object)),
            Shape::Object if self.is_stored_version() => object.untyped().iter().for_each(|piece| out.put_slice(piece)),
            Shape::Object => {
                let mut value = self.convert(object.value());
                crate::value::remove(&mut value, &["apiVersion"]);
                crate::value::remove(&mut value, &["kind"]);
                out.put_slice(&to_bytes(&value));
            }
            _ => out.put_slice(&self.object(object)),
        }
    }

    /// The bytes of one object.
    pub(crate) fn object(&self, object: &Object) -> Bytes {
        match self.shape {
            Shape::Object if self.is_stored_version() => object.bytes.clone(),
            Shape::Object => to_bytes(&self.convert(object.value())),
            Shape::Metadata => to_bytes(&metadata_only(object.value())),
            Shape::Table(include) => {
                let value = self.convert(object.value());
                let version = object.version.to_string();
                let rows = printers::rows(&self.resource, &self.version, &value, self.now, include);
                to_bytes(&self.table(json!({"resourceVersion": version}), rows))
            }
        }
    }

    /// The answer for a tree that is not (or not as such) stored.
    pub(crate) fn value(&self, value: Value) -> Bytes {
        match self.shape {
            Shape::Object => to_bytes(&value),
            Shape::Metadata => to_bytes(&metadata_only(value)),
            Shape::Table(include) => {
                let version = crate::value::text(&value, &["metadata", "resourceVersion"])
                    .unwrap_or_default()
                    .to_owned();
                let rows = printers::rows(&self.resource, &self.version, &value, self.now, include);
                to_bytes(&self.table(json!({"resourceVersion": version}), rows))
            }
        }
    }

    /// A Table with these rows.
    pub(crate) fn table(&self, metadata: Value, rows: Vec<Value>) -> Value {
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            "columnDefinitions": printers::columns(&self.resource, &self.version), "rows": rows,
        })
    }

    /// The rows of one object in a Table.
    pub(crate) fn rows(&self, object: &Object, include: IncludeObject) -> Vec<Value> {
        printers::rows(
            &self.resource,
            &self.version,
            &self.convert(object.value()),
            self.now,
            include,
        )
    }

    /// The opening of a list, up to its items.
    pub(crate) fn list_head(&self, metadata: &Value) -> Bytes {
        let (version, kind) = match self.shape {
            Shape::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList"),
            _ => (
                crate::registry::api_version(self.resource.group(), &self.version),
                self.resource.list_kind.as_str(),
            ),
        };
        Bytes::from(format!(
            "{{\"apiVersion\":{},\"kind\":{},\"metadata\":{metadata},\"items\":[",
            Value::from(version),
            Value::from(kind)
        ))
    }

    /// One line of a watch.
    pub(crate) fn event(&self, kind: &str, object: &Object) -> Bytes {
        event_line(kind, &self.object(object))
    }

    /// A bookmark: nothing but a version, with the mark at the end of initial events.
    pub(crate) fn bookmark(&self, version: u64, initial_events_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        if initial_events_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.shape {
            Shape::Table(_) => {
                let mut table = self.table(json!({"resourceVersion": version.to_string()}), Vec::new());
                if initial_events_end {
                    // The real server puts the annotation on the object of a lone row.
                    table["rows"] = json!([{"cells": [], "object": {
                        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}}]);
                }
                table
            }
            Shape::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
            }
            Shape::Object => json!({
                "kind": self.resource.kind, "metadata": metadata,
                "apiVersion": crate::registry::api_version(self.resource.group(), &self.version),
            }),
        };
        event_line("BOOKMARK", &to_bytes(&object))
    }
}

/// One line of a watch stream.
pub(crate) fn event_line(kind: &str, object: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(object.len() + kind.len() + 24);
    line.put_slice(b"{\"type\":\"");
    line.put_slice(kind.as_bytes());
    line.put_slice(b"\",\"object\":");
    line.put_slice(object);
    line.put_slice(b"}\n");
    line.freeze()
}

/// An object reduced to its metadata.
pub(crate) fn metadata_only(mut value: Value) -> Value {
    let metadata = value.get_mut("metadata").map(Value::take).unwrap_or_default();
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}

/// Serialises a tree; trees of JSON values always do.
pub(crate) fn to_bytes(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}
