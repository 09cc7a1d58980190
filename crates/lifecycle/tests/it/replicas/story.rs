//! One seed from beginning to end, and what must be so in the end.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube_sim::{Fault, FaultPlan, FaultRule};
use lifecycle::consent::{self, PruneConsent};
use lifecycle::guard::Rules;
use model::Block;
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::PageRequest;
use ports::{Clock, Ledger, Registry, SeededIds, blocks};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::CLUSTERS;
use super::witness::{Seen, holder};
use super::world::{Replica, TERM, World};
use crate::bench::{cluster, context};
use crate::life::Fate;

/// How long the fleet lives with faults, in seconds.
const TROUBLE: u64 = 90;
/// How long a cluster that nothing stands in the way of may take in the end, in minutes.
const BOUND: u64 = 20;

/// How the fleet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// Every cluster for itself.
    Free,
    /// In waves, one cluster at a time. A cluster that is dead keeps its place then, and so the others: that it does not when nobody goes
    /// in waves is what the dead one shows.
    InWaves,
    /// The second cluster comes through a gate. The time that a commit soaks is counted by clocks, so none is wrong.
    ThroughAGate,
}

struct Story {
    world: World,
    goes: Goes,
    random: StdRng,
    replicas: Vec<Replica>,
    actors: u64,
    commits: u32,
    /// A cluster that does not answer, from the first moment until all others have come to their end.
    dead: Option<&'static str>,
}

/// One seed from beginning to end, with two replicas or three.
pub(super) async fn live(seed: u64, rules: Rules, goes: Goes) -> Seen {
    let world = World::new(&CLUSTERS, seed, rules, 10).await;
    let world = match goes {
        Goes::Free => world,
        Goes::InWaves => world.in_waves(),
        Goes::ThroughAGate => world.behind_a_gate().await,
    };
    let count = if seed.is_multiple_of(2) { 2 } else { 3 };
    let mut story = Story {
        world,
        goes,
        random: StdRng::seed_from_u64(seed),
        replicas: Vec::new(),
        actors: 0,
        commits: 0,
        dead: (seed.is_multiple_of(3) && goes == Goes::Free).then_some(CLUSTERS[1]),
    };
    story.weather(seed);
    story.commit(1);
    let end = story.world.clock.now().as_second() + i64::try_from(TROUBLE).unwrap();
    while story.world.clock.now().as_second() < end {
        story.begin(count);
        story.something().await;
        for _ in 0..story.random.random_range(1..3) {
            let step = story.random.random_range(1..8);
            story.rest(step).await;
        }
    }
    story.peace(count).await;
    let mut seen = story.world.witness.state().seen.clone();
    seen.digest = story.digest(&seen).await;
    seen
}

/// Faults of a cluster's API. A request is on its way for two seconds at most: what a lease leaves of its last quarter, and what
/// is waited for who did not say that it is done.
fn drawn(seed: u64, from: Timestamp, length: Duration) -> FaultPlan {
    let mut random = StdRng::seed_from_u64(seed);
    let until = from + SignedDuration::try_from(length).unwrap();
    let writes: &[&str] = &["patch", "create", "delete"];
    let faults: [(&str, Fault, &[&str]); 10] = [
        ("refused", Fault::Refuse, &[]),
        (
            "delayed",
            Fault::Delay(Duration::from_millis(random.random_range(1..=2_000))),
            &[],
        ),
        ("lost reply", Fault::LoseReply, writes),
        ("conflict", Fault::Conflict, &["patch"]),
        ("gone", Fault::Gone, &["watch"]),
        ("throttled", Fault::TooManyRequests(random.random_range(1..=5)), &[]),
        ("internal error", Fault::InternalError, &[]),
        ("unavailable", Fault::Unavailable, &[]),
        ("stale", Fault::Stale(random.random_range(1..=20)), &["list"]),
        (
            "watch cut",
            Fault::WatchCut(random.random_range(1..=50_000)),
            &["watch"],
        ),
    ];
    let mut plan = FaultPlan::new(random.random());
    for (name, fault, verbs) in faults {
        let (chosen, chance) = (random.random_bool(0.5), random.random_range(0.0..0.08));
        if chosen {
            plan = plan.rule(
                FaultRule::new(name, fault)
                    .verbs(verbs)
                    .between(from, until)
                    .chance(chance),
            );
        }
    }
    plan
}

