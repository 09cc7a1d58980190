//! Times in sentences.

pub use model::words::{ago, moment, span};
