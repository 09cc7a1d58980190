//! The pool: which outdated nodes go next, and what must be there first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{NodeName, PoolName, Zone};
use crate::node::NodeState;
use crate::order::by_turn;
use crate::pod::PodState;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::view::{ClusterView, set_of};

/// Size and limits of a pool during a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLimits {
    /// The pool.
    pub pool: PoolName,
    /// How many nodes it had when the rollout began; constant while it lasts, so that each node brought does not ask for
    /// the next.
    pub size: u32,
    /// How many nodes its groups want now.
    pub desired: u32,
    /// How many nodes they may be asked for at most, so that nodes that come in the wrong zone do not add up.
    pub most: u32,
    /// Its machines are of the spot market: nobody waits for them.
    pub spot: bool,
    /// New nodes brought before the first one goes.
    pub surge: u32,
    /// Nodes that may be on their way out at once.
    pub in_flight: u32,
    /// Nodes that may be given up before the pool stops.
    pub max_quarantined: u32,
    /// New nodes that failed to become ready in this rollout.
    pub failed_replacements: u32,
    /// Outdated machines whose nodes are not ready: they go anyway, so nobody waits for them to come back.
    pub lost: u32,
    /// Failed replacements at which the pool stops.
    pub max_failed_replacements: u32,
    /// Blue-green: no drained machine is ended before every outdated node is drained, so that the old set can take the pods
    /// back until then.
    #[serde(default)]
    pub together: bool,
}

impl PoolLimits {
    /// The original's numbers for a pool of `size` nodes and at most `max_size`: up to three at a time.
    pub fn new(pool: PoolName, size: u32, max_size: u32, spot: bool) -> Self {
        let surge = max_size.min(3);
        Self {
            pool,
            size,
            desired: size,
            most: size.saturating_add(surge.saturating_mul(2)),
            spot,
            surge,
            in_flight: surge,
            max_quarantined: 1,
            failed_replacements: 0,
            lost: 0,
            max_failed_replacements: 3,
            together: false,
        }
    }

    /// Blue-green: a second set of nodes at full size comes first, on the spot market too, then all old nodes are drained,
    /// and only then are their machines ended.
    pub fn blue_green(pool: PoolName, size: u32, max_size: u32) -> Self {
        let all = size.max(1);
        Self {
            surge: size,
            in_flight: all,
            most: size.saturating_mul(2).saturating_add(max_size.min(3)),
            together: true,
            ..Self::new(pool, size, max_size, false)
        }
    }
}

/// A node to be added to the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNode {
    /// The zone that it must be in, when volumes ask for one.
    pub zone: Option<Zone>,
}

/// What keeps the pool from going on, or one of its nodes from having its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "snake_case")]
pub enum PoolWait {
    /// The cluster is blocked.
    Blocked {
        /// Why.
        why: Box<str>,
        /// When the block ends by itself.
        until: Option<Timestamp>,
    },
    /// Nodes that were asked for are not ready yet.
    NodesNotReady {
        /// Ready nodes.
        ready: u32,
        /// Nodes that shall be there.
        desired: u32,
    },
    /// As many nodes as allowed are on their way out.
    InFlight {
        /// The limit.
        limit: u32,
    },
    /// The volumes of a node find no new node in their zone, and the pool may not grow further.
    NoNodeInZone {
        /// The node.
        node: NodeName,
        /// Its zone.
        zone: Option<Zone>,
    },
    /// A node has a member of a StatefulSet of which another member is on a node that is going.
    SetOnOtherNode {
        /// The node that waits.
        node: NodeName,
        /// The set, as `namespace/name`.
        set: Box<str>,
    },
    /// Too many new nodes failed.
    RepairBrake {
        /// How many failed.
        failed: u32,
    },
    /// Too many nodes were given up.
    TooManyQuarantined {
        /// How many.
        quarantined: u32,
    },
    /// Blue-green: drained machines are kept until all old nodes are drained.
    NotAllDrained {
        /// How many old nodes still have pods to move.
        left: u32,
    },
}

