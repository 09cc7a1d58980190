//! Runs of the binary as text, with everything taken out that differs from run to run.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;

use crate::server::Running;

/// A person at a terminal: a home directory of their own, and a server.
pub(crate) struct Shell {
    pub(crate) home: tempfile::TempDir,
    url: String,
}

impl Shell {
    pub(crate) fn at(server: &Running) -> Self {
        Self::of_url(&server.url)
    }

    pub(crate) fn of_url(url: &str) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            url: url.to_owned(),
        }
    }

    /// Writes a file into the home directory.
    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Where a file of the home folder is.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// The binary with nothing of the tester's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = command(self.home.path());
        command.env("FLEETWRIGHT_SERVER", &self.url);
        command
    }

    /// A run: what was typed, what came out, how it ended.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.run_with(args, "", self.command())
    }

    /// What a run that succeeds writes to standard output, as it is.
    pub(crate) fn output(&self, args: &[&str]) -> String {
        let output = self.command().args(args).output().unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A run with standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str, mut command: Command) -> String {
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that fails early does not read; that is its right.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let typed: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
        let mut text = format!("$ fleetwright {}\n", typed.join(" "));
        text.push_str(&String::from_utf8(output.stdout).unwrap());
        for line in String::from_utf8(output.stderr).unwrap().lines() {
            text.push_str(&format!("! {line}\n"));
        }
        match output.status.code() {
            Some(0) => {}
            code => text.push_str(&format!("= {code:?}\n")),
        }
        self.settled(&text)
    }

    /// Several runs.
    pub(crate) fn runs(&self, lines: &[&[&str]]) -> String {
        lines.iter().map(|args| self.run(args)).collect::<Vec<_>>().join("\n")
    }

    fn settled(&self, text: &str) -> String {
        let text = text
            .replace(&self.url, "[SERVER]")
            .replace(self.home.path().to_str().unwrap(), "[HOME]");
        // Ages grow with the calendar; the fixture's clusters are years old.
        let text = Regex::new(r"\b\d+y(\d+d)?\b")
            .unwrap()
            .replace_all(&text, "[AGE]")
            .into_owned();
        Regex::new(r"127\.0\.0\.1:\d+")
            .unwrap()
            .replace_all(&text, "[ADDRESS]")
            .into_owned()
    }
}

/// The binary in this directory, which is also its home.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetwright"));
    command.env_clear().env("HOME", home).current_dir(home);
    command
}

fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    if arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\n', "\\n"))
    }
}
