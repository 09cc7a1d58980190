//! The fields in which two states of an object differ, with secrets masked.

use std::collections::BTreeMap;

use model::{Cluster, ConfigItems, InfrastructureAccount, NodePool, secrets};
use ports::registry::FieldChange;
use serde::Serialize;
use serde_json::Value;

/// Differences between two states of a cluster; an absent state means that the cluster was not there.
///
/// Secret config items show as [`secrets::MASK`] on both sides: that they changed is visible, what they hold is not.
pub(crate) fn diff_cluster(before: Option<&Cluster>, after: Option<&Cluster>) -> Vec<FieldChange> {
    let mut changes = Changes::default();
    let (b, a) = (before, after);
    changes.field("alias", b.map(|c| c.alias.as_str()), a.map(|c| c.alias.as_str()));
    changes.field(
        "infrastructure_account",
        b.map(|c| c.infrastructure_account.as_str()),
        a.map(|c| c.infrastructure_account.as_str()),
    );
    changes.field("region", b.map(|c| &c.region), a.map(|c| &c.region));
    changes.field("local_id", b.map(|c| &c.local_id), a.map(|c| &c.local_id));
    changes.field("provider", b.map(|c| &c.provider), a.map(|c| &c.provider));
    changes.field(
        "api_server_url",
        b.map(|c| &c.api_server_url),
        a.map(|c| &c.api_server_url),
    );
    changes.field("channel", b.map(|c| &c.channel), a.map(|c| &c.channel));
    changes.field("environment", b.map(|c| &c.environment), a.map(|c| &c.environment));
    changes.field(
        "criticality_level",
        b.map(|c| c.criticality_level),
        a.map(|c| c.criticality_level),
    );
    changes.field(
        "lifecycle_status",
        b.map(|c| c.lifecycle_status),
        a.map(|c| c.lifecycle_status),
    );
    diff_status(&mut changes, b, a);
    changes.items("config_items", b.map(|c| &c.config_items), a.map(|c| &c.config_items));
    diff_pools(&mut changes, b, a);
    changes.field("created_at", b.and_then(|c| c.created_at), a.and_then(|c| c.created_at));
    changes.0
}

/// Differences between two states of an account.
pub(crate) fn diff_account(
    before: Option<&InfrastructureAccount>,
    after: Option<&InfrastructureAccount>,
) -> Vec<FieldChange> {
    let mut changes = Changes::default();
    let (b, a) = (before, after);
    changes.field("type", b.map(|x| &x.kind), a.map(|x| &x.kind));
    changes.field("name", b.map(|x| &x.name), a.map(|x| &x.name));
    changes.field("owner", b.map(|x| &x.owner), a.map(|x| &x.owner));
    changes.field("cost_center", b.map(|x| &x.cost_center), a.map(|x| &x.cost_center));
    changes.field("environment", b.map(|x| &x.environment), a.map(|x| &x.environment));
    changes.field(
        "criticality_level",
        b.map(|x| x.criticality_level),
        a.map(|x| x.criticality_level),
    );
    changes.field("external_id", b.map(|x| &x.external_id), a.map(|x| &x.external_id));
    changes.field(
        "lifecycle_status",
        b.map(|x| x.lifecycle_status),
        a.map(|x| x.lifecycle_status),
    );
    changes.0
}

/// An empty version is an absent one: that is how it looks on the wire.
fn diff_status(changes: &mut Changes, before: Option<&Cluster>, after: Option<&Cluster>) {
    let some = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
    let (b, a) = (before.map(|c| &c.status), after.map(|c| &c.status));
    changes.field(
        "status.current_version",
        b.and_then(|s| some(&s.current_version)),
        a.and_then(|s| some(&s.current_version)),
    );
    changes.field(
        "status.last_version",
        b.and_then(|s| some(&s.last_version)),
        a.and_then(|s| some(&s.last_version)),
    );
    changes.field(
        "status.next_version",
        b.and_then(|s| some(&s.next_version)),
        a.and_then(|s| some(&s.next_version)),
    );
    changes.field(
        "status.problems",
        b.map(|s| &s.problems).filter(|p| !p.is_empty()),
        a.map(|s| &s.problems).filter(|p| !p.is_empty()),
    );
}

