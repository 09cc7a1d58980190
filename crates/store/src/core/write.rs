//! One write: which objects it looks at, what it makes of them, what it answers, what is recorded.

use jiff::Timestamp;
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, ConfigKey, FileRegistry, InfrastructureAccount,
    InfrastructureAccountUpdate, Invalid, LifecycleStatus, NodePool, NodePoolName, NodePoolUpdate, Validate,
};
use ports::ledger::{Entry, EntryDraft};
use ports::registry::{Action, FieldChange, ImportMode, ImportReport, ObjectKind, Revision};
use ports::{RegistryError, WriteContext};

use super::entry::{entry_needs, put_entry};
use super::import::{import, import_needs};
use super::{LocalKey, Needs, State, Stored, diff_account, diff_cluster};

/// A write to the registry, as it was asked for.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    CreateAccount(InfrastructureAccount),
    UpdateAccount(AccountId, InfrastructureAccountUpdate),
    CreateCluster(Box<Cluster>),
    DeleteCluster(ClusterId),
    ChangeCluster(ClusterId, Box<ClusterChange>),
    Import(Box<FileRegistry>, ImportMode),
    PutEntry(Box<EntryDraft>),
}

/// A write to an existing cluster, its config items or its node pools.
#[derive(Debug, Clone)]
pub(crate) enum ClusterChange {
    Update(ClusterUpdate),
    PutItem(ConfigKey, String),
    DeleteItem(ConfigKey),
    PutPool(NodePool),
    UpdatePool(NodePoolName, NodePoolUpdate),
    DeletePool(NodePoolName),
    PutPoolItem(NodePoolName, ConfigKey, String),
    DeletePoolItem(NodePoolName, ConfigKey),
}

/// What a write answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Account(Stored<InfrastructureAccount>),
    Cluster(Stored<Cluster>),
    Deleted,
    Import(ImportReport),
    Entry(Box<Entry>),
}

/// What is recorded of one changed object; the store adds the sequence number.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) kind: ObjectKind,
    pub(crate) id: String,
    pub(crate) action: Action,
    pub(crate) revision: Revision,
    pub(crate) fields: Vec<FieldChange>,
}

/// The instant of a write: whole milliseconds, which is what stores keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(pub(crate) i64);

impl Stamp {
    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::MAX)
    }
}

/// Refuses what no store can keep in the record of a write.
pub(crate) fn accept_context(context: &WriteContext) -> Result<(), RegistryError> {
    for (field, value) in [("actor", &context.actor), ("request_id", &context.request_id)] {
        if value.contains('\0') {
            return Err(Invalid::new(field, "must not contain the character U+0000", value).into());
        }
    }
    Ok(())
}

impl Write {
    /// What [`Write::apply`] looks at. It depends on the present objects, so ask again once those have been loaded.
    pub(crate) fn needs(&self, context: &WriteContext, state: &State) -> Needs {
        let mut needs = Needs::default();
        needs.leases.extend(context.fence.iter().map(|(name, _)| name.clone()));
        match self {
            Self::CreateAccount(account) => {
                needs.accounts.insert(account.id.clone());
            }
            Self::UpdateAccount(id, _) => {
                needs.accounts.insert(id.clone());
            }
            Self::CreateCluster(cluster) => cluster_needs(cluster, &mut needs),
            Self::DeleteCluster(id) => {
                needs.clusters.insert(id.clone());
            }
            Self::ChangeCluster(id, change) => {
                needs.clusters.insert(id.clone());
                if let (ClusterChange::Update(update), Some(present)) = (&**change, state.clusters().get(id)) {
                    update_needs(update, &present.object, &mut needs);
                }
            }
            Self::Import(document, _) => import_needs(document, &mut needs),
            Self::PutEntry(draft) => entry_needs(draft, &mut needs),
        }
        needs
    }

    /// Carries the write out on `state` and adds what is to be recorded, or changes nothing at all.
    pub(crate) fn apply(
        &self,
        context: &WriteContext,
        now: Stamp,
        state: &mut State,
        records: &mut Vec<Record>,
    ) -> Result<Answer, RegistryError> {
        check_fence(context, state)?;
        match self {
            Self::CreateAccount(account) => create_account(account, context, state, records),
            Self::UpdateAccount(id, update) => update_account(id, update, context, state, records),
            Self::CreateCluster(cluster) => create_cluster(cluster, context, now, state, records),
            Self::DeleteCluster(id) => delete_cluster(id, context, state, records),
            Self::ChangeCluster(id, change) => change_cluster(id, change, context, state, records),
            Self::Import(document, mode) => {
                if context.expected.is_some() {
                    let rule = "cannot be given for an import, which writes many objects";
                    return Err(Invalid::new("revision", rule, context.expected.unwrap_or(Revision(0))).into());
                }
                import(document, *mode, now, state, records).map(Answer::Import)
            }
            Self::PutEntry(draft) => {
                let entry = put_entry(draft, context, now, state, records)?;
                Ok(Answer::Entry(Box::new(entry)))
            }
        }
    }
}

