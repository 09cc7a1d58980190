//! `why`, `describe node` and `controllers` against a simulated cluster: what a person asks, and what kubectl would show then.

use std::process::{Child, Stdio};

use jiff::SignedDuration;
use ports::{Clock as _, SystemClock};
use serde_json::Value;

use super::Sim;
use crate::transcript::command;

/// The controllers of the cluster as a process.
struct Controllers(Child);

impl Drop for Controllers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn json(sim: &Sim, args: &[&str]) -> Value {
    serde_json::from_str(&sim.ok(args)).unwrap()
}

/// Clusters of a simulation are asked for by their contexts; there is no registry here.
const TARGET: [&str; 6] = ["--cluster", "sim-1", "--kubeconfig", "kubeconfig", "--policy", "test"];

fn with<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    words.iter().chain(&TARGET).chain(more).copied().collect()
}

/// The nodes of the cluster, as its API lists them.
fn list(sim: &Sim, path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(sim.path("kubeconfig")).unwrap();
    let server = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: "))
        .unwrap();
    let address = server.trim_start_matches("http://");
    let reply = request(address, &format!("GET {path} HTTP/1.1"), "", "");
    let list: Value = serde_json::from_str(&reply).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// One request over a connection of its own.
fn request(address: &str, line: &str, kind: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{line}\r\nhost: x\r\nconnection: close\r\naccept: application/json\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, rest) = reply.split_once("\r\n\r\n").unwrap();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return unchunked(rest);
    }
    rest.to_owned()
}

fn unchunked(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.push_str(&more[..size]);
        rest = &more[size + 2..];
    }
    whole
}

#[test]
fn a_node_says_why_it_is_there_and_goes_when_it_is_marked() {
    // At the pace of the wall: controllers whose clock differs from the cluster's hold still.
    let sim = Sim::up(&["--nodes", "3"]);
    let node = list(&sim, "/api/v1/nodes")[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let text = sim.ok(&with(&["why", "node", &node], &[]));
    assert!(
        text.contains("is not to be replaced") && text.contains("If its drain began now"),
        "{text}"
    );
    let whole = json(&sim, &with(&["describe", "node", &node], &["-o", "json"]));
    assert_eq!(whole["now"]["step"], "stays", "{whole:#}");
    let pod = &whole["if_drained"]["pods"][0]["pod"];
    let pod = format!(
        "{}/{}",
        pod["namespace"].as_str().unwrap(),
        pod["name"].as_str().unwrap()
    );
    let text = sim.ok(&with(&["why", "pod", &pod], &[]));
    assert!(
        text.contains("Owner:") && text.contains("If its drain began now"),
        "{text}"
    );
    let (well, text) = sim.fleetwright(&with(&["why", "pod", "no-such-pod"], &[]));
    assert!(!well && text.contains("pod no-such-pod not found"), "{text}");

    let mut controllers = command(sim.home.path());
    controllers.args([
        "controllers",
        "--enable",
        "node-lifecycle,node-shutdown",
        "--cluster-id",
        "sim:1:here:sim-1",
    ]);
    controllers.args([
        "--kubeconfig",
        "kubeconfig",
        "--kube-context",
        "sim-1",
        "--policy",
        "test",
        "--identity",
        "a",
    ]);
    let running = controllers.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _running = Controllers(running);
    let text = std::fs::read_to_string(sim.path("kubeconfig")).unwrap();
    let server = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: "))
        .unwrap()
        .to_owned();
    let patch = r#"{"metadata":{"labels":{"lifecycle-status":"decommission-pending"}}}"#;
    let line = format!("PATCH /api/v1/nodes/{node} HTTP/1.1");
    request(
        server.trim_start_matches("http://"),
        &line,
        "application/merge-patch+json",
        patch,
    );
    // Requests take their own time, so nobody sleeps here.
    let end = SystemClock.now() + SignedDuration::from_mins(2);
    let cordoned = loop {
        let nodes = list(&sim, "/api/v1/nodes");
        let found = nodes.into_iter().find(|one| one["metadata"]["name"] == node.as_str());
        let Some(found) = found else { break None };
        if found["spec"]["unschedulable"] == true {
            break Some(found);
        }
        assert!(SystemClock.now() < end, "the controller does nothing: {found:#}");
    };
    if let Some(found) = cordoned {
        assert_eq!(found["metadata"]["labels"]["lifecycle-status"], "draining");
        let text = sim.ok(&with(&["describe", "node", &node], &[]));
        assert!(
            text.contains("Drain began:") && text.contains("marked for replacement"),
            "{text}"
        );
    }
}
