//! One cluster: how it stands, its update, pools, nodes, blocks, history and config items.

use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use maud::{Markup, html};
use model::words::moment;
use model::{Cluster, ClusterVersion};

use super::{alarm_banner, frame, nodes, pill, updates};
use crate::fleet::{ClusterRow, Fleet};
use crate::form::{Ask, part};
use crate::page::{self, Refusal};
use crate::server::Pages;
use crate::session::Visitor;
use crate::steps;
use crate::surroundings::ItemOrigin;
use crate::table::{Cell, Table};
use ports::standing::State as Word;

/// Updates in the history of the page.
const HISTORY: usize = 15;
/// What a cluster page can be taken along as.
const TABLES: [&str; 2] = ["nodes", "pods"];

pub(crate) async fn cluster(
    State(pages): State<Pages>,
    visitor: Visitor,
    OriginalUri(uri): OriginalUri,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri);
    let found = Fleet::cluster(&pages, &name).await?;
    let (now, row) = found.ok_or(Refusal::Unknown { kind: "cluster", name })?;
    let cluster = &row.cluster;
    let workloads = pages.surroundings.workloads(cluster).await;
    if let Some(kind) = ask.one_of("download", &super::FILES)? {
        let which = ask.one_of("table", &TABLES)?.unwrap_or("nodes");
        let seen = workloads.map_err(Refusal::BadForm)?;
        let table = if which == "pods" {
            nodes::pod_table(&seen)
        } else {
            nodes::node_table(&seen)
        };
        return Ok(page::download(
            &table.view(&ask)?,
            kind,
            &format!("{}-{which}", cluster.alias),
        ));
    }
    let history = crate::fleet::updates(&pages, Some(cluster.id.clone()), None, Some(HISTORY)).await?;
    let items = pages.surroundings.items(cluster).await;
    let alias = cluster.alias.as_str();
    let may = visitor.operator().is_ok();
    let body = html! {
        div.head { h1 { (alias) } (pill(row.standing.state.word())) span.env { (cluster.environment) } }
        section id="standing" data-live { (standing(&row)) (facts(&row)) }
        section id="blocks" data-live { (held(&row)) @for alarm in &row.alarms { (alarm_banner(alarm)) } }
        @if may { (block_form(&row)) }
        @if let Some(known) = &row.update {
            section id="update" data-live {
                h2 { "Update in progress " a.small href={ "/updates/" (part(known.id.as_str())) } { (known.id) } }
                (steps::tree(&known.update, now))
            }
        }
        section id="pools" data-live { h2 { "Node pools" } (pools(&row).plain()) (waits(&row)) }
        section id="nodes" data-live {
            h2 { "Nodes and pods" @if workloads.is_ok() { (file_links(&ask)) } }
            @match &workloads {
                Ok(seen) => (nodes::picture(seen, row.rollouts.as_deref(), &ask, now)),
                Err(why) => p.none { (why) },
            }
        }
        section id="history" data-live {
            h2 { "History" }
            (updates::table(history.iter().map(|known| (alias.to_owned(), known)), now).plain())
        }
        section id="items" data-live { h2 { "Config items" } (config_items(cluster, items.as_deref()).plain()) }
    };
    Ok(page::page(&frame(alias, &pages, &visitor, &ask, 3), &body))
}

fn file_links(ask: &Ask) -> Markup {
    let link = |table: &str, kind: &str| {
        let with = ask.with("table", table);
        let sign = if with.contains('?') { '&' } else { '?' };
        format!("{with}{sign}download={kind}")
    };
    html! {
        span.downloads {
            @for table in TABLES { " " (table) ": " a href=(link(table, "tsv")) { "TSV" } " " a href=(link(table, "json")) { "JSON" } }
        }
    }
}

fn standing(row: &ClusterRow) -> Markup {
    let word = row.standing.state.word();
    html! {
        // Blocks have a place of their own, with who answers for them.
        @if !row.standing.sentence.is_empty() && row.standing.state != Word::Blocked { p class={ "banner " (word) } { (row.standing.sentence) } }
        @for problem in row.cluster.status.problems.iter().rev() {
            details.problem {
                summary { (problem.title) }
                @if let Some(detail) = &problem.detail { p { (detail) } }
                @if let Some(instance) = &problem.instance { p { code { (instance) } } }
            }
        }
    }
}

fn facts(row: &ClusterRow) -> Markup {
    let cluster = &row.cluster;
    let config = |version: &str| ClusterVersion::parse(version).config;
    let next = &cluster.status.next_version;
    let fact = |name: &str, value: Markup| html! { div { dt { (name) } dd { (value) } } };
    let version = config(&cluster.status.current_version);
    html! {
        dl.facts {
            (fact("Version", if version.is_empty() { html! { "none yet" } } else { html! { code { (version) } } }))
            @if !next.is_empty() && *next != cluster.status.current_version { (fact("Next", html! { code { (config(next)) } })) }
            (fact("Channel", html! { a href={ "/?channel=" (part(&cluster.channel)) } { (cluster.channel) } }))
            (fact("State", html! { (cluster.lifecycle_status.as_str()) }))
            (fact("Owner", html! { (row.owner) }))
            (fact("Account", html! { (cluster.infrastructure_account) }))
            (fact("Region", html! { (cluster.region) }))
            (fact("Criticality", html! { (cluster.criticality_level) }))
            (fact("API", html! { code { (cluster.api_server_url) } }))
            (fact("Id", html! { code { (cluster.id) } }))
        }
    }
}

