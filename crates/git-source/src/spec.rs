//! Sources as the operator writes them: `NAME:git:URL` and `NAME:dir:PATH`.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use model::Invalid;
use ports::Promote;
use ports::config_source::{ConfigSource, SourceName};

use crate::{DirectoryIds, DirectorySource, GitLocation, GitOptions, GitSource, LocationError, TreeOptions};

/// Why a `--config-source` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// It does not have three parts.
    #[error("a config source has the form NAME:git:URL or NAME:dir:PATH")]
    Shape,
    /// The name cannot be used.
    #[error("the name of a config source cannot be used")]
    Name(#[source] Invalid),
    /// The kind is unknown.
    #[error("config source {name} has the unknown kind {kind:?}: known are git, dir and directory")]
    Kind {
        /// The source.
        name: SourceName,
        /// The kind given.
        kind: String,
    },
    /// The path is empty.
    #[error("config source {name} has an empty path")]
    EmptyPath {
        /// The source.
        name: SourceName,
    },
    /// The location cannot be used.
    #[error("config source {name} cannot be used")]
    Location {
        /// The source.
        name: SourceName,
        /// Why.
        #[source]
        cause: LocationError,
    },
}

/// One config source as written on the command line.
///
/// ```
/// use git_source::SourceSpec;
///
/// let spec: SourceSpec = "main:git:https://github.com/zalando-incubator/kubernetes-on-aws.git".parse()?;
/// assert_eq!(spec.name.as_str(), "main");
/// assert!("main:svn:x".parse::<SourceSpec>().is_err());
/// # Ok::<(), git_source::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// Name of the source.
    pub name: SourceName,
    /// Where it is.
    pub place: SourcePlace,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcePlace {
    /// A git repository.
    Git(GitLocation),
    /// A directory on this machine.
    Directory(PathBuf),
}

/// What sources need besides their location.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Options of git sources.
    pub git: GitOptions,
    /// What is read of each source.
    pub tree: TreeOptions,
    /// Ids of directory sources.
    pub directory_ids: DirectoryIds,
}

impl FromStr for SourceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, ':');
        let (Some(name), Some(kind), Some(place)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SpecError::Shape);
        };
        let name = SourceName::new(name).map_err(SpecError::Name)?;
        let place = match kind {
            "git" => match GitLocation::parse(place) {
                Ok(location) => SourcePlace::Git(location),
                Err(cause) => return Err(SpecError::Location { name, cause }),
            },
            "dir" | "directory" if place.is_empty() => return Err(SpecError::EmptyPath { name }),
            "dir" | "directory" => SourcePlace::Directory(PathBuf::from(place)),
            _ => {
                return Err(SpecError::Kind {
                    name,
                    kind: kind.to_owned(),
                });
            }
        };
        Ok(Self { name, place })
    }
}

impl SourceSpec {
    /// The source itself. Nothing is read or fetched yet.
    #[must_use]
    pub fn open(self, options: &SourceOptions) -> Arc<dyn ConfigSource> {
        self.open_movable(options).0
    }

    /// The source, and who moves its branches, if it has any.
    #[must_use]
    pub fn open_movable(self, options: &SourceOptions) -> (Arc<dyn ConfigSource>, Option<Arc<dyn Promote>>) {
        match self.place {
            SourcePlace::Git(location) => {
                let source = GitSource::new(self.name, location, options.git.clone(), options.tree.clone());
                let source = Arc::new(source);
                (source.clone(), Some(source))
            }
            SourcePlace::Directory(path) => {
                let source = DirectorySource::new(self.name, path, options.directory_ids, options.tree.clone());
                (Arc::new(source), None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_places() {
        let spec: SourceSpec = "main:dir:/a:b".parse().unwrap();
        assert_eq!(spec.place, SourcePlace::Directory(PathBuf::from("/a:b")));
        let spec: SourceSpec = "main:directory:x".parse().unwrap();
        assert_eq!(spec.place, SourcePlace::Directory(PathBuf::from("x")));
        let spec: SourceSpec = "main:git:git@example.org:a/b.git".parse().unwrap();
        let SourcePlace::Git(location) = spec.place else {
            panic!("not git")
        };
        assert_eq!(location.repo_name(), "b");
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        for (text, expected) in [
            ("main", "NAME:git:URL"),
            ("main:git", "NAME:git:URL"),
            (":git:x", "name"),
            ("a=b:git:x", "name"),
            ("main:svn:x", "unknown kind \"svn\""),
            ("main:dir:", "empty path"),
            ("main:git:", "config source main cannot be used"),
        ] {
            let message = text.parse::<SourceSpec>().unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
