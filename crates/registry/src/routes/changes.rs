//! The change feed: a stream of server-sent events, or a list for readers that poll.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::Invalid;
use ports::RegistryError;
use ports::registry::Change;
use registry_api::{ChangeEvent, ChangeList, ErrorBody, ErrorKind, MAX_LIMIT, paths};
use tokio::sync::OwnedSemaphorePermit;

use super::reply::{self, Reply};
use crate::error::ApiError;
use crate::extract::{AsReader, ChangesQuery, Query};
use crate::metrics::ReaderGuard;
use crate::openapi::{FeedAnswers, ListRefusals};
use crate::state::AppState;

/// The header with which a browser resumes a stream.
const LAST_EVENT_ID: &str = "last-event-id";
/// First words of every stream: how long to wait before coming back, which also makes proxies pass the head on.
const GREETING: &[u8] = b"retry: 2000\n\n";
/// Sent when nothing else is, so that both ends notice a dead connection.
const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// Read the change feed
///
/// A stream of server-sent events: `id` is the sequence number, `event` reads like `cluster.updated`, `data` is a
/// ChangeEvent. Whoever reconnects sends the last number as `after` or `Last-Event-ID` (the header wins) and misses
/// nothing. With `follow=false` the changes that there are come as a list.
#[utoipa::path(
    get, path = paths::CHANGES, operation_id = "readChanges", tag = "Changes",
    params(ChangesQuery, ("Last-Event-ID" = Option<i64>, Header, minimum = 0, description = "Sequence number of the last change seen")),
    responses(FeedAnswers, ListRefusals)
)]
pub(super) async fn read(
    State(state): State<AppState>,
    _: AsReader,
    Query(query): Query<ChangesQuery>,
    headers: HeaderMap,
) -> Reply {
    let after = last_event_id(&headers)?.unwrap_or(query.after);
    if query.follow {
        if query.limit.is_some() {
            return Err(ApiError::invalid(Invalid::new(
                "limit",
                "may be given with follow=false only",
                "a stream",
            )));
        }
        return follow(state, after).await;
    }
    // The end is read first: a change between the two calls is then in the list and not missed by the end.
    let last = state.call("last_change", state.registry.last_change()).await?;
    let limit = query.limit.unwrap_or(MAX_LIMIT);
    let changes = state.call("changes", state.registry.changes(after, limit)).await?;
    let items: Vec<ChangeEvent> = changes.into_iter().map(ChangeEvent::from).collect();
    let last = items.last().map_or(last, |newest| newest.sequence.max(last));
    reply::json(StatusCode::OK, &ChangeList { items, last })
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    match text.parse() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => Err(ApiError::invalid(Invalid::new(
            "Last-Event-ID",
            "must be a sequence number, 0 or more",
            text,
        ))),
    }
}

async fn follow(state: AppState, after: i64) -> Reply {
    let Ok(slot) = std::sync::Arc::clone(&state.feed_slots).try_acquire_owned() else {
        let mut body = ErrorBody::new(
            ErrorKind::Busy,
            "as many readers of the change feed as allowed are connected",
        );
        body.retry_after = Some(5);
        return Err(body.into());
    };
    let changes = state.call("watch", state.registry.watch(after)).await?;
    let reader = Reader {
        changes,
        _guard: state.metrics.reader(),
        _slot: slot,
        state,
        ended: false,
    };
    let mut response = Response::new(Body::from_stream(reader.into_stream()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would otherwise hold events back until a buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response.into_response())
}

/// One open stream.
struct Reader {
    changes: BoxStream<'static, Result<Change, RegistryError>>,
    state: AppState,
    ended: bool,
    _guard: ReaderGuard,
    _slot: OwnedSemaphorePermit,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let greeting = stream::once(async { Ok(Bytes::from_static(GREETING)) });
        greeting.chain(stream::unfold(self, |mut this| async move {
            Some((Ok(this.next().await?), this))
        }))
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        tokio::select! {
            biased;
            // Ending the stream lets the reader go to another replica at once instead of being cut off later.
            () = self.state.shutdown.begun() => None,
            change = self.changes.next() => match change? {
                Ok(change) => Some(event(&ChangeEvent::from(change))),
                Err(error) => {
                    self.ended = true;
                    Some(failure(error))
                }
            },
            () = self.state.clock.sleep(self.state.limits.heartbeat) => Some(Bytes::from_static(HEARTBEAT)),
        }
    }
}

/// JSON never holds a line break outside of strings, and none inside them, so one `data` line is enough.
fn event(change: &ChangeEvent) -> Bytes {
    let data = serde_json::to_string(change).unwrap_or_default();
    format!(
        "id: {}\nevent: {}\ndata: {data}\n\n",
        change.sequence,
        change.event_name()
    )
    .into()
}

/// Says why the stream ends; without an id, so that the reader resumes after the last change that it got.
fn failure(error: RegistryError) -> Bytes {
    let error = ApiError::from(error);
    let data = serde_json::to_string(error.body()).unwrap_or_default();
    format!("event: error\ndata: {data}\n\n").into()
}
