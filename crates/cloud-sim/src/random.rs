//! Randomness without a running generator: every draw has a child generator of its own, named by purpose and subject.
//!
//! One more draw for one thing therefore never changes what another thing gets, and the order of draws does not matter.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// The source of all draws of one world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Random {
    seed: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The child generator of one purpose and subject.
    pub(crate) fn of(self, purpose: &str, subject: &str) -> StdRng {
        // FNV-1a over both names with a separator that stands in neither: stable across versions and platforms.
        let bytes = purpose.bytes().chain([0]).chain(subject.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        StdRng::seed_from_u64(hash ^ self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A time between two bounds, both included.
    pub(crate) fn between(self, purpose: &str, subject: &str, low: Duration, high: Duration) -> Duration {
        let low = low.as_millis();
        let high = high.as_millis().max(low);
        let millis = self.of(purpose, subject).random_range(low..=high);
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// True in that many of a thousand cases.
    pub(crate) fn chance(self, purpose: &str, subject: &str, per_mille: u32) -> bool {
        per_mille > 0 && self.of(purpose, subject).random_range(0..1000) < per_mille
    }

    /// Lower-case hexadecimal digits.
    pub(crate) fn hex(self, purpose: &str, subject: &str, digits: usize) -> String {
        self.text(purpose, subject, digits, b"0123456789abcdef")
    }

    /// Capital letters and digits, as they end generated names.
    pub(crate) fn suffix(self, purpose: &str, subject: &str) -> String {
        self.text(purpose, subject, 12, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    }

    fn text(self, purpose: &str, subject: &str, length: usize, alphabet: &[u8]) -> String {
        let mut generator = self.of(purpose, subject);
        let mut letter = || {
            alphabet
                .get(generator.random_range(0..alphabet.len()))
                .copied()
                .unwrap_or(b'0')
        };
        (0..length).map(|_| char::from(letter())).collect()
    }

    /// A UUID in its usual text form.
    pub(crate) fn uuid(self, purpose: &str, subject: &str) -> String {
        let hex = self.hex(purpose, subject, 32);
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        format!(
            "{}-{}-4{}-a{}-{}",
            part(0..8),
            part(8..12),
            part(13..16),
            part(17..20),
            part(20..32)
        )
    }

    /// The items in a random order.
    pub(crate) fn shuffled<T: Clone>(self, purpose: &str, subject: &str, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        items.shuffle(&mut self.of(purpose, subject));
        items
    }

    /// An exponentially distributed time with this mean, for events that come without memory, such as lost spot capacity.
    pub(crate) fn memoryless(self, purpose: &str, subject: &str, mean: Duration) -> Duration {
        let uniform: f64 = self.of(purpose, subject).random_range(f64::EPSILON..1.0);
        Duration::try_from_secs_f64(mean.as_secs_f64() * -uniform.ln()).unwrap_or(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_from_seed_purpose_and_subject_alone() {
        let (one, two) = (Random::new(1), Random::new(2));
        assert_eq!(one.hex("id", "a", 17), one.hex("id", "a", 17));
        let others = [two.hex("id", "a", 17), one.hex("ip", "a", 17), one.hex("id", "b", 17)];
        assert!(others.iter().all(|other| *other != one.hex("id", "a", 17)));
        assert_eq!(one.uuid("id", "a").len(), 36);
    }

    #[test]
    fn times_stay_between_their_bounds() {
        let (low, high) = (Duration::from_secs(3), Duration::from_secs(5));
        for subject in 0..500 {
            let time = Random::new(9).between("boot", &subject.to_string(), low, high);
            assert!((low..=high).contains(&time), "{time:?}");
        }
    }

    #[test]
    fn chances_come_near_their_share() {
        let hits = (0..10_000)
            .filter(|n| Random::new(4).chance("f", &n.to_string(), 100))
            .count();
        assert!((800..1200).contains(&hits), "{hits}");
        assert!(!Random::new(4).chance("f", "x", 0));
    }
}
