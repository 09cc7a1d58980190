//! A whole document of accounts and clusters as one write.

use std::collections::BTreeSet;

use model::{Cluster, ClusterStatus, FileRegistry, Invalid, Validate};
use ports::RegistryError;
use ports::registry::{ImportMode, ImportReport, ObjectKind};

use super::write::{check_unique, stamped, taken, write_account, write_cluster};
use super::{LocalKey, Needs, Record, Stamp, State, Stored};

/// Everything that the document could meet: objects of its ids, and those that hold its unique fields.
pub(crate) fn import_needs(document: &FileRegistry, needs: &mut Needs) {
    for account in &document.infrastructure_accounts {
        needs.accounts.insert(account.id.clone());
    }
    for file in &document.clusters {
        needs.clusters.insert(file.cluster.id.clone());
        needs.aliases.insert(file.cluster.alias.clone());
        needs.locals.insert(LocalKey::of(&file.cluster));
    }
}

/// Writes the document or nothing. All rules are checked before the first object changes.
pub(crate) fn import(
    document: &FileRegistry,
    mode: ImportMode,
    now: Stamp,
    state: &mut State,
    records: &mut Vec<Record>,
) -> Result<ImportReport, RegistryError> {
    check_document(document)?;
    if mode == ImportMode::Create {
        check_all_new(document, state)?;
    }
    let clusters: Vec<Cluster> = document
        .clusters
        .iter()
        .map(|f| target(&f.cluster, state, now))
        .collect();
    let before = take_out(&clusters, state);
    let refused = clusters.iter().find_map(|c| check_unique(c, state).err());
    // The old ones go back in any case: the writes below compare with them.
    for (cluster, old) in clusters.iter().zip(before) {
        state.set_cluster(&cluster.id, old);
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    let mut report = ImportReport::default();
    for account in &document.infrastructure_accounts {
        let known = state.accounts().contains_key(&account.id);
        let written = records.len();
        write_account(account.clone(), state, records);
        let name = format!("{}/{}", ObjectKind::InfrastructureAccount.as_str(), account.id);
        list(&mut report, name, known, records.len() > written);
    }
    for cluster in clusters {
        let known = state.clusters().contains_key(&cluster.id);
        let written = records.len();
        let name = format!("{}/{}", ObjectKind::Cluster.as_str(), cluster.id);
        write_cluster(cluster, state, records);
        list(&mut report, name, known, records.len() > written);
    }
    Ok(report)
}

fn list(report: &mut ImportReport, name: String, known: bool, written: bool) {
    match (known, written) {
        (false, _) => report.created.push(name),
        (true, true) => report.updated.push(name),
        (true, false) => report.unchanged.push(name),
    }
}

/// Removes the present clusters of these ids, so that two clusters can swap an alias within one document.
fn take_out(clusters: &[Cluster], state: &mut State) -> Vec<Option<Stored<Cluster>>> {
    clusters.iter().map(|c| state.set_cluster(&c.id, None)).collect()
}

/// The cluster as it shall be. What a document leaves out stays: the time of registration, and a status, since documents
/// written by hand have none and must not wipe what the lifecycle manager reported.
fn target(cluster: &Cluster, state: &State, now: Stamp) -> Cluster {
    let mut new = cluster.clone();
    if let Some(present) = state.clusters().get(&cluster.id) {
        if new.status == ClusterStatus::default() {
            new.status = present.object.status.clone();
        }
        new.created_at = new.created_at.or(present.object.created_at);
    }
    stamped(new, now)
}

fn check_all_new(document: &FileRegistry, state: &State) -> Result<(), RegistryError> {
    let account = document
        .infrastructure_accounts
        .iter()
        .find(|a| state.accounts().contains_key(&a.id));
    if let Some(account) = account {
        return Err(taken(account.id.as_str()));
    }
    let cluster = document
        .clusters
        .iter()
        .find(|f| state.clusters().contains_key(&f.cluster.id));
    cluster.map_or(Ok(()), |file| Err(taken(file.cluster.id.as_str())))
}

/// Every rule that the document breaks by itself, each with its place.
fn check_document(document: &FileRegistry) -> Result<(), RegistryError> {
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    for (i, account) in document.infrastructure_accounts.iter().enumerate() {
        let mut found = account.validate().err().unwrap_or_default();
        if !ids.insert(account.id.as_str()) {
            found.push(Invalid::new("id", "must be unique in the document", &account.id));
        }
        let place = format!("infrastructure_accounts[{i}]");
        problems.extend(found.into_iter().map(|p| p.within(&place)));
    }
    let (mut ids, mut aliases, mut locals) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (i, file) in document.clusters.iter().enumerate() {
        let cluster = &file.cluster;
        let mut found = cluster.validate().err().unwrap_or_default();
        if !ids.insert(cluster.id.as_str()) {
            found.push(Invalid::new("id", "must be unique in the document", &cluster.id));
        }
        if !aliases.insert(cluster.alias.as_str()) {
            found.push(Invalid::new("alias", "must be unique in the document", &cluster.alias));
        }
        if !locals.insert(LocalKey::of(cluster)) {
            let rule = "must be unique in account and region";
            found.push(Invalid::new("local_id", rule, &cluster.local_id));
        }
        let place = format!("clusters[{i}]");
        problems.extend(found.into_iter().map(|p| p.within(&place)));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.into())
    }
}
