//! The time that windows and freezes must leave.

use model::{Invalid, Validate};
use serde::{Deserialize, Serialize};

use super::Span;

/// The floor: in each period of `every`, a cluster that is behind has at least `time` in which its update may begin. When windows
/// and freezes leave less, the last part of the period is open although they say otherwise: unpatched clusters are a risk too.
///
/// Periods are counted from Monday, 1 January 2024, midnight UTC, so that everybody can compute them in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Floor {
    /// The guaranteed time; `0s` for no guarantee.
    pub time: Span,
    /// The period.
    pub every: Span,
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            time: Span::hours(48),
            every: Span::hours(28 * 24),
        }
    }
}

impl Validate for Floor {
    fn check(&self, problems: &mut Vec<Invalid>) {
        if self.every < Span::hours(24) || self.every > Span::hours(366 * 24) {
            problems.push(Invalid::new("every", "must be 1d to 366d", self.every));
        }
        if self.time > self.every {
            problems.push(Invalid::new("time", "must not be longer than the period", self.time));
        }
    }
}
