//! One seed from beginning to end: trouble first, then calm, in which everything has to come to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_sim::{CallFault, CallRule, CapacityGap, FaultPlan as CloudFaults, Window};
use disruption::Block;
use jiff::{SignedDuration, Timestamp};
use json_tree::{Text, json};
use kube_sim::{Fault, FaultPlan, FaultRule, FaultyApi};
use ports::Clock;
use ports::cloud::{GroupName, InstanceLifecycle};
use rollout::{EvidenceRecord, Outcome, PoolRecord};

use super::book::Book;
use super::case::{Case, Load};
use super::dice::Dice;
use super::manager::{Manager, Recipe};
use super::people;
use super::site::{POOL, Site};
use super::wires::Receiver;
use crate::ledger::TestLedger;

/// What was seen of one seed.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) breaches: Vec<String>,
    pub(crate) checks: BTreeMap<&'static str, u64>,
    pub(crate) log: String,
    pub(crate) kills: u64,
    pub(crate) writes: u64,
    pub(crate) evicted: u64,
    pub(crate) forced: u64,
    pub(crate) hours: i64,
}

struct Run {
    case: Case,
    site: Site,
    book: Arc<Book>,
    recipe: Recipe,
    managers: Vec<Manager>,
    made: u64,
    kills: u64,
    dice: Dice,
}

/// Lives through a case.
pub(crate) async fn live(case: Case) -> Seen {
    let mut run = Run::begin(case).await;
    let begun = run.site.clock.now();
    run.trouble().await;
    run.heal().await;
    run.calm().await;
    let hours = run.site.clock.now().duration_since(begun).as_hours();
    let kills = run.kills;
    run.site.oracle.look(|state, _| Seen {
        breaches: std::mem::take(&mut state.breaches),
        checks: std::mem::take(&mut state.checks),
        log: std::mem::take(&mut state.log),
        kills,
        writes: state.writes,
        evicted: state.evicted,
        forced: state.forced,
        hours,
    })
}

impl Run {
    async fn begin(case: Case) -> Self {
        let mut site = Site::build(&case).await;
        site.oracle.watch_cloud(site.cloud.clone());
        let book = Arc::new(Book::new(site.clock));
        let dice = Dice::child(case.seed, "trouble");
        let now = site.clock.now();
        let length = Duration::from_secs(60 * case.trouble);
        let plan = if case.taste.api {
            let rate = dice.pick(&[0.02, 0.05, 0.1]);
            FaultPlan::drawn(dice.seed(), now, length, rate)
        } else {
            slow_reads(&case, now, now + length)
        };
        let receiver = Receiver {
            inner: site.server.clone(),
            oracle: site.oracle.clone(),
        };
        if case.taste.cloud {
            site.cloud.set_faults(cloud_faults(&dice, now, now + length));
        }
        let per_mille = if case.taste.api { 10 } else { 0 };
        let recipe = Recipe {
            seed: case.seed,
            clock: site.clock,
            api: FaultyApi::new(receiver, Arc::new(site.clock), plan),
            cloud: site.cloud.clone(),
            ledger: Arc::new(TestLedger::new(Arc::new(site.clock))),
            chance: Arc::new(Mutex::new((Dice::child(case.seed, "ledger"), per_mille))),
            spec: site.spec.clone(),
            book: book.clone(),
            oracle: site.oracle.clone(),
            guards: case.guards,
        };
        site.keep(tokio::spawn(people::operate(site.oracle.clone(), site.clock)));
        if case.taste.restarts {
            let dice = Dice::child(case.seed, "restarts");
            let end = now + length;
            site.keep(tokio::spawn(people::restart(
                site.oracle.clone(),
                site.clock,
                dice,
                end,
            )));
        }
        if case.taste.bursts {
            let dice = Dice::child(case.seed, "bursts");
            site.keep(tokio::spawn(people::burst(site.oracle.clone(), site.clock, dice)));
        }
        let mut run = Self {
            managers: Vec::new(),
            made: 0,
            kills: 0,
            case,
            site,
            book,
            recipe,
            dice,
        };
        for _ in 0..run.case.managers {
            let manager = run.manager(run.case.taste.kills);
            run.managers.push(manager);
        }
        run.site.define().await;
        run
    }

    fn manager(&mut self, mortal: bool) -> Manager {
        self.made += 1;
        let cut = (mortal && self.dice.one_in(2)).then(|| (self.dice.within(1, 60), self.dice.one_in(2)));
        Manager::start(&self.recipe, self.made, cut)
    }

