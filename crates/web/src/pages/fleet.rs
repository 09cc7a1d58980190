//! The fleet: channels as columns, clusters as tiles; the same as a table.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use maud::{Markup, html};
use model::words::{count, short_config};

use super::{FILES, alarm_banner, cluster_link, filter, frame, pill};
use crate::fleet::{ClusterRow, Fleet};
use crate::form::{Ask, part};
use crate::page::{self, Refusal};
use crate::server::Pages;
use crate::session::Visitor;
use crate::surroundings::ChannelHead;
use crate::table::{Cell, Table};
use crate::words::when;
use plan::waves::Phase;
use ports::standing::State as Word;

/// Alarms that the page shows.
const ALARMS: usize = 5;

/// What of a cluster a name in the address is compared with.
type Look = fn(&ClusterRow) -> String;

/// Names in addresses that narrow the view, with what they look at.
const NARROW: [(&str, Look); 5] = [
    ("channel", |row| row.cluster.channel.clone()),
    ("environment", |row| row.cluster.environment.clone()),
    ("account", |row| row.cluster.infrastructure_account.to_string()),
    ("owner", |row| row.owner.clone()),
    ("state", |row| row.standing.state.word().to_owned()),
];

pub(crate) async fn fleet(
    State(pages): State<Pages>,
    visitor: Visitor,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri);
    let view = ask.one_of("view", &["tiles", "table"])?;
    let download = ask.one_of("download", &FILES)?;
    let words: Vec<&'static str> = Word::ALL.map(Word::word).to_vec();
    ask.one_of("state", &words)?;
    let mut fleet = Fleet::read(&pages).await?;
    let counts = Word::ALL.map(|word| (word, fleet.rows.iter().filter(|row| row.standing.state == word).count()));
    for (name, read) in NARROW {
        let wanted = ask.get(name);
        fleet.rows.retain(|row| wanted.is_empty() || read(row) == wanted);
    }
    let rows = table(&fleet).view(&ask)?;
    if let Some(kind) = download {
        return Ok(page::download(&rows, kind, "clusters"));
    }
    let as_table = view == Some("table");
    let total = fleet.rows.len();
    let body = html! {
        div.head {
            h1 { "Fleet" }
            (filter(&ask))
            nav.views aria-label="View" {
                a href=(ask.with("view", "")) aria-current=[(!as_table).then_some("true")] { "Tiles" }
                a href=(ask.with("view", "table")) aria-current=[as_table.then_some("true")] { "Table" }
            }
            (page::downloads(&ask))
        }
        p.summary id="summary" data-live {
            span { (count(total, "cluster")) }
            @for (word, number) in counts.iter().filter(|(_, number)| *number > 0) {
                @let on = ask.get("state") == word.word();
                a class={ "pill " (word.word()) } href=(ask.with("state", if on { "" } else { word.word() })) aria-current=[on.then_some("true")] { (number) " " (word.word()) }
            }
            @for (name, _) in NARROW.iter().filter(|(name, _)| !ask.get(name).is_empty()) {
                a.chip href=(ask.with(name, "")) title="Show all" { (name) ": " (ask.get(name)) " ×" }
            }
        }
        section id="alarms" data-live { (alarms(&fleet)) }
        @if as_table {
            section id="list" data-live { (rows.html(&ask)) }
        } @else {
            (columns(&fleet, &ask))
        }
    };
    Ok(page::page(&frame("Fleet", &pages, &visitor, &ask, 5), &body))
}

fn columns(fleet: &Fleet, ask: &Ask) -> Markup {
    let words: Vec<String> = ask.get("q").split_whitespace().map(str::to_lowercase).collect();
    let fits = |row: &&ClusterRow| {
        let text = search_text(row);
        words.iter().all(|word| text.contains(word))
    };
    html! {
        div.channels id="channels" data-live {
            @for (name, head) in &fleet.channels {
                @let rows: Vec<&ClusterRow> = fleet.rows.iter().filter(|row| row.cluster.channel == *name).filter(fits).collect();
                @if !rows.is_empty() {
                    section.channel aria-label={ "Channel " (name) } {
                        (channel_head(name, head.as_ref(), &rows, fleet, ask))
                        div.tiles { @for row in &rows { (tile(row)) } }
                    }
                }
            }
        }
        @if fleet.rows.is_empty() { p.none { "No cluster fits." } }
    }
}

/// What has been so for too long.
fn alarms(fleet: &Fleet) -> Markup {
    let all = &fleet.movement.alarms;
    html! {
        @for alarm in all.iter().take(ALARMS) { (alarm_banner(alarm)) }
        @if all.len() > ALARMS { p.none { "and " (all.len() - ALARMS) " more: " code { "fleetwright get alarms" } } }
    }
}

