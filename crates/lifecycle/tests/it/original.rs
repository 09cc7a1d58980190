//! Faults of the manager that users come from, by their numbers: each must not be able to happen here. F1, F4, F5 and F8 are
//! with the updates and stacks that they are about, F2 is with the queue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_sim::{FaultPlan as CloudFaults, ResourceFault, ResourceRule, ResourceStep};
use git_source::{DirectoryIds, DirectorySource, TreeOptions};
use kube_access::Access;
use kube_sim::{ApiServer, Fault, FaultPlan, FaultRule, FaultyApi};
use lifecycle::{Manager, Pace, Settings, Standing};
use model::config_tree::{ConfigTree, TreeFile};
use model::{Block, BlockScope, ClusterUpdate, LifecycleStatus, NodePool, Progress};
use ports::cloud::{Certificate, CertificateStatus, Certificates, Objects, Stacks};
use ports::config_source::{ConfigSource, SourceName};
use ports::registry::PageRequest;
use ports::{Clock, Ledger, Registry, blocks};
use render::Facts;

use crate::bench::{Bench, World, cluster, context};
use crate::clouds::{MAIN, POOL_STACK, clouded, one_subnet, pool};
use crate::origin::{Origin, can_git};
use crate::spy::Spy;
use crate::updates::commit;

fn add(tree: &mut ConfigTree, path: &str, text: &str) {
    let file = TreeFile {
        id: text.to_owned(),
        content: text.as_bytes().into(),
    };
    tree.files.insert(path.to_owned(), file);
}

const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.GROUP}
spec:
  group: GROUP
  scope: Cluster
  names: {kind: KIND, plural: PLURAL, singular: SINGULAR, listKind: KINDList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
";
const PROVISIONERS: &str = "\
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: '{{ .NodePool.Name }}'}
spec: {weight: 1}
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: '{{ .NodePool.Name }}'}
spec: {role: worker}
";

fn with_karpenter(id: &str) -> ConfigTree {
    let mut tree = commit(id, "1", &[]);
    for (group, kind, plural, singular) in [
        ("karpenter.sh", "NodePool", "nodepools", "nodepool"),
        ("karpenter.k8s.aws", "EC2NodeClass", "ec2nodeclasses", "ec2nodeclass"),
    ] {
        let text = CRD
            .replace("GROUP", group)
            .replace("KIND", kind)
            .replace("PLURAL", plural)
            .replace("SINGULAR", singular);
        add(&mut tree, &format!("cluster/manifests/00-base/{plural}.yaml"), &text);
    }
    add(
        &mut tree,
        "cluster/node-pools/worker-karpenter/provisioners.yaml",
        PROVISIONERS,
    );
    tree
}

