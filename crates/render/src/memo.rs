//! Work that cannot have changed is not done again.
//!
//! The result of a template depends on its text and on what it read: config items and simple values are compared one by one,
//! everything else as one digest over the rest of the inputs. The last result of each template of each cluster is kept with
//! what it read, and so are a few results per template for other clusters: one is used again if all that it read is equal.
//! Equal texts are kept once, with what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sha2::{Digest, Sha256};

use crate::items::SharedItems;
use crate::rendered::Rendered;

/// A digest of inputs or of a text.
pub(crate) type Key = [u8; 32];

/// One read and what it gave: container, member (`None` for all of them), and `None` for an absent one.
pub(crate) type Dependency = (Arc<str>, Option<Arc<str>>, Option<Arc<str>>);

/// A result with everything it was made from.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Id of the template's content.
    pub(crate) template: Arc<str>,
    pub(crate) dependencies: Box<[Dependency]>,
    pub(crate) rendered: Arc<Rendered>,
    /// The config items among the dependencies, sorted; `*` for all of them.
    pub(crate) items: Arc<[Arc<str>]>,
}

/// Bytes of texts that are kept for clusters; a cluster has about half a megabyte that no other has.
const TEXT_BYTES: usize = 128 << 20;

/// What a result takes besides its text.
const RESULT_BYTES: usize = 256;

/// Results per template that other clusters may share.
const VARIANTS: usize = 8;

/// Most digests and names that are kept, of which some lead to nothing any more.
const MOST: usize = 200_000;

#[derive(Debug, Default)]
pub(crate) struct Memo {
    results: Mutex<Results>,
    texts: Mutex<Texts>,
    names: Mutex<BTreeSet<Arc<str>>>,
    items: Mutex<BTreeMap<String, SharedItems>>,
}

/// All texts that somebody still has, and some that nobody has any more.
#[derive(Debug, Default)]
struct Texts {
    known: BTreeMap<Key, Weak<Rendered>>,
    /// How many there were after the last sweep.
    swept: usize,
}

impl Texts {
    /// Drops those that nobody has any more, once there are twice as many as the last time: a large fleet has more texts in use
    /// than [`MOST`], and going through them for each new one would cost more than all else.
    fn sweep(&mut self) {
        if self.known.len() >= MOST.max(self.swept.saturating_mul(2)) {
            self.known.retain(|_, text| text.strong_count() > 0);
            self.swept = self.known.len();
        }
    }
}

#[derive(Debug, Default)]
struct Results {
    /// By cluster, then template.
    of_cluster: BTreeMap<String, BTreeMap<String, Kept>>,
    /// Results of any cluster by template, the newest last.
    shared: BTreeMap<String, Vec<Arc<Entry>>>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    entry: Arc<Entry>,
    /// What it was counted as.
    bytes: usize,
}

