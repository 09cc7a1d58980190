//! One seed from beginning to end, and what must be so in the end.

use std::time::Duration;

use lifecycle::consent::{self, PruneConsent};
use lifecycle::guard::Rules;
use model::Block;
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::PageRequest;
use ports::{Clock, Ledger, Registry, SeededIds, blocks};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::eye::Seen;
use super::fleet::{Fleet, STORM, TERM};
use super::{CLUSTERS, SECRET, TROUBLE, numbered};
use crate::bench::{cluster, context};
use crate::life::{Fate, Life};
use crate::spy::Spy;

/// A seed as it lives.
struct Story {
    fleet: Fleet,
    random: StdRng,
    lives: Vec<Life>,
    actors: u64,
    commits: u32,
}

/// One seed from beginning to end. Every fourth has two managers that share the work.
pub(super) async fn live(seed: u64, rules: Rules) -> Seen {
    let spy = Spy::default();
    let listening = spy.listen();
    let replicas = seed.is_multiple_of(4);
    let fleet = Fleet::new(seed, rules, STORM, replicas).await;
    let mut story = Story {
        fleet,
        random: StdRng::seed_from_u64(seed),
        lives: Vec::new(),
        actors: 0,
        commits: 0,
    };
    story.commit(1);
    let end = story.fleet.clock.now().as_second() + i64::try_from(TROUBLE).unwrap();
    while story.fleet.clock.now().as_second() < end {
        story.begin(if replicas { 2 } else { 1 });
        story.something().await;
        // In small steps, so that what happens in between is seen.
        for _ in 0..story.random.random_range(1..20) {
            let step = story.random.random_range(1..20);
            story.fleet.clock.sleep(Duration::from_secs(step)).await;
            story.fleet.eye.strangers();
            story.bury().await;
        }
    }
    story.peace().await;
    drop(listening);
    let mut seen = story.fleet.eye.state().seen.clone();
    seen.check("V13", !spy.text().contains(SECRET), || {
        "the log holds a secret".to_owned()
    });
    seen.digest = story.digest(&seen).await;
    seen
}

impl Story {
    fn commit(&mut self, by: u32) {
        self.commits += by;
        self.fleet.eye.state().commits = self.commits;
        self.fleet.source.commit("dev", numbered(self.commits));
    }

    /// So many managers are at work; each dies at a write that is drawn now.
    fn begin(&mut self, managers: usize) {
        while self.lives.len() < managers {
            self.actors += 1;
            let fate = if self.random.random_bool(0.5) {
                Fate::Before
            } else {
                Fate::After
            };
            let writes = self.random.random_range(1..120);
            self.fleet.eye.sentence(self.actors, writes, fate);
            self.lives.push(self.fleet.start(self.actors));
        }
    }

    /// Takes managers away that died.
    async fn bury(&mut self) {
        let (dead, alive) = std::mem::take(&mut self.lives)
            .into_iter()
            .partition(|life| self.fleet.eye.is_dead(life.actor));
        self.lives = alive;
        let dead: Vec<Life> = dead;
        for life in dead {
            life.end().await;
        }
    }

    /// One of the things that happen.
    async fn something(&mut self) {
        let alias = CLUSTERS[self.random.random_range(0..CLUSTERS.len())];
        match self.random.random_range(0..12) {
            0..=2 => {
                self.commit(1);
                if self.random.random_bool(0.7) {
                    self.lives.iter().for_each(|life| life.wake.configuration_moved());
                }
            }
            3..=4 => self.block(alias).await,
            5 => self.lift(alias).await,
            6 => {
                let (id, key) = (cluster(alias).id, "replicas".parse().unwrap());
                let value = self.random.random_range(1..9).to_string();
                let at = self.fleet.clock.now();
                self.fleet.eye.state().changed.insert(alias.to_owned(), at);
                let registry = &self.fleet.registry;
                registry
                    .put_config_item(&id, &key, &value, &context("bob"))
                    .await
                    .unwrap();
            }
            7 => {
                let right = self.random.random_bool(0.6);
                self.agree(alias, right).await;
            }
            8 => {
                if let Some(life) = self.lives.pop() {
                    life.end().await;
                }
            }
            9 => {
                // Longer than its claims hold, then it wakes up where it was.
                if let Some(life) = self.lives.first() {
                    life.pause(true);
                    let long = self.random.random_range(TERM / 2..TERM * 3);
                    self.fleet.clock.sleep(Duration::from_secs(long)).await;
                    life.pause(false);
                }
            }
            _ => {}
        }
    }

    async fn block(&mut self, alias: &str) {
        if self.fleet.eye.state().blocked.contains_key(alias) {
            return;
        }
        let block = Block {
            owner: "team".to_owned(),
            ..Block::from_item("why (alice)")
        };
        let ids = SeededIds::new(self.random.random());
        let (ledger, clock, id) = (&*self.fleet.registry, &*self.fleet.clock, cluster(alias).id);
        blocks::set(ledger, clock, &ids, &id, block, &context("alice"))
            .await
            .unwrap();
        let at = self.fleet.clock.now();
        let mut state = self.fleet.eye.state();
        state.blocked.insert(alias.to_owned(), at);
        // A block is an item of the entry as well.
        state.changed.insert(alias.to_owned(), at);
    }