#[tokio::test(start_paused = true)]
async fn f7_nodes_of_a_removed_karpenter_pool_are_marked_and_its_class_outlives_them() {
    let bench = Bench::new(&["kube-1"]).await;
    let id = cluster("kube-1").id;
    let karpenter = NodePool {
        profile: "worker-karpenter".to_owned(),
        ..pool("burst")
    };
    bench
        .registry
        .put_node_pool(&id, karpenter, &context("setup"))
        .await
        .unwrap();
    bench.source.commit("dev", with_karpenter("one"));
    bench.start();
    bench.pass_time(60).await;
    let server = &bench.servers["kube-1"].0;
    let there = || {
        let pool = server.read("karpenter.sh", "nodepools", "", "burst").is_some();
        (
            pool,
            server
                .read("karpenter.k8s.aws", "ec2nodeclasses", "", "burst")
                .is_some(),
        )
    };
    assert_eq!(there(), (true, true), "{:?}", bench.cluster("kube-1").await.status);
    let client = kube::Client::new(server.clone(), "default");
    let kind = kube::discovery::ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk("", "v1", "Node"));
    let nodes: kube::Api<kube::api::DynamicObject> = kube::Api::all_with(client, &kind);
    for (name, of) in [("node-1", "burst"), ("node-2", "other")] {
        let node = serde_json::json!({"metadata": {"name": name, "labels": {"karpenter.sh/nodepool": of}}});
        nodes
            .create(
                &kube::api::PostParams::default(),
                &serde_json::from_value(node).unwrap(),
            )
            .await
            .unwrap();
    }
    bench
        .registry
        .delete_node_pool(&id, &"burst".parse().unwrap(), &context("alice"))
        .await
        .unwrap();
    bench.pass_time(120).await;
    assert_eq!(there(), (false, true), "no new node comes, and the class stays");
    let marked = server.read("", "nodes", "", "node-1").unwrap();
    assert_eq!(marked["metadata"]["labels"]["lifecycle-status"], "decommission-pending");
    assert_eq!(
        marked["metadata"]["labels"]["cluster-lifecycle-controller.zalan.do/replacement-strategy"],
        "none"
    );
    assert_eq!(marked["spec"]["taints"][0]["key"], "decommission-pending");
    let other = server.read("", "nodes", "", "node-2").unwrap();
    assert_eq!(other["metadata"]["labels"].get("lifecycle-status"), None);
    let update = bench.updates("kube-1").await.remove(0);
    assert!(
        update
            .message
            .contains("node pools burst left git and wait until their nodes are drained: 1 left"),
        "{update:?}"
    );
    nodes
        .delete("node-1", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    bench.pass_time(120).await;
    assert_eq!(there(), (false, false));
    assert_eq!(bench.cluster("kube-1").await.status.next_version, "");
}

#[tokio::test(start_paused = true)]
async fn f7_a_cluster_without_karpenter_needs_none_of_its_definitions() {
    let bench = Bench::new(&["kube-1"]).await;
    bench.source.commit("dev", commit("one", "1", &[]));
    let standing = bench.once().await;
    assert!(matches!(standing[0].1, Standing::AsWanted(_)), "{standing:?}");
}

#[tokio::test(start_paused = true)]
async fn f9_an_entry_that_hashes_alike_is_an_update_all_the_same() {
    let items = "{{ range $k, $v := .Cluster.ConfigItems }}{{ $k }}={{ $v }} {{ end }}";
    let mut entry = cluster("kube-1");
    entry.config_items.insert("abc".parse().unwrap(), "d".to_owned());
    let world = World {
        clusters: vec![entry],
        ..World::of(&[])
    };
    let (bench, _) = world.build().await;
    bench.source.commit("dev", commit("one", items, &[]));
    bench.start();
    bench.pass_time(10).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("abc=d replicas=2 "));
    let before = bench.cluster("kube-1").await;
    let update = ClusterUpdate {
        config_items: Some([("ab".parse().unwrap(), "cd".to_owned())].into()),
        ..ClusterUpdate::default()
    };
    bench
        .registry
        .update_cluster(&before.id, update, &context("alice"))
        .await
        .unwrap();
    let after = bench.cluster("kube-1").await;
    assert_eq!(
        model::version_hash(&before),
        model::version_hash(&after),
        "the original sees no change"
    );
    bench.pass_time(10).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("ab=cd replicas=2 "));
    // A manager that begins anew knows it, too, and has nothing to do.
    let counts = bench.servers["kube-1"].1.counts();
    bench.once().await;
    assert_eq!(bench.servers["kube-1"].1.counts(), counts);
}

