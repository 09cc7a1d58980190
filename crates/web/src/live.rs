//! The stream that tells pages to read themselves again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::StatusCode;

use crate::page::{Refusal, plain};
use crate::server::Pages;
use crate::session::Visitor;

/// How long the server is silent at most, so that both ends notice a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long a browser waits before it comes back.
const COME_BACK: Duration = Duration::from_secs(2);

/// One event per change of registry or ledger, with its number and nothing of its content.
pub(crate) async fn stream(State(pages): State<Pages>, _: Visitor) -> Response {
    let Ok(slot) = pages.listeners.clone().try_acquire_owned() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open already");
    };
    let feed = async { pages.registry.watch(pages.registry.last_change().await?).await };
    let feed = match feed.await {
        Ok(feed) => feed,
        Err(error) => return Refusal::from(error).into_response(),
    };
    let shutdown = pages.shutdown.clone();
    let hello = futures::stream::iter([Ok::<_, Infallible>(
        Event::default().event("hello").data("").retry(COME_BACK),
    )]);
    let changes = feed
        .take_while(|change| std::future::ready(change.is_ok()))
        .filter_map(async |change| change.ok())
        .map(move |change| {
            let _held = &slot;
            Ok(Event::default().event("change").data(change.sequence.to_string()))
        })
        .take_until(async move { shutdown.begun().await });
    Sse::new(hello.chain(changes))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response()
}