impl Story {
    fn weather(&self, seed: u64) {
        let lasts = Duration::from_secs(TROUBLE);
        for (n, (alias, api)) in (0_u64..).zip(&self.world.apis) {
            let plan = match self.dead {
                Some(dead) if dead == alias => FaultPlan::new(seed).rule(FaultRule::new("dead", Fault::Dead)),
                _ => drawn(seed ^ (n + 1), self.world.clock.now(), lasts),
            };
            api.set_plan(plan);
        }
    }

    async fn rest(&mut self, seconds: u64) {
        self.world.pass_time(seconds).await;
        let alive: BTreeSet<String> = self.replicas.iter().map(|one| holder(one.life.actor)).collect();
        self.world.witness.look(&alive, TERM);
        let (dead, alive) = std::mem::take(&mut self.replicas)
            .into_iter()
            .partition(|one| self.world.witness.is_dead(one.life.actor));
        self.replicas = alive;
        let dead: Vec<Replica> = dead;
        for one in dead {
            one.life.end().await;
        }
    }

    /// A replica that was told to stop has to be gone soon.
    async fn stopped(&self, replica: Replica) {
        let (took, most) = (self.world.stopped(replica).await, Duration::from_secs(60));
        let mut state = self.world.witness.state();
        state.seen.check("W6", took < most, || {
            format!("a replica was told to stop and took {took:?}")
        });
    }

    fn commit(&mut self, by: u32) {
        self.commits += by;
        self.world.commit(self.commits);
    }

    fn happened(&self, event: &'static str) {
        self.world.witness.state().seen.happened(event);
    }

    /// So many replicas are at work; each dies at a write that is drawn now, and has a clock that is wrong.
    fn begin(&mut self, count: usize) {
        while self.replicas.len() < count {
            self.actors += 1;
            let fate = if self.random.random_bool(0.5) {
                Fate::Before
            } else {
                Fate::After
            };
            let writes = self.random.random_range(1..150);
            self.world.witness.sentence(self.actors, writes, fate);
            let replica = self.world.start(self.actors);
            let off = self.random.random_range(-15_000..15_000);
            self.jump(&replica, off);
            self.replicas.push(replica);
        }
    }

    fn jump(&self, replica: &Replica, millis: i64) {
        if self.goes != Goes::ThroughAGate {
            replica.machine.jump(millis);
        }
    }

    /// One of the replicas.
    fn some(&mut self) -> usize {
        self.random.random_range(0..self.replicas.len())
    }

