//! What people read.

use plan::report::{Style, markdown, table, text};
use plan::{ClusterPlan, FleetPlan, Inputs, Subject};
use render::PoolDefinition;

use crate::build::{desired, plan_as, pool, stack};

fn fleet() -> FleetPlan {
    let map = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m, namespace: x}}\ndata: {{k: {value}}}\n")
    };
    let old = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: old, namespace: x}\n";
    let worker = |data: &str| vec![pool("worker", data, PoolDefinition::Stack(stack("s", "x")))];
    let mut before = desired(&[("a", &map("1")), ("b", old)]);
    let mut after = desired(&[("a", &map("2"))]);
    before.pools = worker("u1");
    after.pools = worker("u2");
    let plans = ["kube-1", "kube-2"].map(|alias| plan_as(alias, &before, &after));
    let broken = Subject {
        alias: "kube-3".to_owned(),
        ..Subject::default()
    };
    let failed = ClusterPlan::failed(&broken, vec!["channel \"x\" does not exist".to_owned()]);
    FleetPlan::new(
        "1a2b",
        "3c4d",
        Inputs::default(),
        plans.into_iter().chain([failed]).collect(),
    )
}

#[test]
fn text_puts_losses_first_and_counts_last() {
    let expected = "\
plan-44136fa355b3 from 1a2b to 3c4d

  - ServiceAccount x/old    2 clusters (kube-1, kube-2)
        component b holds it no more
-/+ node pool worker    2 clusters (kube-1, kube-2)
        user data changes (2 lines)
        6 to 40 nodes to drain, by the registry's bounds
  ~ ConfigMap x/m    2 clusters (kube-1, kube-2)
      ~ data.k: 1 -> 2
  ! cluster kube-3: channel \"x\" does not exist

Objects that leave git and would be deleted: kube-1 1, kube-2 1

Plan: 0 to create, 2 to change, 2 to replace, 2 to delete, nodes of 2 node pools to drain (6 to 40 nodes) in 2 of 3 clusters.
1 cluster could not be planned.
";
    let text = text(&fleet(), Style::default());
    let id = text.split(' ').next().unwrap();
    assert_eq!(text, expected.replace("plan-44136fa355b3", id));
}

#[test]
fn no_changes_are_said() {
    let plan = FleetPlan::new("a", "a", Inputs::default(), Vec::new());
    assert!(text(&plan, Style::default()).ends_with("No changes. 0 clusters would stay as they are.\n"));
}

#[test]
fn markdown_has_verdict_risk_and_folds_and_keeps_its_limit() {
    let plan = fleet();
    let whole = markdown(&plan, 65_536);
    for part in [
        "### 1 cluster cannot be planned",
        "**Largest risk:** node pool worker drains 6 to 40 nodes in 2 clusters",
        "<details><summary>Deletions and replacements (1)</summary>",
        "! data.k: 1 -> 2",
    ] {
        assert!(whole.contains(part), "{part} in {whole}");
    }
    let short = markdown(&plan, 1_000);
    assert!(short.len() <= 1_000, "{}", short.len());
    assert!(short.contains("did not fit into this comment"), "{short}");
    assert_eq!(short.matches("<details>").count(), short.matches("</details>").count());
}

#[test]
fn the_table_has_a_row_per_cluster_and_change() {
    let rows = table(&fleet());
    assert_eq!(rows.len(), 1 + 2 * 3 + 1);
    assert_eq!(
        rows[1],
        [
            "kube-1",
            "NodePool",
            "worker",
            "replace",
            "user data changes (2 lines); 3 to 20 nodes to drain"
        ]
    );
}
