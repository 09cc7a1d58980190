//! What git wants a cluster to be: channel to version, version to trees, trees to the rendered cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::Cluster;
use ports::config_source::{Channel, ChannelOverrides, CombinedVersion, ConfigSources};
use render::{Config, Facts, Input, Outcome, Renderer, Source};

/// How many configurations are kept decoded; old ones are read again when somebody needs them.
const KEPT: usize = 16;

/// The configuration of the whole fleet.
pub struct Configuration {
    sources: ConfigSources,
    renderer: Renderer,
    /// Decoded trees by id, the one used last at the end.
    trees: Mutex<Vec<(String, Config)>>,
}

impl std::fmt::Debug for Configuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Configuration")
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// A cluster with what the registry says about its surroundings.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The registry entry.
    pub cluster: Arc<Cluster>,
    /// Owner of its account.
    pub owner: String,
    /// Name of its account.
    pub account_name: String,
    /// The clusters of the account.
    pub siblings: Vec<Arc<Cluster>>,
}

/// The text of an error with its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

impl Configuration {
    /// Reads from these sources.
    #[must_use]
    pub fn new(sources: ConfigSources) -> Self {
        Self {
            sources,
            renderer: Renderer::new(),
            trees: Mutex::default(),
        }
    }

    /// Brings every source up to date. Answers what could not be, by source: clusters then go on with what is known.
    pub async fn refresh(&self) -> BTreeMap<String, String> {
        let refreshed = self.sources.refresh().await;
        let failed = refreshed
            .into_iter()
            .filter_map(|(name, result)| Some((name.to_string(), result.err()?)));
        failed.map(|(name, error)| (name, chain(&error))).collect()
    }

    /// The version that a channel stands at.
    ///
    /// # Errors
    /// In words: a channel that does not exist.
    pub async fn head(&self, channel: &str) -> Result<CombinedVersion, String> {
        let channel = Channel::new(channel).map_err(|error| chain(&error))?;
        let resolved = self.sources.resolve(&channel, &ChannelOverrides::default()).await;
        resolved.map_err(|error| chain(&error))
    }

    /// The version that a cluster's channel stands at.
    ///
    /// # Errors
    /// In words for the cluster's problem: a channel or override that does not exist.
    pub async fn version(&self, cluster: &Cluster) -> Result<CombinedVersion, String> {
        let overrides = match cluster.config_items.get("override_channel") {
            Some(text) => text.parse::<ChannelOverrides>().map_err(|error| chain(&error))?,
            None => ChannelOverrides::default(),
        };
        let channel = Channel::new(cluster.channel.clone()).map_err(|error| chain(&error))?;
        let resolved = self.sources.resolve(&channel, &overrides).await;
        resolved.map_err(|error| chain(&error))
    }

    /// The version with this id, as version strings have it.
    ///
    /// # Errors
    /// In words: the id is none of these sources.
    pub fn at(&self, id: &str) -> Result<CombinedVersion, String> {
        self.sources.parse_version(id).map_err(|error| chain(&error))
    }

    async fn config(&self, version: &CombinedVersion) -> Result<Config, String> {
        let id = version.id();
        if let Some(known) = self.kept(&id) {
            return Ok(known);
        }
        let trees = self.sources.trees(version).await.map_err(|error| chain(&error))?;
        let sources = trees.into_iter().map(|tree| Source {
            name: tree.source.to_string(),
            tree: tree.tree,
        });
        let config = Config::new(sources.collect());
        let mut kept = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((id, config.clone()));
        if kept.len() > KEPT {
            kept.remove(0);
        }
        Ok(config)
    }

    fn kept(&self, id: &str) -> Option<Config> {
        let mut kept = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == id)?;
        let entry = kept.remove(at);
        let config = entry.1.clone();
        kept.push(entry);
        Some(config)
    }

    /// Everything that a rendering of a cluster at a version depends on.
    ///
    /// # Errors
    /// In words when the trees cannot be read.
    pub async fn input(
        &self,
        subject: &Subject,
        version: &CombinedVersion,
        facts: Arc<Facts>,
    ) -> Result<Input, String> {
        Ok(Input {
            cluster: Arc::clone(&subject.cluster),
            owner: subject.owner.clone(),
            account_name: subject.account_name.clone(),
            account_clusters: subject.siblings.clone(),
            config: self.config(version).await?,
            facts,
        })
    }

    /// Renders what an input says; what is wrong with templates is in the outcome.
    #[must_use]
    pub fn rendered(&self, input: &Input) -> Outcome {
        self.renderer.render(input)
    }

    /// Renders a cluster at a version.
    ///
    /// # Errors
    /// In words when the trees cannot be read; what is wrong with templates is in the outcome.
    pub async fn render(
        &self,
        subject: &Subject,
        version: &CombinedVersion,
        facts: Arc<Facts>,
    ) -> Result<Outcome, String> {
        let input = self.input(subject, version, facts).await?;
        Ok(self.rendered(&input))
    }
}
