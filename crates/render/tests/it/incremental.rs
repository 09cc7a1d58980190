//! Rendering again with one renderer gives what a fresh one gives, whatever changed in between.

use std::sync::Arc;

use render::{Config, Input, Outcome, Renderer, diff, fold};

use crate::support::{r1, tree, two_zones};

const MAIN: &str = "{{ .Cluster.Alias }}";

fn files(hashed: &str, default: &str) -> Vec<(String, String)> {
    let map = |data: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, namespace: ns}}\ndata:\n  k: \"{data}\"\n")
    };
    [
        ("cluster/cluster.yaml", MAIN.to_owned()),
        ("cluster/config-defaults.yaml", format!("zz: \"{default}\"\nother: o\n")),
        ("cluster/manifests/a/config.yaml", map(hashed)),
        (
            "cluster/manifests/a/use.yaml",
            map("{{ manifestHash \\\"config.yaml\\\" }}").replace("\\\"", "`"),
        ),
        ("cluster/manifests/b/item.yaml", map("{{ .Cluster.ConfigItems.zz }}")),
        (
            "cluster/manifests/b/fixed.yaml",
            map("{{ .Cluster.ConfigItems.other }}"),
        ),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .to_vec()
}

fn input(files: Vec<(String, String)>) -> Input {
    Input::new(Arc::new(r1()), Config::single(tree("v", files)), Arc::new(two_zones()))
}

fn changed(old: &Outcome, new: &Outcome) -> Vec<String> {
    diff(&old.desired, &new.desired)
        .texts
        .into_iter()
        .map(|t| t.path)
        .collect()
}

#[test]
fn a_warm_renderer_gives_what_a_cold_one_gives() {
    let warm = Renderer::new();
    let first = warm.render(&input(files("one", "1")));
    assert_eq!(first.errors, []);
    let sibling = input(files("two", "1"));
    let second = warm.render(&sibling);
    assert_eq!(second, Renderer::new().render(&sibling));
    assert_eq!(
        changed(&first, &second),
        ["manifests/a/config.yaml", "manifests/a/use.yaml"]
    );
    let default = input(files("two", "2"));
    let third = warm.render(&default);
    assert_eq!(third, Renderer::new().render(&default));
    assert_eq!(changed(&second, &third), ["manifests/b/item.yaml"]);
    let mut renamed = default.clone();
    renamed.cluster = Arc::new(model::Cluster {
        alias: "other".parse().unwrap(),
        ..r1()
    });
    let fourth = warm.render(&renamed);
    assert_eq!(fourth, Renderer::new().render(&renamed));
    assert_eq!(changed(&third, &fourth), ["cluster.yaml"]);
}

#[test]
fn equal_edits_fold_into_one_block() {
    let renderer = Renderer::new();
    let (old, new) = (
        renderer.render(&input(files("a", "1"))),
        renderer.render(&input(files("a", "2"))),
    );
    let one = diff(&old.desired, &new.desired);
    let objects: Vec<String> = one
        .objects
        .iter()
        .map(|(id, change)| format!("{id}: {change:?}"))
        .collect();
    assert_eq!(objects.len(), 1);
    assert!(objects[0].starts_with("ConfigMap ns/x: Changed"), "{objects:?}");
    let blocks = fold([("c1", &one), ("c2", &one)]);
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0].clusters.len(), 2);
    let lines: Vec<(char, &str)> = blocks[0]
        .lines
        .iter()
        .map(|(sign, line)| (*sign, line.trim()))
        .collect();
    assert_eq!(lines, [('-', "k: \"1\""), ('+', "k: \"2\"")]);
}

/// Every change of an input must show in a warm renderer as in a cold one, also where a template sees it only indirectly.
#[test]
fn no_change_of_an_input_is_missed() {
    let pool = serde_json::json!({
        "name": "worker", "profile": "worker-x", "instance_types": ["m5.large"], "discount_strategy": "none", "min_size": 0,
        "max_size": 3, "config_items": {"taints": "a=b:NoSchedule", "availability_zones": "eu-central-1a"},
    });
    let stack = "{{ range .NodePool.Taints }}{{ .Key }}{{ end }}{{ join `,` .Values.availability_zones }}{{ index .Values.subnets `*` }}{{ .Values.InstanceInfo.VCPU }}{{ .Values.S3GeneratedFilesPath }}";
    let files = [
        (
            "cluster/cluster.yaml",
            "{{ .Cluster.OIDCProvider }}{{ range .Cluster.NodePools }}{{ range .Taints }}{{ .Key }}{{ end }}{{ .MaxSize }}{{ end }}{{ amiID `a` `b` }}",
        ),
        (
            "cluster/etcd/stack.yaml",
            "{{ .Values.etcd_instance_type_info.Architecture }}{{ .Values.S3GeneratedFilesPath }}",
        ),
        (
            "cluster/etcd/files.yaml",
            "files: [{path: '/{{ .Cluster.ConfigItems.etcd_instance_type }}'}]",
        ),
        ("cluster/config-defaults.yaml", "etcd_instance_type: m6g.large\n"),
        ("cluster/node-pools/worker-x/stack.yaml", stack),
        (
            "cluster/node-pools/worker-x/files.yaml",
            "files: [{path: '/{{ .Cluster.Owner }}'}]",
        ),
    ];
    let tree = tree("v", files);
    let base = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut json = serde_json::to_value(r1()).unwrap();
        json["node_pools"] = serde_json::json!([pool]);
        edit(&mut json);
        let cluster = serde_json::from_value(json).unwrap();
        Input::new(
            Arc::new(cluster),
            Config::single(Arc::clone(&tree)),
            Arc::new(two_zones()),
        )
    };
    let mut variants = vec![
        base(&|_| {}),
        base(&|j| j["node_pools"][0]["config_items"]["taints"] = "c=d:NoSchedule".into()),
        base(&|j| j["node_pools"][0]["config_items"]["availability_zones"] = "eu-central-1b".into()),
        base(&|j| j["node_pools"][0]["max_size"] = 4.into()),
        base(&|j| j["config_items"]["etcd_instance_type"] = "m6i.large".into()),
        base(&|j| j["provider"] = "simulated".into()),
        base(&|j| j["id"] = "aws:123456789012:eu-central-1:other".into()),
    ];
    let mut owner = base(&|_| {});
    owner.owner = "someone".to_owned();
    variants.push(owner);
    let mut facts = two_zones();
    let images = [("a".to_owned(), "ami-1".to_owned())].into();
    facts.images.insert("b".to_owned(), images);
    let mut known = base(&|_| {});
    known.facts = Arc::new(facts);
    variants.push(known);
    let warm = Renderer::new();
    for _ in 0..2 {
        for (i, input) in variants.iter().enumerate() {
            assert_eq!(warm.render(input), Renderer::new().render(input), "variant {i}");
        }
    }
}