    /// One of the things that happen.
    async fn something(&mut self) {
        let alias = CLUSTERS[self.random.random_range(0..CLUSTERS.len())];
        let one = self.some();
        match self.random.random_range(0..14) {
            0..=2 => {
                self.commit(1);
                let told = self.random.random_range(0..=self.replicas.len());
                self.replicas
                    .iter()
                    .take(told)
                    .for_each(|one| one.life.wake.configuration_moved());
            }
            3 => self.block(alias).await,
            4 => self.lift(alias).await,
            5 => self.change(alias).await,
            6 => self.agree(alias).await,
            7 => {
                self.happened("killed");
                self.replicas.remove(one).life.end().await;
            }
            8 => {
                self.happened("told to stop");
                let replica = self.replicas.remove(one);
                replica.stop();
                self.stopped(replica).await;
            }
            9 | 10 => {
                // Longer than its claims hold, perhaps; then it wakes up where it was.
                self.happened("stood still");
                self.replicas[one].life.pause(true);
                let long = self.random.random_range(3..TERM.as_secs() * 2);
                self.world.pass_time(long).await;
                self.replicas[one].life.pause(false);
            }
            11 => {
                self.happened("the store went away");
                self.replicas.iter().for_each(|one| one.store.away(true));
                let long = self.random.random_range(1..TERM.as_secs() * 2);
                self.world.pass_time(long).await;
                self.replicas.iter().for_each(|one| one.store.away(false));
            }
            12 => {
                self.happened("cut off");
                let from_git = self.random.random_bool(0.5);
                let chance = |one: &Replica| if from_git { one.git.clone() } else { one.store.clone() };
                let chance = chance(&self.replicas[one]);
                chance.away(true);
                let long = self.random.random_range(1..TERM.as_secs() * 3);
                self.world.pass_time(long).await;
                chance.away(false);
            }
            _ => {
                if self.goes != Goes::ThroughAGate {
                    self.happened("a clock jumped");
                }
                let to = self.random.random_range(-60_000..60_000);
                self.jump(&self.replicas[one], to);
            }
        }
    }

    async fn change(&mut self, alias: &str) {
        let value = self.random.random_range(1..9).to_string();
        let (id, key) = (cluster(alias).id, "replicas".parse().unwrap());
        let at = self.world.clock.now();
        self.world.witness.state().changed.insert(alias.to_owned(), at);
        let registry = &self.world.registry;
        registry
            .put_config_item(&id, &key, &value, &context("bob"))
            .await
            .unwrap();
    }

    async fn block(&mut self, alias: &str) {
        if self.world.witness.state().blocked.contains_key(alias) {
            return;
        }
        let at = self.world.clock.now();
        let ends = self.random.random_bool(0.4);
        let until = ends.then(|| at + SignedDuration::from_secs(self.random.random_range(20..200)));
        let block = Block {
            owner: "team".to_owned(),
            expires_at: until,
            ..Block::from_item("why (alice)")
        };
        let ids = SeededIds::new(self.random.random());
        let (ledger, clock, id) = (&*self.world.registry, &*self.world.clock, cluster(alias).id);
        blocks::set(ledger, clock, &ids, &id, block, &context("alice"))
            .await
            .unwrap();
        let mut state = self.world.witness.state();
        // Clocks differ by seconds: to somebody the block may have ended a little earlier.
        let until = until.map(|until| until - SignedDuration::from_secs(75));
        state.blocked.insert(alias.to_owned(), (at, until));
        // A block is an item of the entry as well.
        state.changed.insert(alias.to_owned(), at);
    }

    async fn lift(&mut self, alias: &str) {
        if self.world.witness.state().blocked.remove(alias).is_none() {
            return;
        }
        let (registry, clock, id) = (&*self.world.registry, &*self.world.clock, cluster(alias).id);
        self.world.witness.state().changed.insert(alias.to_owned(), clock.now());
        let lifted = blocks::lift(registry, registry, clock, &id, None, &context("alice")).await;
        lifted.unwrap();
    }

    /// Somebody agrees to the prune that a cluster asks for.
    async fn agree(&mut self, alias: &str) {
        let (registry, id) = (&*self.world.registry, cluster(alias).id);
        let Some(asked) = consent::asked(registry, &id).await.unwrap() else {
            return;
        };
        let consent = PruneConsent {
            by: "alice".to_owned(),
            ..asked
        };
        let count = consent.count;
        self.world
            .witness
            .state()
            .agreed
            .entry(alias.to_owned())
            .or_default()
            .insert(count);
        let entry = format!("c{:08x}", self.random.random::<u32>()).parse().unwrap();
        consent::agree_to_prune(registry, entry, &id, &consent, &context("alice"))
            .await
            .unwrap();
    }

