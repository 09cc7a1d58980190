//! Channels: how each stands, whether its gate opens, and, where the policy says so, moving its branch through it and back.
//!
//! Whenever something changes, and from time to time besides, all channels are looked at as a whole. What is found is written
//! down ([`ports::channels`]), where commands, pages and the registry read it. A branch is moved only by a gate with `promote`,
//! and only through [`ports::Promote`], which moves it from exactly where it was seen. A move is written down before it is done;
//! one that was cut is looked into at the next look: where the branch is says what came of it.
//!
//! When several replicas share the work, one of them does this.

mod holding;
mod moving;
mod notes;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use ports::RegistryError;
use ports::registry::{Change, ObjectKind};

use crate::claims::{Claims, alone};
use crate::guard::Rules;
use crate::manager::Wake;
use crate::pass::Reach;
use notes::Notes;

/// Between two looks when nothing happens: soak times pass, and sources move without telling.
const CALM: Duration = Duration::from_secs(30);
/// How long changes are gathered before a look.
const GATHER: Duration = Duration::from_secs(5);
/// The same for each cluster of a large fleet, so that work per cluster stays the same however many there are.
const EACH: Duration = Duration::from_millis(1);
/// The pause before something that did not work is tried again.
const PAUSE: Duration = Duration::from_secs(15);
/// Name of the lease of the one that does it.
const LEASE: &str = "channels";
/// Entries of the ledger whose changes tell nothing about channels; among them what is written here.
const SILENT: [&str; 6] = [
    "channel/",
    "channel-move/",
    "inputs/",
    "applied/",
    "rollout/",
    "stacks/",
];

/// Looks after channels and gates.
pub(crate) struct Gatekeeper {
    reach: Arc<Reach>,
    claims: Option<Claims>,
    wake: Wake,
    rules: Rules,
}

impl Gatekeeper {
    pub(crate) fn new(reach: Arc<Reach>, claims: Option<Claims>, wake: Wake, rules: Rules) -> Self {
        Self {
            reach,
            claims,
            wake,
            rules,
        }
    }

    /// Looks after them for ever. A program that only tries things out writes nothing.
    pub(crate) async fn run(self) {
        if self.reach.settings.dry_run {
            return std::future::pending().await;
        }
        alone(self.claims.as_ref(), LEASE, &*self.reach.clock, || self.look_after()).await;
    }

    async fn look_after(&self) {
        loop {
            if let Err(error) = self.follow().await {
                tracing::warn!(%error, "channels cannot be looked after at the moment");
            }
            self.reach.clock.sleep(PAUSE).await;
        }
    }

    async fn follow(&self) -> Result<(), RegistryError> {
        let (registry, clock) = (&self.reach.registry, &self.reach.clock);
        let mut feed = registry.watch(registry.last_change().await?).await?;
        let mut notes = Notes::default();
        loop {
            // What has been told by now counts.
            while let Some(change) = feed.next().now_or_never() {
                let Some(change) = change else { return Ok(()) };
                notes.hear(&change?);
            }
            notes.bring_up_to_date(&self.reach).await?;
            self.look(&notes).await?;
            // Whatever happens soon after something happened is one look.
            let mut due = later(clock.now(), CALM);
            loop {
                let now = clock.now();
                let wait = due.duration_since(now).try_into().unwrap_or_default();
                tokio::select! {
                    biased;
                    () = clock.sleep(wait) => break,
                    change = feed.next() => match change {
                        Some(Ok(change)) if telling(&change) => {
                            notes.hear(&change);
                            due = due.min(later(now, gathers(notes.clusters.len())));
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(error),
                        None => return Ok(()),
                    },
                }
            }
        }
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// How long changes are gathered before a look, which goes through all clusters.
fn gathers(clusters: usize) -> Duration {
    let each = EACH.saturating_mul(u32::try_from(clusters).unwrap_or(u32::MAX));
    each.clamp(GATHER, CALM)
}

fn telling(change: &Change) -> bool {
    change.kind != ObjectKind::Entry || !SILENT.iter().any(|prefix| change.id.starts_with(prefix))
}
