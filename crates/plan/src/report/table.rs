//! A row per cluster and change, for many clusters and for `-o wide`.

use crate::change::Change;
use crate::fleet::FleetPlan;

/// Rows of cluster, kind, name, action, message; the first one is the head.
#[must_use]
pub fn table(plan: &FleetPlan) -> Vec<[String; 5]> {
    let mut rows = vec![["CLUSTER", "KIND", "NAME", "ACTION", "MESSAGE"].map(str::to_owned)];
    for cluster in &plan.clusters {
        for change in cluster.changes() {
            let (kind, name, message) = parts(&change);
            let action = match change.verb() {
                crate::Verb::Delete => "delete",
                crate::Verb::Replace => "replace",
                crate::Verb::Update => "change",
                crate::Verb::Create => "create",
            };
            rows.push([cluster.alias.clone(), kind, name, action.to_owned(), message]);
        }
        for error in &cluster.errors {
            let none = || "<none>".to_owned();
            rows.push([cluster.alias.clone(), none(), none(), "error".to_owned(), error.clone()]);
        }
    }
    rows
}

fn parts(change: &Change) -> (String, String, String) {
    match change {
        Change::Pool(pool) => {
            let why: Vec<String> = pool.why.iter().map(ToString::to_string).collect();
            let nodes = pool
                .drained()
                .map(|nodes| format!("; {nodes} to drain"))
                .unwrap_or_default();
            (
                "NodePool".to_owned(),
                pool.pool.clone(),
                format!("{}{nodes}", why.join("; ")),
            )
        }
        Change::Stack(stack) => ("Stack".to_owned(), stack.name.clone(), stack.resources.join(", ")),
        Change::Deletion(deletion) => ("Deletion".to_owned(), deletion.target.clone(), String::new()),
        Change::Object(object) => {
            let id = &object.object;
            let name = match &id.namespace {
                Some(namespace) => format!("{namespace}/{}", id.name),
                None => id.name.clone(),
            };
            let fields: Vec<&str> = object.fields.iter().map(|field| field.path.as_str()).collect();
            (id.kind.clone(), name, fields.join(", "))
        }
    }
}
