//! Reads request bodies in the Kubernetes wire format (protobuf), which kubectl's `create` commands send.
//!
//! Only reading: answers are JSON, which every client takes. The numbers of fields are in `data/wire.txt`, their types in
//! the schemas that the server has anyway. The format writes unset values of plain fields as zeros, so zeros are dropped,
//! except in fields where zero means something.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use json_tree::{List, Map, Value, json};
use kubemerge::schema::{Kind, Scalar, Schema, TypeRef, builtin, definition};

/// The media type of the format.
pub(crate) const MEDIA: &str = "application/vnd.kubernetes.protobuf";

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// What a field number stands for.
#[derive(Clone, Copy)]
enum Entry {
    Field(&'static str),
    /// A message whose fields belong to the message around it.
    Inline(&'static str),
}

type Numbers = BTreeMap<u64, Entry>;

static TABLE: LazyLock<BTreeMap<&'static str, Numbers>> = LazyLock::new(|| {
    let text: &'static str = include_str!("../data/wire.txt");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(parse_line)
        .collect()
});

fn parse_line(line: &'static str) -> Option<(&'static str, Numbers)> {
    let (name, fields) = line.split_once(' ')?;
    let entry = |part: &'static str| {
        let (number, entry) = match part.split_once('=') {
            Some((number, field)) => (number, Entry::Field(field)),
            None => part
                .split_once('~')
                .map(|(number, name)| (number, Entry::Inline(name)))?,
        };
        Some((number.parse().ok()?, entry))
    };
    Some((name, fields.split(' ').filter_map(entry).collect()))
}

/// Fields that tell zero from unset.
const MEANS_ZERO: &[&str] = &[
    "activeDeadlineSeconds",
    "allowPrivilegeEscalation",
    "automountServiceAccountToken",
    "backoffLimit",
    "completions",
    "defaultMode",
    "enableServiceLinks",
    "failedJobsHistoryLimit",
    "gracePeriodSeconds",
    "minReplicas",
    "orphanDependents",
    "parallelism",
    "partition",
    "replicas",
    "revisionHistoryLimit",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "successfulJobsHistoryLimit",
    "suspend",
    "terminationGracePeriodSeconds",
    "tolerationSeconds",
    "ttlSecondsAfterFinished",
    "value",
];

/// One value of a message.
enum Wire<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(head)
    }

    /// The next field; an error for broken input, none at its end.
    fn field(&mut self) -> Option<Result<(u64, Wire<'b>), ()>> {
        (!self.0.is_empty()).then(|| self.read_field().ok_or(()))
    }

    fn read_field(&mut self) -> Option<(u64, Wire<'b>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Number(u64::from(u32::from_le_bytes(self.take(4)?.try_into().ok()?))),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

/// All fields of a message.
fn fields(bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut reader = Reader(bytes);
    let mut out = Vec::new();
    while let Some(field) = reader.field() {
        out.push(field.ok()?);
    }
    Some(out)
}

fn bytes_of<'b>(fields: &[(u64, Wire<'b>)], wanted: u64) -> Option<&'b [u8]> {
    fields.iter().rev().find_map(|(number, value)| match value {
        Wire::Bytes(bytes) if *number == wanted => Some(*bytes),
        _ => None,
    })
}

