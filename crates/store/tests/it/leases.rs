//! Leases against a model: two stores on one database, any order of claims, renewals, releases and waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ports::{Lease, LeaseError, LeaseName, Leases};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::MemoryRegistry;
use testkit::clock::ManualClock;

use crate::{Database, databases};

const TTL: u64 = 10;

#[derive(Debug, Clone)]
enum Step {
    Claim { store: usize, name: usize, holder: usize },
    Renew { store: usize, name: usize, holder: usize },
    Release { store: usize, name: usize, holder: usize },
    Advance { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let who = (0..2_usize, 0..2_usize, 0..3_usize);
    prop_oneof![
        4 => who.clone().prop_map(|(store, name, holder)| Step::Claim { store, name, holder }),
        2 => who.clone().prop_map(|(store, name, holder)| Step::Renew { store, name, holder }),
        2 => who.prop_map(|(store, name, holder)| Step::Release { store, name, holder }),
        2 => (1..=TTL + 1).prop_map(|seconds| Step::Advance { seconds }),
    ]
}

/// What a lease should be: the present holder, the last token, the end in seconds.
#[derive(Debug, Default, Clone)]
struct Expected {
    holder: Option<usize>,
    token: i64,
    end: u64,
}

struct Run {
    stores: Vec<Arc<dyn Leases>>,
    clock: Arc<ManualClock>,
    now: u64,
    expected: BTreeMap<usize, Expected>,
    /// The last lease that each holder was given of each name; it may be long lost.
    given: BTreeMap<(usize, usize), Lease>,
}

impl Run {
    async fn step(&mut self, step: &Step) {
        let ttl = Duration::from_secs(TTL);
        match *step {
            Step::Advance { seconds } => {
                self.clock.advance(Duration::from_secs(seconds));
                self.now += seconds;
            }
            Step::Claim { store, name, holder } => {
                let present = self.expected.entry(name).or_default();
                let claimed = self.stores[store]
                    .claim(&lease_name(name), &format!("h{holder}"), ttl)
                    .await;
                match present.holder {
                    Some(other) if other != holder && present.end > self.now => {
                        let Err(LeaseError::Held { holder, .. }) = claimed else {
                            panic!("claimed although held: {claimed:?}");
                        };
                        assert_eq!(holder, format!("h{other}"));
                        return;
                    }
                    Some(same) if same == holder => {}
                    _ => present.token += 1,
                }
                let lease = claimed.unwrap();
                assert_eq!(lease.token, present.token);
                present.holder = Some(holder);
                present.end = self.now + TTL;
                self.given.insert((name, holder), lease);
            }
            Step::Renew { store, name, holder } => {
                let Some(lease) = self.given.get(&(name, holder)) else {
                    return;
                };
                let present = self.expected.entry(name).or_default();
                let renewed = self.stores[store].renew(lease, ttl).await;
                if present.holder == Some(holder) && present.token == lease.token {
                    assert_eq!(renewed.unwrap().token, lease.token);
                    present.end = self.now + TTL;
                } else {
                    assert!(matches!(renewed, Err(LeaseError::Lost { .. })), "{renewed:?}");
                }
            }
            Step::Release { store, name, holder } => {
                let Some(lease) = self.given.get(&(name, holder)) else {
                    return;
                };
                let present = self.expected.entry(name).or_default();
                let released = self.stores[store].release(lease).await;
                if present.holder == Some(holder) && present.token == lease.token {
                    released.unwrap();
                    present.holder = None;
                } else {
                    assert!(matches!(released, Err(LeaseError::Lost { .. })), "{released:?}");
                }
            }
        }
    }

    /// Both stores list exactly the leases that are held and not expired.
    async fn check_lists(&self) {
        let held: Vec<_> = self
            .expected
            .iter()
            .filter(|(_, e)| e.holder.is_some() && e.end > self.now)
            .map(|(name, e)| (lease_name(*name), format!("h{}", e.holder.unwrap()), e.token))
            .collect();
        for store in &self.stores {
            let listed = store.list("work/").await.unwrap();
            let listed: Vec<_> = listed.into_iter().map(|l| (l.name, l.holder, l.token)).collect();
            assert_eq!(listed, held);
            assert_eq!(store.list("other/").await.unwrap(), []);
        }
    }
}

fn lease_name(n: usize) -> LeaseName {
    LeaseName::new(format!("work/{n}_%")).unwrap()
}

async fn run(stores: Vec<Arc<dyn Leases>>, clock: Arc<ManualClock>, steps: &[Step]) {
    let mut run = Run {
        stores,
        clock,
        now: 0,
        expected: BTreeMap::new(),
        given: BTreeMap::new(),
    };
    for step in steps {
        run.step(step).await;
    }
    run.check_lists().await;
}

/// Draws sequences of steps and runs each on leases of its own.
fn property(cases: u32, check: impl Fn(&[Step])) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let steps = prop::collection::vec(step(), 1..40);
    let found = runner.run(&steps, |steps| {
        check(&steps);
        Ok(())
    });
    found.unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn memory_leases_follow_the_model() {
    let runtime = runtime();
    property(200, |steps| {
        runtime.block_on(async {
            let clock = Arc::new(ManualClock::at_millis(0));
            let registry = Arc::new(MemoryRegistry::new(clock.clone()));
            run(vec![registry.clone(), registry], clock, steps).await;
        });
    });
}

#[test]
fn stored_leases_of_two_replicas_follow_the_model() {
    let runtime = runtime();
    for kind in [|| Some(Database::sqlite()), Database::postgres] {
        property(8, |steps| {
            let Some(database) = kind() else { return };
            runtime.block_on(async {
                let clock = Arc::new(ManualClock::at_millis(0));
                let one = database.open_at(clock.clone()).await;
                let two = database.open_at(clock.clone()).await;
                run(vec![one.clone(), two.clone()], clock, steps).await;
                one.close().await;
                two.close().await;
            });
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_claims_at_once_one_wins() {
    for database in databases() {
        let stores = [database.open().await, database.open().await];
        let claims = (0..32).map(|n| {
            let store = stores[n % 2].clone();
            async move {
                store
                    .claim(&lease_name(0), &format!("h{n}"), Duration::from_secs(60))
                    .await
            }
        });
        let results = futures::future::join_all(claims).await;
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
        for store in stores {
            store.close().await;
        }
    }
}
