//! How one cluster stands towards its version: pure, from what registry and ledger say.

use jiff::Timestamp;
use model::{Cluster, ClusterVersion, LifecycleStatus, Progress, Update};
use plan::waves::{State, Trouble};

use super::{RunRecord, Turn};
use crate::need::{EXISTING, MANAGE};

/// What a cluster is to be brought to, as far as waves are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Towards {
    /// It is in no wave: it is made or taken down, not managed, or its configuration cannot be found.
    #[default]
    Apart,
    /// It has its version.
    There {
        /// Id of the configuration.
        config: String,
        /// Version and digest of the entry.
        target: String,
    },
    /// It is to get a version.
    Wants {
        /// Id of the configuration.
        config: String,
        /// The version.
        to: String,
        /// Version and digest of the entry.
        target: String,
        /// A block keeps it from it.
        blocked: bool,
    },
}

impl Towards {
    /// From the entry, the configuration that it is to have (`None` where that cannot be found), the digest of its entry, whether
    /// another entry than this was applied, and whether a block of scope `all` holds.
    #[must_use]
    pub fn of(cluster: &Cluster, config: Option<&str>, digest: &str, other_entry: bool, blocked: bool) -> Self {
        let managed =
            cluster.provider != EXISTING || cluster.config_items.get(MANAGE).is_some_and(|value| value == "true");
        let Some(config) = config.filter(|_| managed && cluster.lifecycle_status == LifecycleStatus::Ready) else {
            return Self::Apart;
        };
        let to = ClusterVersion::of(config, cluster);
        let there = ClusterVersion::parse(&cluster.status.current_version) == to && !other_entry;
        let to = to.to_string();
        let (config, target) = (config.to_owned(), format!("{to} {digest}"));
        let unfinished =
            !cluster.status.next_version.is_empty() && cluster.status.next_version != cluster.status.current_version;
        if there && !unfinished {
            return Self::There { config, target };
        }
        Self::Wants {
            config,
            to,
            target,
            blocked,
        }
    }

    /// Id of the configuration.
    #[must_use]
    pub fn config(&self) -> &str {
        match self {
            Self::Apart => "",
            Self::There { config, .. } | Self::Wants { config, .. } => config,
        }
    }
}

/// Whether a cluster may work on its version: it was let begin it, or it had begun before there were waves.
///
/// An entry that is edited while its cluster is being updated does not send the cluster back to the end of the queue: it is in
/// flight already.
#[must_use]
pub(super) fn may_begin(cluster: &Cluster, to: &str, target: &str, turn: Option<&Turn>) -> bool {
    let status = &cluster.status;
    let Some(turn) = turn else {
        return status.next_version == to && !to.is_empty();
    };
    let same_config = ClusterVersion::parse(&turn.version).config == ClusterVersion::parse(to).config;
    let unfinished = !status.next_version.is_empty() && status.next_version == turn.version;
    turn.target == target || status.next_version == to || (same_config && unfinished && turn.channel == cluster.channel)
}

/// How a cluster stands. `running` says that a pass over it is under way here; `update` is its newest update.
#[must_use]
pub fn stands(
    cluster: &Cluster,
    towards: &Towards,
    (turn, run): (Option<&Turn>, Option<&RunRecord>),
    update: Option<(Timestamp, &Update)>,
    (running, since): (bool, Timestamp),
) -> State {
    match towards {
        Towards::Apart => State::Gone,
        Towards::There { target, .. } => {
            let open = run.filter(|run| run.over.is_none());
            let own = turn
                .zip(open)
                .is_some_and(|(turn, run)| turn.run == run.since && turn.target == *target);
            if own { State::Done } else { State::Rests }
        }
        Towards::Wants { blocked: true, .. } => State::Blocked,
        Towards::Wants { to, target, .. } => {
            let begun = may_begin(cluster, to, target, turn);
            if !begun && !running {
                let next = &cluster.status.next_version;
                let broken = !next.is_empty() && *next != cluster.status.current_version;
                return State::NotBegun { since, broken };
            }
            let own = update.filter(|(_, update)| update.to == *to && begun);
            match own {
                Some((at, update)) if update.progress == Progress::Failing => State::Failed {
                    at,
                    troubles: troubles(update),
                },
                _ => State::Updating,
            }
        }
    }
}

/// What went wrong in an update: its steps that fail, or what is said of the whole.
fn troubles(update: &Update) -> Vec<Trouble> {
    let failing = update
        .steps
        .iter()
        .filter(|step| step.progress == Progress::Failing && !step.message.is_empty());
    // A step above others repeats what they say.
    let leaves = failing.clone().filter(|step| {
        let below = format!("{}/", step.path);
        !failing.clone().any(|other| other.path.starts_with(&below))
    });
    let mut troubles: Vec<Trouble> = leaves
        .map(|step| Trouble {
            about: step.path.clone(),
            says: step.message.clone(),
        })
        .collect();
    if troubles.is_empty() {
        troubles.push(Trouble {
            about: String::new(),
            says: update.message.clone(),
        });
    }
    troubles
}
