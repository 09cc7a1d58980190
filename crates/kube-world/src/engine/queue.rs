//! What is to be looked at: now, in the order in which it was named, and later, by time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::by_hash::{Found, Known};
use crate::kind::Key;

/// A key with the place of the controller that looks at it.
pub(super) type Item = (usize, Key);

/// The first back-off after a refusal, and the longest; as work queues of real controllers have them.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1_000));

#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<Item>,
    queued: Known<Item>,
    timers: BTreeMap<(Timestamp, u64), Item>,
    wakes: Found<Item, (Timestamp, u64)>,
    failures: Found<Item, u32>,
    sequence: u64,
}

impl Queue {
    /// Names a key; once however often until its turn comes.
    pub(super) fn add(&mut self, item: Item) {
        if self.queued.insert(item.clone()) {
            self.ready.push_back(item);
        }
    }

    /// Moves what is due into the ready queue.
    pub(super) fn fire(&mut self, now: Timestamp) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let item = entry.remove();
            self.wakes.remove(&item);
            self.add(item);
        }
    }

    /// The next key, in order. Its timer is forgotten: its plan says anew when to look again.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.ready.pop_front()?;
        self.queued.remove(&item);
        if let Some(due) = self.wakes.remove(&item) {
            self.timers.remove(&due);
        }
        Some(item)
    }

    /// Sets a key's timer; the earlier one counts.
    pub(super) fn wake_at(&mut self, item: &Item, at: Timestamp) {
        if let Some(known) = self.wakes.get(item) {
            if known.0 <= at {
                return;
            }
            self.timers.remove(known);
        }
        self.sequence += 1;
        let due = (at, self.sequence);
        self.timers.insert(due, item.clone());
        self.wakes.insert(item.clone(), due);
    }

    /// Notes a refusal and returns for how long the key has to wait.
    pub(super) fn back_off(&mut self, item: &Item) -> Duration {
        let failures = self.failures.entry(item.clone()).or_default();
        let wait = BACK_OFF
            .0
            .saturating_mul(1_u32.checked_shl(*failures).unwrap_or(u32::MAX));
        *failures = failures.saturating_add(1).min(31);
        wait.min(BACK_OFF.1)
    }

    /// Notes that all went well.
    pub(super) fn succeeded(&mut self, item: &Item) {
        if !self.failures.is_empty() {
            self.failures.remove(item);
        }
    }

    /// Lets everything that waits for its time have its turn now, earliest first: the clock was set.
    pub(super) fn fire_all(&mut self) {
        self.fire(Timestamp::MAX);
    }

    /// When the next timer fires; the past if something is ready.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if !self.ready.is_empty() {
            return Some(Timestamp::MIN);
        }
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    fn item(name: &str) -> Item {
        (0, Key::new(Kind::POD, "default", name))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn keys_come_once_and_in_order() {
        let mut queue = Queue::default();
        for name in ["b", "a", "b"] {
            queue.add(item(name));
        }
        assert_eq!(queue.pop(), Some(item("b")));
        assert_eq!(queue.pop(), Some(item("a")));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn the_earlier_timer_counts_and_a_turn_forgets_it() {
        let mut queue = Queue::default();
        queue.wake_at(&item("a"), at(20));
        queue.wake_at(&item("a"), at(10));
        queue.wake_at(&item("a"), at(30));
        assert_eq!(queue.next_due(), Some(at(10)));
        queue.add(item("a"));
        queue.pop();
        assert_eq!(queue.next_due(), None);
        queue.wake_at(&item("b"), at(5));
        queue.fire(at(4));
        assert_eq!(queue.pop(), None);
        queue.fire(at(5));
        assert_eq!(queue.pop(), Some(item("b")));
    }

    #[test]
    fn refusals_wait_longer_each_time() {
        let mut queue = Queue::default();
        let waits: Vec<_> = (0..3).map(|_| queue.back_off(&item("a")).as_millis()).collect();
        assert_eq!(waits, [5, 10, 20]);
        assert_eq!((0..40).map(|_| queue.back_off(&item("a"))).last(), Some(BACK_OFF.1));
        queue.succeeded(&item("a"));
        assert_eq!(queue.back_off(&item("a")).as_millis(), 5);
    }
}
