//! `up` and `registry serve` as processes: they start, answer, stop, and keep their data.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::transcript::{Shell, command};

/// A started server with its URL.
pub(crate) struct Started {
    child: Child,
    pub(crate) url: String,
    rest: BufReader<Box<dyn std::io::Read + Send>>,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server and reads up to the line that holds its URL after `mark`.
pub(crate) fn start(mut command: Command, mark: &str) -> Started {
    // Owned by its guard from the first moment, so that a failing test leaves no process behind.
    let mut started = Started {
        child: command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
        url: String::new(),
        rest: BufReader::new(Box::new(std::io::empty())),
    };
    let (out, err) = (
        started.child.stdout.take().unwrap(),
        started.child.stderr.take().unwrap(),
    );
    started.rest = if mark.starts_with("The ") {
        BufReader::new(Box::new(out))
    } else {
        BufReader::new(Box::new(err))
    };
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        let read = started.rest.read_line(&mut line).unwrap();
        assert!(read > 0, "the server ended early:\n{seen}");
        if let Some((_, url)) = line.split_once(mark) {
            url.trim().clone_into(&mut started.url);
            return started;
        }
        seen.push_str(&line);
    }
}

/// Asks the process to end, as Kubernetes and terminals do, and waits for it.
pub(crate) fn stop(started: &mut Started, signal: &str) -> Option<i32> {
    let pid = started.child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    started.child.wait().unwrap().code()
}

fn empty(home: &Path) -> Started {
    let mut command = command(home);
    command.args(["up", "--empty", "--port", "0"]);
    start(command, "The Cluster Registry runs at ")
}

#[test]
fn an_empty_up_serves_a_registry_that_outlives_it() {
    let home = tempfile::tempdir().unwrap();
    for signal in ["-INT", "-TERM"] {
        let mut served = empty(home.path());
        let shell = Shell::of_url(&served.url);
        assert!(shell.run(&["get", "clusters"]).contains("! no objects found"));
        assert_eq!(stop(&mut served, signal), Some(0));
        let mut text = String::new();
        served.rest.read_to_string(&mut text).unwrap();
        assert!(text.contains("No cluster is looked after"), "{text}");
    }
    assert!(home.path().join(".local/share/fleetwright/registry.db").exists());
}

#[test]
fn a_busy_port_is_one_clear_line() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let shell = Shell::of_url("http://[SERVER]");
    let text = shell.run(&["up", "--port", &port]);
    let expected = format!(
        "$ fleetwright up --port {port}\n! error: port {port} of 127.0.0.1 is in use\n! hint: --port takes another one, --port 0 a free one\n= Some(1)\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn serve_answers_until_it_is_asked_to_end() {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(home.path());
    command.args([
        "registry",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database",
        "sqlite:r.db",
        "--no-auth",
    ]);
    command.args(["--log", "warn"]);
    let mut served = start(command, "serving the registry in sqlite:r.db on ");
    let shell = Shell::of_url(&served.url);
    assert!(shell.run(&["get", "clusters"]).contains("! no objects found"));
    assert!(shell.run(&["version"]).contains("Server: "));
    assert_eq!(stop(&mut served, "-TERM"), Some(0));
}

#[test]
fn serve_says_what_is_missing() {
    let shell = Shell::of_url("http://[SERVER]");
    shell.file("tokens", "alice boss sha256:00\n");
    let serve = |rest: &[&'static str]| [&["registry", "serve", "--listen", "127.0.0.1:0"], rest].concat();
    let text: Vec<String> = [
        serve(&[]),
        serve(&["--database", "sqlite:r.db"]),
        serve(&["--database", "mysql://h/d", "--no-auth"]),
        serve(&["--database", "sqlite:nowhere/at/all/r.db", "--no-auth"]),
        serve(&["--database", "sqlite:r.db", "--no-auth", "--token-file", "tokens"]),
        serve(&["--database", "sqlite:r.db", "--token-file", "tokens"]),
        serve(&["--database", "sqlite:r.db", "--token-file", "nothing"]),
        serve(&["--database", "sqlite:r.db", "--no-auth", "--log", "a=b=c"]),
        vec![
            "registry",
            "serve",
            "--listen",
            "0.0.0.0:0",
            "--database",
            "sqlite:r.db",
            "--no-auth",
        ],
    ]
    .iter()
    .map(|args| shell.run(args))
    .collect();
    insta::assert_snapshot!(text.join("\n"));
}
