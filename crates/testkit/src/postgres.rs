//! A PostgreSQL server of the test run's own.
//!
//! It listens on a Unix socket in its temporary directory only, so runs never meet, needs no port and no password, and is
//! gone with the directory when dropped.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

/// How a server is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether commits reach the disk. Off makes tests quick; crash tests and benchmarks need it on.
    pub fsync: bool,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    tools: PathBuf,
    dir: TempDir,
    process: Mutex<Option<Child>>,
    /// Ends the server when this process ends in whatever way: it waits for the end of its input, which we hold.
    watchdog: Option<Child>,
    options: Options,
    databases: AtomicU32,
}

/// Why the server could not be started although PostgreSQL is installed.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {output}")]
pub struct ServerError {
    /// What was tried.
    pub step: &'static str,
    /// What it said.
    pub output: String,
}

impl Server {
    /// Starts a server; [`None`] with one printed line when PostgreSQL is not installed.
    ///
    /// # Errors
    /// [`ServerError`] with what the failing program said: an installed PostgreSQL that does not start is no reason to
    /// pass over tests.
    #[expect(clippy::print_stderr, reason = "a test run must show what it passes over")]
    pub fn start(options: Options) -> Result<Option<Self>, ServerError> {
        let Some(tools) = find_tools() else {
            eprintln!("no PostgreSQL in /usr/lib/postgresql/*/bin or PATH: its tests are passed over");
            return Ok(None);
        };
        let dir = tempfile::Builder::new()
            .prefix("pg-")
            .tempdir()
            .map_err(|e| failed("making a directory", &e))?;
        let watchdog = watchdog(dir.path())?;
        let server = Self {
            tools,
            dir,
            process: Mutex::new(None),
            watchdog: Some(watchdog),
            options,
            databases: AtomicU32::new(0),
        };
        server.prepare()?;
        server.run()?;
        Ok(Some(server))
    }

    /// Makes the cluster of databases, owned by whoever will run the server.
    fn prepare(&self) -> Result<(), ServerError> {
        let dir = self.dir.path();
        if is_root()? {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(dir, mode).map_err(|e| failed("opening the directory", &e))?;
            check("chown", Command::new("chown").arg(unprivileged()?).arg(dir).output())?;
        }
        let init = self
            .command("initdb")?
            .arg("--pgdata")
            .arg(self.data())
            .args([
                "--username=fleetwright",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .output();
        check("initdb", init)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A program of PostgreSQL, as the unprivileged user when we are root: the server refuses to run as root.
    fn command(&self, program: &str) -> Result<Command, ServerError> {
        let path = self.tools.join(program);
        let mut command = if is_root()? {
            let user = unprivileged()?;
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={user}"))
                .args(["--clear-groups", "--"])
                .arg(path);
            command
        } else {
            Command::new(path)
        };
        command
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .env_remove("PGDATA");
        Ok(command)
    }

    /// Starts the server process on the present data and waits until it answers.
    ///
    /// # Errors
    /// [`ServerError`] with the server's log.
    pub fn run(&self) -> Result<(), ServerError> {
        let log = self.dir.path().join("log");
        let file = std::fs::File::create(&log).map_err(|e| failed("making the log", &e))?;
        let also = file.try_clone().map_err(|e| failed("making the log", &e))?;
        let fsync = if self.options.fsync { "fsync=on" } else { "fsync=off" };
        let child = self
            .command("postgres")?
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.dir.path())
            .args(["-c", "listen_addresses=", "-c", fsync, "-c", "max_connections=200"])
            .stdout(file)
            .stderr(also)
            .spawn()
            .map_err(|e| failed("starting postgres", &e))?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        self.wait(&log)
    }

    /// `pg_isready` waits by itself for at most a second; the server has a minute to recover from a crash.
    fn wait(&self, log: &Path) -> Result<(), ServerError> {
        for _ in 0..600 {
            // A connection that does nothing for a tenth of a second is the pause between two looks.
            let ready = self.psql("postgres", "SELECT 1").is_ok();
            if ready {
                return Ok(());
            }
            let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = match process.as_mut().map(Child::try_wait) {
                Some(Ok(None)) => false,
                Some(Ok(Some(_)) | Err(_)) | None => true,
            };
            if ended {
                break;
            }
            let _ = Command::new("sleep").arg("0.1").status();
        }
        Err(ServerError {
            step: "waiting for postgres",
            output: std::fs::read_to_string(log).unwrap_or_default(),
        })
    }

    /// Runs one statement and answers its output.
    ///
    /// # Errors
    /// [`ServerError`] with what `psql` said.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, ServerError> {
        let output = Command::new(self.tools.join("psql"))
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--username=fleetwright",
            ])
            .arg("--host")
            .arg(self.dir.path())
            .args(["--dbname", database, "--command", sql])
            .stdin(Stdio::null())
            .output()
            .map_err(|e| failed("psql", &e))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        check("psql", Ok(output))?;
        Ok(text)
    }

    /// Makes an empty database and answers its address.
    ///
    /// # Errors
    /// [`ServerError`] when the server refuses.
    pub fn database(&self) -> Result<String, ServerError> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"))?;
        let host = self.dir.path().display();
        Ok(format!("postgres:///{name}?host={host}&user=fleetwright"))
    }

    /// Kills the server with all its processes as the loss of power would, without any clean-up.
    ///
    /// # Errors
    /// [`ServerError`] when they cannot be killed.
    pub fn crash(&self) -> Result<(), ServerError> {
        let Some(mut child) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let parent = child.id().to_string();
        // Backends first look at their parent when it is gone; killed with it they get no chance to write anything.
        let children = Command::new("pgrep").args(["-P", &parent]).output();
        let children = children.map_err(|e| failed("pgrep", &e))?;
        let mut pids = vec![parent];
        pids.extend(
            String::from_utf8_lossy(&children.stdout)
                .split_whitespace()
                .map(ToOwned::to_owned),
        );
        // A backend may end between the two; that the postmaster is dead is what counts, and is waited for.
        let _ = Command::new("kill").arg("-9").args(&pids).output();
        child.wait().map(drop).map_err(|e| failed("killing postgres", &e))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT to the postmaster ends all backends at once; the data is thrown away anyhow.
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = process {
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
        if let Some(mut watchdog) = self.watchdog.take() {
            drop(watchdog.stdin.take());
            let _ = watchdog.wait();
        }
    }
}

