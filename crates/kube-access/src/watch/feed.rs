//! One kind: list, watch, continue, list again.

use std::collections::{BTreeMap, VecDeque};
use std::io::BufRead;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use http_body_util::BodyExt;
use serde_json::Value;

use super::known::Known;
use super::reader::{Change, Keep, Line, Spot};
use crate::access::{Access, lost};
use crate::call::{Call, Depth};
use crate::error::AccessError;
use crate::list::{ListMeta, PageSink, Selection};
use crate::resource::{ApiKind, ObjectKey, at};

/// How a kind is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// Which objects.
    pub selection: Selection,
    /// How much of each is transferred.
    pub depth: Depth,
    /// Members of objects that nobody reads, such as `metadata.managedFields`: two names with a dot between them. Trees of
    /// changes come without them, which is much cheaper where they are most of an object; those of lists may still have them.
    pub skip: &'static [&'static str],
    /// After which time a watch is opened anew; the server ends it then.
    pub session: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            depth: Depth::Metadata,
            skip: &[],
            session: Duration::from_secs(290),
        }
    }
}

/// What a feed says.
#[derive(Debug)]
pub(super) enum Said<T> {
    /// An object is new or another than before.
    Applied(ObjectKey, T),
    /// An object is gone.
    Deleted(ObjectKey),
    /// Everything that there is has been said, or will be as it arrives: the kind can be read.
    Synced,
    /// It does not get through, and tries again after a pause.
    Trouble(AccessError),
}

/// Namespace and name.
type Name = (String, String);

/// The state of one kind.
pub(super) struct Feed<T> {
    access: Access,
    kind: ApiKind,
    options: WatchOptions,
    keep: Box<dyn Keep<T>>,
    known: Known,
    /// Where to go on; none means that a list is needed.
    version: Option<String>,
    open: Option<Open>,
    /// What is still to be said, in order.
    queue: VecDeque<Said<T>>,
    failures: u32,
    pause: Option<Duration>,
    /// Trouble was told and its end was not.
    troubled: bool,
}

/// A watch that is open.
struct Open {
    call: Call,
    chunks: BoxStream<'static, Result<Bytes, String>>,
    buffer: BytesMut,
}

/// How much longer than its session a watch may be silent before it counts as broken.
const GRACE: Duration = Duration::from_secs(30);

