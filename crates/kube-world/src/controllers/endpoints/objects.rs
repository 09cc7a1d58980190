//! The older Endpoints object of a Service: all addresses in one object, by ports, those that are not ready apart.

use std::collections::BTreeMap;

use json_tree::{Value, json};

use super::plan::{Backend, HEADLESS, Ports};
use crate::controllers::support::acts::Acts;
use crate::controllers::support::pods::{Pod, PodExt};
use crate::controllers::support::tree::{at, deleting, flag, merge_patch, name, namespace, remove, set, text, texts};
use crate::kind::Kind;

/// The most addresses that the object holds; the rest is cut off, and an annotation says so.
const MOST: usize = 1_000;
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The label that says whose the object is.
pub(super) const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";

/// The addresses that share their ports.
#[derive(Debug)]
struct Subset {
    ports: Value,
    ready: Vec<Value>,
    not_ready: Vec<Value>,
}

/// Plans what becomes of the object; `found` is the one that is there.
pub(super) fn plan(service: &Value, backends: &[Backend], found: Option<&Value>, acts: &mut Acts) {
    let (subsets, cut) = subsets(service, backends);
    let mut wanted = json!({"metadata": {"labels": labels(service)}});
    if cut {
        set(&mut wanted, &["metadata", "annotations", OVER_CAPACITY], "truncated");
    }
    if !subsets.is_empty() {
        set(&mut wanted, &["subsets"], subsets);
    }
    let Some(found) = found else {
        set(&mut wanted, &["metadata", "name"], name(service));
        set(&mut wanted, &["metadata", "namespace"], namespace(service));
        return acts.create(Kind::ENDPOINTS, wanted);
    };
    if deleting(found) {
        return;
    }
    let mut patch = json!({});
    if at(found, &["subsets"]) != at(&wanted, &["subsets"]) {
        // A list is replaced as a whole, and null where there is none any more.
        set(
            &mut patch,
            &["subsets"],
            remove(&mut wanted, &["subsets"]).unwrap_or_default(),
        );
    }
    for path in [&["metadata", "labels"][..], &["metadata", "annotations", OVER_CAPACITY]] {
        match (at(found, path), at(&wanted, path)) {
            (Some(old), Some(new)) => {
                if let Some(change) = merge_patch(old, new) {
                    set(&mut patch, path, change);
                }
            }
            (None, Some(new)) => set(&mut patch, path, new.clone()),
            (Some(_), None) => set(&mut patch, path, Value::Null),
            (None, None) => {}
        }
    }
    if patch != json!({}) {
        acts.patch(Kind::ENDPOINTS, found, patch);
    }
}

fn labels(service: &Value) -> Value {
    let mut labels = texts(service, &["metadata", "labels"]);
    labels.remove(HEADLESS);
    labels.insert(MANAGED_BY.to_owned(), "endpoint-controller".to_owned());
    if text(service, &["spec", "clusterIP"]) == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    json!(labels)
}

/// The subsets, and whether addresses had to be left out.
fn subsets(service: &Value, backends: &[Backend]) -> (Vec<Value>, bool) {
    let mut groups: BTreeMap<String, Subset> = BTreeMap::new();
    let mut known = Ports::default();
    let addresses: Vec<(&Pod, Value, bool)> = backends
        .iter()
        .filter_map(|backend| {
            let (address, ready) = address(service, &backend.pod)?;
            Some((&backend.pod, address, ready))
        })
        .collect();
    let cut = addresses.len() > MOST;
    for (pod, address, ready) in addresses.into_iter().take(MOST) {
        let (text, ports) = known.of(service, pod);
        let group = match groups.get_mut(text) {
            Some(group) => group,
            None => groups.entry(text.to_owned()).or_insert_with(|| Subset {
                ports: ports.clone(),
                ready: Vec::new(),
                not_ready: Vec::new(),
            }),
        };
        if ready {
            group.ready.push(address);
        } else {
            group.not_ready.push(address);
        }
    }
    let subset = |group: Subset| {
        let mut subset = json!({});
        for (field, mut list) in [("addresses", group.ready), ("notReadyAddresses", group.not_ready)] {
            if !list.is_empty() {
                list.sort_by(|one, two| text(one, &["ip"]).cmp(&text(two, &["ip"])));
                set(&mut subset, &[field], list);
            }
        }
        if group.ports.as_array().is_some_and(|ports| !ports.is_empty()) {
            set(&mut subset, &["ports"], group.ports);
        }
        subset
    };
    (groups.into_values().map(subset).collect(), cut)
}