#[tokio::test(start_paused = true)]
async fn f9_a_directory_that_changes_is_another_version() {
    let dir = tempfile::TempDir::new().unwrap();
    let write = |level: &str| {
        let tree = commit("x", level, &[]);
        for path in tree.files.keys() {
            let file = dir.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, tree.text(path).unwrap()).unwrap();
        }
    };
    write("1");
    let name = SourceName::new("main").unwrap();
    let source = DirectorySource::new(
        name,
        dir.path().to_owned(),
        DirectoryIds::Content,
        TreeOptions::default(),
    );
    let world = World {
        sources: vec![Arc::new(source)],
        ..World::of(&["kube-1"])
    };
    let (bench, _) = world.build().await;
    let wake = bench.start();
    bench.pass_time(10).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    write("2");
    wake.configuration_moved();
    bench.pass_time(10).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn f10_a_block_ends_a_run_within_seconds_also_in_the_middle_of_a_call() {
    let hang = FaultRule::new("hang", Fault::Delay(Duration::from_secs(86_400))).verbs(&["create", "patch"]);
    let plan = FaultPlan::new(1).rule(hang);
    let slow: Arc<Mutex<Option<FaultyApi<ApiServer>>>> = Arc::default();
    let opened = Arc::clone(&slow);
    let world = World {
        open: Box::new(move |mut context, server| {
            let api = FaultyApi::over(server, plan.clone());
            *opened.lock().unwrap() = Some(api.clone());
            context.settings.timeout = Duration::from_secs(3_600);
            Access::from_service(context, api)
        }),
        ..World::of(&["kube-1"])
    };
    let (bench, _) = world.build().await;
    let access = bench.servers["kube-1"].1.clone();
    bench.source.commit("dev", commit("one", "1", &[]));
    bench.start();
    bench.pass_time(60).await;
    assert_eq!(bench.setting("kube-1", "level"), None, "the first write hangs");
    let block = Block {
        scope: BlockScope::All,
        owner: "team".to_owned(),
        ..Block::from_item("stop (alice)")
    };
    let (registry, id) = (&*bench.registry, cluster("kube-1").id);
    blocks::set(registry, &*bench.clock, &bench.ids, &id, block, &context("alice"))
        .await
        .unwrap();
    let (before, durable) = (access.counts(), bench.clock.now());
    bench.pass_time(10).await;
    let update = bench.updates("kube-1").await.remove(0);
    assert_eq!(update.progress, Progress::Waiting);
    assert!(
        update.message.contains("let go while a call was under way"),
        "{}",
        update.message
    );
    bench.pass_time(600).await;
    assert_eq!(
        access.counts().writes(),
        before.writes(),
        "nothing left after the block of {durable}"
    );
    slow.lock().unwrap().as_ref().unwrap().set_plan(FaultPlan::new(1));
    blocks::lift(registry, registry, &*bench.clock, &id, None, &context("alice"))
        .await
        .unwrap();
    bench.pass_time(60).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn f10_a_manager_that_is_told_to_stop_ends_its_runs_at_their_next_step_and_says_so() {
    let (bench, cloud) = Bench::clouded(&["kube-1"], Settings::default(), one_subnet()).await;
    let slow = ResourceFault::Hang(Duration::from_secs(600));
    cloud.set_faults(CloudFaults {
        resources: vec![ResourceRule::new(ResourceStep::Create, "Role", slow)],
        ..CloudFaults::default()
    });
    bench.source.commit("dev", clouded("one", "1", MAIN));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let manager = Manager::new(bench.reach.clone(), Pace::default());
    let running = tokio::spawn(manager.run(async {
        let _ = stopped.await;
    }));
    bench.pass_time(60).await;
    stop.send(()).unwrap();
    let asked = bench.clock.now();
    running.await.unwrap();
    assert!(bench.clock.now().duration_since(asked).as_secs() <= 10);
    let update = bench.updates("kube-1").await.remove(0);
    assert_eq!(
        (update.progress, update.message.as_str()),
        (Progress::Waiting, "this replica is shutting down")
    );
    // The next one goes on with it.
    bench.start();
    bench.pass_time(1_200).await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    assert_eq!(bench.updates("kube-1").await.len(), 1);
}

const SECRET: &str = "correct-horse-battery";

#[tokio::test(start_paused = true)]
async fn f11_a_secret_is_in_the_cluster_and_nowhere_else() {
    let spy = Spy::default();
    let _listening = spy.listen();
    let mut entry = cluster("kube-1");
    let key = "db_password".parse().unwrap();
    entry.config_items.insert(key, format!("aws:kms:{SECRET}-packed"));
    let mut worker = pool("worker");
    let key = "join_token".parse().unwrap();
    worker.config_items.insert(key, "aws:kms:tokenpacked".to_owned());
    entry.node_pools = vec![worker];
    let decrypted = [
        (format!("aws:kms:{SECRET}-packed"), SECRET.to_owned()),
        ("aws:kms:tokenpacked".to_owned(), format!("{SECRET}-of-pool")),
    ];
    let world = World {
        clusters: vec![entry],
        cloud: Some(one_subnet()),
        facts: Facts {
            decrypted: decrypted.into(),
            simulated: true,
            ..Facts::default()
        },
        ..World::of(&[])
    };
    let (bench, cloud) = world.build().await;
    let cloud = cloud.unwrap();
    let mut tree = clouded("one", "1", MAIN);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: web}\nstringData: {p: '{{ .Cluster.ConfigItems.db_password }}'}\n";
    add(&mut tree, "cluster/manifests/web/secret.yaml", secret);
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad, namespace: web}\ndata: {p: '{{ .Cluster.ConfigItems.db_password }}'}\n";
    add(&mut tree, "cluster/manifests/zz/bad.yaml", bad);
    let user_data = "#cloud-config\n# {{ .NodePool.ConfigItems.join_token }}\n";
    add(&mut tree, "cluster/node-pools/worker-splitaz/userdata.yaml", user_data);
    let stack = "cluster/node-pools/worker-splitaz/stack.yaml";
    let text = tree.text(stack).unwrap().replace(
        "ImageId: ami-12345678",
        "ImageId: ami-12345678, UserData: '{{ .Values.UserData }}'",
    );
    add(&mut tree, stack, &text);
    bench.source.commit("dev", tree);
    bench.start();
    bench.pass_time(3_600).await;
    // It arrived where it belongs, decrypted, also the pool's, which the original does not decrypt.
    let stored = bench.object("kube-1", "secrets", "s").unwrap();
    assert!(
        stored["data"]["p"].is_string() || stored["stringData"]["p"].is_string(),
        "{stored}"
    );
    let template = cloud.stack_template(POOL_STACK).await.unwrap();
    let packed = template.split('\'').find_map(render::unpack).unwrap();
    assert!(packed.contains(&format!("{SECRET}-of-pool")), "{packed}");
    // An object with it was refused, and was told about.
    let status = bench.cluster("kube-1").await.status;
    assert!(status.problems[0].title.contains("Bad"), "{status:?}");
    assert!(!serde_json::to_string(&status).unwrap().contains(SECRET));
    for kind in ["update", "stacks", "inputs", "applied"] {
        let filter = ports::ledger::EntryFilter::of(kind.parse().unwrap());
        for entry in bench
            .registry
            .list_entries(&filter, &PageRequest::all())
            .await
            .unwrap()
            .items
        {
            assert!(!entry.body.to_string().contains(SECRET), "{kind}/{}", entry.id);
        }
    }
    let said = spy.text();
    assert!(said.contains("pass ended"), "the spy heard nothing: {said}");
    assert!(!said.contains(SECRET), "{said}");
    let access = &bench.servers["kube-1"].1;
    assert!(!format!("{access:?} {:?}", bench.reach.settings).contains(SECRET));
}

