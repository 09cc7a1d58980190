//! Which members left git. Pure.

use std::fmt;

use crate::apply::{ApplyPlan, Observation, Observed, digest};
use crate::resource::{GroupKind, ObjectKey};

/// The turn of an object in a prune; all of a rank are gone before a later one that contains them begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Admission webhooks, policies and aggregated APIs: first, so that nothing asks what is about to go.
    Hooks,
    /// Custom resources, while the controllers that finish them still run.
    Instances,
    /// Everything else.
    Others,
    /// Definitions, after their instances.
    Definitions,
    /// Namespaces.
    Namespaces,
}

impl Rank {
    /// The rank of a kind.
    #[must_use]
    pub fn of(kind: &GroupKind) -> Self {
        match (kind.group.as_str(), kind.kind.as_str()) {
            ("", "Namespace") => Self::Namespaces,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Definitions,
            ("admissionregistration.k8s.io", _) | ("apiregistration.k8s.io", _) => Self::Hooks,
            // Groups of the project itself have no dot or end in k8s.io; custom ones in k8s.io lose only their head start.
            (group, _) if group.contains('.') && !group.ends_with(".k8s.io") => Self::Instances,
            _ => Self::Others,
        }
    }
}

/// A member that git does not want any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneItem {
    /// The object.
    pub key: ObjectKey,
    /// Its identity: another object of the same name is not meant.
    pub uid: String,
    /// Its turn.
    pub rank: Rank,
}

/// Why something with the set's label stays although git does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptReason {
    /// The label is not one that we applied: somebody copied it.
    NotOurs,
    /// A controller made it for another object, and removes it with that.
    Controlled,
    /// It is being deleted already.
    Deleting,
    /// It asks to be kept ([`crate::apply::KEEP_ANNOTATION`]).
    Protected,
    /// Objects that we did not make are in it; this is one of them.
    Contents(ObjectKey),
    /// The caller took it out of the plan: something else has to be gone first.
    HeldBack,
}

impl fmt::Display for KeptReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("its label was copied, we did not apply it"),
            Self::Controlled => f.write_str("it belongs to another object"),
            Self::Deleting => f.write_str("it is being deleted already"),
            Self::Protected => f.write_str("its annotation asks to keep it"),
            Self::HeldBack => f.write_str("something else has to be gone first"),
            Self::Contents(key) => write!(f, "it still holds {key}, which is not ours to delete"),
        }
    }
}

/// Something that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The object.
    pub key: ObjectKey,
    /// Why.
    pub reason: KeptReason,
}

/// What a prune would delete. A value: it can be shown, stored, consented to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunePlan {
    /// The set.
    pub set: String,
    /// What would be deleted, in order.
    pub items: Vec<PruneItem>,
    /// What has the label and stays.
    pub kept: Vec<Kept>,
    /// How many members there are altogether.
    pub members: usize,
    /// How many objects git wants.
    pub wanted: usize,
}

/// Somebody's agreement to exactly one prune.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// How many objects go.
    pub count: usize,
    /// [`PrunePlan::hash`] of what was agreed to.
    pub hash: String,
    /// Who agreed.
    pub by: String,
}

/// How much may go without consent: `objects` or `percent` of the members, whichever is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// So many always may.
    pub objects: usize,
    /// So many of a hundred members may.
    pub percent: usize,
}

impl Default for Threshold {
    /// A component of average size may go, a tenth of the cluster may not.
    fn default() -> Self {
        Self {
            objects: 10,
            percent: 5,
        }
    }
}

/// Why a prune is not carried out (V9).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PruneRefusal {
    /// It is above the threshold and nobody agreed.
    #[error("prune of {count} of {members} objects needs consent (allowed without: {allowed})")]
    NeedsConsent {
        /// How many would go.
        count: usize,
        /// Of how many.
        members: usize,
        /// How many may go without.
        allowed: usize,
    },
    /// Somebody agreed to something else.
    #[error("the consent of {by} is for {agreed} objects and another selection, the prune is of {count}")]
    OtherConsent {
        /// Who agreed.
        by: String,
        /// To how many.
        agreed: usize,
        /// How many would go.
        count: usize,
    },
}

