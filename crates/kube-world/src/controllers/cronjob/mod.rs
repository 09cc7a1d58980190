//! CronJobs: a Job at each moment of a schedule.

mod plan;
mod schedule;

use kube_sim::ApiError;

use schedule::Schedules;

use crate::controllers::support::acts::Acts;
use crate::controllers::support::interest::{controlled, owner_of};
use crate::controllers::support::tree::uid;
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The controller of CronJobs. It keeps schedules that it has read, which follow from their texts alone.
#[derive(Debug, Default)]
pub(crate) struct CronJobs {
    schedules: Schedules,
}

impl Controller for CronJobs {
    fn name(&self) -> &'static str {
        "cronjob-controller"
    }

    fn interested(&self, change: &Change, _view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::CRON_JOB => vec![change.key.clone()],
            Kind::JOB => owner_of(change, Kind::CRON_JOB),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(cron) = view.object(key) else {
            return Vec::new();
        };
        let jobs = controlled(view, Kind::JOB, uid(&cron));
        plan::plan(&plan::Input {
            cron: &cron,
            jobs: &jobs,
            schedules: &self.schedules,
            now: view.now,
        })
        .into_actions()
    }

    fn failed(&self, view: &View<'_>, key: &Key, action: &Action, error: &ApiError) -> Vec<Action> {
        let mut acts = Acts::default();
        if let (Action::Create { .. }, Some(cron)) = (action, view.object(key)) {
            acts.warn(
                Kind::CRON_JOB,
                &cron,
                "FailedCreate",
                format!("Error creating job: {}", error.message),
            );
        }
        acts.into_actions()
    }
}