#[tokio::test(start_paused = true)]
async fn f15_a_version_renders_to_the_same_bytes_in_every_pass() {
    let cidrs = ["2001:db8:3::/64", "2001:db8:1::/64", "2001:db8:2::/64"];
    let zones = ["eu-central-1c", "eu-central-1a", "eu-central-1b"];
    let facts = |order: [usize; 3]| Facts {
        simulated: true,
        vpc_ipv6_cidrs: Some(cidrs.map(str::to_owned).to_vec()),
        availability_zones: Some(order.map(|place| zones[place].to_owned()).to_vec()),
        subnets: Some(
            order
                .map(|place| (zones[place].to_owned(), format!("subnet-{place}")))
                .into(),
        ),
        subnet_ipv6_cidrs: Some(cidrs.join(",")),
        ..Facts::default()
    };
    let level = "{{ .Values.subnet_ipv6_cidrs }} {{ .Values.availability_zones }} {{ range $zone, $subnet := .Values.subnets }}{{ $zone }}={{ $subnet }} {{ end }}";
    let mut seen = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let world = World {
            facts: facts(order),
            ..World::of(&["kube-1"])
        };
        let (bench, _) = world.build().await;
        bench.source.commit("dev", commit("one", level, &[]));
        bench.start();
        bench.pass_time(10).await;
        let settings = bench.setting("kube-1", "level").unwrap();
        // A pass for another reason finds nothing to write.
        let writes = bench.servers["kube-1"].1.counts().writes();
        bench.source.commit("dev", commit("two", level, &[]));
        bench.once().await;
        assert_eq!(bench.servers["kube-1"].1.counts().writes(), writes);
        seen.push(settings);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
}

