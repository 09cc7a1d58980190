//! Waves in the manager's life: when a decision is made, and what follows from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::ClusterId;
use ports::registry::Change;
use ports::{LeaseError, LeaseName, RegistryError, WriteContext};

use super::Manager;
use crate::queue::Queue;
use crate::state::Cell;
use crate::waves::alarms::{self, Causes};
use crate::waves::fleet::Seen;
use crate::waves::{LEASE, RunRecord};

/// When to try again after the store did not answer.
const SOON: Duration = Duration::from_secs(5);
/// Between two decisions, for each cluster: a decision looks at all of them, so in a large fleet what happens meanwhile is
/// gathered, and work per cluster stays the same however many there are. A second for ten thousand.
const REST: Duration = Duration::from_micros(100);
/// Fleets with fewer clusters decide at once.
const FEW: usize = 100;

impl Manager {
    /// Decides who may begin, if anything happened that could change it.
    pub(super) async fn conduct(&mut self) {
        let now = self.reach.clock.now();
        if !self.waves.is_due(now) {
            return;
        }
        // What happens meanwhile is a reason for another decision.
        self.waves.settled(self.rest(now));
        let decided = match self.leads(now).await {
            Ok(true) => self.decide(now).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = decided {
            tracing::warn!(%error, "waves cannot go on");
            self.waves.look = now.saturating_add(SOON).ok();
        }
    }

    /// Until when what looks at the whole fleet rests after it has looked now.
    pub(super) fn rest(&self, now: Timestamp) -> Option<Timestamp> {
        let clusters = self.cells.len();
        let rest = REST.saturating_mul(u32::try_from(clusters).unwrap_or(u32::MAX));
        now.saturating_add(rest).ok().filter(|_| clusters >= FEW)
    }

    /// Whether it is time to go through all clusters; if not, the loop comes back for it.
    pub(super) fn surveys(&mut self) -> bool {
        let now = self.reach.clock.now();
        match self.rests.filter(|(until, _)| *until > now) {
            Some((until, _)) => self.rests = Some((until, true)),
            None => self.rests = self.rest(now).map(|until| (until, false)),
        }
        self.rests.is_none_or(|(_, again)| !again)
    }

    /// Whether this replica is the one that lets clusters begin. One that becomes it reads everything anew.
    async fn leads(&mut self, now: Timestamp) -> Result<bool, RegistryError> {
        let Some(claims) = self.pace.claims.clone() else {
            return Ok(true);
        };
        let fresh = self.waves.lease.as_ref().is_some_and(|lease| {
            let half = lease.expires_at.saturating_sub(claims.term / 2);
            half.is_ok_and(|half| now < half)
        });
        if fresh {
            return Ok(true);
        }
        let name = LeaseName::new(LEASE).map_err(RegistryError::from)?;
        match claims.leases.claim(&name, &claims.holder, claims.term).await {
            Ok(lease) => {
                let known = self.waves.lease.replace(lease.clone());
                if known.is_none_or(|known| known.token != lease.token) {
                    self.waves.reload(&*self.reach.ledger).await?;
                }
                Ok(true)
            }
            Err(LeaseError::Held { expires_at, .. }) => {
                self.waves.lease = None;
                self.waves.look = Some(expires_at.max(now.saturating_add(Duration::from_secs(1)).unwrap_or(now)));
                Ok(false)
            }
            Err(error) => Err(RegistryError::Unavailable(Box::new(error))),
        }
    }

    /// A write that is refused when another replica leads.
    fn leading(&self) -> WriteContext {
        let context = self.reach.context();
        match &self.waves.lease {
            Some(lease) => context.fenced(lease),
            None => context,
        }
    }

    async fn decide(&mut self, now: Timestamp) -> Result<(), RegistryError> {
        let context = self.leading();
        let ledger = Arc::clone(&self.reach.ledger);
        self.tell_policy(&context).await?;
        self.waves.sweep(&*ledger, &*self.reach.clock, &context).await?;
        let (go, changed) = {
            let views = views(&self.cells, &self.queue);
            self.waves.catch_up(&*ledger, &views).await?;
            self.waves.decide(&views, now)
        };
        // The change comes first: who is let begin belongs to it.
        for run in &changed {
            crate::waves::put_run(&*ledger, run, &context).await?;
        }
        self.say_halts(&changed);
        for go in &go {
            let Some(cell) = self.cells.get(&go.cluster) else {
                continue;
            };
            let view = view(cell, &self.queue);
            self.waves.let_begin(&*ledger, go, &view, now, &context).await?;
        }
        let alarm = self.tell_alarms(now, &context).await?;
        self.waves.look = [self.waves.next_look(), alarm].into_iter().flatten().min();
        for go in go {
            self.look(&go.cluster, &mut BTreeMap::new()).await;
        }
        Ok(())
    }

    /// Writes down which rules are in force: who asks why something waits reads them there.
    async fn tell_policy(&mut self, context: &WriteContext) -> Result<(), RegistryError> {
        let Some(policy) = self.waves.policy() else {
            return Ok(());
        };
        if self.waves.told.as_ref() != Some(&policy) {
            crate::waves::put_policy(&*self.reach.ledger, &policy, context).await?;
            self.waves.told = Some(policy);
        }
        Ok(())
    }

    fn say_halts(&self, changed: &[RunRecord]) {
        let now = self.reach.clock.now();
        for run in changed {
            match &run.halt {
                Some(halt) => tracing::warn!(channel = run.channel, "{}", plan::waves::halt_sentence(halt, now)),
                None => tracing::info!(
                    channel = run.channel,
                    phase = run.phase.as_str(),
                    wave = run.wave,
                    "channel"
                ),
            }
        }
    }

    /// Raises alarms and ends those whose cause is gone (W6); answers when the next one begins.
    async fn tell_alarms(
        &mut self,
        now: Timestamp,
        context: &WriteContext,
    ) -> Result<Option<Timestamp>, RegistryError> {
        let Some(policy) = self.waves.policy() else {
            return Ok(None);
        };
        let alias = |id: &ClusterId| Some(self.cells.get(id)?.subject.cluster.alias.to_string());
        let causes = Causes {
            blocks: &self.open_blocks,
            behind: &self.waves.behind,
            runs: &self.waves.runs,
            pauses: self.waves.pauses(),
            alias: &alias,
        };
        let (on, next) = alarms::due(&policy.alarms, &causes, now);
        let ledger = Arc::clone(&self.reach.ledger);
        for (id, alarm) in &on {
            // The words of one that goes on change with the time; nothing is written for that.
            if !self.waves.alarms.contains_key(id) {
                tracing::warn!(kind = alarm.kind, subject = alarm.subject, "{}", alarm.says);
                crate::waves::put_alarm(&*ledger, id, true, alarm, context).await?;
            }
        }
        for (id, alarm) in self.waves.alarms.iter().filter(|(id, _)| !on.contains_key(*id)) {
            crate::waves::put_alarm(&*ledger, id, false, alarm, context).await?;
        }
        let mut words: BTreeMap<&'static str, u64> = BTreeMap::new();
        for alarm in on.values() {
            let kinds = ["stale-block", "version-debt", "halt", "pause"];
            if let Some(kind) = kinds.into_iter().find(|kind| *kind == alarm.kind) {
                *words.entry(kind).or_default() += 1;
            }
        }
        self.metrics.alarms(words);
        self.waves.alarms = on;
        Ok(next)
    }

    /// An entry of the ledger changed that waves may care about.
    pub(super) async fn waves_changed(&mut self, change: &Change) {
        let ledger = Arc::clone(&self.reach.ledger);
        match self.waves.entry_changed(&*ledger, &change.id).await {
            Ok(Some(cluster)) => self.look(&cluster, &mut BTreeMap::new()).await,
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, entry = change.id, "an entry of the ledger cannot be read");
                self.waves.miss();
            }
        }
    }
}

/// All clusters as waves see them, in the order of their ids.
fn views<'a>(cells: &'a BTreeMap<ClusterId, Cell>, queue: &Queue) -> Vec<Seen<'a>> {
    cells.values().map(|cell| view(cell, queue)).collect()
}

fn view<'a>(cell: &'a Cell, queue: &Queue) -> Seen<'a> {
    let cluster = &cell.subject.cluster;
    Seen {
        cluster,
        towards: &cell.towards,
        running: queue.is_running(&cluster.id),
    }
}
