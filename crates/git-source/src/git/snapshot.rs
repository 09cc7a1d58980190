//! What one fetch brought: branches and tags at that moment, and the object database that they live in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix::{ObjectId, Repository, ThreadSafeRepository};
use jiff::Timestamp;
use ports::config_source::{
    Channel, ChannelChange, ChannelInfo, ChannelKind, ConfigSourceError, ConfigVersion, SourceName,
};

use crate::near::near_names;

/// Where the mirror keeps branches. Not `refs/heads`, so that no branch ever counts as checked out.
pub(super) const BRANCHES: &str = "refs/remotes/origin/";
/// Where the mirror keeps tags.
pub(super) const TAGS: &str = "refs/tags/";
/// Shortest abbreviation of a commit id, as in git.
const MIN_ABBREVIATION: usize = 4;
/// Length of a commit id in hexadecimal digits.
const FULL_ID: usize = 40;
/// How many commits an ambiguous abbreviation lists.
const CANDIDATES: usize = 5;

/// Branches and tags by name, with the commits that they stand for.
#[derive(Debug)]
pub(super) struct Snapshot {
    repo: ThreadSafeRepository,
    branches: BTreeMap<String, ObjectId>,
    tags: BTreeMap<String, ObjectId>,
    /// All reachable commits in order, found when a commit is first asked for.
    reachable: Mutex<Option<Arc<[ObjectId]>>>,
    distrusted: AtomicBool,
}

impl Snapshot {
    /// Reads the references of a mirror.
    pub(super) fn take(shared: ThreadSafeRepository) -> gix::Result<Self> {
        let repo = shared.to_thread_local();
        let (branches, tags) = (names(&repo, BRANCHES)?, names(&repo, TAGS)?);
        Ok(Self {
            repo: shared,
            branches,
            tags,
            reachable: Mutex::new(None),
            distrusted: AtomicBool::new(false),
        })
    }

    /// A handle of its own for the calling thread.
    pub(super) fn repo(&self) -> Repository {
        self.repo.to_thread_local()
    }

