//! What wakes the manager besides the registry's clusters: drift, blocks, agreements, time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{AbortHandle, Abortable};
use kube_access::ObjectKey;
use model::ClusterId;
use ports::WriteContext;
use ports::blocks::{self, Blocked};
use ports::registry::Change;

use super::Manager;
use crate::drift;
use crate::state::{Cell, Standing};

/// Something that was applied is not as it was left.
pub(super) struct Drifted {
    pub(super) cluster: ClusterId,
    what: ObjectKey,
}

impl Manager {
    /// Watches clusters that are as wanted and not watched yet, if anything is known to have been applied.
    pub(super) async fn watch_settled(&mut self) {
        let settled = |cell: &Cell| matches!(cell.standing, Standing::AsWanted(_)) && cell.watch.is_none();
        let ids: Vec<ClusterId> = self
            .cells
            .iter()
            .filter(|(id, cell)| settled(cell) && self.is_first(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.watch(&id).await;
        }
    }

    async fn watch(&mut self, id: &ClusterId) {
        let reach = Arc::clone(&self.reach);
        let Some(cell) = self.cells.get_mut(id) else { return };
        if cell.memory.manifests.objects.objects.is_empty() {
            cell.memory.manifests.objects = drift::recall(&*reach.ledger, id).await;
        }
        let memory = cell.memory.manifests.objects.clone();
        let (handle, registration) = AbortHandle::new_pair();
        // A cluster of which nothing is known is marked as watched too, so that it is not asked about again and again.
        cell.watch = Some(handle);
        if memory.objects.is_empty() || reach.settings.dry_run {
            return;
        }
        let cluster = Arc::clone(&cell.subject.cluster);
        let watching = async move {
            let access = loop {
                match reach.connector.open(&cluster).await {
                    Ok(access) => break access,
                    Err(_) => reach.clock.sleep(Duration::from_secs(60)).await,
                }
            };
            let what = drift::wait(&access, &memory).await;
            Drifted {
                cluster: cluster.id.clone(),
                what,
            }
        };
        self.watches.push(Abortable::new(watching, registration).boxed());
    }

    pub(super) async fn drifted(&mut self, drifted: &Drifted) {
        let Some(cell) = self.cells.get_mut(&drifted.cluster) else {
            return;
        };
        cell.watch = None;
        cell.drifted = true;
        // Said before it is corrected.
        self.metrics.drift();
        tracing::warn!(cluster = %cell.subject.cluster.alias, object = %drifted.what, "drift");
        self.read(&drifted.cluster).await;
    }

    /// Somebody agreed to something: the cluster that waited for it need not wait any longer.
    pub(super) async fn agreed(&mut self, change: &Change) {
        let Some((kind, entry)) = change.id.split_once('/') else {
            return;
        };
        let (Ok(kind), Ok(entry)) = (kind.parse(), entry.parse()) else {
            return;
        };
        let Ok(entry) = self.reach.ledger.get_entry(&kind, &entry).await else {
            return;
        };
        if let Some(id) = entry.cluster {
            if let Some(cell) = self.cells.get_mut(&id) {
                cell.turns.forgive();
                cell.waits_until = None;
                cell.target = None;
            }
            self.read(&id).await;
        }
    }

    pub(super) async fn read_blocks(&mut self) {
        let known = match blocks::open(&*self.reach.ledger, None).await {
            Ok(open) => std::mem::replace(&mut self.open_blocks, open),
            Err(error) => {
                tracing::warn!(%error, "blocks cannot be read; each step asks again before it is taken");
                return;
            }
        };
        let of = |blocks: &[Blocked]| {
            blocks
                .iter()
                .map(|b| (b.cluster.clone(), b.id.clone()))
                .collect::<BTreeSet<_>>()
        };
        let touched = of(&known)
            .symmetric_difference(&of(&self.open_blocks))
            .map(|(id, _)| id.clone())
            .collect::<BTreeSet<_>>();
        for id in touched {
            self.read(&id).await;
        }
    }

    /// Time has passed: blocks may have expired, sources may have moved.
    pub(super) async fn tick(&mut self) {
        let now = self.reach.clock.now();
        let expired = |blocked: &Blocked| blocked.block.expires_at.is_some_and(|end| end <= now);
        if self.open_blocks.iter().any(expired) && !self.reach.settings.dry_run {
            let (ledger, registry) = (&*self.reach.ledger, &*self.reach.registry);
            let context = WriteContext::by(self.reach.settings.actor.clone(), self.reach.ids.uuid());
            if let Err(error) = blocks::sweep(ledger, registry, &*self.reach.clock, &context).await {
                tracing::warn!(%error, "expired blocks cannot be taken away");
            }
            self.open_blocks.retain(|blocked| !expired(blocked));
            self.read_blocks().await;
        }
        let due = self.refreshed.and_then(|at| at.saturating_add(self.pace.refresh).ok());
        let anew = self.sharing.anew().is_some_and(|due| due <= now);
        if anew || due.is_none_or(|due| due <= now) {
            self.refresh().await;
        }
    }
}
