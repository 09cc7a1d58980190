//! The EndpointSlices of a Service, from its pods.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use json_tree::{Map, Value, json};

use crate::cache::{PodNetwork, PodView};
use crate::controllers::support::acts::Acts;
use crate::controllers::support::meta::{controller_ref, generate_name};
use crate::controllers::support::pods::Pod;
use crate::controllers::support::tree::{
    at, deleting, flag, int, list, merge_patch, name, namespace, set, text, texts, uid,
};
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
pub(crate) struct Backend<'a> {
    pub(crate) pod: Pod,
    pub(crate) zone: Option<&'a str>,
}

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) service: &'a Value,
    /// The pods that the Service's selector finds, in order of their names.
    pub(crate) backends: &'a [Backend<'a>],
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
pub(crate) fn plan(input: &Input<'_>, ports: &mut Ports) -> Acts {
    let mut acts = Acts::default();
    let slices = input.slices.iter().map(|slice| &**slice);
    let mut left: Vec<&Value> = slices.filter(|slice| !deleting(slice)).collect();
    let mut made = Vec::new();
    for (number, wanted) in wanted(input, ports).into_iter().enumerate() {
        // Slices keep their names: one with the same ports is filled anew.
        let place = left
            .iter()
            .position(|slice| at(slice, &["ports"]).unwrap_or(&json!([])) == &wanted.ports);
        match place.map(|place| left.remove(place)) {
            Some(slice) => update(input, slice, wanted, &mut acts),
            None => make(input, wanted, number, &mut made, &mut acts),
        }
    }
    for slice in left {
        acts.delete(Kind::ENDPOINT_SLICE, slice);
    }
    acts
}

/// The slices that there should be: by ports, a hundred endpoints each; an empty one where there is nothing.
fn wanted(input: &Input<'_>, ports: &mut Ports) -> Vec<Wanted> {
    let mut groups: BTreeMap<String, Wanted> = BTreeMap::new();
    let mut known = Known::of(input.slices.iter().flat_map(|slice| list(slice, &["endpoints"])));
    for backend in input.backends {
        let Some(told) = Told::of(input.service, backend) else {
            continue;
        };
        let old = known.find(&backend.pod.name).filter(|old| told.is_told_by(old));
        let endpoint = old.cloned().unwrap_or_else(|| told.endpoint());
        let (text, ports) = ports.of(input.service, &backend.pod);
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

/// The addresses or endpoints that are written already, by the names of their pods. One that still says what it should is
/// taken over instead of being made anew: most writes change a single one of many.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// In order of the names.
    all: Vec<(&'a str, &'a Value)>,
    next: usize,
}

impl<'a> Known<'a> {
    /// Those that name a pod as their target.
    pub(super) fn of(all: impl Iterator<Item = &'a Value>) -> Self {
        let named = |one: &'a Value| Some((text(one, &["targetRef", "name"])?, one));
        let mut all: Vec<_> = all.filter_map(named).collect();
        all.sort_by_key(|(name, _)| *name);
        Self { all, next: 0 }
    }

    /// The one of a pod. Pods are asked for in order of their names.
    pub(super) fn find(&mut self, pod: &str) -> Option<&'a Value> {
        while let Some((name, one)) = self.all.get(self.next) {
            match (*name).cmp(pod) {
                Ordering::Less => self.next += 1,
                Ordering::Equal => return Some(*one),
                Ordering::Greater => return None,
            }
        }
        None
    }
}

/// The reference to a pod.
pub(super) fn reference(pod: &PodView) -> Value {
    json!({"kind": "Pod", "namespace": &*pod.namespace, "name": &*pod.name, "uid": &*pod.uid})
}

/// Whether a value is the reference to a pod.
pub(super) fn is_reference(value: Option<&Value>, pod: &PodView) -> bool {
    let Some(map) = value.and_then(Value::as_object).filter(|map| map.len() == 4) else {
        return false;
    };
    let says = |field: &str, wanted: &str| map.get(field).is_some_and(|value| value == wanted);
    says("uid", &pod.uid) && says("name", &pod.name) && says("namespace", &pod.namespace) && says("kind", "Pod")
}

/// Whether a value is an address as it is written.
pub(super) fn is_address(value: Option<&Value>, address: Ipv4Addr) -> bool {
    // An address has one way to be written only.
    let written = value.and_then(Value::as_str).and_then(|text| text.parse().ok());
    written == Some(address)
}