impl ports::Classified for PruneRefusal {
    fn fault(&self) -> ports::Fault {
        ports::Fault::User
    }

    fn retry(&self) -> ports::Retry {
        ports::Retry::Never
    }
}

impl PrunePlan {
    /// Takes items out of the plan that have to wait for something. They stay members, so a later plan has them again.
    pub fn hold_back(&mut self, waits: impl Fn(&PruneItem) -> bool) {
        let (held, items) = std::mem::take(&mut self.items)
            .into_iter()
            .partition(|item| waits(item));
        self.items = items;
        let held: Vec<PruneItem> = held;
        self.kept.extend(held.into_iter().map(|item| Kept {
            key: item.key,
            reason: KeptReason::HeldBack,
        }));
    }

    /// A digest of the set and of exactly the objects that go, with their identities.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut text = self.set.clone();
        for item in &self.items {
            text.push('\n');
            text.push_str(&item.key.to_string());
            text.push(' ');
            text.push_str(&item.uid);
        }
        digest(text.as_bytes())
    }

    /// The consent that would be needed, in the name of somebody who has seen the plan.
    #[must_use]
    pub fn consent(&self, by: &str) -> Consent {
        Consent {
            count: self.items.len(),
            hash: self.hash(),
            by: by.to_owned(),
        }
    }

    /// Whether it may be carried out. If git wants nothing at all, consent is always needed: that is what a broken checkout
    /// looks like.
    ///
    /// # Errors
    /// If consent is needed and missing, or given for something else.
    pub fn allowed(&self, threshold: Threshold, consent: Option<&Consent>) -> Result<(), PruneRefusal> {
        let count = self.items.len();
        if let Some(consent) = consent {
            if consent.count == count && consent.hash == self.hash() {
                return Ok(());
            }
            return Err(PruneRefusal::OtherConsent {
                by: consent.by.clone(),
                agreed: consent.count,
                count,
            });
        }
        let share = self.members.saturating_mul(threshold.percent) / 100;
        let allowed = if self.wanted == 0 {
            0
        } else {
            threshold.objects.max(share)
        };
        if count > allowed {
            return Err(PruneRefusal::NeedsConsent {
                count,
                members: self.members,
                allowed,
            });
        }
        Ok(())
    }
}

impl fmt::Display for PrunePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            writeln!(f, "delete {}", item.key)?;
        }
        for kept in &self.kept {
            writeln!(f, "keep {}: {}", kept.key, kept.reason)?;
        }
        Ok(())
    }
}

/// Finds the members that git does not want: those that carry our label because we applied it, and nothing else (V11).
#[must_use]
pub fn plan_prune(set: &str, plan: &ApplyPlan, observation: &Observation) -> PrunePlan {
    let wanted = plan.keys();
    let mut items = Vec::new();
    let mut kept = Vec::new();
    for (key, observed) in observation.objects().filter(|(key, _)| !wanted.contains(*key)) {
        match kept_reason(observed) {
            Some(reason) => kept.push(Kept {
                key: key.clone(),
                reason,
            }),
            None => items.push(PruneItem {
                key: key.clone(),
                uid: observed.uid.clone(),
                rank: Rank::of(&key.kind),
            }),
        }
    }
    items.sort_by(|a, b| (a.rank, &a.key).cmp(&(b.rank, &b.key)));
    PrunePlan {
        set: set.to_owned(),
        items,
        kept,
        members: observation.objects().filter(|(_, observed)| observed.ours).count(),
        wanted: wanted.len(),
    }
}

/// Why an object with the label stays.
pub(crate) fn kept_reason(observed: &Observed) -> Option<KeptReason> {
    match observed {
        Observed { ours: false, .. } => Some(KeptReason::NotOurs),
        Observed { controlled: true, .. } => Some(KeptReason::Controlled),
        Observed { deleting: true, .. } => Some(KeptReason::Deleting),
        Observed { protected: true, .. } => Some(KeptReason::Protected),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
