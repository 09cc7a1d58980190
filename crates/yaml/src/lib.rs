//! YAML as Kubernetes reads it: multi-document streams, YAML 1.1 scalars, canonical printing, field diff.
//!
//! kubectl and the original manager read manifests with a YAML 1.1 library that tolerates much: `0644` is 420, a bare
//! `yes` is `true`, the last of two equal keys wins. This crate keeps those rules, so that an existing tree means what it
//! always meant, and reports each tolerated oddity as a [`Warning`] with its place, so that an author can get rid of it.
//!
//! What this crate deliberately does not do: it knows no Kubernetes kinds, performs no I/O, and never writes
//! CloudFormation text back. The short tags of such templates (`!Ref`, `!Sub`) have no place in a JSON value, so stack
//! templates are passed through as text and only looked at with [`inspect_tags`] or [`load_value`].
//!
//! Main entry points: [`load_documents`] and [`load_value`] for data, [`load_string_map`] for flat maps whose values keep
//! their source text, [`from_str`] for our own strict configuration files, [`to_string`] and [`to_stream`] for canonical
//! printing, [`diff`] for a field-by-field comparison. No error text carries a value of the document, only place and
//! reason: values may be secrets.
//!
//! It is the only crate that uses `serde-saphyr`, so the parser can be changed in one place.
//!
//! ```
//! use serde_json::json;
//! use yaml::{Options, load_documents};
//!
//! let documents = load_documents("mode: 0644\n---\n# nothing\n---\non: yes\n", &Options::manifests())?;
//! assert_eq!(documents.len(), 2);
//! assert_eq!(documents[0].value, json!({"mode": 420}));
//! assert_eq!(documents[1].value, json!({"true": true}));
//! assert_eq!(documents[1].line, 5);
//! assert_eq!(documents[1].warnings.len(), 2);
//! # Ok::<(), yaml::Error>(())
//! ```

mod compose;
mod diff;
mod error;
mod options;
mod print;
mod resolve;
mod tags;
mod typed;

pub use compose::{Document, StringEntry, load_documents, load_string_map, load_value};
pub use diff::{Change, FieldChange, FieldPath, Segment, diff};
pub use error::{Error, Reason, Warning, WarningKind};
pub use options::{Booleans, DuplicateKeys, Limits, Options};
pub use print::{to_stream, to_string};
pub use tags::{TagUse, inspect_tags};
pub use typed::from_str;
