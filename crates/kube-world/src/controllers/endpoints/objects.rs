//! The older Endpoints object of a Service: all addresses in one object, by ports, those that are not ready apart.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use json_tree::{Text, Value, json};

use super::plan::{Backend, Known, Ports, is_address, is_labelled, is_reference, labels, reference};
use crate::controllers::support::acts::Acts;
use crate::controllers::support::pods::{Pod, PodExt};
use crate::controllers::support::tree::{at, deleting, flag, list, merge_patch, name, namespace, set};
use crate::kind::Kind;

/// The most addresses that the object holds; the rest is cut off, and an annotation says so.
const MOST: usize = 1_000;
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The label that says whose the object is.
pub(super) const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
/// The labels of the object that are not its Service's.
const OWN: [(&str, &str); 1] = [(MANAGED_BY, "endpoint-controller")];
const CUT: &str = "truncated";

/// The addresses that share their ports, each with its text.
#[derive(Debug)]
struct Subset {
    ports: Value,
    ready: Vec<(Text, Value)>,
    not_ready: Vec<(Text, Value)>,
}

/// Plans what becomes of the object; `found` is the one that is there.
pub(super) fn plan(
    service: &Value,
    backends: &[Backend<'_>],
    found: Option<&Value>,
    ports: &mut Ports,
    acts: &mut Acts,
) {
    let (subsets, cut) = subsets(service, backends, found, ports);
    let subsets = (!subsets.is_empty()).then(|| Value::from(subsets));
    let Some(found) = found else {
        let mut wanted = json!({"metadata": {
            "name": name(service), "namespace": namespace(service), "labels": labels(service, &OWN)}});
        if cut {
            set(&mut wanted, &["metadata", "annotations", OVER_CAPACITY], CUT);
        }
        if let Some(subsets) = subsets {
            set(&mut wanted, &["subsets"], subsets);
        }
        return acts.create(Kind::ENDPOINTS, wanted);
    };
    if deleting(found) {
        return;
    }
    let mut patch = json!({});
    if at(found, &["subsets"]) != subsets.as_ref() {
        // A list is replaced as a whole, and null where there is none any more.
        set(&mut patch, &["subsets"], subsets.unwrap_or_default());
    }
    let path = ["metadata", "labels"];
    let old = at(found, &path);
    if !is_labelled(old, service, &OWN) {
        let new = labels(service, &OWN);
        if let Some(change) = old.map_or_else(|| Some(new.clone()), |old| merge_patch(old, &new)) {
            set(&mut patch, &path, change);
        }
    }
    let path = ["metadata", "annotations", OVER_CAPACITY];
    match (at(found, &path), cut) {
        (old, true) if old.is_none_or(|old| old != CUT) => set(&mut patch, &path, CUT),
        (Some(_), false) => set(&mut patch, &path, Value::Null),
        _ => {}
    }
    if patch != json!({}) {
        acts.patch(Kind::ENDPOINTS, found, patch);
    }
}

/// The subsets, and whether addresses had to be left out.
fn subsets(service: &Value, backends: &[Backend<'_>], found: Option<&Value>, ports: &mut Ports) -> (Vec<Value>, bool) {
    let mut groups: BTreeMap<String, Subset> = BTreeMap::new();
    let there = found.into_iter().flat_map(|found| list(found, &["subsets"]));
    let there = there.flat_map(|subset| {
        let lists = [list(subset, &["addresses"]), list(subset, &["notReadyAddresses"])];
        lists.into_iter().flatten()
    });
    let mut known = Known::of(there);
    let published = flag(service, &["spec", "publishNotReadyAddresses"]);
    let reached: Vec<(&Pod, Ipv4Addr)> = backends
        .iter()
        .filter_map(|backend| Some((&backend.pod, reached_at(&backend.pod, published)?)))
        .collect();
    let cut = reached.len() > MOST;
    for (pod, ip) in reached.into_iter().take(MOST) {
        let old = known.find(&pod.name).filter(|old| is_address_of(old, service, pod, ip));
        let address = old.cloned().unwrap_or_else(|| address(service, pod, ip));
        let (text, ports) = ports.of(service, pod);
        let group = match groups.get_mut(text) {
            Some(group) => group,
            None => groups.entry(text.to_owned()).or_insert_with(|| Subset {
                ports: ports.clone(),
                ready: Vec::new(),
                not_ready: Vec::new(),
            }),
        };
        let list = if pod.ready || published {
            &mut group.ready
        } else {
            &mut group.not_ready
        };
        let key = match address.get("ip") {
            Some(Value::String(ip)) => ip.clone(),
            _ => Text::new(),
        };
        list.push((key, address));
    }
    (groups.into_values().map(subset).collect(), cut)
}

fn subset(group: Subset) -> Value {
    let mut subset = json!({});
    for (field, mut list) in [("addresses", group.ready), ("notReadyAddresses", group.not_ready)] {
        if !list.is_empty() {
            list.sort_by(|(one, _), (two, _)| one.cmp(two));
            let list: Vec<Value> = list.into_iter().map(|(_, address)| address).collect();
            set(&mut subset, &[field], list);
        }
    }
    if group.ports.as_array().is_some_and(|ports| !ports.is_empty()) {
        set(&mut subset, &["ports"], group.ports);
    }
    subset
}

/// Where a pod is reached. Pods on their way out are left out, unless the Service publishes all that is there.
fn reached_at(pod: &Pod, published: bool) -> Option<Ipv4Addr> {
    pod.ip
        .filter(|_| !pod.phase.is_terminal() && (published || !pod.is_deleting()))
}

/// The name that a Service gives a pod, if the pod asks for one under it.
fn host<'p>(service: &Value, pod: &'p Pod) -> Option<&'p str> {
    let host = &*pod.network.hostname;
    (!host.is_empty() && &*pod.network.subdomain == name(service)).then_some(host)
}

