//! Blocks in the ledger, and the same thing seen through the config item of the original manager.
//!
//! A block of scope `all` and the config item `cluster_update_block` are written in one transaction and are one thing: who
//! removes the item lifts the block, and an item that somebody else set is a block as well (its presence counts, whatever
//! its value). A block that has expired holds no more at once; [`sweep`] takes its traces away.

use jiff::{SignedDuration, Timestamp};
use model::{Block, BlockScope, Cluster, ClusterId, ConfigItems, ConfigKey, Invalid, Lifted, Validate};
use serde_json::Value;

use crate::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind, ItemChange, Ledger};
use crate::registry::{Detail, PageRequest};
use crate::{Clock, Ids, Registry, RegistryError, WriteContext};

/// How long a block holds unless it says otherwise.
pub const DEFAULT_TERM: SignedDuration = SignedDuration::from_hours(72);
/// How long a block may hold without being renewed.
pub const LONGEST_TERM: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A block with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The cluster.
    pub cluster: ClusterId,
    /// Id of its entry; `None` for one that is only a config item.
    pub id: Option<EntryId>,
    /// Since when, if known.
    pub since: Option<Timestamp>,
    /// The block.
    pub block: Block,
}

/// Kind of the entries.
#[must_use]
pub fn kind() -> EntryKind {
    EntryKind::block()
}

fn item_key() -> ConfigKey {
    match Block::CONFIG_ITEM.parse() {
        Ok(key) => key,
        Err(refused) => unreachable!("a name of the model: {refused}"),
    }
}

/// Reads an entry.
///
/// # Errors
/// [`RegistryError::Internal`] when the entry holds no block.
pub fn of_entry(entry: &Entry) -> Result<Option<Blocked>, RegistryError> {
    let Some(cluster) = entry.cluster.clone() else {
        return Ok(None);
    };
    let block = serde_json::from_value(entry.body.clone()).map_err(|error| RegistryError::Internal(Box::new(error)))?;
    Ok(Some(Blocked {
        cluster,
        id: Some(entry.id.clone()),
        since: Some(entry.created_at),
        block,
    }))
}

/// The blocks that hold, out of the open entries and the config items of one cluster.
#[must_use]
pub fn holding(cluster: &ClusterId, items: &ConfigItems, open: &[Blocked], now: Timestamp) -> Vec<Blocked> {
    let item = items.get(&item_key());
    let own = open.iter().filter(|blocked| blocked.cluster == *cluster);
    // A block of scope `all` whose item is gone was lifted through the item.
    let mut holding: Vec<Blocked> = own
        .clone()
        .filter(|blocked| blocked.block.holds(now))
        .filter(|blocked| blocked.block.scope != BlockScope::All || item.is_some())
        .cloned()
        .collect();
    if let Some(value) = item {
        // The item of an expired block does not outlive it.
        let known = own.clone().any(|blocked| blocked.block.item_value() == *value);
        if !known {
            holding.push(Blocked {
                cluster: cluster.clone(),
                id: None,
                since: None,
                block: Block::from_item(value),
            });
        }
    }
    holding
}

/// Open entries of one cluster, or of all.
///
/// # Errors
/// Those of the ledger.
pub async fn open(ledger: &dyn Ledger, cluster: Option<&ClusterId>) -> Result<Vec<Blocked>, RegistryError> {
    let filter = EntryFilter {
        cluster: cluster.cloned(),
        open: Some(true),
        ..EntryFilter::of(kind())
    };
    let page = ledger.list_entries(&filter, &PageRequest::all()).await?;
    let blocks = page.items.iter().map(of_entry).collect::<Result<Vec<_>, _>>()?;
    Ok(blocks.into_iter().flatten().collect())
}

/// The blocks of a cluster that hold now.
///
/// # Errors
/// Those of the ledger: who cannot read blocks must not take the cluster for unblocked.
pub async fn of_cluster(ledger: &dyn Ledger, cluster: &Cluster, now: Timestamp) -> Result<Vec<Blocked>, RegistryError> {
    let open = open(ledger, Some(&cluster.id)).await?;
    Ok(holding(&cluster.id, &cluster.config_items, &open, now))
}

/// Sets a block. It is durable when this returns. Without an end it gets one after [`DEFAULT_TERM`].
///
/// # Errors
/// [`RegistryError::Invalid`] by field, an end in the past or after [`LONGEST_TERM`] included; those of the ledger.
pub async fn set(
    ledger: &dyn Ledger,
    clock: &dyn Clock,
    ids: &dyn Ids,
    cluster: &ClusterId,
    mut block: Block,
    context: &WriteContext,
) -> Result<Blocked, RegistryError> {
    let now = clock.now();
    block.validate()?;
    let end = match block.expires_at {
        Some(end) => end,
        None => now.saturating_add(DEFAULT_TERM).unwrap_or(Timestamp::MAX),
    };
    if end <= now {
        return Err(Invalid::new("expires_at", "must be in the future", end).into());
    }
    if end.duration_since(now) > LONGEST_TERM {
        let rule = "must be within 14 days; renew the block with a new reason when it is still needed then";
        return Err(Invalid::new("expires_at", rule, end).into());
    }
    block.expires_at = Some(end);
    let items = match block.scope {
        BlockScope::All => vec![ItemChange {
            cluster: cluster.clone(),
            key: item_key(),
            value: Some(block.item_value()),
        }],
        BlockScope::Nodes => Vec::new(),
    };
    let id: EntryId = ids.uuid().parse()?;
    let entry = ledger
        .put_entry(draft(id, cluster, true, &block, items)?, context)
        .await?;
    Ok(Blocked {
        cluster: cluster.clone(),
        id: Some(entry.id),
        since: Some(entry.created_at),
        block,
    })
}

