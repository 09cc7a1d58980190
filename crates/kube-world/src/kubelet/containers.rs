//! The course of one container: what it has been through by now, and when something happens to it next.
//!
//! A kubelet here remembers nothing. Where a container stands is read from the pod's status, moved on to the present, and written
//! back; so a world can be stopped, saved and loaded at any point.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};

use crate::engine::seconds;
use crate::path::Path as _;

/// The first and the longest back-off between restarts, and after how long a run the count begins anew.
const BACK_OFF: (i64, i64) = (10, 300);
const CALM: SignedDuration = SignedDuration::from_mins(10);

/// Where a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has not started yet.
    Waiting,
    /// It runs.
    Running { since: Timestamp },
    /// It has ended.
    Ended { code: i64, since: Timestamp, at: Timestamp },
}

/// When a running container ends by itself, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) after: Duration,
    pub(super) code: i64,
    /// It ends only while it was restarted less often than this.
    pub(super) times: i64,
}

/// What decides about a container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// When it may start for the first time.
    pub(super) start: Timestamp,
    pub(super) end: Option<End>,
    /// Whether it is started again after a good end, and after a bad one.
    pub(super) restarts: (bool, bool),
}

/// One container on its course.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) restarts: i64,
    pub(super) state: State,
    /// How its run before this one ended.
    pub(super) last: Option<Value>,
}

pub(super) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn time(value: &Value, path: &str) -> Option<Timestamp> {
    value.path(path).and_then(Value::as_str)?.parse().ok()
}

fn ended(terminated: &Value) -> Option<State> {
    let at = time(terminated, "/finishedAt")?;
    Some(State::Ended {
        code: terminated.get("exitCode").and_then(Value::as_i64).unwrap_or(0),
        since: time(terminated, "/startedAt").unwrap_or(at),
        at,
    })
}

impl Container {
    /// Reads a container of a pod's spec, with where its status says it stands.
    pub(super) fn read(spec: &Value, statuses: &[Value]) -> Self {
        let text = |field: &str| spec.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("name");
        let status = statuses
            .iter()
            .find(|status| status.get("name").and_then(Value::as_str) == Some(name.as_str()));
        let state = status.and_then(|status| {
            if let Some(since) = time(status, "/state/running/startedAt") {
                return Some(State::Running { since });
            }
            // Between two runs a container waits; how the last one ended says since when.
            let before = status.get("restartCount").is_some() && status.path("/state/waiting").is_some();
            let terminated = status
                .path("/state/terminated")
                .or_else(|| status.path("/lastState/terminated").filter(|_| before))?;
            ended(terminated)
        });
        let last = status
            .and_then(|status| status.path("/lastState/terminated"))
            .filter(|_| {
                !matches!(state, Some(State::Ended { .. }))
                    || status.is_some_and(|s| s.path("/state/terminated").is_some())
            });
        Self {
            image: text("image"),
            restarts: status
                .and_then(|status| status.get("restartCount"))
                .and_then(Value::as_i64)
                .unwrap_or(0),
            state: state.unwrap_or(State::Waiting),
            last: last.cloned(),
            name,
        }
    }

    /// Moves on to the present. Returns when something happens next by itself.
    pub(super) fn advance(&mut self, rules: Rules, now: Timestamp) -> Option<Timestamp> {
        loop {
            let due = match self.state {
                State::Waiting => rules.start,
                State::Running { since } => {
                    let end = rules.end.filter(|end| self.restarts < end.times)?;
                    after(since, end.after)
                }
                State::Ended { code, since, at } => {
                    let (good, bad) = rules.restarts;
                    if !(if code == 0 { good } else { bad }) {
                        return None;
                    }
                    at.saturating_add(self.back_off(at.duration_since(since)))
                        .unwrap_or(Timestamp::MAX)
                }
            };
            if due > now {
                return Some(due);
            }
            self.step(rules, due);
        }
    }

    fn step(&mut self, rules: Rules, at: Timestamp) {
        self.state = match self.state {
            State::Waiting => State::Running { since: at },
            State::Running { since } => State::Ended {
                code: rules.end.map_or(0, |end| end.code),
                since,
                at,
            },
            State::Ended { code, since, at: end } => {
                self.last = Some(terminated(code, since, end));
                self.restarts += 1;
                State::Running { since: at }
            }
        };
    }

    /// How long it waits for its next start. The first restart comes a second after the end.
    fn back_off(&self, run: SignedDuration) -> SignedDuration {
        if self.restarts == 0 || run >= CALM {
            return SignedDuration::from_secs(1);
        }
        let doublings = u32::try_from(self.restarts - 1).unwrap_or(0).min(10);
        SignedDuration::from_secs((BACK_OFF.0 << doublings).min(BACK_OFF.1))
    }

