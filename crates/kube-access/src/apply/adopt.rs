//! Taking over what client-side apply owned.
//!
//! Client-side writers leave `Update` entries in `managedFields`. As long as they stand there, a field that leaves git stays in
//! the cluster: its old owner still holds it. So their fields are moved into our own entry, once, before the next apply; that
//! apply then takes away what git does not want. kubectl does the same when it changes to server-side apply.

use serde_json::{Value, json};

use super::fields::{entries, is_apply, is_update_by, union};
use crate::resource::meta;

/// Managers whose fields are ours to take: kubectl's client-side apply, what was there before managers were recorded, and
/// the names under which the original manager wrote.
pub const CLIENT_SIDE_MANAGERS: [&str; 4] = [
    "kubectl-client-side-apply",
    "before-first-apply",
    "cluster-lifecycle-manager",
    "clm",
];

/// The JSON patch that moves the fields of client-side managers into the entry of `ours`; none if they own nothing.
///
/// The patch carries the version it was made from, so it is refused if anybody wrote in between.
#[must_use]
pub fn migration(live: &Value, ours: &str, client_side: &[String]) -> Option<Value> {
    let moved: Vec<&Value> = entries(live).filter(|entry| is_update_by(entry, client_side)).collect();
    let first = moved.first()?;
    let own = entries(live).find(|entry| is_apply(entry, ours));
    let mut fields = own
        .and_then(|own| own.get("fieldsV1"))
        .cloned()
        .unwrap_or_else(|| json!({}));
    for entry in &moved {
        fields = union(fields, entry.get("fieldsV1").unwrap_or(&Value::Null));
    }
    let mut entry = own.unwrap_or(first).clone();
    if let Some(map) = entry.as_object_mut() {
        map.insert("manager".to_owned(), ours.into());
        map.insert("operation".to_owned(), "Apply".into());
        map.insert("fieldsV1".to_owned(), fields);
    }
    let others = entries(live).filter(|other| !is_update_by(other, client_side) && !is_apply(other, ours));
    let managed: Vec<Value> = std::iter::once(entry).chain(others.cloned()).collect();
    Some(json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": managed},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": meta(live, "resourceVersion")},
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managers() -> Vec<String> {
        CLIENT_SIDE_MANAGERS.map(str::to_owned).to_vec()
    }

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields})
    }

    #[test]
    fn fields_of_client_side_writers_move_into_ours() {
        let live = json!({"metadata": {"resourceVersion": "7", "managedFields": [
            entry("kubectl-client-side-apply", "Update", &json!({"f:data": {"f:a": {}}})),
            entry("clm", "Update", &json!({"f:data": {"f:b": {}}})),
            entry("controller", "Update", &json!({"f:status": {}})),
            entry("fleetwright", "Apply", &json!({"f:data": {"f:c": {}}})),
        ]}});
        let patch = migration(&live, "fleetwright", &managers()).unwrap();
        assert_eq!(
            patch[0]["value"],
            json!([
                entry(
                    "fleetwright",
                    "Apply",
                    &json!({"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}})
                ),
                entry("controller", "Update", &json!({"f:status": {}})),
            ])
        );
        assert_eq!(patch[1]["value"], "7");
    }

    #[test]
    fn nothing_is_taken_from_others() {
        let mut status = entry("clm", "Update", &json!({"f:status": {}}));
        status["subresource"] = "status".into();
        for other in [
            entry("controller", "Update", &json!({"f:data": {}})),
            entry("kubectl-client-side-apply", "Apply", &json!({"f:data": {}})),
            status,
        ] {
            let live = json!({"metadata": {"managedFields": [other]}});
            assert_eq!(migration(&live, "fleetwright", &managers()), None, "{live}");
        }
    }
}
