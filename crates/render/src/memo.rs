//! Work that cannot have changed is not done again.
//!
//! The result of a template depends on its text, on the config items and values that it read, and on the rest of the inputs,
//! which is compared as one digest. The last result of each template of each cluster is kept with what it read; it is used
//! again if all of that is equal. Equal texts of different clusters are kept and decoded once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gotemplate::ReadSet;
use sha2::{Digest, Sha256};

use crate::desired::Content;
use crate::error::RenderErrorKind;

type Decoded = Result<Arc<Content>, RenderErrorKind>;

/// A digest of inputs or of a text.
pub(crate) type Key = [u8; 32];

/// One read and what it gave: `None` for an absent key.
pub(crate) type Dependency = (Arc<str>, Option<Arc<str>>, Option<Arc<str>>);

/// A result with everything it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) template: String,
    pub(crate) context: Key,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) text: Arc<str>,
    pub(crate) reads: Arc<ReadSet>,
}

/// Bytes of texts that are kept for reuse.
const TEXT_BYTES: usize = 48 << 20;

#[derive(Debug, Default)]
pub(crate) struct Memo {
    results: Mutex<Results>,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Results {
    entries: BTreeMap<(String, String), Entry>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Contents {
    by_digest: BTreeMap<Key, Decoded>,
    bytes: usize,
}

impl Memo {
    pub(crate) fn get(&self, cluster: &str, template: &str) -> Option<Entry> {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.entries.get(&(cluster.to_owned(), template.to_owned())).cloned()
    }

    pub(crate) fn put(&self, cluster: &str, template: &str, entry: Entry) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if results.bytes > TEXT_BYTES {
            results.entries.clear();
            results.bytes = 0;
        }
        results.bytes += entry.text.len();
        results.entries.insert((cluster.to_owned(), template.to_owned()), entry);
    }

    /// Decodes a text, or finds it decoded.
    pub(crate) fn decode(&self, text: &Arc<str>) -> Decoded {
        let key = digest(text.as_bytes());
        let known = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = known.by_digest.get(&key) {
            return content.clone();
        }
        drop(known);
        let content = crate::manifest::decode(text).map(Arc::new);
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        // Decoded values take several times the room of their text.
        if contents.bytes > TEXT_BYTES / 4 {
            contents.by_digest.clear();
            contents.bytes = 0;
        }
        contents.bytes += text.len();
        contents.by_digest.insert(key, content.clone());
        content
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}
