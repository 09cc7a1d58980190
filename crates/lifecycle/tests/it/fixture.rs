//! A real platform repository: rendered and applied in one pass, then nothing to do, then one component less.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lifecycle::Standing;
use model::config_tree::{ConfigTree, TreeFile};
use model::{Cluster, LifecycleStatus, Update};
use ports::Ledger;
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::PageRequest;
use render::Facts;
use serde_json::Value;

use crate::bench::{Bench, World};

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kubernetes-on-aws");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("passing over: the fixture kubernetes-on-aws is not here");
    None
}

/// All files below a folder, links followed.
fn collect(folder: &Path, prefix: &str, out: &mut BTreeMap<String, TreeFile>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), out);
        } else {
            let content = std::fs::read(entry.path()).unwrap();
            let id = format!("{name} {}", content.len());
            let content = content.into();
            out.insert(name, TreeFile { id, content });
        }
    }
}

fn tree(folder: &Path) -> ConfigTree {
    let mut files = BTreeMap::new();
    collect(&folder.join("tree/cluster"), "cluster/", &mut files);
    ConfigTree {
        id: "one".to_owned(),
        files,
    }
}

fn entry(folder: &Path) -> Cluster {
    let text = std::fs::read_to_string(folder.join("registry.yaml")).unwrap();
    let document = yaml::load_value(&text, &yaml::Options::manifests()).unwrap();
    let registry: model::FileRegistry = serde_json::from_value(document.value).unwrap();
    let mut cluster = registry.clusters.into_iter().next().unwrap().cluster;
    cluster.lifecycle_status = LifecycleStatus::Ready;
    cluster
}

