//! A watch: what happened in a collection after a version, as a stream of JSON lines.
//!
//! A watcher has no queue of its own. It is a place in the collection's log, so its backlog is bounded by the log's
//! window: who reads too slowly finds its place forgotten, gets `410 Expired` and is cut. Nothing is lost and nothing is
//! sent twice, because the place moves exactly over the events that were sent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Sleep;

use crate::selector::{FieldSelector, LabelSelector};
use crate::server::Core;
use crate::status::ApiError;
use crate::store::{Event, Key, Object, Slot};
use crate::view::{View, event_line, to_bytes};

/// How much one frame carries at most; a frame always holds at least one event.
const FRAME: usize = 128 * 1024;
/// How often a quiet watch with bookmarks says where it is.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// Which objects of a collection a list or watch is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Empty for all namespaces.
    pub(crate) namespace: String,
    /// The one object a watch by name is about.
    pub(crate) name: Option<String>,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Filter {
    pub(crate) fn matches(&self, key: &Key, object: &Object) -> bool {
        (self.namespace.is_empty() || *self.namespace == *key.namespace())
            && self.name.as_ref().is_none_or(|name| **name == *key.name())
            && (self.fields.is_empty() || self.fields.matches(key.namespace(), key.name(), &object.fields))
            && (self.labels.is_empty() || {
                let labels = object.labels();
                self.labels.matches(
                    &labels
                        .iter()
                        .map(|(key, value)| (key.as_str(), value.as_str()))
                        .collect(),
                )
            })
    }
}

/// Where a watch begins.
#[derive(Debug)]
pub(crate) struct Start {
    /// Objects to report as added first.
    pub(crate) initial: Vec<Arc<Object>>,
    /// Whether a bookmark marks the end of the initial objects.
    pub(crate) mark_initial_end: bool,
    /// Events after this version follow.
    pub(crate) version: u64,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Duration,
}

/// An open watch; ends by time, by falling behind, with its resource, or when dropped.
pub(crate) struct WatchStream {
    core: Arc<Core>,
    view: View,
    filter: Filter,
    initial: std::vec::IntoIter<Arc<Object>>,
    mark_initial_end: bool,
    version: u64,
    watcher: u64,
    slot: Arc<Slot>,
    bookmark: Option<Pin<Box<Sleep>>>,
    deadline: Pin<Box<Sleep>>,
    ended: bool,
}

impl std::fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchStream")
            .field("resource", &self.view.resource.id)
            .field("version", &self.version)
            .finish()
    }
}

impl WatchStream {
    /// Opens a watch on a place that [`crate::store::State::watch`] gave.
    pub(crate) fn new(core: Arc<Core>, view: View, filter: Filter, start: Start, place: (u64, Arc<Slot>)) -> Self {
        let (watcher, slot) = place;
        Self {
            core,
            view,
            filter,
            initial: start.initial.into_iter(),
            mark_initial_end: start.mark_initial_end,
            version: start.version,
            watcher,
            slot,
            bookmark: start.bookmarks.then(|| Box::pin(tokio::time::sleep(BOOKMARKS))),
            deadline: Box::pin(tokio::time::sleep(start.timeout)),
            ended: false,
        }
    }

    /// The next lines of the watch.
    pub(crate) fn poll_lines(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(frame) = self.initial_frame() {
            return Poll::Ready(Some(frame));
        }
        self.slot.waker.register(context.waker());
        if self.slot.closed.load(Ordering::Acquire) {
            self.ended = true;
            return Poll::Ready(None);
        }
        let frame = self.read_log();
        if !frame.is_empty() {
            return Poll::Ready(Some(frame));
        }
        if self.deadline.as_mut().poll_ready(context) {
            self.ended = true;
            return Poll::Ready(None);
        }
        if let Some(timer) = &mut self.bookmark
            && timer.as_mut().poll_ready(context)
        {
            let next = tokio::time::Instant::now() + BOOKMARKS;
            timer.as_mut().reset(next);
            // Polled once more so that the timer wakes this task next time.
            let _ = timer.as_mut().poll_ready(context);
            return Poll::Ready(Some(self.view.bookmark(self.version, false)));
        }
        Poll::Pending
    }

