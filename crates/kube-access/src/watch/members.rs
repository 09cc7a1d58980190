//! Watching the members of a set, so that a pass over a cluster where nothing changed makes no call.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::feed::WatchOptions;
use super::merge::{Mirror, WatchSet};
use crate::access::Access;
use crate::apply::{Observation, Observed};
use crate::applyset::{ApplySet, PART_OF};
use crate::discovery::Kinds;
use crate::error::AccessError;
use crate::list::Selection;
use crate::resource::GroupKind;

impl WatchSet<Observed> {
    /// Watches the members of a set: only metadata is transferred, and only versions and digests are kept.
    #[must_use]
    pub fn members(access: &Access, set: &ApplySet, wanted: &BTreeSet<GroupKind>, kinds: &Kinds) -> Self {
        let options = WatchOptions {
            selection: Selection::labelled(&format!("{PART_OF}={}", set.id())),
            ..WatchOptions::default()
        };
        let served = wanted.iter().filter_map(|id| kinds.preferred(id));
        let served = served.filter(|kind| kind.can("list") && kind.can("watch"));
        let manager = access.field_manager().to_owned();
        Self::new(
            access,
            served.map(|kind| (kind.clone(), options.clone())),
            Arc::new(move |object| Observed::of(object, &manager)),
        )
    }
}

impl Mirror<Observed> {
    /// What is known of the members, if all of these kinds were read completely and can be read; else an error (V12).
    ///
    /// # Errors
    /// The first kind that is not known, or the trouble with it.
    pub fn observation(&self, wanted: &BTreeSet<GroupKind>) -> Result<Observation, AccessError> {
        for kind in wanted {
            if let Some(error) = self.trouble.get(kind) {
                return Err(error.clone());
            }
            if !self.kinds.contains_key(kind) {
                return Err(AccessError::NoAnswer {
                    subject: format!("members of kind {kind}"),
                    why: "they were not read completely yet".to_owned(),
                });
            }
        }
        Ok(Observation {
            kinds: self.kinds.clone(),
        })
    }
}
