//! `block` and `unblock`.

use cli_args::{BlockArgs, ScopeName, UnblockArgs};
use jiff::Timestamp;
use model::duration::GoDuration;
use model::{BlockScope, Cluster};
use ports::Registry as _;
use ports::registry::{Detail, PageRequest};
use registry_api::{BlockDraft, BlockEntry};

use super::DRY_RUN;
use crate::console::Console;
use crate::failure::Failure;
use crate::objects::{CLUSTER_FIELDS, cluster_name};
use crate::selector::Selector;
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn run(args: BlockArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    let expires_at = end(args.until.as_deref(), args.term, session.clock.now())?;
    let clusters = selected(&session, &args.clusters, args.selector.as_deref()).await?;
    for cluster in clusters {
        let draft = BlockDraft {
            cluster_id: cluster.id.clone(),
            scope: match args.scope {
                ScopeName::Nodes => BlockScope::Nodes,
                ScopeName::All => BlockScope::All,
            },
            reason: args.reason.clone(),
            owner: args.owner.clone(),
            ticket: args.ticket.clone(),
            expires_at,
        };
        if args.dry_run {
            // The server's own rules, as far as they hold without its clock.
            model::Validate::validate(&draft.block("caller"))?;
            console.line(&format!("{} blocked{DRY_RUN}", cluster_name(&cluster)))?;
            continue;
        }
        let block = session.client.set_block(&draft, &session.write()).await;
        let block = block.map_err(|error| Failure::from(error).while_doing(cluster_name(&cluster)))?;
        console.line(&format!("{} blocked", cluster_name(&cluster)))?;
        // Each line is out as soon as its block holds, whatever comes of the next cluster.
        console.flush()?;
        console.say(&told(&block));
    }
    Ok(())
}

pub(super) async fn unblock(args: UnblockArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let id = args.id.as_deref().map(str::parse).transpose()?;
    let session = Session::new(settings)?;
    let names: Vec<String> = args.clusters.iter().map(|name| without_kind(name)).collect();
    for cluster in selected(&session, &names, args.selector.as_deref()).await? {
        let lifted = if args.dry_run {
            let page = session
                .client
                .list_blocks(Some(&cluster.id), Some(true), &PageRequest::all())
                .await?;
            let wanted = |block: &BlockEntry| args.id.is_none() || block.id == args.id;
            page.items.into_iter().filter(wanted).collect()
        } else {
            session
                .client
                .lift_blocks(&cluster.id, id.as_ref(), &session.write())
                .await?
        };
        let note = if args.dry_run { DRY_RUN } else { "" };
        let verb = if lifted.is_empty() {
            "was not blocked"
        } else {
            "unblocked"
        };
        console.line(&format!("{} {verb}{note}", cluster_name(&cluster)))?;
        console.flush()?;
    }
    Ok(())
}

/// `block/NAME`, as `get blocks -o name` prints it, names the cluster.
fn without_kind(name: &str) -> String {
    name.strip_prefix("block/").unwrap_or(name).to_owned()
}

/// Why, who and how long, for the person that has set or meets a block.
pub(super) fn told(block: &BlockEntry) -> String {
    let reason = if block.reason.is_empty() {
        "no reason given"
    } else {
        &block.reason
    };
    let mut text = reason.to_owned();
    if !block.by.is_empty() {
        text.push_str(&format!(" ({})", block.by));
    }
    if !block.owner.is_empty() && block.owner != block.by {
        text.push_str(&format!("; owner {}", block.owner));
    }
    if let Some(ticket) = &block.ticket {
        text.push_str(&format!("; {ticket}"));
    }
    match block.expires_at {
        Some(end) => text.push_str(&format!("; ends {end:.0}")),
        None => text.push_str("; until somebody lifts it"),
    }
    crate::table::one_line(text)
}

/// The end that `--until` or `--for` gives.
pub(super) fn end(until: Option<&str>, term: Option<GoDuration>, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    if let Some(text) = until {
        let end: Timestamp = text.parse().map_err(|error: jiff::Error| {
            Failure::of(&error)
                .while_doing(format!("--until {text:?}"))
                .hint("a time looks like 2026-12-01T06:00:00Z")
        })?;
        return Ok(Some(end));
    }
    let Some(term) = term else { return Ok(None) };
    let wrong = || Failure::new("--for must be a time that lies ahead");
    let term = term.to_std().ok_or_else(wrong)?;
    now.checked_add(term).map(Some).map_err(|_| wrong())
}

/// The clusters that are named, or those that a selector selects.
async fn selected(session: &Session, names: &[String], selector: Option<&str>) -> Result<Vec<Cluster>, Failure> {
    let mut found = Vec::new();
    let Some(text) = selector else {
        for name in names {
            found.push(session.cluster(name).await?.object);
        }
        return Ok(found);
    };
    let selector = Selector::parse(text, CLUSTER_FIELDS)?;
    let (filter, all) = (selector.cluster_filter(), PageRequest::all());
    for cluster in session.client.list_clusters(&filter, Detail::Full, &all).await?.items {
        let value = serde_json::to_value(&cluster.object).map_err(|error| Failure::of(&error))?;
        if selector.matches(&value) {
            found.push(cluster.object);
        }
    }
    if found.is_empty() {
        return Err(Failure::new("no cluster matches the selection"));
    }
    Ok(found)
}
