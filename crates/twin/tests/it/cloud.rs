//! Nodes that come from node groups: they grow with pending pods, shrink when idle, and go when the cloud takes them.

use cloud_sim::CloudSim;
use json_tree::json;
use kube_sim::{Place, UserInfo};
use kube_world::autoscaler::Options;
use ports::cloud::{InstanceId, Market};
use twin::{ClusterSpec, PoolSpec, Profile};

use crate::support::Lab;

const DEPLOYMENTS: Place<'static> = Place {
    group: "apps",
    version: "v1",
    resource: "deployments",
    namespace: "default",
};

fn pool(size: u32) -> PoolSpec {
    PoolSpec::new("workers", size).bounds(2, 8)
}

fn nodes(lab: &Lab) -> Vec<(String, bool)> {
    let view = lab.fleet.clusters()[0].world().view();
    view.nodes()
        .map(|node| (node.name.to_string(), node.is_ready()))
        .collect()
}

fn sim(lab: &Lab) -> CloudSim {
    lab.fleet.clouds().sim("123456789012", "eu-central-1")
}

#[tokio::test]
async fn instances_of_groups_are_the_nodes_with_their_pools_labels_and_taints() {
    let cluster = ClusterSpec::new("kube-1").pool(pool(3).label("dedicated", "web").taint(
        "dedicated",
        "web",
        "NoSchedule",
    ));
    let lab = Lab::new(1, [cluster.on_cloud()]).await;
    assert_eq!(nodes(&lab).iter().filter(|(_, ready)| *ready).count(), 3);
    let all = lab.fleet.clusters()[0].server().read_all("", "nodes", "");
    let mut zones: Vec<&str> = all
        .iter()
        .map(|node| {
            node["metadata"]["labels"]["topology.kubernetes.io/zone"]
                .as_str()
                .unwrap()
        })
        .collect();
    zones.sort_unstable();
    assert_eq!(zones, ["eu-central-1a", "eu-central-1b", "eu-central-1c"]);
    for node in &all {
        assert_eq!(node["metadata"]["labels"]["dedicated"], "web");
        assert_eq!(node["spec"]["taints"][0]["key"], "dedicated");
        assert_eq!(node["status"]["capacity"]["cpu"], "4");
        assert!(
            node["spec"]["providerID"]
                .as_str()
                .unwrap()
                .starts_with("aws:///eu-central-1")
        );
    }
}

#[tokio::test]
async fn groups_grow_with_pending_pods_and_shrink_when_nodes_are_idle() {
    let cluster = ClusterSpec::new("kube-1").pool(pool(2)).autoscaler(Options::default());
    let mut lab = Lab::new(2, [cluster]).await;
    lab.pass(60).await;
    let admin = lab.fleet.clusters()[0].server().local(UserInfo::admin());
    let web = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"replicas": 10,
        "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
            {"name": "main", "image": "web:1", "resources": {"requests": {"cpu": "1500m"}}}]}}}});
    admin.create(DEPLOYMENTS, web).await.unwrap();
    lab.pass(5 * 60).await;
    assert_eq!(nodes(&lab).len(), 5, "two pods fit each node: {:?}", nodes(&lab));
    let ready = |lab: &Lab| {
        let web = lab.fleet.clusters()[0]
            .server()
            .read("apps", "deployments", "default", "web")
            .unwrap();
        web["status"]["readyReplicas"].as_i64().unwrap_or(0)
    };
    assert_eq!(ready(&lab), 10);
    admin
        .patch(DEPLOYMENTS, "web", "", &json!({"spec": {"replicas": 2}}))
        .await
        .unwrap();
    lab.pass(45 * 60).await;
    assert_eq!(nodes(&lab).len(), 2, "{:?}", nodes(&lab));
    assert_eq!(ready(&lab), 2);
}

#[tokio::test]
async fn a_spot_loss_empties_the_node_first_and_the_group_replaces_it() {
    let cluster = ClusterSpec::new("kube-1")
        .pool(pool(4).spot())
        .profile(Profile::Shop)
        .pods_per_node(6)
        .on_cloud();
    let mut lab = Lab::new(3, [cluster]).await;
    lab.pass(60).await;
    let instance = sim(&lab)
        .instances_now()
        .into_iter()
        .find(|one| one.market == Market::Spot)
        .unwrap();
    let (id, node): (InstanceId, String) = (instance.id, instance.private_dns);
    sim(&lab).interrupt_spot(&id);
    let here = |lab: &Lab| {
        let world = lab.fleet.clusters()[0].world();
        world.view().pods_on(&node).filter(|pod| pod.is_active()).count()
    };
    let before = here(&lab);
    assert!(before > 0);
    lab.pass(100).await;
    let left = here(&lab);
    assert!(left < before, "{left} of {before} pods are still there");
    lab.pass(10 * 60).await;
    let names = nodes(&lab);
    assert!(!names.iter().any(|(name, _)| *name == node), "{names:?}");
    assert_eq!(names.iter().filter(|(_, ready)| *ready).count(), 4);
}

#[tokio::test]
async fn a_machine_that_dies_is_replaced_and_its_pods_with_it() {
    let cluster = ClusterSpec::new("kube-1")
        .pool(pool(4))
        .profile(Profile::Shop)
        .pods_per_node(6)
        .on_cloud();
    let mut lab = Lab::new(4, [cluster]).await;
    lab.pass(60).await;
    let running = |lab: &Lab| {
        let view = lab.fleet.clusters()[0].world().view();
        view.pods("")
            .filter(|pod| pod.ready && pod.controller.is_some())
            .count()
    };
    let before = running(&lab);
    let instance = sim(&lab).instances_now().remove(0);
    sim(&lab).kill_instance(&instance.id);
    lab.pass(20).await;
    lab.pass(15 * 60).await;
    let names = nodes(&lab);
    assert!(
        !names.iter().any(|(name, _)| *name == instance.private_dns),
        "{names:?}"
    );
    assert_eq!(names.iter().filter(|(_, ready)| *ready).count(), 4);
    assert_eq!(running(&lab), before);
}