    fn initial_frame(&mut self) -> Option<Bytes> {
        let mut frame = BytesMut::new();
        while frame.len() < FRAME {
            match self.initial.next() {
                Some(object) => frame.extend_from_slice(&self.view.event("ADDED", &object)),
                None if self.mark_initial_end => {
                    self.mark_initial_end = false;
                    frame.extend_from_slice(&self.view.bookmark(self.version, true));
                }
                None => break,
            }
        }
        (!frame.is_empty()).then(|| frame.freeze())
    }

    /// Moves over the log, at most a frame's worth.
    fn read_log(&mut self) -> Bytes {
        let mut lines: Vec<(&'static str, Arc<Object>, u64)> = Vec::new();
        let mut size = 0;
        {
            let core = self.core.clone();
            let state = core.state();
            let compacted = state.compacted(&self.view.resource.stored_as);
            if self.version < compacted {
                self.ended = true;
                return expired_line(self.version, compacted);
            }
            let Some(collection) = state.collection(&self.view.resource.stored_as) else {
                return Bytes::new();
            };
            let mut seen = None;
            for event in collection.events_after(self.version) {
                if let Some((kind, object)) = self.judge(event) {
                    size += object.bytes.len();
                    lines.push((kind, object, event.version));
                }
                seen = Some(event.version);
                if size > FRAME {
                    break;
                }
            }
            // Bookmarks tell how far a quiet watch has looked, other collections' writes included.
            self.version = if size > FRAME {
                seen.unwrap_or(self.version)
            } else {
                state.version()
            };
        }
        let mut frame = BytesMut::with_capacity(size + lines.len() * 32);
        for (kind, object, version) in lines {
            if object.version == version {
                frame.extend_from_slice(&self.view.event(kind, &object));
            } else {
                // The object left the selection: its last selected state, numbered by the write that took it away.
                let mut value = object.value();
                crate::value::set(&mut value, &["metadata", "resourceVersion"], version.to_string());
                let left = Object::new(&value, version, &self.view.resource.fields);
                frame.extend_from_slice(&self.view.event(kind, &left));
            }
        }
        frame.freeze()
    }

    fn judge(&self, event: &Event) -> Option<(&'static str, Arc<Object>)> {
        let now = self.filter.matches(&event.key, &event.object);
        let before = event
            .before
            .as_ref()
            .filter(|before| self.filter.matches(&event.key, before));
        match (before, now && !event.deleted) {
            (_, _) if event.deleted => before.map(|_| ("DELETED", event.object.clone())),
            (None, true) => Some(("ADDED", event.object.clone())),
            (Some(_), true) => Some(("MODIFIED", event.object.clone())),
            (Some(before), false) => Some(("DELETED", before.clone())),
            (None, false) => None,
        }
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.core.state().unwatch(&self.view.resource.stored_as, self.watcher);
    }
}

/// The last line of a watch that fell behind.
fn expired_line(version: u64, compacted: u64) -> Bytes {
    event_line("ERROR", &to_bytes(&too_old(version, compacted).to_value()))
}

/// The error for a version that is forgotten.
pub(crate) fn too_old(version: u64, compacted: u64) -> ApiError {
    ApiError::expired(format!("too old resource version: {version} ({compacted})"))
}

/// Polling a timer for a yes or no.
trait PollReady {
    fn poll_ready(self, context: &mut Context<'_>) -> bool;
}

impl PollReady for Pin<&mut Sleep> {
    fn poll_ready(self, context: &mut Context<'_>) -> bool {
        use std::future::Future;
        self.poll(context).is_ready()
    }
}
