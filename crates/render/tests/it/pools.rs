//! Facts 15, 41 to 43 and 68: what templates of and about node pools see.

use std::sync::Arc;

use model::{Cluster, NodePool};
use render::{Config, Facts, Input, InstanceType, Renderer};
use serde_json::json;

use crate::support::{r1, tree, two_zones};

fn pool(name: &str, profile: &str, items: serde_json::Value) -> NodePool {
    serde_json::from_value(json!({
        "name": name, "profile": profile, "instance_types": ["m5.large"], "discount_strategy": "none", "min_size": 0,
        "max_size": 3, "config_items": items,
    }))
    .unwrap()
}

/// Renders a text as the stack of the first pool and as main stack.
fn render(cluster: Cluster, facts: Facts, text: &str) -> (String, String) {
    let profile = cluster.node_pools[0].profile.clone();
    let files = [
        (
            "cluster/cluster.yaml".to_owned(),
            text.replace(".NodePool.", "(index .Cluster.NodePools 0)."),
        ),
        (format!("cluster/node-pools/{profile}/stack.yaml"), text.to_owned()),
    ];
    let input = Input::new(Arc::new(cluster), Config::single(tree("A", files)), Arc::new(facts));
    let outcome = Renderer::new().render(&input);
    let texts = outcome.desired.texts();
    let text = |path: &str| {
        texts
            .iter()
            .find(|(p, _)| p.ends_with(path))
            .map(|(_, t)| t.to_string())
    };
    (
        text("/stack.yaml").unwrap_or_default(),
        text("cluster.yaml").unwrap_or_default(),
    )
}

#[test]
fn fact_15_items_of_pools() {
    let mut cluster = r1();
    cluster.config_items.insert("kk".parse().unwrap(), "3".to_owned());
    cluster.node_pools = vec![pool("worker", "worker-x", json!({"kk": "4"}))];
    let (stack, _) = render(
        cluster,
        two_zones(),
        "{{ .NodePool.ConfigItems.kk }}{{ .Cluster.ConfigItems.kk }}{{ .NodePool.ConfigItems.list }}",
    );
    assert_eq!(stack, "43x=1,y=2");
}

#[test]
fn fact_41_instance_info() {
    let text = "{{ .Values.InstanceInfo.AvailableStorage 0.9 (parseInt64 \"550\") 858993459 }} {{ .Values.InstanceInfo.MemoryFraction 80 }}";
    let mut cluster = r1();
    cluster.node_pools = vec![pool("worker", "worker-x", json!({}))];
    assert_eq!(render(cluster.clone(), two_zones(), text).0, "472446402450 6871947673");
    let mut facts = two_zones();
    let disk = InstanceType {
        vcpu: 2,
        memory: 8 << 30,
        storage_devices: 1,
        storage_device_size: 100_000_000_000,
        architecture: "amd64".to_owned(),
    };
    facts.instance_types.insert("m5.large".to_owned(), disk);
    assert_eq!(render(cluster.clone(), facts, text).0, "90000000000 6871947673");
    facts = Facts::default();
    assert_eq!(
        render(cluster, facts, text).0,
        "",
        "an unknown type makes the template fail"
    );
}