fn cluster_needs(cluster: &Cluster, needs: &mut Needs) {
    needs.clusters.insert(cluster.id.clone());
    needs.aliases.insert(cluster.alias.clone());
    needs.locals.insert(LocalKey::of(cluster));
}

/// Unique fields are looked up only when the update names them: most updates carry a status alone.
fn update_needs(update: &ClusterUpdate, present: &Cluster, needs: &mut Needs) {
    needs.aliases.extend(update.alias.clone());
    if update.infrastructure_account.is_some() || update.region.is_some() || update.local_id.is_some() {
        let mut new = present.clone();
        new.infrastructure_account = update
            .infrastructure_account
            .clone()
            .unwrap_or(new.infrastructure_account);
        new.region = update.region.clone().unwrap_or(new.region);
        new.local_id = update.local_id.clone().unwrap_or(new.local_id);
        needs.locals.insert(LocalKey::of(&new));
    }
}

fn check_fence(context: &WriteContext, state: &State) -> Result<(), RegistryError> {
    match &context.fence {
        Some((name, token)) if !state.leases().get(name).is_some_and(|row| row.is_held_with(*token)) => {
            Err(RegistryError::FenceLost {
                lease: name.to_string(),
                token: *token,
            })
        }
        _ => Ok(()),
    }
}

pub(super) fn check_revision(context: &WriteContext, actual: Revision) -> Result<(), RegistryError> {
    match context.expected {
        Some(expected) if expected != actual => Err(RegistryError::WrongRevision { expected, actual }),
        _ => Ok(()),
    }
}

/// Refuses a cluster whose alias or local id another cluster has.
pub(crate) fn check_unique(cluster: &Cluster, state: &State) -> Result<(), RegistryError> {
    let other = |holder: Option<&ClusterId>| holder.filter(|id| **id != cluster.id).map(ToString::to_string);
    if let Some(holder) = other(state.alias_holder(&cluster.alias)) {
        return Err(RegistryError::AlreadyExists {
            field: "alias",
            value: cluster.alias.to_string(),
            holder,
        });
    }
    if let Some(holder) = other(state.local_holder(&LocalKey::of(cluster))) {
        return Err(RegistryError::AlreadyExists {
            field: "local_id",
            value: cluster.local_id.clone(),
            holder,
        });
    }
    Ok(())
}

/// The refusal of an id that is in use.
pub(crate) fn taken(id: &str) -> RegistryError {
    RegistryError::AlreadyExists {
        field: "id",
        value: id.to_owned(),
        holder: id.to_owned(),
    }
}

pub(super) fn not_found(kind: &'static str, id: &str) -> RegistryError {
    RegistryError::NotFound {
        kind,
        id: id.to_owned(),
    }
}

/// A new cluster as it is kept: registered now unless it says when, in whole milliseconds.
pub(crate) fn stamped(mut cluster: Cluster, now: Stamp) -> Cluster {
    let millis = cluster.created_at.map_or(now.0, Timestamp::as_millisecond);
    cluster.created_at = Some(Stamp(millis).timestamp());
    cluster
}

fn create_account(
    account: &InfrastructureAccount,
    context: &WriteContext,
    state: &mut State,
    records: &mut Vec<Record>,
) -> Result<Answer, RegistryError> {
    account.validate()?;
    if state.accounts().contains_key(&account.id) {
        return Err(taken(account.id.as_str()));
    }
    check_revision(context, Revision(0))?;
    Ok(Answer::Account(write_account(account.clone(), state, records)))
}

fn update_account(
    id: &AccountId,
    update: &InfrastructureAccountUpdate,
    context: &WriteContext,
    state: &mut State,
    records: &mut Vec<Record>,
) -> Result<Answer, RegistryError> {
    let present = state
        .accounts()
        .get(id)
        .ok_or_else(|| not_found("infrastructure account", id.as_str()))?;
    check_revision(context, present.revision)?;
    let new = update.clone().apply(&present.object)?;
    Ok(Answer::Account(write_account(new, state, records)))
}

/// Puts an account as it shall be and records the difference, if there is one.
pub(crate) fn write_account(
    account: InfrastructureAccount,
    state: &mut State,
    records: &mut Vec<Record>,
) -> Stored<InfrastructureAccount> {
    let id = account.id.clone();
    let before = state.accounts().get(&id).cloned();
    if let Some(present) = before.as_ref().filter(|p| *p.object == account) {
        return present.clone();
    }
    let fields = diff_account(before.as_ref().map(|b| &*b.object), Some(&account));
    let revision = next_revision(before.as_ref().map(|b| b.revision));
    let stored = Stored::new(revision, account);
    state.set_account(&id, Some(stored.clone()));
    records.push(Record {
        kind: ObjectKind::InfrastructureAccount,
        id: id.to_string(),
        action: action(before.is_some()),
        revision,
        fields,
    });
    stored
}

