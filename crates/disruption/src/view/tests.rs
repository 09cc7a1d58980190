use model::duration::GoDuration;

use super::*;
use crate::budget::{Amount, Limit};
use crate::labels::Selector;
use crate::pod::Owner;

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(hours * 3_600).unwrap()
}

fn pod(name: &str, app: &str, node: &str) -> PodState {
    let owner = PodKind::Replicated(Owner::new("ReplicaSet", app));
    let mut pod = PodState::new(PodKey::new("shop", name), owner, Some(node.into()), at(1));
    pod.labels = [("app", app)].into_iter().collect();
    pod
}

fn budget(app: &str) -> Budget {
    let limit = Limit::MaxUnavailable(Amount::Count(1));
    Budget::new(
        BudgetKey::new("shop", app),
        Selector::labels([("app", app)]),
        limit,
        2,
        2,
    )
}

fn names<'a>(pods: impl IntoIterator<Item = &'a PodState>) -> Vec<String> {
    pods.into_iter().map(|pod| pod.key.name.to_string()).collect()
}

#[test]
fn indices_follow_every_change() {
    let mut view = ClusterView::new([], [budget("a")], [pod("p1", "a", "n1"), pod("p2", "a", "n2")]);
    let key = BudgetKey::new("shop", "a");
    assert_eq!(names(view.pods_under(&key)), ["p1", "p2"]);

    // The pod changes its labels, then moves, then goes; another takes its place in memory.
    view.set_pod(pod("p1", "b", "n1"));
    assert_eq!(names(view.pods_under(&key)), ["p2"]);
    view.set_budget(budget("b"));
    assert_eq!(names(view.pods_under(&BudgetKey::new("shop", "b"))), ["p1"]);
    view.set_pod(pod("p1", "a", "n2"));
    assert_eq!(view.pods_on(&"n1".into()).count(), 0);
    assert_eq!(view.pods_on(&"n2".into()).count(), 2);
    view.remove_pod(&PodKey::new("shop", "p1"));
    view.set_pod(pod("p3", "b", "n1"));
    assert_eq!(names(view.pods_under(&key)), ["p2"]);
    assert_eq!(names(view.pods()), ["p2", "p3"]);
    view.remove_budget(&key);
    assert!(view.budgets_of(&PodKey::new("shop", "p2")).is_empty());
    assert_eq!(view.budgets().count(), 1);
}

#[test]
fn namespaces_do_not_mix() {
    let mut other = pod("p1", "a", "n1");
    other.key = PodKey::new("shopping", "p1");
    let view = ClusterView::new([], [budget("a")], [other, pod("p1", "a", "n1")]);
    assert_eq!(view.pods_under(&BudgetKey::new("shop", "a")).len(), 1);
}

#[test]
fn accepted_evictions_count_at_once() {
    let mut view = ClusterView::new([], [budget("a")], [pod("p1", "a", "n1"), pod("p2", "a", "n1")]);
    let key = PodKey::new("shop", "p1");
    view.note_forced(&key, at(5));
    view.note_evicted(&key, at(6));
    let budget = view.budget(&BudgetKey::new("shop", "a")).unwrap();
    assert_eq!(
        (budget.allowed, budget.healthy, budget.last_forced),
        (0, 1, Some(at(5)))
    );
    let grace = GoDuration::from_nanos(30_000_000_000);
    assert_eq!(
        view.pod(&key).unwrap().terminating,
        Some(Termination { since: at(5), grace })
    );
}
