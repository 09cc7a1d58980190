//! The history of an update as it happens: every step with its times, attempts and sentence, in the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{ClusterId, HealthVerdict, Progress, Update, UpdateStep};
use ports::ledger::{EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::PageRequest;
use ports::{Clock, Ledger, RegistryError, WriteContext};

/// Notes in the open update of a cluster that a pass was let go in the middle; the next pass goes on with it or closes it.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn interrupted(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    sentence: &str,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let filter = EntryFilter {
        cluster: Some(cluster.clone()),
        open: Some(true),
        ..EntryFilter::of(EntryKind::update())
    };
    for entry in ledger.list_entries(&filter, &PageRequest::all()).await?.items {
        let Ok(mut update) = serde_json::from_value::<Update>(entry.body) else {
            continue;
        };
        update.progress = Progress::Waiting;
        sentence.clone_into(&mut update.message);
        put(ledger, cluster, entry.id, &update, context).await?;
    }
    Ok(())
}

async fn put(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    id: EntryId,
    update: &Update,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let draft = EntryDraft {
        kind: EntryKind::update(),
        id,
        cluster: Some(cluster.clone()),
        open: !update.progress.is_over(),
        body: serde_json::to_value(update).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await.map(drop)
}

/// A step that is open when its update ends: an earlier pass waited or failed there, and the last one did not come by again.
fn settle(step: &mut UpdateStep, end: Progress) {
    if end == Progress::Done {
        // What failed or waited was not needed in the end: consent to a prune that is none any more, a template that was mended.
        step.progress = Progress::Skipped;
        step.message = match step.message.is_empty() {
            true => "not needed in the end".to_owned(),
            false => format!("not needed in the end; before: {}", step.message),
        };
    } else {
        step.progress = Progress::Stopped;
    }
}

/// The update of one cluster that is being written down.
#[derive(Clone)]
pub struct Journal {
    cluster: ClusterId,
    id: EntryId,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    context: WriteContext,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    update: Update,
    saved: Option<Update>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("cluster", &self.cluster)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Journal {
    /// Goes on with the open update of the cluster to the same version, or begins a new one and closes those that it
    /// overtakes. The new one is there once it is saved, which comes before its first step.
    ///
    /// # Errors
    /// Those of the ledger.
    pub async fn open(
        cluster: &ClusterId,
        id: EntryId,
        begun: Update,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        context: WriteContext,
    ) -> Result<Self, RegistryError> {
        let filter = EntryFilter {
            cluster: Some(cluster.clone()),
            open: Some(true),
            ..EntryFilter::of(EntryKind::update())
        };
        let mut journal = Self {
            cluster: cluster.clone(),
            id,
            ledger,
            clock,
            context,
            state: Arc::default(),
        };
        let open = journal.ledger.list_entries(&filter, &PageRequest::all()).await?;
        let mut known = None;
        for entry in open.items {
            let Ok(update) = serde_json::from_value::<Update>(entry.body) else {
                continue;
            };
            if update.to == begun.to && known.is_none() {
                known = Some((entry.id, update));
            } else {
                let other = Self {
                    id: entry.id,
                    state: Arc::new(Mutex::new(State { update, saved: None })),
                    ..journal.clone()
                };
                other
                    .finish(Progress::Stopped, &format!("overtaken by version {}", begun.to))
                    .await?;
            }
        }
        let update = match known {
            Some((id, update)) => {
                journal.id = id;
                update
            }
            None => Update {
                started_at: Some(journal.clock.now()),
                progress: Progress::Running,
                ..begun
            },
        };
        journal.state = Arc::new(Mutex::new(State { update, saved: None }));
        Ok(journal)
    }

    /// Id of the entry.
    #[must_use]
    pub fn id(&self) -> &EntryId {
        &self.id
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The update as it is.
    #[must_use]
    pub fn update(&self) -> Update {
        self.state().update.clone()
    }

    /// When a step began for the first time, and whether it is over; `None` when it has not begun.
    #[must_use]
    pub(crate) fn since(&self, path: &str) -> Option<(jiff::Timestamp, bool)> {
        let state = self.state();
        let step = state.update.steps.iter().find(|step| step.path == path)?;
        Some((step.started_at?, step.progress.is_over()))
    }

    /// Notes that a step begins, once more perhaps.
    pub fn begin(&self, path: &str) {
        let now = self.clock.now();
        self.step(path, |step| {
            step.progress = Progress::Running;
            step.attempts += 1;
            step.finished_at = None;
            step.message.clear();
            step.started_at.get_or_insert(now);
        });
    }

    /// Notes how far a step is, with its sentence.
    pub fn note(&self, path: &str, progress: Progress, message: &str) {
        let now = self.clock.now();
        self.step(path, |step| {
            step.progress = progress;
            message.clone_into(&mut step.message);
            step.started_at.get_or_insert(now);
            if progress.is_over() {
                step.finished_at.get_or_insert(now);
            }
        });
    }

    fn step(&self, path: &str, change: impl FnOnce(&mut UpdateStep)) {
        let mut state = self.state();
        let steps = &mut state.update.steps;
        match steps.iter_mut().find(|step| step.path == path) {
            Some(step) => change(step),
            None => {
                let mut step = UpdateStep {
                    path: path.to_owned(),
                    ..UpdateStep::default()
                };
                change(&mut step);
                steps.push(step);
            }
        }
    }

    /// Says what the update as a whole is at.
    pub fn tell(&self, progress: Progress, message: &str) {
        let mut state = self.state();
        state.update.progress = progress;
        message.clone_into(&mut state.update.message);
    }

    /// Says how the cluster fares.
    pub(crate) fn fares(&self, verdict: Option<HealthVerdict>) {
        self.state().update.health = verdict;
    }

    /// Writes what changed since the last time.
    ///
    /// # Errors
    /// Those of the ledger.
    pub async fn save(&self) -> Result<(), RegistryError> {
        let update = {
            let state = self.state();
            if state.saved.as_ref() == Some(&state.update) {
                return Ok(());
            }
            state.update.clone()
        };
        put(&*self.ledger, &self.cluster, self.id.clone(), &update, &self.context).await?;
        self.state().saved = Some(update);
        Ok(())
    }

    /// Ends the update.
    ///
    /// # Errors
    /// Those of the ledger.
    pub async fn finish(&self, progress: Progress, message: &str) -> Result<(), RegistryError> {
        {
            let mut state = self.state();
            let now = self.clock.now();
            state.update.progress = progress;
            message.clone_into(&mut state.update.message);
            state.update.finished_at = Some(now);
            for step in state.update.steps.iter_mut().filter(|step| !step.progress.is_over()) {
                settle(step, progress);
                step.finished_at.get_or_insert(now);
            }
        }
        self.save().await
    }
}
