//! How long a Job waits after failures before it starts pods again.

use jiff::{SignedDuration, Timestamp};

/// The pause after the first failure.
const FIRST: i64 = 10;
/// The longest pause.
const LONGEST: i64 = 600;

/// A pod that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) when: Timestamp,
    pub(crate) failed: bool,
}

/// How many pods failed since the last success, and when the last of them did.
pub(crate) fn failures(ended: &[Ended]) -> (u32, Option<Timestamp>) {
    let success = ended.iter().filter(|pod| !pod.failed).map(|pod| pod.when).max();
    let since = ended
        .iter()
        .filter(|pod| pod.failed && success.is_none_or(|success| pod.when > success));
    let count = since.clone().count();
    (
        u32::try_from(count).unwrap_or(u32::MAX),
        since.map(|pod| pod.when).max(),
    )
}

/// The pause after so many failures in a row: ten seconds, doubled with each, ten minutes at most.
pub(crate) fn pause(failures: u32) -> SignedDuration {
    let Some(doublings) = failures.checked_sub(1) else {
        return SignedDuration::ZERO;
    };
    let seconds = 1_i64
        .checked_shl(doublings.min(32))
        .map_or(LONGEST, |factor| factor.saturating_mul(FIRST));
    SignedDuration::from_secs(seconds.min(LONGEST))
}

/// When new pods may start; `None` where nothing stands against it.
pub(crate) fn until(ended: &[Ended], now: Timestamp) -> Option<Timestamp> {
    let (count, last) = failures(ended);
    let end = last?.checked_add(pause(count)).ok()?;
    (end > now).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(pods: &[(i64, bool)]) -> Vec<Ended> {
        let read = |(second, failed): &(i64, bool)| Ended {
            when: Timestamp::from_second(*second).unwrap(),
            failed: *failed,
        };
        pods.iter().map(read).collect()
    }

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let seconds: Vec<i64> = (0..9).map(|count| pause(count).as_secs()).collect();
        assert_eq!(seconds, [0, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(pause(u32::MAX).as_secs(), 600);
    }

    #[test]
    fn a_success_forgives() {
        let now = Timestamp::from_second(1_000).unwrap();
        let check = |pods: &[(i64, bool)], expected: Option<i64>| {
            let found = until(&ended(pods), now).map(|end| end.as_second());
            assert_eq!(found, expected, "{pods:?}");
        };
        check(&[], None);
        check(&[(995, true)], Some(1_005));
        check(&[(980, true), (990, true)], Some(1_010));
        check(&[(980, true), (990, true), (992, false)], None);
        check(&[(900, true)], None);
    }
}
