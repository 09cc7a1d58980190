//! `get waves`, `describe wave`, `get acts`, `get alarms`: what the lifecycle manager wrote down, as people read it.

use plan::waves::Phase;
use ports::ledger::EntryDraft;
use ports::{Clock as _, SystemClock, WriteContext};
use serde_json::{Value, json};

use crate::server::{self, Running};
use crate::transcript::Shell;

async fn put(server: &Running, kind: &str, id: &str, body: Value) {
    let draft = EntryDraft {
        kind: kind.parse().unwrap(),
        id: id.parse().unwrap(),
        cluster: None,
        open: true,
        body,
        items: Vec::new(),
    };
    let manager = WriteContext::by("lifecycle", "request-9");
    server.ledger.put_entry(draft, &manager).await.unwrap();
}

/// Rows of a table, without its header.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().skip(1);
    lines.map(|line| line.split_whitespace().collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_shown_wave_by_wave_with_what_its_clusters_wait_for() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    let clusters: Value = serde_json::from_str(&shell.output(&["get", "clusters", "-o", "json"])).unwrap();
    let first = &clusters["items"][0];
    let (channel, alias) = (first["channel"].as_str().unwrap(), first["alias"].as_str().unwrap());
    let own = clusters["items"].as_array().unwrap().iter();
    let own = own
        .filter(|cluster| cluster["channel"] == channel && cluster["lifecycle_status"] == "ready")
        .count();
    let run = json!({"channel": channel, "config": "0123456789abcdef0123456789abcdef01234567", "since": SystemClock.now(),
        "commit": true, "phase": Phase::Moving});
    put(&server, "run", channel, run).await;
    let table = shell.output(&["get", "waves"]);
    let row = &rows(&table)[0];
    assert_eq!(row[..3], [channel, "0123456", "moving"], "{table}");
    let value: Value = serde_json::from_str(&shell.output(&["get", "wave", channel, "-o", "json"])).unwrap();
    assert_eq!(value["waiting"], own, "{value}");
    assert_eq!((&value["wave"], &value["done"]), (&json!(1), &json!(0)), "{value}");
    assert!(shell.output(&["get", "waves", "-o", "wide"]).contains("CHANGE"));
    assert_eq!(
        shell.output(&["get", "waves", "-o", "name"]).trim(),
        format!("wave/{channel}")
    );

    shell.output(&["pause", "channel", channel, "--reason", "looking"]);
    let described = shell.output(&["describe", "wave", channel]);
    for wanted in ["Phase:                    paused", "canaries", "WAITING"] {
        assert!(described.contains(wanted), "{wanted} is missing in {described}");
    }
    assert!(
        described.contains(&format!("waits on channel {channel} is paused by")) && described.contains(alias),
        "{described}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_and_alarms_are_listed_as_long_as_they_hold() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    shell.output(&["pause", "channel", "beta", "--reason", "looking"]);
    shell.output(&["freeze", "-l", "environment=production", "--reason", "sale"]);
    let table = shell.output(&["get", "acts"]);
    let names: Vec<&str> = rows(&table)
        .into_iter()
        .map(|row| row[0].split('/').next().unwrap())
        .collect();
    assert_eq!(names, ["pause", "freeze"], "{table}");
    let acts: Value = serde_json::from_str(&shell.output(&["get", "acts", "-l", "what=freeze", "-o", "json"])).unwrap();
    assert_eq!(acts["items"][0]["clusters"], "environment=production", "{acts}");
    shell.output(&["resume", "channel", "beta"]);
    assert_eq!(rows(&shell.output(&["get", "acts"])).len(), 1);

    let alarm =
        json!({"kind": "stale-block", "subject": "kube-1", "since": SystemClock.now(), "says": "blocked for 8d"});
    put(&server, "alarm", "stale-block:1", alarm).await;
    let table = shell.output(&["get", "alarms"]);
    assert_eq!(
        rows(&table)[0][..3],
        ["stale-block/kube-1", "stale-block", "kube-1"],
        "{table}"
    );
    let yaml = shell.output(&["get", "alarm", "kube-1", "-o", "yaml"]);
    assert!(yaml.contains("says: blocked for 8d"), "{yaml}");
}