    /// Whether it waits between two runs for longer than a moment.
    pub(super) fn is_backing_off(&self, rules: Rules) -> Option<SignedDuration> {
        let State::Ended { code, since, at } = self.state else {
            return None;
        };
        let (good, bad) = rules.restarts;
        let wait = self.back_off(at.duration_since(since));
        ((if code == 0 { good } else { bad }) && wait > SignedDuration::from_secs(1)).then_some(wait)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Ends it now, if it has not ended yet.
    pub(super) fn stop(&mut self, code: i64, now: Timestamp) {
        if let State::Running { since } = self.state {
            self.state = State::Ended { code, since, at: now };
        }
    }

    /// The status as the API shows it. `waiting` is what a container that has not started waits for.
    pub(super) fn status(&self, ready: bool, waiting: (&str, &str), rules: Rules, place: &str) -> Value {
        let started = self.is_running();
        let mut last = self.last.clone();
        let state = match self.state {
            State::Waiting => reason("waiting", waiting),
            State::Running { since } => json!({"running": {"startedAt": seconds(since)}}),
            State::Ended { code, since, at } => match self.is_backing_off(rules) {
                Some(wait) => {
                    last = Some(terminated(code, since, at));
                    let message = format!(
                        "back-off {} restarting failed container={} pod={place}",
                        back_off_text(wait),
                        self.name
                    );
                    reason("waiting", ("CrashLoopBackOff", &message))
                }
                None => json!({"terminated": terminated(code, since, at)}),
            },
        };
        let last = last.map_or_else(|| json!({}), |last| json!({"terminated": last}));
        let id = if matches!(self.state, State::Waiting) {
            ""
        } else {
            &self.image
        };
        json!({
            "name": self.name, "image": self.image, "imageID": id, "ready": ready, "started": started,
            "restartCount": self.restarts, "state": state, "lastState": last})
    }
}

fn back_off_text(wait: SignedDuration) -> String {
    let seconds = wait.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

fn reason(state: &str, (reason, message): (&str, &str)) -> Value {
    if message.is_empty() {
        json!({state: {"reason": reason}})
    } else {
        json!({state: {"reason": reason, "message": message}})
    }
}

fn terminated(code: i64, since: Timestamp, at: Timestamp) -> Value {
    let reason = if code == 0 { "Completed" } else { "Error" };
    json!({"exitCode": code, "reason": reason, "startedAt": seconds(since), "finishedAt": seconds(at)})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn crashing() -> Rules {
        Rules {
            start: at(0),
            end: Some(End {
                after: Duration::from_secs(5),
                code: 1,
                times: i64::MAX,
            }),
            restarts: (true, true),
        }
    }

    #[test]
    fn back_offs_double_up_to_five_minutes() {
        let mut container = Container::read(&json!({"name": "a", "image": "i"}), &[]);
        let mut starts = Vec::new();
        let mut now = at(0);
        while starts.len() < 9 {
            let next = container.advance(crashing(), now).unwrap();
            if let State::Running { since } = container.state {
                starts.push(since.as_second());
            }
            now = next;
        }
        let gaps: Vec<i64> = starts.windows(2).map(|pair| pair[1] - pair[0] - 5).collect();
        assert_eq!(gaps, [1, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_status_says_all_that_is_needed_to_go_on() {
        let spec = json!({"name": "a", "image": "i"});
        let mut whole = Container::read(&spec, &[]);
        let mut read_back = whole.clone();
        for now in 0..400 {
            let expected = whole.advance(crashing(), at(now));
            assert_eq!(read_back.advance(crashing(), at(now)), expected, "{now}");
            let status = read_back.status(true, ("ContainerCreating", ""), crashing(), "p");
            read_back = Container::read(&spec, &[status]);
            assert_eq!(
                (read_back.state, read_back.restarts),
                (whole.state, whole.restarts),
                "{now}"
            );
        }
        assert!(whole.restarts > 3);
    }

    #[test]
    fn a_good_end_stays_where_nothing_restarts_it() {
        let mut rules = crashing();
        rules.end = Some(End {
            after: Duration::from_secs(5),
            code: 0,
            times: i64::MAX,
        });
        rules.restarts = (false, true);
        let mut container = Container::read(&json!({"name": "a"}), &[]);
        assert_eq!(container.advance(rules, at(4)), Some(at(5)));
        assert_eq!(container.advance(rules, at(500)), None);
        assert_eq!(container.restarts, 0);
    }
}
