//! The configuration before and after, as a source that moves when the rehearsal begins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use model::config_tree::ConfigTree;
use ports::config_source::{
    Channel, ChannelInfo, ChannelKind, ConfigSource, ConfigSourceError, ConfigVersion, Refreshed, SourceName,
};

/// Where the channels of one source stand on one side.
#[derive(Debug, Clone, Default)]
pub struct Tips {
    /// The tree of every channel; wins over those below.
    pub every: Option<Arc<ConfigTree>>,
    /// The tree of each channel, where they differ.
    pub channels: BTreeMap<String, Arc<ConfigTree>>,
}

impl Tips {
    /// Every channel stands at this tree.
    #[must_use]
    pub fn all_at(tree: Arc<ConfigTree>) -> Self {
        Self {
            every: Some(tree),
            channels: BTreeMap::new(),
        }
    }

    fn of(&self, channel: &str) -> Option<&Arc<ConfigTree>> {
        self.every.as_ref().or_else(|| self.channels.get(channel))
    }

    fn trees(&self) -> impl Iterator<Item = &Arc<ConfigTree>> {
        self.every.iter().chain(self.channels.values())
    }
}

/// One source of configuration, before and after.
#[derive(Debug, Clone)]
pub struct SourceSides {
    /// Its name.
    pub name: SourceName,
    /// Before.
    pub from: Tips,
    /// After.
    pub to: Tips,
}

impl SourceSides {
    /// The tree of a channel on a side.
    pub(crate) fn tree(&self, channel: &str, after: bool) -> Option<&Arc<ConfigTree>> {
        if after {
            self.to.of(channel)
        } else {
            self.from.of(channel)
        }
    }
}

/// The source that the engine reads: all channels move at once.
#[derive(Debug)]
pub(crate) struct MovingSource {
    sides: SourceSides,
    moved: Arc<AtomicBool>,
}

impl MovingSource {
    pub(crate) fn new(sides: SourceSides, moved: Arc<AtomicBool>) -> Self {
        Self { sides, moved }
    }
}

#[async_trait]
impl ConfigSource for MovingSource {
    fn name(&self) -> &SourceName {
        &self.sides.name
    }

    async fn resolve(&self, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        let tree = self.sides.tree(channel.as_str(), self.moved.load(Ordering::SeqCst));
        tree.map(|tree| ConfigVersion::from_id(tree.id.clone()))
            .ok_or_else(|| ConfigSourceError::UnknownChannel {
                source_name: self.sides.name.clone(),
                channel: channel.to_string(),
                near: Vec::new(),
            })
    }

    async fn tree(&self, version: &ConfigVersion) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        let mut known = self.sides.from.trees().chain(self.sides.to.trees());
        known
            .find(|tree| tree.id == version.id)
            .cloned()
            .ok_or_else(|| ConfigSourceError::UnknownVersion {
                source_name: self.sides.name.clone(),
                version: version.id.clone(),
            })
    }

    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError> {
        let side = if self.moved.load(Ordering::SeqCst) {
            &self.sides.to
        } else {
            &self.sides.from
        };
        let named = side.channels.iter().filter_map(|(channel, tree)| {
            Some(ChannelInfo {
                channel: Channel::new(channel.clone()).ok()?,
                kind: ChannelKind::Branch,
                version: tree.id.clone(),
            })
        });
        Ok(named.collect())
    }

    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError> {
        Ok(Refreshed::default())
    }
}
