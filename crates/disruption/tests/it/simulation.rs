//! A small world in which the decisions are carried out, and time jumps from one event to the next: evictions, replacements,
//! new nodes, database operators. Every rollout ends, and every node within the bound that was computed for it (W2).

use std::collections::{BTreeMap, BTreeSet};

use disruption::{
    Amount, Block, Budget, BudgetKey, ClusterView, Environment, Limit, NodeDecision, NodeMark, NodeName, NodeState,
    NodeStep, Owner, PodKey, PodKind, PodState, Policy, PoolLimits, PrimarySignal, Readiness, Rule, Selector,
    SiblingClock, Verdict, decide_cluster, decide_pool, forecast_pool, gone_at_latest,
};
use jiff::{SignedDuration, Timestamp};
use model::duration::GoDuration;

use crate::random::Dice;
use crate::support::{plus, span, t0};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Gone(PodKey),
    Created(PodKey),
    Ready(PodKey),
    NodeReady(u32),
    MachineGone(NodeName),
    /// The operator of this database moves its primary.
    RoleMoves(Box<str>),
}

struct Sim {
    view: ClusterView,
    policy: Policy,
    limits: PoolLimits,
    now: Timestamp,
    dice: Dice,
    events: BTreeSet<(Timestamp, Event)>,
    /// Pods that are gone and come back.
    absent: BTreeMap<PodKey, PodState>,
    new_nodes: u32,
    names: u32,
    /// Databases whose operator never reacts.
    broken: BTreeSet<Box<str>>,
    forced_on: BTreeMap<NodeName, Timestamp>,
    forced_in: BTreeMap<BudgetKey, Timestamp>,
    /// The least bound that was ever computed for a node that had begun.
    bounds: BTreeMap<NodeName, Timestamp>,
    drained: BTreeMap<NodeName, Timestamp>,
    evictions: u32,
    forced: u32,
    checks: u64,
}

fn later(at: Timestamp, by: GoDuration) -> Timestamp {
    at + SignedDuration::from_nanos(by.nanos())
}

fn role(pod: &mut PodState, app: &str, role: &str) {
    pod.labels = [("app", app), ("spilo-role", role)].into_iter().collect();
}

