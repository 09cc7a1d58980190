//! Reading trees and registries from disk, for tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Cluster;
use model::config_tree::{ConfigTree, TreeFile};
use render::{Config, Facts, Input};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The fixture's folder, or a line that says that it is not here.
pub(crate) fn fixture() -> Option<PathBuf> {
    let folder = root().join("../shared/fixtures/kubernetes-on-aws");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("passing over: the fixture kubernetes-on-aws is not here");
    None
}

/// All files below a folder, links followed, by relative path.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    collect(folder, "", &mut out);
    out
}

fn collect(folder: &Path, prefix: &str, out: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), out);
        } else {
            out.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

pub(crate) fn tree<P: Into<String>, T: Into<String>>(
    id: &str,
    files: impl IntoIterator<Item = (P, T)>,
) -> Arc<ConfigTree> {
    let files = files
        .into_iter()
        .map(|(path, text)| {
            let text = text.into();
            let file = TreeFile {
                id: text.clone(),
                content: text.into_bytes().into(),
            };
            (path.into(), file)
        })
        .collect();
    Arc::new(ConfigTree {
        id: id.to_owned(),
        files,
    })
}

pub(crate) fn registry(path: &Path) -> model::FileRegistry {
    let text = std::fs::read_to_string(path).unwrap();
    let document = yaml::load_value(&text, &yaml::Options::manifests()).unwrap();
    serde_json::from_value(document.value).unwrap()
}

/// The fixture's cluster with the facts that its README fixes.
pub(crate) fn fixture_input(folder: &Path) -> Input {
    let registry = registry(&folder.join("registry.yaml"));
    let entry = registry.clusters.first().unwrap().clone();
    let config = Config::single(tree("93eb84d", files(&folder.join("tree"))));
    let mut input = Input::new(Arc::new(entry.cluster), config, Arc::new(fixture_facts()));
    input.owner = entry.owner.unwrap_or_default();
    input.account_name = entry.account_name.unwrap_or_default();
    input
}

pub(crate) fn fixture_facts() -> Facts {
    let text = r"
defaults:
  subnets: &subnets
    eu-central-1a: subnet-a
    eu-central-1b: subnet-b
    eu-central-1c: subnet-c
    '*': subnet-a,subnet-b,subnet-c
  lb_subnets: *subnets
  internal_node_subnets: *subnets
  pod_subnets: *subnets
  availability_zones: [eu-central-1c, eu-central-1a, eu-central-1b]
  subnet_ipv6_cidrs: ''
  vpc_ipv6_cidrs: []
  vpc_ipv4_cidr: 172.31.0.0/16
  vpc_id: vpc-1
  hosted_zone: example.org
  load_balancer_certificate: arn:aws:acm:x
  etcd_kms_key_arn: arn:aws:kms:k
  stack_outputs:
    MasterFilesEncryptionKey: k1
    WorkerFilesEncryptionKey: k2
    EtcdEncryptionKey: arn:k3
  simulated: true
  pool_files_bucket: b
  user_data_text: B64
";
    render::FactsFile::parse(text).unwrap().defaults
}

/// A small cluster for tests of templates: R1 of the facts.
pub(crate) fn r1() -> Cluster {
    serde_json::from_value(serde_json::json!({
        "id": "aws:123456789012:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:123456789012",
        "region": "eu-central-1", "local_id": "kube-1", "provider": "zalando-aws",
        "api_server_url": "https://kube-1.foo.example.org", "channel": "alpha", "environment": "test",
        "criticality_level": 1, "lifecycle_status": "ready",
        "config_items": {"aa": "false", "bb": "", "list": "x=1,y=2"},
    }))
    .unwrap()
}

/// Facts with two zones.
pub(crate) fn two_zones() -> Facts {
    let subnets = [("*", "s1,s2"), ("eu-central-1a", "s1"), ("eu-central-1b", "s2")];
    Facts {
        subnets: Some(subnets.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        availability_zones: Some(vec!["eu-central-1b".to_owned(), "eu-central-1a".to_owned()]),
        simulated: true,
        ..Facts::default()
    }
}

/// Renders one template as the main stack of R1, or gives the error's text.
pub(crate) fn render_one(template: &str) -> Result<String, String> {
    let config = Config::single(tree("v1", [("cluster/cluster.yaml", template)]));
    let input = Input::new(Arc::new(r1()), config, Arc::new(two_zones()));
    let outcome = render::Renderer::new().render(&input);
    match outcome.errors.first() {
        Some(error) => Err(error.to_string()),
        None => Ok(outcome.desired.main_stack.unwrap().text.to_string()),
    }
}

/// The template must render to this text.
#[track_caller]
pub(crate) fn check(template: &str, expected: &str) {
    assert_eq!(render_one(template), Ok(expected.to_owned()), "{template}");
}

/// The template must fail with a text that contains this part.
#[track_caller]
pub(crate) fn check_error(template: &str, part: &str) {
    let error = render_one(template).unwrap_err();
    assert!(error.contains(part), "{template}: {error}");
}