/// A pod's address as the object has it.
fn address(service: &Value, pod: &Pod, ip: Ipv4Addr) -> Value {
    let mut address = json!({"ip": ip.to_string(), "targetRef": reference(pod)});
    if let Some(node) = &pod.node {
        set(&mut address, &["nodeName"], &**node);
    }
    if let Some(host) = host(service, pod) {
        set(&mut address, &["hostname"], host);
    }
    address
}

/// Whether an address of the object is just the one that a pod should have.
fn is_address_of(found: &Value, service: &Value, pod: &Pod, ip: Ipv4Addr) -> bool {
    let places = [("nodeName", pod.node.as_deref()), ("hostname", host(service, pod))];
    let mut places = places.iter().filter_map(|(field, place)| Some((*field, (*place)?)));
    found.as_object().is_some_and(|map| {
        map.len() == 2 + places.clone().count()
            && places.all(|(field, place)| map.get(field).is_some_and(|value| value == place))
            && is_address(map.get("ip"), ip)
            && is_reference(map.get("targetRef"), pod)
    })
}

#[cfg(test)]
mod tests {
    use super::super::plan::HEADLESS;
    use super::*;
    use crate::controllers::support::tree::text;
    use crate::engine::Action;

    fn service() -> Value {
        json!({"metadata": {"name": "web", "namespace": "x", "uid": "s", "labels": {"team": "a"}}, "spec": {
            "clusterIP": "10.5.0.9", "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
    }

    fn backend(number: usize, ready: bool) -> Backend<'static> {
        let mut pod = crate::controllers::support::testing::running(&format!("p{number:04}"), ready);
        pod["status"]["podIP"] = json!(format!("10.2.{}.{}", number / 250, number % 250));
        let pod = crate::controllers::support::testing::pod(&pod);
        Backend { pod, zone: None }
    }

    fn made(backends: &[Backend]) -> Value {
        let mut acts = Acts::default();
        plan(&service(), backends, None, &mut Ports::default(), &mut acts);
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
        let backends: Vec<Backend<'_>> = (0..1_001).map(|number| backend(number, true)).collect();
        let object = made(&backends);
        assert_eq!(list(&object["subsets"][0], &["addresses"]).len(), MOST);
        assert_eq!(object["metadata"]["annotations"][OVER_CAPACITY], "truncated");
    }

    #[test]
    fn addresses_that_are_still_true_are_taken_over() {
        let object = made(&[backend(1, true), backend(2, true)]);
        let now = [backend(0, true), backend(1, false), backend(2, true)];
        let (subsets, _) = subsets(&service(), &now, Some(&object), &mut Ports::default());
        assert_eq!(json!(subsets), made(&now)["subsets"]);
        let old = &object["subsets"][0]["addresses"];
        assert!(subsets[0]["addresses"][1].shares(&old[1]));
        assert!(subsets[0]["notReadyAddresses"][0].shares(&old[0]));
        let mut service = service();
        service["spec"]["clusterIP"] = json!("None");
        assert!(is_labelled(Some(&labels(&service, &OWN)), &service, &OWN));
        assert_eq!(labels(&service, &OWN)[HEADLESS], "");
    }

    #[test]
    fn only_what_changed_is_written() {
        let object = made(&[backend(1, true)]);
        let again = |backends: &[Backend]| {
            let mut acts = Acts::default();
            plan(&service(), backends, Some(&object), &mut Ports::default(), &mut acts);
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