fn held(row: &ClusterRow) -> Markup {
    html! {
        @for blocked in &row.blocks {
            @let block = &blocked.block;
            p.banner.blocked {
                strong { @match block.scope { model::BlockScope::All => "Blocked", model::BlockScope::Nodes => "Nodes are not replaced" } }
                ": " (block.reason) ". " (block.owner) " answers for it"
                @if !block.by.is_empty() && block.by != block.owner { ", set by " (block.by) }
                @if let Some(ticket) = &block.ticket { ", " (ticket) }
                @if let Some(end) = block.expires_at { ", until " (moment(end)) }
                "."
            }
        }
    }
}

/// Setting and lifting. It is no live part: nobody loses what they type.
fn block_form(row: &ClusterRow) -> Markup {
    let place = format!("/clusters/{}", part(row.cluster.alias.as_str()));
    html! {
        div.actions {
            @if !row.blocks.is_empty() {
                form method="post" action={ (place) "/unblock" } { button id="unblock" type="submit" { "Unblock" } }
            }
            details.block-form id="block-form" {
                summary { "Block this cluster" }
                form.card method="post" action={ (place) "/block" } {
                    label { "Reason" input name="reason" required maxlength="500" placeholder="quarter end"; }
                    label { "Who answers for it" input name="owner" required maxlength="200" value=(row.owner); }
                    label { "Ticket" input name="ticket" maxlength="500"; }
                    label { "For hours" input name="hours" type="number" min="1" max="336" value="72" required; }
                    label { "What" select name="scope" { option value="all" { "everything" } option value="nodes" { "only replacing nodes" } } }
                    button id="block" type="submit" { "Block" }
                }
            }
        }
    }
}

fn pools(row: &ClusterRow) -> Table {
    let rows = row.cluster.node_pools.iter().map(|pool| {
        let status = row.rollouts.iter().flat_map(|status| &status.pools);
        let status = status
            .into_iter()
            .find(|status| status.pool.to_string() == pool.name.as_str());
        let phase = status.map_or("", |status| super::rollouts::phase(status.phase));
        let number = |n: Option<u32>| n.map_or_else(|| Cell::text(""), |n| Cell::number(i64::from(n)));
        vec![
            Cell::text(pool.name.as_str()),
            Cell::text(pool.profile.as_str()),
            Cell::text(pool.instance_types.join(", ")),
            Cell::text(if pool.is_spot() { "spot" } else { "on demand" }),
            Cell::text(format!("{} to {}", pool.min_size, pool.max_size)),
            number(status.map(|status| status.ready)),
            number(status.map(|status| status.desired)),
            number(status.map(|status| status.outdated)),
            Cell::text(phase).shown(if phase.is_empty() {
                html! {}
            } else {
                pill(phase)
            }),
        ]
    });
    Table {
        columns: &[
            ("pool", "Pool"),
            ("profile", "Profile"),
            ("types", "Instance types"),
            ("market", "Market"),
            ("size", "Size"),
            ("ready", "Ready"),
            ("wanted", "Wanted"),
            ("outdated", "To replace"),
            ("phase", "Phase"),
        ],
        rows: rows.collect(),
        empty: "This cluster has no node pools in the registry.",
    }
}

/// What pools wait for, and what goes wrong.
fn waits(row: &ClusterRow) -> Markup {
    let status = row.rollouts.as_deref();
    html! {
        @if let Some(status) = status {
            ul.waits {
                @for pool in &status.pools {
                    @for wait in &pool.waits { li { strong { (pool.pool) } ": " (wait) } }
                    @for trouble in &pool.trouble { li.problem { strong { (pool.pool) } ": " (trouble) } }
                }
                @for trouble in &status.trouble { li.problem { (trouble) } }
            }
        }
    }
}

fn config_items(cluster: &Cluster, items: Option<&[ItemOrigin]>) -> Table {
    let row = |key: &str, value: &str, origin: &str| {
        vec![
            Cell::text(key),
            Cell::text(value).shown(html! { span.value { (value) } }),
            Cell::text(origin),
        ]
    };
    let rows = match items {
        Some(items) => items
            .iter()
            .map(|item| row(&item.key, &item.value, &item.origin))
            .collect(),
        None => model::secrets::masked(&cluster.config_items)
            .iter()
            .map(|(key, value)| row(key.as_str(), value, "registry"))
            .collect(),
    };
    Table {
        columns: &[("key", "Key"), ("value", "Value"), ("origin", "From")],
        rows,
        empty: "No config items.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_keep_the_view() {
        let ask = Ask::of(&"/clusters/shop?q=dns".parse().unwrap());
        let links = file_links(&ask).into_string();
        assert!(
            links.contains("/clusters/shop?q=dns&amp;table=nodes&amp;download=tsv"),
            "{links}"
        );
    }
}
