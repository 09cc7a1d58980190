//! Validation with the API server's texts.

use std::fmt;

use json_tree::{Map, Value};

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
            // The API server finds null in no enum, not even in one that has it.
            return self.allowed(value, at, path);
        }
        if !self.kind(value, at, path) {
            self.allowed(value, at, path);
            if let Some(rules) = at.rules() {
                self.junctors(value, rules, path);
            }
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
            return self.number_format(value, at, path);
        }
        let found = type_name(value);
        let message = format!("Invalid value: {found:?}: {path} in body must be of type {expected}: {found:?}");
        self.fail(path, Cause::TypeInvalid, message);
        if value.is_number() && at.kind() == Kind::Scalar(Scalar::Integer) {
            self.checked("integer (default format)", path);
        }
        false
    }

    /// A number that its type or format has no room for.
    fn checked(&mut self, expected: &str, path: &str) {
        let message = format!("Invalid value: \"\": Checked value must be of type {expected} in {path}");
        self.fail("", Cause::Invalid, message);
    }

    /// Whether a number fits its format; says so if not.
    fn number_format(&mut self, value: &Value, at: TypeRef<'_>, path: &str) -> bool {
        let (Value::Number(number), Some(format)) = (value, at.rules().and_then(|rules| rules.format.as_deref()))
        else {
            return true;
        };
        let (float, whole) = (number.as_f64().unwrap_or(0.0), number.is_i64() || number.is_u64());
        let (fits, expected) = match format {
            "int32" => (
                float >= f64::from(i32::MIN) && float <= f64::from(i32::MAX),
                "integer with format int32",
            ),
            "int64" => (!whole || number.is_i64(), "integer with format int64"),
            "float" => (float.abs() <= f64::from(f32::MAX), "number with format float"),
            _ => return true,
        };
        if !fits {
            if format == "int64" {
                // A number that large has become a float before anybody looks at it.
                let message = format!("Invalid value: \"float64\": {path} in body must be of type int64: \"float64\"");
                self.fail(path, Cause::TypeInvalid, message);
            }
            self.checked(expected, path);
        }
        fits
    }

    /// The value is one of the enum's.
    fn allowed(&mut self, value: &Value, at: TypeRef<'_>, path: &str) {
        let allowed = at.rules().map_or(&[][..], |rules| rules.allowed.as_slice());
        let found = !value.is_null() && allowed.iter().any(|allowed| crate::apply::same(allowed, value));
        if !allowed.is_empty() && !found {
            let allowed: Vec<String> = allowed.iter().map(quoted).collect();
            let message = format!(
                "Unsupported value: {}: supported values: {}",
                show(value),
                allowed.join(", ")
            );
            self.fail(path, Cause::NotSupported, message);
        }
    }

    fn members(&mut self, map: &Map, at: TypeRef<'_>, path: &str) {
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
        let mut seen = std::collections::BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let Some(key) = crate::apply::item_key(kind, item) else {
                continue;
            };
            let times = seen.entry(key).or_insert(0_u8);
            *times = times.saturating_add(1);
            // Each value is told once.
            if *times == 2 {
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
        self.allowed(value, at, path);
        match value {
            Value::String(text) => self.text(text, value, rules, path),
            Value::Number(number) => self.number(number.as_f64().unwrap_or(0.0), value, rules, path),
            Value::Array(items) => self.list(items, rules, path),
            Value::Object(map) => self.size(map.len(), rules, path),
            _ => {}
        }
        self.junctors(value, rules, path);
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
            let shown = show(value);
            let message = format!("Invalid value: {shown}: {path} in body must be of type {name}: {shown}");
            self.fail(path, Cause::TypeInvalid, message);
        }
    }

    fn number(&mut self, number: f64, value: &Value, rules: &Rules, path: &str) {
        // For integers the API server cuts what follows the decimal point of a bound.
        let cut = |bound: f64| if value.is_f64() { bound } else { bound.trunc() };
        if let Some((bound, exclusive)) = rules.minimum.map(|(bound, exclusive)| (cut(bound), exclusive))
            && (number < bound || (exclusive && number <= bound))
        {
            let relation = if exclusive {
                "greater than"
            } else {
                "greater than or equal to"
            };
            self.in_body(path, value, &format!("should be {relation} {}", plain(bound)));
        }
        if let Some((bound, exclusive)) = rules.maximum.map(|(bound, exclusive)| (cut(bound), exclusive))
            && (number > bound || (exclusive && number >= bound))
        {
            let relation = if exclusive {
                "less than"
            } else {
                "less than or equal to"
            };
            self.in_body(path, value, &format!("should be {relation} {}", plain(bound)));
        }
        match rules.multiple_of.map(cut) {
            None => {}
            Some(factor) if factor <= 0.0 => {
                let factor = plain(factor);
                let reason = format!("factor MultipleOf declared for {path} must be positive: {factor}");
                self.fail(path, Cause::Invalid, format!("Invalid value: {factor}: {reason}"));
            }
            Some(factor) if (number / factor).fract().abs() > 1e-9 => {
                self.in_body(path, value, &format!("should be a multiple of {}", plain(factor)));
            }
            Some(_) => {}
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

    fn size(&mut self, members: usize, rules: &Rules, path: &str) {
        let count = members as u64;
        if let Some(limit) = rules.max_properties.filter(|limit| count > *limit) {
            self.fail(
                path,
                Cause::TooMany,
                format!("Too many: {count}: must have at most {limit} items"),
            );
        }
        if let Some(limit) = rules.min_properties.filter(|limit| count < *limit) {
            self.in_body(
                path,
                &Value::from(count),
                &format!("should have at least {limit} properties"),
            );
        }
    }

    fn junctors(&mut self, value: &Value, rules: &Rules, path: &str) {
        for junctor in &rules.junctors {
            let faults: Vec<Vec<FieldError>> = junctor
                .members
                .iter()
                .map(|member| {
                    let mut inner = Validator { errors: Vec::new() };
                    inner.value(value, member.root(), path);
                    inner.errors
                })
                .collect();
            let count = faults.iter().filter(|faults| faults.is_empty()).count();
            let none_found = String::from("must validate one and only one schema (oneOf). Found none valid");
            // With the verdict come the faults that led to it: for alternatives those of the first one.
            let (reason, told) = match junctor.kind {
                JunctorKind::AllOf if count < faults.len() => {
                    ("must validate all the schemas (allOf)".to_owned(), faults.len())
                }
                JunctorKind::AnyOf if count == 0 => ("must validate at least one schema (anyOf)".to_owned(), 1),
                JunctorKind::OneOf if count == 0 => (none_found, 1),
                JunctorKind::OneOf if count > 1 => (
                    format!("must validate one and only one schema (oneOf). Found {count} valid alternatives"),
                    0,
                ),
                JunctorKind::Not if count > 0 => ("must not validate the schema (not)".to_owned(), 0),
                _ => continue,
            };
            self.fail("", Cause::Invalid, format!("Invalid value: \"\": \"{path}\" {reason}"));
            let room = MAX_ERRORS.saturating_sub(self.errors.len());
            self.errors.extend(faults.into_iter().take(told).flatten().take(room));
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
        Scalar::IntOrString => "integer,string",
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
