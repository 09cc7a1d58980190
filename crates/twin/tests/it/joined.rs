//! Clusters whose groups others make: instances join by their tag, and workloads are put on the nodes that are there.

use cloud_sim::{GroupSpec, LaunchTemplateSpec};
use json_tree::{Value, json};
use twin::{ClusterSpec, Furnishing, PoolSpec, Profile};

use crate::support::Lab;

/// A cluster with three workers that came from a group of somebody else's making.
async fn joined() -> Lab {
    let pool = PoolSpec::new("workers", 3)
        .label("own", "yes")
        .taint("soft", "", "PreferNoSchedule");
    let mut lab = Lab::new(1, [ClusterSpec::new("kube-1").pool(pool).joined()]).await;
    let sim = lab.fleet.clouds().sim("123456789012", "eu-central-1");
    sim.create_launch_template("t", LaunchTemplateSpec::new("ami-1", "m6i.xlarge"))
        .unwrap();
    let mut group = GroupSpec::new("stack-group", "t", 0, 3, 5);
    for (key, value) in [("kubernetes.io/cluster/kube-1", "owned"), ("NodePool", "workers")] {
        group.tags.insert(key.to_owned(), value.to_owned());
        group.propagated.insert(key.to_owned());
    }
    sim.create_group(group).unwrap();
    lab.pass(900).await;
    lab
}

fn all(lab: &Lab, group: &str, resource: &str) -> Vec<Value> {
    lab.fleet.clusters()[0].server().read_all(group, resource, "")
}

#[tokio::test]
async fn instances_join_with_the_labels_and_taints_of_the_pool_that_their_tag_names() {
    let lab = joined().await;
    let nodes = all(&lab, "", "nodes");
    assert_eq!(nodes.len(), 3);
    for node in &nodes {
        assert_eq!(node["metadata"]["labels"]["own"], "yes");
        assert_eq!(node["metadata"]["labels"]["node.kubernetes.io/node-pool"], "workers");
        let soft = node["spec"]["taints"].as_array().unwrap();
        assert!(soft.iter().any(|taint| taint["key"] == "soft"), "{soft:?}");
    }
    assert_eq!(all(&lab, "", "pods").len(), 0, "nothing runs before it is furnished");
}

#[tokio::test]
async fn a_profile_runs_at_once_and_leaves_alone_what_is_there() {
    let mut lab = joined().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trouble", "uid": "mine"}});
    lab.fleet
        .furnish("kube-1", Furnishing::Objects(vec![namespace]))
        .await
        .unwrap();
    lab.fleet
        .furnish("kube-1", Furnishing::Profile(Profile::Shop))
        .await
        .unwrap();
    let running = all(&lab, "", "pods")
        .iter()
        .filter(|pod| pod["status"]["phase"] == "Running")
        .count();
    assert!(running > 20, "{running}");
    let kept = lab.fleet.clusters()[0]
        .server()
        .read("", "namespaces", "", "trouble")
        .unwrap();
    assert_eq!(kept["metadata"]["uid"], "mine");
    lab.pass(3_600).await;
    assert!(
        lab.fleet
            .furnish("nobody", Furnishing::Profile(Profile::Shop))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn pools_with_hard_taints_take_none_of_a_profile() {
    let hard = PoolSpec::new("gpu", 3).taint("dedicated", "gpu", "NoSchedule");
    let open = ClusterSpec::new("a").pool(PoolSpec::new("workers", 3));
    let manifests = |spec: &ClusterSpec| twin::manifests(Profile::Shop, spec, 1).unwrap();
    assert_eq!(
        manifests(&open).len(),
        manifests(&open.clone().pool(hard.clone())).len()
    );
    assert!(manifests(&ClusterSpec::new("b").pool(hard)).is_empty());
}
