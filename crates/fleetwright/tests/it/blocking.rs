//! `block`, `unblock`, `cluster-update`, `get blocks`, `get updates`, `describe update`.

use std::sync::Arc;

use jiff::Timestamp;
use model::{FileRegistry, Progress, Update, UpdateStep};
use ports::ledger::EntryDraft;
use ports::registry::ImportMode;
use ports::{Clock as _, Registry as _, SystemClock, WriteContext};
use store::MemoryRegistry;

use crate::server::{self, Running};
use crate::transcript::Shell;

/// A server whose store has the clock of the machine, as blocks need one that moves on.
async fn fleet() -> Running {
    let registry = Arc::new(MemoryRegistry::new(Arc::new(SystemClock)));
    let document: FileRegistry = yaml::from_str(include_str!("fixtures/fleet.yaml")).unwrap();
    let context = WriteContext::by("fixture", "request-0");
    registry.import(document, ImportMode::Create, &context).await.unwrap();
    server::serve(registry, None, None).await
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_set_shown_and_lifted() {
    let server = fleet().await;
    let shell = Shell::at(&server);
    let dry = shell.run(&["block", "shop", "--reason", "canary broken", "--dry-run"]);
    has(&dry, &["\ncluster/shop blocked (dry run)\n"]);
    has(&shell.run(&["get", "blocks", "shop"]), &["! no objects found"]);
    let set = [
        "block",
        "shop",
        "--reason",
        "canary broken",
        "--owner",
        "team-cart",
        "--ticket",
        "OPS-17",
        "--for",
        "24h30m",
        "--scope",
        "nodes",
    ];
    let text = shell.run(&set);
    has(
        &text,
        &[
            "\ncluster/shop blocked\n",
            "! canary broken (anonymous); owner team-cart; OPS-17; ends 2",
        ],
    );
    let table = shell.run(&["get", "blocks", "shop"]);
    has(
        &table,
        &[
            "NAME   SCOPE   REASON          OWNER       SINCE   ENDS\n",
            "shop   nodes   canary broken   team-cart   ",
            "in 24h",
        ],
    );
    has(
        &shell.run(&["get", "blocks", "shop", "-o", "name"]),
        &["\nblock/shop\n"],
    );
    has(
        &shell.run(&["get", "block", "shop", "-o", "json"]),
        &["\"ticket\": \"OPS-17\"", "\"cluster\": \"shop\""],
    );
    has(
        &shell.run(&["get", "blocks", "-l", "owner=team-x"]),
        &["! no objects found"],
    );
    has(
        &shell.run(&["get", "blocks", "-o", "wide"]),
        &["BY", "TICKET", "anonymous", "OPS-17"],
    );
    has(
        &shell.run(&["unblock", "block/shop", "--dry-run"]),
        &["cluster/shop unblocked (dry run)"],
    );
    has(&shell.run(&["unblock", "shop"]), &["cluster/shop unblocked"]);
    has(&shell.run(&["unblock", "shop"]), &["cluster/shop was not blocked\n"]);
    has(
        &shell.run(&["delete", "block", "shop"]),
        &["! hint: \"fleetwright unblock CLUSTER\"", "= Some(1)"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_blocks_say_what_is_wrong() {
    let server = fleet().await;
    let shell = Shell::at(&server);
    for (args, expected) in [
        (
            vec!["block", "nowhere", "--reason", "x"],
            "cluster \"nowhere\" not found",
        ),
        (
            vec!["block", "-l", "channel=none", "--reason", "x"],
            "no cluster matches the selection",
        ),
        (vec!["block", "shop", "--reason", " "], "reason: must not be empty"),
        (
            vec!["block", "shop", "--reason", "x", "--for", "400h"],
            "expires_at: must be within 14 days",
        ),
        (
            vec!["block", "shop", "--reason", "x", "--until", "tomorrow"],
            "--until \"tomorrow\"",
        ),
        (
            vec!["block", "shop", "--reason", "x", "--until", "2020-01-01T00:00:00Z"],
            "must be in the future",
        ),
        (vec!["unblock", "shop", "--id", "b-1"], "block \"b-1\" not found"),
        (vec!["describe", "update", "u-1"], "update \"u-1\" not found"),
        (
            vec!["describe", "update", "shop"],
            "cluster \"shop\" has not been updated yet",
        ),
    ] {
        let text = shell.run(&args);
        has(&text, &[expected, "= Some(1)"]);
    }
    has(&shell.run(&["get", "blocks", "shop"]), &["! no objects found"]);
}

/// Facts CU-1 to CU-6.
#[tokio::test(flavor = "multi_thread")]
async fn habits_of_cluster_update() {
    let server = fleet().await;
    let shell = Shell::at(&server);
    let item = || {
        shell.run(&[
            "get",
            "cluster",
            "shop",
            "-o",
            "jsonpath={.config_items.cluster_update_block}",
        ])
    };
    let cu = |args: &[&str], input: &str| shell.run_with(&[&["cluster-update"], args].concat(), input, shell.command());
    has(
        &cu(&["status"], ""),
        &["! error: nobody is logged in to a cluster", "= Some(1)"],
    );
    let url = shell.run(&["get", "cluster", "shop", "-o", "jsonpath={.api_server_url}"]);
    let url = url.lines().nth(1).unwrap().trim();
    let config = format!(
        "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nclusters: [{{name: k, cluster: {{server: '{url}/'}}}}]\n"
    );
    shell.file(".kube/config", &config);
    has(&cu(&["unblock"], ""), &["cluster/shop was not blocked\n"]);
    has(&cu(&["block", "canary", "broken"], ""), &["\ncluster/shop blocked\n"]);
    has(&item(), &["canary broken (anonymous)"]);
    has(
        &cu(&["status"], ""),
        &["cluster/shop is blocked: canary broken (anonymous)"],
    );
    has(
        &cu(&["block", "other"], "n\n"),
        &["! Replace the block? [y/N]", "= Some(1)"],
    );
    has(&item(), &["canary broken (anonymous)"]);
    has(
        &cu(&["block", "--reason", "other", "--yes"], ""),
        &["\ncluster/shop blocked\n"],
    );
    has(&item(), &["other (anonymous)"]);
    let held = shell.run(&["get", "blocks", "shop", "-o", "name"]);
    assert_eq!(held.matches("block/").count(), 1, "{held}");
    has(
        &cu(&["block"], "y\nasked for\n"),
        &["! Reason:", "\ncluster/shop blocked\n"],
    );
    has(&item(), &["asked for (anonymous)"]);
    has(&cu(&["unblock"], "y\n"), &["cluster/shop unblocked"]);
    let free = cu(&["status", "-c", "shop"], "");
    assert!(!free.contains("is blocked"), "{free}");
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_listed_and_described() {
    let server = fleet().await;
    let shell = Shell::at(&server);
    let cluster = shell.run(&["get", "cluster", "shop", "-o", "jsonpath={.id}"]);
    let cluster = cluster.lines().nth(1).unwrap().trim();
    let at = |second: i64| Timestamp::from_second(1_767_323_045 + second).unwrap();
    let step = |path: &str, progress: Progress, message: &str| UpdateStep {
        path: path.to_owned(),
        progress,
        started_at: Some(at(0)),
        finished_at: progress.is_over().then(|| at(90)),
        attempts: 1,
        message: message.to_owned(),
    };
    let wait =
        "node ip-10-2-3-4, pod shop/cart-0 blocked by PDB shop/cart; force not before 14:05 UTC; owner team-cart";
    let update = Update {
        to: "commit#hash".to_owned(),
        progress: Progress::Waiting,
        started_at: Some(at(0)),
        steps: vec![
            step("manifests/dns", Progress::Done, "2 objects"),
            step("pools/worker/nodes", Progress::Waiting, wait),
        ],
        ..Update::default()
    };
    let draft = EntryDraft {
        kind: "update".parse().unwrap(),
        id: "u-1".parse().unwrap(),
        cluster: Some(cluster.parse().unwrap()),
        open: true,
        body: serde_json::to_value(update).unwrap(),
        items: Vec::new(),
    };
    server
        .ledger
        .put_entry(draft, &WriteContext::by("manager", "r"))
        .await
        .unwrap();
    let table = shell.run(&["get", "updates", "shop"]);
    has(
        &table,
        &[
            "NAME   CLUSTER   PROGRESS   STEPS   TO",
            "u-1    shop      waiting    1/2     commit#hash",
            wait,
        ],
    );
    for name in ["u-1", "update/u-1", "shop"] {
        let text = shell.run(&["describe", "update", name]);
        has(
            &text,
            &[
                "Progress:                 waiting\n",
                "  manifests   done      90s",
                "(1 steps)",
                "    worker    waiting",
                wait,
            ],
        );
    }
    has(
        &shell.run(&["get", "updates", "-l", "update.progress=done"]),
        &["! no objects found"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_followed_to_its_end_a_line_per_event() {
    let server = fleet().await;
    let shell = Shell::at(&server);
    let id = "aws:100:eu-central-1:kube-1";
    let now = SystemClock.now();
    let ago = |seconds: i64| now - jiff::SignedDuration::from_secs(seconds);
    let put = async |name: &str, update: &Update| {
        let draft = EntryDraft {
            kind: "update".parse().unwrap(),
            id: name.parse().unwrap(),
            cluster: Some(id.parse().unwrap()),
            open: !update.progress.is_over(),
            body: serde_json::to_value(update).unwrap(),
            items: Vec::new(),
        };
        let written = server.ledger.put_entry(draft, &WriteContext::by("manager", "r")).await;
        written.unwrap();
    };
    let earlier = Update {
        progress: Progress::Done,
        started_at: Some(ago(9_000)),
        finished_at: Some(ago(9_000 - 600)),
        ..Update::default()
    };
    put("shop.1", &earlier).await;
    let mut update = Update {
        to: "commit#hash".to_owned(),
        progress: Progress::Running,
        started_at: Some(ago(60)),
        ..Update::default()
    };
    put("shop.2", &update).await;
    has(
        &shell.run(&["describe", "update", "shop.2"]),
        &["Left:", "about 8m (the one before took 10m)\n"],
    );
    has(&shell.run(&["get", "updates", "shop"]), &["LASTED   LEFT", "~8m"]);
    let mut command = shell.command();
    command
        .args(["describe", "update", "shop.2", "--watch"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = || {
        let mut text = String::new();
        std::io::BufRead::read_line(&mut out, &mut text).unwrap();
        text
    };
    assert!(line().ends_with("shop update running: to commit#hash\n"));
    update.steps = vec![UpdateStep {
        path: "manifests/dns".to_owned(),
        progress: Progress::Done,
        started_at: Some(ago(3)),
        finished_at: Some(now),
        attempts: 1,
        message: "2 objects".to_owned(),
    }];
    put("shop.2", &update).await;
    assert!(line().ends_with("shop manifests/dns done in 3s: 2 objects\n"));
    update.progress = Progress::Stopped;
    update.message = "overtaken by a newer version".to_owned();
    put("shop.2", &update).await;
    assert!(line().ends_with("shop update stopped: overtaken by a newer version\n"));
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
