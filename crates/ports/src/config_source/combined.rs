//! Several sources as one configuration.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use futures::future::join_all;
use model::config_tree::ConfigTree;

use super::{Channel, ConfigSource, ConfigSourceError, ConfigVersion, Refreshed, SourceName};
use crate::{Classified, Fault, Retry};

/// What one source stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVersion {
    /// The source.
    pub source: SourceName,
    /// Its version.
    pub version: ConfigVersion,
}

/// The versions of all sources, in the operator's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CombinedVersion {
    parts: Vec<SourceVersion>,
}

impl CombinedVersion {
    /// The config part of a cluster's version string: the bare id of a single source, else `main=A;extra=B` (fact 6).
    #[must_use]
    pub fn id(&self) -> String {
        if let [only] = self.parts.as_slice() {
            return only.version.id.clone();
        }
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| format!("{}={}", part.source, part.version.id))
            .collect();
        parts.join(";")
    }

    /// The single versions.
    #[must_use]
    pub fn parts(&self) -> &[SourceVersion] {
        &self.parts
    }
}

/// The tree of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    /// The source.
    pub source: SourceName,
    /// Its files.
    pub tree: Arc<ConfigTree>,
}

/// Channels of single sources that a cluster follows instead of its own: the config item `override_channel`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelOverrides(BTreeMap<SourceName, Channel>);

/// Why an `override_channel` config item cannot be used. It becomes a problem of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config item override_channel: part {part} {rule}")]
pub struct OverrideError {
    /// Number of the part between commas, from 1.
    pub part: usize,
    /// What is wrong with it.
    pub rule: String,
}

impl Classified for OverrideError {
    fn fault(&self) -> Fault {
        Fault::User
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl ChannelOverrides {
    /// The channel that replaces the cluster's own in this source.
    #[must_use]
    pub fn get(&self, source: &SourceName) -> Option<&Channel> {
        self.0.get(source)
    }

    /// Whether nothing is overridden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sources that are overridden, in name order.
    pub fn sources(&self) -> impl Iterator<Item = &SourceName> {
        self.0.keys()
    }
}

impl FromStr for ChannelOverrides {
    type Err = OverrideError;

    /// Reads `source=channel,source2=channel2`; an empty text overrides nothing.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut overrides = BTreeMap::new();
        if text.trim().is_empty() {
            return Ok(Self(overrides));
        }
        for (index, pair) in text.split(',').enumerate() {
            let refuse = |rule: String| OverrideError { part: index + 1, rule };
            let (source, channel) = pair
                .split_once('=')
                .ok_or_else(|| refuse("must have the form source=channel".to_owned()))?;
            let source = SourceName::new(source.trim()).map_err(|invalid| refuse(invalid.to_string()))?;
            let channel = Channel::new(channel.trim()).map_err(|invalid| refuse(invalid.to_string()))?;
            if overrides.contains_key(&source) {
                return Err(refuse(format!("names source {source} a second time")));
            }
            overrides.insert(source, channel);
        }
        Ok(Self(overrides))
    }
}

/// Why a list of sources cannot be combined, or cannot be read for a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourcesError {
    /// The list is empty.
    #[error("at least one config source is needed")]
    NoSource,
    /// Two sources have one name.
    #[error("two config sources have the name {name}")]
    DuplicateName {
        /// The name.
        name: SourceName,
    },
    /// An override names a source that does not exist.
    #[error("config item override_channel names config source {name}, but there are only: {}", known.join(", "))]
    UnknownSource {
        /// The name.
        name: SourceName,
        /// The sources that exist, in order.
        known: Vec<String>,
    },
    /// A version was made for other sources than these.
    #[error("version {version:?} does not name the config sources {}", known.join(", "))]
    OtherSources {
        /// The version's id.
        version: String,
        /// The sources that exist, in order.
        known: Vec<String>,
    },
    /// One source could not answer.
    #[error(transparent)]
    Source(#[from] ConfigSourceError),
}

impl Classified for SourcesError {
    fn fault(&self) -> Fault {
        match self {
            Self::Source(error) => error.fault(),
            _ => Fault::User,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Source(error) => error.retry(),
            _ => Retry::Never,
        }
    }
}

/// All configuration sources in the operator's order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConfigSources {
    sources: Arc<[Arc<dyn ConfigSource>]>,
}

