//! The change feed: who wrote last, and streams that follow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use ports::registry::Change;
use ports::{Clock, RegistryError};
use sqlx::postgres::PgListener;
use tokio::sync::watch;

use crate::read;
use crate::sql::Pool;

/// Changes that a stream reads at a time; more are never in memory per reader, however slow it is.
const READ_AHEAD: usize = 256;
/// How often writes of other processes are looked for in a SQLite file.
const SQLITE_POLL: Duration = Duration::from_secs(1);
/// How often the counter of PostgreSQL is read although its notifications tell the same: they are lost with a connection.
const POSTGRES_POLL: Duration = Duration::from_secs(10);
/// Pause before listening again after an error.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Stands in place of a sequence number after the end of the store.
const ENDED: i64 = i64::MAX;

/// How far the feed is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The highest sequence number known to be committed.
    sequence: i64,
    /// How often the database turned out to know less than before: another server took over without the last writes, or a
    /// backup was restored. Numbers of before then mean nothing any more.
    set_back: u64,
}

/// The place that streams follow.
#[derive(Debug, Clone)]
pub(crate) struct Newest(Arc<watch::Sender<Place>>);

/// Ends a stream whose numbers mean nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database has lost changes that it had told of; read everything anew")]
struct SetBack;

impl Newest {
    pub(crate) fn new(sequence: i64) -> Self {
        Self(Arc::new(watch::Sender::new(Place { sequence, set_back: 0 })))
    }

    fn known(&self) -> Place {
        *self.0.borrow()
    }

    /// Wakes the streams, if this number is news.
    pub(crate) fn raise(&self, sequence: i64) {
        self.0.send_if_modified(|known| {
            let news = sequence > known.sequence;
            known.sequence = sequence.max(known.sequence);
            news
        });
    }

    /// Takes in a number that was read after `before` was known. One that is smaller means that the database was set back: the
    /// streams end with an error, so that their readers read everything anew and miss nothing.
    fn read(&self, sequence: i64, before: Place) {
        if sequence >= before.sequence {
            return self.raise(sequence);
        }
        self.0.send_if_modified(|known| {
            let first = known.set_back == before.set_back && known.sequence != ENDED;
            if first {
                tracing::warn!(from = before.sequence, to = sequence, "the database was set back");
                known.set_back += 1;
                known.sequence = sequence;
            }
            first
        });
    }

    /// Ends the streams.
    pub(crate) fn end(&self) {
        self.0.send_modify(|known| known.sequence = ENDED);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Place> {
        self.0.subscribe()
    }
}

/// Reads at most so many changes after a number.
pub(crate) type ReadChanges =
    Arc<dyn Fn(i64, usize) -> BoxFuture<'static, Result<Vec<Change>, RegistryError>> + Send + Sync>;

struct Follower {
    read: ReadChanges,
    newest: watch::Receiver<Place>,
    set_back: u64,
    seen: i64,
    ahead: VecDeque<Change>,
    ended: bool,
}

/// A stream of all changes after a number, the present ones and each new one. It ends with its store, or after an error.
pub(crate) fn follow(
    read: ReadChanges,
    newest: watch::Receiver<Place>,
    after: i64,
) -> BoxStream<'static, Result<Change, RegistryError>> {
    let set_back = newest.borrow().set_back;
    let start = Follower {
        read,
        set_back,
        newest,
        seen: after,
        ahead: VecDeque::new(),
        ended: false,
    };
    stream::unfold(start, |mut follower| async move {
        let next = follower.next().await?;
        follower.ended = next.is_err();
        Some((next, follower))
    })
    .fuse()
    .boxed()
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Change, RegistryError>> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(change) = self.ahead.pop_front() {
                self.seen = change.sequence;
                return Some(Ok(change));
            }
            // Marked as seen before reading, so that a write between the two wakes the next wait.
            let Place {
                sequence: newest,
                set_back,
            } = *self.newest.borrow_and_update();
            if newest == ENDED {
                return None;
            }
            if set_back != self.set_back {
                return Some(Err(RegistryError::Unavailable(Box::new(SetBack))));
            }
            if newest > self.seen {
                match (self.read)(self.seen, READ_AHEAD).await {
                    Ok(changes) => self.ahead.extend(changes),
                    Err(error) => return Some(Err(error)),
                }
                if !self.ahead.is_empty() {
                    continue;
                }
            }
            self.newest.changed().await.ok()?;
        }
    }
}

/// Learns of the writes of other processes, until the pool is closed.
pub(crate) async fn look_for_others(pool: Pool, clock: Arc<dyn Clock>, newest: Newest) {
    match &pool {
        Pool::Sqlite(_) => poll(&pool, &*clock, &newest, SQLITE_POLL).await,
        Pool::Postgres(postgres) => {
            let listening = async {
                while !postgres.is_closed() {
                    if let Err(error) = listen(postgres, &pool, &newest).await {
                        tracing::debug!(%error, "listening for changes was interrupted");
                    }
                    clock.sleep(LISTEN_AGAIN).await;
                }
            };
            tokio::join!(listening, poll(&pool, &*clock, &newest, POSTGRES_POLL));
        }
    }
}

async fn poll(pool: &Pool, clock: &dyn Clock, newest: &Newest, pause: Duration) {
    while !pool.is_closed() {
        clock.sleep(pause).await;
        let before = newest.known();
        // A failed look is repeated at the next turn; the readers of changes report the failure themselves.
        if let Ok(sequence) = read::last_change(pool).await {
            newest.read(sequence, before);
        }
    }
}

async fn listen(postgres: &sqlx::PgPool, pool: &Pool, newest: &Newest) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(postgres).await?;
    listener.listen("fleetwright_changes").await?;
    loop {
        // After each (re)connection: what was written in between has no notification.
        let before = newest.known();
        newest.read(read::last_change(pool).await?, before);
        while let Some(notification) = listener.try_recv().await? {
            newest.raise(notification.payload().parse().unwrap_or(0));
        }
    }
}
