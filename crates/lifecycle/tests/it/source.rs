//! A configuration source that a test moves by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::config_tree::{ConfigTree, TreeFile};
use ports::config_source::{
    Channel, ChannelInfo, ChannelKind, ConfigSource, ConfigSourceError, ConfigVersion, Refreshed, SourceName,
};

/// Channels and the trees that they stand at.
#[derive(Debug)]
pub(crate) struct TestSource {
    name: SourceName,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    channels: BTreeMap<String, String>,
    trees: BTreeMap<String, Arc<ConfigTree>>,
}

/// A tree with this id and these files.
pub(crate) fn tree(id: &str, files: &[(&str, &str)]) -> ConfigTree {
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

impl TestSource {
    pub(crate) fn new() -> Self {
        Self {
            name: SourceName::new("main").unwrap(),
            state: Mutex::default(),
        }
    }

    /// Moves a channel to a tree.
    pub(crate) fn commit(&self, channel: &str, tree: ConfigTree) {
        let mut state = self.state.lock().unwrap();
        state.channels.insert(channel.to_owned(), tree.id.clone());
        state.trees.insert(tree.id.clone(), Arc::new(tree));
    }

    /// The channel is not there any more.
    pub(crate) fn forget(&self, channel: &str) {
        self.state.lock().unwrap().channels.remove(channel);
    }
}

#[async_trait]
impl ConfigSource for TestSource {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn resolve(&self, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        let state = self.state.lock().unwrap();
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
        let state = self.state.lock().unwrap();
        Ok(Arc::clone(&state.trees[&version.id]))
    }

    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError> {
        let state = self.state.lock().unwrap();
        let one = |(channel, version): (&String, &String)| ChannelInfo {
            channel: Channel::new(channel.clone()).unwrap(),
            kind: ChannelKind::Branch,
            version: version.clone(),
        };
        Ok(state.channels.iter().map(one).collect())
    }

    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError> {
        Ok(Refreshed::default())
    }
}
