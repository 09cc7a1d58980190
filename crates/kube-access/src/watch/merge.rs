//! Several kinds as one stream of events.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::BoxStream;

use super::feed::{Feed, Said, WatchOptions};
use super::reader::{Direct, Keep, Project, Projected, Reader};
use crate::access::Access;
use crate::error::AccessError;
use crate::resource::{ApiKind, GroupKind, ObjectKey};

/// Something that a watched cluster tells.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchEvent<T> {
    /// An object is new or another than before.
    Applied {
        /// The object.
        key: ObjectKey,
        /// Its projection.
        value: T,
    },
    /// An object is gone.
    Deleted {
        /// The object.
        key: ObjectKey,
    },
    /// Everything that there is of a kind has been told; again after each new list, and when a trouble is over.
    Synced {
        /// The kind.
        kind: GroupKind,
    },
    /// A kind cannot be read. It is tried again, later each time, and what was told of it grows old.
    Trouble {
        /// The kind.
        kind: GroupKind,
        /// Why.
        error: AccessError,
    },
}

/// Watches a set of kinds.
///
/// ```
/// # use std::sync::Arc;
/// # use kube_access::{Access, Context, watch::{WatchEvent, WatchOptions, WatchSet}};
/// # use ports::{SeededIds, SystemClock};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kube_access::AccessError> {
/// # let server = kube_sim::ApiServer::new(Arc::new(SystemClock), Arc::new(SeededIds::new(1)));
/// # let access = Access::from_service(Context::new("c", Arc::new(SystemClock), Arc::new(SeededIds::new(1))), server);
/// let kinds = access.kinds().await?;
/// let namespaces = kinds.named("namespaces").cloned();
/// let watched = namespaces.into_iter().map(|kind| (kind, WatchOptions::default()));
/// let mut events = WatchSet::new(&access, watched, Arc::new(|object| object["metadata"]["uid"].clone()));
/// let mut names = Vec::new();
/// while let WatchEvent::Applied { key, .. } = events.next().await {
///     names.push(key.name);
/// }
/// assert_eq!(names.first().map(String::as_str), Some("default"));
/// # Ok(())
/// # }
/// ```
pub struct WatchSet<T> {
    feeds: Vec<Telling<T>>,
    /// The feed that is asked first: the one after the last that said something, so that a busy kind does not silence others.
    first: usize,
}

/// The feed of a kind, and what it said that was not told yet.
struct Telling<T> {
    kind: GroupKind,
    feed: BoxStream<'static, VecDeque<Said<T>>>,
    said: VecDeque<Said<T>>,
}

impl<T> std::fmt::Debug for WatchSet<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.feeds.iter().map(|telling| &telling.kind))
            .finish()
    }
}

impl<T: Send + 'static> WatchSet<T> {
    /// Watches these kinds; `project` says what is kept of an object.
    #[must_use]
    pub fn new(access: &Access, kinds: impl IntoIterator<Item = (ApiKind, WatchOptions)>, project: Project<T>) -> Self {
        Self::with(access, kinds, || Box::new(Projected(Project::clone(&project))))
    }

    /// Watches these kinds, all of which `R` can read.
    #[must_use]
    pub fn reading<R: Reader<Kept = T>>(
        access: &Access,
        kinds: impl IntoIterator<Item = (ApiKind, WatchOptions)>,
    ) -> Self {
        Self::with(access, kinds, || Box::new(Direct::<R>::new()))
    }

    fn with(
        access: &Access,
        kinds: impl IntoIterator<Item = (ApiKind, WatchOptions)>,
        keep: impl Fn() -> Box<dyn Keep<T>>,
    ) -> Self {
        let feed = |(kind, options): (ApiKind, WatchOptions)| {
            let id = kind.id.clone();
            let feed = Feed::new(access.clone(), kind, options, keep());
            let feed = futures::stream::unfold(feed, |mut feed| async move {
                let said = feed.next().await;
                Some((said, feed))
            });
            Telling {
                kind: id,
                feed: feed.boxed(),
                said: VecDeque::new(),
            }
        };
        Self {
            feeds: kinds.into_iter().map(feed).collect(),
            first: 0,
        }
    }

    /// The next event. It waits as long as there is none, and for ever if no kind is watched. Dropping the wait loses nothing.
    pub async fn next(&mut self) -> WatchEvent<T> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same for who polls several sets in an order of his own.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<WatchEvent<T>> {
        let count = self.feeds.len();
        for turn in 0..count {
            let place = (self.first + turn) % count;
            let Some(telling) = self.feeds.get_mut(place) else {
                continue;
            };
            if telling.said.is_empty()
                && let Poll::Ready(Some(said)) = telling.feed.poll_next_unpin(context)
            {
                telling.said = said;
            }
            if let Some(said) = telling.said.pop_front() {
                self.first = (place + 1) % count;
                return Poll::Ready(told(&telling.kind, said));
            }
        }
        Poll::Pending
    }
}

fn told<T>(kind: &GroupKind, said: Said<T>) -> WatchEvent<T> {
    match said {
        Said::Applied(key, value) => WatchEvent::Applied { key, value },
        Said::Deleted(key) => WatchEvent::Deleted { key },
        Said::Synced => WatchEvent::Synced { kind: kind.clone() },
        Said::Trouble(error) => WatchEvent::Trouble {
            kind: kind.clone(),
            error,
        },
    }
}

/// What a [`WatchSet`] has told so far, by object and in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror<T> {
    /// The objects, by kind; a kind is here once it was read completely.
    pub kinds: BTreeMap<GroupKind, BTreeMap<ObjectKey, T>>,
    /// What was told of kinds that were not read completely yet.
    unread: BTreeMap<GroupKind, BTreeMap<ObjectKey, T>>,
    /// Kinds that cannot be read at the moment, and why: what is here of them may be old.
    pub trouble: BTreeMap<GroupKind, AccessError>,
}

impl<T> Default for Mirror<T> {
    fn default() -> Self {
        Self {
            kinds: BTreeMap::new(),
            unread: BTreeMap::new(),
            trouble: BTreeMap::new(),
        }
    }
}

impl<T> Mirror<T> {
    /// Takes an event in.
    pub fn take(&mut self, event: WatchEvent<T>) {
        match event {
            WatchEvent::Applied { key, value } => {
                self.trouble.remove(&key.kind);
                self.of(&key.kind).insert(key, value);
            }
            WatchEvent::Deleted { key } => {
                self.trouble.remove(&key.kind);
                self.of(&key.kind).remove(&key);
            }
            WatchEvent::Synced { kind } => {
                self.trouble.remove(&kind);
                let read = self.unread.remove(&kind).unwrap_or_default();
                self.kinds.entry(kind).or_insert(read);
            }
            WatchEvent::Trouble { kind, error } => {
                self.trouble.insert(kind, error);
            }
        }
    }

    fn of(&mut self, kind: &GroupKind) -> &mut BTreeMap<ObjectKey, T> {
        if self.kinds.contains_key(kind) {
            return self.kinds.entry(kind.clone()).or_default();
        }
        self.unread.entry(kind.clone()).or_default()
    }
}
