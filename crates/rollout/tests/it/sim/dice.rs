//! Chance that follows from a seed, with a child per purpose.

use std::time::Duration;

use jiff::Timestamp;
use ports::{Ids, SeededIds};

pub(crate) struct Dice(SeededIds);

impl Dice {
    pub(crate) fn child(seed: u64, purpose: &str) -> Self {
        Self(SeededIds::child(seed, purpose))
    }

    pub(crate) fn seed(&self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn below(&self, n: u64) -> u64 {
        self.0.next_u64() % n.max(1)
    }

    /// A number between the two, both included.
    pub(crate) fn within(&self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub(crate) fn size(&self, from: u32, to: u32) -> u32 {
        u32::try_from(self.within(from.into(), to.into())).unwrap()
    }

    pub(crate) fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Clone>(&self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()].clone()
    }

    pub(crate) fn minutes(&self, from: u64, to: u64) -> Duration {
        Duration::from_secs(60 * self.within(from, to))
    }

    /// An instant up to so many minutes ago.
    pub(crate) fn ago(&self, now: Timestamp, minutes: u64) -> Timestamp {
        now - Duration::from_secs(self.below(60 * minutes + 1))
    }
}
