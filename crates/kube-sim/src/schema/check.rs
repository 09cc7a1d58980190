//! Walking an object along its type: what decoders check, and dropping what they do not know.
//!
//! A walk changes little, so it reads, and answers with what is different. What a changed object shares with the stored one was
//! walked when that was stored.

use std::fmt::Write;

use json_tree::{List, Map, Revision, Value};
use kubemerge::schema::{Kind, Scalar, TypeRef};

use super::{join_to, metadata_schema, schema_of};
use crate::handlers::Target;
use crate::registry::Resource;
use crate::status::ApiError;

/// What has a schema of its own, or none.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Walks an object along its type: checks what decoders check and drops what they do not know.
struct Walk<'r> {
    resource: &'r Resource,
    version: &'r str,
    /// Whether wrong types are refused here; custom resources have their own validation.
    typed: bool,
    unknown: Vec<String>,
    path: String,
    /// The struct whose field is being read, and the fields on the way to it: how Go's decoder names a place. Keys of maps
    /// and places in lists are no part of it.
    owner: &'r str,
    fields: String,
}

/// Checks types and drops unknown fields; returns the paths of what was dropped. Parts that are shared with the stored object
/// `old` are passed over.
pub(crate) fn check(
    target: &Target,
    version: &str,
    object: &mut Value,
    old: Option<&Value>,
) -> Result<Vec<String>, ApiError> {
    let resource = &*target.resource;
    let schema = schema_of(resource, version);
    let mut walk = Walk {
        resource,
        version,
        typed: true,
        unknown: Vec::new(),
        path: String::new(),
        owner: &resource.kind,
        fields: String::new(),
    };
    if let Some(metadata) = object.get("metadata")
        && let Some(schema) = metadata_schema()
    {
        walk.path = "metadata".to_owned();
        walk.fields = "metadata".to_owned();
        let old = old.and_then(|old| old.get("metadata"));
        if let Some(new) = walk.visit(schema.root(), metadata, old)? {
            object["metadata"] = new;
        }
        walk.path.clear();
        walk.fields.clear();
        walk.owner = &resource.kind;
    }
    walk.typed = !resource.custom;
    if let Value::Object(map) = object {
        // The envelope is checked; what is left is the kind's own.
        if let Some(new) = walk.object(schema.root(), map, old, &ENVELOPE)? {
            *map = new;
        }
    }
    Ok(walk.unknown)
}

/// Whether an item of a changed list is the same memory as one of the stored list: mostly the one at the same place.
pub(super) fn is_old(old: &List, place: usize, item: &Value) -> bool {
    old.get(place).is_some_and(|old| old.shares(item)) || old.iter().any(|old| old.shares(item))
}

impl<'r> Walk<'r> {
    /// Walks a value; answers with what it has to be where something about it changes.
    fn visit(&mut self, kind: TypeRef<'r>, value: &Value, old: Option<&Value>) -> Result<Option<Value>, ApiError> {
        match (kind.kind(), value) {
            _ if old.is_some_and(|old| old.shares(value)) => Ok(None),
            (Kind::Any, _) => Ok(None),
            // Quantities are kept as texts, whatever a client writes.
            (Kind::Scalar(Scalar::Quantity), Value::Number(number)) if self.typed => {
                let text = Value::from(number.to_string());
                self.scalar(Scalar::Quantity, &text).map(|()| Some(text))
            }
            (Kind::Scalar(scalar), _) => self.scalar(scalar, value).map(|()| None),
            (Kind::List { .. }, Value::Array(items)) => {
                let items = self.list(kind, items, old.and_then(Value::as_array))?;
                Ok(items.map(Value::Array))
            }
            (Kind::Object, Value::Object(map)) => Ok(self.object(kind, map, old, &[])?.map(Value::Object)),
            (Kind::List { .. } | Kind::Object, _) => self.wrong(value, &go_type(kind)).map(|()| None),
        }
    }

    fn list(&mut self, kind: TypeRef<'r>, items: &List, old: Option<&List>) -> Result<Option<List>, ApiError> {
        let Some(element) = kind.element() else { return Ok(None) };
        let length = self.path.len();
        let mut new = items.clone();
        new.revise(|place, item| {
            if old.is_some_and(|old| is_old(old, place, item)) {
                return Ok(None);
            }
            // Writing to a String does not fail.
            let _ = write!(self.path, "[{place}]");
            let revised = self.visit(element, item, None)?;
            self.path.truncate(length);
            Ok(revised)
        })?;
        if !self.resource.custom {
            new.retain(|item| !item.is_null());
        }
        Ok((!new.shares(items)).then_some(new))
    }

    /// Walks the members of a map, but for some. Where there are such, it is the whole object: then members that are as they
    /// were are not walked either.
    fn object(
        &mut self,
        kind: TypeRef<'r>,
        map: &Map,
        old: Option<&Value>,
        but: &[&str],
    ) -> Result<Option<Map>, ApiError> {
        let outer = kind.is_struct().then(|| {
            let name = kind.name().and_then(|name| name.rsplit('.').next());
            std::mem::replace(&mut self.owner, name.unwrap_or(&self.resource.kind))
        });
        let mut new = map.clone();
        let done = new.revise(|name, inner| {
            let as_stored = || old.and_then(|old| old.get(name)) == Some(inner);
            if but.contains(&name.as_str()) || (!but.is_empty() && as_stored()) {
                return Ok(Revision::Keep);
            }
            let lengths = (self.path.len(), self.fields.len());
            join_to(&mut self.path, name);
            if outer.is_some() {
                join_to(&mut self.fields, name);
            }
            let revision = self.member(kind, name, inner, old.and_then(|old| old.get(name)));
            self.path.truncate(lengths.0);
            self.fields.truncate(lengths.1);
            revision
        });
        if let Some(outer) = outer {
            self.owner = outer;
        }
        done.map(|()| (!new.shares(map)).then_some(new))
    }

