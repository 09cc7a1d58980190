//! What config items may be: from the defaults, sharpened by an optional `cluster/config-schema.yaml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Path of the schema in a source.
pub const SCHEMA_PATH: &str = "cluster/config-schema.yaml";

/// Kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ItemType {
    /// Any text.
    #[default]
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A Kubernetes quantity such as `100m` or `2Gi`.
    Quantity,
    /// A Go duration such as `1h30m`.
    Duration,
}

impl ItemType {
    /// Whether a value is of this type. The empty string means "not set" and fits all.
    #[must_use]
    pub fn accepts(self, value: &str) -> bool {
        value.is_empty()
            || match self {
                Self::String => true,
                Self::Boolean => matches!(value, "true" | "false"),
                Self::Integer => value.parse::<i64>().is_ok(),
                Self::Number => value.parse::<f64>().is_ok_and(f64::is_finite),
                Self::Quantity => value.parse::<model::quantity::Quantity>().is_ok(),
                Self::Duration => value.parse::<model::duration::GoDuration>().is_ok(),
            }
    }

    /// Name as the schema spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Quantity => "quantity",
            Self::Duration => "duration",
        }
    }

    /// The type that a default suggests.
    #[must_use]
    pub fn of_default(value: &str) -> Self {
        match value {
            "true" | "false" => Self::Boolean,
            _ if value.parse::<i64>().is_ok() => Self::Integer,
            _ => Self::String,
        }
    }
}

/// What is known about one config item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemSchema {
    /// Kind of value.
    #[serde(rename = "type")]
    pub kind: ItemType,
    /// Allowed values; empty means any.
    pub allowed: Vec<String>,
    /// Whether the value is a secret; decided by the name of the key if absent.
    pub secret: Option<bool>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Environments in which it may be set; empty means all.
    pub environments: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// All known config items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schema {
    /// Items by key.
    pub items: BTreeMap<String, ItemSchema>,
}

impl Schema {
    /// Reads a `config-schema.yaml`.
    ///
    /// # Errors
    /// [`yaml::Error`] with place and reason.
    pub fn parse(text: &str) -> Result<Self, yaml::Error> {
        Ok(yaml::from_str::<Option<Self>>(text)?.unwrap_or_default())
    }

    /// Adds the items that only the defaults know, with the type that their value suggests.
    #[must_use]
    pub fn with_defaults<'d>(mut self, defaults: impl IntoIterator<Item = (&'d str, &'d str)>) -> Self {
        for (key, value) in defaults {
            self.items.entry(key.to_owned()).or_insert_with(|| ItemSchema {
                kind: ItemType::of_default(value),
                ..ItemSchema::default()
            });
        }
        self
    }

    /// Whether the value of a key must not be shown.
    #[must_use]
    pub fn is_secret(&self, key: &str, value: &str) -> bool {
        let declared = self.items.get(key).and_then(|item| item.secret);
        declared.unwrap_or_else(|| model::secrets::is_secret(key, value))
    }
}
