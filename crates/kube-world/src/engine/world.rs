//! A cluster that lives: its API, the machines behind its nodes, and everything that acts on them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;
use kube_sim::{ApiError, ApiServer, Tap, UserInfo, Write};

use super::action::Action;
use super::change::Change;
use super::controller::{Controller, Scheduler, kube_scheduler};
use super::execute::Executor;
use super::log::{EventLog, Place, Sink};
use super::queue::{Item, Queue};
use super::recorder::Recorder;
use super::step_clock::StepClock;
use super::view::View;
use crate::by_hash::Found;
use crate::cache::Caches;
use crate::kind::{Key, Kind};
use crate::kubelet::{self, Profile, Settled};
use crate::nodes::{self, Heartbeats, Machines, NodeTimes};

/// Who wrote what the world did not write itself.
const OTHERS: &str = "api";
/// A key that comes so often at one instant waits a second: two controllers undo each other's work.
const TURNS_AT_ONCE: u32 = 200;

/// Puts a world together.
#[derive(Debug)]
pub struct WorldBuilder {
    server: ApiServer,
    seed: u64,
    profile: Profile,
    times: NodeTimes,
    controllers: Vec<Box<dyn Controller>>,
    scheduler: Option<Box<dyn Scheduler>>,
    sink: Option<SinkSlot>,
}

struct SinkSlot(Sink);

impl std::fmt::Debug for SinkSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

impl WorldBuilder {
    /// The seed of everything that is drawn: delays of kubelets, stopping times.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How long kubelets take for what they do.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// How patient the control plane is with nodes.
    #[must_use]
    pub fn node_times(mut self, times: NodeTimes) -> Self {
        self.times = times;
        self
    }

    /// Adds a controller after those that are there.
    #[must_use]
    pub fn controller(mut self, controller: Box<dyn Controller>) -> Self {
        self.controllers.push(controller);
        self
    }

    /// Adds controllers after those that are there.
    #[must_use]
    pub fn controllers(mut self, controllers: Vec<Box<dyn Controller>>) -> Self {
        self.controllers.extend(controllers);
        self
    }

    /// Sets the scheduler; without one pods wait until somebody binds them.
    #[must_use]
    pub fn scheduler(mut self, scheduler: Box<dyn Scheduler>) -> Self {
        self.scheduler = Some(scheduler);
        self
    }

    /// Hands each line of the event log over.
    #[must_use]
    pub fn log_sink(mut self, sink: Sink) -> Self {
        self.sink = Some(SinkSlot(sink));
        self
    }

    /// Makes the world. What the server holds already is seen as made in this moment.
    #[must_use]
    pub fn build(self) -> World {
        let tap = self.server.tap();
        let heartbeats = Arc::new(Heartbeats::default());
        self.server.project(heartbeats.clone());
        let mut controllers = nodes::controllers(self.times);
        controllers.extend(kubelet::controllers(self.seed, self.profile.clone()));
        let kubelets = controllers.iter().position(|one| one.name() == kubelet::NAME);
        controllers.extend(self.controllers);
        let mut world = World {
            server: self.server,
            tap,
            caches: Caches::default(),
            machines: Machines::new(heartbeats),
            controllers,
            scheduler: self.scheduler,
            queue: Queue::default(),
            recorder: Recorder::default(),
            log: EventLog::new(self.sink.map(|slot| slot.0)),
            turns: Found::default(),
            steps: 0,
            kubelets,
            seed: self.seed,
            profile: self.profile,
        };
        world.take_stock();
        world
    }
}

/// A cluster that lives. [`World::settle`] does all that is due; in between nothing happens and nothing is spent.
#[derive(Debug)]
pub struct World {
    server: ApiServer,
    tap: Tap,
    caches: Caches,
    machines: Machines,
    controllers: Vec<Box<dyn Controller>>,
    scheduler: Option<Box<dyn Scheduler>>,
    queue: Queue,
    recorder: Recorder,
    log: EventLog,
    /// How often each key had its turn since time last moved or a run began.
    turns: Found<Item, u32>,
    steps: u64,
    /// The place of the kubelets among the controllers.
    kubelets: Option<usize>,
    seed: u64,
    profile: Profile,
}