/// What an endpoint tells.
#[derive(Debug)]
struct Told<'a> {
    pod: &'a PodView,
    address: Ipv4Addr,
    /// `ready`, `serving` and `terminating`.
    conditions: [(&'static str, bool); 3],
    /// `nodeName`, `zone` and `hostname`, where there is one.
    places: [(&'static str, Option<&'a str>); 3],
}

impl<'a> Told<'a> {
    /// What the endpoint of a pod has to tell; none if it has none.
    fn of(service: &'a Value, backend: &'a Backend<'_>) -> Option<Self> {
        let pod = &*backend.pod;
        let address = pod.ip.filter(|_| !pod.phase.is_terminal())?;
        let (serving, terminating) = (pod.ready, pod.deleting_by.is_some());
        let published = flag(service, &["spec", "publishNotReadyAddresses"]);
        let host = &*pod.network.hostname;
        let named = !host.is_empty() && &*pod.network.subdomain == name(service);
        Some(Self {
            pod,
            address,
            conditions: [
                ("ready", published || (serving && !terminating)),
                ("serving", serving),
                ("terminating", terminating),
            ],
            places: [
                ("nodeName", pod.node.as_deref()),
                ("zone", backend.zone),
                ("hostname", named.then_some(host)),
            ],
        })
    }

    fn endpoint(&self) -> Value {
        let conditions: Map = self
            .conditions
            .iter()
            .map(|(name, is)| (*name, Value::Bool(*is)))
            .collect();
        let mut endpoint = Map::with_capacity(6);
        endpoint.insert("addresses", json!([self.address.to_string()]));
        endpoint.insert("conditions", Value::Object(conditions));
        for (field, place) in self.places {
            if let Some(place) = place {
                endpoint.insert(field, place.into());
            }
        }
        endpoint.insert("targetRef", reference(self.pod));
        Value::Object(endpoint)
    }

    /// Whether an endpoint says just this.
    fn is_told_by(&self, endpoint: &Value) -> bool {
        let Some(map) = endpoint.as_object() else { return false };
        let places = self
            .places
            .iter()
            .filter_map(|(field, place)| Some((*field, (*place)?)));
        let conditions = map.get("conditions").and_then(Value::as_object);
        let addresses = list(endpoint, &["addresses"]);
        map.len() == 3 + places.clone().count()
            && places
                .into_iter()
                .all(|(field, place)| map.get(field).is_some_and(|value| value == place))
            && conditions.is_some_and(|found| {
                let says = |(name, is): &(&str, bool)| found.get(name).and_then(Value::as_bool) == Some(*is);
                found.len() == self.conditions.len() && self.conditions.iter().all(says)
            })
            && addresses.len() == 1
            && is_address(addresses.first(), self.address)
            && is_reference(map.get("targetRef"), self.pod)
    }
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

/// The labels that an object of a Service should have: the Service's own and those that say whose the object is.
pub(super) fn labels(service: &Value, own: &[(&str, &str)]) -> Value {
    let mut labels = texts(service, &["metadata", "labels"]);
    labels.remove(HEADLESS);
    for (key, value) in own {
        labels.insert((*key).to_owned(), (*value).to_owned());
    }
    if is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    json!(labels)
}

fn is_headless(service: &Value) -> bool {
    text(service, &["spec", "clusterIP"]) == Some("None")
}

/// Whether labels are those that an object of a Service should have, found out without making them.
pub(super) fn is_labelled(found: Option<&Value>, service: &Value, own: &[(&str, &str)]) -> bool {
    let Some(found) = found.and_then(Value::as_object) else {
        return false;
    };
    let has = |key: &str, value: &str| found.get(key).is_some_and(|found| found == value);
    let is_own = |key: &str| key == HEADLESS || own.iter().any(|(own, _)| *own == key);
    let taken = at(service, &["metadata", "labels"]).and_then(Value::as_object);
    let taken = taken.into_iter().flatten().filter(|(key, _)| !is_own(key));
    let mut count = own.len();
    for (key, value) in taken {
        if !value.as_str().is_some_and(|value| has(key, value)) {
            return false;
        }
        count += 1;
    }
    if is_headless(service) {
        if !has(HEADLESS, "") {
            return false;
        }
        count += 1;
    }
    count == found.len() && own.iter().all(|(key, value)| has(key, value))
}

/// The labels of a slice that are no Service's own.
fn own_labels(service: &Value) -> [(&str, &str); 2] {
    [(SERVICE, name(service)), (MANAGED_BY, MANAGER)]
}

fn update(input: &Input<'_>, slice: &Value, wanted: Wanted, acts: &mut Acts) {
    let mut patch = json!({});
    if list(slice, &["endpoints"]) != wanted.endpoints {
        set(&mut patch, &["endpoints"], wanted.endpoints);
    }
    let (found, own) = (at(slice, &["metadata", "labels"]), own_labels(input.service));
    if !is_labelled(found, input.service, &own) {
        let bare = json!({});
        if let Some(change) = merge_patch(found.unwrap_or(&bare), &labels(input.service, &own)) {
            set(&mut patch, &["metadata", "labels"], change);
        }
    }
    if patch != json!({}) {
        acts.patch(Kind::ENDPOINT_SLICE, slice, patch);
    }
}

fn make(input: &Input<'_>, wanted: Wanted, number: usize, made: &mut Vec<String>, acts: &mut Acts) {
    let service = input.service;
    let base = format!("{}-", name(service));
    let is_taken =
        |new: &str| made.iter().any(|made| made == new) || input.slices.iter().any(|slice| name(slice) == new);
    let new = generate_name(&base, &[uid(service), &input.moment, &number.to_string()], is_taken);
    made.push(new.clone());
    let family = match list(service, &["spec", "ipFamilies"]).first().and_then(Value::as_str) {
        Some("IPv6") => "IPv6",
        _ => "IPv4",
    };
    acts.create(
        Kind::ENDPOINT_SLICE,
        json!({
            "metadata": {"name": new, "generateName": base, "namespace": namespace(service), "labels": labels(service, &own_labels(service)),
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

    fn backend(number: usize, ready: bool) -> Backend<'static> {
        let mut pod = crate::controllers::support::testing::running(&format!("p{number:03}"), ready);
        pod["status"]["podIP"] = json!(format!("10.2.0.{number}"));
        pod["spec"]["containers"] = json!([{"ports": [{"name": "web", "containerPort": 8080}]}]);
        Backend {
            pod: crate::controllers::support::testing::pod(&pod),
            zone: Some("eu-central-1a"),
        }
    }

    fn shared(slices: &[Value]) -> Vec<Arc<Value>> {
        slices.iter().cloned().map(Arc::new).collect()
    }

    fn made(backends: &[Backend<'_>], slices: &[Value]) -> Vec<Value> {
        let service = service();
        let input = Input {
            service: &service,
            backends,
            slices: &shared(slices),
            moment: "1".to_owned(),
        };
        let acts = plan(&input, &mut Ports::default());
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
        let backends: Vec<Backend<'_>> = (0..205).map(|number| backend(number, true)).collect();
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
        let input = Input {
            service: &service,
            backends: &backends,
            slices: &shared(&slices),
            moment: "2".to_owned(),
        };
        let acts = plan(&input, &mut Ports::default());
        assert_eq!(acts.into_actions(), []);
    }

    #[test]
    fn what_is_still_true_is_taken_over() {
        let service = service();
        let before: Vec<Backend<'_>> = (1..4).map(|number| backend(number, true)).collect();
        let slices = made(&before, &[]);
        let mut after: Vec<Backend<'_>> = (0..4).map(|number| backend(number, number != 2)).collect();
        after.remove(3);
        let input = Input {
            service: &service,
            backends: &after,
            slices: &shared(&slices),
            moment: "2".to_owned(),
        };
        let found = wanted(&input, &mut Ports::default());
        // The same as if all of them were made anew.
        assert_eq!(json!(found[0].endpoints), made(&after, &[])[0]["endpoints"]);
        let old = &slices[0]["endpoints"];
        let shares: Vec<bool> = found[0].endpoints.iter().map(|one| one.shares(&old[0])).collect();
        assert_eq!(shares, [false, true, false]);
        assert_eq!(found[0].endpoints[2]["conditions"]["ready"], false);
    }

    #[test]
    fn an_endpoint_that_says_something_else_is_made_anew() {
        let (service, backend) = (service(), backend(1, true));
        let told = Told::of(&service, &backend).unwrap();
        let endpoint = told.endpoint();
        assert!(told.is_told_by(&endpoint));
        for path in [
            &["addresses"][..],
            &["zone"],
            &["nodeName"],
            &["conditions", "serving"],
            &["targetRef", "uid"],
            &["hints"],
        ] {
            let mut other = endpoint.clone();
            set(&mut other, path, json!(["else"]));
            assert!(!told.is_told_by(&other), "{other}");
        }
    }

    #[test]
    fn labels_are_known_again() {
        let mut service = service();
        service["metadata"]["labels"] = json!({"team": "a", HEADLESS: "x"});
        for address in ["10.5.0.9", "None"] {
            service["spec"]["clusterIP"] = json!(address);
            let own = own_labels(&service);
            let wanted = labels(&service, &own);
            assert!(is_labelled(Some(&wanted), &service, &own));
            let mut other = wanted.clone();
            other["team"] = json!("b");
            let mut more = wanted.clone();
            more["new"] = json!("");
            for one in [other, more, json!({}), json!({"team": "a"})] {
                assert!(!is_labelled(Some(&one), &service, &own), "{one}");
            }
        }
    }
}
