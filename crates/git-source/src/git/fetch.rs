//! Fetching with prune, and building a mirror anew when it cannot be used.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gix::bstr::BString;
use gix::credentials::helper::Action;
use gix::credentials::protocol::Outcome;
use gix::progress::Discard;
use gix::refs::FullName;
use gix::refs::transaction::{PreviousValue, RefEdit};
use gix::remote::fetch::refs::update::Mode;
use gix::remote::fetch::{RefMap, Status, Tags};
use gix::remote::{Direction, ref_map};
use gix::{Repository, sec::identity::Account};
use ports::config_source::{ConfigSourceError, Refreshed};

use super::Shared;
use super::snapshot::{BRANCHES, Snapshot, TAGS};

/// What went wrong with a fetch decides what helps.
enum FetchError {
    /// The origin did not answer or refused: trying again later may help.
    Origin(gix::Error),
    /// The mirror could not take what came, or could not be read: building it anew may help.
    Mirror(gix::Error),
}

impl Shared {
    /// Brings the mirror up to date and publishes what it holds then. Blocks on network and disk; the caller holds both locks.
    pub(super) fn fetch(&self, stop: &AtomicBool) -> Result<Refreshed, ConfigSourceError> {
        let before = self.current();
        let rebuilt = self.fetch_or_rebuild(before.as_deref(), stop)?;
        let opened = self
            .mirror
            .open()
            .map_err(|error| self.local("opening the mirror", error))?;
        let snapshot =
            Snapshot::take(opened).map_err(|error| self.local("reading the references of the mirror", error))?;
        let changes = snapshot.changes_since(before.as_deref());
        // An unchanged snapshot keeps its caches and the files that it has open.
        let keep = before.is_some_and(|before| !before.is_distrusted());
        if !keep || rebuilt.is_some() || !changes.is_empty() {
            self.publish(Arc::new(snapshot));
        }
        Ok(Refreshed { changes, rebuilt })
    }

    /// Fetches into the mirror, or into a new one if there is none or if it is not sound; returns the reason for the latter.
    fn fetch_or_rebuild(
        &self,
        before: Option<&Snapshot>,
        stop: &AtomicBool,
    ) -> Result<Option<String>, ConfigSourceError> {
        if !self.mirror.exists() {
            self.rebuild(stop)?;
            return Ok(before.map(|_| "it was gone".to_owned()));
        }
        let repo = match self.mirror.open() {
            Ok(repo) => repo.to_thread_local(),
            Err(error) => return self.rebuild_because(format!("it could not be opened: {error}"), stop),
        };
        if before.is_some_and(Snapshot::is_distrusted)
            && let Err(error) = check_everything(&repo)
        {
            return self.rebuild_because(format!("an object could not be read: {error}"), stop);
        }
        match self.fetch_into(&repo, stop) {
            Ok(()) => {}
            Err(FetchError::Origin(error)) => return Err(self.origin_error(error, stop)),
            Err(FetchError::Mirror(error)) if stop.load(Ordering::Relaxed) => {
                return Err(self.origin_error(error, stop));
            }
            Err(FetchError::Mirror(error)) => match check_history(&repo) {
                Ok(()) => return Err(self.origin_error(error, stop)),
                Err(broken) => return self.rebuild_because(format!("its history could not be read: {broken}"), stop),
            },
        }
        if let Err(error) = check_tips(&repo) {
            return self.rebuild_because(format!("a commit could not be read: {error}"), stop);
        }
        if self.mirror.is_scattered() {
            drop(repo);
            return self.rebuild_because("it had too many packs".to_owned(), stop);
        }
        Ok(None)
    }

    fn rebuild_because(&self, reason: String, stop: &AtomicBool) -> Result<Option<String>, ConfigSourceError> {
        self.rebuild(stop)?;
        Ok(Some(reason))
    }

    /// Fetches everything into a new repository, which takes the mirror's place only once it is complete.
    fn rebuild(&self, stop: &AtomicBool) -> Result<(), ConfigSourceError> {
        let repo = self
            .mirror
            .create_new()
            .map_err(|error| self.local("making a new mirror", error))?;
        match self.fetch_into(&repo, stop) {
            Ok(()) => {}
            Err(FetchError::Origin(error) | FetchError::Mirror(error)) => return Err(self.origin_error(error, stop)),
        }
        check_tips(&repo).map_err(|error| self.local("checking a new mirror", error))?;
        self.mirror
            .replace(repo)
            .map_err(|error| self.local("putting a new mirror in place", error))
    }

    fn origin_error(&self, error: gix::Error, stop: &AtomicBool) -> ConfigSourceError {
        if stop.load(Ordering::Relaxed) {
            self.timeout()
        } else {
            self.unreachable(error)
        }
    }

