//! The objects that writes look at and change, with the indices that keep unique fields unique.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{AccountId, Alias, Cluster, ClusterId, InfrastructureAccount};
use ports::LeaseName;
use ports::ledger::{Entry, EntryFilter, EntryId, EntryKind};
use ports::registry::{Revision, Versioned};
use sha2::{Digest, Sha256};

use super::LeaseRow;

/// An object at a revision, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored<T> {
    pub(crate) revision: Revision,
    pub(crate) object: Arc<T>,
}

impl<T: Clone> Stored<T> {
    pub(crate) fn new(revision: Revision, object: T) -> Self {
        let object = Arc::new(object);
        Self { revision, object }
    }

    pub(crate) fn into_versioned(self) -> Versioned<T> {
        Versioned {
            revision: self.revision,
            object: Arc::unwrap_or_clone(self.object),
        }
    }
}

/// Account, region and local id of a cluster, which together are unique, as a SHA-256 in hex.
///
/// A hash because the three may be longer together than an index entry of PostgreSQL can be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LocalKey(String);

impl LocalKey {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let mut hash = Sha256::new();
        for part in [
            cluster.infrastructure_account.as_str(),
            &cluster.region,
            &cluster.local_id,
        ] {
            hash.update(part.as_bytes());
            // U+0000 is in none of them, so different triples never join to the same text.
            hash.update([0]);
        }
        Self(hex::encode(hash.finalize()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names an entry of the ledger.
pub(crate) type EntryKey = (EntryKind, EntryId);

/// What a write must be able to look at.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) accounts: BTreeSet<AccountId>,
    pub(crate) clusters: BTreeSet<ClusterId>,
    pub(crate) aliases: BTreeSet<Alias>,
    pub(crate) locals: BTreeSet<LocalKey>,
    pub(crate) leases: BTreeSet<LeaseName>,
    pub(crate) entries: BTreeSet<EntryKey>,
}

impl Needs {
    pub(crate) fn extend(&mut self, other: Self) {
        self.accounts.extend(other.accounts);
        self.clusters.extend(other.clusters);
        self.aliases.extend(other.aliases);
        self.locals.extend(other.locals);
        self.leases.extend(other.leases);
        self.entries.extend(other.entries);
    }
}

/// The objects by id: all of them in the store in memory, those that a transaction needs in the SQL store.
#[derive(Debug, Default)]
pub(crate) struct State {
    accounts: BTreeMap<AccountId, Stored<InfrastructureAccount>>,
    clusters: BTreeMap<ClusterId, Stored<Cluster>>,
    aliases: BTreeMap<Alias, ClusterId>,
    locals: BTreeMap<LocalKey, ClusterId>,
    leases: BTreeMap<LeaseName, LeaseRow>,
    entries: BTreeMap<EntryKind, BTreeMap<EntryId, Arc<Entry>>>,
    /// Entries by the cluster that they are about, and those that are open: the two questions that are asked all the time.
    of_cluster: BTreeMap<(EntryKind, ClusterId), BTreeSet<EntryId>>,
    open: BTreeMap<EntryKind, BTreeSet<EntryId>>,
}

impl State {
    pub(crate) fn accounts(&self) -> &BTreeMap<AccountId, Stored<InfrastructureAccount>> {
        &self.accounts
    }

    pub(crate) fn clusters(&self) -> &BTreeMap<ClusterId, Stored<Cluster>> {
        &self.clusters
    }

    pub(crate) fn leases(&self) -> &BTreeMap<LeaseName, LeaseRow> {
        &self.leases
    }

    pub(crate) fn entry(&self, kind: &EntryKind, id: &EntryId) -> Option<&Arc<Entry>> {
        self.entries.get(kind)?.get(id)
    }

    /// The entries that fit, in the order of their ids.
    pub(crate) fn entries_that_fit<'a>(&'a self, filter: &'a EntryFilter) -> impl Iterator<Item = &'a Arc<Entry>> {
        let kind = &filter.kind;
        let of_kind = self.entries.get(kind);
        let ids = match (&filter.cluster, filter.open) {
            (Some(cluster), _) => Some(self.of_cluster.get(&(kind.clone(), cluster.clone()))),
            (None, Some(true)) => Some(self.open.get(kind)),
            (None, _) => None,
        };
        let all = of_kind.filter(|_| ids.is_none()).into_iter().flat_map(BTreeMap::values);
        let listed = ids.flatten().into_iter().flatten();
        let listed = listed.filter_map(move |id| of_kind?.get(id));
        let fits = move |entry: &&Arc<Entry>| filter.open.is_none_or(|open| entry.open == open);
        listed.chain(all).filter(fits)
    }

    pub(crate) fn alias_holder(&self, alias: &Alias) -> Option<&ClusterId> {
        self.aliases.get(alias)
    }

    pub(crate) fn local_holder(&self, key: &LocalKey) -> Option<&ClusterId> {
        self.locals.get(key)
    }

    /// Puts or removes an account and answers what was there.
    pub(crate) fn set_account(
        &mut self,
        id: &AccountId,
        account: Option<Stored<InfrastructureAccount>>,
    ) -> Option<Stored<InfrastructureAccount>> {
        match account {
            Some(account) => self.accounts.insert(id.clone(), account),
            None => self.accounts.remove(id),
        }
    }

    /// Puts or removes a cluster with its index entries and answers what was there.
    ///
    /// The caller has made sure that no other cluster holds the alias or the local id.
    pub(crate) fn set_cluster(&mut self, id: &ClusterId, cluster: Option<Stored<Cluster>>) -> Option<Stored<Cluster>> {
        let old = self.clusters.remove(id);
        if let Some(old) = &old {
            // Entries are removed only while they are this cluster's: within an import another may have taken them over.
            if self.aliases.get(&old.object.alias) == Some(id) {
                self.aliases.remove(&old.object.alias);
            }
            let key = LocalKey::of(&old.object);
            if self.locals.get(&key) == Some(id) {
                self.locals.remove(&key);
            }
        }
        if let Some(new) = cluster {
            self.aliases.insert(new.object.alias.clone(), id.clone());
            self.locals.insert(LocalKey::of(&new.object), id.clone());
            self.clusters.insert(id.clone(), new);
        }
        old
    }

    pub(crate) fn set_entry(&mut self, entry: Arc<Entry>) {
        let of_kind = self.entries.entry(entry.kind.clone()).or_default();
        if let Some(old) = of_kind.insert(entry.id.clone(), Arc::clone(&entry)) {
            if let Some(cluster) = &old.cluster {
                let of = self.of_cluster.get_mut(&(old.kind.clone(), cluster.clone()));
                of.map(|ids| ids.remove(&old.id));
            }
            self.open.get_mut(&old.kind).map(|ids| ids.remove(&old.id));
        }
        if let Some(cluster) = &entry.cluster {
            let of = self.of_cluster.entry((entry.kind.clone(), cluster.clone()));
            of.or_default().insert(entry.id.clone());
        }
        if entry.open {
            let open = self.open.entry(entry.kind.clone());
            open.or_default().insert(entry.id.clone());
        }
    }

    pub(crate) fn set_lease(&mut self, name: &LeaseName, row: LeaseRow) {
        self.leases.insert(name.clone(), row);
    }
}
