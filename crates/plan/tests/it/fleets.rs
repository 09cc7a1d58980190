//! Folding.

use plan::{Block, ClusterPlan, FleetPlan, Inputs, fold};
use proptest::prelude::*;
use render::PoolDefinition;

use crate::build::{desired, plan_as, pool, stack, with_pools};

fn map(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m, namespace: x}}\ndata: {{k: {value}}}\n")
}

fn change(alias: &str, from: &str, to: &str) -> ClusterPlan {
    plan_as(alias, &desired(&[("a", &map(from))]), &desired(&[("a", &map(to))]))
}

fn shape(blocks: &[Block]) -> Vec<(String, Vec<&str>)> {
    let one = |block| {
        let Block { change, clusters, .. }: &Block = block;
        let names = clusters.iter().map(String::as_str).collect();
        (format!("{} {}", change.verb().sign(), change.subject()), names)
    };
    blocks.iter().map(one).collect()
}

#[test]
fn equal_edits_are_one_block_and_others_their_own() {
    let plans = [change("b", "1", "2"), change("a", "1", "2"), change("c", "1", "3")];
    let expected = vec![
        ("~ ConfigMap x/m".to_owned(), vec!["a", "b"]),
        ("~ ConfigMap x/m".to_owned(), vec!["c"]),
    ];
    assert_eq!(shape(&fold(&plans)), expected);
}

#[test]
fn drained_nodes_add_up_over_clusters() {
    let side = |data: &str| with_pools(vec![pool("worker", data, PoolDefinition::Stack(stack("s", "x")))]);
    let plans: Vec<ClusterPlan> = ["a", "b"].map(|alias| plan_as(alias, &side("1"), &side("2"))).into();
    let drained = fold(&plans)[0].drained.unwrap();
    assert_eq!((drained.min, drained.max, drained.seen), (6, 40, None));
}

#[test]
fn counts_add_up() {
    let plan = FleetPlan::new(
        "a",
        "b",
        Inputs::default(),
        vec![change("a", "1", "2"), change("b", "1", "1")],
    );
    let counts = plan.counts();
    assert_eq!((counts.clusters, counts.changed, counts.update), (2, 1, 1));
    assert!(!plan.is_empty());
}

proptest! {
    /// Folding forgets nothing and depends on no order.
    #[test]
    fn every_change_of_every_cluster_is_in_exactly_one_block(edits in prop::collection::vec((0..4u8, 0..4u8), 1..8), swap in any::<bool>()) {
        let mut plans: Vec<ClusterPlan> = edits
            .iter()
            .enumerate()
            .map(|(i, (from, to))| change(&format!("c{i}"), &from.to_string(), &to.to_string()))
            .collect();
        let blocks = fold(&plans);
        let told: usize = blocks.iter().map(|block| block.clusters.len()).sum();
        let changes: usize = plans.iter().map(|plan| plan.changes().count()).sum();
        prop_assert_eq!(told, changes);
        if swap {
            plans.reverse();
        }
        prop_assert_eq!(fold(&plans), blocks);
    }
}
