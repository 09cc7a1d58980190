//! A ledger in memory that remembers the order of its writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{Page, PageRequest, Revision};
use ports::{Clock, Ledger, RegistryError, WriteContext};

pub(crate) struct TestLedger {
    clock: Arc<dyn Clock>,
    entries: Mutex<BTreeMap<(EntryKind, EntryId), Entry>>,
    pub(crate) log: Mutex<String>,
}

impl TestLedger {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            entries: Mutex::default(),
            log: Mutex::default(),
        }
    }

    pub(crate) fn all(&self, kind: &str) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap();
        entries
            .values()
            .filter(|entry| entry.kind.as_str() == kind)
            .cloned()
            .collect()
    }
}

#[async_trait]
impl Ledger for TestLedger {
    async fn put_entry(&self, draft: EntryDraft, _context: &WriteContext) -> Result<Entry, RegistryError> {
        let now = self.clock.now();
        let mut entries = self.entries.lock().unwrap();
        let key = (draft.kind.clone(), draft.id.clone());
        let old = entries.get(&key);
        let entry = Entry {
            revision: Revision(old.map_or(1, |old| old.revision.0 + 1)),
            created_at: old.map_or(now, |old| old.created_at),
            updated_at: now,
            kind: draft.kind,
            id: draft.id,
            cluster: draft.cluster,
            open: draft.open,
            body: draft.body,
        };
        let line = format!("{now} {} {} open={} {}\n", entry.kind, entry.id, entry.open, entry.body);
        self.log.lock().unwrap().push_str(&line);
        entries.insert(key, entry.clone());
        Ok(entry)
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry, RegistryError> {
        panic!("nobody asks for {kind}/{id} alone");
    }

    async fn list_entries(&self, filter: &EntryFilter, _page: &PageRequest) -> Result<Page<Entry>, RegistryError> {
        let entries = self.entries.lock().unwrap();
        let fits = |entry: &&Entry| {
            entry.kind == filter.kind
                && filter.cluster.is_none_or_eq(&entry.cluster)
                && filter.open.is_none_or(|open| open == entry.open)
        };
        Ok(Page {
            items: entries.values().filter(fits).cloned().collect(),
            next: None,
        })
    }
}

trait NoneOrEq<T> {
    fn is_none_or_eq(&self, other: &Option<T>) -> bool;
}

impl<T: PartialEq> NoneOrEq<T> for Option<T> {
    fn is_none_or_eq(&self, other: &Option<T>) -> bool {
        self.is_none() || self == other
    }
}
