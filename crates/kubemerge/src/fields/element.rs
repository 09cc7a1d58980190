//! One step of a path, and how it is written.

use std::cmp::Ordering;
use std::fmt;

use json_tree::Value;

/// One step of a path. The order is that of the API server: fields, keys, values, indices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// `f:` a member of a map or struct.
    Field(String),
    /// `k:` an item of a list map, by its key fields in order of their names.
    Key(Vec<(String, Scalar)>),
    /// `v:` an item of a set.
    Value(Scalar),
    /// `i:` an item by its place; only ever read, never written by this crate.
    Index(i64),
}

impl PathElement {
    /// A member of a map or struct.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    /// An item of a list map; the key fields may come in any order.
    #[must_use]
    pub fn key(mut fields: Vec<(String, Scalar)>) -> Self {
        fields.sort();
        Self::Key(fields)
    }
}

/// A value without structure that can be compared and ordered.
#[derive(Debug, Clone)]
pub struct Scalar(Value);

impl Scalar {
    /// Takes a value that is neither list nor map. A number without a fraction becomes an integer: Go prints 1.0 as 1.
    #[must_use]
    pub fn new(value: Value) -> Option<Self> {
        match &value {
            Value::Array(_) | Value::Object(_) => None,
            Value::Number(number) if number.is_f64() => {
                let whole = number
                    .as_f64()
                    .filter(|float| float.fract() == 0.0 && float.abs() < 1e15);
                let integer = whole.and_then(|float| format!("{float:.0}").parse::<i64>().ok());
                Some(Self(integer.map_or(value, Value::from)))
            }
            _ => Some(Self(value)),
        }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    fn rank(&self) -> u8 {
        match self.0 {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            _ => 3,
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Value::Number(a), Value::Number(b)) => numbers(a, b),
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Integers compare exactly, everything else as floating point.
pub(crate) fn numbers(a: &json_tree::Number, b: &json_tree::Number) -> Ordering {
    match (a.as_i64(), b.as_i64(), a.as_u64(), b.as_u64()) {
        (Some(a), Some(b), _, _) => a.cmp(&b),
        (_, _, Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (place, (name, value)) in fields.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A path from the root of an object, written as `.spec.containers[name="app"].image`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<PathElement>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| write!(f, "{element}"))
    }
}
