//! The EndpointSlices of a Service, from its pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use json_tree::{Map, Value, json};

use crate::cache::PodNetwork;
use crate::controllers::support::acts::Acts;
use crate::controllers::support::meta::{controller_ref, generate_name};
use crate::controllers::support::pods::{Pod, PodExt};
use crate::controllers::support::tree::{at, deleting, flag, int, list, name, namespace, set, text, texts, uid};
use crate::kind::Kind;

/// The most endpoints that a slice holds.
const MOST: usize = 100;
/// Who keeps the slices.
pub(crate) const MANAGER: &str = "endpointslice-controller.k8s.io";
/// The label with the Service's name.
pub(crate) const SERVICE: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";

/// A pod of the Service, with the zone of its node.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) pod: Pod,
    pub(crate) zone: Option<String>,
}

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) service: &'a Value,
    /// The pods that the Service's selector finds, in order of their names.
    pub(crate) backends: &'a [Backend],
    /// The Service's slices that this controller keeps.
    pub(crate) slices: &'a [Arc<Value>],
    /// Makes the names of new slices differ from those of earlier ones.
    pub(crate) moment: String,
}

/// The addresses and ports of one slice.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    ports: Value,
    endpoints: Vec<Value>,
}

/// Plans one turn.
pub(crate) fn plan(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    let slices = input.slices.iter().map(|slice| &**slice);
    let mut left: Vec<&Value> = slices.filter(|slice| !deleting(slice)).collect();
    let mut taken: BTreeSet<String> = input.slices.iter().map(|slice| name(slice).to_owned()).collect();
    for (number, wanted) in wanted(input).into_iter().enumerate() {
        // Slices keep their names: one with the same ports is filled anew.
        let place = left
            .iter()
            .position(|slice| at(slice, &["ports"]).unwrap_or(&json!([])) == &wanted.ports);
        match place.map(|place| left.remove(place)) {
            Some(slice) => update(input, slice, wanted, &mut acts),
            None => make(input, wanted, number, &mut taken, &mut acts),
        }
    }
    for slice in left {
        acts.delete(Kind::ENDPOINT_SLICE, slice);
    }
    acts
}

/// The slices that there should be: by ports, a hundred endpoints each; an empty one where there is nothing.
fn wanted(input: &Input<'_>) -> Vec<Wanted> {
    let mut groups: BTreeMap<String, Wanted> = BTreeMap::new();
    let mut known = Ports::default();
    for backend in input.backends {
        let Some(endpoint) = endpoint(input.service, backend) else {
            continue;
        };
        let (text, ports) = known.of(input.service, &backend.pod);
        match groups.get_mut(text) {
            Some(group) => group.endpoints.push(endpoint),
            None => {
                let (ports, endpoints) = (ports.clone(), vec![endpoint]);
                groups.insert(text.to_owned(), Wanted { ports, endpoints });
            }
        }
    }
    if groups.is_empty() {
        return vec![Wanted {
            ports: json!([]),
            endpoints: Vec::new(),
        }];
    }
    let split = |group: Wanted| -> Vec<Wanted> {
        let parts = group.endpoints.len().div_ceil(MOST);
        let mut endpoints = group.endpoints.into_iter();
        (0..parts)
            .map(|_| Wanted {
                ports: group.ports.clone(),
                endpoints: endpoints.by_ref().take(MOST).collect(),
            })
            .collect()
    };
    groups.into_values().flat_map(split).collect()
}

fn endpoint(service: &Value, backend: &Backend) -> Option<Value> {
    let pod = &backend.pod;
    let address = pod.ip.filter(|_| !pod.phase.is_terminal())?;
    let (serving, terminating) = (pod.ready, pod.is_deleting());
    let published = flag(service, &["spec", "publishNotReadyAddresses"]);
    let mut endpoint = json!({
        "addresses": [address.to_string()],
        "conditions": {"ready": published || (serving && !terminating), "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": &*pod.namespace, "name": &*pod.name, "uid": &*pod.uid}});
    if let Some(node) = &pod.node {
        set(&mut endpoint, &["nodeName"], &**node);
    }
    if let Some(zone) = &backend.zone {
        set(&mut endpoint, &["zone"], zone.as_str());
    }
    let host = &*pod.network.hostname;
    if !host.is_empty() && &*pod.network.subdomain == name(service) {
        set(&mut endpoint, &["hostname"], host);
    }
    Some(endpoint)
}

/// The ports of a Service as its pods have them. Pods of one kind share what they say of their network, so they are worked
/// out once for all of them.
#[derive(Debug, Default)]
pub(super) struct Ports(Vec<(Arc<PodNetwork>, String, Value)>);

impl Ports {
    /// The ports as this pod has them, with their text, which tells them apart from others.
    pub(super) fn of(&mut self, service: &Value, pod: &Pod) -> (&str, &Value) {
        let known = self
            .0
            .iter()
            .position(|(network, ..)| Arc::ptr_eq(network, &pod.network));
        let place = known.unwrap_or_else(|| {
            let ports = ports(service, pod);
            self.0.push((pod.network.clone(), ports.to_string(), ports));
            self.0.len() - 1
        });
        self.0
            .get(place)
            .map_or(("", &Value::Null), |(_, text, ports)| (text, ports))
    }
}