impl World {
    /// Begins a world around a server, with kubelets and the node controllers.
    #[must_use]
    pub fn builder(server: ApiServer) -> WorldBuilder {
        WorldBuilder {
            server,
            seed: 0,
            profile: Profile::default(),
            times: NodeTimes::default(),
            controllers: Vec::new(),
            scheduler: None,
            sink: None,
        }
    }

    /// The cluster's API.
    #[must_use]
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    /// The log of everything that happened.
    #[must_use]
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// How many plans were made so far. An idle world makes none.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What planners see now.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View {
            now: self.server.now(),
            server: &self.server,
            caches: &self.caches,
            machines: &self.machines,
        }
    }

    /// When something is due next without anybody's doing; the past if something is due already.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        if !self.tap.is_empty() {
            return Some(Timestamp::MIN);
        }
        let scheduler = self.scheduler.as_ref().and_then(|scheduler| scheduler.due());
        [self.queue.next_due(), scheduler, self.recorder.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns once somebody has written to the API.
    pub async fn stirred(&mut self) {
        self.tap.filled().await;
    }

    /// Does all that is due at the time of the server's clock, and all that follows from it, and returns the number of plans it
    /// took.
    pub async fn settle(&mut self) -> u64 {
        let before = self.steps;
        self.turns.clear();
        loop {
            self.absorb(OTHERS, None);
            let now = self.server.now();
            self.queue.fire(now);
            if let Some(item) = self.queue.pop() {
                self.take_turn(item, now).await;
            } else if !self.schedule(now).await && !self.expire(now) {
                return self.steps - before;
            }
        }
    }

    /// Lets time pass up to an instant on a clock that the server runs on, doing everything when it is due.
    pub async fn advance_to(&mut self, clock: &StepClock, until: Timestamp) -> u64 {
        let before = self.steps;
        self.settle().await;
        while let Some(due) = self.next_due().filter(|due| *due <= until) {
            clock.set(due);
            self.settle().await;
        }
        clock.set(until);
        self.settle().await;
        self.steps - before
    }

    /// Puts objects in as they are, one write each, to begin in the middle of a cluster's life: pods that are bound to a living
    /// machine get the status of pods that have been there for an hour, all others keep the one they bring. Nothing is checked,
    /// so what the objects say has to fit together; owners come before what they own, with their uids. Returns how many
    /// objects were of kinds that are served.
    pub fn start_settled(&mut self, objects: impl IntoIterator<Item = impl Into<Value>>) -> usize {
        self.absorb(OTHERS, None);
        let mut placed = 0;
        for object in objects {
            let mut object = object.into();
            let is_pod = object.get("kind").and_then(Value::as_str) == Some("Pod");
            let settled = is_pod
                .then(|| kubelet::settle(&self.view(), &mut object, self.seed, &self.profile))
                .flatten();
            let Some(object) = self.server.place(object) else {
                continue;
            };
            placed += 1;
            self.absorb_placed(object, settled);
        }
        placed
    }

    /// Takes in an object that was placed, whose tree is at hand. A kubelet whose pod is settled need not look at it before
    /// the time that the settling has found.
    fn absorb_placed(&mut self, object: Value, settled: Option<Settled>) {
        let now = self.server.now();
        let mut object = Some(object);
        for write in self.tap.take() {
            let Some(mut change) = self.noted(&write, "world", now) else {
                continue;
            };
            if let Some(tree) = object.take_if(|tree| change.is_of(tree)) {
                change.set_after(tree);
                change.settled = settled.is_some();
                if let Some((place, next)) = self.kubelets.zip(settled.and_then(|settled| settled.next)) {
                    self.queue.wake_at(&(place, change.key.clone()), next);
                }
            }
            let change = self.cached(change);
            self.spread(&change, now);
        }
    }

    /// Takes in what the server held before the world began.
    fn take_stock(&mut self) {
        let view_time = self.server.now();
        for kind in Kind::all() {
            for stored in self.server.stored_all(kind.group, kind.resource, "") {
                let (namespace, name) = stored.key();
                let key = Key::new(kind, namespace, name);
                let change = self.cached(Change::new(key, stored.version(), None, Some(stored)));
                self.spread(&change, view_time);
            }
        }
    }

    /// Takes the new writes into the caches and asks everybody what to look at because of them. `own` is the write that the
    /// actor knows to be its own: one by somebody else may have come in the meantime, and must not pass for it.
    fn absorb(&mut self, actor: &'static str, own: Option<u64>) {
        if self.tap.is_empty() {
            return;
        }
        let now = self.server.now();
        for write in self.tap.take() {
            if let Some(mut change) = self.noted(&write, actor, now) {
                if !change.is_removal() && own != Some(change.version) {
                    change.actor = OTHERS;
                }
                let change = self.cached(change);
                self.spread(&change, now);
            }
        }
    }

    /// Logs a write; the change that it is, if the world knows its kind.
    fn noted(&mut self, write: &Write, actor: &'static str, now: Timestamp) -> Option<Change> {
        self.note(write, actor, now);
        let (group, resource) = write.resource();
        let key = Key::new(Kind::of(group, resource)?, write.namespace(), write.name());
        let mut change = Change::new(key, write.version(), write.before(), write.after());
        change.actor = actor;
        Some(change)
    }

    fn cached(&mut self, mut change: Change) -> Change {
        self.caches.take_in(&mut change);
        if change.is_removal() {
            match change.key.kind {
                Kind::NODE => self.machines.node_removed(&change.key.name),
                Kind::EVENT => self.recorder.forget(&change.key),
                _ => {}
            }
        }
        change
    }

    fn spread(&mut self, change: &Change, now: Timestamp) {
        let view = View {
            now,
            server: &self.server,
            caches: &self.caches,
            machines: &self.machines,
        };
        for (place, controller) in self.controllers.iter().enumerate() {
            for key in controller.interested(change, &view) {
                self.queue.add((place, key));
            }
        }
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.observe(change, &view);
        }
    }

    fn note(&mut self, write: &Write, actor: &str, now: Timestamp) {
        let (group, resource) = write.resource();
        let verb = match (write.before(), write.after()) {
            (None, _) => "created",
            (_, None) => "removed",
            _ => "changed",
        };
        let object = Place {
            group,
            resource,
            namespace: write.namespace(),
            name: write.name(),
        };
        let size = write.after().map_or(0, |stored| stored.bytes().len());
        self.log
            .write(now, actor, verb, object, format_args!("v{} {size}B", write.version()));
    }

    async fn take_turn(&mut self, item: Item, now: Timestamp) {
        let turns = self.turns.entry(item.clone()).or_default();
        *turns += 1;
        if *turns > TURNS_AT_ONCE {
            *turns = 0;
            let later = now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(now);
            self.queue.wake_at(&item, later);
            self.log
                .write(now, "world", "put-off", &item.1, format_args!("too many turns at once"));
            return;
        }
        self.steps += 1;
        let view = View {
            now,
            server: &self.server,
            caches: &self.caches,
            machines: &self.machines,
        };
        let Some(controller) = self.controllers.get(item.0) else {
            return;
        };
        let plan = controller.reconcile(&view, &item.1);
        if plan.is_empty() {
            self.queue.succeeded(&item);
            return;
        }
        let actor = Actor {
            name: controller.name(),
            user: controller.user(&view, &item.1),
            host: controller.host(&view, &item.1),
        };
        match self.carry_out(&actor, plan, Some(&item), now).await {
            Ok(()) => self.queue.succeeded(&item),
            Err((action, error)) => {
                let view = View {
                    now,
                    server: &self.server,
                    caches: &self.caches,
                    machines: &self.machines,
                };
                let answer = self
                    .controllers
                    .get(item.0)
                    .map(|controller| controller.failed(&view, &item.1, &action, &error))
                    .unwrap_or_default();
                // What follows from a refusal is not asked about again.
                let _ = self.carry_out(&actor, answer, Some(&item), now).await;
                let wait = SignedDuration::try_from(self.queue.back_off(&item)).unwrap_or_default();
                self.queue.wake_at(&item, now.saturating_add(wait).unwrap_or(now));
            }
        }
    }

    async fn schedule(&mut self, now: Timestamp) -> bool {
        let view = View {
            now,
            server: &self.server,
            caches: &self.caches,
            machines: &self.machines,
        };
        let Some(scheduler) = &mut self.scheduler else {
            return false;
        };
        let plan = scheduler.schedule_next(&view);
        if plan.is_empty() {
            return false;
        }
        self.steps += 1;
        let actor = Actor {
            name: "default-scheduler",
            user: kube_scheduler(),
            host: None,
        };
        if let Err((action, error)) = self.carry_out(&actor, plan, None, now).await {
            let view = View {
                now,
                server: &self.server,
                caches: &self.caches,
                machines: &self.machines,
            };
            if let Some(scheduler) = &mut self.scheduler {
                scheduler.failed(&view, &action, &error);
            }
        }
        true
    }

    /// Deletes one event whose time is over.
    fn expire(&mut self, now: Timestamp) -> bool {
        let Some(key) = self.recorder.expired(now) else {
            return false;
        };
        // An event that somebody holds with a finalizer stays.
        if self.server.expire(key.place(), &key.name) {
            self.absorb("world", None);
        }
        true
    }

    /// Carries a plan out in order, up to the first refusal.
    async fn carry_out(
        &mut self,
        actor: &Actor,
        plan: Vec<Action>,
        item: Option<&Item>,
        now: Timestamp,
    ) -> Result<(), (Action, ApiError)> {
        let local = self.server.local(actor.user.clone());
        for action in plan {
            if let Action::WakeAt(at) = action {
                if let Some(item) = item {
                    self.queue.wake_at(item, at);
                }
                continue;
            }
            let mut executor = Executor {
                server: &self.server,
                local: &local,
                recorder: &mut self.recorder,
                source: actor.name,
                host: actor.host.as_deref(),
                now,
            };
            let done = executor.carry_out(&action).await;
            self.absorb(actor.name, *done.as_ref().unwrap_or(&None));
            if let Err(error) = done {
                self.log.write(
                    now,
                    actor.name,
                    action.verb(),
                    action.subject(),
                    format_args!("refused {} {}", error.code, error.reason),
                );
                return Err((action, error));
            }
        }
        Ok(())
    }

    /// Tells the world that the clock of its server was set, by so much forward or (negative) back. What machines and the
    /// scheduler wait for comes as late as before, signs of life included: nodes and pods live on. Kubelets go by the times in
    /// statuses: what a pod is about to do is done at once when the clock goes forward, and comes as late as before when it
    /// goes back. What compares times of objects (CronJobs, deadlines) sees the new time, as on a real cluster.
    pub fn clock_set(&mut self, by: SignedDuration) {
        self.machines.clock_set(by);
        self.recorder.clock_set(by);
        if let Some(scheduler) = &mut self.scheduler {
            scheduler.clock_set(by);
        }
        self.queue.fire_all();
        let now = self.server.now();
        self.log.write(
            now,
            "world",
            "set-clock",
            "clock",
            format_args!("by {}s", by.as_secs_f64()),
        );
        // Pods that nothing wakes may carry times of the old clock as well.
        let nodes: Vec<String> = self.machines.iter().map(|machine| machine.spec.name.clone()).collect();
        for node in nodes {
            self.tell_machine_changed(&node);
        }
    }

    /// Tells every controller that something happened to a machine.
    pub(crate) fn machine_changed(&mut self, node: &str, verb: &str) {
        let now = self.server.now();
        self.log.write(
            now,
            "world",
            verb,
            format_args!("machines/{node}"),
            format_args!("done"),
        );
        self.tell_machine_changed(node);
    }

    fn tell_machine_changed(&mut self, node: &str) {
        let view = View {
            now: self.server.now(),
            server: &self.server,
            caches: &self.caches,
            machines: &self.machines,
        };
        for (place, controller) in self.controllers.iter().enumerate() {
            for key in controller.machine_changed(node, &view) {
                self.queue.add((place, key));
            }
        }
    }

    pub(crate) fn machines_mut(&mut self) -> &mut Machines {
        &mut self.machines
    }
}

/// Who carries a plan out.
#[derive(Debug)]
struct Actor {
    name: &'static str,
    user: UserInfo,
    host: Option<Arc<str>>,
}
