//! What an apply may do without asking.

use std::collections::BTreeSet;
use std::time::Duration;

use super::adopt::CLIENT_SIDE_MANAGERS;
use crate::error::FieldConflict;

/// An annotation by which an object allows that it is deleted and made anew when a field changes that cannot change in place.
pub const RECREATE_ANNOTATION: &str = "fleetwright.dev/recreate";

/// What to do about fields that others own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Conflicts {
    /// Report them; the object is left alone.
    #[default]
    Report,
    /// Take them from these managers, report all others.
    ForceFrom(BTreeSet<String>),
    /// Take them from everybody.
    Force,
}

impl Conflicts {
    /// True if all of these fields may be taken.
    #[must_use]
    pub fn may_force(&self, conflicts: &[FieldConflict]) -> bool {
        match self {
            Self::Report => false,
            Self::ForceFrom(managers) => conflicts.iter().all(|conflict| managers.contains(&conflict.manager)),
            Self::Force => true,
        }
    }
}

/// What to do about fields that we applied and that somebody changed since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drift {
    /// Report them, then set them back.
    #[default]
    Correct,
    /// Report them only.
    Report,
}

/// When an object may be deleted and made anew because a field cannot change in place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recreate {
    /// When the object in git has [`RECREATE_ANNOTATION`] set to `true`.
    #[default]
    Annotated,
    /// Never.
    Never,
    /// Always.
    Always,
}

/// What an apply may do without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How many objects are on their way at the same time.
    pub concurrency: usize,
    /// Managers whose fields become ours ([`CLIENT_SIDE_MANAGERS`]).
    pub adopt_from: Vec<String>,
    /// Fields of other managers.
    pub conflicts: Conflicts,
    /// Fields that were changed behind our back.
    pub drift: Drift,
    /// Fields that cannot change.
    pub recreate: Recreate,
    /// How long a definition may take to be established, and a deleted object to be gone.
    pub patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            concurrency: 8,
            adopt_from: CLIENT_SIDE_MANAGERS.map(str::to_owned).to_vec(),
            conflicts: Conflicts::default(),
            drift: Drift::default(),
            recreate: Recreate::default(),
            patience: Duration::from_secs(60),
        }
    }
}
