//! EndpointSlices: where the pods of a Service can be reached.
//!
//! The older Endpoints objects are not kept: since 1.33 they are deprecated, and nothing in a simulated cluster reads them.

mod plan;

use serde_json::Value;

use crate::controllers::support::interest::{controlled, is_counted, selecting};
use crate::controllers::support::pods::{Pod, labels_selector};
use crate::controllers::support::tree::{at, deleting, text, uid};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The label of a node's zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The controller of EndpointSlices. Its keys are Services.
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
            // Somebody took a slice away or changed it; the Service's pods come with their own writes.
            Kind::ENDPOINT_SLICE => {
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
        let Some(service) = view.object(key) else {
            return Vec::new();
        };
        let wanted = at(&service, &["spec", "selector"])
            .and_then(Value::as_object)
            .is_some_and(|map| !map.is_empty());
        if deleting(&service) || !wanted || text(&service, &["spec", "type"]) == Some("ExternalName") {
            return Vec::new();
        }
        let selector = labels_selector(at(&service, &["spec", "selector"]));
        let pods = view.selected(&key.namespace, &selector);
        let backend = |pod: &Pod| {
            let node = pod.node.as_deref()?;
            let zone = view.node(node).and_then(|node| node.label(ZONE)).map(str::to_owned);
            let pod = pod.clone();
            Some(plan::Backend { pod, zone })
        };
        let backends: Vec<plan::Backend> = pods.into_iter().filter_map(backend).collect();
        let slices = controlled(view, Kind::ENDPOINT_SLICE, uid(&service));
        let moment = view.now.to_string();
        plan::plan(&plan::Input {
            service: &service,
            backends: &backends,
            slices: &slices,
            moment,
        })
        .into_actions()
    }
}

/// Whether a write of a pod can change where it is reached.
fn is_seen(change: &Change) -> bool {
    let address = |pod: &Option<Pod>| pod.as_ref().and_then(|pod| pod.ip);
    is_counted(change) || address(&change.pod_before) != address(&change.pod_after)
}
