//! `shadow`, `adopt`, `serve --shadow` and `hand-back`, on a simulated cluster beside a registry that another manager writes.

use std::sync::Arc;
use std::time::Duration;

use model::{ClusterStatus, ClusterUpdate, FileRegistry};
use ports::registry::{Detail, ImportMode};
use ports::{Clock as _, Registry as _, SystemClock, WriteContext};
use serde_json::Value;
use store::MemoryRegistry;

use crate::processes::{start, stop};
use crate::server::{self, Running};
use crate::sim::Sim;
use crate::transcript::command;

const ID: &str = "aws:1:r:one";
const MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: default}
data: {level: 'LEVEL'}
";

/// The cluster behind the context `sim-1`.
fn registry(provider: &str) -> String {
    format!(
        "infrastructure_accounts: []
clusters:
- {{id: '{ID}', alias: sim-1, infrastructure_account: 'aws:1', region: r, local_id: one, provider: {provider},
   api_server_url: 'https://one.example.org', channel: beta, environment: test, criticality_level: 1, lifecycle_status: ready,
   config_items: {{fleetwright_manage: 'true', api_password: correct-horse-battery}}, node_pools: [], status: {{problems: []}}}}
"
    )
}

fn file(sim: &Sim, name: &str, text: &str) {
    let path = sim.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A simulated cluster with the configuration of the original.
fn town() -> Sim {
    let sim = Sim::up(&["--nodes", "1", "--profile", "empty"]);
    file(&sim, "tree/cluster/config-defaults.yaml", "level: \"0\"\n");
    file(&sim, "tree/cluster/cluster.yaml", "Resources: {}\n");
    file(&sim, "tree/cluster/manifests/a/a.yaml", &MAP.replace("LEVEL", "1"));
    sim
}

/// The registry of the original.
async fn original(provider: &str) -> Running {
    let books = Arc::new(MemoryRegistry::new(Arc::new(SystemClock)));
    let document: FileRegistry = yaml::from_str(&registry(provider)).unwrap();
    let context = WriteContext::by("fixture", "request-0");
    books.import(document, ImportMode::Create, &context).await.unwrap();
    server::serve(books, None, None).await
}

/// The original says that the cluster has this version.
async fn has_version(upstream: &Running, version: &str) {
    let status = ClusterStatus {
        current_version: version.to_owned(),
        ..ClusterStatus::default()
    };
    let update = ClusterUpdate {
        status: Some(status),
        ..ClusterUpdate::default()
    };
    let context = WriteContext::by("clm", "request-1");
    upstream
        .registry
        .update_cluster(&ID.parse().unwrap(), update, &context)
        .await
        .unwrap();
}

/// A command with everything that it needs to know of the surroundings.
fn typed<'a>(words: &[&'a str], url: &'a str) -> Vec<&'a str> {
    let surroundings = [
        "--registry",
        url,
        "--config-source",
        "main:dir:tree",
        "--kubeconfig",
        "kubeconfig",
        "--database",
        "sqlite:shadow.db",
    ];
    [words, &surroundings].concat()
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap()
}

