//! What every cluster has from the start.

use json_tree::{Value, json};

use crate::gc;
use crate::registry::{builtin, split_api_version};
use crate::server::Core;
use crate::store::Key;
use crate::value::text;
use crate::{handlers, strategy};

/// Makes the namespaces, their service accounts, the built-in priority classes and the `kubernetes` service.
pub(crate) fn fill(core: &Core) {
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        put(
            core,
            "",
            "namespaces",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        );
    }
    for (name, value, text) in [
        (
            "system-cluster-critical",
            2_000_000_000_i64,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ] {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
            "value": value, "description": text});
        put(core, "scheduling.k8s.io", "priorityclasses", class);
    }
    let (first, _) = core.config.service_range;
    let address = std::net::Ipv4Addr::from(u32::from(first).wrapping_add(1)).to_string();
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": address, "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]}});
    put(core, "", "services", service);
}

/// Adds cluster-scoped objects of built-in kinds.
pub(crate) fn add(core: &Core, objects: Vec<Value>) {
    for object in objects {
        let (group, _) = split_api_version(text(&object, &["apiVersion"]).unwrap_or_default());
        let registry = core.state().registry.clone();
        let found = registry.find_kind(group, text(&object, &["kind"]).unwrap_or_default());
        if let Some(resource) = found {
            put(core, resource.group(), resource.plural(), object);
        }
    }
}

fn put(core: &Core, group: &str, plural: &str, mut object: Value) {
    let Some(resource) = builtin(group, plural) else { return };
    handlers::prepare_create(core, resource, &mut object);
    strategy::defaults(resource, &mut object);
    let mut state = core.state();
    // The ranges are empty at the start, so this cannot be refused.
    let _ = strategy::allocate(core, &state, resource, None, &mut object);
    let key = Key::new(crate::value::namespace(&object), crate::value::name(&object));
    state.put(resource, &key, object);
    gc::after_put(core, &mut state, resource, &key, false);
}