impl PoolWait {
    /// The rule behind it.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::Blocked { .. } => Rule::Blocked,
            Self::NodesNotReady { .. } => Rule::CapacityFirst,
            Self::InFlight { .. } => Rule::InFlight,
            Self::NoNodeInZone { .. } => Rule::ZoneMatch,
            Self::SetOnOtherNode { .. } => Rule::SetsApart,
            Self::RepairBrake { .. } | Self::TooManyQuarantined { .. } => Rule::RepairBrake,
            Self::NotAllDrained { .. } => Rule::AllDrainedFirst,
        }
    }
}

/// What the pool does next; the parts may be carried out together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolDecision {
    /// Outdated nodes to mark; all of them at once, so that pods move once only.
    pub mark: Vec<NodeName>,
    /// Nodes to add.
    pub add: Vec<NewNode>,
    /// Marked nodes whose turn it is: cordon them and begin their drain.
    pub begin: Vec<NodeName>,
    /// Nodes on their way out.
    pub going: Vec<NodeName>,
    /// Drained machines are kept for now, because others of the old set still have pods (blue-green).
    #[serde(default)]
    pub keep_drained: bool,
    /// What keeps it from doing more.
    pub waits: Vec<PoolWait>,
    /// No outdated node is left that can still go.
    pub done: bool,
    /// When any of this changes by time alone: only the end of a block does.
    pub changes_at: Option<Timestamp>,
}

/// Decides what a pool does next.
///
/// New nodes first, unless the market is spot; then as many outdated nodes as the limit allows. A node whose pods have
/// volumes in a zone goes when a new node is ready in that zone, one for each (fact 61).
#[must_use]
pub fn decide_pool(view: &ClusterView, policy: &Policy, limits: &PoolLimits, now: Timestamp) -> PoolDecision {
    let pool = Pool::of(view, policy, limits);
    let mut decision = PoolDecision {
        going: names(&pool.going),
        ..PoolDecision::default()
    };
    if pool.outdated.is_empty() {
        decision.done = true;
        return decision;
    }
    let left = if limits.together { pool.not_drained() } else { 0 };
    if left > 0 && policy.rules.on(Rule::AllDrainedFirst) {
        decision.keep_drained = true;
        decision.waits.push(PoolWait::NotAllDrained { left });
    }
    if let Some(block) = view
        .block()
        .filter(|block| policy.rules.on(Rule::Blocked) && block.holds(now))
    {
        decision.waits.push(PoolWait::Blocked {
            why: block.reason.clone(),
            until: block.until,
        });
        decision.changes_at = block.until;
        return decision;
    }
    decision.mark = names(pool.outdated.iter().filter(|node| node.mark.is_none()));
    if let Some(halt) = pool.halt() {
        decision.waits.push(halt);
        return decision;
    }
    if let Some(spare) = pool.capacity(&mut decision) {
        pool.begin(spare, &mut decision);
    }
    decision
}

fn names<'a>(nodes: impl IntoIterator<Item = &'a &'a NodeState>) -> Vec<NodeName> {
    nodes.into_iter().map(|node| node.name.clone()).collect()
}

/// The machine of the node goes away whatever anybody does.
fn ends(node: &NodeState) -> bool {
    node.mark.as_ref().is_some_and(|mark| mark.machine_ends.is_some())
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What is left to give while nodes are chosen.
struct Turns {
    /// Nodes that may still begin.
    free: u32,
    /// Of these, nodes that are missed while they go.
    spare: u32,
    /// Sets with a member on a node that goes.
    sets: BTreeSet<(Box<str>, Box<str>)>,
    /// A node waits because too few would stay.
    short: bool,
}

/// A pool's nodes sorted by what they are to the rollout.
struct Pool<'a> {
    view: &'a ClusterView,
    policy: &'a Policy,
    limits: &'a PoolLimits,
    /// Outdated and not given up, by turn.
    outdated: Vec<&'a NodeState>,
    /// Of these, on their way out.
    going: Vec<&'a NodeState>,
    current: Vec<&'a NodeState>,
    quarantined: u32,
    ready: u32,
    /// Ready nodes that are not on their way out, whose machines do not end by themselves either.
    staying: u32,
}

