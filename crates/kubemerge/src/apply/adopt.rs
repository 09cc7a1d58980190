//! Moves ownership from client-side apply to an applier.

use json_tree::Value;

use super::managed::{ManagedFields, ManagedFieldsError, ManagerId, Operation};

/// Name under which kubectl's client-side apply owns fields.
pub const CLIENT_SIDE_APPLY: &str = "kubectl-client-side-apply";

/// Turns what `from` owns by Update into what `applier` owns by Apply, so that the applier's next apply can remove fields that it
/// no longer sets. Only entries of the same subresource and version are joined with an entry the applier already has. Returns
/// the object with its new managedFields; without an entry of `from` it is unchanged.
///
/// # Errors
/// [`ManagedFieldsError`] when the object's managedFields cannot be read.
pub fn adopt(object: &Value, from: &str, applier: &str, subresource: &str) -> Result<Value, ManagedFieldsError> {
    let mut managed = ManagedFields::of(object)?;
    let mut sources: Vec<ManagerId> = managed
        .entries
        .keys()
        .filter(|id| id.manager == from && id.operation == Operation::Update && id.subresource == subresource)
        .cloned()
        .collect();
    // The oldest first, as the entries stand in the object.
    sources.sort_by_key(|id| managed.get(id).and_then(|owned| owned.time));
    let target = ManagerId::new(applier, Operation::Apply, "", subresource);
    for id in sources {
        let Some(owned) = managed.entries.remove(&id) else {
            continue;
        };
        match managed.entries.get_mut(&target) {
            None => {
                managed.entries.insert(target.clone(), owned);
            }
            Some(mine) if mine.api_version == owned.api_version => mine.fields.extend(&owned.fields),
            Some(_) => {}
        }
    }
    let mut out = object.clone();
    managed.write(&mut out);
    Ok(out)
}