fn channel_head(name: &str, head: Option<&ChannelHead>, rows: &[&ClusterRow], fleet: &Fleet, ask: &Ask) -> Markup {
    let there = head.map(|head| rows.iter().filter(|row| row.config() == head.config).count());
    html! {
        div.channel-head {
            h2 { a href=(ask.with("channel", name)) { (name) } }
            @match head {
                Some(head) => {
                    code title=(head.config) { (short_config(&head.config)) }
                    @if let Some(summary) = &head.summary { span.commit title=(summary) { (summary) } }
                    @if let Some(at) = head.committed_at { time datetime=(at) title=(at) { (when(at, fleet.now)) } }
                }
                None => { span.commit { "where it stands is not known here" } }
            }
            @if let Some(there) = there {
                progress max=(rows.len()) value=(there) aria-label={ (there) " of " (rows.len()) " clusters have this version" } {}
                span.there { (there) " of " (rows.len()) }
            }
            @if let Some(going) = fleet.movement.channels.get(name) {
                @let word = if going.phase == Phase::Halted { "failing" } else { "waiting" };
                span class={ "wave pill " (word) } { (going.phase.as_str()) }
                @if !going.sentence.is_empty() { span.commit title=(going.sentence) { (going.sentence) } }
            }
        }
    }
}

fn search_text(row: &ClusterRow) -> String {
    let cluster = &row.cluster;
    let parts = [
        cluster.alias.as_str(),
        cluster.id.as_str(),
        &cluster.environment,
        &cluster.channel,
        &row.owner,
        row.standing.state.word(),
        &row.standing.sentence,
        &cluster.status.current_version,
    ];
    parts.join(" ").to_lowercase()
}

fn tile(row: &ClusterRow) -> Markup {
    let cluster = &row.cluster;
    let word = row.standing.state.word();
    html! {
        a class={ "tile " (word) } id={ "tile-" (cluster.alias) } href={ "/clusters/" (part(cluster.alias.as_str())) } data-words=(search_text(row)) {
            span.title {
                span.name { (cluster.alias) }
                @if cluster.environment != "production" { span.env { (cluster.environment) } }
            }
            span.line {
                span.state { (word) }
                code title=(row.config()) { (short_config(&row.config())) }
            }
            @if let Some((ready, desired)) = row.nodes() {
                span.line.nodes {
                    span { (ready) " of " (desired) " nodes" }
                    @if row.outdated() > 0 { span.outdated { (row.outdated()) " to replace" } }
                }
            }
            @if !row.standing.sentence.is_empty() { span.sentence title=(row.standing.sentence) { (row.standing.sentence) } }
        }
    }
}

fn table(fleet: &Fleet) -> Table {
    let rows = fleet.rows.iter().map(|row| {
        let cluster = &row.cluster;
        let word = row.standing.state;
        let nodes = row.nodes();
        let number = |n: Option<u32>| n.map_or_else(|| Cell::text("").by(-1), |n| Cell::number(i64::from(n)));
        vec![
            Cell::text(cluster.alias.as_str()).shown(cluster_link(cluster.alias.as_str())),
            Cell::text(cluster.environment.as_str()),
            Cell::text(cluster.channel.as_str()),
            Cell::text(word.word()).shown(pill(word.word())).by(Word::ALL
                .iter()
                .position(|known| *known == word)
                .and_then(|at| i64::try_from(at).ok())
                .unwrap_or(0)),
            Cell::text(row.config()).shown(html! { code title=(row.config()) { (short_config(&row.config())) } }),
            number(nodes.map(|(ready, _)| ready)),
            number(nodes.map(|(_, desired)| desired)),
            number(nodes.map(|_| row.outdated())),
            Cell::text(row.owner.as_str()),
            Cell::text(cluster.infrastructure_account.as_str()),
            Cell::text(cluster.region.as_str()),
            Cell::text(cluster.id.as_str()),
            Cell::text(row.standing.sentence.as_str()),
        ]
    });
    Table {
        columns: &[
            ("cluster", "Cluster"),
            ("environment", "Environment"),
            ("channel", "Channel"),
            ("state", "State"),
            ("version", "Version"),
            ("ready", "Nodes ready"),
            ("desired", "Nodes wanted"),
            ("outdated", "To replace"),
            ("owner", "Owner"),
            ("account", "Account"),
            ("region", "Region"),
            ("id", "Id"),
            ("sentence", "Why"),
        ],
        rows: rows.collect(),
        empty: "No cluster fits.",
    }
}
