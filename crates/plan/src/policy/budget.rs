//! How much may fail before nothing more begins.

use model::{Invalid, Validate};
use serde::{Deserialize, Serialize};

use super::{Share, Span};

/// Failures that are borne. One more, and nothing begins any more until failing clusters are well again, are blocked, or a newer
/// version comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FailureBudget {
    /// Clusters of a canary wave that may fail.
    pub canary: Share,
    /// Clusters of any other wave that may fail.
    pub wave: Share,
    /// Clusters of a channel that may fail at one version, all waves together.
    pub channel: Share,
    /// Clusters that may fail at the same time in all channels together; beyond it nothing begins anywhere.
    pub fleet: Share,
    /// An update that is not done after this time counts as failed.
    pub deadline: Span,
}

impl Default for FailureBudget {
    fn default() -> Self {
        Self {
            canary: Share::Count(0),
            wave: Share::Percent(5),
            channel: Share::Count(3),
            fleet: Share::Count(5),
            deadline: Span::hours(6),
        }
    }
}

impl Validate for FailureBudget {
    fn check(&self, problems: &mut Vec<Invalid>) {
        if self.deadline.is_zero() {
            problems.push(Invalid::new("deadline", "must be longer than nothing", self.deadline));
        }
    }
}
