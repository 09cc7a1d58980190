//! Validation with the API server's texts.

use std::fmt;

use serde_json::{Map, Value};

use super::{format, join};
use crate::limits::{self, TooDeep};
use crate::schema::{JunctorKind, Kind, Rules, Scalar, Schema, TypeRef};

/// Most errors that one validation returns; hostile input could have millions.
const MAX_ERRORS: usize = 1_000;
/// Longest value that an error repeats.
const MAX_SHOWN: usize = 256;

/// Class of a field error: the `reason` of a Status cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// `FieldValueRequired`
    Required,
    /// `FieldValueInvalid`
    Invalid,
    /// `FieldValueNotSupported`
    NotSupported,
    /// `FieldValueTypeInvalid`
    TypeInvalid,
    /// `FieldValueTooLong`
    TooLong,
    /// `FieldValueTooMany`
    TooMany,
    /// `FieldValueDuplicate`
    Duplicate,
}

impl Cause {
    /// The reason as a Status cause carries it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Duplicate => "FieldValueDuplicate",
        }
    }
}

/// One fault of an object. Its text is `spec.replicas: Invalid value: ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Field path such as `spec.replicas` or `spec.rules[0].host`; `<nil>` is the object itself.
    pub field: String,
    /// Class.
    pub cause: Cause,
    /// Text without the path, as in a Status cause's message.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Checks an object against its schema and returns all faults, in the order of the object.
///
/// # Errors
/// [`TooDeep`] when the object is nested too deep.
pub fn validate(object: &Value, schema: &Schema) -> Result<Vec<FieldError>, TooDeep> {
    limits::check_depth(object)?;
    let mut validator = Validator { errors: Vec::new() };
    validator.value(object, schema.root(), "");
    Ok(validator.errors)
}

struct Validator {
    errors: Vec<FieldError>,
}

impl Validator {
    fn fail(&mut self, path: &str, cause: Cause, message: String) {
        if self.errors.len() < MAX_ERRORS {
            let field = if path.is_empty() { "<nil>" } else { path };
            self.errors.push(FieldError {
                field: field.to_owned(),
                cause,
                message,
            });
        }
    }

    /// A fault of the value: `Invalid value: <value>: <path> in body <reason>`.
    fn in_body(&mut self, path: &str, value: &Value, reason: &str) {
        let message = format!("Invalid value: {}: {path} in body {reason}", show(value));
        self.fail(path, Cause::Invalid, message);
    }

