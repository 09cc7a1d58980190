//! FieldsV1: the form of a field set in managedFields.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
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
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(self.encode(false))
    }

    fn encode(&self, member: bool) -> Map<String, Value> {
        let mut out = Map::new();
        if member {
            out.insert(".".to_owned(), Value::Object(Map::new()));
        }
        let elements: BTreeSet<&PathElement> = self.members.iter().chain(self.children.keys()).collect();
        for element in elements {
            let value = match self.below(element) {
                Some(child) => child.encode(self.members.contains(element)),
                None if self.members.contains(element) => Map::new(),
                None => continue,
            };
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
            if below.is_empty() || below.contains_key(".") {
                set.members.insert(element.clone());
            }
            if !below.is_empty() {
                set.graft(element, Self::decode(value)?);
            }
        }
        Ok(set)
    }
}

impl PathElement {
    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(fields) => {
                let map: Map<String, Value> = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.value().clone()))
                    .collect();
                format!("k:{}", Value::Object(map))
            }
            Self::Value(value) => format!("v:{value}"),
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
                    let field = |(name, value)| Scalar::new(value).map(|value| (name, value));
                    map.into_iter()
                        .map(field)
                        .collect::<Option<Vec<_>>>()
                        .map(Self::Key)
                        .ok_or_else(unknown)
                }
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}
