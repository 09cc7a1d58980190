//! The example fleet that the project ships: all of it renders, and what it renders to is checked in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use render::{Config, FactsFile, Input, Outcome, Renderer, lint};
use sha2::{Digest, Sha256};

use crate::support::{files, registry, root, tree};

pub(crate) fn inputs() -> Vec<Input> {
    let folder = root().join("examples/fleet");
    let facts = FactsFile::parse(&std::fs::read_to_string(folder.join("facts.yaml")).unwrap()).unwrap();
    let registry = registry(&folder.join("registry.yaml"));
    let mut tree_files = BTreeMap::new();
    for (path, text) in files(&folder.join("cluster")) {
        tree_files.insert(format!("cluster/{path}"), text);
    }
    let config = Config::single(tree("v1", tree_files));
    let clusters = registry.clusters.into_iter();
    clusters
        .map(|entry| {
            let facts = Arc::new(facts.for_cluster(entry.cluster.id.as_str()));
            let mut input = Input::new(Arc::new(entry.cluster), config.clone(), facts);
            let account = input.cluster.infrastructure_account.as_str();
            let account = registry
                .infrastructure_accounts
                .iter()
                .find(|a| a.id.as_str() == account);
            input.owner = account.map(|a| a.owner.clone()).unwrap_or_default();
            input
        })
        .collect()
}

/// The first cluster with a Karpenter pool, which no cluster of the registry has.
fn with_karpenter() -> Input {
    let mut input = inputs().remove(0);
    let mut cluster = (*input.cluster).clone();
    let pool = serde_json::json!({
        "name": "worker-karpenter", "profile": "worker-karpenter", "instance_types": ["m6i.large"], "discount_strategy": "none",
        "min_size": 0, "max_size": 0, "config_items": {
            "taints": "dedicated=karpenter:NoSchedule",
            "requirements": "[{key: karpenter.sh/capacity-type, operator: In, values: [spot]}]",
            "availability_zones": "eu-central-1b,eu-central-1a",
        },
    });
    cluster.node_pools.push(serde_json::from_value(pool).unwrap());
    input.cluster = Arc::new(cluster);
    input
}

fn errors(outcome: &Outcome) -> Vec<String> {
    outcome.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_cluster_renders() {
    let renderer = Renderer::new();
    for input in inputs() {
        let outcome = renderer.render(&input);
        assert_eq!(errors(&outcome), Vec::<String>::new(), "{}", input.cluster.id);
        assert!(outcome.desired.objects().count() > 15);
    }
}

/// Set `UPDATE_EXPECTED=1` to write the file anew after a wanted change, and read the difference.
#[test]
fn the_first_cluster_renders_to_what_is_checked_in() {
    let outcome = Renderer::new().render(&with_karpenter());
    assert_eq!(errors(&outcome), Vec::<String>::new());
    let mut found = String::new();
    for (path, text) in outcome.desired.texts() {
        // Packed user data differs between versions of the packer, so stacks are shown without it.
        let text: String = text
            .lines()
            .filter(|l| !l.contains("UserData: \"H4sI"))
            .fold(String::new(), |all, l| all + l + "\n");
        writeln!(found, "=== {path}\n{text}").unwrap();
    }
    let path = root().join("crates/render/tests/data/example.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(
        hex::encode(Sha256::digest(&found)),
        hex::encode(Sha256::digest(&expected))
    );
}

#[test]
fn the_example_is_free_of_mistakes() {
    let renderer = Renderer::new();
    let inputs = inputs();
    let outcomes: Vec<Outcome> = inputs.iter().map(|input| renderer.render(input)).collect();
    let clusters: Vec<(&Input, &Outcome)> = inputs.iter().zip(&outcomes).collect();
    let mut findings = lint(&clusters, Some("1.31".parse().unwrap()));
    // The duplicate key in the ingress deployment is there on purpose (fact 45).
    findings.retain(|f| f.rule != render::Rule::Yaml || !f.message.contains("key \"env\" is there twice"));
    let found: Vec<String> = findings
        .iter()
        .map(|f| format!("{} {}: {}", f.rule.name(), f.subject, f.message))
        .collect();
    assert_eq!(found, Vec::<String>::new());
}
