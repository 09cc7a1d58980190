//! What can be wrong with a source, one variant per failed step.

use std::fmt;
use std::time::Duration;

use super::{Channel, SourceName};
use crate::{Classified, Fault, Retry};

/// A location as it may be shown: passwords and tokens of a URL are left out by whoever makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location(pub String);

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a configuration source could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigSourceError {
    /// No branch, tag or commit of this name.
    #[error("config source {source_name} has no channel {channel:?}{}", Hint(near))]
    UnknownChannel {
        /// The source.
        source_name: SourceName,
        /// What was asked for.
        channel: String,
        /// Existing channels with a similar name, nearest first.
        near: Vec<String>,
    },
    /// An abbreviated commit id that several commits begin with.
    #[error("channel {channel:?} of config source {source_name} is an abbreviation of several commits: {}", candidates.join(", "))]
    AmbiguousChannel {
        /// The source.
        source_name: SourceName,
        /// What was asked for.
        channel: String,
        /// The commits, in order.
        candidates: Vec<String>,
    },
    /// A commit that exists, but that no branch and no tag leads to any more.
    #[error("commit {commit} of config source {source_name} is not reachable from any branch or tag")]
    UnreachableCommit {
        /// The source.
        source_name: SourceName,
        /// The commit.
        commit: String,
    },
    /// A version that is not there (any more).
    #[error("config source {source_name} has no version {version:?}")]
    UnknownVersion {
        /// The source.
        source_name: SourceName,
        /// The version asked for.
        version: String,
    },
    /// The files changed between being resolved and being read.
    #[error("config source {source_name} no longer has version {version:?}: its files were changed since")]
    Changed {
        /// The source.
        source_name: SourceName,
        /// The version asked for.
        version: String,
    },
    /// The part of the tree that configuration lives in does not exist.
    #[error("config source {source_name} has no {path:?} at version {version}")]
    MissingPath {
        /// The source.
        source_name: SourceName,
        /// The version read.
        version: String,
        /// The path from the root of the source.
        path: String,
    },
    /// A symbolic link that leads out of the source.
    #[error(
        "symbolic link {link:?} in config source {source_name} at version {version} leads out of the source: {target:?}"
    )]
    LinkOutside {
        /// The source.
        source_name: SourceName,
        /// The version read.
        version: String,
        /// Path of the link.
        link: String,
        /// What it points to.
        target: String,
    },
    /// A symbolic link to nothing.
    #[error("symbolic link {link:?} in config source {source_name} at version {version} leads to nothing: {target:?}")]
    LinkDangling {
        /// The source.
        source_name: SourceName,
        /// The version read.
        version: String,
        /// Path of the link.
        link: String,
        /// What it points to.
        target: String,
    },
    /// Symbolic links that lead in a circle.
    #[error("symbolic link {link:?} in config source {source_name} at version {version} leads in a circle")]
    LinkLoop {
        /// The source.
        source_name: SourceName,
        /// The version read.
        version: String,
        /// Path of the link.
        link: String,
    },
    /// A file name that is not UTF-8.
    #[error("the name of {path:?} in config source {source_name} at version {version} is not UTF-8")]
    NotUtf8 {
        /// The source.
        source_name: SourceName,
        /// The version read.
        version: String,
        /// The path with replacement characters.
        path: String,
    },
    /// A name that no file system gives to a file, or one with control characters.
    #[error("the name of {path:?} in config source {source_name} at version {version} is no file name: {reason}")]
    BadName {
        /// The source.
        source_name: SourceName,
        /// The version read.
        version: String,
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The tree is larger than what is read.
    #[error("config source {source_name} at version {version} is too large at {path:?}: more than {limit} {unit}")]
    TooLarge {
        /// The source.
        source_name: SourceName,
        /// The version read.
        version: String,
        /// Where the bound was passed.
        path: String,
        /// The bound.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A file or directory could not be read.
    #[error("cannot read {path:?} in config source {source_name} at version {version}")]
    Read {
        /// The source.
        source_name: SourceName,
        /// The version read.
        version: String,
        /// The path.
        path: String,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The origin does not answer, or refuses.
    #[error("config source {source_name} cannot be fetched from {location}")]
    Unreachable {
        /// The source.
        source_name: SourceName,
        /// Where it was looked for.
        location: Location,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The origin did not answer in time.
    #[error("config source {source_name} was not fetched from {location} within {}s", limit.as_secs())]
    Timeout {
        /// The source.
        source_name: SourceName,
        /// Where it was looked for.
        location: Location,
        /// The time that was given.
        limit: Duration,
    },
    /// The local copy cannot be used; the next refresh repairs it.
    #[error("the local copy of config source {source_name} failed while {step}")]
    LocalCopy {
        /// The source.
        source_name: SourceName,
        /// What was being done.
        step: &'static str,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Prints the near names of an unknown channel.
struct Hint<'a>(&'a [String]);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            [one] => write!(f, "; did you mean {one:?}?"),
            many => write!(f, "; near names: {}", many.join(", ")),
        }
    }
}

impl ConfigSourceError {
    /// An unknown channel, with near names.
    #[must_use]
    pub fn unknown_channel(source_name: &SourceName, channel: &Channel, near: Vec<String>) -> Self {
        Self::UnknownChannel {
            source_name: source_name.clone(),
            channel: channel.as_str().to_owned(),
            near,
        }
    }
}

impl Classified for ConfigSourceError {
    fn fault(&self) -> Fault {
        match self {
            Self::UnknownChannel { .. }
            | Self::AmbiguousChannel { .. }
            | Self::UnreachableCommit { .. }
            | Self::UnknownVersion { .. } => Fault::User,
            Self::Changed { .. }
            | Self::MissingPath { .. }
            | Self::LinkOutside { .. }
            | Self::LinkDangling { .. }
            | Self::LinkLoop { .. }
            | Self::NotUtf8 { .. }
            | Self::BadName { .. }
            | Self::TooLarge { .. } => Fault::Config,
            Self::Unreachable { .. } | Self::Timeout { .. } => Fault::Cloud,
            Self::Read { .. } | Self::LocalCopy { .. } => Fault::Us,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Changed { .. } => Retry::Now,
            // A version that another replica resolved is known here after the next refresh.
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::UnknownVersion { .. } => {
                Retry::After(Duration::from_secs(15))
            }
            Self::Read { .. } | Self::LocalCopy { .. } => Retry::After(Duration::from_secs(5)),
            // All others last until somebody changes the cluster or the source, which is noticed by itself.
            _ => Retry::Never,
        }
    }
}
