//! `up` as a newcomer meets it: a fleet that stands, an update that travels, a commit, a block, a kill, the same again.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use jiff::SignedDuration;
use ports::{Clock as _, Ids as _, SeededIds, SystemClock, SystemIds};
use serde_json::Value;

use crate::transcript::{Shell, command};

/// A fleet that runs, with where it is.
pub(crate) struct Up {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
    pub(crate) url: String,
    /// What it printed so far.
    pub(crate) said: String,
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Up {
    /// Starts it and waits until the registry is served; the fleet comes up meanwhile.
    fn spawn(home: &Path) -> Self {
        let mut command = command(home);
        command.args(["up", "--port", "0", "--clusters", "4", "--data", "data"]);
        with_git(&mut command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut up = Self {
            child,
            out: Some(out),
            url: String::new(),
            said: String::new(),
        };
        up.hear("runs at ");
        up.url = served_at(&up.said);
        up
    }

    /// Starts it and waits until the fleet stands.
    pub(crate) fn start(home: &Path) -> Self {
        let mut up = Self::spawn(home);
        up.hear("Ctrl-C stops it");
        up
    }

    /// Listens until it says something.
    fn hear(&mut self, what: &str) {
        let out = self.out.as_mut().unwrap();
        while !self.said.contains(what) {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "it ended early:\n{}", self.said);
            self.said.push_str(&line);
        }
    }

    fn clusters(&self) -> Vec<Value> {
        let text = Shell::of_url(&self.url).output(&["get", "clusters", "-o", "json"]);
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The commit that a cluster is at; empty while an update of it is under way.
    pub(crate) fn commit(&self, alias: &str) -> String {
        let clusters = self.clusters();
        let cluster = clusters.iter().find(|one| one["alias"] == alias).unwrap();
        let text = |key: &str| cluster["status"][key].as_str().unwrap_or_default();
        if text("next_version").is_empty() {
            text("current_version").split('#').next().unwrap_or_default().to_owned()
        } else {
            String::new()
        }
    }

    /// Asks until something holds; commands take their own time, so nobody sleeps here.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = SystemClock.now() + SignedDuration::from_mins(4);
        while !holds(self) {
            assert!(SystemClock.now() < end, "{what}: not in time; {:#?}", self.clusters());
        }
    }
}

/// Where the registry is, of what it said.
fn served_at(said: &str) -> String {
    let line = said.lines().find_map(|line| line.split_once("runs at "));
    line.unwrap().1.trim().to_owned()
}

/// The binary is started without the tester's environment, but git has to be found.
fn with_git(command: &mut Command) {
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
}

/// Asks the process to end, as a terminal does, and waits for it.
fn interrupt(up: &mut Up) -> Option<i32> {
    let pid = up.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    up.child.wait().unwrap().code()
}

pub(crate) fn git(home: &Path, args: &[&str]) -> String {
    let folder = home.join("data/fleet");
    let output = Command::new("git").arg("-C").arg(folder).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Changes the log agent's image on dev; answers the commit.
pub(crate) fn commit(home: &Path, version: &str) -> String {
    let file = home.join("data/fleet/cluster/manifests/logging/daemonset.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, tail) = text.split_once("log-agent:").unwrap();
    let rest = tail.split_once('\n').unwrap().1;
    std::fs::write(&file, format!("{head}log-agent:{version}\n{rest}")).unwrap();
    git(home, &["commit", "--quiet", "--all", "--message", version]);
    git(home, &["rev-parse", "HEAD"])
}

/// The image of the log agent in a cluster, read from its API as kubectl reads it.
fn log_agent(home: &Path, alias: &str) -> Option<String> {
    let config: Value = yaml::from_str(&std::fs::read_to_string(home.join("data/kubeconfig")).unwrap()).unwrap();
    let clusters = config["clusters"].as_array().unwrap();
    let server = clusters.iter().find(|one| one["name"] == alias)?["cluster"]["server"].as_str()?;
    let url = format!("{server}/apis/apps/v1/namespaces/logging/daemonsets/log-agent");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = runtime.block_on(async { client.get(&url).send().await.unwrap().text().await.unwrap() });
    let object: Value = serde_json::from_str(&text).unwrap();
    let image = object.pointer("/spec/template/spec/containers/0/image")?;
    Some(image.as_str()?.to_owned())
}

#[test]
fn a_newcomer_sees_an_update_travel_commits_blocks_and_comes_back_after_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let up = Up::start(home.path());
    assert!(up.said.contains("4 clusters stand with"), "{}", up.said);
    // A second one on the same data would manage the same clusters.
    let second = command(home.path())
        .args(["up", "--port", "0", "--data", "data"])
        .output()
        .unwrap();
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(
        !second.status.success() && told.contains("\"up\" already runs here"),
        "{told}"
    );
    let first = git(home.path(), &["rev-parse", "first-update"]);
    let all = ["foobarlab", "foobarlab-test", "abckub-test"];
    up.until("the first update travels", |up| {
        all.iter().all(|alias| up.commit(alias) == first)
    });
    // The example has a cluster that its owners have blocked.
    let beginning = git(home.path(), &["rev-parse", "beginning"]);
    assert_eq!(up.commit("abckub"), beginning);

    let shell = Shell::of_url(&up.url);
    let second = commit(home.path(), "v6");
    up.until("a commit to dev", |up| up.commit("foobarlab-test") == second);
    assert_eq!(
        log_agent(home.path(), "foobarlab-test").as_deref(),
        Some("registry.example.org/log-agent:v6")
    );
    assert_eq!(
        log_agent(home.path(), "foobarlab").as_deref(),
        Some("registry.example.org/log-agent:v5")
    );
    let updates = shell.run(&["get", "updates"]);
    assert!(
        updates.contains("foobarlab-test") && updates.contains("done"),
        "{updates}"
    );

    let blocked = shell.run(&["block", "foobarlab-test", "--reason", "looking around"]);
    assert!(blocked.contains("blocked"), "{blocked}");
    let third = commit(home.path(), "v7");
    // When the other cluster of the channel is there, the blocked one could have been as well.
    up.until("the other cluster takes the commit", |up| {
        up.commit("abckub-test") == third
    });
    assert_eq!(up.commit("foobarlab-test"), second, "the block holds");
    shell.run(&["unblock", "foobarlab-test"]);
    up.until("an end of the block", |up| up.commit("foobarlab-test") == third);

    // Dropping it is kill -9.
    drop(up);
    let mut up = Up::start(home.path());
    assert!(up.said.contains("raised again"), "{}", up.said);
    for (alias, commit, image) in [
        ("foobarlab", &first, "v5"),
        ("foobarlab-test", &third, "v7"),
        ("abckub", &beginning, "v5"),
    ] {
        up.until("the fleet is where it was", |up| up.commit(alias) == *commit);
        let expected = format!("registry.example.org/log-agent:{image}");
        assert_eq!(log_agent(home.path(), alias), Some(expected), "{alias}");
    }
    let fourth = commit(home.path(), "v8");
    up.until("a commit after the restart", |up| up.commit("foobarlab-test") == fourth);
    assert_eq!(interrupt(&mut up), Some(0));
}

#[test]
fn the_story_survives_kills_at_three_random_moments() {
    let given = std::env::var("FLEETWRIGHT_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| SystemIds.next_u64());
    println!("FLEETWRIGHT_SEED={seed} draws these moments");
    let dice = SeededIds::new(seed);
    let home = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let up = Up::spawn(home.path());
        // While the fleet is raised, while the first update travels, or after that: a look takes some hundredths of a second.
        for _ in 0..dice.next_u64() % 400 {
            up.clusters();
        }
        // Dropping it is kill -9.
    }
    let mut up = Up::start(home.path());
    let (beginning, first) = (
        git(home.path(), &["rev-parse", "beginning"]),
        git(home.path(), &["rev-parse", "first-update"]),
    );
    for alias in ["foobarlab", "foobarlab-test", "abckub-test"] {
        up.until("the first update travels all the same", |up| up.commit(alias) == first);
    }
    assert_eq!(up.commit("abckub"), beginning, "the block of its owners holds");
    let second = commit(home.path(), "v6");
    for alias in ["foobarlab-test", "abckub-test"] {
        up.until("a commit to dev", |up| up.commit(alias) == second);
        let image = log_agent(home.path(), alias);
        assert_eq!(image.as_deref(), Some("registry.example.org/log-agent:v6"));
    }
    let text = Shell::of_url(&up.url).output(&["get", "updates", "-o", "json"]);
    let list: Value = serde_json::from_str(&text).unwrap();
    let mut done = std::collections::BTreeSet::new();
    for update in list["items"].as_array().unwrap() {
        if update["outcome"] == "done" {
            let key = (update["cluster_id"].to_string(), update["to"].to_string());
            assert!(done.insert(key), "done twice: {update}");
        }
    }
    assert_eq!(interrupt(&mut up), Some(0));
}

#[test]
fn a_data_directory_that_cannot_be_written_is_one_clear_line() {
    let shell = Shell::of_url("http://[SERVER]");
    shell.file("file", "no directory\n");
    let text = shell.run(&["up", "--port", "0", "--data", "file/data"]);
    assert!(
        text.contains("! error: [HOME]/file/data: ") && text.contains("--data takes another directory"),
        "{text}"
    );
}

/// A cluster of somebody else, on a runtime that lives as long as it.
fn foreign() -> (tokio::runtime::Runtime, kube_sim::ApiServer, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = kube_sim::ApiServer::new(std::sync::Arc::new(SystemClock), std::sync::Arc::new(ports::SystemIds));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(kube_sim::serve(server.clone(), listener, None, std::future::pending()));
    (runtime, server, url)
}

#[test]
fn contexts_of_a_kubeconfig_are_registered_looked_at_and_managed_when_told() {
    let home = tempfile::tempdir().unwrap();
    let (_runtime, server, address) = foreign();
    let config = format!(
        "apiVersion: v1\nkind: Config\ncontexts: [{{name: kind@home, context: {{cluster: k, user: u}}}}]\n\
         clusters: [{{name: k, cluster: {{server: '{address}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    );
    std::fs::write(home.path().join("config"), config).unwrap();
    let mut command = command(home.path());
    command.args(["up", "--port", "0", "--data", "data", "--kubeconfig", "config"]);
    with_git(&mut command);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut up = Up {
        child,
        out: Some(out),
        url: String::new(),
        said: String::new(),
    };
    up.hear("runs at ");
    up.url = served_at(&up.said);
    let shell = Shell::of_url(&up.url);
    let text = shell.run(&["get", "clusters", "-o", "wide"]);
    assert!(text.contains("kind-home") && text.contains("kubeconfig"), "{text}");
    let greeting = || server.read("", "configmaps", "default", "fleetwright-greeting");
    assert!(greeting().is_none(), "nothing is written before somebody says so");
    shell.run(&["set", "config-item", "kind-home", "fleetwright_manage=true"]);
    up.until("it is managed", |_| greeting().is_some());
    assert_eq!(greeting().unwrap()["data"]["greeting"], "hello kind-home");
    up.until("it is told", |up| up.clusters()[0]["status"]["current_version"] != "");
    assert_eq!(interrupt(&mut up), Some(0));
}