    pub(super) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::Relaxed)
    }

    /// All branches and tags in name order; a tag hides a branch of the same name, as in [`Snapshot::resolve`].
    pub(super) fn channels(&self) -> Vec<ChannelInfo> {
        let mut channels = BTreeMap::new();
        for (kind, names) in [(ChannelKind::Branch, &self.branches), (ChannelKind::Tag, &self.tags)] {
            for (name, commit) in names {
                // Git allows a few names that no channel may have; they cannot be followed, so they are not listed.
                if let Ok(channel) = Channel::new(name.as_str()) {
                    channels.insert(
                        name,
                        ChannelInfo {
                            channel,
                            kind,
                            version: commit.to_string(),
                        },
                    );
                }
            }
        }
        channels.into_values().collect()
    }

    /// What appeared, moved or went away; everything, if there was nothing before.
    pub(super) fn changes_since(&self, before: Option<&Self>) -> Vec<ChannelChange> {
        let mut channels: BTreeMap<Channel, (Option<ChannelInfo>, Option<ChannelInfo>)> = BTreeMap::new();
        for info in before.map(Self::channels).unwrap_or_default() {
            let channel = info.channel.clone();
            channels.entry(channel).or_default().0 = Some(info);
        }
        for info in self.channels() {
            let channel = info.channel.clone();
            channels.entry(channel).or_default().1 = Some(info);
        }
        let change = |(channel, (from, to)): (Channel, (Option<ChannelInfo>, Option<ChannelInfo>))| {
            let kind = to.as_ref().or(from.as_ref())?.kind;
            let (from, to) = (from.map(|info| info.version), to.map(|info| info.version));
            (from != to).then_some(ChannelChange {
                channel,
                kind,
                from,
                to,
            })
        };
        channels.into_iter().filter_map(change).collect()
    }

    /// The commit of a channel. The order is git's own: a full commit id, a tag, a branch, an abbreviated commit id; so a
    /// channel means here what it means in the compatible system.
    pub(super) fn resolve(&self, source: &SourceName, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        let text = channel.as_str();
        let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let commit = if hex && text.len() == FULL_ID {
            self.full_commit(source, channel)?
        } else if let Some(commit) = self.named(text) {
            commit
        } else if hex && (MIN_ABBREVIATION..FULL_ID).contains(&text.len()) {
            self.abbreviated_commit(source, channel)?
        } else {
            return Err(self.unknown(source, channel));
        };
        self.describe(commit)
            .map_err(|error| local(source, "reading a commit", error))
    }

    /// A tag or branch, also with the leading parts that git knows.
    fn named(&self, text: &str) -> Option<ObjectId> {
        let plain = self.tags.get(text).or_else(|| self.branches.get(text));
        let tag = || {
            let name = text.strip_prefix("refs/tags/").or_else(|| text.strip_prefix("tags/"))?;
            self.tags.get(name)
        };
        let branch = || {
            let name = text
                .strip_prefix("refs/heads/")
                .or_else(|| text.strip_prefix("heads/"))?;
            self.branches.get(name)
        };
        plain.or_else(tag).or_else(branch).copied()
    }

    fn full_commit(&self, source: &SourceName, channel: &Channel) -> Result<ObjectId, ConfigSourceError> {
        let Ok(commit) = ObjectId::from_hex(channel.as_str().as_bytes()) else {
            return Err(self.unknown(source, channel));
        };
        if self.reachable(source)?.binary_search(&commit).is_ok() {
            return Ok(commit);
        }
        // It may be left in the mirror from a branch that is gone. Another replica would not have it, so it does not count.
        if self.repo().find_commit(commit).is_ok() {
            let commit = commit.to_string();
            return Err(ConfigSourceError::UnreachableCommit {
                source_name: source.clone(),
                commit,
            });
        }
        Err(self.unknown(source, channel))
    }

    fn abbreviated_commit(&self, source: &SourceName, channel: &Channel) -> Result<ObjectId, ConfigSourceError> {
        let prefix = channel.as_str().to_ascii_lowercase();
        let Ok(first) = ObjectId::from_hex(format!("{prefix:0<FULL_ID$}").as_bytes()) else {
            return Err(self.unknown(source, channel));
        };
        let reachable = self.reachable(source)?;
        let start = reachable.partition_point(|commit| *commit < first);
        let matching = reachable
            .iter()
            .skip(start)
            .take_while(|commit| commit.to_string().starts_with(&prefix));
        let candidates: Vec<ObjectId> = matching.take(CANDIDATES).copied().collect();
        match candidates.as_slice() {
            [] => Err(self.unknown(source, channel)),
            [one] => Ok(*one),
            many => Err(ConfigSourceError::AmbiguousChannel {
                source_name: source.clone(),
                channel: channel.as_str().to_owned(),
                candidates: many.iter().map(ToString::to_string).collect(),
            }),
        }
    }

    fn unknown(&self, source: &SourceName, channel: &Channel) -> ConfigSourceError {
        let known = self.branches.keys().chain(self.tags.keys()).map(String::as_str);
        ConfigSourceError::unknown_channel(source, channel, near_names(channel.as_str(), known))
    }

    /// All commits that any branch or tag leads to, in order.
    fn reachable(&self, source: &SourceName) -> Result<Arc<[ObjectId]>, ConfigSourceError> {
        let mut reachable = self.reachable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commits) = &*reachable {
            return Ok(Arc::clone(commits));
        }
        let walk = || -> gix::Result<Vec<ObjectId>> {
            let repo = self.repo();
            let tips = self.branches.values().chain(self.tags.values()).copied();
            let mut commits = Vec::new();
            for commit in repo.rev_walk(tips).all()? {
                commits.push(commit?.id);
            }
            commits.sort_unstable();
            commits.dedup();
            Ok(commits)
        };
        let commits: Arc<[ObjectId]> = walk()
            .map_err(|error| local(source, "walking the history", error))?
            .into();
        *reachable = Some(Arc::clone(&commits));
        Ok(commits)
    }

    fn describe(&self, id: ObjectId) -> gix::Result<ConfigVersion> {
        let repo = self.repo();
        let commit = repo.find_commit(id)?;
        let committed_at = Timestamp::from_second(commit.time()?.seconds).ok();
        let summary = commit.message()?.summary().to_string();
        let author = commit.author()?;
        let author = format!("{} <{}>", author.name, author.email);
        Ok(ConfigVersion {
            id: id.to_string(),
            committed_at,
            summary: Some(summary),
            author: Some(author),
        })
    }
}

fn local(source: &SourceName, step: &'static str, error: gix::Error) -> ConfigSourceError {
    ConfigSourceError::LocalCopy {
        source_name: source.clone(),
        step,
        cause: error.into(),
    }
}

/// References below `prefix` without it, and the commits that they lead to; those that lead to no commit are no channels.
fn names(repo: &Repository, prefix: &str) -> gix::Result<BTreeMap<String, ObjectId>> {
    let mut names = BTreeMap::new();
    for reference in repo.references()?.prefixed(prefix)? {
        let mut reference = reference?;
        let name = reference.name().as_bstr().to_string();
        let Some(short) = name.strip_prefix(prefix) else {
            continue;
        };
        let short = short.to_owned();
        let Some(target) = reference.try_id().map(gix::Id::detach) else {
            continue;
        };
        // The object must be there; only what it is may disqualify it.
        repo.find_header(target)?;
        if let Ok(commit) = reference.peel_to_commit() {
            names.insert(short, commit.id);
        }
    }
    Ok(names)
}