fn diff_pools(changes: &mut Changes, before: Option<&Cluster>, after: Option<&Cluster>) {
    let pools = |cluster: Option<&Cluster>| cluster.map(|c| c.node_pools.clone()).unwrap_or_default();
    let (old, new) = (pools(before), pools(after));
    let named = |pools: &[NodePool]| -> BTreeMap<String, NodePool> {
        pools.iter().map(|p| (p.name.to_string(), p.clone())).collect()
    };
    let (old_by_name, new_by_name) = (named(&old), named(&new));
    // The version string depends on the order of pools, so a change of it alone is a change worth a record.
    let kept = |pools: &[NodePool], others: &BTreeMap<String, NodePool>| -> Vec<String> {
        let names = pools.iter().map(|p| p.name.to_string());
        names.filter(|name| others.contains_key(name)).collect()
    };
    if kept(&old, &new_by_name) != kept(&new, &old_by_name) {
        let names = |pools: &[NodePool]| pools.iter().map(|p| p.name.to_string()).collect::<Vec<_>>();
        changes.field("node_pools", Some(names(&old)), Some(names(&new)));
    }
    let mut all = old_by_name.clone();
    all.extend(new_by_name.clone());
    for name in all.keys() {
        let place = format!("node_pools.{name}");
        match (old_by_name.get(name), new_by_name.get(name)) {
            (Some(b), Some(a)) => diff_pool(changes, &place, b, a),
            (b, a) => changes.field(&place, b.map(masked_pool), a.map(masked_pool)),
        }
    }
}

fn diff_pool(changes: &mut Changes, place: &str, before: &NodePool, after: &NodePool) {
    changes.field(&format!("{place}.profile"), Some(&before.profile), Some(&after.profile));
    changes.field(
        &format!("{place}.instance_types"),
        Some(&before.instance_types),
        Some(&after.instance_types),
    );
    changes.field(
        &format!("{place}.discount_strategy"),
        Some(&before.discount_strategy),
        Some(&after.discount_strategy),
    );
    changes.field(
        &format!("{place}.min_size"),
        Some(before.min_size),
        Some(after.min_size),
    );
    changes.field(
        &format!("{place}.max_size"),
        Some(before.max_size),
        Some(after.max_size),
    );
    changes.items(
        &format!("{place}.config_items"),
        Some(&before.config_items),
        Some(&after.config_items),
    );
}

fn masked_pool(pool: &NodePool) -> NodePool {
    NodePool {
        config_items: secrets::masked(&pool.config_items),
        ..pool.clone()
    }
}

#[derive(Default)]
struct Changes(Vec<FieldChange>);

impl Changes {
    fn field<T: Serialize + PartialEq>(&mut self, field: &str, before: Option<T>, after: Option<T>) {
        if before != after {
            self.0.push(FieldChange {
                field: field.to_owned(),
                before: before.map(|v| value(&v)),
                after: after.map(|v| value(&v)),
            });
        }
    }

    fn items(&mut self, place: &str, before: Option<&ConfigItems>, after: Option<&ConfigItems>) {
        let none = ConfigItems::new();
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (b, a) = (before.get(key), after.get(key));
            if b == a {
                continue;
            }
            // Either side being secret hides both: a key that was encrypted and is now plain would tell the old value's kin.
            let secret = [b, a]
                .into_iter()
                .flatten()
                .any(|v| secrets::is_secret(key.as_str(), v));
            let shown = |v: &String| Value::String(if secret { secrets::MASK.to_owned() } else { v.clone() });
            self.0.push(FieldChange {
                field: format!("{place}.{key}"),
                before: b.map(shown),
                after: a.map(shown),
            });
        }
    }
}

/// The model's types always have a JSON form: their map keys are strings and they hold no floats.
fn value<T: Serialize>(of: &T) -> Value {
    serde_json::to_value(of).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests;
