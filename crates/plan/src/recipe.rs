//! How a plan was made, so that it can be made again.

use serde::{Deserialize, Serialize};

/// The sources of a plan: what has to be read again to tell whether it still holds. Names of files, never their content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// Whether the clusters were asked.
    pub live: bool,
    /// Sources of configuration.
    pub config_sources: Vec<String>,
    /// Sources of the version to go to, where they differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to_config_sources: Vec<String>,
    /// Channel or commit to start from, if it was not each cluster's own channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Channel or commit to go to, if it was not each cluster's own channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// File or URL of the registry; the server in force when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// File with discovered facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<String>,
    /// The kubeconfig, if it was not that of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// Directory sources had the constant id of the original manager.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub constant_directory_id: bool,
}