#[tokio::test(start_paused = true)]
async fn f16_two_repositories_of_one_name_are_two() {
    if !can_git() {
        return;
    }
    let (one, two) = (Origin::new("config.git"), Origin::new("config.git"));
    let cache = tempfile::TempDir::new().unwrap();
    one.commit("dev", &commit("one", "1", &[]));
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: second, namespace: web}\n";
    two.commit(
        "dev",
        &testkit::source::tree("two", &[("cluster/manifests/more/map.yaml", map)]),
    );
    let sources: Vec<Arc<dyn ConfigSource>> = vec![
        one.source_in("one", cache.path().to_owned()),
        two.source_in("two", cache.path().to_owned()),
    ];
    let world = World {
        sources,
        ..World::of(&["kube-1"])
    };
    let (bench, _) = world.build().await;
    bench.once().await;
    assert_eq!(bench.setting("kube-1", "level").as_deref(), Some("1"));
    assert!(bench.object("kube-1", "configmaps", "second").is_some());
}

#[tokio::test(start_paused = true)]
async fn f16_a_cluster_in_us_east_1_comes_up_and_certificates_of_every_key_are_seen() {
    let mut entry = cluster("kube-1");
    entry.id = "aws:1:us-east-1:kube-1".parse().unwrap();
    entry.region = "us-east-1".to_owned();
    entry.lifecycle_status = LifecycleStatus::Requested;
    let mut options = one_subnet();
    options.region = "us-east-1".to_owned();
    let world = World {
        clusters: vec![entry.clone()],
        cloud: Some(options),
        ..World::of(&[])
    };
    let (bench, cloud) = world.build().await;
    let cloud = cloud.unwrap();
    for algorithm in ["RSA_2048", "EC_prime256v1"] {
        cloud.add_certificate(Certificate {
            id: format!("arn:aws:acm:us-east-1:1:certificate/{algorithm}"),
            names: vec!["*.example.org".to_owned()],
            status: CertificateStatus::Issued,
            key_algorithm: algorithm.to_owned(),
            not_before: bench.clock.now(),
            not_after: bench.clock.now() + Duration::from_secs(86_400 * 90),
            in_use_by: Vec::new(),
        });
    }
    // Larger than a request may be, so that it goes through the bucket.
    let large = format!("{MAIN}# {}\n", "x".repeat(60_000));
    bench.source.commit("dev", clouded("one", "1", &large));
    bench.start();
    bench.pass_time(1_800).await;
    let found = bench
        .registry
        .get_cluster(&entry.id, ports::registry::Detail::Full)
        .await
        .unwrap();
    assert_eq!(
        found.object.lifecycle_status,
        LifecycleStatus::Ready,
        "{:?}",
        found.object.status
    );
    let stored = cloud
        .list_objects("cluster-lifecycle-manager-1-us-east-1", "")
        .await
        .unwrap();
    assert_eq!(stored.len(), 1, "{stored:?}");
    let seen: Vec<String> = cloud
        .certificates()
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.key_algorithm)
        .collect();
    assert_eq!(seen, ["EC_prime256v1", "RSA_2048"]);
}
