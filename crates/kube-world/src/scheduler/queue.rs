//! Which pod is next: by priority, then by arrival; refused ones wait until something happens that may help them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::reasons::{Reason, Rejection};
use super::tally::{ClassId, PodId};

/// A refused pod is tried again after this time even if nothing happened.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// The pause after a first failed attempt to bind; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// The order of pods: higher priority first, then the one that came to this place earlier, then the older one.
type Rank = (Reverse<i32>, Timestamp, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// To be tried.
    Active,
    /// To be tried when nothing is in `Active`: it has failed before.
    Again,
    /// Not before an instant.
    Paused(Timestamp),
    /// Not before something happens, or the flush.
    Parked(Timestamp),
}

#[derive(Debug)]
struct Entry {
    class: ClassId,
    place: Place,
    rank: Rank,
    attempts: u32,
}

/// Why pods of a class are parked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Why {
    /// The nodes' reasons, all together.
    pub(crate) nodes: Rejection,
    /// A claim is missing or not bound, or there are no nodes at all.
    pub(crate) everywhere: bool,
}

impl Why {
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            nodes: self.nodes.union(other.nodes),
            everywhere: self.everywhere || other.everywhere,
        }
    }

    /// Whether the volumes are part of it.
    pub(crate) fn is_about_volumes(self) -> bool {
        const VOLUMES: [Reason; 6] = [
            Reason::ExclusiveClaim,
            Reason::VolumeCount,
            Reason::VolumeNode,
            Reason::VolumeBinding,
            Reason::VolumeMissing,
            Reason::VolumeZone,
        ];
        self.everywhere || VOLUMES.into_iter().any(|reason| self.nodes.has(reason))
    }

    /// Whether other pods are part of it: where they are, not how much they use.
    pub(crate) fn is_about_pods(self) -> bool {
        const PODS: [Reason; 5] = [
            Reason::Spread,
            Reason::SpreadLabel,
            Reason::Affinity,
            Reason::AntiAffinity,
            Reason::ExistingAntiAffinity,
        ];
        PODS.into_iter().any(|reason| self.nodes.has(reason))
    }

    /// Whether a pod that goes makes room.
    pub(crate) fn is_about_room(self) -> bool {
        let others = [Reason::Ports, Reason::ExclusiveClaim, Reason::VolumeCount];
        self.nodes.is_about_room() || others.into_iter().any(|reason| self.nodes.has(reason))
    }
}

#[derive(Debug, Default)]
struct ParkedClass {
    pods: BTreeSet<PodId>,
    why: Why,
}

/// The scheduling queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<PodId, Entry>,
    active: BTreeMap<Rank, PodId>,
    again: BTreeMap<Rank, PodId>,
    paused: BTreeSet<(Timestamp, PodId)>,
    parked: BTreeMap<ClassId, ParkedClass>,
    flushes: BTreeSet<(Timestamp, PodId)>,
    arrivals: u64,
}

impl Queue {
    /// Adds a pod that is to be scheduled. One that is there already only changes its class.
    pub(crate) fn add(&mut self, pod: PodId, class: ClassId, priority: i32, now: Timestamp) {
        let attempts = self.remove(pod).unwrap_or(0);
        self.arrivals += 1;
        let rank = (Reverse(priority), now, self.arrivals);
        self.active.insert(rank, pod);
        self.entries.insert(
            pod,
            Entry {
                class,
                place: Place::Active,
                rank,
                attempts,
            },
        );
    }

    /// Takes a pod out; answers how often it was tried.
    pub(crate) fn remove(&mut self, pod: PodId) -> Option<u32> {
        let entry = self.entries.remove(&pod)?;
        self.leave(pod, &entry);
        Some(entry.attempts)
    }

    fn leave(&mut self, pod: PodId, entry: &Entry) {
        match entry.place {
            Place::Active => drop(self.active.remove(&entry.rank)),
            Place::Again => drop(self.again.remove(&entry.rank)),
            Place::Paused(until) => drop(self.paused.remove(&(until, pod))),
            Place::Parked(until) => {
                self.flushes.remove(&(until, pod));
                if let Some(class) = self.parked.get_mut(&entry.class) {
                    class.pods.remove(&pod);
                    if class.pods.is_empty() {
                        self.parked.remove(&entry.class);
                    }
                }
            }
        }
    }

