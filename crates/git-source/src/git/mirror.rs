//! The mirror on disk: `<cache>/<name>-<hash>/mirror.git`, and a lock file beside it.
//!
//! A first fetch goes into a directory of its own that takes the mirror's place only when it is complete. So a mirror that
//! exists was whole once, and a crash leaves nothing but a directory that the next fetch removes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use gix::bstr::BString;
use gix::open::Options;
use gix::{Repository, ThreadSafeRepository};

use super::GitOptions;
use crate::location::GitLocation;

/// Each fetch with news adds a pack. Beyond this many a fresh mirror is cheaper than searching them all.
const MAX_PACKS: usize = 60;
/// Packs that an open repository can take up; far above [`MAX_PACKS`], since the number is fixed when opening.
const PACK_SLOTS: u16 = 512;
/// Beginnings of directory names that a crash may leave behind.
const LEFTOVERS: [&str; 2] = ["new-", "old-"];

/// Place and options of a mirror; opens, replaces and tidies it.
#[derive(Debug)]
pub(super) struct Mirror {
    root: PathBuf,
    overrides: Vec<BString>,
}

/// Holds other processes off the mirror until it is dropped.
#[derive(Debug)]
pub(super) struct MirrorLock {
    _file: File,
}

impl Mirror {
    pub(super) fn new(root: PathBuf, location: &GitLocation, options: &GitOptions) -> Self {
        Self {
            root,
            overrides: overrides(location, options),
        }
    }

    fn path(&self) -> PathBuf {
        self.root.join("mirror.git")
    }

    pub(super) fn exists(&self) -> bool {
        self.path().exists()
    }

    /// Opens the mirror with nothing but our own options: the settings of the machine and of its users stay out.
    pub(super) fn open(&self) -> gix::Result<ThreadSafeRepository> {
        self.options().open(self.path())
    }

    /// Makes an empty repository beside the mirror, to be filled and then put in its place by [`Mirror::replace`].
    pub(super) fn create_new(&self) -> gix::Result<Repository> {
        let path = self.root.join(format!("new-{}.git", std::process::id()));
        let create = gix::create::Options::default();
        let repo = ThreadSafeRepository::init_opts(path, gix::create::Kind::Bare, create, self.options())?;
        Ok(repo.to_thread_local())
    }

    /// Puts a filled repository in the mirror's place. Readers of the old one keep what they have open and then find the new one.
    pub(super) fn replace(&self, new: Repository) -> io::Result<()> {
        let new_path = new.git_dir().to_owned();
        drop(new);
        let old_path = self.root.join(format!("old-{}.git", std::process::id()));
        if self.exists() {
            fs::rename(self.path(), &old_path)?;
        }
        fs::rename(&new_path, self.path())?;
        remove(&old_path)
    }

    /// Takes the mirror for this process, unless another one fetches into it, and removes what a crash left behind.
    pub(super) fn try_lock(&self) -> io::Result<Option<MirrorLock>> {
        fs::create_dir_all(&self.root)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join("lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name();
            if LEFTOVERS
                .iter()
                .any(|prefix| name.to_string_lossy().starts_with(prefix))
            {
                remove(&entry.path())?;
            }
        }
        if self.exists() {
            remove_stale_locks(&self.path())?;
        }
        Ok(Some(MirrorLock { _file: file }))
    }

    /// Whether so many packs came together that the mirror should be made anew.
    pub(super) fn is_scattered(&self) -> bool {
        let Ok(entries) = fs::read_dir(self.path().join("objects/pack")) else {
            return false;
        };
        let packs = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|ext| ext == "pack"));
        packs.count() > MAX_PACKS
    }

    fn options(&self) -> Options {
        Options::isolated()
            .with(gix::sec::Trust::Full)
            .open_path_as_is(true)
            .object_store_slots(gix::odb::store::init::Slots::Given(PACK_SLOTS))
            .config_overrides(self.overrides.iter().cloned())
    }
}

/// Removes lock files of references that a killed process left. We hold the mirror's own lock, so none is in use.
fn remove_stale_locks(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, file_type) = (entry.path(), entry.file_type()?);
        let is_objects = path.file_name().is_some_and(|name| name == "objects");
        if file_type.is_dir() && !is_objects {
            remove_stale_locks(&path)?;
        } else if file_type.is_file() && path.extension().is_some_and(|ext| ext == "lock") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Git settings of a mirror.
fn overrides(location: &GitLocation, options: &GitOptions) -> Vec<BString> {
    let mut settings = vec![
        "gitoxide.http.connectTimeout=20000".to_owned(),
        // Only protocols that a location can have; a redirect or a setting cannot start a program.
        "protocol.allow=never".to_owned(),
        format!("protocol.{}.allow=always", location.url().scheme.as_str()),
    ];
    if location.url().scheme == gix::url::Scheme::Ssh {
        settings.push(format!("core.sshCommand={}", ssh_command(options)));
        settings.push("ssh.variant=ssh".to_owned());
    }
    settings.into_iter().map(BString::from).collect()
}

/// `ssh` that refuses unknown hosts, never asks, and gives up on a silent peer.
fn ssh_command(options: &GitOptions) -> String {
    let mut command = "ssh -o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=20 \
                       -o ServerAliveInterval=15 -o ServerAliveCountMax=2"
        .to_owned();
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"));
    if let Some(key) = &options.ssh_private_key {
        command.push_str(&format!(" -o IdentitiesOnly=yes -i {}", quoted(key)));
    }
    if let Some(hosts) = &options.ssh_known_hosts {
        command.push_str(&format!(" -o UserKnownHostsFile={}", quoted(hosts)));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(location: &str, options: &GitOptions) -> Vec<String> {
        let location = GitLocation::parse(location).unwrap();
        overrides(&location, options)
            .into_iter()
            .map(|setting| setting.to_string())
            .collect()
    }

    #[test]
    fn ssh_checks_host_keys_and_never_asks() {
        let mut options = GitOptions::new("/cache");
        options.ssh_private_key = Some("/keys/it's".into());
        options.ssh_known_hosts = Some("/keys/known hosts".into());
        let settings = settings("git@example.org:a/b.git", &options);
        let command = settings
            .iter()
            .find(|setting| setting.starts_with("core.sshCommand=ssh "))
            .unwrap();
        for part in [
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            r"-i '/keys/it'\''s'",
            "UserKnownHostsFile='/keys/known hosts'",
        ] {
            assert!(command.contains(part), "{part}: {command}");
        }
        assert!(settings.contains(&"protocol.ssh.allow=always".to_owned()));
    }

    #[test]
    fn other_protocols_start_no_ssh() {
        let settings = settings("https://example.org/a.git", &GitOptions::new("/cache"));
        assert!(!settings.iter().any(|setting| setting.contains("ssh")));
        assert!(settings.contains(&"protocol.allow=never".to_owned()));
    }
}
