//! Configuration trees from git repositories and from directories.
//!
//! A [`GitSource`] keeps a bare mirror of its repository, brought up to date by fetching with prune, and reads trees straight from the
//! object database: there is no checkout and no clone per cluster. A channel is a branch, a tag or a reachable commit.
//! Fetching holds a lock of its own; reading another commit never waits for it. A mirror that was left broken by a crash or a disk
//! is built anew. A [`DirectorySource`] reads a directory, whose version is a hash of its content.
//! In both, symbolic links are followed inside the source and are an error when they lead out of it.
//!
//! A [`GitSource`] can also move a branch of its origin ([`ports::Promote`]): forward to a commit that is there already, or back to
//! where it was, and only from the place that the caller expects.
//!
//! What this crate deliberately does not do: it makes no commits and writes nothing else to an origin, knows nothing about what the
//! files mean, and does not decide when to refresh. Several sources are combined by [`ports::config_source::ConfigSources`].
//!
//! Network access of `https` and `http` is pure Rust; `ssh` locations start the `ssh` program with strict host-key checking,
//! and paths start `git-upload-pack`.
//!
//! ```
//! use git_source::{DirectoryIds, DirectorySource, TreeOptions};
//! use ports::config_source::{Channel, ConfigSource, SourceName};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let dir = tempfile::tempdir()?;
//! std::fs::create_dir(dir.path().join("cluster"))?;
//! std::fs::write(dir.path().join("cluster/config-defaults.yaml"), "a: b\n")?;
//! let source = DirectorySource::new(SourceName::new("main")?, dir.path(), DirectoryIds::Content, TreeOptions::default());
//! let version = source.resolve(&Channel::new("dev")?).await?;
//! let tree = source.tree(&version).await?;
//! assert_eq!(tree.text("cluster/config-defaults.yaml"), Some("a: b\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod directory;
mod git;
mod location;
mod near;
mod spec;
mod walk;

pub use directory::{DirectoryIds, DirectorySource};
pub use git::{GitOptions, GitSource};
pub use location::{GitLocation, LocationError};
pub use spec::{SourceOptions, SourcePlace, SourceSpec, SpecError};
pub use walk::TreeOptions;
