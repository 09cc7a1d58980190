//! What managers share and ask: the lease on the cluster, and the block.

use std::sync::Mutex;
use std::time::Duration;

use disruption::Block;
use jiff::Timestamp;
use ports::{Clock, SimClock};
use tokio::sync::watch;

/// How long a lease lasts without being renewed.
pub(crate) const TTL: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Book {
    clock: SimClock,
    lease: Mutex<Option<(u64, Timestamp)>>,
    block: Mutex<Option<Block>>,
    turned: watch::Sender<u64>,
}

impl Book {
    pub(crate) fn new(clock: SimClock) -> Self {
        Self {
            clock,
            lease: Mutex::default(),
            block: Mutex::default(),
            turned: watch::Sender::new(0),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes the lease if it is free or over, or renews it.
    pub(crate) fn claim(&self, manager: u64) -> bool {
        let now = self.clock.now();
        let mut lease = self.lease.lock().unwrap();
        let free = lease.is_none_or(|(holder, until)| holder == manager || until <= now);
        if free {
            *lease = Some((manager, now + TTL));
        }
        free
    }

    pub(crate) fn holds(&self, manager: u64) -> bool {
        let now = self.clock.now();
        self.lease
            .lock()
            .unwrap()
            .is_some_and(|(holder, until)| holder == manager && now < until)
    }

    pub(crate) fn blocked(&self) -> Option<Block> {
        let now = self.clock.now();
        let block = self.block.lock().unwrap();
        block
            .clone()
            .filter(|block| block.until.is_none_or(|until| now < until))
    }

    pub(crate) fn block(&self, block: Option<Block>) {
        *self.block.lock().unwrap() = block;
        self.turned.send_modify(|turns| *turns += 1);
    }

    pub(crate) async fn turned(&self) {
        let mut turned = self.turned.subscribe();
        // The sender lives as long as the book.
        let _ = turned.changed().await;
    }
}
