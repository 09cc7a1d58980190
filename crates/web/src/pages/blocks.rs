//! All blocks that hold, with how long clusters wait because of them.

use axum::extract::{OriginalUri, State};
use axum::response::Response;

use super::{ListPage, cluster_link};
use crate::fleet::Fleet;
use crate::form::Ask;
use crate::page::Refusal;
use crate::server::Pages;
use crate::session::Visitor;
use crate::table::{Cell, Table};

pub(crate) async fn blocks(
    State(pages): State<Pages>,
    visitor: Visitor,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri);
    let fleet = Fleet::read(&pages).await?;
    let all = fleet
        .rows
        .iter()
        .flat_map(|row| row.blocks.iter().map(move |blocked| (row, blocked)));
    let rows = all.map(|(row, blocked)| {
        let block = &blocked.block;
        vec![
            Cell::text(row.cluster.alias.as_str()).shown(cluster_link(row.cluster.alias.as_str())),
            Cell::text(block.scope.as_str()),
            Cell::text(block.reason.as_str()),
            Cell::text(block.owner.as_str()),
            Cell::text(block.by.as_str()),
            Cell::time(blocked.since, fleet.now),
            Cell::time(block.expires_at, fleet.now),
            Cell::text(block.ticket.clone().unwrap_or_default()),
        ]
    });
    let page = ListPage {
        title: "Blocks",
        note: "Clusters that somebody holds back. A block is set and lifted on the page of its cluster.",
        file: "blocks",
        table: Table {
            columns: &[
                ("cluster", "Cluster"),
                ("scope", "Scope"),
                ("reason", "Reason"),
                ("owner", "Owner"),
                ("by", "Set by"),
                ("since", "Since"),
                ("until", "Until"),
                ("ticket", "Ticket"),
            ],
            rows: rows.collect(),
            empty: "Nothing is blocked.",
        },
    };
    page.answer(&pages, &visitor, &ask, 0)
}
