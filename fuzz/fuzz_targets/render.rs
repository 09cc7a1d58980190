//! Arbitrary text as main stack, defaults and manifest: no panic, no hang, no unbounded memory.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use model::config_tree::{ConfigTree, TreeFile};
use render::{Config, Facts, Input, Renderer};

fuzz_target!(|data: &[u8]| {
    let file = || TreeFile {
        id: "fuzzed".to_owned(),
        content: data.into(),
    };
    let files = ["cluster/cluster.yaml", "cluster/config-defaults.yaml", "cluster/manifests/a/a.yaml"]
        .map(|path| (path.to_owned(), file()))
        .into();
    let tree = ConfigTree {
        id: "v1".to_owned(),
        files,
    };
    let cluster = serde_json::from_value(serde_json::json!({
        "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1", "region": "eu-central-1",
        "local_id": "kube-1", "provider": "simulated", "api_server_url": "https://kube-1.example.org", "channel": "dev",
        "environment": "test", "criticality_level": 1, "lifecycle_status": "ready", "config_items": {"key": "a,b=c"},
        "node_pools": [{"name": "worker", "profile": "worker-splitaz", "instance_types": ["m5.large"],
            "discount_strategy": "none", "min_size": 0, "max_size": 3}],
    }));
    let Ok(cluster) = cluster else { return };
    let facts = Facts {
        simulated: true,
        ..Facts::default()
    };
    let input = Input::new(Arc::new(cluster), Config::single(Arc::new(tree)), Arc::new(facts));
    let renderer = Renderer::new();
    let cold = renderer.render(&input);
    assert_eq!(cold, renderer.render(&input), "a warm renderer gives what a cold one gives");
});