    fn value(&mut self, value: &Value, at: TypeRef<'_>, path: &str) {
        if value.is_null() && (at.is_nullable() || at.name().is_some()) {
            return;
        }
        if !self.kind(value, at, path) {
            return;
        }
        if let Some(rules) = at.rules() {
            self.rules(value, rules, at, path);
        }
        match value {
            Value::Object(map) if at.kind() == Kind::Object => self.members(map, at, path),
            Value::Array(items) => {
                if let Some(child) = at.element() {
                    self.keys(items, at, path);
                    for (index, item) in items.iter().enumerate() {
                        self.value(item, child, &format!("{path}[{index}]"));
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether the value is of the type; says so if not.
    fn kind(&mut self, value: &Value, at: TypeRef<'_>, path: &str) -> bool {
        let built_in_null = value.is_null() && at.rules().is_none() && matches!(at.kind(), Kind::Any);
        let (fits, expected) = match at.kind() {
            Kind::Any => (true, "any"),
            Kind::Object => (value.is_object(), "object"),
            Kind::List { .. } => (value.is_array(), "array"),
            Kind::Scalar(scalar) => (scalar_fits(scalar, value), scalar_name(scalar)),
        };
        if fits || built_in_null {
            return true;
        }
        let message = format!(
            "Invalid value: {:?}: {path} in body must be of type {expected}: {:?}",
            type_name(value),
            type_name(value)
        );
        self.fail(path, Cause::TypeInvalid, message);
        false
    }

    fn members(&mut self, map: &Map<String, Value>, at: TypeRef<'_>, path: &str) {
        let mut required: Vec<&str> = at.required().iter().map(String::as_str).collect();
        if at.is_embedded_resource() {
            for name in ["apiVersion", "kind"] {
                if !required.contains(&name) {
                    required.push(name);
                }
            }
        }
        for name in required {
            let missing = match map.get(name) {
                None => true,
                Some(Value::Null) => at.field(name).is_some_and(|field| !field.is_nullable()) && at.name().is_some(),
                Some(_) => false,
            };
            if missing {
                self.fail(&join(path, name), Cause::Required, "Required value".to_owned());
            }
        }
        for (name, value) in map {
            let Some(child) = at.child(name) else { continue };
            let built_in = at.name().is_some();
            if built_in && value.is_null() {
                continue;
            }
            self.value(value, child, &join(path, name));
        }
    }

    /// Items of sets and list maps are distinct.
    fn keys(&mut self, items: &[Value], at: TypeRef<'_>, path: &str) {
        let Kind::List { kind } = at.kind() else { return };
        let mut seen = std::collections::BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(key) = crate::apply::item_key(kind, item)
                && !seen.insert(key)
            {
                let shown = match kind {
                    crate::schema::ListKind::Map(keys) => {
                        let pick = |key: &crate::schema::ListKey| {
                            item.get(&key.name)
                                .or(key.default.as_ref())
                                .map(|value| (key.name.clone(), value.clone()))
                        };
                        Value::Object(keys.iter().filter_map(pick).collect())
                    }
                    _ => item.clone(),
                };
                self.fail(
                    &format!("{path}[{index}]"),
                    Cause::Duplicate,
                    format!("Duplicate value: {}", show(&shown)),
                );
            }
        }
    }

    fn rules(&mut self, value: &Value, rules: &Rules, at: TypeRef<'_>, path: &str) {
        if !rules.allowed.is_empty() && !rules.allowed.iter().any(|allowed| crate::apply::same(allowed, value)) {
            let allowed: Vec<String> = rules.allowed.iter().map(quoted).collect();
            let message = format!(
                "Unsupported value: {}: supported values: {}",
                show(value),
                allowed.join(", ")
            );
            self.fail(path, Cause::NotSupported, message);
        }
        match value {
            Value::String(text) => self.text(text, value, rules, path),
            Value::Number(number) => self.number(number.as_f64().unwrap_or(0.0), value, rules, path),
            Value::Array(items) => self.list(items, rules, path),
            Value::Object(map) => self.size(map.len(), value, rules, path),
            _ => {}
        }
        self.junctors(value, rules, at, path);
    }

    fn text(&mut self, text: &str, value: &Value, rules: &Rules, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(limit) = rules.max_length.filter(|limit| length > *limit) {
            self.fail(
                path,
                Cause::TooLong,
                format!("Too long: may not be more than {limit} bytes"),
            );
        }
        if let Some(limit) = rules.min_length.filter(|limit| length < *limit) {
            self.in_body(path, value, &format!("should be at least {limit} chars long"));
        }
        if let Some((pattern, compiled)) = &rules.pattern
            && !compiled.is_match(text)
        {
            self.in_body(path, value, &format!("should match '{pattern}'"));
        }
        if let Some(name) = &rules.format
            && !format::holds(name, text)
        {
            self.in_body(path, value, &format!("must be of type {name}: {}", show(value)));
        }
    }

    fn number(&mut self, number: f64, value: &Value, rules: &Rules, path: &str) {
        if let Some((bound, exclusive)) = rules.minimum
            && (number < bound || (exclusive && number <= bound))
        {
            let relation = if exclusive {
                "greater than"
            } else {
                "greater than or equal to"
            };
            self.in_body(path, value, &format!("should be {relation} {}", plain(bound)));
        }
        if let Some((bound, exclusive)) = rules.maximum
            && (number > bound || (exclusive && number >= bound))
        {
            let relation = if exclusive {
                "less than"
            } else {
                "less than or equal to"
            };
            self.in_body(path, value, &format!("should be {relation} {}", plain(bound)));
        }
        if let Some(factor) = rules.multiple_of
            && factor != 0.0
            && (number / factor).fract().abs() > 1e-9
        {
            self.in_body(path, value, &format!("should be a multiple of {}", plain(factor)));
        }
        let whole = |low: f64, high: f64| number >= low && number <= high;
        let fits = match rules.format.as_deref() {
            Some("int32") => whole(f64::from(i32::MIN), f64::from(i32::MAX)),
            Some("int64") => value.is_i64() || number.fract() == 0.0,
            _ => true,
        };
        if !fits {
            self.in_body(
                path,
                value,
                &format!(
                    "must be of type {}: {}",
                    rules.format.as_deref().unwrap_or_default(),
                    show(value)
                ),
            );
        }
    }

    fn list(&mut self, items: &[Value], rules: &Rules, path: &str) {
        let count = items.len() as u64;
        if let Some(limit) = rules.max_items.filter(|limit| count > *limit) {
            self.fail(
                path,
                Cause::TooMany,
                format!("Too many: {count}: must have at most {limit} items"),
            );
        }
        if let Some(limit) = rules.min_items.filter(|limit| count < *limit) {
            let message = format!("Invalid value: {count}: {path} in body should have at least {limit} items");
            self.fail(path, Cause::Invalid, message);
        }
        if rules.unique_items {
            let mut texts: Vec<String> = items.iter().map(Value::to_string).collect();
            texts.sort();
            if texts.windows(2).any(|pair| pair.first() == pair.last()) {
                self.fail(
                    path,
                    Cause::Duplicate,
                    format!("{path} in body shouldn't contain duplicates"),
                );
            }
        }
    }

    fn size(&mut self, members: usize, value: &Value, rules: &Rules, path: &str) {
        let count = members as u64;
        if let Some(limit) = rules.max_properties.filter(|limit| count > *limit) {
            self.fail(
                path,
                Cause::TooMany,
                format!("Too many: {count}: must have at most {limit} items"),
            );
        }
        if let Some(limit) = rules.min_properties.filter(|limit| count < *limit) {
            self.in_body(path, value, &format!("should have at least {limit} properties"));
        }
    }

    fn junctors(&mut self, value: &Value, rules: &Rules, at: TypeRef<'_>, path: &str) {
        // int-or-string carries anyOf with both types by convention; the type check has covered it.
        let covered = at.kind() == Kind::Scalar(Scalar::IntOrString);
        for junctor in &rules.junctors {
            let holds = |member: &Schema| {
                let mut inner = Validator { errors: Vec::new() };
                inner.value(value, member.root(), path);
                inner.errors.is_empty()
            };
            let count = junctor.members.iter().filter(|member| holds(member)).count();
            let reason = match junctor.kind {
                JunctorKind::AllOf if count < junctor.members.len() => "must validate all the schemas (allOf)",
                JunctorKind::AnyOf if count == 0 && !covered => "must validate at least one schema (anyOf)",
                JunctorKind::OneOf if count != 1 => "must validate one and only one schema (oneOf)",
                JunctorKind::Not if count > 0 => "must not validate the schema (not)",
                _ => continue,
            };
            self.fail(
                path,
                Cause::Invalid,
                format!("Invalid value: {}: {path:?} {reason}", show(value)).replace('\\', ""),
            );
        }
    }
}

fn scalar_fits(scalar: Scalar, value: &Value) -> bool {
    match scalar {
        Scalar::String | Scalar::Time | Scalar::Bytes => value.is_string(),
        Scalar::Int32 => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Scalar::Integer => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        Scalar::Number => value.is_number(),
        Scalar::Boolean => value.is_boolean(),
        Scalar::IntOrString => value.is_string() || value.is_i64() || value.is_u64(),
        Scalar::Quantity => value.is_string() || value.is_number(),
    }
}

fn scalar_name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::IntOrString => "integer or string",
        Scalar::Quantity => "quantity",
        other => other.openapi_type(),
    }
}

/// The type of a value as the API server writes it.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value inside an error. Lists and maps are named by their type, long text is cut.
fn show(value: &Value) -> String {
    match value {
        Value::Array(_) => "\"array\"".to_owned(),
        Value::Object(map) if map.len() > 4 => "\"object\"".to_owned(),
        Value::String(text) if text.chars().count() > MAX_SHOWN => {
            format!("{:?}...", text.chars().take(MAX_SHOWN).collect::<String>())
        }
        other => other.to_string(),
    }
}

/// A supported value: always in quotes.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => format!("\"{other}\""),
    }
}

/// A bound without a superfluous fraction.
fn plain(number: f64) -> String {
    format!("{number}")
}
