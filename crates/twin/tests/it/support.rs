//! Small fleets on a clock that jumps.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use ports::Clock;
use twin::{ClusterSpec, Fleet, FleetSpec, StepClock};

pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_750_000_020).unwrap()
}

pub(crate) struct Lab {
    pub(crate) clock: Arc<StepClock>,
    pub(crate) fleet: Fleet,
}

impl Lab {
    pub(crate) async fn new(seed: u64, clusters: impl IntoIterator<Item = ClusterSpec>) -> Self {
        Self::with_cloud_faults(seed, clusters, cloud_sim::FaultPlan::default()).await
    }

    pub(crate) async fn with_cloud_faults(
        seed: u64,
        clusters: impl IntoIterator<Item = ClusterSpec>,
        plan: cloud_sim::FaultPlan,
    ) -> Self {
        let clock = Arc::new(StepClock::at(start()));
        let mut spec = FleetSpec::new(seed).cloud_faults(plan);
        spec.clusters.extend(clusters);
        let fleet = Fleet::build(spec, clock.clone()).await.unwrap();
        Self { clock, fleet }
    }

    /// Lets time pass and holds every cluster to its laws.
    pub(crate) async fn pass(&mut self, seconds: i64) -> u64 {
        self.pass_as(seconds, 0).await
    }

    /// The same, naming the seed where a law is broken.
    pub(crate) async fn pass_as(&mut self, seconds: i64, seed: u64) -> u64 {
        let until = self.clock.now() + SignedDuration::from_secs(seconds);
        let steps = self.fleet.advance_to(&self.clock, until).await;
        assert_eq!(self.fleet.violations(), [], "seed {seed} at {until}");
        steps
    }
}
