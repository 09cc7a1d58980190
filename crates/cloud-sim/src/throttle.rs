//! Token buckets per call.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::options::{ApiLimits, Bucket};

/// How full each bucket is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    /// Thousandths of a token and when they were counted.
    levels: BTreeMap<&'static str, (u64, Timestamp)>,
}

impl Throttle {
    /// Takes a token, or says how long until there is one.
    pub(crate) fn take(
        &mut self,
        limits: &ApiLimits,
        call: &'static str,
        reads: bool,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let general = if reads { limits.reads } else { limits.writes };
        let Some(bucket) = limits.calls.get(call).copied().or(general) else {
            return Ok(());
        };
        let level = self.level(bucket, call, now);
        if level >= 1000 {
            self.levels.insert(call, (level - 1000, now));
            return Ok(());
        }
        self.levels.insert(call, (level, now));
        let missing = 1000 - level;
        Err(Duration::from_millis(
            missing.div_ceil(u64::from(bucket.per_second.max(1))),
        ))
    }

    fn level(&self, bucket: Bucket, call: &str, now: Timestamp) -> u64 {
        let full = u64::from(bucket.burst) * 1000;
        let Some((level, counted)) = self.levels.get(call) else {
            return full;
        };
        let passed = u64::try_from(now.duration_since(*counted).as_millis()).unwrap_or(0);
        (level + passed.saturating_mul(u64::from(bucket.per_second))).min(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_empty_and_fill_again() {
        let mut limits = ApiLimits::none();
        limits.calls.insert(
            "X".to_owned(),
            Bucket {
                burst: 2,
                per_second: 4,
            },
        );
        let mut throttle = Throttle::default();
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let steps = [
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(250)),
            (100, Err(150)),
            (250, Ok(())),
            (10_000, Ok(())),
            (10_000, Ok(())),
            (10_000, Err(250)),
        ];
        for (millis, expected) in steps {
            let result = throttle.take(&limits, "X", true, at(millis));
            assert_eq!(result, expected.map_err(Duration::from_millis), "at {millis}");
        }
        assert_eq!(throttle.take(&limits, "Y", true, at(0)), Ok(()));
    }
}
