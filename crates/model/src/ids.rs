//! Names and ids that the registry's path patterns bind (`docs` of the registry API, path parameters).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// Longest id or name, in bytes; a DNS name has the same bound.
pub(crate) const MAX_NAME: usize = 253;

/// True when `text` starts with a lower-case letter, ends with one or a digit, and holds only those and `extra` between.
fn name_like(text: &str, extra: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    matches!(bytes, [first, middle @ .., last]
        if first.is_ascii_lowercase() && plain(last) && middle.iter().all(|b| plain(b) || extra.contains(b)))
}

// Names are shared, not copied: fleets are gone through all the time, and each name is in several maps.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $pattern:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(try_from = "String", into = "String")]
        #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = $pattern, max_length = 253))]
        pub struct $name(Arc<str>);

        impl $name {
            /// The pattern that every value matches.
            pub const PATTERN: &'static str = $pattern;

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                if !name_like(text, $extra) {
                    return Err(Invalid::new($field, concat!("must match `", $pattern, "`"), text));
                }
                if text.len() > MAX_NAME {
                    return Err(Invalid::new($field, format!("must have at most {MAX_NAME} characters"), text));
                }
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// Global id of a cluster, such as `aws:123456789012:eu-central-1:kube-1`.
    ClusterId, "id", "^[a-z][a-z0-9-:]*[a-z0-9]$", b"-:"
);
name_type!(
    /// Id of an infrastructure account, such as `aws:123456789012`.
    AccountId, "infrastructure_account", "^[a-z][a-z0-9-:]*[a-z0-9]$", b"-:"
);
name_type!(
    /// Unique, mutable, human name of a cluster.
    Alias, "alias", "^[a-z][a-z0-9-]*[a-z0-9]$", b"-"
);
name_type!(
    /// Name of a node pool, unique in its cluster.
    NodePoolName, "name", "^[a-z][a-z0-9-]*[a-z0-9]$", b"-"
);
name_type!(
    /// Key of a config item; at least two characters, no upper case, no dash.
    ConfigKey, "config_key", "^[a-z][a-z0-9_]*[a-z0-9]$", b"_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_the_registrys() {
        for (text, id, alias, key) in [
            ("aws:123:eu-central-1:kube-1", true, false, false),
            ("kube-1", true, true, false),
            ("kube_1", false, false, true),
            ("k1", true, true, true),
            ("k", false, false, false),
            ("", false, false, false),
            ("1k", false, false, false),
            ("kube-", false, false, false),
            ("Kube", false, false, false),
            ("kübe", false, false, false),
        ] {
            assert_eq!(text.parse::<ClusterId>().is_ok(), id, "id {text:?}");
            assert_eq!(text.parse::<Alias>().is_ok(), alias, "alias {text:?}");
            assert_eq!(text.parse::<ConfigKey>().is_ok(), key, "key {text:?}");
        }
        assert!("a".repeat(254).parse::<Alias>().is_err());
    }

    #[test]
    fn a_refusal_names_field_rule_and_value() {
        let refused = "Kube_1".parse::<ClusterId>().unwrap_err();
        assert_eq!(
            refused.to_string(),
            r#"id: must match `^[a-z][a-z0-9-:]*[a-z0-9]$`, got "Kube_1""#
        );
        let json = serde_json::from_str::<Alias>("\"A\"").unwrap_err().to_string();
        assert!(json.starts_with("alias: must match"), "{json}");
    }
}
