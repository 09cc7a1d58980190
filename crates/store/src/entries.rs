//! The ledger on either store.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use model::Invalid;
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{Page, PageRequest};
use ports::{Ledger, RegistryError, WriteContext};

use crate::backend;
use crate::core::Write;
use crate::error::registry_error;
use crate::memory::MemoryRegistry;
use crate::read::{cut, limited, rows_wanted};
use crate::rows;
use crate::sql::Sql;
use crate::store::Store;

type Result<T> = std::result::Result<T, RegistryError>;

/// The place of an entry in a list: when it was made, then its id.
type Place = (i64, String);

fn place(entry: &Entry) -> Place {
    (entry.created_at.as_millisecond(), entry.id.to_string())
}

/// Where a page begins: after the entry with this place.
fn start(page: &PageRequest) -> Result<Option<Place>> {
    let wrong = |text: &String| Invalid::new("continue", "must be a place that an earlier page gave", text);
    let parse = |text: &String| -> std::result::Result<Place, Invalid> {
        let (millis, id) = text.split_once('/').ok_or_else(|| wrong(text))?;
        let millis = millis.parse().map_err(|_| wrong(text))?;
        Timestamp::from_millisecond(millis).map_err(|_| wrong(text))?;
        let id: EntryId = id.parse().map_err(|_| wrong(text))?;
        Ok((millis, id.into()))
    };
    Ok(page.after.as_ref().map(parse).transpose()?)
}

fn cut_entries(entries: Vec<Entry>, page: &PageRequest) -> Page<Entry> {
    cut(entries, page, |entry| {
        let (millis, id) = place(entry);
        format!("{millis}/{id}")
    })
}

#[async_trait]
impl Ledger for Store {
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry> {
        backend::entry(self, Write::PutEntry(Box::new(draft)), context).await
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry> {
        let select = Sql::new("SELECT ")
            .push(rows::ENTRY_COLUMNS)
            .push(" FROM entries WHERE kind = ")
            .bind(kind.as_str())
            .push(" AND id = ")
            .bind(id.as_str());
        let found = self.readers.fetch(select, rows::entry).await.map_err(registry_error)?;
        backend::found(found.into_iter().next(), "entry", &format!("{kind}/{id}"))
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>> {
        let wanted = rows_wanted(page)?;
        let mut select = Sql::new("SELECT ")
            .push(rows::ENTRY_COLUMNS)
            .push(" FROM entries WHERE kind = ")
            .bind(filter.kind.as_str());
        if let Some(cluster) = &filter.cluster {
            select = select.push(" AND cluster_id = ").bind(cluster.as_str());
        }
        if let Some(open) = filter.open {
            select = select.push(" AND open = ").bind(i64::from(open));
        }
        if let Some((millis, id)) = start(page)? {
            select = select
                .push(" AND (created_at < ")
                .bind(millis)
                .push(" OR (created_at = ")
                .bind(millis)
                .push(" AND id < ")
                .bind(id.as_str())
                .push("))");
        }
        let select = limited(select.push(" ORDER BY created_at DESC, id DESC"), wanted);
        let found = self.readers.fetch(select, rows::entry).await.map_err(registry_error)?;
        Ok(cut_entries(found, page))
    }
}

#[async_trait]
impl Ledger for MemoryRegistry {
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry> {
        backend::entry(self, Write::PutEntry(Box::new(draft)), context).await
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry> {
        let found = self.with_state(|state| state.entry(kind, id).cloned());
        backend::found(found.map(|entry| (*entry).clone()), "entry", &format!("{kind}/{id}"))
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>> {
        let wanted = rows_wanted(page)?.map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX));
        let after = start(page)?;
        let mut found: Vec<Arc<Entry>> = self.with_state(|state| {
            let fit = state.entries_that_fit(filter);
            let fit = fit.filter(|entry| after.as_ref().is_none_or(|after| place(entry) < *after));
            fit.cloned().collect()
        });
        found.sort_by_key(|entry| std::cmp::Reverse(place(entry)));
        found.truncate(wanted);
        let found = found.into_iter().map(Arc::unwrap_or_clone).collect();
        Ok(cut_entries(found, page))
    }
}