/// The Service's ports as this pod has them; named ports are looked up in its containers.
fn ports(service: &Value, pod: &Pod) -> Value {
    let mut out = Vec::new();
    for port in list(service, &["spec", "ports"]) {
        let target = at(port, &["targetPort"]);
        let number = match target {
            Some(Value::String(wanted)) => named(pod, wanted, text(port, &["protocol"]).unwrap_or("TCP")),
            Some(Value::Number(number)) if number.as_i64() != Some(0) => number.as_i64(),
            _ => int(port, &["port"]),
        };
        let Some(number) = number else {
            continue;
        };
        let mut found = Map::new();
        found.insert("name", text(port, &["name"]).unwrap_or_default().into());
        found.insert("port", number.into());
        found.insert("protocol", text(port, &["protocol"]).unwrap_or("TCP").into());
        if let Some(protocol) = text(port, &["appProtocol"]) {
            found.insert("appProtocol", protocol.into());
        }
        out.push(Value::Object(found));
    }
    Value::from(out)
}

fn named(pod: &Pod, wanted: &str, protocol: &str) -> Option<i64> {
    let mut ports = pod.network.ports.iter();
    let port = ports.find(|port| &*port.name == wanted && &*port.protocol == protocol)?;
    Some(port.number)
}

fn labels(service: &Value) -> Value {
    let mut labels = texts(service, &["metadata", "labels"]);
    labels.remove(HEADLESS);
    labels.insert(SERVICE.to_owned(), name(service).to_owned());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if text(service, &["spec", "clusterIP"]) == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    json!(labels)
}

fn update(input: &Input<'_>, slice: &Value, wanted: Wanted, acts: &mut Acts) {
    let mut patch = json!({});
    if list(slice, &["endpoints"]) != wanted.endpoints {
        set(&mut patch, &["endpoints"], wanted.endpoints);
    }
    let bare = json!({});
    let before = at(slice, &["metadata", "labels"]).unwrap_or(&bare);
    if let Some(change) = crate::controllers::support::tree::merge_patch(before, &labels(input.service)) {
        set(&mut patch, &["metadata", "labels"], change);
    }
    if patch != json!({}) {
        acts.patch(Kind::ENDPOINT_SLICE, slice, patch);
    }
}

fn make(input: &Input<'_>, wanted: Wanted, number: usize, taken: &mut BTreeSet<String>, acts: &mut Acts) {
    let service = input.service;
    let base = format!("{}-", name(service));
    let made = generate_name(&base, &[uid(service), &input.moment, &number.to_string()], taken);
    let family = match list(service, &["spec", "ipFamilies"]).first().and_then(Value::as_str) {
        Some("IPv6") => "IPv6",
        _ => "IPv4",
    };
    acts.create(
        Kind::ENDPOINT_SLICE,
        json!({
            "metadata": {"name": made, "generateName": base, "namespace": namespace(service), "labels": labels(service),
                "ownerReferences": [controller_ref(Kind::SERVICE, service)]},
            "addressType": family, "endpoints": wanted.endpoints, "ports": wanted.ports}),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Value {
        json!({"metadata": {"name": "web", "namespace": "x", "uid": "s"}, "spec": {"clusterIP": "10.5.0.9",
            "ports": [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]}})
    }

    fn backend(number: usize, ready: bool) -> Backend {
        let mut pod = crate::controllers::support::testing::running(&format!("p{number:03}"), ready);
        pod["status"]["podIP"] = json!(format!("10.2.0.{number}"));
        pod["spec"]["containers"] = json!([{"ports": [{"name": "web", "containerPort": 8080}]}]);
        Backend {
            pod: crate::controllers::support::testing::pod(&pod),
            zone: Some("eu-central-1a".to_owned()),
        }
    }

    fn shared(slices: &[Value]) -> Vec<Arc<Value>> {
        slices.iter().cloned().map(Arc::new).collect()
    }

    fn made(backends: &[Backend], slices: &[Value]) -> Vec<Value> {
        let service = service();
        let acts = plan(&Input {
            service: &service,
            backends,
            slices: &shared(slices),
            moment: "1".to_owned(),
        });
        acts.created()
    }

    #[test]
    fn endpoints_tell_their_state() {
        let slices = made(&[backend(1, true), backend(2, false)], &[]);
        let [slice] = slices.as_slice() else {
            panic!("{slices:?}")
        };
        assert_eq!(
            slice["ports"],
            json!([{"name": "http", "port": 8080, "protocol": "TCP"}])
        );
        let states: Vec<&Value> = list(slice, &["endpoints"])
            .iter()
            .map(|one| &one["conditions"]["ready"])
            .collect();
        assert_eq!(states, [&json!(true), &json!(false)]);
        assert_eq!(slice["endpoints"][0]["zone"], "eu-central-1a");
        assert_eq!(
            slice["metadata"]["labels"],
            json!({SERVICE: "web", MANAGED_BY: MANAGER})
        );
    }

    #[test]
    fn a_slice_holds_a_hundred() {
        let backends: Vec<Backend> = (0..205).map(|number| backend(number, true)).collect();
        let sizes: Vec<usize> = made(&backends, &[])
            .iter()
            .map(|slice| list(slice, &["endpoints"]).len())
            .collect();
        assert_eq!(sizes, [100, 100, 5]);
    }

    #[test]
    fn nothing_is_written_twice() {
        let mut slices = made(&[backend(1, true)], &[]);
        assert!(made(&[backend(1, true)], &slices).is_empty());
        slices[0]["metadata"]["namespace"] = json!("x");
        let service = service();
        let backends = [backend(1, true)];
        let acts = plan(&Input {
            service: &service,
            backends: &backends,
            slices: &shared(&slices),
            moment: "2".to_owned(),
        });
        assert_eq!(acts.into_actions(), []);
    }
}