/// The version that Fleetwright computes, as its report says it.
fn computed(sim: &Sim, url: &str) -> String {
    let text = sim.ok(&typed(&["shadow", "-o", "json"], url));
    let report = json(&text);
    let sentence = report["looks"][0]["agreement"]["sentence"].as_str().unwrap().to_owned();
    sentence
        .strip_prefix("to ")
        .unwrap()
        .split(": ")
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cluster_is_watched_adopted_managed_and_handed_back() {
    let (sim, upstream) = (town(), original("kubeconfig").await);
    let url = upstream.url.clone();
    has(
        &sim.ok(&typed(&["shadow"], &url)),
        &[
            "sim-1     moving",
            "the original has not written a version yet",
            "1 cluster: 1 moving",
        ],
    );
    has_version(&upstream, &computed(&sim, &url)).await;
    let before = upstream.registry.last_change().await.unwrap();
    let text = sim.ok(&typed(&["shadow", "sim-1"], &url));
    has(
        &text,
        &[
            "sim-1     differs",
            "settled",
            "taking over would change 1 object",
            "+ ConfigMap default/a",
        ],
    );
    let (well, _) = sim.fleetwright(&typed(&["shadow", "--detailed-exitcode"], &url));
    assert!(!well);
    let report = json(&sim.ok(&typed(&["shadow", "-o", "json"], &url)));
    assert!(!report.to_string().contains("correct-horse"), "{report}");
    // It would change something: that has to be read first.
    let adopt = [
        "adopt",
        "sim-1",
        "--by",
        "alice",
        "--reason",
        "the first",
        "--settle",
        "1s",
    ];
    let (well, text) = sim.fleetwright(&typed(&adopt, &url));
    assert!(!well);
    has(
        &text,
        &[
            "taking over cluster sim-1 would change something",
            "+ ConfigMap default/a",
            "--plan plan-",
        ],
    );
    assert_eq!(
        upstream.registry.last_change().await.unwrap(),
        before,
        "until here nothing was written"
    );
    let plan = &text[text.rfind("--plan plan-").unwrap() + 7..][..17];
    let agreed = [&adopt[..], &["--plan", plan]].concat();
    has(&sim.ok(&typed(&agreed, &url)), &["cluster/sim-1 adopted"]);
    let entry = || async {
        let found = upstream.registry.get_cluster(&ID.parse().unwrap(), Detail::Full).await;
        found.unwrap().object
    };
    let mark = entry().await.config_items.get("cluster_update_block").cloned().unwrap();
    has(&mark, &["managed by fleetwright", "alice, the first"]);
    let (well, text) = sim.fleetwright(&typed(&adopt, &url));
    assert!(!well && text.contains("it was adopted by alice"), "{text}");
    // From here on a server that shadows the rest manages it.
    let version = entry().await.status.current_version;
    file(&sim, "tree/cluster/manifests/a/a.yaml", &MAP.replace("LEVEL", "2"));
    let mut serve = command(sim.home.path());
    serve.args(["serve", "--shadow", &url, "--no-auth", "--listen", "127.0.0.1:0"]);
    serve.args([
        "--config-source",
        "main:dir:tree",
        "--kubeconfig",
        "kubeconfig",
        "--database",
        "sqlite:shadow.db",
    ]);
    let mut serving = start(serve, "sqlite:shadow.db on ");
    let updated = async {
        while entry().await.status.current_version == version {
            SystemClock.sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(240), updated).await.unwrap();
    // It shows the original's registry and takes no writes to it.
    let shown = sim.ok(&["get", "clusters", "--server", &serving.url]);
    has(&shown, &["sim-1"]);
    let (well, text) = sim.fleetwright(&["set", "config-item", "sim-1", "a_b=c", "--server", &serving.url]);
    assert!(!well && text.contains("belongs to another manager"), "{text}");
    assert_eq!(stop(&mut serving, "-TERM"), Some(0));
    has(
        &sim.ok(&typed(&["shadow"], &url)),
        &["sim-1     adopted", "is managed by Fleetwright"],
    );
    // And back: the version stays, the mark goes.
    let version = entry().await.status.current_version;
    let back = ["hand-back", "sim-1", "--by", "bob", "--reason", "enough"];
    has(&sim.ok(&typed(&back, &url)), &["cluster/sim-1 handed back"]);
    let entry = entry().await;
    assert_eq!(
        (
            entry.status.current_version.clone(),
            entry.config_items.contains_key("cluster_update_block")
        ),
        (version, false)
    );
    has(&sim.ok(&typed(&["shadow", "-o", "wide"], &url)), &["sim-1     agrees"]);
    let (well, text) = sim.fleetwright(&typed(&back, &url));
    assert!(!well && text.contains("cluster sim-1 is not adopted"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_seen_is_told_and_a_file_cannot_be_marked() {
    let sim = town();
    file(&sim, "registry.yaml", &registry("zalando-aws"));
    let version = computed(&sim, "registry.yaml");
    let with = registry("zalando-aws").replace(
        "status: {problems",
        &format!("status: {{current_version: '{version}', problems"),
    );
    file(&sim, "registry.yaml", &with);
    let text = sim.ok(&typed(&["shadow"], "registry.yaml"));
    has(
        &text,
        &[
            "differs",
            "stacks and node pools were not looked at",
            "needs a cloud, and this version enters none",
        ],
    );
    let adopt = ["adopt", "sim-1", "--by", "alice", "--reason", "x"];
    let (well, text) = sim.fleetwright(&typed(&adopt, "registry.yaml"));
    assert!(!well && text.contains("the registry is a file"), "{text}");
    let (well, text) = sim.fleetwright(&typed(&["shadow", "nobody"], "registry.yaml"));
    assert!(!well && text.contains("\"nobody\" not found"), "{text}");
    let unnamed = [
        "adopt",
        "sim-1",
        "--reason",
        "x",
        "--registry",
        "registry.yaml",
        "--config-source",
        "main:dir:tree",
    ];
    let (well, text) = sim.fleetwright(&unnamed);
    assert!(!well && text.contains("give --by NAME"), "{text}");
}