impl<T: Send + 'static> Feed<T> {
    pub(super) fn new(access: Access, kind: ApiKind, options: WatchOptions, keep: Box<dyn Keep<T>>) -> Self {
        Self {
            access,
            kind,
            options,
            keep,
            known: Known::default(),
            version: None,
            open: None,
            queue: VecDeque::new(),
            failures: 0,
            pause: None,
            troubled: false,
        }
    }

    /// What is to be said next, in order: all that came at once. It never ends: trouble is said, and after a pause tried again.
    pub(super) async fn next(&mut self) -> VecDeque<Said<T>> {
        loop {
            if !self.queue.is_empty() {
                return std::mem::take(&mut self.queue);
            }
            if let Some(pause) = self.pause {
                self.access.clock().sleep(pause).await;
                self.pause = None;
            }
            let done = match (&self.version, &self.open) {
                (None, _) => self.list().await,
                (Some(_), None) => self.connect().await,
                (Some(_), Some(_)) => self.read().await,
            };
            let Err(error) = done else { continue };
            self.open = None;
            if matches!(error, AccessError::Expired { .. }) {
                // The place is forgotten: list again and compare. Once is ordinary; again at once is not.
                let again = self.version.take().is_none() || self.failures > 0;
                self.failures = self.failures.saturating_add(1);
                if again {
                    self.rest();
                }
                continue;
            }
            self.failures = self.failures.saturating_add(1);
            self.rest();
            self.troubled = true;
            self.queue.push_back(Said::Trouble(error));
        }
    }

    /// Pauses before the next attempt, longer each time.
    fn rest(&mut self) {
        let inner = &self.access.inner;
        let failures = self.failures.saturating_sub(1).min(16);
        self.pause = Some(inner.settings.backoff.wait(failures, &*inner.ids));
    }

    /// Reads everything and says what differs from what was said.
    async fn list(&mut self) -> Result<(), AccessError> {
        let mut found = Found {
            keep: &*self.keep,
            objects: BTreeMap::new(),
        };
        let (selection, depth) = (&self.options.selection, self.options.depth);
        let version = self.access.pages(&self.kind, selection, depth, &mut found).await?;
        let objects = found.objects;
        let known = self.known.names();
        let known = known.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        let gone: Vec<Name> = known.filter(|name| !objects.contains_key(name)).collect();
        for (namespace, name) in gone {
            self.known.forget(&namespace, &name);
            self.queue.push_back(Said::Deleted(self.key(namespace, name)));
        }
        for ((namespace, name), (version, value)) in objects {
            if self.known.note(&namespace, &name, &version) {
                self.queue.push_back(Said::Applied(self.key(namespace, name), value));
            }
        }
        self.queue.push_back(Said::Synced);
        self.troubled = false;
        self.version = Some(version);
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), AccessError> {
        let version = self.version.clone().unwrap_or_default();
        let session = self.options.session.as_secs().max(1).to_string();
        let mut query = self.options.selection.query();
        query.extend([
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version.as_str()),
            ("timeoutSeconds", session.as_str()),
        ]);
        let call = Call::watch(
            &self.kind,
            &self.options.selection.namespace,
            &query,
            self.options.depth,
        );
        let response = self.access.open(&call).await?;
        let (parts, body) = response.into_parts();
        if !parts.status.is_success() {
            let body = body
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            return Err(self.access.refused(&call, parts.status.as_u16(), &parts.headers, &body));
        }
        let chunks = body
            .into_data_stream()
            .map(|chunk| chunk.map_err(|error| error.to_string()));
        self.open = Some(Open {
            call,
            chunks: chunks.boxed(),
            buffer: BytesMut::new(),
        });
        // A watch that goes on where it stopped ends the trouble, even if nothing happens for a while.
        if std::mem::replace(&mut self.troubled, false) {
            self.queue.push_back(Said::Synced);
        }
        Ok(())
    }

    /// Reads more bytes, and the lines that are complete with them.
    async fn read(&mut self) -> Result<(), AccessError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let limit = self.access.clock().sleep(self.options.session + GRACE);
        let chunk = tokio::select! {
            biased;
            chunk = open.chunks.next() => chunk,
            () = limit => Some(Err("it fell silent".to_owned())),
        };
        match chunk {
            Some(Ok(bytes)) => {
                self.access.inner.counters.received(bytes.len());
                open.buffer.extend_from_slice(&bytes);
                self.lines()
            }
            Some(Err(why)) => Err(lost(&open.call, &why)),
            // The session is over. Half a line is no event: it comes again after the version that was read last.
            None => {
                self.open = None;
                self.pause = Some(self.access.inner.settings.backoff.wait(0, &*self.access.inner.ids));
                Ok(())
            }
        }
    }

    /// Takes in the lines that are there completely. What was said before one that cannot be read is said.
    fn lines(&mut self) -> Result<(), AccessError> {
        while let Some(open) = &mut self.open {
            let Some(length) = first_line(&open.buffer) else { break };
            let line = open.buffer.split_to(length);
            self.line(&line)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), AccessError> {
        let Some(Open { call, .. }) = &self.open else {
            return Ok(());
        };
        let read = self.keep.line(line, self.options.skip);
        let read = read.map_err(|error| AccessError::Unreadable {
            subject: call.subject.clone(),
            why: format!("line {} column {}", error.line(), error.column()),
        })?;
        let (spot, change) = match read {
            Line::Of(spot, change) => (spot, change),
            Line::Error(status) => {
                let code = at(&status, &["code"]).and_then(Value::as_u64);
                let code = code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
                let (headers, body) = (http::HeaderMap::new(), status.to_string());
                return Err(self.access.refused(call, code, &headers, body.as_bytes()));
            }
        };
        self.failures = 0;
        let Spot {
            namespace,
            name,
            version,
        } = spot;
        // A repetition says nothing, and a bookmark only moves the place.
        match change {
            Change::Applied(value) if self.known.note(&namespace, &name, &version) => {
                let key = self.key(namespace, name);
                self.queue.push_back(Said::Applied(key, value));
            }
            Change::Deleted if self.known.forget(&namespace, &name) => {
                let key = self.key(namespace, name);
                self.queue.push_back(Said::Deleted(key));
            }
            _ => {}
        }
        self.version = Some(version);
        Ok(())
    }

    fn key(&self, namespace: String, name: String) -> ObjectKey {
        ObjectKey {
            kind: self.kind.id.clone(),
            namespace: if self.kind.namespaced { namespace } else { String::new() },
            name,
        }
    }
}

/// How long the first line is that is there completely, its end counted.
fn first_line(mut bytes: &[u8]) -> Option<usize> {
    let all = bytes;
    // Reading from memory never fails.
    let length = bytes.skip_until(b'\n').ok()?;
    (all.get(length.checked_sub(1)?) == Some(&b'\n')).then_some(length)
}

/// The objects of a list, of each what is kept.
struct Found<'f, T> {
    keep: &'f dyn Keep<T>,
    objects: BTreeMap<Name, (String, T)>,
}

impl<T> PageSink for Found<'_, T> {
    fn page(&mut self, body: &[u8]) -> Result<ListMeta, serde_json::Error> {
        let (list, read) = self.keep.page(body)?;
        for (spot, value) in read {
            self.objects.insert((spot.namespace, spot.name), (spot.version, value));
        }
        Ok(list)
    }

    fn reset(&mut self) {
        self.objects.clear();
    }
}
