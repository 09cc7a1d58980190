//! What can go wrong, each with the file that it concerns.

use gotemplate::{ErrorKind, ExecError, ParseError};

/// One reason why a cluster's desired state is incomplete.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}{kind}{}", self.prefix(), self.hint())]
pub struct RenderError {
    /// Path of the file in its source, such as `main/cluster/manifests/a/b.yaml`.
    pub path: String,
    /// The node pool that it was rendered for.
    pub pool: Option<String>,
    /// What went wrong.
    pub kind: RenderErrorKind,
    /// The discovered facts that are missing and were needed.
    pub missing_facts: Vec<String>,
}

/// What went wrong with a file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderErrorKind {
    /// It must be there and is not.
    #[error("no such file in the configuration")]
    MissingFile,
    /// It is not UTF-8 text.
    #[error("not UTF-8 text")]
    NotText,
    /// The template cannot be parsed.
    #[error(transparent)]
    Parse(ParseError),
    /// The template cannot be executed.
    #[error(transparent)]
    Exec(ExecError),
    /// The rendered text is not YAML of the expected kind.
    #[error("rendered text: {0}")]
    Yaml(yaml::Error),
    /// An object lacks what identifies it (fact 45).
    #[error("rendered text: line {line}: object has no {field}")]
    Unidentified {
        /// Line of the rendered document.
        line: usize,
        /// The missing field.
        field: &'static str,
    },
    /// An entry breaks the grammar of its file.
    #[error("rendered text: {entry}: {rule}")]
    Entry {
        /// Which entry.
        entry: String,
        /// The rule.
        rule: String,
    },
    /// It rendered, but with data that is not known.
    #[error("rendered with unknown data")]
    MissingFacts,
    /// A node pool that cannot be rendered.
    #[error("node pool {pool}: {rule}")]
    Pool {
        /// Its name.
        pool: String,
        /// The rule.
        rule: &'static str,
    },
}

impl RenderError {
    pub(crate) fn new(path: &str, pool: Option<&str>, kind: RenderErrorKind) -> Self {
        Self {
            path: path.to_owned(),
            pool: pool.map(str::to_owned),
            kind,
            missing_facts: Vec::new(),
        }
    }

    /// The config item or value that a template asked for and that does not exist.
    #[must_use]
    pub fn missing_key(&self) -> Option<&str> {
        match &self.kind {
            RenderErrorKind::Exec(ExecError {
                kind: ErrorKind::MissingKey { key, .. },
                ..
            }) => Some(key),
            _ => None,
        }
    }

    fn prefix(&self) -> String {
        let pool = self
            .pool
            .as_ref()
            .map(|pool| format!("pool {pool}: "))
            .unwrap_or_default();
        match self.kind {
            // Errors of templates name the file themselves, in Go's style, so that people can grep for them.
            RenderErrorKind::Parse(_) | RenderErrorKind::Exec(_) => pool,
            _ => format!("{pool}{}: ", self.path),
        }
    }

    fn hint(&self) -> String {
        match self.missing_facts.as_slice() {
            [] => String::new(),
            facts => format!(" (missing facts: {})", facts.join(", ")),
        }
    }
}