static SHARED: OnceLock<Option<Server>> = OnceLock::new();

/// An empty database on a server that all tests of the process share (without fsync); [`None`] when PostgreSQL is not
/// installed.
///
/// # Errors
/// [`ServerError`] when the server could not be started or refuses to make the database.
pub fn fresh_database() -> Result<Option<String>, ServerError> {
    // A failure to start is not kept: the next test tries again and reports it as well.
    if SHARED.get().is_none() {
        static STARTING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if SHARED.get().is_none() {
            let server = Server::start(Options { fsync: false })?;
            let _ = SHARED.set(server);
        }
    }
    SHARED.get().and_then(Option::as_ref).map(Server::database).transpose()
}

/// A static server is never dropped, and a killed test drops nothing, so a process of its own cleans up.
fn watchdog(dir: &Path) -> Result<Child, ServerError> {
    // An interrupt of the terminal reaches it too, and must not keep it from its work.
    let script = r#"trap '' INT TERM HUP
        read -r _
        pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
        while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        rm -rf "$0""#;
    Command::new("sh")
        .args(["-c", script])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed("starting the watchdog", &e))
}

fn failed(step: &'static str, error: &dyn std::error::Error) -> ServerError {
    ServerError {
        step,
        output: error.to_string(),
    }
}

fn check(step: &'static str, output: io::Result<Output>) -> Result<(), ServerError> {
    let output = output.map_err(|e| failed(step, &e))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ServerError {
        step,
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn is_root() -> Result<bool, ServerError> {
    let output = Command::new("id").arg("-u").output().map_err(|e| failed("id", &e))?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// The user that runs the server in place of root: its own, where its package made one.
fn unprivileged() -> Result<String, ServerError> {
    for user in ["postgres", "nobody"] {
        let output = Command::new("id").args(["-u", user]).output();
        let output = output.map_err(|e| failed("id", &e))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
    }
    Err(ServerError {
        step: "finding an unprivileged user",
        output: "there is neither `postgres` nor `nobody`".to_owned(),
    })
}

/// The newest installed version; Debian keeps the server's programs out of PATH.
fn find_tools() -> Option<PathBuf> {
    let complete = |dir: &PathBuf| {
        ["initdb", "postgres", "psql"]
            .iter()
            .all(|tool| dir.join(tool).is_file())
    };
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .map(|entry| {
            let version = entry.file_name().to_str().and_then(|v| v.parse().ok()).unwrap_or(0);
            (version, entry.path().join("bin"))
        })
        .filter(|(_, dir)| complete(dir))
        .collect();
    found.sort();
    found.pop().map(|(_, dir)| dir).or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path: &OsStr = &path;
        std::env::split_paths(path).find(complete)
    })
}
