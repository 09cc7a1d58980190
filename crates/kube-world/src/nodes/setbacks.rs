//! Times of a clock that was set back: what is over must not lie in the future.
//!
//! Real kubelets and controllers measure how long something takes on clocks that nobody sets. Here everything is worked out
//! from the times that objects carry, so a world remembers by how much its clock was set back, and reads older times as the
//! clock would show them now.

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;

use crate::engine::seconds;

/// By how much a cluster's clock was set back, each time, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Setbacks(Vec<SignedDuration>);

impl Setbacks {
    /// Notes that the clock was set; forward needs no memory.
    pub(crate) fn note(&mut self, by: SignedDuration) {
        if by.is_negative() {
            self.0.push(by.abs());
        }
    }

    /// When something happened that is over, as the clock shows it now.
    pub(crate) fn past(&self, time: Timestamp, now: Timestamp) -> Timestamp {
        let mut time = time;
        for back in self.0.iter().rev() {
            if time <= now {
                return time;
            }
            time = time.saturating_sub(*back).unwrap_or(now);
        }
        if self.0.is_empty() { time } else { time.min(now) }
    }

    /// The same for every time in a tree that tells what has been, such as a status; none where nothing has to change.
    pub(crate) fn past_tree(&self, tree: &Value, now: Timestamp) -> Option<Value> {
        if self.0.is_empty() {
            return None;
        }
        let mut mended = tree.clone();
        self.mend(&mut mended, now).then_some(mended)
    }

    fn mend(&self, value: &mut Value, now: Timestamp) -> bool {
        match value {
            Value::String(text) => {
                let Some(time) = text.parse::<Timestamp>().ok().filter(|time| *time > now) else {
                    return false;
                };
                *text = seconds(self.past(time, now)).into();
                true
            }
            Value::Array(list) => self.mend_all(list.iter_mut(), now),
            Value::Object(map) => self.mend_all(map.values_mut(), now),
            _ => false,
        }
    }

    /// Mends all of them, and tells whether any had to change.
    fn mend_all<'v>(&self, values: impl Iterator<Item = &'v mut Value>, now: Timestamp) -> bool {
        let mended = values.map(|value| usize::from(self.mend(value, now)));
        mended.sum::<usize>() > 0
    }
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn times_before_a_setback_move_with_the_clock() {
        let mut setbacks = Setbacks::default();
        assert_eq!(setbacks.past(at(500), at(100)), at(500), "no clock was set");
        setbacks.note(SignedDuration::from_secs(300));
        assert_eq!(setbacks.past(at(500), at(100)), at(500), "forward");
        setbacks.note(SignedDuration::from_secs(-100));
        setbacks.note(SignedDuration::from_secs(-1_000));
        for (time, now, expected) in [
            (90, 100, 90),
            (1_090, 100, 90),
            (1_150, 100, 50),
            (1_090, 1_100, 1_090),
            (9_999, 100, 100),
        ] {
            assert_eq!(setbacks.past(at(time), at(now)), at(expected), "{time} at {now}");
        }
    }

    #[test]
    fn only_times_to_come_are_mended() {
        let mut setbacks = Setbacks::default();
        setbacks.note(SignedDuration::from_secs(-60));
        let status = json!({"phase": "Running", "startTime": "1970-01-01T00:01:40Z",
            "containerStatuses": [{"state": {"running": {"startedAt": "1970-01-01T00:00:10Z"}}}]});
        let mended = setbacks.past_tree(&status, at(50)).unwrap();
        assert_eq!(mended["startTime"], "1970-01-01T00:00:40Z");
        assert_eq!(mended["containerStatuses"], status["containerStatuses"]);
        assert_eq!(setbacks.past_tree(&status, at(200)), None);
    }
}
