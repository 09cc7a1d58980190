//! The one task of a store that writes: it gathers queued writes and carries them out in one transaction each time.
//!
//! While a commit waits for the disk, further writes queue up and form the next batch; that is what makes thousands of
//! durable writes per second out of hundreds of commits.

use std::sync::Arc;
use std::time::Duration;

use ports::{Clock, LeaseError, RegistryError};
use tokio::sync::{mpsc, oneshot};

use crate::batch::{self, Failed, Job, Outcome};
use crate::error::{BatchFailed, Failure, failure};
use crate::feed::Newest;
use crate::sql::{Conn, Pool};

/// Most writes of one transaction.
const MOST_JOBS: usize = 256;
/// Writes that may wait; further callers wait for a place.
pub(crate) const QUEUE: usize = 1024;

/// A write and where its answer goes.
pub(crate) struct Queued {
    pub(crate) job: Job,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

/// The state of the writing task.
pub(crate) struct Writer {
    pub(crate) pool: Pool,
    /// Whether the connection is kept between batches. A database in memory has only one, which readers need as well.
    pub(crate) keep: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) newest: Newest,
    pub(crate) queue: mpsc::Receiver<Queued>,
}

impl Writer {
    /// Works until every sender is gone and the queue is empty.
    pub(crate) async fn work(mut self) {
        let mut conn = None;
        let mut gathered = Vec::new();
        while self.queue.recv_many(&mut gathered, MOST_JOBS).await > 0 {
            let batch = std::mem::take(&mut gathered);
            self.carry_out(&mut conn, batch).await;
            if !self.keep {
                conn = None;
            }
        }
    }

    /// Answers every write of the batch, whatever happens.
    async fn carry_out(&self, conn: &mut Option<Conn>, batch: Vec<Queued>) {
        let (jobs, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|q| (q.job, q.reply)).unzip();
        match self.attempt_twice(conn, &jobs).await {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    // A caller that has gone away does not need its answer.
                    let _ = reply.send(outcome);
                }
            }
            // A statement failed, not the connection: perhaps because of one write, which must not take others along.
            Err(failed) if jobs.len() > 1 && !failed.committing && failure(&failed.error) == Failure::Broken => {
                for (job, reply) in jobs.into_iter().zip(replies) {
                    let outcome = match self.attempt_twice(conn, std::slice::from_ref(&job)).await {
                        Ok(outcomes) => outcomes.into_iter().next(),
                        Err(failed) => Some(refusal(&job, &failed)),
                    };
                    if let Some(outcome) = outcome {
                        let _ = reply.send(outcome);
                    }
                }
            }
            Err(failed) => {
                tracing::warn!(error = %failed.error, writes = jobs.len(), "a transaction failed");
                for (job, reply) in jobs.iter().zip(replies) {
                    let _ = reply.send(refusal(job, &failed));
                }
            }
        }
    }

    /// Runs the jobs in a transaction; once more on a new connection when the old one turned out to be gone before the
    /// commit was sent, as after a restart of the server.
    async fn attempt_twice(&self, conn: &mut Option<Conn>, jobs: &[Job]) -> Result<Vec<Outcome>, Failed> {
        let was_kept = conn.is_some();
        match self.attempt(conn, jobs).await {
            Err(failed) if was_kept && !failed.committing && failure(&failed.error) == Failure::Lost => {
                self.attempt(conn, jobs).await
            }
            other => other,
        }
    }

    async fn attempt(&self, kept: &mut Option<Conn>, jobs: &[Job]) -> Result<Vec<Outcome>, Failed> {
        let mut conn = match kept.take() {
            Some(conn) => conn,
            None => self.pool.acquire().await?,
        };
        match batch::run(&mut conn, jobs, &*self.clock).await {
            Ok((outcomes, last)) => {
                *kept = Some(conn);
                self.newest.raise(last);
                Ok(outcomes)
            }
            Err(failed) => {
                conn.abandon().await;
                Err(failed)
            }
        }
    }
}

/// What a write is told when its transaction failed.
fn refusal(job: &Job, failed: &Failed) -> Outcome {
    let source = Box::new(BatchFailed(failed.error.to_string()));
    match job {
        Job::Lease(..) => Outcome::Lease(Err(LeaseError::Unavailable(source))),
        Job::Registry(..) => Outcome::Registry(Err(match failure(&failed.error) {
            // Whether an interrupted commit took place is not known, so it is never called merely busy.
            Failure::Busy if !failed.committing => RegistryError::Busy {
                retry_after: Duration::from_secs(1),
            },
            Failure::Broken if !failed.committing => RegistryError::Internal(source),
            _ => RegistryError::Unavailable(source),
        })),
    }
}
