//! Parsed templates, shared by all clusters and versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gotemplate::Template;

use crate::config::FileRef;
use crate::error::RenderErrorKind;

type Parsed = Result<Arc<Template>, RenderErrorKind>;

/// Templates by name and content id, so that two versions share the files that did not change.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    parsed: Mutex<BTreeMap<(String, String), Parsed>>,
}

/// Most templates that are kept; a tree has a few hundred, so this is dozens of versions.
const MOST: usize = 20_000;

impl Templates {
    pub(crate) fn get(&self, file: &FileRef<'_>) -> Parsed {
        let key = (file.name(), file.file.id.clone());
        // A poisoned lock only means that another thread panicked while it held complete data.
        if let Some(known) = self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        // Parsed outside the lock: two threads may both parse a file once, which is cheaper than waiting.
        let parsed = parse(&key.0, &file.file.content);
        let mut all = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, parsed.clone());
        parsed
    }
}

fn parse(name: &str, content: &[u8]) -> Parsed {
    static NAMES: OnceLock<BTreeSet<String>> = OnceLock::new();
    let names = NAMES.get_or_init(crate::functions::names);
    let text = std::str::from_utf8(content).map_err(|_| RenderErrorKind::NotText)?;
    Template::parse(name, text, names)
        .map(Arc::new)
        .map_err(RenderErrorKind::Parse)
}
