//! An account on a paused clock, with short words for what tests do most.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cloud_sim::{CloudSim, GroupSpec, LaunchTemplateSpec, WorldOptions};
use jiff::Timestamp;
use ports::cloud::{Group, GroupName, InstanceId, InstanceLifecycle, NodeGroups, StackRequest, StackTemplate, Stacks};
use ports::{Clock, SimClock};

pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) struct Lab {
    pub(crate) sim: CloudSim,
    clock: Arc<SimClock>,
}

impl Lab {
    /// An unthrottled account with one image.
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |options| options)
    }

    pub(crate) fn with(seed: u64, change: impl FnOnce(WorldOptions) -> WorldOptions) -> Self {
        let clock = Arc::new(SimClock::starting_at(Timestamp::UNIX_EPOCH));
        let options = change(WorldOptions::new(ACCOUNT, "eu-central-1", seed).unthrottled());
        let sim = CloudSim::new(options, Arc::clone(&clock) as Arc<dyn Clock>);
        sim.add_image_with_id("ami-1");
        Self { sim, clock }
    }

    pub(crate) async fn minutes(&self, minutes: u64) {
        self.clock.sleep(Duration::from_secs(minutes * 60)).await;
    }

    pub(crate) async fn seconds(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// A group `g` of m5.large, settled.
    pub(crate) async fn group(&self, min: u32, desired: u32, max: u32) {
        self.sim
            .create_launch_template("lt", LaunchTemplateSpec::new("ami-1", "m5.large"))
            .unwrap();
        self.sim
            .create_group(GroupSpec::new("g", "lt", min, desired, max))
            .unwrap();
        self.minutes(5).await;
    }

    pub(crate) async fn g(&self) -> Group {
        self.sim.group(&name()).await.unwrap()
    }

    /// Ids of the members in service.
    pub(crate) async fn serving(&self) -> Vec<InstanceId> {
        let serving = |i: &&ports::cloud::GroupInstance| i.lifecycle == InstanceLifecycle::InService;
        self.g()
            .await
            .instances
            .iter()
            .filter(serving)
            .map(|i| i.id.clone())
            .collect()
    }

    /// Waits until a stack rests; its state as text.
    pub(crate) async fn rests(&self, stack: &str) -> String {
        for _ in 0..2000 {
            let state = self.sim.stack(stack).await.unwrap().status;
            if !state.in_progress() {
                return state.to_string();
            }
            self.seconds(15).await;
        }
        panic!("stack {stack} never rests:\n{}", self.sim.log_text());
    }

    /// Creates a stack and waits; its id and state.
    pub(crate) async fn create(&self, name: &str, template: &str) -> (String, String) {
        let id = self.sim.create_stack(&request(name, template)).await.unwrap();
        let state = self.rests(&id).await;
        (id, state)
    }

    /// Updates a stack and waits; its state.
    pub(crate) async fn update(&self, name: &str, template: &str) -> String {
        self.sim.update_stack(&request(name, template)).await.unwrap();
        self.rests(name).await
    }

    /// `logical status reason` of all events of a stack.
    pub(crate) async fn events(&self, stack: &str) -> Vec<String> {
        let events = self.sim.stack_events(stack, 0).await.unwrap();
        let line = |e: &ports::cloud::StackEvent| {
            format!("{} {} {}", e.logical_id, e.status, e.reason.clone().unwrap_or_default())
                .trim_end()
                .to_owned()
        };
        events.iter().map(line).collect()
    }
}

pub(crate) fn name() -> GroupName {
    GroupName::from("g")
}

/// A request that keeps a failed creation and may make roles.
pub(crate) fn request(name: &str, template: &str) -> StackRequest {
    let mut request = StackRequest::new(name, StackTemplate::Inline(template.to_owned()));
    request.keep_failed_creation = true;
    request.capabilities = BTreeSet::from(["CAPABILITY_NAMED_IAM".to_owned()]);
    request
}

/// A stack with a launch template and a group of three.
pub(crate) fn pool(instance_type: &str, more: &str) -> String {
    format!(
        "Resources:
  Template:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateName: pool
      LaunchTemplateData: {{ImageId: ami-1, InstanceType: {instance_type}}}
  Group:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      AutoScalingGroupName: g
      MinSize: '3'
      MaxSize: '6'
      VPCZoneIdentifier: []
      LaunchTemplate: {{LaunchTemplateId: !Ref Template, Version: !GetAtt Template.LatestVersionNumber}}
{more}"
    )
}
