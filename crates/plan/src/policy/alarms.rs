//! What is too old to be silent about.

use serde::{Deserialize, Serialize};

use super::Span;

/// When an alarm begins. It ends by itself as soon as its cause is gone (W6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Alarms {
    /// A block that holds for longer than this is stale.
    pub block: Span,
    /// A cluster that has been behind its channel for longer than this is in version debt.
    pub debt: Span,
    /// A halt or a pause that nobody did anything about for this long.
    pub halt: Span,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            block: Span::hours(7 * 24),
            debt: Span::hours(14 * 24),
            halt: Span::hours(24),
        }
    }
}