    async fn trouble(&mut self) {
        let end = self.site.clock.now() + SignedDuration::from_secs(i64::try_from(self.case.trouble * 60).unwrap());
        while self.site.clock.now() < end && !self.found() {
            people::meddle(&self.site, &self.case, &self.book, &self.dice).await;
            self.vex().await;
            let wait = self.dice.within(5, 900);
            self.site.pass(Duration::from_secs(wait)).await;
        }
    }

    /// The breach that this seed is lived for has been found.
    fn found(&self) -> bool {
        let Some(law) = self.case.seeks else { return false };
        self.site
            .oracle
            .look(|state, _| state.breaches.iter().any(|breach| breach.starts_with(law)))
    }

    /// Something happens to a manager.
    async fn vex(&mut self) {
        let place = usize::try_from(self.dice.below(self.managers.len() as u64)).unwrap();
        let chance = self.dice.below(10);
        let jump = i64::try_from(self.dice.within(1, 10_000)).unwrap();
        let taste = self.case.taste;
        let one = &self.managers[place];
        match chance {
            0 if taste.kills => return self.replace(place, true).await,
            1 | 2 if taste.kills => one.pause.set(true),
            3 | 4 => one.pause.set(false),
            5 if taste.jumps => one.set_clock(&self.site.oracle, jump),
            6 if taste.jumps => one.set_clock(&self.site.oracle, -jump),
            7 => one.set_clock(&self.site.oracle, 0),
            _ => {}
        }
        for place in 0..self.managers.len() {
            if self.managers[place].cut.is_dead() {
                self.replace(place, true).await;
            }
        }
    }

    async fn replace(&mut self, place: usize, mortal: bool) {
        let next = self.manager(mortal);
        let old = std::mem::replace(&mut self.managers[place], next);
        old.kill().await;
        self.kills += 1;
    }

    /// The faults stop, and people look after what is theirs to repair.
    async fn heal(&mut self) {
        self.recipe.api.set_plan(FaultPlan::new(self.case.seed));
        self.site.cloud.set_faults(CloudFaults::default());
        self.recipe.chance.lock().unwrap().1 = 0;
        self.book.block(None);
        for place in 0..self.managers.len() {
            let one = &self.managers[place];
            one.pause.set(false);
            one.set_clock(&self.site.oracle, 0);
            if self.case.taste.kills {
                // Nobody is left who could die later.
                self.replace(place, false).await;
            }
        }
        for machine in self.site.cloud.instances_now() {
            if self.site.cloud.is_never_ready(&machine.id) && machine.state == ports::cloud::InstanceState::Running {
                self.site.oracle.lost(machine.id.as_str());
                self.site.cloud.kill_instance(&machine.id);
            }
        }
        self.site.touch();
        self.site.pass(Duration::from_secs(600)).await;
        self.tend().await;
    }

    /// What the documentation asks people to do: look at given-up nodes, and at a pool that stopped.
    async fn tend(&self) {
        let given_up: Vec<String> = self.site.oracle.look(|state, _| {
            let nodes = state.facts.nodes.iter().filter(|(_, node)| node.quarantined);
            nodes.map(|(name, _)| name.clone()).collect()
        });
        for name in given_up {
            let patch = json!({"metadata": {"annotations": {rollout::names::QUARANTINED: null}}});
            self.site.patch(("", "nodes"), "", &name, &patch).await;
        }
        let stopped = self.records().iter().any(|record| record.failed.len() >= 3);
        if stopped {
            self.site.define().await;
        }
    }

    fn records(&self) -> Vec<PoolRecord> {
        let open = self
            .recipe
            .ledger
            .all(rollout::ROLLOUT_KIND)
            .into_iter()
            .filter(|entry| entry.open);
        open.map(|entry| serde_json::from_value(entry.body).unwrap()).collect()
    }

    async fn calm(&mut self) {
        if self.case.taste.people && self.dice.one_in(3) {
            self.blocked_in_calm().await;
        }
        let bound = self.bound();
        let mut promised: BTreeMap<String, Timestamp> = BTreeMap::new();
        loop {
            self.promises(&mut promised).await;
            self.site.pass(Duration::from_secs(600)).await;
            if self.found() {
                return;
            }
            let left = self.left().await;
            if left.is_none() {
                break;
            }
            self.tend().await;
            if self.site.clock.now() > bound {
                let left = left.unwrap_or_default();
                let status = self.status().await;
                self.site.oracle.look(|state, now| {
                    state.check("W2", false, || format!("{now} not done by {bound}: {left}\n{status}"));
                });
                return;
            }
        }
        // What ends a rollout is written within the same round; the workloads come to rest.
        self.site.pass(Duration::from_secs(1_200)).await;
        self.site.oracle.look(|state, _| state.check("W2", true, String::new));
        self.settled().await;
    }

