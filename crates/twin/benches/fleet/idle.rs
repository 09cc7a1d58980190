//! What a fleet costs that has nothing to do: the time that the processor spends on it, on the real clock.

use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use ports::{Clock, SystemClock};
use twin::{Fleet, SharedFleet};

use crate::{block, spec, spent};

/// For how long it is watched.
const MINUTE: Duration = Duration::from_secs(60);

/// 150 clusters with their driver, after the start has settled.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn idle_minute_of_150_clusters(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        block(async {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let fleet = Fleet::build(spec(150, 8, 12), clock.clone()).await.unwrap();
            let shared = SharedFleet::new(fleet);
            let steps = |fleet: &Fleet| fleet.clusters().iter().map(|one| one.world().steps()).sum::<u64>();
            let watch = async {
                clock.sleep(Duration::from_secs(10)).await;
                let (before, plans) = (spent(), steps(&*shared.hold().await));
                clock.sleep(MINUTE).await;
                let spent = spent() - before;
                let plans = steps(&*shared.hold().await) - plans;
                println!("  {} ms of processor time and {plans} plans in a minute", spent * 10);
            };
            tokio::select! {
                biased;
                () = watch => {}
                () = shared.run() => {}
            }
        });
    });
}
