//! The concerns of a cluster: stacks, manifests, node pools, decommission. Each looks at the world, takes the next step,
//! and looks again; each can be stopped at any step and goes on from what it then finds.

mod coming_down;
mod decommission;
mod drain;
mod karpenter;
mod manifests;
mod pools;
mod stack_move;
mod stack_run;
mod stacks;
mod tally;
pub(crate) mod wanted;

use std::time::Duration;

use jiff::Timestamp;
use ports::{Classified, Fault, Retry};

use crate::desired::chain;
use crate::guard::Refusal;

pub(crate) use decommission::decommission;
pub(crate) use drain::{DrainRun, drain};
pub(crate) use manifests::{ManifestMemory, ManifestRun, components, manifests};
pub(crate) use pools::pools;
pub use stack_move::{Asked, Move, cause, next_move};
pub(crate) use stack_run::{StackMemory, StackRun};
pub(crate) use stacks::{delete_stacks, extra_stacks, main_stacks};
pub(crate) use tally::Tally;

/// What a concern came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Everything is as wanted.
    Done,
    /// Something has to happen that is not ours to do; look again then.
    Wait {
        /// When to look again.
        until: Timestamp,
        /// What waits, on what, since when, until when at most, who can lift it.
        sentence: String,
    },
    /// It failed and is tried again.
    Failed(Failure),
    /// It may not be done now.
    Refused(Refusal),
}

/// A failure, ready to become a problem of the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// One line.
    pub title: String,
    /// More about it; several failures one per line.
    pub detail: String,
    /// What it is about, as a path: `stacks/kube-1`, `manifests/kube-proxy`.
    pub instance: String,
    /// Whose fault it is.
    pub fault: Fault,
    /// Not to be tried before this has passed, if the other side said so.
    pub at_least: Option<Duration>,
}

impl Failure {
    /// From an error of a port.
    pub(crate) fn of<E: std::error::Error + Classified + 'static>(instance: &str, title: &str, error: &E) -> Self {
        Self {
            title: format!("{title}: {error}"),
            detail: chain(error),
            instance: instance.to_owned(),
            fault: error.fault(),
            at_least: match error.retry() {
                Retry::After(time) => Some(time),
                _ => None,
            },
        }
    }

    /// From words.
    pub(crate) fn told(instance: &str, title: impl Into<String>, fault: Fault) -> Self {
        let title = title.into();
        Self {
            detail: title.clone(),
            title,
            instance: instance.to_owned(),
            fault,
            at_least: None,
        }
    }
}

/// A text about something, which many errors name themselves already: it is not said twice.
pub(crate) fn about(subject: &impl std::fmt::Display, text: &str) -> String {
    let subject = subject.to_string();
    match text.starts_with(&subject) {
        true => text.to_owned(),
        false => format!("{subject}: {text}"),
    }
}

impl Finding {
    /// The word in metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Wait { .. } => "waits",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
        }
    }

    /// The worse of two: a refusal ends everything, a failure outweighs a wait.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused(why), _) | (_, Self::Refused(why)) => Self::Refused(why),
            (Self::Failed(mut one), Self::Failed(other)) => {
                one.detail = format!("{}\n{}", one.detail, other.detail);
                one.at_least = one.at_least.max(other.at_least);
                Self::Failed(one)
            }
            (Self::Failed(failure), _) | (_, Self::Failed(failure)) => Self::Failed(failure),
            (
                Self::Wait { until, sentence },
                Self::Wait {
                    until: other,
                    sentence: more,
                },
            ) => Self::Wait {
                until: until.min(other),
                sentence: if sentence == more {
                    sentence
                } else {
                    format!("{sentence}; {more}")
                },
            },
            (wait @ Self::Wait { .. }, Self::Done) | (Self::Done, wait @ Self::Wait { .. }) => wait,
            (Self::Done, Self::Done) => Self::Done,
        }
    }
}

impl From<Refusal> for Finding {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
