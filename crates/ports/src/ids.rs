//! Ids and randomness as inputs.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// A source of random numbers and of ids made from them.
pub trait Ids: Send + Sync + std::fmt::Debug {
    /// The next random number.
    fn next_u64(&self) -> u64;

    /// A new id: a random (version 4) UUID in its usual text form.
    fn uuid(&self) -> String {
        let bytes = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
        let v4 = (bytes & !(0xf000_u128 << 64) & !(0xc000_u128 << 48)) | (0x4000_u128 << 64) | (0x8000_u128 << 48);
        let hex = format!("{v4:032x}");
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        format!(
            "{}-{}-{}-{}-{}",
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32)
        )
    }

    /// A number in `0.0..1.0`, for jitter.
    fn fraction(&self) -> f64 {
        // The upper 53 bits fill a double's mantissa exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
        let (value, range) = ((self.next_u64() >> 11) as f64, (1_u64 << 53) as f64);
        value / range
    }
}

/// Ids from the operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the machine's randomness"
    )]
    fn next_u64(&self) -> u64 {
        rand::rng().next_u64()
    }
}

/// Ids from a seed: the same seed gives the same ids in the same order.
#[derive(Debug)]
pub struct SeededIds(Mutex<StdRng>);

impl SeededIds {
    /// Ids that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A source of its own for one purpose, so that more ids for one thing do not change those of all others.
    #[must_use]
    pub fn child(seed: u64, purpose: &str) -> Self {
        // FNV-1a: small, stable across versions and platforms, which `Hash` does not promise.
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::new(seed ^ hash)
    }
}

impl Ids for SeededIds {
    fn next_u64(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_version_4_and_follow_from_the_seed() {
        let id = SeededIds::new(7).uuid();
        assert_eq!(id, SeededIds::new(7).uuid());
        assert_ne!(id, SeededIds::new(8).uuid());
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
    }

    #[test]
    fn children_differ_by_purpose() {
        assert_ne!(SeededIds::child(1, "a").next_u64(), SeededIds::child(1, "b").next_u64());
    }

    #[test]
    fn fractions_stay_in_range() {
        let ids = SeededIds::new(1);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&ids.fraction())));
    }
}