impl Sim {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let policy = Policy::of(dice.pick(&[Environment::Production, Environment::Test]));
        let count = 1 + u32::try_from(dice.below(5)).unwrap();
        let mut sim = Self {
            view: ClusterView::default(),
            policy,
            limits: PoolLimits::new("worker".into(), count, 10, dice.one_in(5)),
            now: t0(),
            dice,
            events: BTreeSet::new(),
            absent: BTreeMap::new(),
            new_nodes: 0,
            names: 0,
            broken: BTreeSet::new(),
            forced_on: BTreeMap::new(),
            forced_in: BTreeMap::new(),
            bounds: BTreeMap::new(),
            drained: BTreeMap::new(),
            evictions: 0,
            forced: 0,
            checks: 0,
        };
        for i in 0..count {
            let mut node = NodeState::new(format!("old-{i}").into(), plus(t0(), "-900h"));
            node.pool = Some("worker".into());
            node.outdated = Some("image".into());
            sim.view.set_node(node);
        }
        for i in 0..1 + sim.dice.below(4) {
            sim.add_workload(i, count);
        }
        if sim.limits.spot {
            // On the spot market nobody waits for new nodes: one is there for the pods.
            sim.node_ready(99);
        }
        if sim.dice.one_in(4) {
            sim.policy.sibling_clock = SiblingClock::SinceChange;
        }
        if sim.dice.one_in(4) {
            let until = Some(sim.within(span("9h")));
            sim.view.set_block(Some(Block {
                reason: "freeze".into(),
                owner: None,
                since: t0(),
                until,
            }));
        }
        sim.refresh();
        sim
    }

    /// V4: no step while the cluster is blocked.
    fn is_open(&mut self) {
        self.checks += 1;
        assert!(
            self.view.block().is_none_or(|block| !block.holds(self.now)),
            "V4 at {}",
            self.now
        );
    }

    fn add_workload(&mut self, i: u64, nodes: u32) {
        let app = format!("app-{i}");
        let database = self.dice.one_in(3);
        let in_set = database || self.dice.one_in(4);
        let size = 1 + u32::try_from(self.dice.below(4)).unwrap();
        for member in 0..size {
            let owner = Owner::new(if in_set { "StatefulSet" } else { "ReplicaSet" }, app.as_str());
            let kind = if in_set {
                PodKind::StatefulSet {
                    owner,
                    ordinal: member,
                    replicas: Some(size),
                }
            } else {
                PodKind::Replicated(owner)
            };
            let created = self.dice.ago();
            let node = format!("old-{}", self.dice.below(u64::from(nodes)));
            let key = PodKey::new("shop", format!("{app}-{member}"));
            let mut pod = PodState::new(key, kind, Some(node.as_str().into()), created);
            pod.grace = span(self.dice.pick(&["0s", "30s", "10m"]));
            pod.labels = [("app", app.as_str())].into_iter().collect();
            if database {
                role(&mut pod, &app, if member == 0 { "master" } else { "replica" });
            }
            self.view.set_pod(pod);
        }
        if database && self.dice.one_in(3) {
            self.broken.insert(app.as_str().into());
        }
        let amount = self.dice.pick(&[
            Amount::Count(0),
            Amount::Count(1),
            Amount::Percent(1),
            Amount::Percent(60),
        ]);
        let limit = if self.dice.one_in(2) {
            Limit::MinAvailable(amount)
        } else {
            Limit::MaxUnavailable(amount)
        };
        let key = BudgetKey::new("shop", app.as_str());
        let selector = if database {
            Selector::labels([("app", app.as_str()), ("spilo-role", "master")])
        } else {
            Selector::labels([("app", app.as_str())])
        };
        let limit = if database {
            Limit::MinAvailable(Amount::Count(1))
        } else {
            limit
        };
        if !self.dice.one_in(4) {
            self.view.set_budget(Budget::new(key, selector, limit, 0, 0));
        }
    }

    /// Writes the budgets' status as their controller does.
    fn refresh(&mut self) {
        let budgets: Vec<Budget> = self.view.budgets().cloned().collect();
        for mut budget in budgets {
            let pods = self.view.pods_under(&budget.key);
            let healthy = pods.iter().filter(|pod| pod.is_healthy()).count();
            let absent = self
                .absent
                .values()
                .filter(|pod| budget.selector.matches(&pod.labels))
                .count();
            let expected = u32::try_from(pods.len() + absent).unwrap();
            budget.set_status(expected, u32::try_from(healthy).unwrap());
            self.view.set_budget(budget);
        }
    }

    /// An instant within the given time from now.
    fn within(&mut self, most: GoDuration) -> Timestamp {
        let nanos = self.dice.below(u64::try_from(most.nanos()).unwrap() + 1);
        self.now + SignedDuration::from_nanos(i64::try_from(nanos).unwrap())
    }

    fn node_ready(&mut self, number: u32) {
        let mut node = NodeState::new(format!("new-{number:02}").into(), self.now);
        node.pool = Some("worker".into());
        self.view.set_node(node);
    }

    fn bring_node(&mut self) {
        self.new_nodes += 1;
        let at = self.within(self.policy.assumptions.node_at_most);
        self.events.insert((at, Event::NodeReady(self.new_nodes)));
    }

    /// Carries out what the pool decides; tells whether something was done, and when the decision changes.
    fn pool(&mut self) -> (bool, Option<Timestamp>) {
        let decision = decide_pool(&self.view, &self.policy, &self.limits, self.now);
        for name in &decision.mark {
            let mut node = self.view.node(name).unwrap().clone();
            node.mark = Some(NodeMark::new(self.now, "new image"));
            self.view.set_node(node);
        }
        for _ in &decision.add {
            self.limits.desired += 1;
            self.bring_node();
        }
        for name in &decision.begin {
            let mut node = self.view.node(name).unwrap().clone();
            node.cordoned = true;
            node.mark.as_mut().unwrap().draining = Some(self.now);
            self.view.set_node(node);
        }
        let moved = !(decision.mark.is_empty() && decision.add.is_empty() && decision.begin.is_empty());
        if moved {
            self.is_open();
        }
        (moved, decision.changes_at)
    }

    /// Carries out one round; true when something was done.
    fn act(&mut self) -> (bool, Option<Timestamp>) {
        let mut acted = false;
        let decisions = decide_cluster(&self.view, &self.policy, self.now);
        let change = decisions.iter().filter_map(|node| node.changes_at).min();
        for node in decisions {
            for decision in &node.pods {
                match &decision.verdict {
                    Verdict::Evict => self.evict(&decision.pod),
                    Verdict::Force(evidence) => {
                        assert_eq!(evidence.unmet().count(), 0, "V2 {evidence:?}");
                        self.force(&node.node, &decision.pod);
                    }
                    Verdict::Wait(_) | Verdict::Leave(_) => continue,
                }
                acted = true;
            }
            acted |= self.signal(&node);
            if node.step == NodeStep::Drained && !self.drained.contains_key(&node.node) {
                self.node_drained(&node.node);
                acted = true;
            }
        }
        (acted, change)
    }

    fn evict(&mut self, key: &PodKey) {
        self.is_open();
        self.refresh();
        let pod = self.view.pod(key).unwrap();
        for budget in self.view.budgets_of(key).iter().filter(|_| pod.is_healthy()) {
            assert!(budget.healthy > budget.desired, "V1: {key} against {budget:?}");
            self.checks += 1;
        }
        self.evictions += 1;
        self.view.note_evicted(key, self.now);
        self.ends(key);
    }

    fn force(&mut self, node: &NodeName, key: &PodKey) {
        self.is_open();
        let far = |last: Option<&Timestamp>, gap: GoDuration, now| last.is_none_or(|at| later(*at, gap) <= now);
        let interval = self.policy.force_interval;
        assert!(far(self.forced_on.get(node), interval, self.now), "V3: {key} on {node}");
        self.forced_on.insert(node.clone(), self.now);
        let budgets: Vec<BudgetKey> = self.view.budgets_of(key).iter().map(|b| b.key.clone()).collect();
        for budget in budgets {
            let gap = self.policy.min_healthy_sibling_lifetime;
            assert!(far(self.forced_in.get(&budget), gap, self.now), "V3: {key} in {budget}");
            for sibling in self.view.pods_under(&budget).iter().filter(|pod| pod.key != *key) {
                let age = self.now.duration_since(sibling.created);
                assert!(age >= SignedDuration::from_hours(1), "V2: {key} with {sibling:?}");
            }
            self.forced_in.insert(budget, self.now);
            self.checks += 2;
        }
        self.forced += 1;
        self.view.note_forced(key, self.now);
        self.ends(key);
    }

    fn ends(&mut self, key: &PodKey) {
        let grace = self.view.pod(key).unwrap().grace;
        let at = self.within(grace);
        self.events.insert((at, Event::Gone(key.clone())));
    }

    /// Takes the label away when asked; an operator that works moves its primary some minutes later.
    fn signal(&mut self, decision: &NodeDecision) -> bool {
        if !matches!(
            decision.primary_signal,
            Some(PrimarySignal::RemoveReadyLabel | PrimarySignal::GiveAgain)
        ) {
            return false;
        }
        let mut node = self.view.node(&decision.node).unwrap().clone();
        node.mark.as_mut().unwrap().ready_label_removed = Some(self.now);
        self.view.set_node(node);
        let primaries = self
            .view
            .pods_on(&decision.node)
            .filter(|p| p.labels.get("spilo-role") == Some("master"));
        let apps: Vec<Box<str>> = primaries
            .filter_map(|pod| pod.labels.application())
            .map(Into::into)
            .collect();
        for app in apps {
            if self.broken.contains(&app) {
                continue;
            }
            let at = self.within(span("8m"));
            self.events.insert((at, Event::RoleMoves(app)));
        }
        true
    }

    fn node_drained(&mut self, name: &NodeName) {
        let bound = self.bounds.get(name).copied().unwrap_or(Timestamp::MAX);
        assert!(
            self.now <= bound,
            "W2: {name} drained at {} after its bound {bound}",
            self.now
        );
        self.drained.insert(name.clone(), self.now);
        let at = self.within(self.policy.assumptions.machine_at_most);
        self.events.insert((at, Event::MachineGone(name.clone())));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Gone(key) => {
                if let Some(pod) = self.view.remove_pod(&key) {
                    let most = GoDuration::from_nanos(self.policy.assumptions.replacement_at_most.nanos() / 2);
                    let at = self.within(most);
                    self.successor(&pod);
                    let key = match pod.kind {
                        PodKind::StatefulSet { .. } => key,
                        _ => {
                            self.names += 1;
                            PodKey::new("shop", format!("{}-r{}", key.name, self.names))
                        }
                    };
                    self.absent.insert(key.clone(), pod);
                    self.events.insert((at, Event::Created(key)));
                }
            }
            Event::Created(key) => {
                let old = self.absent.remove(&key).unwrap();
                let new = |node: &&NodeState| node.outdated.is_none();
                let node = self.view.nodes().find(new).map(|node| node.name.clone());
                let mut pod = PodState::new(key.clone(), old.kind, node, self.now);
                pod.grace = old.grace;
                pod.labels = old.labels;
                if pod.labels.get("spilo-role").is_some() {
                    let app = pod.labels.application().unwrap().to_owned();
                    let alone = !self.view.pods().any(|p| p.labels.application() == Some(&app));
                    role(&mut pod, &app, if alone { "master" } else { "replica" });
                }
                pod.readiness = Readiness::NotReady(self.now);
                self.view.set_pod(pod);
                let most = GoDuration::from_nanos(self.policy.assumptions.replacement_at_most.nanos() / 2);
                let at = self.within(most);
                self.events.insert((at, Event::Ready(key)));
            }
            Event::Ready(key) => {
                if let Some(mut pod) = self.view.pod(&key).cloned() {
                    pod.readiness = Readiness::Ready(self.now);
                    self.view.set_pod(pod);
                }
            }
            Event::NodeReady(number) => self.node_ready(number),
            Event::MachineGone(name) => {
                self.view.remove_node(&name);
                let left = self.view.nodes().filter(|node| node.outdated.is_some()).count();
                if left < usize::try_from(self.limits.surge).unwrap() {
                    self.limits.desired = self.limits.desired.saturating_sub(1);
                } else {
                    self.bring_node();
                }
            }
            Event::RoleMoves(app) => self.role_moves(&app),
        }
    }

    /// A healthy member on a node that stays becomes the primary, if there is one.
    fn role_moves(&mut self, app: &str) {
        let members: Vec<PodState> = self
            .view
            .pods()
            .filter(|p| p.labels.application() == Some(app))
            .cloned()
            .collect();
        let stays = |pod: &&PodState| {
            let node = pod.node.as_ref().and_then(|name| self.view.node(name));
            pod.is_healthy() && node.is_some_and(|node| node.outdated.is_none())
        };
        let Some(next) = members.iter().find(stays).map(|pod| pod.key.clone()) else {
            return;
        };
        for mut pod in members {
            let name = if pod.key == next { "master" } else { "replica" };
            role(&mut pod, app, name);
            self.view.set_pod(pod);
        }
    }

    /// When a primary is gone another member takes its role at once.
    fn successor(&mut self, gone: &PodState) {
        if gone.labels.get("spilo-role") != Some("master") {
            return;
        }
        let app = gone.labels.application().unwrap();
        let may = |pod: &&PodState| pod.labels.application() == Some(app) && pod.is_healthy();
        let next = self.view.pods().find(may).cloned();
        if let Some(mut next) = next {
            role(&mut next, app, "master");
            self.view.set_pod(next);
        }
    }

    fn compute_bounds(&mut self) {
        let begun: Vec<NodeName> = self
            .view
            .nodes()
            .filter(|n| n.is_draining())
            .map(|n| n.name.clone())
            .collect();
        for name in begun {
            let bound = gone_at_latest(&self.view, &self.policy, &name, self.now)
                .unwrap()
                .unwrap();
            let least = self.bounds.entry(name).or_insert(bound.drained);
            *least = (*least).min(bound.drained);
            self.checks += 1;
        }
    }

    fn run(mut self) -> Self {
        let forecast = forecast_pool(&self.view, &self.policy, &self.limits, self.now);
        let latest = forecast.at_latest.unwrap();
        for _ in 0..100_000 {
            self.refresh();
            let (moved, opens) = self.pool();
            self.compute_bounds();
            let (acted, change) = self.act();
            if moved || acted {
                continue;
            }
            if self.view.nodes().all(|node| node.outdated.is_none()) {
                assert!(
                    self.now <= latest,
                    "W2: ended at {} after the forecast's bound {latest}",
                    self.now
                );
                return self;
            }
            let event = self.events.first().map(|(at, _)| *at);
            let next = [event, change, opens].into_iter().flatten().min();
            self.now = next
                .unwrap_or_else(|| panic!("nothing will ever happen: {:?}", self.view))
                .max(self.now);
            while let Some((at, event)) = self.events.first().cloned().filter(|(at, _)| *at <= self.now) {
                self.events.remove(&(at, event.clone()));
                self.happen(event);
            }
        }
        panic!("the rollout does not end");
    }
}