    /// Faults stop, nobody dies any more: everything comes to its end and stays there, the dead cluster last.
    async fn peace(&mut self, count: usize) {
        for alias in CLUSTERS {
            self.lift(alias).await;
        }
        for one in std::mem::take(&mut self.replicas) {
            one.life.end().await;
        }
        for (alias, api) in &self.world.apis {
            if self.dead != Some(alias.as_str()) {
                api.set_plan(FaultPlan::new(0));
            }
        }
        for _ in 0..count {
            self.actors += 1;
            let replica = self.world.start(self.actors);
            replica.store.heal();
            replica.git.heal();
            self.replicas.push(replica);
        }
        // Every fifth commit cannot be applied; the last one can.
        self.commit(if (self.commits + 1) % 5 == 3 { 2 } else { 1 });
        let dead = self.dead.take();
        let answering: Vec<&str> = CLUSTERS.into_iter().filter(|alias| dead != Some(*alias)).collect();
        self.settle(&answering, if dead.is_some() { "W5" } else { "W1" }).await;
        if let Some(dead) = dead {
            self.world.apis[dead].set_plan(FaultPlan::new(0));
            self.settle(&CLUSTERS, "W1").await;
        }
        self.ended().await;
        // Told to stop, all of them hand over: nothing is held any more.
        let stopping = std::mem::take(&mut self.replicas);
        stopping.iter().for_each(Replica::stop);
        for one in stopping {
            self.stopped(one).await;
        }
        self.world.witness.look(&BTreeSet::new(), Duration::ZERO);
    }

    async fn settle(&mut self, aliases: &[&str], promise: &'static str) {
        let mut quiet = 0;
        for _ in 0..BOUND * 4 {
            self.rest(15).await;
            for alias in aliases {
                if !self.world.witness.entry(alias).status.problems.is_empty() {
                    self.agree(alias).await;
                }
            }
            let settled = aliases.iter().all(|alias| self.world.is_settled(alias));
            quiet = if settled { quiet + 1 } else { 0 };
            if quiet == 3 {
                break;
            }
        }
        for alias in aliases {
            let (settled, found) = (self.world.is_settled(alias), self.world.witness.entry(alias));
            let mut state = self.world.witness.state();
            let told = || format!("{alias}: {:?} at commit {}", found.status, self.commits);
            state.seen.check(promise, settled, told);
            state.seen.check("W3", settled, told);
        }
    }

    /// What must be so in the end: nothing is half done, no alarm is left.
    async fn ended(&self) {
        let (world, commits) = (&self.world, self.commits);
        for alias in CLUSTERS {
            let there = |n: &u32| {
                let name = format!("extra-{n}");
                world.servers[alias].read("", "configmaps", "web", &name).is_some()
            };
            let extra = (0..3_u32).filter(there).count();
            let same = u32::try_from(extra).unwrap() == commits % 3 && world.level(alias) == Some(commits);
            let found = world.witness.entry(alias);
            let mut state = world.witness.state();
            state.seen.check("W4", same, || {
                format!(
                    "{alias}: {extra} extra objects and level {:?} at commit {commits}",
                    world.level(alias)
                )
            });
            state.seen.check("W6", found.status.problems.is_empty(), || {
                format!("{alias}: {:?}", found.status.problems)
            });
        }
        let filter = EntryFilter::of(EntryKind::update());
        let updates = world.registry.list_entries(&filter, &PageRequest::all()).await.unwrap();
        let mut state = world.witness.state();
        for entry in updates.items {
            state.seen.check("W4", !entry.open, || {
                format!("update {} is still open: {}", entry.id, entry.body)
            });
        }
    }

    /// Everything that happened, as one number.
    async fn digest(&self, seen: &Seen) -> String {
        let mut hash = Sha256::new();
        for change in self.world.registry.changes(0, usize::MAX).await.unwrap() {
            hash.update(format!("{change:?}\n"));
        }
        for line in &seen.log {
            hash.update(format!("{line}\n"));
        }
        hex::encode(hash.finalize())
    }
}
