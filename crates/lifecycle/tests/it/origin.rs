//! Real git repositories, made for a test with the git program and removed with it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use git_source::{GitLocation, GitOptions, GitSource, TreeOptions};
use model::config_tree::ConfigTree;
use ports::config_source::{ConfigSource, SourceName};
use tempfile::TempDir;

/// A bare repository that others fetch from, and a work tree that pushes to it.
pub(crate) struct Origin {
    dir: TempDir,
    bare: PathBuf,
}

/// Whether there is a git program; says so when there is none.
pub(crate) fn can_git() -> bool {
    let found = Command::new("git").arg("--version").stdout(Stdio::null()).status();
    let can = found.is_ok_and(|status| status.success());
    if !can {
        println!("passing over a test with a real repository: there is no git program here");
    }
    can
}

impl Origin {
    /// An empty repository in a folder of its own; its last path element is `name`.
    pub(crate) fn new(name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let bare = dir.path().join(name);
        let origin = Self { dir, bare };
        origin.git(&["init", "-q", "--bare", origin.bare.to_str().unwrap()]);
        let work = origin.work();
        origin.git(&["init", "-q", "-b", "dev", work.to_str().unwrap()]);
        origin
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn git(&self, arguments: &[&str]) -> String {
        // Nothing of the machine's or the user's configuration counts, and times are fixed.
        let date = "2023-11-14T22:13:20Z";
        let output = Command::new("git")
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "alice"), ("GIT_AUTHOR_EMAIL", "alice@example.org")])
            .envs([
                ("GIT_COMMITTER_NAME", "alice"),
                ("GIT_COMMITTER_EMAIL", "alice@example.org"),
            ])
            .envs([("GIT_AUTHOR_DATE", date), ("GIT_COMMITTER_DATE", date)])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits exactly the files of a tree, pushes them to a branch, and answers the id of the commit.
    pub(crate) fn commit(&self, branch: &str, tree: &ConfigTree) -> String {
        let work = self.work();
        let at = work.to_str().unwrap();
        let _ = std::fs::remove_dir_all(work.join("cluster"));
        for path in tree.files.keys() {
            let file = work.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, tree.text(path).unwrap()).unwrap();
        }
        self.git(&["-C", at, "add", "-A"]);
        self.git(&["-C", at, "commit", "-q", "--allow-empty", "-m", &tree.id]);
        let head = format!("HEAD:refs/heads/{branch}");
        self.git(&["-C", at, "push", "-q", "-f", self.bare.to_str().unwrap(), &head]);
        self.git(&["-C", at, "rev-parse", "HEAD"])
    }

    /// Puts a branch at a commit, whatever it was at, as somebody at a keyboard does.
    pub(crate) fn point(&self, branch: &str, commit: &str) {
        let bare = self.bare.to_str().unwrap();
        self.git(&["-C", bare, "update-ref", &format!("refs/heads/{branch}"), commit]);
    }

    /// Where a branch is.
    pub(crate) fn tip(&self, branch: &str) -> String {
        let bare = self.bare.to_str().unwrap();
        self.git(&["-C", bare, "rev-parse", &format!("refs/heads/{branch}")])
    }

    /// A source that can also move branches.
    pub(crate) fn git_source(&self) -> Arc<GitSource> {
        Arc::new(GitSource::new(
            SourceName::new("main").unwrap(),
            GitLocation::parse(self.bare.to_str().unwrap()).unwrap(),
            GitOptions::new(self.dir.path().join("cache")),
            TreeOptions::default(),
        ))
    }

    /// A source that fetches from here into a cache that may be shared with others.
    pub(crate) fn source_in(&self, name: &str, cache: PathBuf) -> Arc<dyn ConfigSource> {
        Arc::new(GitSource::new(
            SourceName::new(name).unwrap(),
            GitLocation::parse(self.bare.to_str().unwrap()).unwrap(),
            GitOptions::new(cache),
            TreeOptions::default(),
        ))
    }

    pub(crate) fn source(&self) -> Arc<dyn ConfigSource> {
        self.source_in("main", self.dir.path().join("cache"))
    }
}
