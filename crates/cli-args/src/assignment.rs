//! `KEY=VALUE` of `set config-item`.

use std::path::PathBuf;
use std::str::FromStr;

/// A config item to set: its key and where its value comes from. The key is checked by the registry's rules later, with
/// the rest of the request.
#[derive(Clone, PartialEq, Eq)]
pub enum ItemAssignment {
    /// `KEY=VALUE`.
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// `KEY=-`: the value is what standard input holds.
    Stdin {
        /// The key.
        key: String,
    },
}

/// Values may be secrets and parse errors print arguments, so only the key shows.
impl std::fmt::Debug for ItemAssignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = match self {
            Self::Value { key, .. } | Self::Stdin { key } => key,
        };
        write!(f, "ItemAssignment({key})")
    }
}

impl FromStr for ItemAssignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = split(text, "KEY=VALUE, or KEY=- for standard input")?;
        Ok(match value {
            "-" => Self::Stdin { key },
            value => Self::Value {
                key,
                value: value.to_owned(),
            },
        })
    }
}

/// Parses `KEY=PATH` of `--from-file`.
pub(crate) fn key_and_path(text: &str) -> Result<(String, PathBuf), String> {
    let (key, path) = split(text, "KEY=PATH")?;
    if path.is_empty() {
        return Err(format!("the path of {key} is empty"));
    }
    Ok((key, PathBuf::from(path)))
}

fn split<'a>(text: &'a str, form: &str) -> Result<(String, &'a str), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value)),
        _ => Err(format!("must have the form {form}")),
    }
}