fn text_of(fields: &[(u64, Wire<'_>)], wanted: u64) -> Option<String> {
    bytes_of(fields, wanted).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
}

fn number_of(fields: &[(u64, Wire<'_>)], wanted: u64) -> Option<i64> {
    fields.iter().rev().find_map(|(number, value)| match value {
        Wire::Number(value) if *number == wanted => Some(value.cast_signed()),
        _ => None,
    })
}

/// Reads a whole body: the envelope with kind and version, then the object. None if it cannot be read.
pub(crate) fn decode(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(b"k8s\0")?)?;
    let types = fields(bytes_of(&envelope, 1)?)?;
    let (api_version, kind) = (text_of(&types, 1)?, text_of(&types, 2)?);
    let raw = bytes_of(&envelope, 2).unwrap_or_default();
    let schema = schema(&api_version, &kind)?;
    let mut object = match message(raw, schema.root(), short(schema.root().name()?)?, 0)? {
        Value::Object(map) => map,
        _ => return None,
    };
    object.insert("apiVersion", api_version.into());
    object.insert("kind", kind.into());
    Some(Value::Object(object))
}

fn schema(api_version: &str, kind: &str) -> Option<&'static Schema> {
    let (group, version) = crate::registry::split_api_version(api_version);
    // Options are part of every group.
    builtin(group, version, kind).or_else(|| definition(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}")))
}

/// The name of a type as the table has it.
fn short(name: &str) -> Option<&str> {
    name.strip_prefix("io.k8s.api.")
        .or_else(|| name.strip_prefix("io.k8s.apimachinery.pkg.apis."))
}

/// Reads a message of a known type.
fn message(bytes: &[u8], kind: TypeRef<'_>, name: &str, depth: usize) -> Option<Value> {
    let mut out = Map::new();
    read_into(&mut out, bytes, kind, name, depth)?;
    Some(Value::Object(out))
}

fn read_into(out: &mut Map, bytes: &[u8], kind: TypeRef<'_>, name: &str, depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let numbers = TABLE.get(name)?;
    for (number, value) in fields(bytes)? {
        match (numbers.get(&number), value) {
            (Some(Entry::Inline(inner)), Wire::Bytes(bytes)) => read_into(out, bytes, kind, inner, depth + 1)?,
            (Some(Entry::Field(field)), value) => {
                if let Some(child) = kind.field(field) {
                    place(out, field, child, &value, depth + 1)?;
                }
            }
            // A field of a newer version: a decoder passes over it.
            _ => {}
        }
    }
    Some(())
}

/// Puts a value into its field; lists and maps arrive entry by entry.
fn place(out: &mut Map, field: &str, kind: TypeRef<'_>, value: &Wire<'_>, depth: usize) -> Option<()> {
    match kind.kind() {
        Kind::List { .. } => {
            let item = single(value, kind.element()?, depth)?;
            let list = out.entry(field).or_insert_with(|| json!([]));
            list.as_array_mut()?.push(item);
        }
        Kind::Object if !kind.is_struct() && kind.values().is_some() => {
            let Wire::Bytes(bytes) = value else { return None };
            let entry = fields(bytes)?;
            let inner = kind.values()?;
            let found = match bytes_of(&entry, 2) {
                Some(bytes) => single(&Wire::Bytes(bytes), inner, depth)?,
                None => json!(""),
            };
            let map = out.entry(field).or_insert_with(|| json!({}));
            map.as_object_mut()?
                .insert(text_of(&entry, 1).unwrap_or_default(), found);
        }
        _ => {
            let found = single(value, kind, depth)?;
            let zero = found == json!(0) || found == json!("") || found == json!(false) || found.is_null();
            if !zero || (MEANS_ZERO.contains(&field) && !found.is_null()) {
                out.insert(field, found);
            }
        }
    }
    Some(())
}

/// One value that is no entry of a list or map.
fn single(value: &Wire<'_>, kind: TypeRef<'_>, depth: usize) -> Option<Value> {
    match (kind.kind(), value) {
        (Kind::Scalar(scalar), value) => scalar_value(scalar, value),
        // A list as the value of a map is a message of its own.
        (Kind::List { .. }, Wire::Bytes(bytes)) => {
            let element = kind.element()?;
            let items = fields(bytes)?;
            items
                .iter()
                .map(|(_, item)| single(item, element, depth + 1))
                .collect::<Option<List>>()
                .map(Value::Array)
        }
        (Kind::Object, Wire::Bytes(bytes)) => match kind.name().and_then(short).filter(|name| TABLE.contains_key(name))
        {
            Some(name) => message(bytes, kind, name, depth),
            // Free-form parts carry JSON in their first field; an empty struct carries nothing.
            None => Some(raw_json(bytes).unwrap_or_else(|| json!({}))),
        },
        (Kind::Any, Wire::Bytes(bytes)) => Some(raw_json(bytes).unwrap_or(Value::Null)),
        _ => None,
    }
}

fn raw_json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes_of(&fields(bytes)?, 1)?).ok()
}

fn scalar_value(scalar: Scalar, value: &Wire<'_>) -> Option<Value> {
    use base64::Engine;
    match (scalar, value) {
        (Scalar::String, Wire::Bytes(bytes)) => Some(String::from_utf8(bytes.to_vec()).ok()?.into()),
        (Scalar::Bytes, Wire::Bytes(bytes)) => Some(base64::prelude::BASE64_STANDARD.encode(bytes).into()),
        (Scalar::Int32 | Scalar::Integer, Wire::Number(number)) => Some(number.cast_signed().into()),
        (Scalar::Boolean, Wire::Number(number)) => Some((*number != 0).into()),
        (Scalar::Number, Wire::Number(bits)) => Some(f64::from_bits(*bits).into()),
        (Scalar::Quantity, Wire::Bytes(bytes)) => Some(text_of(&fields(bytes)?, 1).unwrap_or_default().into()),
        (Scalar::Time, Wire::Bytes(bytes)) => {
            let parts = fields(bytes)?;
            let Some(seconds) = number_of(&parts, 1) else {
                return Some(Value::Null);
            };
            let nanos = i32::try_from(number_of(&parts, 2).unwrap_or(0)).ok()?;
            Some(Timestamp::new(seconds, nanos).ok()?.to_string().into())
        }
        (Scalar::IntOrString, Wire::Bytes(bytes)) => {
            let parts = fields(bytes)?;
            if number_of(&parts, 1).unwrap_or(0) == 0 {
                return Some(number_of(&parts, 2).unwrap_or(0).into());
            }
            Some(text_of(&parts, 3).unwrap_or_default().into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a length-delimited field.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap_or(0)];
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn a_config_map_is_read() {
        let types = [field(1, b"v1"), field(2, b"ConfigMap")].concat();
        let metadata = [field(1, b"cm"), field(3, b"")].concat();
        let raw = [
            field(1, &metadata),
            field(2, &[field(1, b"k"), field(2, b"v")].concat()),
        ]
        .concat();
        let body = [b"k8s\0".to_vec(), field(1, &types), field(2, &raw)].concat();
        let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"k": "v"}});
        assert_eq!(decode(&body), Some(expected));
        for length in 0..body.len() {
            // Cut input is refused or read in part, and never a panic.
            let _ = decode(body.get(..length).unwrap_or_default());
        }
    }
}