fn create_cluster(
    cluster: &Cluster,
    context: &WriteContext,
    now: Stamp,
    state: &mut State,
    records: &mut Vec<Record>,
) -> Result<Answer, RegistryError> {
    cluster.validate()?;
    if state.clusters().contains_key(&cluster.id) {
        return Err(taken(cluster.id.as_str()));
    }
    check_unique(cluster, state)?;
    check_revision(context, Revision(0))?;
    Ok(Answer::Cluster(write_cluster(
        stamped(cluster.clone(), now),
        state,
        records,
    )))
}

fn change_cluster(
    id: &ClusterId,
    change: &ClusterChange,
    context: &WriteContext,
    state: &mut State,
    records: &mut Vec<Record>,
) -> Result<Answer, RegistryError> {
    let present = state
        .clusters()
        .get(id)
        .ok_or_else(|| not_found("cluster", id.as_str()))?;
    check_revision(context, present.revision)?;
    let new = change.apply(&present.object)?;
    check_unique(&new, state)?;
    Ok(Answer::Cluster(write_cluster(new, state, records)))
}

fn delete_cluster(
    id: &ClusterId,
    context: &WriteContext,
    state: &mut State,
    records: &mut Vec<Record>,
) -> Result<Answer, RegistryError> {
    let present = state
        .clusters()
        .get(id)
        .ok_or_else(|| not_found("cluster", id.as_str()))?;
    check_revision(context, present.revision)?;
    let status = present.object.lifecycle_status;
    if !matches!(status, LifecycleStatus::Requested | LifecycleStatus::Decommissioned) {
        return Err(RegistryError::Forbidden(format!(
            "cluster {id} is {status}: only a cluster that is {} or {} can be deleted",
            LifecycleStatus::Requested,
            LifecycleStatus::Decommissioned
        )));
    }
    let revision = next_revision(Some(present.revision));
    let fields = diff_cluster(Some(&present.object), None);
    state.set_cluster(id, None);
    records.push(Record {
        kind: ObjectKind::Cluster,
        id: id.to_string(),
        action: Action::Deleted,
        revision,
        fields,
    });
    Ok(Answer::Deleted)
}

/// Puts a cluster as it shall be and records the difference, if there is one.
pub(crate) fn write_cluster(cluster: Cluster, state: &mut State, records: &mut Vec<Record>) -> Stored<Cluster> {
    let id = cluster.id.clone();
    let before = state.clusters().get(&id).cloned();
    if let Some(present) = before.as_ref().filter(|p| *p.object == cluster) {
        return present.clone();
    }
    let fields = diff_cluster(before.as_ref().map(|b| &*b.object), Some(&cluster));
    let revision = next_revision(before.as_ref().map(|b| b.revision));
    let stored = Stored::new(revision, cluster);
    state.set_cluster(&id, Some(stored.clone()));
    records.push(Record {
        kind: ObjectKind::Cluster,
        id: id.to_string(),
        action: action(before.is_some()),
        revision,
        fields,
    });
    stored
}

pub(super) fn next_revision(before: Option<Revision>) -> Revision {
    Revision(before.map_or(0, |r| r.0).saturating_add(1))
}

pub(super) fn action(existed: bool) -> Action {
    if existed { Action::Updated } else { Action::Created }
}

impl ClusterChange {
    /// The cluster with this change made.
    fn apply(&self, to: &Cluster) -> Result<Cluster, RegistryError> {
        let mut new = to.clone();
        match self {
            Self::Update(update) => new = update.clone().apply(to)?,
            Self::PutItem(key, value) => {
                new.config_items.insert(key.clone(), value.clone());
                new.validate()?;
            }
            Self::DeleteItem(key) => {
                let old = new.config_items.remove(key);
                old.ok_or_else(|| not_found("config item", key.as_str()))?;
            }
            Self::PutPool(pool) => put_pool(&mut new, pool)?,
            Self::UpdatePool(name, update) => {
                let pool = pool_mut(&mut new, name)?;
                *pool = update.clone().apply(pool)?;
            }
            Self::DeletePool(name) => {
                pool_mut(&mut new, name)?;
                new.node_pools.retain(|p| p.name != *name);
            }
            Self::PutPoolItem(name, key, value) => {
                let pool = pool_mut(&mut new, name)?;
                pool.config_items.insert(key.clone(), value.clone());
                pool.validate()?;
            }
            Self::DeletePoolItem(name, key) => {
                let old = pool_mut(&mut new, name)?.config_items.remove(key);
                old.ok_or_else(|| not_found("config item", key.as_str()))?;
            }
        }
        Ok(new)
    }
}

/// Replaces the pool of this name in its place or adds it at the end: the version string depends on the order.
fn put_pool(cluster: &mut Cluster, pool: &NodePool) -> Result<(), RegistryError> {
    pool.validate()?;
    match cluster.node_pools.iter_mut().find(|p| p.name == pool.name) {
        Some(present) => *present = pool.clone(),
        None => cluster.node_pools.push(pool.clone()),
    }
    Ok(())
}

fn pool_mut<'a>(cluster: &'a mut Cluster, name: &NodePoolName) -> Result<&'a mut NodePool, RegistryError> {
    cluster
        .node_pools
        .iter_mut()
        .find(|p| p.name == *name)
        .ok_or_else(|| not_found("node pool", name.as_str()))
}
