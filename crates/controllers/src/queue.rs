//! What is due when: names in a fixed order, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Things to look at, by the time at which they are due, then by name. A name is in it once, at its earliest time.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    due: BTreeSet<(Timestamp, String)>,
    at: BTreeMap<String, Timestamp>,
}

impl Queue {
    /// Looks at `name` at `at`, or earlier if that was said before.
    pub fn add(&mut self, name: &str, at: Timestamp) {
        if let Some(known) = self.at.get(name).copied() {
            if known <= at {
                return;
            }
            self.due.remove(&(known, name.to_owned()));
        }
        self.due.insert((at, name.to_owned()));
        self.at.insert(name.to_owned(), at);
    }

    /// The next name that is due at `now`.
    pub fn pop(&mut self, now: Timestamp) -> Option<String> {
        let next = self.due.first().filter(|(at, _)| *at <= now).cloned()?;
        self.due.remove(&next);
        self.at.remove(&next.1);
        Some(next.1)
    }

    /// How long nothing is due, from `now`; an hour at most, so that a wait is never for ever.
    #[must_use]
    pub fn rest(&self, now: Timestamp) -> Duration {
        let wait = self.next().map(|at| at.duration_since(now));
        let wait = wait.map_or(IDLE, |wait| Duration::try_from(wait).unwrap_or_default());
        wait.min(IDLE)
    }

    /// When the next one is due.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

const IDLE: Duration = Duration::from_secs(3600);

/// `wait` after `at`.
#[must_use]
pub fn after(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_once_in_the_order_of_their_times_and_then_their_names() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut queue = Queue::default();
        for (name, second) in [("b", 5), ("a", 5), ("c", 1), ("b", 9), ("a", 2)] {
            queue.add(name, at(second));
        }
        assert_eq!(queue.next(), Some(at(1)));
        assert_eq!(queue.pop(at(0)), None);
        let order: Vec<String> = std::iter::from_fn(|| queue.pop(at(10))).collect();
        assert_eq!(order, ["c", "a", "b"]);
    }
}
