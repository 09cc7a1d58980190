//! Managers: each holds or waits for the lease, runs the engine, and can be killed, paused, or see its clock jump.

use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use kube_access::{Access, Context};
use kube_sim::FaultyApi;
use ports::{Clock, SeededIds, SimClock, WriteContext};
use rollout::{ClusterSpec, Guards, Handle, MayDisrupt, Means, Permission, Refresh, Rollout};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::book::{Book, TTL};
use super::dice::Dice;
use super::oracle::Oracle;
use super::wires::{CloudWire, Cut, LedgerWire, Receiver, Sender, Wire};
use crate::ledger::TestLedger;

/// A clock that shows another time than the world's.
#[derive(Debug, Clone)]
pub(crate) struct JumpClock {
    base: SimClock,
    pub(crate) ahead: Arc<AtomicI64>,
}

#[async_trait]
impl Clock for JumpClock {
    fn now(&self) -> Timestamp {
        self.base.now() + SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    async fn sleep(&self, time: Duration) {
        self.base.sleep(time).await;
    }
}

/// Whether a manager's process stands still.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<(bool, Option<Waker>)>);

impl Pause {
    pub(crate) fn set(&self, paused: bool) {
        let mut state = self.0.lock().unwrap();
        state.0 = paused;
        if let Some(waker) = state.1.take().filter(|_| !paused) {
            waker.wake();
        }
    }

    fn holds(&self, task: &Task<'_>) -> bool {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            state.1 = Some(task.waker().clone());
        }
        state.0
    }
}

struct Pausable {
    run: Pin<Box<dyn Future<Output = ()> + Send>>,
    pause: Arc<Pause>,
}

impl Future for Pausable {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        if self.pause.holds(task) {
            return Poll::Pending;
        }
        self.run.as_mut().poll(task)
    }
}

/// The guard of one manager: the lease and the block, as the book says right now.
struct BookGuard {
    manager: u64,
    book: Arc<Book>,
}

#[async_trait]
impl MayDisrupt for BookGuard {
    async fn permission(&self) -> Permission {
        if !self.book.holds(self.manager) {
            return Permission::Withdrawn;
        }
        self.book.blocked().map_or(Permission::Granted, Permission::Blocked)
    }

    async fn changed(&self) {
        self.book.turned().await;
    }
}

/// What a manager needs to be made.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) seed: u64,
    pub(crate) clock: SimClock,
    pub(crate) api: FaultyApi<Receiver>,
    pub(crate) cloud: cloud_sim::CloudSim,
    pub(crate) ledger: Arc<TestLedger>,
    pub(crate) chance: Arc<Mutex<(Dice, u64)>>,
    pub(crate) spec: watch::Sender<ClusterSpec>,
    pub(crate) book: Arc<Book>,
    pub(crate) oracle: Arc<Oracle>,
    pub(crate) guards: Guards,
}

pub(crate) struct Manager {
    pub(crate) id: u64,
    pub(crate) cut: Arc<Cut>,
    pub(crate) pause: Arc<Pause>,
    ahead: Arc<AtomicI64>,
    pub(crate) handle: Arc<Mutex<Option<Handle>>>,
    task: JoinHandle<()>,
}

impl Manager {
    /// Starts a manager; `cut` is the write that it dies at, and whether after it.
    pub(crate) fn start(recipe: &Recipe, id: u64, cut: Option<(u64, bool)>) -> Self {
        let cut = Arc::new(Cut::new(cut));
        let ahead = Arc::new(AtomicI64::new(0));
        let (pause, handle) = (Arc::new(Pause::default()), Arc::new(Mutex::new(None)));
        let life = Life {
            recipe: recipe.clone(),
            id,
            clock: JumpClock {
                base: recipe.clock,
                ahead: ahead.clone(),
            },
            cut: cut.clone(),
            handle: handle.clone(),
        };
        let run = Pausable {
            run: Box::pin(life.run()),
            pause: pause.clone(),
        };
        Self {
            id,
            task: tokio::spawn(run),
            cut,
            pause,
            ahead,
            handle,
        }
    }

    /// Sets its clock so many seconds ahead of the world's.
    pub(crate) fn set_clock(&self, oracle: &Oracle, ahead: i64) {
        if self.ahead.swap(ahead, Ordering::Relaxed) != ahead {
            oracle.clock_set(self.id, ahead);
        }
    }

    pub(crate) async fn kill(self) {
        self.task.abort();
        // What a killed task says is of no interest.
        let _ = self.task.await;
    }
}

struct Life {
    recipe: Recipe,
    id: u64,
    clock: JumpClock,
    cut: Arc<Cut>,
    handle: Arc<Mutex<Option<Handle>>>,
}

impl Life {
    async fn run(self) {
        let book = self.recipe.book.clone();
        let mut runs = 0;
        loop {
            while !book.claim(self.id) {
                self.clock.sleep(Duration::from_secs(5)).await;
            }
            runs += 1;
            let engine = self.engine(runs);
            let keep = async {
                loop {
                    self.clock.sleep(TTL / 3).await;
                    // A dead process renews nothing.
                    if self.cut.is_dead() || !book.claim(self.id) {
                        return;
                    }
                }
            };
            tokio::select! {
                biased;
                // A run that cannot begin, because something cannot be read, is tried again. It goes on before anybody looks
                // at the lease: a process that wakes from a pause does what it was about to do.
                done = engine.run() => if done.is_err() {
                    self.clock.sleep(Duration::from_secs(10)).await;
                },
                () = keep => {}
            }
        }
    }

    fn engine(&self, run: u64) -> Rollout {
        let recipe = &self.recipe;
        let wire = Wire {
            manager: self.id,
            run,
            book: recipe.book.clone(),
            oracle: recipe.oracle.clone(),
            cut: self.cut.clone(),
        };
        let ids = SeededIds::child(recipe.seed, &format!("manager/{}/{run}", self.id));
        let context = Context::new("kube-1", Arc::new(self.clock.clone()), Arc::new(ids));
        let service = Sender {
            inner: recipe.api.clone(),
            wire: wire.clone(),
        };
        let guard = BookGuard {
            manager: self.id,
            book: recipe.book.clone(),
        };
        let means = Means {
            access: Access::from_service(context, service),
            cloud: Arc::new(CloudWire {
                inner: recipe.cloud.clone(),
                wire: wire.clone(),
            }),
            ledger: Arc::new(LedgerWire {
                inner: recipe.ledger.clone(),
                wire,
                chance: recipe.chance.clone(),
            }),
            guard: Arc::new(guard),
            clock: Arc::new(self.clock.clone()),
            context: WriteContext::by("rollout", "test"),
            refresh: Refresh::default(),
        };
        let (engine, handle) = Rollout::new(means, recipe.spec.subscribe());
        *self.handle.lock().unwrap() = Some(handle);
        engine.with_guards(recipe.guards)
    }
}
