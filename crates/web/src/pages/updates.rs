//! The history: updates of the fleet, and one of them with its steps.

use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use model::words::{short_config, span};
use model::{ClusterVersion, Progress, Update};
use ports::RegistryError;
use ports::ledger::EntryId;

use super::{ListPage, cluster_link, frame, pill};
use crate::fleet::{Fleet, KnownUpdate};
use crate::form::{Ask, part};
use crate::page::{self, Refusal};
use crate::server::Pages;
use crate::session::Visitor;
use crate::steps;
use crate::table::{Cell, Table};
use crate::words::when;

/// Updates that a list shows; old ones are seldom looked for.
const NEWEST: usize = 300;

pub(crate) async fn updates(
    State(pages): State<Pages>,
    visitor: Visitor,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri);
    let open = ask.one_of("show", &["open", "over"])?.map(|show| show == "open");
    let fleet = Fleet::read(&pages).await?;
    let found = crate::fleet::updates(&pages, None, open, Some(NEWEST)).await?;
    let rows = found.iter().map(|known| (fleet.alias(known.cluster.as_ref()), known));
    let page = ListPage {
        title: "Updates",
        note: "What was done to clusters, newest first.",
        file: "updates",
        table: table(rows, fleet.now),
    };
    page.answer(&pages, &visitor, &ask, 5)
}

/// Updates as a table.
pub(crate) fn table<'a>(updates: impl Iterator<Item = (String, &'a KnownUpdate)>, now: Timestamp) -> Table {
    let rows = updates.map(|(alias, known)| {
        let update = &known.update;
        let config = |version: &str| ClusterVersion::parse(version).config;
        let (from, to) = (config(&update.from), config(&update.to));
        let lasted = update
            .started_at
            .map(|start| update.finished_at.unwrap_or(now).duration_since(start));
        let id = known.id.as_str();
        vec![
            Cell::text(id).shown(html! { a href={ "/updates/" (part(id)) } { (id) } }),
            Cell::text(alias.as_str()).shown(cluster_link(&alias)),
            Cell::text(update.progress.as_str()).shown(pill(update.progress.as_str())),
            Cell::text(update.cause.as_str()),
            Cell::text(from.as_str()).shown(html! { code title=(from) { (short_config(&from)) } }),
            Cell::text(to.as_str()).shown(html! { code title=(to) { (short_config(&to)) } }),
            Cell::time(update.started_at, now),
            Cell::text(lasted.map(span).unwrap_or_default()).by(lasted.map_or(-1, |lasted| lasted.as_secs())),
            Cell::text(steps::sentence(update)),
        ]
    });
    Table {
        columns: &[
            ("id", "Update"),
            ("cluster", "Cluster"),
            ("progress", "Progress"),
            ("cause", "Cause"),
            ("from", "From"),
            ("to", "To"),
            ("started", "Started"),
            ("lasted", "Lasted"),
            ("message", "What it says"),
        ],
        rows: rows.collect(),
        empty: "No update.",
    }
}

pub(crate) async fn update(
    State(pages): State<Pages>,
    visitor: Visitor,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri);
    let unknown = || Refusal::Unknown {
        kind: "update",
        name: id.clone(),
    };
    let entry: EntryId = id.parse().map_err(|_| unknown())?;
    let known = match crate::fleet::update(&pages, &entry).await {
        Err(RegistryError::NotFound { .. }) => return Err(unknown()),
        found => found?,
    };
    let fleet = Fleet::read(&pages).await?;
    let alias = fleet.alias(known.cluster.as_ref());
    let body = html! {
        div.head { h1 { "Update of " (cluster_link(&alias)) } (pill(known.update.progress.as_str())) }
        section id="update" data-live {
            (facts(&known.update, fleet.now))
            (steps::tree(&known.update, fleet.now))
        }
    };
    Ok(page::page(
        &frame(&format!("Update {id}"), &pages, &visitor, &ask, 3),
        &body,
    ))
}

/// What an update is about.
fn facts(update: &Update, now: Timestamp) -> Markup {
    let config = |version: &str| ClusterVersion::parse(version).config;
    let time =
        |at: Option<Timestamp>| html! { @if let Some(at) = at { time datetime=(at) title=(at) { (when(at, now)) } } };
    html! {
        @if !update.message.is_empty() { p class={ "banner " (tone(update.progress)) } { (update.message) } }
        dl.facts {
            div { dt { "From" } dd { code { (config(&update.from)) } } }
            div { dt { "To" } dd { code { (config(&update.to)) } } }
            div { dt { "Channel" } dd { (update.channel) } }
            div { dt { "Cause" } dd { (update.cause) @if !update.actor.is_empty() { " by " (update.actor) } } }
            @if !update.summary.is_empty() { div { dt { "Plan" } dd { (update.summary) } } }
            div { dt { "Started" } dd { (time(update.started_at)) } }
            @if update.finished_at.is_some() { div { dt { "Finished" } dd { (time(update.finished_at)) } } }
        }
    }
}

fn tone(progress: Progress) -> &'static str {
    match progress {
        Progress::Failing => "failing",
        Progress::Waiting => "waiting",
        Progress::Stopped => "blocked",
        Progress::Running | Progress::Pending => "updating",
        Progress::Done | Progress::Skipped => "current",
    }
}
