//! Checks that a configuration fits its schema as server-side apply asks for it: known fields, matching kinds, distinct keys.

use std::collections::BTreeSet;
use std::fmt;

use json_tree::{Map, Value};
use thiserror::Error;

use super::trail::Trail;
use super::walk::item_element;
use crate::fields::{Path, PathElement};
use crate::schema::{Kind, ListKind, Scalar, TypeRef};

/// Most faults that one check reports.
const MAX_ERRORS: usize = 100;

/// A value that does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {reason}")]
pub struct TypedError {
    /// Path in the form `.spec.replicas`.
    pub path: String,
    /// What does not fit.
    pub reason: String,
}

/// All faults of one configuration. Its text names the object, then the faults, in the API server's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedErrors {
    /// Namespace, name, version and kind: `default/web; apps/v1, Kind=Deployment`.
    pub subject: String,
    /// The faults.
    pub errors: Vec<TypedError>,
}

impl TypedErrors {
    pub(super) fn of(config: &Value, errors: Vec<TypedError>) -> Self {
        let text = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let (version, kind) = (text("/apiVersion"), text("/kind"));
        // The core group is written as an empty one.
        let slash = if version.contains('/') { "" } else { "/" };
        Self {
            subject: format!("{namespace}/{name}; {slash}{version}, Kind={kind}"),
            errors,
        }
    }
}

impl fmt::Display for TypedErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to create typed patch object ({}): ", self.subject)?;
        if let [one] = self.errors.as_slice() {
            return write!(f, "{one}");
        }
        f.write_str("errors:")?;
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// All faults of a value.
pub(super) fn check(value: &Value, at: TypeRef<'_>) -> Vec<TypedError> {
    let mut checker = Checker {
        custom: at.name().is_none(),
        errors: Vec::new(),
    };
    checker.value(value, at, &Trail::ROOT);
    checker.errors
}

struct Checker {
    /// In custom resources an int-or-string may be anything here; validation comes later.
    custom: bool,
    errors: Vec<TypedError>,
}

impl Checker {
    fn fail(&mut self, trail: &Trail<'_>, reason: impl Into<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(TypedError {
                path: Path(trail.path()).to_string(),
                reason: reason.into(),
            });
        }
    }

    fn value(&mut self, value: &Value, at: TypeRef<'_>, trail: &Trail<'_>) {
        match (at.kind(), value) {
            (_, Value::Null) => {}
            (Kind::Any | Kind::Object, Value::Object(map)) => self.members(map, at, trail),
            (Kind::Any, _) => {}
            (Kind::Object, _) => self.fail(trail, format!("expected map, got &{{{}}}", plain(value))),
            (Kind::List { kind }, Value::Array(items)) => self.items(items, kind, at, trail),
            (Kind::List { .. }, _) => self.fail(trail, format!("expected list, got &{{{}}}", plain(value))),
            (Kind::Scalar(scalar), _) => self.scalar(scalar, value, trail),
        }
    }

    /// Stops at the first member that is not known, as the API server does.
    fn members(&mut self, map: &Map, at: TypeRef<'_>, trail: &Trail<'_>) {
        for (name, value) in map {
            let below = trail.field(name);
            match at.child(name) {
                Some(child) => self.value(value, child, &below),
                // A custom resource may carry fields beside a schema that keeps unknown ones.
                None if at.preserves_unknown() => {}
                None => return self.fail(&below, "field not declared in schema"),
            }
        }
    }

    fn items(&mut self, items: &[Value], kind: &ListKind, at: TypeRef<'_>, trail: &Trail<'_>) {
        let Some(child) = at.element() else { return };
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let element = match kind {
                ListKind::Atomic => PathElement::Index(i64::try_from(index).unwrap_or(i64::MAX)),
                _ => match item_element(kind, item) {
                    Ok(element) => element,
                    // Without its key nothing can be said about the item, nor about those that follow.
                    Err(reason) => return self.fail(trail, format!("element {index}: {reason}")),
                },
            };
            if *kind != ListKind::Atomic && seen.contains(&element) {
                self.fail(trail, format!("duplicate entries for key {element}"));
            }
            self.value(item, child, &trail.item(&element));
            if *kind != ListKind::Atomic {
                seen.insert(element);
            }
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value, trail: &Trail<'_>) {
        let reason = match scalar {
            Scalar::String | Scalar::Bytes | Scalar::Time if !value.is_string() => {
                format!(
                    "expected string, got &value.valueUnstructured{{Value:{}}}",
                    source(value)
                )
            }
            Scalar::Boolean if !value.is_boolean() => format!("expected boolean, got &{{{}}}", plain(value)),
            Scalar::Int32 | Scalar::Integer | Scalar::Number if !value.is_number() => {
                format!("expected numeric (int or float), got {}", kind_of(value))
            }
            Scalar::IntOrString | Scalar::Quantity if !self.custom && (value.is_object() || value.is_array()) => {
                format!("expected any scalar, got &{{{}}}", plain(value))
            }
            _ => return,
        };
        self.fail(trail, reason);
    }
}

/// Go's name for the type of a decoded value.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go's `%v` prints it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(name, value)| format!("{name}:{}", plain(value)))
                .collect();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
}

/// A value as Go's `%#v` prints it.
fn source(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => {
            format!(
                "[]interface {{}}{{{}}}",
                items.iter().map(source).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", source(value)))
                .collect();
            format!("map[string]interface {{}}{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}
