//! Kubernetes patch semantics: JSON, merge, strategic merge and server-side apply; managed fields; structural schemas.
//!
//! This crate does what the API server does between "the request is decoded" and "the object is stored", on plain
//! [`json_tree::Value`]s. It reads no clock, does no I/O and knows no client: times and type descriptions are given to it.
//!
//! - [`json_patch`], [`merge_patch`]: the two generic patches, bounded.
//! - [`apply`]: server-side apply and managed fields ([`apply::apply`], [`apply::update`], [`apply::adopt`]); [`fields`]: sets of
//!   field paths.
//! - [`schema`]: the structure of built-in kinds ([`schema::builtin()`]) and of custom resources ([`schema::from_crd`]).
//! - [`strategic`]: strategic merge patch of built-in kinds.
//! - [`structural`]: pruning, defaulting, validation and unknown fields of custom resources.
//!
//! What it answers is compared with Kubernetes: `tests/it/oracle` with Go's structured-merge-diff on random sequences, the example
//! `replay` with requests recorded at an API server, `tests/data` with the answers of one to custom resources.
//!
//! It does not convert between versions of a kind: owners of all versions are read by one schema. It does not evaluate CEL rules, does not run admission and does not know defaults that only the server's code knows.
//!
//! ```
//! use json_tree::json;
//! let doc = json!({"spec": {"replicas": 1, "paused": true}});
//! let out = kubemerge::merge_patch::apply(&doc, &json!({"spec": {"paused": null}})).unwrap();
//! assert_eq!(out, json!({"spec": {"replicas": 1}}));
//! ```

pub mod apply;
pub mod fields;
pub mod json_patch;
pub mod limits;
pub mod merge_patch;
pub mod schema;
pub mod strategic;
pub mod structural;