fn draft(
    id: EntryId,
    cluster: &ClusterId,
    open: bool,
    block: &Block,
    items: Vec<ItemChange>,
) -> Result<EntryDraft, RegistryError> {
    let body: Value = serde_json::to_value(block).map_err(|error| RegistryError::Internal(Box::new(error)))?;
    Ok(EntryDraft {
        kind: kind(),
        id,
        cluster: Some(cluster.clone()),
        open,
        body,
        items,
    })
}

/// Lifts the blocks of a cluster, or the one with this id, and answers those that held. Lifting what does not hold is no
/// error: the answer is then empty.
///
/// # Errors
/// Those of ledger and registry. When one of several writes fails the rest still holds, which is safe; repeat the call.
pub async fn lift(
    ledger: &dyn Ledger,
    registry: &dyn Registry,
    clock: &dyn Clock,
    cluster: &ClusterId,
    id: Option<&EntryId>,
    context: &WriteContext,
) -> Result<Vec<Blocked>, RegistryError> {
    let found = registry.get_cluster(cluster, Detail::Full).await?.object;
    let now = clock.now();
    let open = open(ledger, Some(cluster)).await?;
    let held = holding(cluster, &found.config_items, &open, now);
    let wanted = |blocked: &&Blocked| id.is_none() || blocked.id.as_ref() == id;
    let lifted: Vec<Blocked> = held.iter().filter(wanted).cloned().collect();
    let stays = |blocked: &&Blocked| !wanted(blocked) && blocked.block.scope == BlockScope::All;
    let stays = held.iter().find(stays);
    let keep_item = stays.is_some();
    // What stays in force is what the config item must say; a block that is only the item says it already.
    let item = stays.and_then(|stays| match &stays.id {
        Some(_) => Some(stays.block.item_value()),
        None => found.config_items.get(&item_key()).cloned(),
    });
    let how = Lifted {
        by: context.actor.clone(),
        at: now,
    };
    for blocked in open.iter().filter(wanted) {
        close(ledger, blocked, how.clone(), item.clone(), true, context).await?;
    }
    let only_item = lifted.iter().any(|blocked| blocked.id.is_none());
    if only_item && !keep_item && found.config_items.contains_key(&item_key()) {
        match registry.delete_config_item(cluster, &item_key(), context).await {
            Ok(()) | Err(RegistryError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(lifted)
}

/// Closes one block. With `own_item` the config item is brought to `item` in the same transaction, or removed.
async fn close(
    ledger: &dyn Ledger,
    blocked: &Blocked,
    how: Lifted,
    item: Option<String>,
    own_item: bool,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let Some(id) = blocked.id.clone() else { return Ok(()) };
    let mut block = blocked.block.clone();
    block.lifted = Some(how);
    let items = match block.scope {
        BlockScope::All if own_item => vec![ItemChange {
            cluster: blocked.cluster.clone(),
            key: item_key(),
            value: item,
        }],
        _ => Vec::new(),
    };
    let draft = draft(id, &blocked.cluster, false, &block, items)?;
    ledger.put_entry(draft, context).await.map(drop)
}

/// Closes what no longer holds: blocks that expired, and blocks whose config item somebody removed. Answers those that were
/// closed, and the next moment at which one expires.
///
/// # Errors
/// Those of ledger and registry.
pub async fn sweep(
    ledger: &dyn Ledger,
    registry: &dyn Registry,
    clock: &dyn Clock,
    context: &WriteContext,
) -> Result<(Vec<Blocked>, Option<Timestamp>), RegistryError> {
    let (now, all) = (clock.now(), open(ledger, None).await?);
    let (mut closed, mut next) = (Vec::new(), None::<Timestamp>);
    for blocked in &all {
        let items = match registry.get_cluster(&blocked.cluster, Detail::Full).await {
            Ok(found) => found.object.config_items,
            Err(RegistryError::NotFound { .. }) => ConfigItems::new(),
            Err(error) => return Err(error),
        };
        let held = holding(&blocked.cluster, &items, &all, now);
        if held.iter().any(|other| other.id == blocked.id) {
            let end = blocked.block.expires_at;
            next = [next, end].into_iter().flatten().min();
            continue;
        }
        // The item stays if it is not this block's, and says what another block of the cluster needs it to say.
        let others = held.iter().find(|other| other.block.scope == BlockScope::All);
        let own = items.get(&item_key()) == Some(&blocked.block.item_value());
        let how = Lifted {
            by: String::new(),
            at: now,
        };
        let item = others.map(|other| other.block.item_value());
        close(ledger, blocked, how, item, own, context).await?;
        closed.push(blocked.clone());
    }
    Ok((closed, next))
}
