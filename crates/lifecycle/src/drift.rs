//! Drift: what was applied and is not any more as it was left. Found by watching, so a cluster that nobody touches costs no
//! call; what was applied is remembered in the ledger, so that a restart goes on watching.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube_access::apply::{Memory, Observed};
use kube_access::applyset::ApplySet;
use kube_access::watch::{WatchEvent, WatchSet};
use kube_access::{Access, GroupKind, ObjectKey};
use model::ClusterId;
use ports::ledger::{EntryDraft, EntryKind};
use ports::{Ledger, RegistryError, WriteContext};

/// The pause before a cluster that does not answer is asked again what it serves.
const PAUSE: Duration = Duration::from_secs(30);

fn kind() -> EntryKind {
    match "applied".parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

/// Remembers what was applied. It holds digests and versions, never values.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn remember(
    ledger: &dyn Ledger,
    cluster: &ClusterId,
    memory: &Memory,
    context: &WriteContext,
) -> Result<(), RegistryError> {
    let draft = EntryDraft {
        kind: kind(),
        id: cluster.as_str().parse()?,
        cluster: Some(cluster.clone()),
        open: true,
        body: serde_json::to_value(memory).map_err(|error| RegistryError::Internal(Box::new(error)))?,
        items: Vec::new(),
    };
    ledger.put_entry(draft, context).await.map(drop)
}

/// What was applied as far as it is remembered; nothing otherwise, which costs reads and no more.
pub(crate) async fn recall(ledger: &dyn Ledger, cluster: &ClusterId) -> Memory {
    let Ok(id) = cluster.as_str().parse() else {
        return Memory::default();
    };
    match ledger.get_entry(&kind(), &id).await {
        Ok(entry) => serde_json::from_value(entry.body).unwrap_or_default(),
        Err(_) => Memory::default(),
    }
}

/// Waits until something that was applied is not as it was left, and answers what.
pub(crate) async fn wait(access: &Access, memory: &Memory) -> ObjectKey {
    let wanted: BTreeSet<GroupKind> = memory.objects.keys().map(|key| key.kind.clone()).collect();
    let kinds = loop {
        match access.kinds().await {
            Ok(kinds) => break kinds,
            Err(_) => access.clock().sleep(PAUSE).await,
        }
    };
    let mut events = WatchSet::members(access, &ApplySet::default(), &wanted, &kinds);
    let mut seen: BTreeMap<GroupKind, BTreeSet<ObjectKey>> = BTreeMap::new();
    loop {
        match events.next().await {
            WatchEvent::Applied { key, value } => {
                if touched(memory, &key, &value) {
                    return key;
                }
                seen.entry(key.kind.clone()).or_default().insert(key);
            }
            WatchEvent::Deleted { key } if memory.objects.contains_key(&key) => return key,
            WatchEvent::Synced { kind } => {
                let there = seen.remove(&kind).unwrap_or_default();
                let mut of_kind = memory.objects.keys().filter(|key| key.kind == kind);
                if let Some(missing) = of_kind.find(|key| !there.contains(*key)) {
                    return missing.clone();
                }
            }
            WatchEvent::Deleted { .. } | WatchEvent::Trouble { .. } => {}
        }
    }
}

/// Another object of the name, or one whose fields of ours somebody changed. Writes of a status touch nothing of ours.
fn touched(memory: &Memory, key: &ObjectKey, now: &Observed) -> bool {
    memory.objects.get(key).is_some_and(|applied| {
        let same_version = applied.resource_version == now.resource_version;
        let same_fields = !now.fields.is_empty() && applied.fields == now.fields;
        applied.uid != now.uid || !(same_version || same_fields)
    })
}