    /// Looks at one member.
    fn member(
        &mut self,
        kind: TypeRef<'r>,
        name: &str,
        inner: &Value,
        old: Option<&Value>,
    ) -> Result<Revision, ApiError> {
        match kind.child(name) {
            // Typed decoders read null as unset; custom resources judge nulls when they are validated.
            Some(_) if inner.is_null() && self.resource.custom => Ok(Revision::Keep),
            Some(_) if inner.is_null() => Ok(Revision::Drop),
            Some(child) => Ok(self.visit(child, inner, old)?.map_or(Revision::Keep, Revision::Replace)),
            None if kind.preserves_unknown() => Ok(Revision::Keep),
            None if kind.is_embedded_resource() && ENVELOPE.contains(&name) => Ok(Revision::Keep),
            None => {
                self.unknown.push(self.path.clone());
                Ok(Revision::Drop)
            }
        }
    }

    fn scalar(&self, scalar: Scalar, value: &Value) -> Result<(), ApiError> {
        let whole = |value: &Value| value.as_i64().is_some() || value.as_u64().is_some();
        match scalar {
            Scalar::Bytes if self.typed && value.is_string() => match bad_base64(value.as_str().unwrap_or_default()) {
                Some(place) => Err(self.refuse(&format!("illegal base64 data at input byte {place}"))),
                None => Ok(()),
            },
            Scalar::String | Scalar::Time | Scalar::Bytes if value.is_string() => Ok(()),
            Scalar::String | Scalar::Time | Scalar::Bytes => self.wrong(value, "string"),
            Scalar::Int32 if value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => Ok(()),
            Scalar::Int32 => self.wrong(value, "int32"),
            Scalar::Integer if whole(value) => Ok(()),
            Scalar::Integer => self.wrong(value, "int64"),
            Scalar::Number if value.is_number() => Ok(()),
            Scalar::Number => self.wrong(value, "float64"),
            Scalar::Boolean if value.is_boolean() => Ok(()),
            Scalar::Boolean => self.wrong(value, "bool"),
            Scalar::IntOrString if value.is_string() || whole(value) => Ok(()),
            Scalar::IntOrString => self.wrong(value, "intstr.IntOrString"),
            Scalar::Quantity if self.typed && value.as_str().is_some_and(|text| !is_quantity(text)) => {
                Err(self.refuse(QUANTITY))
            }
            Scalar::Quantity if value.is_string() || !self.typed => Ok(()),
            Scalar::Quantity => self.wrong(value, "resource.Quantity"),
            _ => Ok(()),
        }
    }

    fn wrong(&self, value: &Value, wanted: &str) -> Result<(), ApiError> {
        if !self.typed || value.is_null() {
            return Ok(());
        }
        let found = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => "null",
        };
        let (owner, path) = (self.owner, &self.fields);
        Err(self.refuse(&format!(
            "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"
        )))
    }

    fn refuse(&self, why: &str) -> ApiError {
        let (kind, version) = (&self.resource.kind, self.version);
        ApiError::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
        ))
    }
}

/// A type as Go writes it: `[]v1.Container`, `map[string]string`.
fn go_type(kind: TypeRef<'_>) -> String {
    match kind.kind() {
        Kind::Any => "interface {}".to_owned(),
        Kind::Scalar(scalar) => match scalar {
            Scalar::Boolean => "bool".to_owned(),
            Scalar::Int32 => "int32".to_owned(),
            Scalar::Integer => "int64".to_owned(),
            Scalar::Number => "float64".to_owned(),
            Scalar::IntOrString => "intstr.IntOrString".to_owned(),
            Scalar::Quantity => "resource.Quantity".to_owned(),
            Scalar::Time => "v1.Time".to_owned(),
            Scalar::Bytes => "[]uint8".to_owned(),
            _ => "string".to_owned(),
        },
        Kind::List { .. } => format!("[]{}", kind.element().map(go_type).unwrap_or_default()),
        Kind::Object => match kind.name() {
            // The last two parts of `io.k8s.api.core.v1.Container` are the package and the type.
            Some(name) => {
                let parts: Vec<&str> = name.rsplitn(3, '.').take(2).collect();
                parts.into_iter().rev().collect::<Vec<_>>().join(".")
            }
            None => format!("map[string]{}", kind.values().map(go_type).unwrap_or_default()),
        },
    }
}

const QUANTITY: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Where a text stops being base64.
fn bad_base64(text: &str) -> Option<usize> {
    use base64::{DecodeError, Engine};
    match base64::prelude::BASE64_STANDARD.decode(text).err()? {
        DecodeError::InvalidByte(place, _) | DecodeError::InvalidLastSymbol(place, _) => Some(place),
        DecodeError::InvalidLength(length) => Some(length),
        DecodeError::InvalidPadding => Some(text.len()),
    }
}

/// Whether a text has the form of a quantity; what the number means is not judged here.
fn is_quantity(text: &str) -> bool {
    let number = text.trim_start_matches(['+', '-']);
    let digits = number
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(number.len());
    let suffix = number.get(digits..).unwrap_or_default();
    let rest = suffix
        .trim_start_matches(|c: char| "eEinumkKMGTP".contains(c))
        .trim_start_matches(['+', '-']);
    digits > 0 && text.len() - number.len() <= 1 && rest.bytes().all(|c| c.is_ascii_digit())
}
