//! Long-running tasks that report what they do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use ports::Clock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;
use tokio_util::task::TaskTracker;

use crate::Shutdown;
use crate::metrics::SecondsGauge;

/// Something that is done again and again.
#[async_trait]
pub trait Task: Send + Sync {
    /// Short, unique name, such as `token-file`.
    fn name(&self) -> &'static str;

    /// One sentence for operators.
    fn description(&self) -> &'static str;

    /// Time from the end of one run to the start of the next.
    fn period(&self) -> Duration;

    /// Does it once; says in one sentence what was done, or what went wrong.
    async fn run(&self) -> Result<String, String>;
}

/// What is known of a task; the same in CLI, pages and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskStatus {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Time between runs, in seconds.
    pub period_seconds: u64,
    /// Runs that ended.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// Start of the last run.
    pub last_run: Option<Timestamp>,
    /// What the last run said.
    pub last_result: Option<Result<String, String>>,
    /// Start of the next run; absent while one runs and after shutdown.
    pub next_run: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    task: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameAndResult {
    task: &'static str,
    result: &'static str,
}

#[derive(Clone, Default)]
struct Metrics {
    runs: Family<NameAndResult, Counter>,
    last: Family<Name, SecondsGauge>,
}

/// Runs tasks until shutdown.
#[derive(Clone)]
pub struct Tasks {
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    running: TaskTracker,
    status: Arc<Mutex<BTreeMap<&'static str, TaskStatus>>>,
    metrics: Metrics,
}

impl Tasks {
    /// No tasks yet; their metrics go to `registry`.
    pub fn new(clock: Arc<dyn Clock>, shutdown: Shutdown, registry: &mut Registry) -> Self {
        let metrics = Metrics::default();
        let tasks = registry.sub_registry_with_prefix("task");
        tasks.register("runs", "Runs of long-running tasks, by result", metrics.runs.clone());
        tasks.register_with_unit(
            "last_run_timestamp",
            "Start of the last run",
            Unit::Seconds,
            metrics.last.clone(),
        );
        Self {
            clock,
            shutdown,
            running: TaskTracker::new(),
            status: Arc::default(),
            metrics,
        }
    }

    /// Runs `task` now and then once per period; a run that has begun is never cut off by shutdown.
    pub fn start(&self, task: Arc<dyn Task>) {
        let first = TaskStatus {
            name: task.name(),
            description: task.description(),
            period_seconds: task.period().as_secs(),
            runs: 0,
            failures: 0,
            last_run: None,
            last_result: None,
            next_run: Some(self.clock.now()),
        };
        self.lock().insert(task.name(), first);
        let this = self.clone();
        self.running.spawn(async move {
            while !this.shutdown.has_begun() {
                this.once(task.as_ref()).await;
                tokio::select! {
                    () = this.clock.sleep(task.period()) => {}
                    () = this.shutdown.begun() => {}
                }
            }
            this.change(task.name(), |status| status.next_run = None);
        });
    }

    /// State of every task, in name order.
    #[must_use]
    pub fn status(&self) -> Vec<TaskStatus> {
        self.lock().values().cloned().collect()
    }

    /// Returns once shutdown has begun and every run has ended.
    pub async fn stopped(&self) {
        self.shutdown.begun().await;
        self.running.close();
        self.running.wait().await;
    }

    async fn once(&self, task: &dyn Task) {
        let (name, begun) = (task.name(), self.clock.now());
        self.change(name, |status| {
            status.last_run = Some(begun);
            status.next_run = None;
        });
        let result = task.run().await;
        if let Err(failure) = &result {
            tracing::warn!(task = name, failure, "task failed");
        }
        let label = if result.is_ok() { "ok" } else { "failed" };
        self.metrics
            .runs
            .get_or_create(&NameAndResult {
                task: name,
                result: label,
            })
            .inc();
        let seconds = begun.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
        self.metrics.last.get_or_create(&Name { task: name }).set(seconds);
        let pause = jiff::SignedDuration::try_from(task.period()).unwrap_or(jiff::SignedDuration::MAX);
        let next = self.clock.now().saturating_add(pause).ok();
        self.change(name, |status| {
            status.runs += 1;
            status.failures += u64::from(result.is_err());
            status.last_result = Some(result);
            status.next_run = next;
        });
    }

    fn change(&self, name: &'static str, with: impl FnOnce(&mut TaskStatus)) {
        self.lock().get_mut(name).map(with);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, TaskStatus>> {
        // The map is whole after every change, so a panic elsewhere leaves nothing to be afraid of.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use ports::SimClock;

    use super::*;

    /// Fails every second run.
    #[derive(Default)]
    struct Flaky(AtomicU64);

    #[async_trait]
    impl Task for Flaky {
        fn name(&self) -> &'static str {
            "flaky"
        }
        fn description(&self) -> &'static str {
            "Fails every second run"
        }
        fn period(&self) -> Duration {
            Duration::from_secs(60)
        }
        async fn run(&self) -> Result<String, String> {
            match self.0.fetch_add(1, Ordering::SeqCst) % 2 {
                0 => Ok("done".to_owned()),
                _ => Err("not done".to_owned()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_reports_its_runs() {
        let clock = Arc::new(SimClock::starting_at(Timestamp::UNIX_EPOCH));
        let (shutdown, mut registry) = (Shutdown::new(), Registry::default());
        let tasks = Tasks::new(clock.clone(), shutdown.clone(), &mut registry);
        tasks.start(Arc::new(Flaky::default()));
        clock.sleep(Duration::from_secs(200)).await;
        let status = tasks.status().remove(0);
        assert_eq!((status.runs, status.failures), (4, 2));
        assert_eq!(status.last_run, Timestamp::from_second(180).ok());
        assert_eq!(status.next_run, Timestamp::from_second(240).ok());
        assert_eq!(status.last_result, Some(Err("not done".to_owned())));
        shutdown.begin();
        tasks.stopped().await;
        assert_eq!(tasks.status()[0].next_run, None);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains(r#"task_runs_total{task="flaky",result="failed"} 2"#),
            "{text}"
        );
    }
}
