//! Jobs: pods that run to their end, so many times.

mod backoff;
mod count;
mod indexes;
mod make;
mod outcome;
pub(crate) mod plan;
mod pods;
mod policy;

use kube_sim::ApiError;

use crate::controllers::support::acts::Acts;
use crate::controllers::support::interest::owners_of_pod;
use crate::controllers::support::tree::uid;
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The controller of Jobs, which also deletes finished ones after their time.
#[derive(Debug)]
pub(crate) struct Jobs;

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        "job-controller"
    }

    fn interested(&self, change: &Change, _view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::JOB => vec![change.key.clone()],
            Kind::POD => owners_of_pod(change, Kind::JOB),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(job) = view.object(key) else {
            return Vec::new();
        };
        let object = |pod: &crate::controllers::support::pods::Pod| {
            let object = view.get(Kind::POD, &pod.namespace, &pod.name)?;
            Some(pods::JobPod::read(pod.clone(), &object))
        };
        let pods: Vec<pods::JobPod> = view.pods_of(uid(&job)).filter_map(object).collect();
        plan::plan(&plan::Input {
            job: &job,
            pods: &pods,
            now: view.now,
        })
        .into_actions()
    }

    fn failed(&self, view: &View<'_>, key: &Key, action: &Action, error: &ApiError) -> Vec<Action> {
        let mut acts = Acts::default();
        if let (Action::Create { .. }, Some(job)) = (action, view.object(key)) {
            acts.warn(
                Kind::JOB,
                &job,
                "FailedCreate",
                format!("Error creating: {}", error.message),
            );
        }
        acts.into_actions()
    }
}