    /// One fetch of all branches and tags, with prune.
    fn fetch_into(&self, repo: &Repository, stop: &AtomicBool) -> Result<(), FetchError> {
        let specs = [format!("+refs/heads/*:{BRANCHES}*"), format!("+refs/tags/*:{TAGS}*")];
        let remote = repo
            .remote_at(self.location.url().clone())
            .map_err(FetchError::Mirror)?
            .with_fetch_tags(Tags::None)
            .with_refspecs(specs.iter().map(|spec| BString::from(spec.as_str())), Direction::Fetch)
            .map_err(FetchError::Mirror)?;
        let connection = remote.connect(Direction::Fetch).map_err(FetchError::Origin)?;
        let connection = connection.with_credentials(|action| self.credentials(action));
        let prepared = connection
            .prepare_fetch(Discard, ref_map::Options::default())
            .map_err(FetchError::Origin)?;
        // Before new references are written: one that went away may stand in the way of one below it (`a` and `a/b`).
        prune(repo, prepared.ref_map()).map_err(FetchError::Mirror)?;
        let outcome = prepared
            .with_write_packed_refs_only(true)
            .receive(Discard, stop)
            .map_err(FetchError::Mirror)?;
        let (Status::NoPackReceived { update_refs, .. } | Status::Change { update_refs, .. }) = &outcome.status;
        match update_refs
            .updates
            .iter()
            .map(|update| &update.mode)
            .find(|mode| !is_success(mode))
        {
            Some(mode) => Err(FetchError::Mirror(gix::Error::from_error(std::io::Error::other(
                mode.to_string(),
            )))),
            None => Ok(()),
        }
    }

    /// Answers a server that asks who we are. There is nobody to ask for a password, and no helper is started. The network
    /// library itself refuses to send an answer over plain `http`.
    pub(super) fn credentials(&self, action: Action) -> gix::Result<Option<Outcome>> {
        // What was good is not stored, and what was bad is not erased: the file belongs to the operator.
        let Action::Get(context) = action else { return Ok(None) };
        let refuse = |text: String| Err(gix::Error::from_error(std::io::Error::other(text)));
        let url = self.location.url();
        if url.scheme == gix::url::Scheme::Ssh {
            return refuse("ssh was denied permission: the server knows no key that was offered".to_owned());
        }
        let password = match &self.options.token_file {
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) => text.trim().to_owned(),
                Err(error) => return refuse(format!("cannot read the token file {}: {error}", path.display())),
            },
            None => match url.password() {
                Some(password) => password.to_owned(),
                None => return refuse("the server asks for credentials, and no token file is set".to_owned()),
            },
        };
        // Services that take a token accept any user name with it; this one is the most usual.
        let username = url.user().unwrap_or("x-access-token").to_owned();
        let identity = Account {
            username,
            password,
            oauth_refresh_token: None,
        };
        Ok(Some(Outcome {
            identity,
            next: context.into(),
        }))
    }
}

fn is_success(mode: &Mode) -> bool {
    matches!(
        mode,
        Mode::NoChangeNeeded | Mode::FastForward | Mode::Forced | Mode::New | Mode::ImplicitTagNotSentByRemote
    )
}

/// Removes branches and tags that the origin no longer has.
fn prune(repo: &Repository, remote: &RefMap) -> gix::Result<()> {
    let wanted: BTreeSet<&BString> = remote
        .mappings
        .iter()
        .filter_map(|mapping| mapping.local.as_ref())
        .collect();
    let mut gone: Vec<FullName> = Vec::new();
    for prefix in [BRANCHES, TAGS] {
        for reference in repo.references()?.prefixed(prefix)? {
            let name = reference?.name().to_owned();
            if !wanted.contains(&BString::from(name.as_bstr())) {
                gone.push(name);
            }
        }
    }
    if !gone.is_empty() {
        repo.edit_references(gone.into_iter().map(|name| RefEdit::delete(name, PreviousValue::Any)))?;
    }
    Ok(())
}

/// Reads the commit and root tree of every branch and tag.
fn check_tips(repo: &Repository) -> gix::Result<()> {
    for tip in tips(repo)? {
        if let Ok(commit) = repo.find_object(tip)?.peel_to_commit() {
            commit.tree()?;
        }
    }
    Ok(())
}

/// Reads every commit that a branch or tag reaches.
fn check_history(repo: &Repository) -> gix::Result<()> {
    check_tips(repo)?;
    for commit in repo.rev_walk(commits(repo)?).all()? {
        commit?;
    }
    Ok(())
}

/// Reads every file of every branch and tag, each once, besides all history.
fn check_everything(repo: &Repository) -> gix::Result<()> {
    check_history(repo)?;
    let mut seen = BTreeSet::new();
    for commit in commits(repo)? {
        let mut pending = vec![repo.find_commit(commit)?.tree_id()?.detach()];
        while let Some(tree) = pending.pop() {
            for entry in repo.find_tree(tree)?.iter() {
                let entry = entry?;
                if entry.mode().is_commit() || !seen.insert(entry.object_id()) {
                    continue;
                }
                if entry.mode().is_tree() {
                    pending.push(entry.object_id());
                } else {
                    repo.find_object(entry.object_id())?;
                }
            }
        }
    }
    Ok(())
}

fn tips(repo: &Repository) -> gix::Result<Vec<gix::ObjectId>> {
    let mut tips = Vec::new();
    for prefix in [BRANCHES, TAGS] {
        for reference in repo.references()?.prefixed(prefix)? {
            tips.extend(reference?.try_id().map(gix::Id::detach));
        }
    }
    Ok(tips)
}

/// The commits that branches and tags stand for.
fn commits(repo: &Repository) -> gix::Result<Vec<gix::ObjectId>> {
    let mut commits = Vec::new();
    for tip in tips(repo)? {
        // A tag may name a file or a tree, which is no channel.
        if let Ok(commit) = repo.find_object(tip)?.peel_to_commit() {
            commits.push(commit.id);
        }
    }
    Ok(commits)
}