    async fn lift(&mut self, alias: &str) {
        if self.fleet.eye.state().blocked.remove(alias).is_none() {
            return;
        }
        let (registry, clock, id) = (&*self.fleet.registry, &*self.fleet.clock, cluster(alias).id);
        self.fleet.eye.state().changed.insert(alias.to_owned(), clock.now());
        blocks::lift(registry, registry, clock, &id, None, &context("alice"))
            .await
            .unwrap();
    }

    /// Somebody agrees to the prune that a cluster asks for, or to another one.
    async fn agree(&mut self, alias: &str, right: bool) {
        let (registry, id) = (&*self.fleet.registry, cluster(alias).id);
        let Some(asked) = consent::asked(registry, &id).await.unwrap() else {
            return;
        };
        let consent = PruneConsent {
            by: "alice".to_owned(),
            hash: if right { asked.hash } else { "other".to_owned() },
            count: asked.count,
        };
        if right {
            let mut state = self.fleet.eye.state();
            state.agreed.entry(alias.to_owned()).or_default().insert(asked.count);
        }
        let entry = format!("c{:08x}", self.random.random::<u32>()).parse().unwrap();
        consent::agree_to_prune(registry, entry, &id, &consent, &context("alice"))
            .await
            .unwrap();
    }

    /// Blocks are lifted, faults stop, nobody dies any more: everything comes to its end and stays there (W1, W4).
    async fn peace(&mut self) {
        for alias in CLUSTERS {
            self.lift(alias).await;
        }
        for life in std::mem::take(&mut self.lives) {
            life.end().await;
        }
        self.fleet.heal();
        self.actors += 1;
        self.lives.push(self.fleet.start(self.actors));
        // Every third commit cannot be applied; the last one can.
        self.commit(if (self.commits + 1) % 3 == 2 { 2 } else { 1 });
        self.lives.iter().for_each(|life| life.wake.configuration_moved());
        let mut quiet = 0;
        for _ in 0..180 {
            self.fleet.clock.sleep(Duration::from_secs(60)).await;
            self.fleet.eye.strangers();
            for alias in CLUSTERS {
                if !self.fleet.entry(alias).await.status.problems.is_empty() {
                    self.agree(alias, true).await;
                }
            }
            quiet = if self.is_settled().await { quiet + 1 } else { 0 };
            if quiet == 5 {
                break;
            }
        }
        self.settled().await;
        for life in std::mem::take(&mut self.lives) {
            life.end().await;
        }
    }

    async fn is_settled(&self) -> bool {
        for alias in CLUSTERS {
            let found = self.fleet.entry(alias).await;
            let wanted = model::ClusterVersion::of(format!("commit-{}", self.commits), &found).to_string();
            if found.status.current_version != wanted || !found.status.problems.is_empty() {
                return false;
            }
        }
        true
    }

    /// What must be so in the end: W1, W4, and nothing that was written holds a secret (V13).
    async fn settled(&self) {
        let (fleet, commits) = (&self.fleet, self.commits);
        for alias in CLUSTERS {
            let found = fleet.entry(alias).await;
            let wanted = model::ClusterVersion::of(format!("commit-{commits}"), &found).to_string();
            let there = |n: &u32| {
                let name = format!("extra-{n}");
                fleet.servers[alias].read("", "configmaps", "web", &name).is_some()
            };
            let extra = (0..4_u32).filter(there).count();
            let is = found.status.current_version == wanted && found.status.problems.is_empty();
            let same = u32::try_from(extra).unwrap() == commits % 4;
            let mut state = fleet.eye.state();
            state
                .seen
                .check("W1", is, || format!("{alias}: {:?}, wanted {wanted}", found.status));
            state.seen.check("W4", same, || {
                format!("{alias}: {extra} extra objects at commit {commits}")
            });
        }
        let filter = EntryFilter::of(EntryKind::update());
        let updates = fleet.registry.list_entries(&filter, &PageRequest::all()).await.unwrap();
        let mut state = fleet.eye.state();
        for entry in updates.items {
            state.seen.check("W4", !entry.open, || {
                format!("update {} is still open: {}", entry.id, entry.body)
            });
        }
    }

    /// Everything that happened, as one number.
    async fn digest(&self, seen: &Seen) -> String {
        let mut hash = Sha256::new();
        for change in self.fleet.registry.changes(0, usize::MAX).await.unwrap() {
            hash.update(format!("{change:?}\n"));
        }
        for line in &seen.log {
            hash.update(format!("{line}\n"));
        }
        hash.update(self.fleet.cloud.log_text());
        hex::encode(hash.finalize())
    }
}
