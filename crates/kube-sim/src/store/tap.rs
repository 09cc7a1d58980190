//! A tap: every write of a server, over all collections, in one order, until its owner has taken it.
//!
//! Watches follow one collection and may fall behind; a tap follows all and forgets nothing, so its owner must empty it.

use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::task::AtomicWaker;

use super::{Key, Object};
use crate::registry::GroupResource;

/// One write, as it entered a tap.
#[derive(Debug, Clone)]
pub(crate) struct Tapped {
    pub(crate) id: GroupResource,
    pub(crate) key: Key,
    pub(crate) version: u64,
    pub(crate) before: Option<Arc<Object>>,
    /// None for a removal.
    pub(crate) after: Option<Arc<Object>>,
}

/// The buffer between a server and the owner of a tap.
#[derive(Debug, Default)]
pub(crate) struct TapBuffer {
    writes: Mutex<Vec<Tapped>>,
    pub(crate) waker: AtomicWaker,
}

impl TapBuffer {
    fn lock(&self) -> MutexGuard<'_, Vec<Tapped>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, write: Tapped) {
        self.lock().push(write);
        self.waker.wake();
    }

    pub(crate) fn take(&self) -> Vec<Tapped> {
        std::mem::take(&mut *self.lock())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}
