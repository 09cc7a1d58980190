//! The configuration file: contexts, and which one is current.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ConfigFile {
    /// Name of the context to use when nobody names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current_context: Option<String>,
    /// The contexts.
    pub(crate) contexts: Vec<Context>,
}

/// A server with how to reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Context {
    /// Its name.
    pub(crate) name: String,
    /// URL of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// File with the bearer token; relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with certificates to trust; relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Output format when none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    /// Seconds after which a request is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_timeout: Option<u64>,
}

impl ConfigFile {
    /// Reads the file; an absent one is empty, unless it is `required`.
    pub(crate) fn read(path: Option<&Path>, required: bool) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => return Ok(Self::default()),
            Err(error) => return Err(Failure::new(format!("configuration file {}: {error}", path.display()))),
        };
        let read = yaml::from_str::<Option<Self>>(&text);
        read.map(Option::unwrap_or_default)
            .map_err(|error| Failure::new(format!("configuration file {}: {error}", path.display())))
    }

    /// The context of this name.
    pub(crate) fn context(&self, name: &str) -> Option<&Context> {
        self.contexts.iter().find(|context| context.name == name)
    }

    /// Writes the file so that readers see the old or the new one, never half of it, and others cannot read it.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(format!("configuration file {}: {error}", path.display()));
        let value = serde_json::to_value(self).map_err(|error| failed(&error))?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        file.write_all(yaml::to_string(&value).as_bytes())
            .map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error.error))?;
        Ok(())
    }
}