/// A poisoned lock only means that another thread panicked while it held complete data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memo {
    /// A result for this template whose dependencies all hold.
    pub(crate) fn get(&self, cluster: &str, template: &str, holds: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let results = lock(&self.results);
        let own = results.of_cluster.get(cluster).and_then(|own| own.get(template));
        let own = own.map(|kept| Arc::clone(&kept.entry));
        drop(results);
        if let Some(own) = own.filter(|entry| holds(entry)) {
            return Some(own);
        }
        let shared = lock(&self.results).shared.get(template).cloned().unwrap_or_default();
        let found = shared.into_iter().rev().find(|entry| holds(entry))?;
        // Its text belongs to another cluster, but once that one changes nobody else would know it.
        lock(&self.results).keep(cluster, template, &found, RESULT_BYTES);
        Some(found)
    }

    /// Keeps a result, for this cluster and others.
    pub(crate) fn put(&self, cluster: &str, template: &str, entry: Entry, new_text: bool) -> Arc<Entry> {
        let entry = Arc::new(entry);
        let text = if new_text { entry.rendered.text.len() } else { 0 };
        let mut results = lock(&self.results);
        results.keep(cluster, template, &entry, text + RESULT_BYTES);
        let shared = results.shared.entry(template.to_owned()).or_default();
        if shared.len() >= VARIANTS {
            shared.remove(0);
        }
        shared.push(Arc::clone(&entry));
        entry
    }

    /// The text, or the equal one that is known already, and whether it is new.
    pub(crate) fn text(&self, text: String) -> (Arc<Rendered>, bool) {
        let key = digest(text.as_bytes());
        let mut texts = lock(&self.texts);
        if let Some(known) = texts.known.get(&key).and_then(Weak::upgrade) {
            return (known, false);
        }
        texts.sweep();
        let rendered = Arc::new(Rendered::new(text.into()));
        texts.known.insert(key, Arc::downgrade(&rendered));
        (rendered, true)
    }

    /// Drops what is kept for one cluster alone. Results that other clusters may share stay.
    pub(crate) fn forget(&self, cluster: &str) {
        let mut results = lock(&self.results);
        for kept in results.of_cluster.remove(cluster).unwrap_or_default().into_values() {
            results.bytes = results.bytes.saturating_sub(kept.bytes);
        }
        drop(results);
        lock(&self.items).remove(cluster);
    }

    /// One copy of each name of a container or key.
    pub(crate) fn name(&self, name: &str) -> Arc<str> {
        let mut names = lock(&self.names);
        if let Some(known) = names.get(name) {
            return Arc::clone(known);
        }
        if names.len() >= MOST {
            names.clear();
        }
        let name: Arc<str> = name.into();
        names.insert(Arc::clone(&name));
        name
    }

    /// The items of a cluster: what it had the last time, if `make` finds that equal.
    pub(crate) fn items(&self, cluster: &str, make: impl FnOnce(Option<&SharedItems>) -> SharedItems) -> SharedItems {
        let known = lock(&self.items).get(cluster).cloned();
        let items = make(known.as_ref());
        lock(&self.items).insert(cluster.to_owned(), items.clone());
        items
    }
}

impl Results {
    fn keep(&mut self, cluster: &str, template: &str, entry: &Arc<Entry>, bytes: usize) {
        if !self.of_cluster.contains_key(cluster) {
            self.of_cluster.insert(cluster.to_owned(), BTreeMap::new());
        }
        let Some(own) = self.of_cluster.get_mut(cluster) else {
            return;
        };
        if let Some(old) = own.remove(template) {
            self.bytes = self.bytes.saturating_sub(old.bytes);
        }
        // When the room is used up, what is there stays: a pass over the fleet would else throw out what its next one needs.
        if self.bytes + bytes <= TEXT_BYTES {
            self.bytes += bytes;
            let entry = Arc::clone(entry);
            own.insert(template.to_owned(), Kept { entry, bytes });
        }
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_nobody_has_are_swept_when_there_are_twice_as_many_as_the_last_time() {
        let live = Arc::new(Rendered::new("kind: Namespace".into()));
        let mut texts = Texts::default();
        texts.known.insert(digest(b"live"), Arc::downgrade(&live));
        let fill = |texts: &mut Texts, up_to: usize| {
            let mut n = 0_u64;
            while texts.known.len() < up_to {
                let mut key = Key::default();
                key[..8].copy_from_slice(&n.to_le_bytes());
                texts.known.insert(key, Weak::new());
                n += 1;
            }
        };
        fill(&mut texts, MOST - 1);
        texts.sweep();
        assert_eq!(texts.known.len(), MOST - 1, "not yet");
        fill(&mut texts, MOST);
        texts.sweep();
        assert_eq!((texts.known.len(), texts.swept), (1, 1));
        // As many in use as in a large fleet: the next sweep comes when there are twice as many.
        texts.swept = MOST;
        fill(&mut texts, 2 * MOST - 1);
        texts.sweep();
        assert_eq!(texts.known.len(), 2 * MOST - 1);
    }
}
