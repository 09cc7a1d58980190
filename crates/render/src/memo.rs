//! Work that cannot have changed is not done again.
//!
//! The result of a template depends on its text and on what it read: config items and simple values are compared one by one,
//! everything else as one digest over the rest of the inputs. The last result of each template of each cluster is kept with
//! what it read, and so are a few results per template for other clusters: one is used again if all that it read is equal.
//! Equal texts are decoded once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

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
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) text: Arc<str>,
    pub(crate) reads: Arc<ReadSet>,
}

/// Bytes of texts that are kept for reuse.
const TEXT_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
pub(crate) struct Memo {
    results: Mutex<Results>,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Results {
    of_cluster: BTreeMap<(String, String), Arc<Entry>>,
    /// Results of any cluster by template, the newest last.
    shared: BTreeMap<String, Vec<Arc<Entry>>>,
    bytes: usize,
}

/// Results per template that other clusters may share.
const VARIANTS: usize = 4;

/// Decoded texts: all that anyone still holds, and some of the latest besides.
#[derive(Debug, Default)]
struct Contents {
    by_digest: BTreeMap<Key, Weak<Content>>,
    latest: Vec<Arc<Content>>,
    bytes: usize,
}

/// Most digests that are kept, of which many lead to contents that are gone.
const DIGESTS: usize = 100_000;

impl Memo {
    /// A result for this template whose dependencies all hold.
    pub(crate) fn get(&self, cluster: &str, template: &str, holds: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let key = (cluster.to_owned(), template.to_owned());
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let own = results.of_cluster.get(&key).cloned();
        let shared = results.shared.get(template).cloned().unwrap_or_default();
        drop(results);
        if let Some(own) = own.filter(|entry| holds(entry)) {
            return Some(own);
        }
        shared.into_iter().rev().find(|entry| holds(entry))
    }

    pub(crate) fn put(&self, cluster: &str, template: &str, entry: Entry) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Arc::new(entry);
        let key = (cluster.to_owned(), template.to_owned());
        if let Some(old) = results.of_cluster.remove(&key) {
            results.bytes = results.bytes.saturating_sub(old.text.len());
        }
        // When the room is used up, what is there stays: a pass over the fleet would else throw out what its next one needs.
        if results.bytes + entry.text.len() <= TEXT_BYTES {
            results.bytes += entry.text.len();
            results.of_cluster.insert(key, Arc::clone(&entry));
        }
        let shared = results.shared.entry(template.to_owned()).or_default();
        if shared.len() >= VARIANTS {
            shared.remove(0);
        }
        shared.push(entry);
    }

    /// Decodes a text, or finds it decoded.
    pub(crate) fn decode(&self, text: &Arc<str>) -> Decoded {
        let key = digest(text.as_bytes());
        let known = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = known.by_digest.get(&key).and_then(Weak::upgrade) {
            return Ok(content);
        }
        drop(known);
        let content = Arc::new(crate::manifest::decode(text)?);
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        // Decoded values take several times the room of their text.
        if contents.bytes > TEXT_BYTES / 8 {
            contents.latest.clear();
            contents.bytes = 0;
        }
        if contents.by_digest.len() > DIGESTS {
            contents.by_digest.retain(|_, content| content.strong_count() > 0);
        }
        contents.bytes += text.len();
        contents.latest.push(Arc::clone(&content));
        contents.by_digest.insert(key, Arc::downgrade(&content));
        Ok(content)
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}