impl ConfigSources {
    /// Combines sources; the first one also gives main stack, etcd and node pools.
    ///
    /// # Errors
    /// [`SourcesError::NoSource`] and [`SourcesError::DuplicateName`].
    pub fn new(sources: Vec<Arc<dyn ConfigSource>>) -> Result<Self, SourcesError> {
        if sources.is_empty() {
            return Err(SourcesError::NoSource);
        }
        for (index, source) in sources.iter().enumerate() {
            if sources
                .iter()
                .take(index)
                .any(|earlier| earlier.name() == source.name())
            {
                return Err(SourcesError::DuplicateName {
                    name: source.name().clone(),
                });
            }
        }
        Ok(Self {
            sources: sources.into(),
        })
    }

    /// The sources in order.
    #[must_use]
    pub fn sources(&self) -> &[Arc<dyn ConfigSource>] {
        &self.sources
    }

    /// What a cluster's channel stands for in every source. With a single source overrides have no effect, as in the
    /// compatible system.
    ///
    /// # Errors
    /// [`SourcesError::UnknownSource`], or the first error in source order.
    pub async fn resolve(
        &self,
        channel: &Channel,
        overrides: &ChannelOverrides,
    ) -> Result<CombinedVersion, SourcesError> {
        let several = self.sources.len() > 1;
        if several
            && let Some(name) = overrides
                .sources()
                .find(|name| self.sources.iter().all(|s| s.name() != *name))
        {
            return Err(SourcesError::UnknownSource {
                name: name.clone(),
                known: self.names(),
            });
        }
        let lookups = self.sources.iter().map(|source| async move {
            let channel = overrides.get(source.name()).filter(|_| several).unwrap_or(channel);
            let version = source.resolve(channel).await?;
            Ok(SourceVersion {
                source: source.name().clone(),
                version,
            })
        });
        let parts = join_all(lookups)
            .await
            .into_iter()
            .collect::<Result<_, ConfigSourceError>>()?;
        Ok(CombinedVersion { parts })
    }

    /// The trees of all sources at a version, in order.
    ///
    /// # Errors
    /// [`SourcesError::OtherSources`], or the first error in source order.
    pub async fn trees(&self, version: &CombinedVersion) -> Result<Vec<SourceTree>, SourcesError> {
        let names = self.sources.iter().map(|source| source.name());
        if !names.eq(version.parts.iter().map(|part| &part.source)) {
            return Err(SourcesError::OtherSources {
                version: version.id(),
                known: self.names(),
            });
        }
        let reads = self
            .sources
            .iter()
            .zip(&version.parts)
            .map(|(source, part)| async move {
                let tree = source.tree(&part.version).await?;
                Ok(SourceTree {
                    source: source.name().clone(),
                    tree,
                })
            });
        Ok(join_all(reads)
            .await
            .into_iter()
            .collect::<Result<_, ConfigSourceError>>()?)
    }

    /// Reads back the config part of a stored version string.
    ///
    /// # Errors
    /// [`SourcesError::OtherSources`] when it was made for other sources.
    pub fn parse_version(&self, id: &str) -> Result<CombinedVersion, SourcesError> {
        let part = |source: &Arc<dyn ConfigSource>, id: &str| SourceVersion {
            source: source.name().clone(),
            version: ConfigVersion::from_id(id),
        };
        let other = || SourcesError::OtherSources {
            version: id.to_owned(),
            known: self.names(),
        };
        if let [only] = &*self.sources {
            return Ok(CombinedVersion {
                parts: vec![part(only, id)],
            });
        }
        let pieces: Vec<_> = id.split(';').collect();
        if pieces.len() != self.sources.len() {
            return Err(other());
        }
        let parts = self.sources.iter().zip(pieces).map(|(source, piece)| {
            let (name, id) = piece.split_once('=')?;
            (name == source.name().as_str()).then(|| part(source, id))
        });
        Ok(CombinedVersion {
            parts: parts.collect::<Option<_>>().ok_or_else(other)?,
        })
    }

    /// Brings all sources up to date at the same time; one that fails does not keep the others from it.
    pub async fn refresh(&self) -> Vec<(SourceName, Result<Refreshed, ConfigSourceError>)> {
        join_all(
            self.sources
                .iter()
                .map(|source| async move { (source.name().clone(), source.refresh().await) }),
        )
        .await
    }

    fn names(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.name().to_string()).collect()
    }
}
