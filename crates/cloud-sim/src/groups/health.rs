//! Health checks, replacement of the unhealthy, and the ways in which spot capacity is lost.

use std::time::Duration;

use ports::cloud::{
    GroupName, HealthCheckKind, InstanceId, InstanceState, Market, Process, ScheduledEvent, TargetHealth,
};

use super::Member;
use crate::event::{InstanceChange, What};
use crate::state::Due;
use crate::world::{World, later};

impl World {
    /// Lets the group's health check see an instance after its usual time.
    pub(crate) fn plan_health_check(&mut self, id: &InstanceId) {
        let number = self.count("health-check");
        let delay = self.span(
            "health-check",
            &format!("{id}/{number}"),
            self.options.timings.health_check,
        );
        self.after(delay, Due::HealthCheck(id.clone()));
    }

    /// The health check looks at an instance. One that is down is unhealthy at once; one that does not answer its load
    /// balancers only after its grace.
    pub(crate) fn check_health(&mut self, id: &InstanceId) {
        let Some(instance) = self.state.instances.get(id) else {
            return;
        };
        let (up, answers) = (
            instance.view.state.is_alive(),
            instance.answers && !instance.never_ready,
        );
        let now = self.now;
        let Some((name, member)) = self.member(id) else {
            return;
        };
        if member.is_leaving() || !member.healthy {
            return;
        }
        let launched = member.launched;
        let Some(group) = self.state.groups.get(&name) else {
            return;
        };
        if group.suspended.contains(&Process::HealthCheck) {
            return;
        }
        let judged_by_balancer = group.health_check == HealthCheckKind::LoadBalancer
            && !(group.target_groups.is_empty() && group.load_balancers.is_empty());
        let end_of_grace = later(launched, group.grace);
        if !up || (judged_by_balancer && !answers && now >= end_of_grace) {
            self.mark_unhealthy(id);
        } else if judged_by_balancer && !answers {
            self.at(end_of_grace, Due::HealthCheck(id.clone()));
        }
    }

    pub(super) fn mark_unhealthy(&mut self, id: &InstanceId) {
        let Some((name, member)) = self.member(id) else {
            return;
        };
        member.healthy = false;
        self.instance_event(id, InstanceChange::Unhealthy);
        self.tick_soon(&name);
    }

    /// Takes the unhealthy ones out; the group's size brings the new ones.
    pub(super) fn replace_unhealthy(&mut self, name: &GroupName) {
        let Some(group) = self.state.groups.get(name) else {
            return;
        };
        if group.suspended.contains(&Process::ReplaceUnhealthy) || group.suspended.contains(&Process::Terminate) {
            return;
        }
        let sick = |(_, member): &(&InstanceId, &Member)| !member.healthy && member.is_active();
        let sick: Vec<InstanceId> = group.members.iter().filter(sick).map(|(id, _)| id.clone()).collect();
        for id in sick {
            self.leave(
                &id,
                "an instance was taken out of service in response to a health check",
                true,
            );
        }
    }

    /// Health of an instance as a target: judged some time after it went in service, draining while it leaves.
    pub(crate) fn target_health_of(&self, id: &InstanceId, member: &Member) -> TargetHealth {
        let Some(in_service) = member.in_service else {
            return TargetHealth::Unused;
        };
        if member.is_leaving() {
            return TargetHealth::Draining;
        }
        if later(in_service, self.options.timings.target_registration) > self.now {
            return TargetHealth::Initial;
        }
        let answers = self.state.instances.get(id).is_some_and(|instance| {
            instance.answers && !instance.never_ready && instance.view.state == InstanceState::Running
        });
        if answers {
            TargetHealth::Healthy
        } else {
            TargetHealth::Unhealthy
        }
    }

    /// Decides at launch when a spot instance will be taken, if ever.
    pub(super) fn plan_spot_loss(&mut self, id: &InstanceId) {
        let subject = id.as_str().to_owned();
        let mut life = self
            .options
            .spot_mean_life
            .map(|mean| self.random.memoryless("spot-life", &subject, mean));
        if self
            .random
            .chance("spot-loss", &subject, self.faults.plan().spot_loss_per_mille)
        {
            let (low, high) = (Duration::from_secs(600), Duration::from_secs(4 * 3600));
            let doomed = self.random.between("spot-loss-time", &subject, low, high);
            life = Some(life.map_or(doomed, |life| life.min(doomed)));
        }
        if let Some(life) = life {
            self.announce_spot_loss(id, life);
        }
    }

    /// Plans recommendation, notice and loss of an instance; the notice comes after `time`.
    pub(crate) fn announce_spot_loss(&mut self, id: &InstanceId, time: Duration) {
        let lead = self.options.timings.rebalance_lead;
        self.after(time.saturating_sub(lead), Due::Rebalance(id.clone()));
        self.after(time, Due::SpotNotice(id.clone()));
    }

    fn schedule(&mut self, id: &InstanceId, code: &str, at: jiff::Timestamp) -> bool {
        let instance = self
            .state
            .instances
            .get_mut(id)
            .filter(|instance| instance.view.state.is_alive());
        let Some(instance) = instance else {
            return false;
        };
        let event = ScheduledEvent {
            code: code.to_owned(),
            not_before: at,
        };
        instance.view_mut().scheduled.push(event);
        true
    }

    pub(crate) fn recommend_rebalance(&mut self, id: &InstanceId) {
        if self.schedule(id, "rebalance-recommendation", self.now) {
            self.instance_event(id, InstanceChange::RebalanceRecommended);
        }
    }

    pub(crate) fn give_spot_notice(&mut self, id: &InstanceId) {
        let at = later(self.now, self.options.timings.spot_notice);
        if self.schedule(id, "spot-interruption", at) {
            let (subject, kind) = (id.to_string(), "spot-loss".to_owned());
            self.log(What::Fault { subject, kind });
            self.instance_event(id, InstanceChange::SpotNotice(at));
            self.at(at, Due::SpotLoss(id.clone()));
        }
    }

    pub(crate) fn take_spot_instance(&mut self, id: &InstanceId) {
        if self
            .state
            .instances
            .get(id)
            .is_some_and(|instance| instance.view.market == Market::Spot)
        {
            self.shut_down(id, "Server.SpotInstanceTermination");
        }
    }
}