#[test]
fn every_rollout_ends_within_its_bounds() {
    let (mut evictions, mut forced, mut checks) = (0, 0, 0);
    for seed in 0..400 {
        let done = std::panic::catch_unwind(|| Sim::new(seed).run());
        let done = done.unwrap_or_else(|_| panic!("seed {seed}"));
        evictions += done.evictions;
        forced += done.forced;
        checks += done.checks;
    }
    // The world must be rough enough to mean something.
    assert!(
        evictions > 1_000 && forced > 100 && checks > 4_000,
        "{evictions} {forced} {checks}"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let done = Sim::new(seed).run();
        (done.now, done.drained, done.forced, done.evictions)
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}

/// Without a guard of the contract some run breaks a promise, or never ends within its bound.
#[test]
fn guards_matter_in_the_long_run() {
    let missing: Vec<Rule> = [
        Rule::Blocked,
        Rule::Budget,
        Rule::ForceInterval,
        Rule::ReadySiblings,
        Rule::GroupInterval,
    ]
    .into_iter()
    .filter(|rule| {
        let breaks = |seed| {
            std::panic::catch_unwind(|| {
                let mut sim = Sim::new(seed);
                sim.policy.rules = sim.policy.rules.without(*rule);
                sim.run();
            })
            .is_err()
        };
        !(0..200).any(breaks)
    })
    .collect();
    assert!(missing.is_empty(), "{missing:?} can be switched off and nothing breaks");
}
