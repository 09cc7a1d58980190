//! Output formats as kubectl's users know them.

use std::str::FromStr;

/// How a result is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The default: a table that fits 80 columns where the data allow.
    Table,
    /// A table with more columns and uncut values.
    Wide,
    /// JSON; one object when one was asked for, otherwise a list in `items`.
    Json,
    /// YAML, likewise.
    Yaml,
    /// `kind/name`, a line each.
    Name,
    /// The result of a JSONPath template.
    Jsonpath(String),
    /// A table with columns of one's own: `HEADER:path,HEADER:path`.
    CustomColumns(String),
}

impl Output {
    /// The formats, for errors and help.
    pub const FORMATS: &'static str = "table, wide, json, yaml, name, jsonpath=TEMPLATE, custom-columns=SPEC";
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, template) = match text.split_once('=') {
            Some((name, template)) => (name, Some(template)),
            None => (text, None),
        };
        match (name, template) {
            ("table", None) => Ok(Self::Table),
            ("wide", None) => Ok(Self::Wide),
            ("json", None) => Ok(Self::Json),
            ("yaml", None) => Ok(Self::Yaml),
            ("name", None) => Ok(Self::Name),
            ("jsonpath", Some(template)) if !template.is_empty() => Ok(Self::Jsonpath(template.to_owned())),
            ("custom-columns", Some(spec)) if !spec.is_empty() => Ok(Self::CustomColumns(spec.to_owned())),
            ("jsonpath", _) => Err("a template must follow, such as jsonpath={.items[*].id}".to_owned()),
            ("custom-columns", _) => {
                Err("columns must follow, such as custom-columns=ID:.id,CHANNEL:.channel".to_owned())
            }
            _ => Err(format!("must be one of {}", Self::FORMATS)),
        }
    }
}
