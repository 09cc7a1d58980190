//! Refusals and warnings: always a place and a reason, never a value of the document.

use std::fmt;

use crate::diff::FieldPath;

/// Longest name of a key that a message repeats.
const SHOWN_KEY: usize = 100;

/// A refusal to read a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct Error {
    /// Line, counted from 1; 0 when the reason concerns the text as a whole.
    pub line: usize,
    /// Column, counted from 1 in characters; 0 when the reason concerns the text as a whole.
    pub column: usize,
    /// Why.
    pub reason: Reason,
}

impl Error {
    pub(crate) fn new(place: (usize, usize), reason: Reason) -> Self {
        Self {
            line: place.0,
            column: place.1,
            reason,
        }
    }
}

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// A key is there twice and the options refuse that.
    #[error("key {key:?} is there twice, first in line {first_line}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// Line of the first one.
        first_line: usize,
    },
    /// A key that is a list or a mapping.
    #[error("a key must be a scalar")]
    ComplexKey,
    /// A key that is null or not there at all.
    #[error("a key must not be null; put it in quotes if that is its name")]
    NullKey,
    /// A `<<` whose value is neither a mapping nor a list of mappings.
    #[error("the value of a merge key must be a mapping or a list of mappings")]
    Merge,
    /// An alias inside the node that it names.
    #[error("an alias is used inside its own anchor")]
    RecursiveAlias,
    /// A tag that its value does not fit.
    #[error("the value does not fit its tag {0}")]
    TagMismatch(&'static str),
    /// `.inf` or `.nan`, which JSON and so Kubernetes cannot hold.
    #[error("infinity and not-a-number have no place in an object")]
    NotFinite,
    /// A limit of the options was passed.
    #[error("{what}, at most {limit} allowed")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// More or fewer documents than the one that was asked for.
    #[error("expected one document, found {0}")]
    DocumentCount(usize),
    /// Not a mapping from names to scalars.
    #[error("expected {expected}")]
    Shape {
        /// What was expected.
        expected: &'static str,
    },
    /// It does not fit the type it was read into.
    #[error("{0}")]
    Type(String),
}

/// Something that is tolerated but should be put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1 in characters.
    pub column: usize,
    /// Where in the document.
    pub path: FieldPath,
    /// What.
    pub kind: WarningKind,
}

/// What is tolerated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// A key is there twice; the last one was taken.
    DuplicateKey {
        /// The key.
        key: String,
        /// Line of the first one.
        first_line: usize,
    },
    /// A bare word that only YAML 1.1 calls a boolean.
    LegacyBoolean {
        /// The word, such as `yes`.
        word: &'static str,
        /// How it was read.
        value: bool,
    },
    /// A merge key after a plain key of the same name: the merged one wins as in kubectl; most other readers let the plain one win.
    MergeAfterKey {
        /// The key.
        key: String,
    },
    /// A tag that means nothing here and was dropped.
    IgnoredTag {
        /// The tag, such as `!Ref`.
        tag: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.kind)
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateKey { key, first_line } => {
                write!(
                    f,
                    "key {key:?} is there twice, first in line {first_line}; the last one wins"
                )
            }
            Self::LegacyBoolean { word, value } => {
                write!(f, "bare {word} is read as {value}; write {value}, or quote it")
            }
            Self::MergeAfterKey { key } => {
                write!(f, "merge key after {key:?}, which it also sets; the merged one wins")
            }
            Self::IgnoredTag { tag } => write!(f, "tag {tag} has no meaning here and is dropped"),
        }
    }
}

/// A key, cut to a length that is fit for a message.
pub(crate) fn shown_key(key: &str) -> String {
    if key.chars().count() <= SHOWN_KEY {
        key.to_owned()
    } else {
        let mut cut: String = key.chars().take(SHOWN_KEY).collect();
        cut.push('…');
        cut
    }
}
