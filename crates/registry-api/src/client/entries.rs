//! The ledger over the API: what a lifecycle manager beside the server needs.

use async_trait::async_trait;
use http::Method;
use model::Invalid;
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{Page, PageRequest};
use ports::{Ledger, RegistryError, WriteContext};

use super::RegistryClient;
use super::calls::paged;
use super::transport::Call;
use crate::{LedgerEntry, LedgerEntryDraft, LedgerEntryList, paths};

#[async_trait]
impl Ledger for RegistryClient {
    /// As the contract says, but config items cannot change along: who changes them sets a block through its own operation.
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry, RegistryError> {
        if !draft.items.is_empty() {
            let rule = "must be empty: config items do not change with entries that are written over the API";
            return Err(Invalid::new("items", rule, draft.items.len()).into());
        }
        let body = LedgerEntryDraft {
            cluster_id: draft.cluster,
            open: draft.open,
            body: draft.body,
        };
        let call = Call::new(Method::PUT, paths::entry(&draft.kind, &draft.id))
            .about("entry", &draft.id)
            .body(&body)?
            .context(context)?;
        let entry: LedgerEntry = self.transport.send(call).await?.json()?;
        entry.try_into()
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry, RegistryError> {
        let call = Call::get(paths::entry(kind, id)).about("entry", id);
        let entry: LedgerEntry = self.transport.send(call).await?.json()?;
        entry.try_into()
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>, RegistryError> {
        let call = Call::get(paths::entries(&filter.kind))
            .query("cluster_id", filter.cluster.as_ref())
            .query("open", filter.open);
        let list: LedgerEntryList = self.transport.send(paged(call, page)).await?.json()?;
        let items = list
            .items
            .into_iter()
            .map(Entry::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, next: list.next })
    }
}
