//! Plans drawn from a seed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::plan::{Fault, FaultPlan, FaultRule};

/// The verbs that change something.
const WRITES: &[&str] = &["create", "update", "patch", "delete"];

impl FaultPlan {
    /// Draws a bad day: some of the faults, each rare, and up to two times at which the server is dead, between `from` and
    /// `from + length`. `rate` is the probability that a request meets a given fault, at most; 0.02 is a bad day and 0.2 a
    /// terrible one. The same arguments give the same plan.
    #[must_use]
    pub fn drawn(seed: u64, from: Timestamp, length: Duration, rate: f64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let until = after(from, length);
        let mut plan = Self::new(random.random());
        for number in 0..random.random_range(0..=2_u32) {
            let start = after(from, length.mul_f64(random.random_range(0.0..0.9)));
            let end = after(start, length.mul_f64(random.random_range(0.005..0.05)));
            plan = plan.rule(FaultRule::new(&format!("dead {number}"), Fault::Dead).between(start, end.min(until)));
        }
        let millis = |random: &mut StdRng, most: u64| Duration::from_millis(random.random_range(1..=most));
        let faults: [(&str, Fault, &[&str]); 13] = [
            ("refused", Fault::Refuse, &[]),
            ("delayed", Fault::Delay(millis(&mut random, 20_000)), &[]),
            ("slow", Fault::Slow(millis(&mut random, 2_000)), &[]),
            ("lost reply", Fault::LoseReply, WRITES),
            ("conflict", Fault::Conflict, &["update", "patch"]),
            ("gone", Fault::Gone, &["watch"]),
            ("throttled", Fault::TooManyRequests(random.random_range(1..=10)), &[]),
            ("internal error", Fault::InternalError, &[]),
            ("unavailable", Fault::Unavailable, &[]),
            ("unauthorized", Fault::Unauthorized, &[]),
            ("stale", Fault::Stale(random.random_range(1..=20)), &["list"]),
            ("watch gap", Fault::WatchGap(millis(&mut random, 60_000)), &["watch"]),
            (
                "watch cut",
                Fault::WatchCut(random.random_range(1..=50_000)),
                &["watch"],
            ),
        ];
        for (name, fault, verbs) in faults {
            // Each plan has about half of them, so that faults are also met apart from each other.
            let chosen = random.random_bool(0.5);
            let chance = random.random_range(0.0..=rate.clamp(0.0, 1.0));
            if chosen {
                let rule = FaultRule::new(name, fault).verbs(verbs).between(from, until);
                plan = plan.rule(rule.chance(chance));
            }
        }
        plan
    }
}

fn after(time: Timestamp, length: Duration) -> Timestamp {
    let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    time.saturating_add(length).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        let draw = |seed| FaultPlan::drawn(seed, Timestamp::UNIX_EPOCH, Duration::from_secs(86_400), 0.02);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            for rule in draw(seed).rules {
                let (from, until) = rule.span.unwrap_or_default();
                assert!(from < until && until <= after(Timestamp::UNIX_EPOCH, Duration::from_secs(86_400)));
                seen.insert(rule.name);
            }
        }
        assert_eq!(seen.len(), 15, "{seen:?}");
    }
}
