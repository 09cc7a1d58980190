//! What pages change: blocks.

use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use jiff::SignedDuration;
use model::{Block, BlockScope};
use ports::blocks;

use crate::fleet::Fleet;
use crate::form::{self, part};
use crate::page::Refusal;
use crate::server::Pages;
use crate::session::{Visitor, same_origin, to};

/// Sets a block from the form of the cluster page.
pub(crate) async fn block(
    State(pages): State<Pages>,
    visitor: Visitor,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Refusal> {
    same_origin(&headers)?;
    let caller = visitor.operator()?;
    let (now, row) = find(&pages, &name).await?;
    let mut form = form::pairs(&body);
    let mut take = |field: &str| {
        form.remove(field)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let scope = take("scope")
        .parse::<BlockScope>()
        .map_err(|refused| Refusal::BadForm(refused.to_string()))?;
    let hours = take("hours");
    let hours: i64 = hours
        .parse()
        .ok()
        .filter(|hours| (1..=336).contains(hours))
        .ok_or_else(|| Refusal::BadForm(format!("hours: must be a number from 1 to 336, not {hours:?}")))?;
    let block = Block {
        scope,
        reason: take("reason"),
        owner: take("owner"),
        ticket: Some(take("ticket")).filter(|ticket| !ticket.is_empty()),
        by: caller.name.clone(),
        expires_at: now.saturating_add(SignedDuration::from_hours(hours)).ok(),
        lifted: None,
    };
    let context = pages.context(&caller.name);
    blocks::set(
        &*pages.ledger,
        &*pages.clock,
        &*pages.ids,
        &row.cluster.id,
        block,
        &context,
    )
    .await?;
    Ok(back(row.cluster.alias.as_str()))
}

/// Lifts the blocks of a cluster.
pub(crate) async fn unblock(
    State(pages): State<Pages>,
    visitor: Visitor,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    same_origin(&headers)?;
    let caller = visitor.operator()?;
    let (_, row) = find(&pages, &name).await?;
    let context = pages.context(&caller.name);
    blocks::lift(
        &*pages.ledger,
        &*pages.registry,
        &*pages.clock,
        &row.cluster.id,
        None,
        &context,
    )
    .await?;
    Ok(back(row.cluster.alias.as_str()))
}

async fn find(pages: &Pages, name: &str) -> Result<(jiff::Timestamp, crate::fleet::ClusterRow), Refusal> {
    let found = Fleet::cluster(pages, name).await?;
    found.ok_or_else(|| Refusal::Unknown {
        kind: "cluster",
        name: name.to_owned(),
    })
}

fn back(alias: &str) -> Response {
    to(&format!("/clusters/{}", part(alias)))
}
