//! A view that was changed object by object decides as one that was built at once, and its counters tell when a pool's
//! decision can be another one.

use disruption::{ClusterView, PoolDecision, PoolLimits, decide_cluster, decide_going, decide_pool};

use crate::random::{Case, Dice, case};
use crate::support::t0;

/// One change of the way from one cluster to another.
fn change(view: &mut ClusterView, dice: &mut Dice, to: &Case) {
    let place = |dice: &mut Dice, many: usize| usize::try_from(dice.below(many as u64)).unwrap();
    match dice.below(8) {
        0 | 1 => view.set_node(to.nodes[place(dice, to.nodes.len())].clone()),
        2 => drop(view.remove_node(&format!("n{}", dice.below(6)).into())),
        3..=5 if !to.pods.is_empty() => view.set_pod(to.pods[place(dice, to.pods.len())].clone()),
        6 if !to.budgets.is_empty() => view.set_budget(to.budgets[place(dice, to.budgets.len())].clone()),
        _ => {
            let keys: Vec<_> = view.pods().map(|pod| pod.key.clone()).collect();
            let Some(key) = keys.get(place(dice, keys.len().max(1))) else {
                return;
            };
            match dice.below(4) {
                0 => view.note_evicted(key, t0()),
                1 => view.note_forced(key, t0()),
                2 => drop(view.remove_pod(key)),
                _ => {
                    // The same pod ends, or runs again.
                    let mut pod = view.pod(key).unwrap().clone();
                    pod.phase = dice.pick(&[disruption::Phase::Running, disruption::Phase::Succeeded]);
                    view.set_pod(pod);
                }
            }
        }
    }
}

#[test]
fn a_view_that_was_changed_decides_as_a_new_one() {
    for seed in 0..300 {
        let (from, to) = (case(seed), case(seed + 1_000_000));
        let dice = &mut Dice::new(seed);
        let mut view = from.view();
        let mut limits = from.limits.clone();
        for step in 0..30 {
            limits.together = step % 2 == 0;
            let decided = |view: &ClusterView, limits: &PoolLimits| decide_pool(view, &from.policy, limits, t0());
            let counted = |view: &ClusterView, limits: &PoolLimits| {
                (view.pool_changes(), view.place_changes() * u64::from(limits.together))
            };
            let before: (PoolDecision, _) = (decided(&view, &limits), counted(&view, &limits));
            change(&mut view, dice, &to);
            let now = decided(&view, &limits);
            assert!(
                now == before.0 || counted(&view, &limits) != before.1,
                "seed {seed}, step {step}: {:?} became {now:?} unnoticed",
                before.0
            );
            let mut new = ClusterView::new(
                view.nodes().cloned().collect::<Vec<_>>(),
                view.budgets().cloned().collect::<Vec<_>>(),
                view.pods().cloned().collect::<Vec<_>>(),
            );
            new.set_block(view.block().cloned());
            assert_eq!(decided(&new, &limits), now, "seed {seed}, step {step}");
            assert_eq!(
                decide_going(&new, &from.policy, t0()),
                decide_going(&view, &from.policy, t0()),
                "seed {seed}, step {step}"
            );
            assert_eq!(
                decide_cluster(&new, &from.policy, t0()),
                decide_cluster(&view, &from.policy, t0()),
                "seed {seed}, step {step}"
            );
            assert!(view.pools().eq(new.pools()), "seed {seed}, step {step}");
        }
    }
}
