//! The frame around every page, and the answers that are not pages.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use ports::RegistryError;
use registry::auth::Caller;

use crate::assets;
use crate::form::{Ask, BadAsk};
use crate::table::Table;

/// Only what this server sends, and nobody may put it into a frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The places in the head of every page.
const PLACES: [(&str, &str); 4] = [
    ("/", "Fleet"),
    ("/updates", "Updates"),
    ("/rollouts", "Rollouts"),
    ("/blocks", "Blocks"),
];

/// What stands in the frame besides the page.
#[derive(Debug, Clone)]
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    pub(crate) ask: &'a Ask,
    pub(crate) caller: &'a Caller,
    /// Whether there is something to sign out of.
    pub(crate) signed_in: bool,
    /// Time of the simulated world, if there is one.
    pub(crate) world: Option<jiff::Timestamp>,
    /// Seconds after which the page is read again although nothing changed in the registry; 0 for never.
    pub(crate) refresh: u32,
}

/// A whole page.
pub(crate) fn page(frame: &Frame<'_>, body: &Markup) -> Response {
    let here = frame.ask.with("", "");
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (about(frame.title))
                script src=(assets::script_path()) defer {}
            }
            body data-refresh=(frame.refresh) {
                a.skip href="#main" { "To the content" }
                header {
                    a.brand href="/" { "Fleetwright" }
                    nav aria-label="Places" {
                        @for (path, name) in PLACES {
                            @let current = here.split('?').next() == Some(path);
                            a href=(path) aria-current=[current.then_some("page")] { (name) }
                        }
                        a href="/docs" { "API" }
                    }
                    div.right {
                        @if let Some(world) = frame.world {
                            span.world title="Time in the simulated fleet" id="world" data-live { (world.strftime("%a %H:%M")) " in the fleet" }
                        }
                        span id="link" role="status" {}
                        @if frame.signed_in {
                            form method="post" action="/logout" { button.plain type="submit" { "Sign out " (frame.caller.name) } }
                        }
                    }
                }
                main id="main" tabindex="-1" { (body) }
            }
        }
    };
    html_answer(StatusCode::OK, markup)
}

/// What stands in the head of every page.
fn about(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) " · Fleetwright" }
        link rel="stylesheet" href=(assets::style_path());
        link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1 11h14l-3 4H4zM7 1v8H3zM9 3v6h4z' fill='%233a7bd5'/%3E%3C/svg%3E";
    }
}

fn html_answer(status: StatusCode, markup: Markup) -> Response {
    let mut response = (status, markup.into_string()).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A table as a file.
pub(crate) fn download(table: &Table, kind: &str, name: &str) -> Response {
    let (kind, body) = match kind {
        "tsv" => ("text/tab-separated-values; charset=utf-8", table.tsv()),
        _ => ("application/json", format!("{:#}\n", table.json())),
    };
    let mut response = body.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if kind.starts_with("text/tab") {
        let disposition = format!("attachment; filename=\"{name}.tsv\"");
        if let Ok(value) = HeaderValue::from_str(&disposition) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        }
    }
    response
}

/// Links to the same table as files.
pub(crate) fn downloads(ask: &Ask) -> Markup {
    html! { span.downloads { a href=(ask.with("download", "tsv")) { "TSV" } " " a href=(ask.with("download", "json")) { "JSON" } } }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// No such object.
    #[error("there is no {kind} {name:?}")]
    Unknown { kind: &'static str, name: String },
    /// A view that cannot be had.
    #[error(transparent)]
    BadAsk(#[from] BadAsk),
    /// A form that cannot be taken.
    #[error("{0}")]
    BadForm(String),
    /// Not with this role.
    #[error("{0} may look and not change anything; the role operator is needed")]
    Forbidden(String),
    /// Sent by the page of another site.
    #[error("this form was not sent from a page of this server")]
    Foreign,
    /// The registry cannot answer.
    #[error("the registry cannot answer: {0}")]
    Registry(#[from] RegistryError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Unknown { .. } | Self::Registry(RegistryError::NotFound { .. }) => StatusCode::NOT_FOUND,
            Self::BadAsk(_) | Self::BadForm(_) | Self::Registry(RegistryError::Invalid(_)) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) | Self::Foreign => StatusCode::FORBIDDEN,
            Self::Registry(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        plain(status, &self.to_string())
    }
}

/// A page with one sentence.
pub(crate) fn plain(status: StatusCode, sentence: &str) -> Response {
    html_answer(
        status,
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    (about(status.canonical_reason().unwrap_or("Error")))
                }
                body { main.alone { h1 { (status.canonical_reason().unwrap_or("Error")) } p { (sentence) } p { a href="/" { "To the fleet" } } } }
            }
        },
    )
}
