//! Driving worlds: one on a clock, or many through one queue.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ports::Clock;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::step_clock::StepClock;
use super::world::World;

/// A world that runs on a clock while others reach into it.
#[derive(Debug, Clone)]
pub struct SharedWorld {
    world: Arc<Mutex<World>>,
    touched: Arc<Notify>,
}

/// Holds a shared world; when it is let go, the driver looks at what is due.
#[derive(Debug)]
pub struct Hold<'a> {
    world: MutexGuard<'a, World>,
    touched: &'a Notify,
}

impl std::ops::Deref for Hold<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl std::ops::DerefMut for Hold<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.touched.notify_one();
    }
}

impl SharedWorld {
    /// Shares a world.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            touched: Arc::new(Notify::new()),
        }
    }

    /// Holds the world, to add or kill nodes or to look at it; it stands still meanwhile.
    pub async fn hold(&self) -> Hold<'_> {
        Hold {
            world: self.world.lock().await,
            touched: &self.touched,
        }
    }

    /// Lets the world live on its clock, for ever: sleeps until somebody writes to the API or reaches into the world, or
    /// something is due. Drop the future to stop it.
    pub async fn run(&self, clock: &dyn Clock) {
        let mut tap = self.world.lock().await.server().tap();
        loop {
            let wait = {
                let mut world = self.world.lock().await;
                tap.take();
                world.settle().await;
                world.next_due().map(|due| until(clock.now(), due))
            };
            // What the world wrote itself is in the tap as well: one more look, which finds nothing to do, and then it rests.
            tokio::select! {
                biased;
                () = self.touched.notified() => {}
                () = tap.filled() => {}
                () = sleep(clock, wait) => {}
            }
        }
    }
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO)
}

async fn sleep(clock: &dyn Clock, wait: Option<Duration>) {
    match wait {
        Some(wait) => clock.sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Many worlds on one clock, driven through one queue: the world that is due first has its turn first.
#[derive(Debug, Default)]
pub struct Fleet {
    worlds: Vec<World>,
    due: BTreeSet<(Timestamp, usize)>,
    known: Vec<Option<Timestamp>>,
}

impl Fleet {
    /// Puts worlds together. They have to run on the same clock.
    #[must_use]
    pub fn new(worlds: Vec<World>) -> Self {
        let mut fleet = Self {
            known: vec![None; worlds.len()],
            worlds,
            due: BTreeSet::new(),
        };
        for place in 0..fleet.worlds.len() {
            fleet.requeue(place);
        }
        fleet
    }

    /// The worlds, in the order they were given.
    #[must_use]
    pub fn worlds(&self) -> &[World] {
        &self.worlds
    }

    /// Reaches into a world; what is due there is looked at anew afterwards.
    pub fn with<R>(&mut self, place: usize, act: impl FnOnce(&mut World) -> R) -> Option<R> {
        let result = self.worlds.get_mut(place).map(act);
        self.requeue(place);
        result
    }

    /// When something is due next in any world.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Lets time pass up to an instant. Writes from outside between calls are seen at the beginning.
    pub async fn advance_to(&mut self, clock: &StepClock, until: Timestamp) -> u64 {
        let mut steps = 0;
        for place in 0..self.worlds.len() {
            self.requeue(place);
        }
        while let Some((due, place)) = self.due.first().copied().filter(|(due, _)| *due <= until) {
            clock.set(due);
            if let Some(world) = self.worlds.get_mut(place) {
                steps += world.settle().await;
            }
            self.requeue(place);
        }
        clock.set(until);
        steps
    }

    fn requeue(&mut self, place: usize) {
        let due = self.worlds.get(place).and_then(World::next_due);
        let Some(known) = self.known.get_mut(place) else { return };
        if *known == due {
            return;
        }
        if let Some(old) = known.take() {
            self.due.remove(&(old, place));
        }
        *known = due;
        if let Some(due) = due {
            self.due.insert((due, place));
        }
    }
}