impl<'a> Pool<'a> {
    fn of(view: &'a ClusterView, policy: &'a Policy, limits: &'a PoolLimits) -> Self {
        let given_up = |node: &&NodeState| node.mark.as_ref().is_some_and(|mark| mark.quarantined.is_some());
        let all: Vec<&NodeState> = view
            .nodes()
            .filter(|node| node.pool.as_ref() == Some(&limits.pool))
            .collect();
        let mut outdated: Vec<&NodeState> = all
            .iter()
            .copied()
            .filter(|node| node.outdated.is_some() && !given_up(node))
            .collect();
        outdated.sort_by(|a, b| by_turn(a, b));
        Self {
            view,
            policy,
            limits,
            going: outdated.iter().copied().filter(|node| node.is_draining()).collect(),
            outdated,
            current: all.iter().copied().filter(|node| node.outdated.is_none()).collect(),
            quarantined: count(all.iter().copied().filter(given_up).count()),
            ready: count(all.iter().filter(|node| node.ready).count()),
            staying: count(
                all.iter()
                    .filter(|node| node.ready && !node.is_draining() && !ends(node))
                    .count(),
            ),
        }
    }

    /// Old nodes with pods that still have to move. One that ends anyway holds nobody back.
    fn not_drained(&self) -> u32 {
        let drained = |node: &&&NodeState| node.is_draining() && self.view.pods_on(&node.name).all(PodState::stays);
        count(
            self.outdated
                .iter()
                .filter(|node| !ends(node) && !drained(node))
                .count(),
        )
    }

    fn on(&self, rule: Rule) -> bool {
        self.policy.rules.on(rule)
    }

    /// What stops the pool altogether; nodes on their way out go on.
    fn halt(&self) -> Option<PoolWait> {
        if !self.on(Rule::RepairBrake) {
            return None;
        }
        if self.limits.failed_replacements >= self.limits.max_failed_replacements {
            return Some(PoolWait::RepairBrake {
                failed: self.limits.failed_replacements,
            });
        }
        (self.quarantined > self.limits.max_quarantined).then_some(PoolWait::TooManyQuarantined {
            quarantined: self.quarantined,
        })
    }

    /// Brings the new nodes that must be there first. When they are, it says how many ready nodes may begin so that as many
    /// stay as the pool had: a limit of its own beside those in flight, since the new ones may be fewer than these.
    fn capacity(&self, decision: &mut PoolDecision) -> Option<u32> {
        if self.limits.spot || !self.on(Rule::CapacityFirst) {
            return Some(u32::MAX);
        }
        if self.ready.saturating_add(self.limits.lost) < self.limits.desired {
            let (ready, desired) = (self.ready, self.limits.desired);
            decision.waits.push(PoolWait::NodesNotReady { ready, desired });
            return None;
        }
        let spare = self.staying.saturating_sub(self.limits.size);
        if self.outdated.iter().all(|node| !node.replace_first) {
            return Some(spare);
        }
        let wanted = self.limits.size.min(self.limits.surge);
        let usable = self.current.iter().filter(|node| node.ready && !node.cordoned).count();
        let gap = wanted.saturating_sub(count(usable));
        let room = self.limits.most.saturating_sub(self.limits.desired);
        if gap == 0 {
            if spare == 0 && self.going.is_empty() && room > 0 && self.outdated.iter().all(|node| self.takes_room(node))
            {
                // Nothing else would ever make room for the first one.
                decision.add.push(NewNode { zone: None });
            }
            return Some(spare);
        }
        decision.add.extend((0..gap.min(room)).map(|_| NewNode { zone: None }));
        // A pool that may not grow further, because its definition changed while it had as many nodes as allowed, has to
        // end old nodes to get new ones.
        (room == 0).then_some(spare)
    }

    /// The pool has one ready node less while this one goes: it is there now, and is to be replaced first.
    fn takes_room(&self, node: &NodeState) -> bool {
        node.ready && node.replace_first && !ends(node)
    }

