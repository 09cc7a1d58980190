//! One rehearsal: the twin, the engine, the observer, until all is done or the time is over.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use control::{Control, Options, RolloutView};
use jiff::Timestamp;
use lifecycle::Pace;
use ports::Clock as _;
use tokio::task::JoinHandle;

use crate::build::{Twin, build};
use crate::done::{Rest, rest};
use crate::error::RehearseError;
use crate::expect::{Expected, expected};
use crate::observe::follow;
use crate::report::Report;
use crate::scenario::{Scenario, Workload};
use crate::summary::report;
use crate::waits::tell_waits;
use crate::workload;

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_secs(30);
/// How long the engine runs before the new version appears, so that it does not begin with a start.
const CALM: Duration = Duration::from_secs(300);

/// What came of a run, before it is put into words.
pub(crate) struct Course {
    pub(crate) twin: Twin,
    /// When each cluster was done first, and what keeps it at the end.
    pub(crate) done: BTreeMap<String, Timestamp>,
    pub(crate) rests: BTreeMap<String, Rest>,
    /// The rollouts at the end.
    pub(crate) views: Vec<RolloutView>,
    pub(crate) end: Timestamp,
}

/// Ends its task when it is dropped.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Holds a rehearsal with one seed, on this thread.
///
/// # Errors
/// [`RehearseError`] when the twin cannot be built or does not reach the version before. What goes wrong after that is part of
/// the report.
pub fn rehearse(scenario: &Scenario, seed: u64) -> Result<Report, RehearseError> {
    let mut plans = Vec::new();
    for of in &scenario.clusters {
        if let Workload::Objects { source, objects } = &of.workload {
            workload::check(objects).map_err(|why| RehearseError::NotThere {
                cluster: of.cluster.alias.to_string(),
                from: source.clone(),
                why,
            })?;
        }
        plans.push(Arc::new(expected(scenario, of)?));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| RehearseError::Runtime(error.to_string()))?;
    // Everything lives on this one thread, so that the order of what happens follows from the seed alone.
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let course = live(scenario, seed, plans).await?;
        report(scenario, seed, &course).await
    })
}

fn options(scenario: &Scenario) -> Options {
    Options {
        pace: Pace {
            waves: scenario.policy.is_some(),
            ..Pace::default()
        },
        ..Options::default()
    }
}

async fn live(scenario: &Scenario, seed: u64, plans: Vec<Arc<Expected>>) -> Result<Course, RehearseError> {
    let twin = build(scenario, seed, plans).await?;
    let (control, handle) = Control::new(Arc::clone(&twin.reach), options(scenario));
    let _engine = Task(tokio::task::spawn_local(control.run(pending())));
    twin.clock.sleep(CALM).await;
    let start = twin.clock.now();
    let mut observers = Vec::new();
    for member in &twin.members {
        member.notes.begin(&member.server, start, &member.stands_for);
        let (tap, server, clock) = (member.server.tap(), member.server.clone(), Arc::clone(&twin.clock));
        let seen = follow(tap, server, clock, member.notes.clone(), Arc::clone(&member.expected));
        observers.push(Task(tokio::task::spawn_local(seen)));
    }
    twin.moved.store(true, Ordering::SeqCst);
    handle.configuration_moved();
    let limit = scenario.start.saturating_add(scenario.limit).unwrap_or(Timestamp::MAX);
    let (mut done, mut rests) = (BTreeMap::new(), BTreeMap::new());
    loop {
        let now = twin.clock.now();
        for member in &twin.members {
            let id = member.id.to_string();
            if done.contains_key(&id) {
                continue;
            }
            let rest = rest(&twin, member).await?;
            if rest == Rest::Nothing {
                done.insert(id.clone(), now);
            }
            rests.insert(id, rest);
        }
        if now >= limit || rests.values().all(Rest::is_final) {
            break;
        }
        twin.clock.sleep(LOOK).await;
    }
    if scenario.policy.is_some() {
        tell_waits(&twin, &mut rests).await?;
    }
    let views = handle.rollouts().await;
    Ok(Course {
        end: twin.clock.now().min(limit),
        views,
        done,
        rests,
        twin,
    })
}
