//! The change feed: followed over as many connections as it takes.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::header::HeaderName;
use ports::registry::Change;
use ports::{Classified as _, RegistryError, Retry};

use super::error::WireError;
use super::retry::backoff;
use super::sse::Parser;
use super::transport::{Call, Transport};
use crate::{ChangeEvent, paths};

/// Failed attempts to connect again, one after another, before the reader is told.
const ATTEMPTS: u32 = 6;
/// Where a reader goes on.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

type Pieces = BoxStream<'static, Result<bytes::Bytes, reqwest::Error>>;

struct Feed {
    transport: Arc<Transport>,
    /// Number of the last change that was handed out.
    last: i64,
    ready: VecDeque<Change>,
    connection: Option<Connection>,
    /// Connections since the last change; the pause before the next one grows with it.
    fruitless: u32,
}

struct Connection {
    url: String,
    pieces: Pieces,
    parser: Parser,
}

/// Follows the feed from the change after `after`. The first connection is made here, so that a refusal is an error of
/// the call and not of the stream.
pub(super) async fn follow(
    transport: Arc<Transport>,
    after: i64,
) -> Result<BoxStream<'static, Result<Change, RegistryError>>, RegistryError> {
    let connection = connect(&transport, after).await?;
    let feed = Feed {
        transport,
        last: after,
        ready: VecDeque::new(),
        connection: Some(connection),
        fruitless: 0,
    };
    let stream = stream::unfold(Some(feed), |feed| async move {
        let mut feed = feed?;
        match feed.next().await {
            Ok(change) => Some((Ok(change), Some(feed))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(stream.boxed())
}

async fn connect(transport: &Transport, after: i64) -> Result<Connection, RegistryError> {
    let call = Call::get(paths::CHANGES)
        .query("after", Some(after))
        .header(LAST_EVENT_ID, after.to_string());
    let (url, response) = transport.open(&call).await?;
    Ok(Connection {
        url,
        pieces: response.bytes_stream().boxed(),
        parser: Parser::default(),
    })
}

impl Feed {
    /// The next change. After a cut it connects again and resumes behind the last change that it handed out.
    async fn next(&mut self) -> Result<Change, RegistryError> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                self.last = change.sequence;
                self.fruitless = 0;
                return Ok(change);
            }
            let Some(connection) = &mut self.connection else {
                self.reconnect().await?;
                continue;
            };
            match connection.pieces.next().await {
                Some(Ok(piece)) => {
                    let changes = read(connection, &piece, self.last)?;
                    self.ready.extend(changes);
                }
                // The end and a cut are alike: a server that stops also just ends the stream.
                Some(Err(_)) | None => self.connection = None,
            }
        }
    }

    /// Connects again after a pause that grows while nothing new comes. Connections that end without news are normal, so
    /// only attempts that fail are counted against the bound.
    async fn reconnect(&mut self) -> Result<(), RegistryError> {
        let mut failed = 0;
        loop {
            self.fruitless = self.fruitless.saturating_add(1);
            let wait = backoff(self.fruitless, self.transport.ids.as_ref());
            self.transport.clock.sleep(wait).await;
            match connect(&self.transport, self.last).await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(error) => match error.retry() {
                    Retry::After(least) if failed < ATTEMPTS => {
                        failed += 1;
                        self.transport.clock.sleep(least.saturating_sub(wait)).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }
}

/// The changes that a piece completes, without those that were handed out before.
fn read(connection: &mut Connection, piece: &[u8], last: i64) -> Result<Vec<Change>, RegistryError> {
    let url = &connection.url;
    let broken = |rule| RegistryError::Internal(Box::new(WireError::Feed { url: url.clone(), rule }));
    let events = connection
        .parser
        .feed(piece)
        .map_err(|_| broken("an event is too long"))?;
    let mut changes = Vec::new();
    for event in events {
        // Events of other kinds, such as a notice that the server stops, carry no change.
        if !event.name.contains('.') && !event.name.is_empty() {
            continue;
        }
        let change: ChangeEvent = serde_json::from_str(&event.data).map_err(|source| {
            RegistryError::Internal(Box::new(WireError::Unreadable {
                url: url.clone(),
                source,
            }))
        })?;
        if change.sequence > last {
            changes.push(change.into());
        }
    }
    Ok(changes)
}
