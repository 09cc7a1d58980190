//! The one sentence, word for word.

use disruption::{
    Amount, Block, Budget, ClusterView, Environment, Limit, NodeName, Policy, PoolWait, Termination, decide_node,
    explain_node, explain_pod, explain_pool_wait,
};

use crate::support::{budget, closed, decide, draining, member, plus, pod, span, t0, unready};

fn sentence(view: &ClusterView, pod: &str, after: &str) -> String {
    let (node, now) = (NodeName::from("ip-10-2-3-4"), plus(t0(), after));
    let policy = Policy::of(Environment::Production);
    explain_pod(
        Some("kube-7"),
        view,
        &node,
        &decide(view, &policy, node.as_str(), pod, now),
        now,
    )
}

fn view(
    pods: impl IntoIterator<Item = disruption::PodState>,
    budgets: impl IntoIterator<Item = Budget>,
) -> ClusterView {
    ClusterView::new([draining("ip-10-2-3-4", t0())], budgets, pods)
}

#[test]
fn pods() {
    let node = "ip-10-2-3-4";
    let old = || pod("cart-0", "cart", node, plus(t0(), "-240h"));
    let one = || budget("cart", Limit::MaxUnavailable(Amount::Count(1)), 2, 1);
    let mut lines: Vec<String> = vec![sentence(&view([old()], []), "cart-0", "0s")];
    lines.push(sentence(&view([old()], [one()]), "cart-0", "2h10m"));
    lines.push(sentence(&view([old()], [closed("cart", 1)]), "cart-0", "2h10m"));
    lines.push(sentence(&view([old()], [closed("cart", 1)]), "cart-0", "6h"));
    let young = unready(pod("cart-1", "cart", node, plus(t0(), "-1m")));
    lines.push(sentence(
        &view([old(), young], [closed("cart", 2)]),
        "cart-0",
        "5h59m20s",
    ));
    lines.push(sentence(
        &view([member("db", 1, node, t0()), unready(member("db", 0, "m", t0()))], []),
        "db-1",
        "1h",
    ));
    let mut ending = old();
    ending.terminating = Some(Termination {
        since: plus(t0(), "1m"),
        grace: span("30s"),
    });
    lines.push(sentence(&view([ending.clone()], []), "cart-0", "1m5s"));
    lines.push(sentence(&view([ending], []), "cart-0", "12m"));
    let mut blocked = view([old()], []);
    blocked.set_block(Some(Block {
        reason: "incident 7".into(),
        owner: Some("team-platform".into()),
        since: plus(t0(), "-20m"),
        until: None,
    }));
    lines.push(sentence(&blocked, "cart-0", "1h"));
    let mut turn = draining(node, t0());
    turn.mark.as_mut().unwrap().draining = None;
    lines.push(sentence(&ClusterView::new([turn], [], [old()]), "cart-0", "1h"));
    let mut bare = old();
    bare.labels = [("app", "cart")].into_iter().collect();
    lines.push(sentence(&view([bare], [one()]), "cart-0", "1m"));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn nodes() {
    let policy = Policy::of(Environment::Production);
    let name = NodeName::from("ip-10-2-3-4");
    let line = |view: &ClusterView, after: &str| {
        let now = plus(t0(), after);
        explain_node(
            Some("kube-7"),
            view,
            &decide_node(view, &policy, &name, now).unwrap(),
            now,
        )
    };
    let old = || pod("cart-0", "cart", "ip-10-2-3-4", plus(t0(), "-240h"));
    let mut given_up = draining("ip-10-2-3-4", t0());
    given_up.mark.as_mut().unwrap().quarantined = Some("pod shop/cart-0 does not end".into());
    let mut open = draining("ip-10-2-3-4", t0());
    open.cordoned = false;
    let lines = [
        line(&view([], []), "1h"),
        line(&view([old()], []), "1h"),
        line(&view([old()], [closed("cart", 1)]), "1h"),
        line(&ClusterView::new([given_up], [], [old()]), "1h"),
        line(&ClusterView::new([open], [], [old()]), "1h"),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn pools() {
    let until = Some(plus(t0(), "90m"));
    let waits = [
        PoolWait::Blocked {
            why: "incident 7".into(),
            until,
        },
        PoolWait::Blocked {
            why: "incident 7".into(),
            until: None,
        },
        PoolWait::NodesNotReady { ready: 3, desired: 5 },
        PoolWait::InFlight { limit: 1 },
        PoolWait::NoNodeInZone {
            node: "n1".into(),
            zone: Some("eu-central-1c".into()),
        },
        PoolWait::SetOnOtherNode {
            node: "n1".into(),
            set: "shop/db".into(),
        },
        PoolWait::RepairBrake { failed: 3 },
        PoolWait::TooManyQuarantined { quarantined: 2 },
    ];
    let lines: Vec<String> = waits.iter().map(|wait| explain_pool_wait(wait, t0())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
