//! What became of each object.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::plan::{PlanWarning, Rule};
use crate::counters::Counts;
use crate::diff::FieldChange;
use crate::error::AccessError;
use crate::resource::ObjectKey;

/// What became of an object. In dry-run mode: what would become of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It was changed to what git wants now.
    Configured {
        /// The fields, where the object was read before; else empty.
        changes: Vec<FieldChange>,
    },
    /// Nothing had to be done.
    Unchanged,
    /// Somebody had changed or deleted what we applied.
    Drifted {
        /// What is to be set back; empty if the whole object was gone.
        changes: Vec<FieldChange>,
        /// Whether it was set back.
        corrected: bool,
    },
    /// It was deleted and made anew, because these fields cannot change in place.
    Recreated {
        /// The fields.
        fields: Vec<String>,
    },
    /// The cluster did not take it.
    Failed {
        /// Why.
        error: AccessError,
    },
    /// It was not tried, because something that it needs failed.
    HeldBack {
        /// What failed.
        by: ObjectKey,
        /// Why it needs it.
        rule: Rule,
    },
}

impl Outcome {
    /// The word for it, as in summaries.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured { .. } => "configured",
            Self::Unchanged => "unchanged",
            Self::Drifted { .. } => "drifted",
            Self::Recreated { .. } => "recreated",
            Self::Failed { .. } => "failed",
            Self::HeldBack { .. } => "held back",
        }
    }

    /// True if the object is now what git wants.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !matches!(
            self,
            Self::Failed { .. } | Self::HeldBack { .. } | Self::Drifted { corrected: false, .. }
        )
    }

    /// True if others that need the object may go on.
    pub(crate) fn lets_others_go_on(&self) -> bool {
        !matches!(self, Self::Failed { .. } | Self::HeldBack { .. })
    }
}

/// One object's result.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectResult {
    /// The object.
    pub key: ObjectKey,
    /// The component that it comes from.
    pub component: String,
    /// What became of it.
    pub outcome: Outcome,
    /// When its turn began.
    pub started: Timestamp,
    /// How long it took.
    pub took: Duration,
}

/// The results of a pass, in the order of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplyReport {
    /// One result an object.
    pub results: Vec<ObjectResult>,
    /// Oddities of the plan.
    pub warnings: Vec<PlanWarning>,
    /// Warnings of the server, such as unknown fields.
    pub server_warnings: Vec<String>,
    /// True if nothing was written, because of dry-run mode.
    pub dry_run: bool,
    /// What the pass asked of the cluster.
    pub calls: Counts,
    /// How long the pass took.
    pub took: Duration,
}

impl ApplyReport {
    /// How many objects had each outcome.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<&'static str, usize> {
        let mut out = BTreeMap::new();
        for result in &self.results {
            *out.entry(result.outcome.word()).or_insert(0) += 1;
        }
        out
    }

    /// The objects that are not what git wants.
    pub fn bad(&self) -> impl Iterator<Item = &ObjectResult> {
        self.results.iter().filter(|result| !result.outcome.is_good())
    }

    /// True if every object is what git wants.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.bad().next().is_none()
    }
}

impl fmt::Display for ApplyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for result in &self.results {
            write!(f, "{}: {}", result.key, result.outcome.word())?;
            match &result.outcome {
                Outcome::Failed { error } => write!(f, ": {error}")?,
                Outcome::HeldBack { by, rule } => write!(f, " by {by}: {rule}")?,
                Outcome::Configured { changes } | Outcome::Drifted { changes, .. } if !changes.is_empty() => {
                    let paths: Vec<String> = changes.iter().map(|change| change.path.to_string()).collect();
                    write!(f, ": {}", paths.join(", "))?;
                }
                Outcome::Recreated { fields } => write!(f, ": {}", fields.join(", "))?,
                _ => {}
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Something that happens during a pass, told when it happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody changed what we applied. Told before anything is set back.
    Drift {
        /// The object.
        key: ObjectKey,
        /// What will be, or would be, set back; empty if the object is gone.
        changes: Vec<FieldChange>,
    },
    /// Fields of client-side writers are about to become ours.
    Adopting {
        /// The object.
        key: ObjectKey,
    },
    /// An object is about to be deleted so that it can be made anew.
    Recreating {
        /// The object.
        key: ObjectKey,
        /// The fields that cannot change in place.
        fields: Vec<String>,
    },
    /// A definition was applied and is not established yet.
    Waiting {
        /// The definition.
        key: ObjectKey,
        /// How long at most.
        patience: Duration,
    },
    /// An object is done.
    Done(ObjectResult),
}

/// Receives events; a log, a progress bar, a history.
pub trait Reporter: Send + Sync {
    /// One event. It is called in the order of things and must not block.
    fn event(&self, event: &Event);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _event: &Event) {}
}