    /// The next pod to try. It stays known until it is parked, paused or removed.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<PodId> {
        self.wake_due(now);
        let first = self.active.first_key_value().or_else(|| self.again.first_key_value());
        let pod = *first?.1;
        let entry = self.entries.get_mut(&pod)?;
        self.active.remove(&entry.rank);
        self.again.remove(&entry.rank);
        entry.attempts = entry.attempts.saturating_add(1);
        Some(pod)
    }

    fn wake_due(&mut self, now: Timestamp) {
        while let Some((until, pod)) = self.paused.first().copied().filter(|(until, _)| *until <= now) {
            self.paused.remove(&(until, pod));
            self.requeue(pod, now);
        }
        while let Some((_, pod)) = self.flushes.first().copied().filter(|(until, _)| *until <= now) {
            self.unpark(pod, now);
        }
    }

    fn requeue(&mut self, pod: PodId, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&pod) {
            entry.rank.1 = now;
            entry.place = Place::Again;
            self.again.insert(entry.rank, pod);
        }
    }

    fn unpark(&mut self, pod: PodId, now: Timestamp) {
        if let Some(entry) = self.entries.remove(&pod) {
            self.leave(pod, &entry);
            self.entries.insert(pod, entry);
            self.requeue(pod, now);
        }
    }

    /// Parks a pod that no node takes.
    pub(crate) fn park(&mut self, pod: PodId, why: Why, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&pod) else {
            return;
        };
        let until = now.checked_add(LONGEST_WAIT).unwrap_or(Timestamp::MAX);
        entry.place = Place::Parked(until);
        self.flushes.insert((until, pod));
        let class = self.parked.entry(entry.class).or_default();
        class.why = if class.pods.is_empty() {
            why
        } else {
            class.why.union(why)
        };
        class.pods.insert(pod);
    }

    /// Lets a pod pause whose binding failed.
    pub(crate) fn pause(&mut self, pod: PodId, class: ClassId, priority: i32, now: Timestamp, attempts: u32) {
        self.remove(pod);
        self.arrivals += 1;
        let doubled = FIRST_PAUSE
            .checked_mul(1 << attempts.saturating_sub(1).min(4))
            .unwrap_or(LONGEST_PAUSE);
        let until = now.checked_add(doubled.min(LONGEST_PAUSE)).unwrap_or(Timestamp::MAX);
        self.paused.insert((until, pod));
        let entry = Entry {
            class,
            place: Place::Paused(until),
            rank: (Reverse(priority), now, self.arrivals),
            attempts,
        };
        self.entries.insert(pod, entry);
    }

    /// Wakes the parked classes for which the question "may this help?" is answered with yes.
    pub(crate) fn wake(&mut self, now: Timestamp, may_help: impl Fn(ClassId, Why) -> bool) {
        if self.parked.is_empty() {
            return;
        }
        let woken: Vec<ClassId> = self
            .parked
            .iter()
            .filter(|(class, parked)| may_help(**class, parked.why))
            .map(|(class, _)| *class)
            .collect();
        for class in woken {
            let pods = self
                .parked
                .get(&class)
                .map(|parked| parked.pods.clone())
                .unwrap_or_default();
            for pod in pods {
                self.unpark(pod, now);
            }
        }
    }

    /// How often a pod was tried.
    pub(crate) fn attempts(&self, pod: PodId) -> u32 {
        self.entries.get(&pod).map_or(0, |entry| entry.attempts)
    }

    /// The clock was set by so much: all instants move with it.
    pub(crate) fn clock_set(&mut self, by: SignedDuration) {
        let moved = |time: Timestamp| time.saturating_add(by).unwrap_or(time);
        for entry in self.entries.values_mut() {
            entry.rank.1 = moved(entry.rank.1);
            match &mut entry.place {
                Place::Paused(until) | Place::Parked(until) => *until = moved(*until),
                Place::Active | Place::Again => {}
            }
        }
        for line in [&mut self.active, &mut self.again] {
            let old = std::mem::take(line);
            line.extend(
                old.into_iter()
                    .map(|((priority, at, number), pod)| ((priority, moved(at), number), pod)),
            );
        }
        for timers in [&mut self.paused, &mut self.flushes] {
            let old = std::mem::take(timers);
            timers.extend(old.into_iter().map(|(until, pod)| (moved(until), pod)));
        }
    }

    /// When [`Queue::pop`] has something to do of itself: at once, or at the next flush or end of a pause.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        if !self.active.is_empty() || !self.again.is_empty() {
            return Some(Timestamp::MIN);
        }
        let timers = [self.paused.first(), self.flushes.first()];
        timers.into_iter().flatten().map(|(until, _)| *until).min()
    }

    /// Pods in the queue: to be tried now, and waiting for something.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        (
            self.active.len() + self.again.len(),
            self.paused.len() + self.flushes.len(),
        )
    }

    /// The parked pods, by number.
    pub(crate) fn parked(&self) -> impl Iterator<Item = PodId> {
        self.parked.values().flat_map(|class| class.pods.iter().copied())
    }
}