#[test]
fn fact_42_groups() {
    let text = "{{ range $k, $v := zoneDistributedNodePoolGroups .Cluster.NodePools }}{{ $k }}={{ $v }};{{ end }}|{{ range $k, $v := nodeLifeCycleProviderPerNodePoolGroup .Cluster.NodePools }}{{ $k }}={{ $v }};{{ end }}";
    let dedicated = json!({"labels": "dedicated=x", "taints": "dedicated=x:NoSchedule"});
    let groups = |pools: Vec<NodePool>| {
        let mut cluster = r1();
        cluster.node_pools = pools;
        render(cluster, two_zones(), text).1
    };
    assert_eq!(
        groups(vec![pool("a1", "worker-splitaz", dedicated.clone())]),
        "x=true;|x=zalando;"
    );
    for (profile, items) in [
        (
            "worker-splitaz",
            json!({"labels": "dedicated=x", "taints": "dedicated=x:NoSchedule,a=b:NoSchedule"}),
        ),
        (
            "worker-splitaz",
            json!({"labels": "dedicated=x", "taints": "dedicated=x:NoSchedule", "availability_zones": "a"}),
        ),
        ("worker-default", dedicated.clone()),
    ] {
        let both = vec![
            pool("a1", "worker-splitaz", dedicated.clone()),
            pool("b1", profile, items),
        ];
        assert!(!groups(both).contains("x=true"), "{profile}");
    }
    assert_eq!(
        groups(vec![pool("a1", "worker-karpenter", json!({}))]),
        "=true;|default=karpenter;"
    );
    let mixed = vec![
        pool("a1", "worker-karpenter", json!({})),
        pool("b1", "worker-splitaz", json!({})),
    ];
    assert_eq!(groups(mixed), "=true;|default=;");
}

#[test]
fn fact_43_taints() {
    let text = "{{ range .NodePool.Taints }}{{ .Key }}/{{ .Value }}/{{ .Effect }};{{ end }}";
    let taints = |taints: &str| {
        let mut cluster = r1();
        cluster.node_pools = vec![pool("a1", "worker-x", json!({"taints": taints}))];
        render(cluster, two_zones(), text).0
    };
    assert_eq!(taints("dedicated=test:NoSchedule"), "dedicated/test/NoSchedule;");
    assert_eq!(
        taints("example:NoSchedule,dedicated"),
        "example//NoSchedule;dedicated//;"
    );
    assert_eq!(taints("dedicated=test,a=b:Nope,:NoSchedule,a=b=c:NoSchedule"), "");
}

#[test]
fn fact_68_zones_of_a_pool() {
    let text =
        "{{ range $k, $v := .Values.subnets }}{{ $k }}={{ $v }};{{ end }}{{ join \",\" .Values.availability_zones }}";
    let mut cluster = r1();
    let zones = json!({"availability_zones": "eu-central-1b,eu-central-1d"});
    cluster.node_pools = vec![pool("a1", "worker-x", zones)];
    let (stack, main) = render(cluster, two_zones(), text);
    assert_eq!(stack, "*=s2;eu-central-1b=s2;eu-central-1b");
    assert_eq!(
        main,
        "*=s1,s2;eu-central-1a=s1;eu-central-1b=s2;eu-central-1a,eu-central-1b"
    );
}

#[test]
fn fact_64_stack_names_and_66_archives() {
    let mut cluster = r1();
    cluster.node_pools = vec![pool("worker-x", "worker-x", json!({}))];
    let files = [
        ("cluster/cluster.yaml", "x"),
        ("cluster/node-pools/worker-x/files.yaml", "files: []"),
        (
            "cluster/node-pools/worker-x/userdata.yaml",
            "{{ .Values.S3GeneratedFilesPath }}",
        ),
        ("cluster/node-pools/worker-x/stack.yaml", "{{ .Values.UserData }}"),
    ];
    let input = Input::new(
        Arc::new(cluster),
        Config::single(tree("A", files)),
        Arc::new(two_zones()),
    );
    let desired = Renderer::new().render(&input).into_result().unwrap();
    let pool = &desired.pools[0];
    let Some(render::PoolDefinition::Stack(stack)) = &pool.definition else {
        panic!("no stack")
    };
    assert_eq!(stack.name, "nodepool-worker-x-aws-123456789012-eu-central-1-kube-1");
    let url = pool.user_data.as_ref().unwrap();
    assert!(
        url.starts_with("s3://cluster-lifecycle-manager-123456789012-eu-central-1/kube-1/worker/"),
        "{url}"
    );
    assert!(url.ends_with(".userdata"), "{url}");
    assert!(stack.text.starts_with("H4sI"), "gzip in base64: {}", stack.text);
}
