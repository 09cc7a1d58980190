//! A configuration source that a test moves by hand.
#![expect(clippy::unwrap_used, reason = "every line of it runs in tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use model::config_tree::{ConfigTree, TreeFile};
use ports::config_source::{
    Channel, ChannelInfo, ChannelKind, ConfigSource, ConfigSourceError, ConfigVersion, Refreshed, SourceName,
};

/// Channels and the trees that they stand at.
#[derive(Debug)]
pub struct TestSource {
    name: SourceName,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    channels: BTreeMap<String, String>,
    trees: BTreeMap<String, Arc<ConfigTree>>,
}

/// A tree with this id and these files.
#[must_use]
pub fn tree(id: &str, files: &[(&str, &str)]) -> ConfigTree {
    let file = |(path, text): &(&str, &str)| {
        let file = TreeFile {
            id: (*text).to_owned(),
            content: text.as_bytes().into(),
        };
        ((*path).to_owned(), file)
    };
    ConfigTree {
        id: id.to_owned(),
        files: files.iter().map(file).collect(),
    }
}

impl Default for TestSource {
    fn default() -> Self {
        Self {
            name: SourceName::new("main").unwrap(),
            state: Mutex::default(),
        }
    }
}

impl TestSource {
    /// The source `main`, without channels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where all channels stand.
    #[must_use]
    pub fn heads(&self) -> BTreeMap<String, String> {
        self.state().channels.clone()
    }

    /// Moves a channel to a tree.
    pub fn commit(&self, channel: &str, tree: ConfigTree) {
        let mut state = self.state();
        state.channels.insert(channel.to_owned(), tree.id.clone());
        state.trees.insert(tree.id.clone(), Arc::new(tree));
    }

    /// The channel is not there any more.
    pub fn forget(&self, channel: &str) {
        self.state().channels.remove(channel);
    }
}

#[async_trait]
impl ConfigSource for TestSource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn resolve(&self, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        let state = self.state();
        match state.channels.get(channel.as_str()) {
            Some(id) => Ok(ConfigVersion::from_id(id.clone())),
            None => Err(ConfigSourceError::UnknownChannel {
                source_name: self.name.clone(),
                channel: channel.to_string(),
                near: Vec::new(),
            }),
        }
    }

    async fn tree(&self, version: &ConfigVersion) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        let state = self.state();
        let tree = state.trees.get(&version.id).map(Arc::clone);
        tree.ok_or_else(|| ConfigSourceError::UnknownVersion {
            source_name: self.name.clone(),
            version: version.id.clone(),
        })
    }

    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError> {
        let state = self.state();
        let one = |(channel, version): (&String, &String)| {
            Some(ChannelInfo {
                channel: Channel::new(channel.clone()).ok()?,
                kind: ChannelKind::Branch,
                version: version.clone(),
            })
        };
        Ok(state.channels.iter().filter_map(one).collect())
    }

    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError> {
        Ok(Refreshed::default())
    }
}
