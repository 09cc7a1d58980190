//! Random clusters, written so that clocks are often at, just before or just after their limits.

use disruption::{
    Amount, Block, Budget, BudgetKey, ClusterView, Environment, Handling, Limit, NodeMark, NodeState, Owner, Phase,
    PodKey, PodKind, PodState, Policy, PoolLimits, Readiness, Selector, SiblingClock, Termination, UnhealthyPods,
};
use jiff::{SignedDuration, Timestamp};

use crate::support::{plus, span, t0};

/// Numbers from a seed (SplitMix64): the same on every machine, and a failing seed is the whole story.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// An instant some while ago: at a limit of the contract, a moment beside it, or anywhere.
    pub(crate) fn ago(&mut self) -> Timestamp {
        let limits = ["0s", "30s", "5m", "1h", "2h", "6h", "8h", "72h", "240h"];
        let at = plus(t0(), &format!("-{}", self.pick(&limits)));
        let beside = [0, 1, -1, 1_000_000_000, -1_000_000_000, 0];
        let anywhere = i64::try_from(self.below(100 * 3_600)).unwrap();
        match self.below(4) {
            0 => t0() - SignedDuration::from_secs(anywhere),
            _ => (at + SignedDuration::from_nanos(self.pick(&beside))).min(t0()),
        }
    }
}

/// A cluster with its policy and the limits of its one pool.
pub(crate) struct Case {
    pub(crate) nodes: Vec<NodeState>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) pods: Vec<PodState>,
    pub(crate) block: Option<Block>,
    pub(crate) policy: Policy,
    pub(crate) limits: PoolLimits,
}

impl Case {
    pub(crate) fn view(&self) -> ClusterView {
        let mut view = ClusterView::new(self.nodes.clone(), self.budgets.clone(), self.pods.clone());
        view.set_block(self.block.clone());
        view
    }
}

const APPS: [&str; 4] = ["a", "b", "c", "d"];

pub(crate) fn case(seed: u64) -> Case {
    let dice = &mut Dice::new(seed);
    let count = 1 + dice.below(5);
    let nodes: Vec<NodeState> = (0..count).map(|i| node(dice, i)).collect();
    let pods: Vec<PodState> = (0..dice.below(14)).map(|i| pod(dice, i, count)).collect();
    let budgets = (0..dice.below(4)).map(|i| budget(dice, i, &pods)).collect();
    let block = dice.one_in(8).then(|| Block {
        reason: "incident 7".into(),
        owner: Some("team-platform".into()),
        since: dice.ago(),
        until: dice.one_in(2).then(|| plus(t0(), "90m")),
    });
    let limits = limits(dice, &nodes);
    Case {
        nodes,
        budgets,
        pods,
        block,
        policy: policy(dice),
        limits,
    }
}

fn policy(dice: &mut Dice) -> Policy {
    let mut policy = Policy::of(dice.pick(&[Environment::Production, Environment::Test]));
    policy.sibling_clock = dice.pick(&[SiblingClock::Lifetime, SiblingClock::SinceChange]);
    policy.bare_pods = dice.pick(&[Handling::Evict, Handling::Hold]);
    policy.local_data = dice.pick(&[Handling::Evict, Handling::Hold]);
    policy.owner_holds = dice.pick(&[Handling::Evict, Handling::Hold]);
    policy
}

fn limits(dice: &mut Dice, nodes: &[NodeState]) -> PoolLimits {
    let size = u32::try_from(nodes.len()).unwrap();
    let mut limits = PoolLimits::new("worker".into(), size, dice.pick(&[1, 2, 10]), dice.one_in(4));
    limits.desired = size.saturating_sub(dice.pick(&[0, 0, 1, 2])) + u32::from(dice.one_in(6));
    limits.failed_replacements = dice.pick(&[0, 0, 0, 3]);
    limits.in_flight = dice.pick(&[1, 2, 3]);
    limits.together = size.is_multiple_of(3);
    limits
}

fn node(dice: &mut Dice, i: u64) -> NodeState {
    let mut node = NodeState::new(format!("n{i}").into(), dice.ago());
    node.pool = Some("worker".into());
    node.zone = Some(dice.pick(&["x", "y"]).into());
    node.ready = !dice.one_in(8);
    node.replace_first = !dice.one_in(8);
    node.priority = dice.pick(&[0, 0, 0, 999]);
    if dice.one_in(4) {
        return node;
    }
    node.outdated = Some("image".into());
    if dice.one_in(6) {
        return node;
    }
    let mut mark = NodeMark::new(dice.ago(), "new image");
    if !dice.one_in(4) {
        mark.draining = Some(dice.ago());
        node.cordoned = !dice.one_in(8);
        mark.last_forced = dice.one_in(3).then(|| dice.ago());
        mark.ready_label_removed = dice.one_in(2).then(|| dice.ago());
    }
    mark.machine_ends = dice
        .one_in(10)
        .then(|| plus(t0(), dice.pick(&["0s", "39s", "40s", "41s", "2m"])));
    mark.quarantined = dice.one_in(12).then(|| "a pod does not end".into());
    node.mark = Some(mark);
    node
}