    /// Chooses the nodes whose turn it is: those whose volumes have a new node in their zone, then those without
    /// volumes; for the rest nodes are added in their zones, or, on the spot market, they simply go.
    fn begin(&self, spare: u32, decision: &mut PoolDecision) {
        let mut free = self.limits.in_flight.saturating_sub(count(self.going.len()));
        if !self.on(Rule::InFlight) {
            free = u32::MAX;
        }
        let waiting = self
            .outdated
            .iter()
            .copied()
            .filter(|node| node.mark.is_some() && !node.is_draining());
        let waiting: Vec<&NodeState> = waiting.collect();
        let (matched, others, unmatched) = self.by_volumes(&waiting);
        let mut turns = Turns {
            free,
            spare,
            sets: self.going.iter().flat_map(|node| self.sets_on(node)).collect(),
            short: false,
        };
        for node in matched.into_iter().chain(others) {
            if turns.free == 0 {
                break;
            }
            self.take(node, &mut turns, decision);
        }
        let mut room = self.limits.most.saturating_sub(self.limits.desired);
        for node in unmatched {
            if turns.free == 0 {
                break;
            }
            // A pool that may not grow further and has nothing else to do gets a node in the zone only when one of it ends.
            let last = room == 0 && self.going.is_empty() && decision.begin.is_empty();
            if self.limits.spot || last {
                self.take(node, &mut turns, decision);
            } else if room > 0 {
                decision.add.push(NewNode {
                    zone: node.zone.clone(),
                });
                (turns.free, room) = (turns.free - 1, room - 1);
            } else {
                decision.waits.push(PoolWait::NoNodeInZone {
                    node: node.name.clone(),
                    zone: node.zone.clone(),
                });
            }
        }
        if turns.short {
            decision.waits.push(PoolWait::NodesNotReady {
                ready: self.staying,
                desired: self.limits.size.saturating_add(1),
            });
        }
        if turns.free == 0 && waiting.len() > decision.begin.len() {
            decision.waits.push(PoolWait::InFlight {
                limit: self.limits.in_flight,
            });
        }
    }

    /// Begins with a node unless it shares a StatefulSet with one that is going, or too few nodes would stay.
    fn take(&self, node: &NodeState, turns: &mut Turns, decision: &mut PoolDecision) {
        let takes = u32::from(self.takes_room(node));
        if takes > turns.spare {
            turns.short = true;
            return;
        }
        let own = self.sets_on(node);
        if let Some((namespace, name)) = own
            .intersection(&turns.sets)
            .next()
            .filter(|_| self.on(Rule::SetsApart))
        {
            let set = format!("{namespace}/{name}").into();
            decision.waits.push(PoolWait::SetOnOtherNode {
                node: node.name.clone(),
                set,
            });
            return;
        }
        turns.sets.extend(own);
        (turns.free, turns.spare) = (turns.free - 1, turns.spare - takes);
        decision.begin.push(node.name.clone());
    }

    fn sets_on(&self, node: &NodeState) -> BTreeSet<(Box<str>, Box<str>)> {
        let pods = self.view.pods_on(&node.name).filter(|pod| !pod.is_finished());
        pods.filter_map(set_of).collect()
    }

    /// Splits nodes into those with volumes and a new node for each in its zone, those without volumes, and the rest.
    fn by_volumes(&self, nodes: &[&'a NodeState]) -> (Vec<&'a NodeState>, Vec<&'a NodeState>, Vec<&'a NodeState>) {
        let mut supply: BTreeMap<Option<&Zone>, u32> = BTreeMap::new();
        for node in self.current.iter().filter(|node| node.ready && !node.cordoned) {
            *supply.entry(node.zone.as_ref()).or_default() += 1;
        }
        // A node on its way out has used its new node up already.
        for node in self.going.iter().filter(|node| self.view.has_volumes(&node.name)) {
            let left = supply.entry(node.zone.as_ref()).or_default();
            *left = left.saturating_sub(1);
        }
        let (mut matched, mut others, mut unmatched) = (Vec::new(), Vec::new(), Vec::new());
        for node in nodes.iter().copied() {
            if !self.on(Rule::ZoneMatch) || !self.view.has_volumes(&node.name) || !node.replace_first {
                others.push(node);
                continue;
            }
            match supply.get_mut(&node.zone.as_ref()).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    matched.push(node);
                }
                None => unmatched.push(node),
            }
        }
        (matched, others, unmatched)
    }
}
