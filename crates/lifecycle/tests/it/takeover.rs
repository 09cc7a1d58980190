//! Taking a cluster over from the manager that users come from changes nothing (decision 0005).

use lifecycle::Settings;
use model::ClusterUpdate;
use ports::Registry;
use ports::cloud::{StackRequest, StackTemplate, Stacks};

use crate::bench::{Bench, cluster, context};
use crate::clouds::{MAIN, POOL_STACK, clouded, one_subnet, pool};

/// `#cloud-config` and a line end, as Go's `compress/gzip` packs it.
const BY_GO: &str = "H4sIAAAAAAAA/1JOzskvTdFNzs9Ly0znAgQAAP//BVazuA4AAAA=";

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_user_data_another_packer_packed_is_taken_over_without_a_change() {
    let (bench, cloud) = Bench::clouded(&["kube-1"], Settings::default(), one_subnet()).await;
    let id = cluster("kube-1").id;
    bench
        .registry
        .put_node_pool(&id, pool("worker"), &context("setup"))
        .await
        .unwrap();
    let mut tree = clouded("one", "1", MAIN);
    let stack = "cluster/node-pools/worker-splitaz/stack.yaml";
    let image = "ImageId: ami-12345678";
    let text = tree
        .text(stack)
        .unwrap()
        .replace(image, &format!("{image}, UserData: '{{{{ .Values.UserData }}}}'"));
    let file = model::config_tree::TreeFile {
        id: text.clone(),
        content: text.clone().into_bytes().into(),
    };
    tree.files.insert(stack.to_owned(), file);

    // The stacks as the original made them: its own packing, its tags, protected.
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let owned = tag(&format!("kubernetes.io/cluster/{id}"), "owned");
    let main_tag = tag("cluster-lifecycle-controller.zalando.org/main-stack", "true");
    let of_pool = [
        tag("kubernetes.io/role/node-pool", "true"),
        tag("kubernetes.io/node-pool", "worker"),
        tag("NodePool", "worker"),
        tag("kubernetes.io/node-pool/profile", "worker-splitaz"),
    ];
    let rendered = text
        .replace("{{ .Values.UserData }}", BY_GO)
        .replace("{{ .NodePool.MinSize }}", "1")
        .replace("{{ .NodePool.MaxSize }}", "3")
        .replace("{{ .NodePool.InstanceType }}", "m5.large");
    let made = async |name: &str, text: &str, tags: Vec<(String, String)>| {
        let mut request = StackRequest::new(name, StackTemplate::Inline(text.to_owned()));
        request.tags = tags.into_iter().collect();
        request.capabilities.insert("CAPABILITY_NAMED_IAM".to_owned());
        request.termination_protection = true;
        cloud.create_stack(&request).await.unwrap();
    };
    made("kube-1", MAIN, vec![owned.clone(), main_tag]).await;
    made(POOL_STACK, &rendered, [vec![owned], of_pool.to_vec()].concat()).await;
    bench.pass_time(1_800).await;
    bench.source.commit("dev", tree);
    let current = bench.version("kube-1", "zero").await;
    let status = model::ClusterStatus {
        current_version: current,
        ..model::ClusterStatus::default()
    };
    let update = ClusterUpdate {
        status: Some(status),
        ..ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&id, update, &context("original"))
        .await
        .unwrap();

    let known = cloud.last_event();
    bench.start();
    bench.pass_time(1_800).await;
    assert_eq!(
        bench.cluster("kube-1").await.status.current_version,
        bench.version("kube-1", "one").await
    );
    let changes: Vec<String> = cloud.changes_since(known).iter().map(ToString::to_string).collect();
    let other: Vec<&String> = changes
        .iter()
        .filter(|line| !line.contains(" call UpdateStack "))
        .collect();
    assert_eq!(other, Vec::<&String>::new(), "{changes:#?}");
    for name in ["kube-1", POOL_STACK] {
        let stack = cloud.stack(name).await.unwrap();
        assert_eq!(
            (stack.status.to_string().as_str(), stack.updated),
            ("CREATE_COMPLETE", None),
            "{name}"
        );
    }
    assert_eq!(cloud.stack_template(POOL_STACK).await.unwrap(), rendered);
}
