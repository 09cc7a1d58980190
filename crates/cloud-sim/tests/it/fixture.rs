//! The stacks of the fixture tree come up, with everything that they refer to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cloud_sim::SubnetSpec;
use ports::cloud::{NodeGroups, Objects, PutCondition, StackRequest, StackTemplate, StackUpdate, Stacks, Tags};

use crate::lab::Lab;

fn tree() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kubernetes-on-aws/expected");
    if path.is_dir() {
        return Some(path);
    }
    println!("the fixture tree is not here: passing over its stacks");
    None
}

#[tokio::test(start_paused = true)]
async fn the_stacks_of_a_whole_cluster_come_up_and_need_no_update() {
    let Some(tree) = tree() else { return };
    let lab = Lab::with(1, |mut options| {
        options.vpc = "vpc-1".to_owned();
        let subnet = |zone| SubnetSpec {
            id: format!("subnet-{zone}"),
            zone,
            tags: Tags::new(),
        };
        options.subnets = "abc".chars().map(subnet).collect();
        options.any_image = true;
        options
    });
    lab.sim.add_dns_zone("example.org", false);
    lab.sim.ensure_bucket("templates").await.unwrap();
    let mut stacks = vec![
        ("etcd".to_owned(), tree.join("etcd/stack.yaml")),
        ("main".to_owned(), tree.join("cluster.yaml")),
    ];
    let mut pools: Vec<_> = std::fs::read_dir(tree.join("pools"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pools.sort();
    for pool in pools {
        let stack = pool.join("stack.yaml");
        if stack.is_file() {
            stacks.push((pool.file_name().unwrap().to_string_lossy().into_owned(), stack));
        }
    }
    assert!(stacks.len() > 10);
    for (name, path) in stacks {
        let text = std::fs::read_to_string(path).unwrap();
        lab.sim
            .put_object("templates", &name, text.as_bytes(), &PutCondition::Always)
            .await
            .unwrap();
        let template = StackTemplate::Stored {
            bucket: "templates".to_owned(),
            key: name.clone(),
        };
        let mut request = StackRequest::new(name.clone(), template);
        request.capabilities = BTreeSet::from(["CAPABILITY_NAMED_IAM".to_owned()]);
        request.keep_failed_creation = true;
        lab.sim
            .create_stack(&request)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let state = lab.rests(&name).await;
        assert_eq!(state, "CREATE_COMPLETE", "{name}: {:#?}", lab.events(&name).await);
        assert_eq!(
            lab.sim.update_stack(&request).await.unwrap(),
            StackUpdate::NothingToDo,
            "{name}"
        );
    }
    lab.minutes(30).await;
    for group in lab.sim.groups(&Tags::new()).await.unwrap() {
        assert_eq!(
            group.instances.len(),
            usize::try_from(group.desired).unwrap(),
            "{}",
            group.name
        );
    }
}
