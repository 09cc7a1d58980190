//! HorizontalPodAutoscalers: as many pods as the measurements ask for.
//!
//! Real autoscalers look every fifteen seconds. These look when a measurement, a pod or the target changes and when a
//! window of their rules ends; between such moments a look would find what the last one found.

mod behaviour;
mod metrics;
mod plan;
mod replicas;

pub use metrics::{METRICS_CONFIG_MAP, Metrics};

use std::borrow::Cow;

use json_tree::Value;
use kube_sim::LabelSelector;

use crate::controllers::support::interest::{is_numbered, keys_for};
use crate::controllers::support::scale;
use crate::controllers::support::tree::{at, int, text};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

const KIND: Kind = Kind::HORIZONTAL_POD_AUTOSCALER;
/// What can be scaled.
const SCALED: [Kind; 4] = [
    Kind::DEPLOYMENT,
    Kind::STATEFUL_SET,
    Kind::REPLICA_SET,
    Kind::REPLICATION_CONTROLLER,
];

/// The controller of HorizontalPodAutoscalers.
#[derive(Debug)]
pub(crate) struct Autoscalers;

impl Controller for Autoscalers {
    fn name(&self) -> &'static str {
        "horizontal-pod-autoscaler"
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        let objects = &view.caches.objects;
        let namespace = &change.key.namespace;
        match change.key.kind {
            // Its own status and history are no reason to look again.
            Kind::HORIZONTAL_POD_AUTOSCALER if change.actor != self.name() && is_wish(change) => {
                vec![change.key.clone()]
            }
            Kind::CONFIG_MAP if &*change.key.name == METRICS_CONFIG_MAP => view.keys(KIND, namespace),
            Kind::POD if is_measured(change) => {
                keys_for(change, KIND, |pod| objects.scalers_of_pods(namespace, &pod.labels))
            }
            kind if SCALED.contains(&kind) => {
                let news = |key: &Key| !is_known(change, view, key);
                let scalers = objects.scalers(&change.key);
                scalers
                    .map(|name| Key::new(KIND, namespace, name))
                    .filter(news)
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(autoscaler) = view.object(key) else {
            return Vec::new();
        };
        let (target, pods) = match target(view, &autoscaler, &key.namespace) {
            Ok((target, selector)) => (Ok(target), view.selected(&key.namespace, &selector)),
            Err(why) => (Err(why), Vec::new()),
        };
        let values = view.get(Kind::CONFIG_MAP, &key.namespace, METRICS_CONFIG_MAP);
        let input = plan::Input {
            autoscaler: &autoscaler,
            target,
            pods: &pods,
            values: values.as_deref(),
            now: view.now,
        };
        plan::plan(&input).into_actions()
    }
}

/// Whether somebody else than this controller changed an autoscaler.
fn is_wish(change: &Change) -> bool {
    match (change.before(), change.after()) {
        (Some(before), Some(after)) => before.get("spec") != after.get("spec"),
        (None, Some(_)) => true,
        _ => false,
    }
}

/// Whether a write of a target tells its autoscaler nothing: a status that has as many pods as the autoscaler has seen last.
fn is_known(change: &Change, view: &View<'_>, key: &Key) -> bool {
    let Some(target) = change.after().filter(|_| change.is_status()) else {
        return false;
    };
    let seen = view
        .object(key)
        .and_then(|scaler| int(&scaler, &["status", "currentReplicas"]));
    seen == Some(int(target, &["status", "replicas"]).unwrap_or(0))
}

/// Whether a write of a pod can change what is measured; on which node it is does not.
fn is_measured(change: &Change) -> bool {
    is_numbered(change)
        || match (&change.pod_before, &change.pod_after) {
            (Some(before), Some(after)) => before.phase != after.phase || before.measures != after.measures,
            (before, after) => before.is_some() != after.is_some(),
        }
}

/// The target of an autoscaler and the selector of its pods.
fn target<'a>(
    view: &View<'a>,
    autoscaler: &Value,
    namespace: &str,
) -> Result<(plan::Target, Cow<'a, LabelSelector>), String> {
    let part = |field: &str| text(autoscaler, &["spec", "scaleTargetRef", field]).unwrap_or_default();
    let (api_version, kind, name) = (part("apiVersion"), part("kind"), part("name"));
    let missing = |resource: &str| format!("{resource} \"{name}\" not found");
    let Some(known) = Kind::named(api_version, kind) else {
        let (object, _) = scale::of_custom(view, api_version, kind, namespace, name).ok_or_else(|| missing(kind))?;
        let why = "custom resources cannot be scaled by this controller";
        return Err(format!(
            "{why}: {}",
            text(&object, &["metadata", "name"]).unwrap_or_default()
        ));
    };
    let group = if known.group.is_empty() {
        String::new()
    } else {
        format!(".{}", known.group)
    };
    let object = view
        .get(known, namespace, name)
        .ok_or_else(|| missing(&format!("{}{group}", known.resource)))?;
    let key = Key::of(known, &object);
    let selector = match view.caches.objects.selector(&key) {
        Some(selector) => Cow::Borrowed(selector),
        None => Cow::Owned(LabelSelector::from_object(at(&object, &["spec", "selector"]))),
    };
    let target = plan::Target {
        key,
        wanted: int(&object, &["spec", "replicas"]).unwrap_or(1),
        actual: int(&object, &["status", "replicas"]).unwrap_or(0),
    };
    Ok((target, selector))
}
