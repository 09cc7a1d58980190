//! What the manager keeps in mind of each cluster. All of it can be lost: the registry has what counts.

use std::sync::Arc;

use futures::future::AbortHandle;
use jiff::Timestamp;
use ports::config_source::CombinedVersion;

use crate::desired::Subject;
use crate::guard::Generation;
use crate::inputs;
use crate::manager::Seen;
use crate::need::Cause;
use crate::pass::ClusterMemory;
use crate::queue::{Queue, Waiting};
use crate::turns::Turns;
use crate::waves::Towards;

/// How a cluster stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Not looked at yet.
    New,
    /// As wanted, in one sentence.
    AsWanted(String),
    /// Held by a block, in one sentence.
    Blocked(String),
    /// It will be worked on, for this cause.
    Queued(String),
    /// It is being worked on.
    Running,
    /// It waits for something, in one sentence.
    Waiting(String),
    /// It failed and is tried again.
    Failing(String),
    /// Its run was stopped.
    Stopped(String),
}

impl Standing {
    /// The word in metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::AsWanted(_) => "as-wanted",
            Self::Blocked(_) => "blocked",
            Self::Queued(_) => "queued",
            Self::Running => "running",
            Self::Waiting(_) => "waiting",
            Self::Failing(_) => "failing",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// One cluster.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) subject: Subject,
    pub(crate) standing: Standing,
    /// The version that is being brought about, or `decommissioned`.
    pub(crate) target: Option<String>,
    /// What waves let it begin, or not.
    pub(crate) towards: Arc<Towards>,
    /// Where that version is read from.
    pub(crate) version: Option<CombinedVersion>,
    pub(crate) generation: Generation,
    pub(crate) failures: u32,
    pub(crate) waits_until: Option<Timestamp>,
    pub(crate) last_run: Option<Timestamp>,
    pub(crate) drifted: bool,
    pub(crate) memory: ClusterMemory,
    /// The back-offs of its concerns.
    pub(crate) turns: Turns,
    /// Digest of the entry as it is.
    pub(crate) digest: String,
    /// Digest of the entry that it was brought to last, if that is known.
    pub(crate) inputs: Option<String>,
    /// What other replicas did.
    pub(crate) seen: Seen,
    /// Ends the watch for drift.
    pub(crate) watch: Option<AbortHandle>,
}

impl Cell {
    pub(crate) fn new(subject: Subject, turns: Turns) -> Self {
        Self {
            digest: inputs::digest(&subject.cluster),
            subject,
            standing: Standing::New,
            target: None,
            towards: Arc::default(),
            version: None,
            generation: Generation::default(),
            failures: 0,
            waits_until: None,
            last_run: None,
            drifted: false,
            memory: ClusterMemory::default(),
            turns,
            inputs: None,
            seen: Seen::default(),
            watch: None,
        }
    }

    /// Ends the watch for drift: a pass is about to write.
    pub(crate) fn unwatch(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }

    /// Notes how it stands and what is wanted. When nothing is wanted any more, a run that is under way ends at its next step.
    pub(crate) fn settle(&mut self, standing: Standing, target: Option<String>) {
        if target.is_none() && self.target.is_some() {
            self.generation.advance();
        }
        if target.is_none() {
            self.waits_until = None;
        }
        self.target = target;
        self.standing = standing;
    }

    /// Queues the cluster for a later moment; with the places of fast lanes if it is one of theirs.
    pub(crate) fn again(&mut self, queue: &mut Queue, due: Timestamp, standing: Standing, urgent: bool) {
        self.standing = standing;
        self.waits_until = Some(due);
        let cause = match self.version {
            Some(_) => Cause::Unfinished,
            None => Cause::Decommission,
        };
        let waiting = Waiting {
            account: self.subject.cluster.infrastructure_account.to_string(),
            cause,
            due,
            failures: self.failures,
            last_run: self.last_run,
            urgent,
            place: 0,
        };
        queue.put(&self.subject.cluster.id.clone(), waiting);
    }
}