    async fn status(&self) -> String {
        let mut all = String::new();
        for one in &self.managers {
            let handle = one.handle.lock().unwrap().clone();
            if let Some(handle) = handle
                && let Ok(Some(status)) = tokio::time::timeout(Duration::from_secs(5), handle.status()).await
            {
                all.push_str(&serde_json::to_string_pretty(&*status).unwrap());
            }
        }
        all
    }

    /// W3: under a block no mark of ours stays, and afterwards the rollout goes on where it was.
    async fn blocked_in_calm(&self) {
        let since = self.site.clock.now();
        self.book.block(Some(Block {
            reason: "calm".into(),
            owner: None,
            since,
            until: None,
        }));
        // At once, as far as the first round goes, and for good.
        for wait in [60, 540] {
            self.site.pass(Duration::from_secs(wait)).await;
            self.unmarked(since);
        }
        self.book.block(None);
    }

    fn unmarked(&self, since: Timestamp) {
        self.site.oracle.look(|state, now| {
            let ends = state.ends.clone();
            let asked = state.asked.clone();
            let marked = |node: &&super::facts::NodeFacts| {
                let leaves = ends.contains_key(&node.machine) || asked.contains(&node.machine);
                (node.tainted || node.status != "ready" || node.draining.is_some()) && !leaves && !node.quarantined
            };
            let left: Vec<String> = state
                .facts
                .nodes
                .values()
                .filter(marked)
                .map(|node| format!("{node:?}"))
                .collect();
            state.check("W3", left.is_empty(), || {
                format!("{now} marks under a block since {since}: {left:?}")
            });
        });
    }

    /// The instants that the engine promises for nodes on their way out: W2 holds them against what happens.
    async fn promises(&self, promised: &mut BTreeMap<String, Timestamp>) {
        // A bound takes for granted that new pods get ready.
        let assumed = self
            .case
            .loads
            .iter()
            .all(|load| !matches!(load, Load::Deployment { ready: false, .. }));
        for one in &self.managers {
            let handle = one.handle.lock().unwrap().clone();
            let Some(handle) = handle else { continue };
            let asked = tokio::time::timeout(Duration::from_secs(5), handle.status()).await;
            let Ok(Some(status)) = asked else { continue };
            for node in status
                .pools
                .iter()
                .flat_map(|pool| &pool.nodes)
                .filter(|node| node.draining.is_some())
            {
                if let Some(latest) = node.latest.filter(|_| assumed && status.complete) {
                    let least = promised.entry(node.node.to_string()).or_insert(latest);
                    *least = latest.min(*least);
                }
            }
        }
        self.site.oracle.look(|state, now| {
            promised.retain(|node, latest| {
                let there = state.facts.nodes.get(node).is_some_and(|node| !node.quarantined);
                let late = there && now > *latest + SignedDuration::from_mins(1);
                state.check("W2 bound", !late, || {
                    format!("{now} {node} is there, promised to be gone by {latest}")
                });
                there && !late
            });
        });
    }

    /// By when everything has to be done, whatever there is: each pod of each node in turn waits out every clock.
    fn bound(&self) -> Timestamp {
        let numbers = self.site.oracle.look(|state, _| state.numbers.clone());
        let pods = self.site.oracle.look(|state, _| state.facts.pods.len());
        let each = numbers.ready + numbers.unready + numbers.interval + SignedDuration::from_mins(20);
        let node =
            numbers.grace + numbers.operator + each * i32::try_from(pods + 1).unwrap() + SignedDuration::from_hours(2);
        self.site.clock.now() + numbers.pod + node * i32::try_from(self.case.nodes + 2).unwrap()
    }

    /// What is left to do; none when every machine has the definition and nothing of the rollout remains.
    async fn left(&self) -> Option<String> {
        let group = self.site.cloud.group_now(&GroupName::from(POOL)).unwrap();
        let current = group
            .instances
            .iter()
            .all(|one| one.launch_template == group.launch_template && one.lifecycle == InstanceLifecycle::InService);
        let marked = self.site.oracle.look(|state, _| {
            let marked = state
                .facts
                .nodes
                .values()
                .any(|node| node.tainted || node.status != "ready" || node.cordoned);
            marked || state.facts.nodes.len() != group.instances.len()
        });
        let open = !self.records().is_empty();
        let done = current && !marked && !open && group.instances.len() == usize::try_from(group.desired).unwrap();
        (!done).then(|| format!("current {current} marked {marked} open {open} group {group:?}"))
    }

