//! `plan --live` and `apply PLAN`, on a simulated cluster: what is asked, what moved, what is done.

use std::sync::Arc;

use model::FileRegistry;
use ports::ledger::{EntryDraft, EntryFilter, EntryKind};
use ports::registry::{Detail, ImportMode, PageRequest};
use ports::{Registry as _, SystemClock, WriteContext};
use store::MemoryRegistry;

use crate::server;
use crate::sim::Sim;
use crate::transcript::Shell;

const ID: &str = "aws:1:r:one";
const MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: default}
data: {level: '{{ .Cluster.ConfigItems.level }}'}
";

/// A cluster of this provider behind the context `sim-1`.
fn registry(provider: &str, level: &str) -> String {
    format!(
        "infrastructure_accounts: []
clusters:
- {{id: '{ID}', alias: sim-1, infrastructure_account: 'aws:1', region: r, local_id: one, provider: {provider},
   api_server_url: 'https://one.example.org', channel: beta, environment: test, criticality_level: 1, lifecycle_status: ready,
   config_items: {{level: '{level}', fleetwright_manage: 'true', api_password: correct-horse-battery}}, node_pools: [],
   status: {{problems: []}}}}
"
    )
}

fn file(sim: &Sim, name: &str, text: &str) {
    let path = sim.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A simulation, a registry file of its one cluster, a tree with one object.
fn town() -> Sim {
    let sim = Sim::up(&["--nodes", "1", "--profile", "empty"]);
    file(&sim, "registry.yaml", &registry("kubeconfig", "1"));
    file(&sim, "tree/cluster/config-defaults.yaml", "level: \"0\"\n");
    file(&sim, "tree/cluster/cluster.yaml", "Resources: {}\n");
    file(&sim, "tree/cluster/manifests/a/a.yaml", MAP);
    sim
}

const PLAN: [&str; 9] = [
    "plan",
    "--all",
    "--live",
    "--kubeconfig",
    "kubeconfig",
    "--config-source",
    "main:dir:tree",
    "--registry",
    "registry.yaml",
];

fn plan(sim: &Sim, more: &[&str]) -> (bool, String) {
    sim.fleetwright(&[&PLAN[..], more].concat())
}

fn saved(sim: &Sim) -> String {
    let (well, text) = plan(sim, &["--out", "plan.json"]);
    assert!(well, "{text}");
    text
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// Applying the saved plan is refused, for these reasons.
#[track_caller]
fn refused(sim: &Sim, more: &[&str], parts: &[&str]) {
    let (well, text) = sim.fleetwright(&[&["apply", "plan.json"][..], more].concat());
    assert!(!well, "{text}");
    has(&text, parts);
}

#[test]
fn a_plan_is_made_read_and_carried_out() {
    let sim = town();
    let text = saved(&sim);
    has(
        &text,
        &[
            "from what is in the clusters to each cluster's channel",
            "+ ConfigMap default/a    1 cluster (sim-1)",
        ],
    );
    has(
        &text,
        &["Plan: 1 to create, 0 to change, 0 to replace, 0 to delete in 1 of 1 cluster."],
    );
    has(&sim.ok(&["apply", "plan.json", "--dry-run"]), &["applied (dry run)"]);
    has(&plan(&sim, &[]).1, &["1 to create"]);
    let done = sim.ok(&["apply", "plan.json"]);
    has(
        &done,
        &[
            "sim-1 update running: to ",
            "sim-1 update done",
            "cluster/sim-1 updated to ",
        ],
    );
    let (well, same) = plan(&sim, &["--detailed-exitcode"]);
    assert!(well, "{same}");
    has(&same, &["No changes. 1 cluster would stay as they are."]);
    // Applied once more, the plan does not hold: the object needs no change any more.
    refused(
        &sim,
        &[],
        &[
            "cluster sim-1: ConfigMap default/a needs no change any more",
            "nothing was done",
        ],
    );
    // The other forms, of a change this time; what the server fills in by itself does not show.
    file(&sim, "registry.yaml", &registry("kubeconfig", "2"));
    let (_, changed) = plan(&sim, &["--detailed-exitcode"]);
    has(
        &changed,
        &["~ ConfigMap default/a", "data.level: \"1\" -> \"2\"", "1 to change"],
    );
    assert!(
        !changed.contains("managedFields") && !changed.contains("resourceVersion"),
        "{changed}"
    );
    has(
        &plan(&sim, &["-o", "json"]).1,
        &["\"live\": {", "\"ConfigMap default/a\": "],
    );
    has(&plan(&sim, &["-o", "markdown"]).1, &["<!-- fleetwright-plan -->"]);
}

#[test]
fn what_moved_is_said_and_nothing_is_done() {
    let sim = town();
    saved(&sim);
    // The configuration.
    file(
        &sim,
        "tree/cluster/manifests/a/b.yaml",
        &MAP.replace("name: a", "name: b"),
    );
    let moved = [
        "cluster sim-1: the version to come moved from ",
        "nothing was done",
        "make the plan again",
    ];
    refused(&sim, &[], &moved);
    refused(
        &sim,
        &[],
        &["cluster sim-1: ConfigMap default/b needs a change that was not planned"],
    );
    std::fs::remove_file(sim.path("tree/cluster/manifests/a/b.yaml")).unwrap();
    // The cluster's entry.
    file(&sim, "registry.yaml", &registry("kubeconfig", "7"));
    refused(
        &sim,
        &[],
        &["cluster sim-1: its entry in the registry changed", "nothing was done"],
    );
    file(&sim, "registry.yaml", &registry("kubeconfig", "1"));
    has(&plan(&sim, &[]).1, &["1 to create"]);
    sim.ok(&["apply", "plan.json"]);
    // An object: seen at level 1 when git wants 2, and somebody else brings it to 3 meanwhile.
    file(&sim, "registry.yaml", &registry("kubeconfig", "2"));
    saved(&sim);
    std::fs::copy(sim.path("plan.json"), sim.path("first.json")).unwrap();
    file(&sim, "registry.yaml", &registry("kubeconfig", "3"));
    saved(&sim);
    sim.ok(&["apply", "plan.json"]);
    file(&sim, "registry.yaml", &registry("kubeconfig", "2"));
    std::fs::copy(sim.path("first.json"), sim.path("plan.json")).unwrap();
    refused(
        &sim,
        &[],
        &[
            "cluster sim-1: ConfigMap default/a is not as it was seen",
            "nothing was done",
        ],
    );
}

#[test]
fn plans_that_cannot_be_applied() {
    let sim = town();
    file(&sim, "plan.json", "{}");
    refused(&sim, &[], &["plan.json: not a saved plan"]);
    let plain: Vec<&str> = PLAN
        .into_iter()
        .filter(|arg| !arg.contains("live") && !arg.contains("kubeconfig"))
        .collect();
    sim.ok(&[&plain[..], &["--out", "plan.json"]].concat());
    refused(&sim, &[], &["asked no cluster", "plan --live --out FILE"]);
    sim.ok(&[
        &PLAN[..],
        &["--to-config-source", "main:dir:tree", "--out", "plan.json"],
    ]
    .concat());
    refused(&sim, &[], &["clusters follow their own channels"]);
    saved(&sim);
    let text = std::fs::read_to_string(sim.path("plan.json")).unwrap();
    assert!(!text.contains("correct-horse"), "{text}");
    file(&sim, "plan.json", &text.replace("\"facts\":\"", "\"facts\":\"0"));
    refused(&sim, &[], &["the file was changed"]);
    file(&sim, "plan.json", &text);
    refused(
        &sim,
        &["--kubeconfig", "nothing"],
        &["cluster sim-1 is in no kubeconfig"],
    );
    file(&sim, "registry.yaml", &registry("simulated", "1"));
    saved(&sim);
    refused(
        &sim,
        &[],
        &[
            "cluster sim-1 is of provider \"simulated\"",
            "lifecycle manager of a server",
        ],
    );
    let unmanaged = registry("kubeconfig", "1").replace("fleetwright_manage: 'true', ", "");
    file(&sim, "registry.yaml", &unmanaged);
    saved(&sim);
    refused(&sim, &[], &["cluster sim-1 is only looked at", "fleetwright_manage"]);
    let (well, text) = sim.fleetwright(&["apply", "plan.json", "-f", "registry.yaml"]);
    assert!(!well && text.contains("cannot be used with"), "{text}");
}

#[test]
fn a_look_tells_what_left_git_and_that_it_needs_agreement() {
    let sim = town();
    for n in 0..12 {
        let name = format!("tree/cluster/manifests/many/m{n}.yaml");
        file(&sim, &name, &MAP.replace("name: a", &format!("name: m{n}")));
    }
    saved(&sim);
    sim.ok(&["apply", "plan.json"]);
    std::fs::remove_dir_all(sim.path("tree/cluster/manifests/many")).unwrap();
    // Nothing is pruned from a cluster that others built.
    has(&saved(&sim), &["No changes."]);
    file(&sim, "registry.yaml", &registry("simulated", "1"));
    let text = saved(&sim);
    has(
        &text,
        &["- ConfigMap default/m0", "git holds it no more", "12 to delete"],
    );
    has(&text, &["cluster sim-1: prune of 12 of 13 objects needs consent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_server_the_history_has_the_plan() {
    let sim = town();
    let books = Arc::new(MemoryRegistry::new(Arc::new(SystemClock)));
    let document: FileRegistry = yaml::from_str(&registry("kubeconfig", "1")).unwrap();
    let context = WriteContext::by("fixture", "request-0");
    books.import(document, ImportMode::Create, &context).await.unwrap();
    let server = server::serve(books, None, None).await;
    let shell = Shell::at(&server);
    let (tree, kubeconfig) = (
        format!("main:dir:{}", sim.path("tree").display()),
        sim.path("kubeconfig"),
    );
    let kubeconfig = kubeconfig.to_str().unwrap();
    let make = [
        "plan",
        "--live",
        "--kubeconfig",
        kubeconfig,
        "--config-source",
        &tree,
        "--cluster",
        "sim-1",
        "--out",
        "p.json",
    ];
    has(&shell.run(&make), &["1 to create"]);
    has(&shell.run(&["apply", "p.json"]), &["cluster/sim-1 updated to "]);
    let id = ID.parse().unwrap();
    let cluster = server.registry.get_cluster(&id, Detail::Full).await.unwrap().object;
    assert!(!cluster.status.current_version.is_empty() && cluster.status.next_version.is_empty());
    let filter = EntryFilter::of(EntryKind::update());
    let updates = server
        .ledger
        .list_entries(&filter, &PageRequest::all())
        .await
        .unwrap()
        .items;
    let plan: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(shell.path("p.json")).unwrap()).unwrap();
    assert_eq!((updates.len(), &updates[0].body["plan"]), (1, &plan["id"]));
    has(&shell.run(&["get", "updates", "sim-1"]), &["done"]);
    // What is over is told once and not waited for.
    has(
        &shell.run(&["describe", "update", "sim-1", "--watch"]),
        &["sim-1 manifests/a done", "sim-1 update done"],
    );
    // A block holds for a person with a plan as well.
    shell.run(&make);
    shell.run(&["block", "sim-1", "--reason", "canary broken"]);
    has(&shell.run(&["apply", "p.json"]), &["= Some(1)"]);
    // A manager that lets clusters begin in waves is not passed by.
    shell.run(&["unblock", "sim-1"]);
    shell.run(&make);
    let draft = EntryDraft {
        kind: "policy".parse().unwrap(),
        id: "fleet".parse().unwrap(),
        cluster: None,
        open: true,
        body: serde_json::to_value(plan::policy::FleetPolicy::default()).unwrap(),
        items: Vec::new(),
    };
    server.ledger.put_entry(draft, &context).await.unwrap();
    let refused = shell.run(&["apply", "p.json"]);
    has(
        &refused,
        &[
            "the clusters of this fleet begin in waves",
            "would let sim-1 begin at once; nothing was done",
            "fleetwright fast-lane open beta",
            "= Some(1)",
        ],
    );
}
