//! Where configuration comes from: channels that resolve to versions, and the trees that stand there.
//!
//! A [`ConfigSource`] is one repository or directory. [`ConfigSources`] are all of them in the order that the operator gave:
//! the first one has a special role (main stack, etcd and node pools come from it alone), and a cluster may follow another
//! channel in single sources by its `override_channel` config item (fact 6).

mod combined;
mod error;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use model::Invalid;
use model::config_tree::ConfigTree;

pub use combined::{
    ChannelOverrides, CombinedVersion, ConfigSources, OverrideError, SourceTree, SourceVersion, SourcesError,
};
pub use error::{ConfigSourceError, Location};

/// Name of a configuration source, such as `main`; it appears in version strings and in component names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(String);

impl SourceName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`Invalid`] unless the name is 1 to 63 ASCII letters, digits, `-`, `_` and `.`, beginning with a letter or digit. So it can
    /// never be mistaken for the separators of a version string or of `override_channel`.
    pub fn new(name: impl Into<String>) -> Result<Self, Invalid> {
        let name = name.into();
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let all_known = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !starts_well || !all_known || name.len() > 63 {
            let rule = "must be 1 to 63 letters, digits, '-', '_' or '.', beginning with a letter or digit";
            return Err(Invalid::new("config source name", rule, name));
        }
        Ok(Self(name))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SourceName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// A named line of configuration: a branch, a tag, or a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(String);

impl Channel {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`Invalid`] when the name is empty, longer than 255 bytes, begins with `-`, or contains space, control characters or one of
    /// `~^:?*[\;=`, which no git reference can contain and which would make version strings ambiguous.
    pub fn new(name: impl Into<String>) -> Result<Self, Invalid> {
        let name = name.into();
        let refused = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\;=".contains(c);
        if name.is_empty() || name.len() > 255 || name.starts_with('-') || name.contains(refused) {
            let rule =
                "must be 1 to 255 bytes, without spaces, control characters and ~^:?*[\\;=, and not begin with '-'";
            return Err(Invalid::new("channel", rule, name));
        }
        Ok(Self(name))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Channel {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// What a channel stood for when it was looked up. The id alone decides what the tree is; the rest is for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigVersion {
    /// Full commit id, content hash of a directory, or the constant `<dir>`.
    pub id: String,
    /// When the commit was made.
    pub committed_at: Option<Timestamp>,
    /// First line of the commit's message.
    pub summary: Option<String>,
    /// Who wrote the commit, as `Name <mail>`.
    pub author: Option<String>,
}

impl ConfigVersion {
    /// A version of which only the id is known, as read back from a version string.
    pub fn from_id(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            committed_at: None,
            summary: None,
            author: None,
        }
    }
}

/// What kind of thing a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelKind {
    /// A git branch.
    Branch,
    /// A git tag.
    Tag,
    /// The present content of a directory.
    WorkingCopy,
}

/// One channel that a source offers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelInfo {
    /// Its name.
    pub channel: Channel,
    /// What it is.
    pub kind: ChannelKind,
    /// Id of the version that it stands for now.
    pub version: String,
}

/// A channel that appeared, moved or went away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelChange {
    /// The channel.
    pub channel: Channel,
    /// What it is.
    pub kind: ChannelKind,
    /// Where it stood, unless it is new.
    pub from: Option<String>,
    /// Where it stands now, unless it is gone.
    pub to: Option<String>,
}

/// What a refresh found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refreshed {
    /// Changed channels in name order; all channels after a first fetch.
    pub changes: Vec<ChannelChange>,
    /// The local copy was unusable and was built anew, for this reason.
    pub rebuilt: Option<String>,
}

/// One source of configuration.
///
/// Reading ([`resolve`](Self::resolve), [`tree`](Self::tree), [`channels`](Self::channels)) works on what the last
/// [`refresh`](Self::refresh) brought, never waits for a refresh that is under way (except where there is nothing to read yet), and
/// needs no network then. A version that was resolved stays readable as long as any channel reaches it.
#[async_trait]
pub trait ConfigSource: Send + Sync + fmt::Debug {
    /// The source's name.
    fn name(&self) -> &SourceName;

    /// The version that a channel stands for.
    ///
    /// # Errors
    /// [`ConfigSourceError::UnknownChannel`] with near names, [`ConfigSourceError::AmbiguousChannel`], or what kept the source
    /// from being read.
    async fn resolve(&self, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError>;

    /// The files at a version, symbolic links followed.
    ///
    /// # Errors
    /// [`ConfigSourceError::UnknownVersion`], an error that names the link or file that cannot be taken, or what kept the
    /// source from being read.
    async fn tree(&self, version: &ConfigVersion) -> Result<Arc<ConfigTree>, ConfigSourceError>;

    /// All channels that have a name, in name order.
    ///
    /// # Errors
    /// What kept the source from being read.
    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError>;

    /// Brings the source up to date with its origin.
    ///
    /// # Errors
    /// [`ConfigSourceError::Unreachable`], [`ConfigSourceError::Timeout`] or a fault of the local copy; what was there before stays readable.
    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError>;
}