/// The facts that the fixture's README fixes.
fn facts() -> Facts {
    let zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"];
    let mut subnets: BTreeMap<String, String> = zones
        .map(|zone| (zone.to_owned(), format!("subnet-{}", &zone[zone.len() - 1..])))
        .into();
    subnets.insert("*".to_owned(), "subnet-a,subnet-b,subnet-c".to_owned());
    let outputs = [
        ("MasterFilesEncryptionKey", "k1"),
        ("WorkerFilesEncryptionKey", "k2"),
        ("EtcdEncryptionKey", "arn:k3"),
    ];
    let text = |text: &str| Some(text.to_owned());
    Facts {
        lb_subnets: Some(subnets.clone()),
        internal_node_subnets: Some(subnets.clone()),
        pod_subnets: Some(subnets.clone()),
        subnets: Some(subnets),
        availability_zones: Some(zones.map(str::to_owned).to_vec()),
        subnet_ipv6_cidrs: text(""),
        vpc_ipv6_cidrs: Some(Vec::new()),
        vpc_ipv4_cidr: text("172.31.0.0/16"),
        vpc_id: text("vpc-1"),
        hosted_zone: text("example.org"),
        load_balancer_certificate: text("arn:aws:acm:x"),
        etcd_kms_key_arn: text("arn:aws:kms:k"),
        stack_outputs: Some(outputs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        simulated: true,
        ..Facts::default()
    }
}

async fn newest(bench: &Bench, cluster: &Cluster) -> Update {
    let filter = EntryFilter {
        cluster: Some(cluster.id.clone()),
        ..EntryFilter::of(EntryKind::update())
    };
    let entries = bench.registry.list_entries(&filter, &PageRequest::all()).await.unwrap();
    serde_json::from_value(entries.items.into_iter().next().unwrap().body).unwrap()
}

/// How many objects of components, pools apart, the update says that it changed.
fn changed(update: &Update) -> usize {
    let of_components = update.steps.iter().filter(|step| {
        let component = step.path.strip_prefix("manifests/");
        component.is_some_and(|component| !component.starts_with("pools/"))
    });
    let number = |message: &str| message.split(' ').next().and_then(|word| word.parse::<usize>().ok());
    of_components.filter_map(|step| number(&step.message)).sum()
}

/// Kind and name of each object of a component, as the fixture's rendering has them.
fn objects(folder: &Path, component: &str) -> BTreeSet<(String, String)> {
    let mut files = BTreeMap::new();
    let normalised = folder.join("normalised/manifests").join(component);
    collect(&normalised, "", &mut files);
    let documents = files.values().flat_map(|file| {
        let text = std::str::from_utf8(&file.content).unwrap();
        yaml::load_documents(text, &yaml::Options::manifests()).unwrap()
    });
    let name = |object: &Value| {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        (text("/kind"), text("/metadata/name"))
    };
    documents
        .map(|document| document.value)
        .filter(Value::is_object)
        .map(|object| name(&object))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_platform_repository_is_applied_in_one_pass_then_costs_no_write_then_loses_exactly_one_component() {
    let Some(folder) = folder() else { return };
    let cluster = entry(&folder);
    let world = World {
        clusters: vec![cluster.clone()],
        facts: facts(),
        ..World::of(&[])
    };
    let (bench, _) = world.build().await;
    let (server, access) = &bench.servers[cluster.alias.as_str()];
    let mut tree = tree(&folder);
    bench.source.commit(&cluster.channel, tree.clone());
    let standing = bench.once().await;
    assert!(matches!(&standing[0].1, Standing::AsWanted(_)), "{standing:?}");
    let update = newest(&bench, &cluster).await;
    assert_eq!(changed(&update), 373, "{update:#?}");
    let pass = update.steps.iter().find(|step| step.path == "manifests").unwrap();
    assert_eq!(pass.attempts, 1, "one pass: {pass:?}");

    // Another commit without another object.
    tree.id = "two".to_owned();
    bench.source.commit(&cluster.channel, tree.clone());
    let (writes, version) = (access.counts().writes(), server.resource_version());
    bench.once().await;
    assert_eq!((access.counts().writes(), server.resource_version()), (writes, version));
    assert_eq!(changed(&newest(&bench, &cluster).await), 0);

    // One component less.
    let component = "kube-metrics-adapter";
    let gone = objects(&folder, component);
    tree.id = "three".to_owned();
    tree.files
        .retain(|path, _| !path.starts_with(&format!("cluster/manifests/{component}/")));
    bench.source.commit(&cluster.channel, tree);
    let before = access.counts();
    let standing = bench.once().await;
    assert!(matches!(&standing[0].1, Standing::AsWanted(_)), "{standing:?}");
    let update = newest(&bench, &cluster).await;
    let prune = update.steps.iter().find(|step| step.path == "prune").unwrap();
    assert_eq!(prune.message, format!("{} objects deleted", gone.len()));
    let spent = access.counts().since(&before);
    let deletes = spent
        .calls
        .iter()
        .filter(|(verb, _)| verb.name() == "delete")
        .map(|(_, count)| *count);
    assert_eq!(deletes.sum::<u64>(), u64::try_from(gone.len()).unwrap(), "{spent:?}");
    for (kind, name) in &gone {
        assert!(!everywhere(server, kind).contains(name), "{kind} {name} is still there");
    }
}

/// Names of all objects of a kind that the removed component has.
fn everywhere(server: &kube_sim::ApiServer, kind: &str) -> BTreeSet<String> {
    let (group, resource) = match kind {
        "ServiceAccount" => ("", "serviceaccounts"),
        "Service" => ("", "services"),
        "ConfigMap" => ("", "configmaps"),
        "Secret" => ("", "secrets"),
        "Deployment" => ("apps", "deployments"),
        "ClusterRole" => ("rbac.authorization.k8s.io", "clusterroles"),
        "ClusterRoleBinding" => ("rbac.authorization.k8s.io", "clusterrolebindings"),
        "Role" => ("rbac.authorization.k8s.io", "roles"),
        "RoleBinding" => ("rbac.authorization.k8s.io", "rolebindings"),
        "APIService" => ("apiregistration.k8s.io", "apiservices"),
        "CustomResourceDefinition" => ("apiextensions.k8s.io", "customresourcedefinitions"),
        "VerticalPodAutoscaler" => ("autoscaling.k8s.io", "verticalpodautoscalers"),
        other => panic!("the component has a {other}: say here where those are"),
    };
    let all = server.read_all(group, resource, "");
    all.iter()
        .filter_map(|object| object.pointer("/metadata/name").and_then(json_tree::Value::as_str))
        .map(str::to_owned)
        .collect()
}