fn pod(dice: &mut Dice, i: u64, nodes: u64) -> PodState {
    let app = dice.pick(&APPS);
    let kind = match dice.below(16) {
        0 => PodKind::DaemonSet(Owner::new("DaemonSet", app)),
        1 => PodKind::Static,
        2 => PodKind::Bare,
        3 | 4 => PodKind::Job {
            owner: Owner::new("Job", app),
            deadline: dice.one_in(2).then(|| plus(dice.ago(), dice.pick(&["0s", "100h"]))),
        },
        5..=8 => PodKind::StatefulSet {
            owner: Owner::new("StatefulSet", app),
            ordinal: u32::try_from(i).unwrap(),
            replicas: dice.one_in(4).then_some(3),
        },
        _ => PodKind::Replicated(Owner::new("ReplicaSet", app)),
    };
    let node = format!("n{}", dice.below(nodes));
    let mut pod = PodState::new(
        PodKey::new(dice.pick(&["one", "one", "two"]), format!("p{i:02}")),
        kind,
        None,
        dice.ago(),
    );
    pod.node = Some(node.as_str().into());
    pod.phase = dice.pick(&[Phase::Running; 8]);
    if dice.one_in(8) {
        pod.phase = dice.pick(&[Phase::Pending, Phase::Succeeded, Phase::Failed, Phase::Unknown]);
    }
    let changed = dice.ago().max(pod.created);
    let ready = pod.phase == Phase::Running && !dice.one_in(5);
    pod.readiness = if ready {
        Readiness::Ready(changed)
    } else {
        Readiness::NotReady(changed)
    };
    pod.terminating = dice.one_in(8).then(|| Termination {
        since: dice.ago(),
        grace: span(dice.pick(&["0s", "30s", "1h"])),
    });
    pod.priority = dice.pick(&[0, 0, 1000]);
    pod.local_data = dice.one_in(6);
    pod.hold = dice.one_in(10).then(|| "karpenter.sh/do-not-disrupt".into());
    pod.operator_moving = dice.one_in(10).then(|| dice.ago());
    pod.refused = dice.one_in(6).then(|| dice.ago());
    if dice.one_in(5) {
        pod.volume_zones = vec![dice.pick(&["x", "y"]).into()];
    }
    let role = if dice.one_in(8) { "master" } else { "replica" };
    pod.labels = [("app", app), ("spilo-role", role), ("team", "team-a")]
        .into_iter()
        .collect();
    pod
}

fn budget(dice: &mut Dice, i: u64, pods: &[PodState]) -> Budget {
    let namespace = dice.pick(&["one", "one", "two"]);
    let selector = match dice.below(8) {
        0 => Selector::All(Vec::new()),
        1 => Selector::Invalid("operator".into()),
        2 => Selector::labels([("spilo-role", "master")]),
        _ => Selector::labels([("app", dice.pick(&APPS))]),
    };
    let guarded: Vec<&PodState> = pods
        .iter()
        .filter(|p| *p.key.namespace == *namespace && selector.matches(&p.labels))
        .collect();
    let healthy = guarded.iter().filter(|p| p.is_healthy()).count();
    let amount = dice.pick(&[
        Amount::Count(0),
        Amount::Count(1),
        Amount::Percent(25),
        Amount::Percent(1),
    ]);
    let limit = if dice.one_in(3) {
        Limit::MinAvailable(amount)
    } else {
        Limit::MaxUnavailable(amount)
    };
    let expected = u32::try_from(guarded.len()).unwrap();
    let key = BudgetKey::new(namespace, format!("b{i}"));
    let mut budget = Budget::new(key, selector, limit, expected, u32::try_from(healthy).unwrap());
    budget.unhealthy = dice.pick(&[UnhealthyPods::IfHealthyBudget, UnhealthyPods::AlwaysAllow]);
    budget.generation += i64::from(dice.one_in(6));
    budget.last_forced = dice.one_in(4).then(|| dice.ago());
    budget
}
