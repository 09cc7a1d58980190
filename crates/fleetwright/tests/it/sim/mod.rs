//! `sim`: a simulation as a process, reached into by the other commands and by kubectl.

mod cloud;
mod contract;
mod control;
mod drain;
mod ending;
mod kubectl;
mod refusals;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::transcript::command;

/// A running `sim up` with a home of its own.
pub(crate) struct Sim {
    child: Child,
    /// The rest of what it says.
    out: BufReader<ChildStdout>,
    /// What it said before it was ready.
    pub(crate) welcome: String,
    pub(crate) home: tempfile::TempDir,
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sim {
    /// Starts one and returns when its clusters are there.
    pub(crate) fn up(args: &[&str]) -> Self {
        Self::up_in(tempfile::tempdir().unwrap(), args)
    }

    /// Starts one in a home that is there already.
    pub(crate) fn up_in(home: tempfile::TempDir, args: &[&str]) -> Self {
        let command = command(home.path());
        Self::up_as(home, command, args)
    }

    /// Starts one by a command that only lacks the arguments.
    pub(crate) fn up_as(home: tempfile::TempDir, mut command: Command, args: &[&str]) -> Self {
        command
            .args(["sim", "up", "--kubeconfig", "kubeconfig", "--seed", "7"])
            .args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        // Owned by its guard from the first moment, so that a failing test leaves no process behind.
        let mut sim = Self {
            child,
            out,
            welcome: String::new(),
            home,
        };
        while !sim.welcome.contains("fleetwright sim fault") {
            let read = sim.out.read_line(&mut sim.welcome).unwrap();
            assert!(read > 0, "sim up ended early:\n{}", sim.welcome);
        }
        sim
    }

    /// Where a file of its home is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs another command of the program beside it: what came out, and whether it went well.
    pub(crate) fn fleetwright(&self, args: &[&str]) -> (bool, String) {
        let mut command = command(self.home.path());
        run(command.args(args))
    }

    /// The same for a command that has to go well.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let (well, text) = self.fleetwright(args);
        assert!(well, "fleetwright {args:?}:\n{text}");
        text
    }

    /// Ends it as a person would and gives its exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        self.signal("INT");
        self.end()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let name = format!("-{name}");
        assert!(Command::new("kill").args([&name, &pid]).status().unwrap().success());
    }

    /// Waits for its end and gives its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The notes of running simulations in its home.
    pub(crate) fn notes(&self) -> Vec<PathBuf> {
        let folder = self.path(".local/state/fleetwright/sim");
        files(&folder)
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Runs a command to its end: whether it went well, and both its streams.
pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}