/// A pod's address as the object has it, and whether it counts as ready. Pods on their way out are left out, unless the
/// Service publishes all that is there.
fn address(service: &Value, pod: &Pod) -> Option<(Value, bool)> {
    let published = flag(service, &["spec", "publishNotReadyAddresses"]);
    let ip = pod
        .ip
        .filter(|_| !pod.phase.is_terminal() && (published || !pod.is_deleting()))?;
    let mut address = json!({"ip": ip.to_string(),
        "targetRef": {"kind": "Pod", "namespace": &*pod.namespace, "name": &*pod.name, "uid": &*pod.uid}});
    if let Some(node) = &pod.node {
        set(&mut address, &["nodeName"], &**node);
    }
    let host = &*pod.network.hostname;
    if !host.is_empty() && &*pod.network.subdomain == name(service) {
        set(&mut address, &["hostname"], host);
    }
    Some((address, pod.ready || published))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::support::tree::list;
    use crate::engine::Action;

    fn service() -> Value {
        json!({"metadata": {"name": "web", "namespace": "x", "uid": "s", "labels": {"team": "a"}}, "spec": {
            "clusterIP": "10.5.0.9", "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
    }

    fn backend(number: usize, ready: bool) -> Backend {
        let mut pod = crate::controllers::support::testing::running(&format!("p{number:04}"), ready);
        pod["status"]["podIP"] = json!(format!("10.2.{}.{}", number / 250, number % 250));
        let pod = crate::controllers::support::testing::pod(&pod);
        Backend { pod, zone: None }
    }

    fn made(backends: &[Backend]) -> Value {
        let mut acts = Acts::default();
        plan(&service(), backends, None, &mut acts);
        acts.created().remove(0)
    }

    #[test]
    fn addresses_that_are_not_ready_stand_apart() {
        let object = made(&[backend(2, true), backend(1, true), backend(3, false)]);
        let subset = &object["subsets"][0];
        let ips = |field: &str| -> Vec<&str> {
            list(subset, &[field])
                .iter()
                .filter_map(|address| text(address, &["ip"]))
                .collect()
        };
        assert_eq!(ips("addresses"), ["10.2.0.1", "10.2.0.2"]);
        assert_eq!(ips("notReadyAddresses"), ["10.2.0.3"]);
        assert_eq!(
            subset["ports"],
            json!([{"name": "http", "port": 8080, "protocol": "TCP"}])
        );
        assert_eq!(
            object["metadata"]["labels"],
            json!({"team": "a", MANAGED_BY: "endpoint-controller"})
        );
        assert_eq!(made(&[])["subsets"], Value::Null);
    }

    #[test]
    fn a_thousand_addresses_are_all_it_holds() {
        let backends: Vec<Backend> = (0..1_001).map(|number| backend(number, true)).collect();
        let object = made(&backends);
        assert_eq!(list(&object["subsets"][0], &["addresses"]).len(), MOST);
        assert_eq!(object["metadata"]["annotations"][OVER_CAPACITY], "truncated");
    }

    #[test]
    fn only_what_changed_is_written() {
        let object = made(&[backend(1, true)]);
        let again = |backends: &[Backend]| {
            let mut acts = Acts::default();
            plan(&service(), backends, Some(&object), &mut acts);
            acts.into_actions()
        };
        assert_eq!(again(&[backend(1, true)]), []);
        let changed = again(&[]);
        assert!(
            matches!(changed.as_slice(), [Action::Patch { patch, .. }] if *patch == json!({"subsets": null})),
            "{changed:?}"
        );
    }
}
