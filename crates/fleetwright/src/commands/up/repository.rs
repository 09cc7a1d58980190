//! The demo's configuration: a real git repository with a branch for each channel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use web::ChannelHead;

use crate::commands::up::example;
use crate::failure::Failure;

/// The channels, in the order in which a change travels.
pub(super) const CHANNELS: [&str; 4] = ["dev", "alpha", "beta", "stable"];
/// Names the commit of the first update.
const FIRST_UPDATE: &str = "first-update";
/// Names the commit that the fleet begins at.
const BEGINNING: &str = "beginning";

/// What a repository begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// The example fleet, a release ago, and on `dev` the update to now.
    Demo,
    /// One object, to show how it is done.
    Minimal,
}

/// A configuration that every cluster can take.
const MINIMAL: &[(&str, &str)] = &[
    (
        "cluster/config-defaults.yaml",
        "# Defaults of config items. Templates read them as .Cluster.ConfigItems.KEY; the registry entry of a cluster wins.\ngreeting: hello\n",
    ),
    (
        "cluster/cluster.yaml",
        "# The main stack of clusters in a cloud. Clusters that others built have none, and what stands here is left alone.\nResources: {}\n",
    ),
    (
        "cluster/manifests/example/greeting.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: fleetwright-greeting\n  namespace: default\ndata:\n  greeting: \"{{ .Cluster.ConfigItems.greeting }} {{ .Cluster.Alias }}\"\n",
    ),
];

/// A repository with a work tree, which the user commits to.
#[derive(Debug, Clone)]
pub(super) struct Repository(PathBuf);

impl Repository {
    /// Opens the repository in this folder; makes it with this content first if it is not there.
    ///
    /// # Errors
    /// When git is missing or the folder is not usable.
    pub(super) fn open(folder: &Path, content: Content) -> Result<Self, Failure> {
        let this = Self(folder.to_owned());
        if folder.exists() {
            return match this.commit(BEGINNING) {
                Some(_) => Ok(this),
                None => {
                    let failure = Failure::new(format!(
                        "{}: is there and is not the demo's repository",
                        folder.display()
                    ));
                    Err(failure.hint("--data takes another directory"))
                }
            };
        }
        // Made beside its place and moved there when it is whole: a start that was cut leaves no half of it.
        let begun = Self(folder.with_extension("begun"));
        let failed = |error| Failure::new(format!("{}: {error}", begun.0.display()));
        if begun.0.exists() {
            std::fs::remove_dir_all(&begun.0).map_err(failed)?;
        }
        begun.make(content)?;
        std::fs::rename(&begun.0, folder).map_err(failed)?;
        Ok(this)
    }

    fn make(&self, content: Content) -> Result<(), Failure> {
        match content {
            Content::Demo => self.write(example::FILES, example::earlier)?,
            Content::Minimal => self.write(MINIMAL, str::to_owned)?,
        }
        self.git(&["init", "--quiet", "--initial-branch=dev"])?;
        // Commits work on a machine where nobody has told git a name yet.
        self.git(&["config", "user.name", "fleetwright up"])?;
        self.git(&["config", "user.email", "up@fleetwright.invalid"])?;
        self.git(&["config", "commit.gpgsign", "false"])?;
        // The tour edits by `sed -i.bak`, which works on every system and leaves these behind.
        self.write(&[(".git/info/exclude", "*.bak\n")], str::to_owned)?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message=The beginning"])?;
        for channel in CHANNELS.iter().skip(1) {
            self.git(&["branch", channel])?;
        }
        self.git(&["tag", BEGINNING])?;
        if content == Content::Demo {
            self.write(example::FILES, str::to_owned)?;
            let message = "--message=A newer DNS server and node image";
            self.git(&["commit", "--quiet", "--all", message])?;
            self.git(&["tag", FIRST_UPDATE])?;
        }
        Ok(())
    }

    fn write(&self, files: &[(&str, &str)], text: impl Fn(&str) -> String) -> Result<(), Failure> {
        for (path, content) in files {
            let path = self.0.join(path);
            let failed = |error| Failure::new(format!("{}: {error}", path.display()));
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            std::fs::write(&path, text(content)).map_err(failed)?;
        }
        Ok(())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The commit that the fleet begins at.
    pub(super) fn beginning(&self) -> Option<String> {
        self.commit(BEGINNING)
    }

    /// The commit of the first update.
    pub(super) fn first_update(&self) -> Option<String> {
        self.commit(FIRST_UPDATE)
    }

    /// The commit that a branch or tag stands at.
    pub(super) fn commit(&self, name: &str) -> Option<String> {
        let spec = format!("{name}^{{commit}}");
        let found = self.git(&["rev-parse", "--quiet", "--verify", &spec]).ok()?;
        Some(found.trim().to_owned())
    }

    /// What each branch stands at: another answer means that somebody committed.
    pub(super) fn heads(&self) -> Option<BTreeMap<String, ChannelHead>> {
        let format = "--format=%(refname:short)%09%(objectname)%09%(committerdate:unix)%09%(subject)";
        let text = self.git(&["for-each-ref", format, "refs/heads"]).ok()?;
        let head = |line: &str| {
            let mut parts = line.splitn(4, '\t');
            let (name, commit, seconds) = (parts.next()?, parts.next()?, parts.next()?);
            let head = ChannelHead {
                config: commit.to_owned(),
                summary: parts.next().map(str::to_owned),
                committed_at: seconds.parse().ok().and_then(|at| Timestamp::from_second(at).ok()),
            };
            Some((name.to_owned(), head))
        };
        Some(text.lines().filter_map(head).collect())
    }

    /// Moves a channel from the beginning to the first update; nothing happens if somebody moved it elsewhere.
    pub(super) fn promote(&self, channel: &str) -> Result<(), Failure> {
        let branch = format!("refs/heads/{channel}");
        let (Some(new), Some(old)) = (self.first_update(), self.beginning()) else {
            return Ok(());
        };
        self.git(&["update-ref", &branch, &new, &old]).map(drop)
    }

    fn git(&self, args: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new("git");
        // Another repository that the caller's shell is in must not be taken for this one.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        let ceiling = self.0.parent().unwrap_or(&self.0);
        command.env("GIT_CEILING_DIRECTORIES", ceiling);
        let output = command.arg("-C").arg(&self.0).args(args).output().map_err(|error| {
            Failure::new(format!("git: {error}"))
                .hint("the demo keeps its configuration in a git repository: install git")
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().next().unwrap_or("failed").to_owned();
        Err(Failure::new(format!("git in {}: {line}", self.0.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_begins_with_an_update_on_dev_that_can_travel() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::open(&folder.path().join("fleet"), Content::Demo).unwrap();
        let (begin, first) = (repository.beginning(), repository.first_update());
        assert!(begin.is_some() && begin != first);
        let stands = |channel: &str| repository.commit(&format!("refs/heads/{channel}"));
        assert_eq!(
            CHANNELS.map(stands),
            [first.clone(), begin.clone(), begin.clone(), begin]
        );
        let heads = repository.heads();
        repository.promote("alpha").unwrap();
        assert_eq!(stands("alpha"), first);
        assert_ne!(repository.heads(), heads);
        assert!(repository.promote("alpha").is_err(), "it stands there already");
        // It is opened again as it is.
        let again = Repository::open(repository.path(), Content::Demo).unwrap();
        assert_eq!(again.commit("refs/heads/alpha"), first);
    }
}
