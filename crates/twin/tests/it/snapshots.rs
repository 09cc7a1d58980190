//! A fleet goes on where its snapshot was taken.

use std::sync::Arc;

use jiff::SignedDuration;
use ports::Clock;
use twin::{ClusterSpec, Fleet, FleetSnapshot, PoolSpec, Profile, StepClock, TwinError};

use crate::support::{Lab, start};

#[tokio::test]
async fn what_ran_runs_on_with_its_names_and_uids() {
    let cluster = ClusterSpec::new("kube-1")
        .pool(PoolSpec::new("workers", 4))
        .profile(Profile::Zalando);
    let mut lab = Lab::new(8, [cluster]).await;
    lab.pass(60).await;
    let text = lab.fleet.snapshot().to_text().unwrap();
    let snapshot = FleetSnapshot::from_text(&text).unwrap();
    let early = Arc::new(StepClock::at(start()));
    let refused = Fleet::load(&snapshot, early, None).await;
    assert!(matches!(refused, Err(TwinError::ClockBehind { .. })));

    let clock = Arc::new(StepClock::at(snapshot.taken));
    let mut loaded = Fleet::load(&snapshot, clock.clone(), None).await.unwrap();
    let pods = |fleet: &Fleet| -> Vec<(String, String, bool)> {
        let view = fleet.clusters()[0].world().view();
        view.pods("")
            .map(|pod| (pod.name.to_string(), pod.uid.to_string(), pod.ready))
            .collect()
    };
    assert_eq!(pods(&loaded), pods(&lab.fleet));
    let until = clock.now() + SignedDuration::from_mins(8);
    loaded.advance_to(&clock, until).await;
    assert_eq!(loaded.violations(), []);
    lab.pass(8 * 60).await;
    let count = |fleet: &Fleet| pods(fleet).iter().filter(|(_, _, ready)| *ready).count();
    assert_eq!(count(&loaded), count(&lab.fleet));
    assert!(FleetSnapshot::from_text("{}").is_err());
}
