//! What a refusal looks like: field, rule, value.

use std::fmt;

/// Longest part of an offending value that an error repeats, in characters.
const SHOWN: usize = 64;
/// Longest text that a single-line field may hold, in characters.
pub(crate) const MAX_TEXT: usize = 1024;

/// One refused value: which field, which rule, what was given.
///
/// The value is cut to 64 characters; values that may be secret (config items) are described by length instead, see
/// [`Invalid::hidden`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// Path of the field in its object, such as `node_pools[2].instance_types`.
    pub field: String,
    /// The rule in words, such as ``must match `^[a-z][a-z0-9-]*[a-z0-9]$` ``.
    pub rule: String,
    /// The offending value, cut and quoted, or its description.
    pub value: String,
}

impl Invalid {
    /// Refuses `value` of `field`, repeating the value.
    pub fn new(field: impl Into<String>, rule: impl Into<String>, value: impl fmt::Display) -> Self {
        let text = value.to_string();
        let mut shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self {
            field: field.into(),
            rule: rule.into(),
            value: format!("{shown:?}"),
        }
    }

    /// Refuses a value that must not be repeated, because it may be a secret.
    pub fn hidden(field: impl Into<String>, rule: impl Into<String>, value: &str) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
            value: format!("<{} bytes>", value.len()),
        }
    }

    /// The same refusal with the field placed inside `parent`.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        self.field = if self.field.is_empty() {
            parent.to_owned()
        } else {
            format!("{parent}.{}", self.field)
        };
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, got {}", self.field, self.rule, self.value)
    }
}

/// Rules that a parsed object must meet beyond the shape of its fields.
pub trait Validate {
    /// Adds every broken rule to `problems`; adds nothing when the object is sound.
    fn check(&self, problems: &mut Vec<Invalid>);

    /// All broken rules as an error.
    ///
    /// # Errors
    /// Every [`Invalid`] found, in field order; never an empty list.
    fn validate(&self) -> Result<(), Vec<Invalid>> {
        let mut problems = Vec::new();
        self.check(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// A required line of text: not empty, bounded, printable.
pub(crate) fn check_line(field: &str, value: &str, problems: &mut Vec<Invalid>) {
    if value.is_empty() {
        problems.push(Invalid::new(field, "must not be empty", value));
    } else if value.chars().count() > MAX_TEXT {
        problems.push(Invalid::new(
            field,
            format!("must have at most {MAX_TEXT} characters"),
            value,
        ));
    } else if value.chars().any(char::is_control) {
        problems.push(Invalid::new(field, "must not contain control characters", value));
    }
}