    /// W4: whatever was killed on the way, the end is the same.
    async fn settled(&self) {
        let group = self.site.cloud.group_now(&GroupName::from(POOL)).unwrap();
        let evidence = self.recipe.ledger.all(rollout::EVIDENCE_KIND);
        let undecided = evidence.iter().filter(|entry| {
            let record: EvidenceRecord = serde_json::from_value(entry.body.clone()).unwrap();
            record.outcome == Outcome::Decided
        });
        let undecided = undecided.count();
        let nodes = self.site.server.read_all("", "nodes", "");
        let ours = |key: &&Text| {
            key.contains("rollout.fleetwright.dev")
                || key.contains("scale-down-disabled")
                || key.contains("drain-start")
        };
        let left: Vec<String> = nodes
            .iter()
            .filter_map(|node| node["metadata"]["annotations"].as_object())
            .flat_map(|notes| notes.keys().filter(ours).map(Text::to_string))
            .collect();
        let size = self.case.nodes;
        let short = self.short();
        self.site.oracle.look(|state, now| {
            let sized = group.desired == size && group.max == size && group.suspended.is_empty();
            state.check("W4", sized, || {
                format!(
                    "{now} group wants {} of at most {}, {:?} suspended; {size} at first",
                    group.desired, group.max, group.suspended
                )
            });
            state.check("W4", left.is_empty(), || format!("{now} annotations left: {left:?}"));
            state.check("W4", undecided == 0, || {
                format!("{now} {undecided} records of forced terminations are open")
            });
            state.check("W4", short.is_empty(), || {
                format!("{now} workloads not back: {short:?}")
            });
        });
    }

    /// Controllers whose pods are not all back.
    fn short(&self) -> Vec<String> {
        self.site.oracle.look(|state, _| {
            let facts = &state.facts;
            let alive = |owner: &(String, String)| {
                let pods = facts
                    .pods
                    .values()
                    .filter(|pod| pod.owner.as_ref() == Some(owner) && pod.deleted.is_none());
                pods.filter(|pod| pod.phase == "Running").count()
            };
            let short = facts.replicas.iter().filter(|(owner, wanted)| alive(owner) < **wanted);
            short
                .map(|(owner, wanted)| format!("{owner:?} {} of {wanted}", alive(owner)))
                .collect()
        })
    }
}

/// Reads of the API that are late and nothing else.
fn slow_reads(case: &Case, from: Timestamp, until: Timestamp) -> FaultPlan {
    let mut plan = FaultPlan::new(case.seed);
    if case.taste.gaps {
        let silence = Fault::WatchGap(Duration::from_secs(60));
        plan = plan.rule(FaultRule::new("gaps", silence).chance(0.7).between(from, until));
    }
    if case.taste.late {
        let wait = FaultRule::new("late", Fault::Delay(Duration::from_secs(25)));
        let lists = wait.verbs(&["list"]).resources(&["pods"]);
        plan = plan.rule(lists.chance(0.7).between(from, until));
    }
    plan
}

fn cloud_faults(dice: &Dice, from: Timestamp, until: Timestamp) -> CloudFaults {
    let window = Window { from, until };
    let rates = [
        CallFault::Refuse,
        CallFault::Throttle,
        CallFault::LoseAnswer,
        CallFault::Delay(Duration::from_secs(dice.within(1, 20))),
    ];
    let rule = |fault: CallFault| CallRule {
        window,
        ..CallRule::new(fault, &[]).per_mille(u32::try_from(dice.below(40)).unwrap())
    };
    let gap = CapacityGap {
        instance_type: None,
        zone: None,
        market: None,
        window: Window {
            from: from + dice.minutes(0, 20),
            until: (from + dice.minutes(20, 90)).min(until),
        },
    };
    CloudFaults {
        calls: rates.map(rule).into(),
        capacity: if dice.one_in(4) { vec![gap] } else { Vec::new() },
        never_ready_per_mille: dice.pick(&[0, 0, 100, 300]),
        spot_loss_per_mille: dice.pick(&[0, 200]),
        ..CloudFaults::default()
    }
}
