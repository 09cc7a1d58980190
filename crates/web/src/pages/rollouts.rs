//! Nodes that are to go, in the whole fleet, each with its one sentence.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use maud::html;

use super::{ListPage, cluster_link, pill};
use crate::fleet::Fleet;
use crate::form::{Ask, part};
use crate::page::Refusal;
use crate::server::Pages;
use crate::session::Visitor;
use crate::table::{Cell, Table};

pub(crate) async fn rollouts(
    State(pages): State<Pages>,
    visitor: Visitor,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri);
    let fleet = Fleet::read(&pages).await?;
    let mut rows = Vec::new();
    for row in &fleet.rows {
        let alias = row.cluster.alias.as_str();
        for pool in row.rollouts.iter().flat_map(|status| &status.pools) {
            let phase = phase(pool.phase);
            for node in &pool.nodes {
                let place = format!("/clusters/{}#node-{}", part(alias), part(&node.node.to_string()));
                rows.push(vec![
                    Cell::text(alias).shown(cluster_link(alias)),
                    Cell::text(pool.pool.to_string()),
                    Cell::text(phase).shown(pill(phase)),
                    Cell::text(node.node.to_string()).shown(html! { a href=(place) { (node.node) } }),
                    Cell::number(i64::try_from(node.pods.len()).unwrap_or(i64::MAX)),
                    Cell::time(node.selected, fleet.now),
                    Cell::time(node.expected, fleet.now),
                    Cell::time(node.latest, fleet.now),
                    Cell::text(node.sentence.as_str()),
                ]);
            }
        }
    }
    let page = ListPage {
        title: "Rollouts",
        note: "Nodes that are to be replaced, why they are still there, and when they will be gone.",
        file: "rollouts",
        table: Table {
            columns: &[
                ("cluster", "Cluster"),
                ("pool", "Pool"),
                ("phase", "Phase"),
                ("node", "Node"),
                ("pods", "Pods"),
                ("selected", "Selected"),
                ("expected", "Expected"),
                ("latest", "At the latest"),
                ("sentence", "Why"),
            ],
            rows,
            empty: "No node is to be replaced.",
        },
    };
    page.answer(&pages, &visitor, &ask, 3)
}

/// The word for where a pool stands.
pub(crate) fn phase(phase: rollout::PoolPhase) -> &'static str {
    match phase {
        rollout::PoolPhase::Current => "current",
        rollout::PoolPhase::Rolling => "rolling",
        rollout::PoolPhase::Marked => "marked",
        rollout::PoolPhase::Blocked => "blocked",
        rollout::PoolPhase::Halted => "halted",
        rollout::PoolPhase::Empty => "empty",
        rollout::PoolPhase::Broken => "broken",
    }
}
