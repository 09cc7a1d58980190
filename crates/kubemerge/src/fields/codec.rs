//! FieldsV1: the form of a field set in managedFields.

use json_tree::{Map, Text, Value};
use thiserror::Error;

use super::{FieldSet, PathElement, Scalar};
use crate::limits::{self, TooDeep};

/// Why a FieldsV1 value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A node of the trie is no map.
    #[error("FieldsV1 must be a map at every level")]
    NotAMap,
    /// A path element is not written as `f:`, `k:`, `v:` or `i:`.
    #[error("FieldsV1 has the unknown path element {element:?}")]
    Element {
        /// The element as written.
        element: String,
    },
    /// Nested too deep.
    #[error(transparent)]
    TooDeep(#[from] TooDeep),
}

impl FieldSet {
    /// The set as FieldsV1.
    ///
    /// The API server writes the members of each level in the order of their path elements, where port 80 comes before port
    /// 443. A [`Value`] sorts them as text. Nothing depends on it: readers take the levels for maps.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(self.encode(false))
    }

    fn encode(&self, member: bool) -> Map {
        let mut out = Map::new();
        if member {
            out.insert(".", Value::Object(Map::new()));
        }
        for (element, node) in &self.nodes {
            // A member with nothing below it is an empty map, without a dot of its own.
            let value = node.below.encode(node.member && !node.below.is_empty());
            out.insert(element.encode(), Value::Object(value));
        }
        out
    }

    /// Reads FieldsV1.
    ///
    /// # Errors
    /// [`DecodeError`] when it is no trie of path elements.
    pub fn from_fields_v1(value: &Value) -> Result<Self, DecodeError> {
        limits::check_depth(value)?;
        Self::decode(value)
    }

    fn decode(value: &Value) -> Result<Self, DecodeError> {
        let map = value.as_object().ok_or(DecodeError::NotAMap)?;
        let mut set = Self::new();
        for (text, value) in map {
            if text == "." {
                continue;
            }
            let element = PathElement::decode(text)?;
            let below = value.as_object().ok_or(DecodeError::NotAMap)?;
            // A node without children is a member even without a dot of its own.
            let member = below.is_empty() || below.contains_key(".");
            set.put(element, member, Self::decode(value)?);
        }
        Ok(set)
    }
}

impl PathElement {
    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(fields) => {
                let map: Map = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.value().clone()))
                    .collect();
                format!("k:{}", escaped(&Value::Object(map)))
            }
            Self::Value(value) => format!("v:{}", escaped(value.value())),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    fn decode(text: &str) -> Result<Self, DecodeError> {
        let unknown = || DecodeError::Element {
            element: text.to_owned(),
        };
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        let json = || serde_json::from_str::<Value>(rest).map_err(|_| unknown());
        match kind {
            "f" => Ok(Self::Field(rest.to_owned())),
            "v" => Scalar::new(json()?).map(Self::Value).ok_or_else(unknown),
            "i" => rest.parse().map(Self::Index).map_err(|_| unknown()),
            "k" => match json()? {
                Value::Object(map) => {
                    let field =
                        |(name, value): (Text, Value)| Scalar::new(value).map(|value| (name.to_string(), value));
                    let fields = map.into_iter().map(field).collect::<Option<Vec<_>>>();
                    fields.map(Self::key).ok_or_else(unknown)
                }
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}

/// JSON as Go's encoder writes it: safe inside HTML.
pub(crate) fn escaped(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}
