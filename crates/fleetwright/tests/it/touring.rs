//! The tour that `up` prints, taken line by line as it is printed.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::up::{Up, git};

/// How long somebody waits for a node to be drained: a machine has to come first.
const PATIENCE: &str = "120s";

/// A person in another terminal.
struct Tour {
    home: tempfile::TempDir,
    up: Up,
    /// What is exported there, line by line.
    exports: String,
    /// What there is to type besides.
    lines: Vec<String>,
    kubectl: bool,
}

impl Tour {
    fn begin() -> Self {
        let home = tempfile::tempdir().unwrap();
        let up = Up::start(home.path());
        let tour = up.said.split_once("In another terminal:").unwrap().1;
        let typed = tour.lines().filter_map(|line| line.strip_prefix("  "));
        let (exports, lines): (Vec<&str>, Vec<&str>) = typed.partition(|line| line.starts_with("export "));
        let kubectl = Command::new("kubectl").args(["version", "--client"]).output();
        Self {
            exports: exports.join("\n"),
            lines: lines.into_iter().map(str::to_owned).collect(),
            kubectl: kubectl.is_ok_and(|output| output.status.success()),
            home,
            up,
        }
    }

    /// Types a line; what it says. Only where it went well does the tour go on.
    fn types(&self, line: &str) -> String {
        let mut shell = Command::new("/bin/sh");
        shell.env_clear().env("HOME", self.home.path()).current_dir(&self.home);
        if let Some(path) = std::env::var_os("PATH") {
            shell.env("PATH", path);
        }
        let output = shell
            .arg("-c")
            .arg(format!("{}\n{line}", self.exports))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "$ {line}\n{said}");
        said
    }

    /// The pods of a cluster, but for those that never get ready on purpose.
    fn pods(&self, cluster: &str) -> Vec<Value> {
        let text = self.types(&format!("kubectl --context {cluster} get pods -A -o json"));
        let list: Value = serde_json::from_str(&text).unwrap();
        let pods = list["items"].as_array().unwrap().iter();
        let honest = pods.filter(|pod| pod["metadata"]["namespace"] != "trouble");
        honest.cloned().collect()
    }

    /// Drains the node that the tour names, and sees that it stays as good as its word.
    fn drains(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let ["kubectl", "--context", cluster, "drain", node, ..] = words[..] else {
            panic!("no drain: {line}")
        };
        let nodes = || -> BTreeSet<String> {
            let text = self.types(&format!("kubectl --context {cluster} get nodes -o name"));
            text.lines().map(str::to_owned).collect()
        };
        let before = nodes();
        let said = self.types(&format!("{line} --timeout={PATIENCE}"));
        assert!(said.contains(&format!("node/{node} drained")), "{said}");
        let left = self
            .pods(cluster)
            .into_iter()
            .filter(|pod| pod["spec"]["nodeName"] == node);
        for pod in left {
            assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "DaemonSet", "{pod:#}");
        }
        self.up.until("the pods run elsewhere", |_| {
            self.pods(cluster).iter().all(|pod| {
                let conditions = pod["status"]["conditions"].as_array();
                let ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
                conditions.is_some_and(|all| all.iter().any(ready))
            })
        });
        // The others are too full for its pods, so there is another one now, as the tour says.
        let after = nodes();
        assert!(
            after.is_superset(&before) && after.len() > before.len(),
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn each_line_of_the_tour_does_what_it_says() {
    let tour = Tour::begin();
    let mut done = BTreeSet::new();
    let mut drained = String::new();
    for line in &tour.lines {
        let verb = [
            "get clusters",
            "get updates",
            "get nodes",
            "sed ",
            " commit ",
            " block ",
            " unblock ",
            " drain ",
            " uncordon ",
        ]
        .into_iter()
        .find(|verb| line.contains(verb));
        let verb = verb.unwrap_or_else(|| panic!("nobody knows what comes of this: {line}"));
        done.insert(verb.trim());
        if line.starts_with("kubectl") && !tour.kubectl {
            println!("kubectl is not installed: passed over: {line}");
            continue;
        }
        if verb == " drain " {
            drained = line.split(' ').nth(4).unwrap().to_owned();
            tour.drains(line);
            continue;
        }
        let said = tour.types(line);
        let row = |name: &str| {
            said.lines()
                .find(|row| row.contains(name))
                .unwrap_or_default()
                .to_owned()
        };
        match verb {
            "get clusters" => assert_eq!(
                row("foobarlab-test").contains("blocked"),
                done.contains("block"),
                "{said}"
            ),
            "get updates" if done.contains("commit") => assert!(!row("foobarlab-test").is_empty(), "{said}"),
            " commit " => {
                let head = git(tour.home.path(), &["rev-parse", "HEAD"]);
                tour.up
                    .until("a commit to dev", |up| up.commit("foobarlab-test") == head);
            }
            " unblock " => tour.up.until("the block ends", |_| {
                !tour
                    .types(&line.replace(" unblock ", " describe cluster "))
                    .contains("looking around")
            }),
            "get nodes" => assert!(row(&drained).contains("Ready,SchedulingDisabled"), "{said}"),
            " uncordon " => {
                let nodes = tour.types(&line.replace(" uncordon ", " get node "));
                assert!(
                    nodes.contains(" Ready ") && !nodes.contains("SchedulingDisabled"),
                    "{nodes}"
                );
            }
            _ => {}
        }
    }
    for verb in ["commit", "block", "unblock", "drain", "get nodes", "uncordon"] {
        assert!(done.contains(verb), "the tour has no {verb}: {:?}", tour.lines);
    }
}
