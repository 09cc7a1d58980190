//! EndpointSlices and the older Endpoints: where the pods of a Service can be reached.
//!
//! Two controllers on a real cluster, one here, which looks at the pods once. EndpointSlices of Endpoints that somebody
//! writes for a Service without a selector are not mirrored.

mod objects;
mod plan;

use std::sync::Arc;

use json_tree::Value;

use crate::controllers::support::acts::Acts;
use crate::controllers::support::interest::{controlled, is_numbered, selecting};
use crate::controllers::support::pods::Pod;
use crate::controllers::support::tree::{at, deleting, text, uid};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The label of a node's zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The controller of EndpointSlices and Endpoints. Its keys are Services.
#[derive(Debug)]
pub(crate) struct EndpointSlices;

impl Controller for EndpointSlices {
    fn name(&self) -> &'static str {
        "endpoint-slice-controller"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::SERVICE => vec![change.key.clone()],
            Kind::POD if is_seen(change) => selecting(change, view, Kind::SERVICE),
            // The object of a Service has its name.
            Kind::ENDPOINTS if change.actor != self.name() => {
                vec![Key::new(Kind::SERVICE, &change.key.namespace, &change.key.name)]
            }
            // Somebody took a slice away or changed it; the Service's pods come with their own writes.
            Kind::ENDPOINT_SLICE if change.is_removal() || change.actor != self.name() => {
                let service = change
                    .newest()
                    .and_then(|slice| text(slice, &["metadata", "labels", plan::SERVICE]));
                service
                    .map(|service| Key::new(Kind::SERVICE, &change.key.namespace, service))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let endpoints = || view.get(Kind::ENDPOINTS, &key.namespace, &key.name);
        let Some(service) = view.object(key) else {
            // Slices go with their owner; the older object has none.
            let mut acts = Acts::default();
            let ours = |found: &Arc<Value>| text(found, &["metadata", "labels", objects::MANAGED_BY]).is_some();
            if let Some(found) = endpoints().filter(ours) {
                acts.delete(Kind::ENDPOINTS, &found);
            }
            return acts.into_actions();
        };
        let wanted = at(&service, &["spec", "selector"])
            .and_then(Value::as_object)
            .is_some_and(|map| !map.is_empty());
        if deleting(&service) || !wanted || text(&service, &["spec", "type"]) == Some("ExternalName") {
            return Vec::new();
        }
        let pods = match view.caches.objects.selector(key) {
            Some(selector) => view.selected(&key.namespace, selector),
            None => Vec::new(),
        };
        let backend = |pod: &Pod| {
            let node = pod.node.as_deref()?;
            let zone = view.node(node).and_then(|node| node.label(ZONE));
            let pod = pod.clone();
            Some(plan::Backend { pod, zone })
        };
        let backends: Vec<plan::Backend<'_>> = pods.into_iter().filter_map(backend).collect();
        let slices = controlled(view, Kind::ENDPOINT_SLICE, uid(&service));
        let moment = view.now.to_string();
        let mut ports = plan::Ports::default();
        let input = plan::Input {
            service: &service,
            backends: &backends,
            slices: &slices,
            moment,
        };
        let mut acts = plan::plan(&input, &mut ports);
        objects::plan(&service, &backends, endpoints().as_deref(), &mut ports, &mut acts);
        acts.into_actions()
    }
}

/// Whether a write of a pod can change where it is reached, or whether. Without an address its node does not matter.
fn is_seen(change: &Change) -> bool {
    let reached = |pod: &Option<Pod>| pod.as_ref().and_then(|pod| Some((pod.ip?, pod.node.clone())));
    is_numbered(change) || reached(&change.pod_before) != reached(&change.pod_after)
}
