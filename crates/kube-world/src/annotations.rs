//! The annotations by which a pod says how its containers behave.
//!
//! Nothing runs in a simulated pod; these annotations stand for its program. Durations are Go's (`90s`, `1h30m`). A value that
//! cannot be read counts as absent.
//!
//! | annotation | meaning | without it |
//! |---|---|---|
//! | `sim.fleetwright.dev/start-after` | from the binding to running containers, init containers apart | drawn |
//! | `sim.fleetwright.dev/init-after` | how long each init container runs | drawn |
//! | `sim.fleetwright.dev/ready-after` | from running to ready, after each start | drawn with a readiness probe, else at once |
//! | `sim.fleetwright.dev/never-ready` | `true`: it runs and never becomes ready | |
//! | `sim.fleetwright.dev/readiness-fails-at` | so long after the start the readiness probe fails | never |
//! | `sim.fleetwright.dev/readiness-fails-for` | for so long | for ever |
//! | `sim.fleetwright.dev/image-pull-error` | `true`: the image cannot be pulled | |
//! | `sim.fleetwright.dev/crash-after` | the first container ends with `exit-code` (1) so long after each start | never |
//! | `sim.fleetwright.dev/crash-times` | only so many times; then it keeps running | always |
//! | `sim.fleetwright.dev/exit-after` | all containers end with `exit-code` (0) so long after their start | drawn where `restartPolicy` is not `Always`, else never |
//! | `sim.fleetwright.dev/exit-code` | the exit code of the two above | |
//! | `sim.fleetwright.dev/stop-after` | from the order to stop until the containers have ended, at most the grace period | drawn |
//! | `sim.fleetwright.dev/stuck-terminating` | `true`: it never ends, until somebody deletes it by force | |

use std::time::Duration;

use json_tree::{Map, Value};
use model::duration::GoDuration;

use crate::path::Path as _;

/// What all annotations begin with.
pub const PREFIX: &str = "sim.fleetwright.dev/";

/// How the containers of one pod behave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Behaviour {
    pub(crate) start_after: Option<Duration>,
    pub(crate) init_after: Option<Duration>,
    pub(crate) ready_after: Option<Duration>,
    pub(crate) never_ready: bool,
    pub(crate) readiness_fails_at: Option<Duration>,
    pub(crate) readiness_fails_for: Option<Duration>,
    pub(crate) image_pull_error: bool,
    pub(crate) crash_after: Option<Duration>,
    pub(crate) crash_times: Option<i64>,
    pub(crate) exit_after: Option<Duration>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) stop_after: Option<Duration>,
    pub(crate) stuck_terminating: bool,
}

impl Behaviour {
    /// Reads a pod's annotations.
    pub(crate) fn read(pod: &Value) -> Self {
        let annotations = pod.path("/metadata/annotations").and_then(Value::as_object);
        match annotations {
            Some(annotations) if annotations.keys().any(|key| key.starts_with(PREFIX)) => Self::of(annotations),
            _ => Self::default(),
        }
    }

    fn of(annotations: &Map) -> Self {
        let own = |name: &str| {
            annotations
                .iter()
                .find(|(key, _)| key.strip_prefix(PREFIX) == Some(name))
        };
        let text = |name: &str| own(name).and_then(|(_, value)| value.as_str());
        let time = |name: &str| text(name).and_then(|text| text.parse::<GoDuration>().ok()?.to_std());
        let number = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok());
        let flag = |name: &str| text(name) == Some("true");
        Self {
            start_after: time("start-after"),
            init_after: time("init-after"),
            ready_after: time("ready-after"),
            never_ready: flag("never-ready"),
            readiness_fails_at: time("readiness-fails-at"),
            readiness_fails_for: time("readiness-fails-for"),
            image_pull_error: flag("image-pull-error"),
            crash_after: time("crash-after"),
            crash_times: number("crash-times"),
            exit_after: time("exit-after"),
            exit_code: number("exit-code"),
            stop_after: time("stop-after"),
            stuck_terminating: flag("stuck-terminating"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    #[test]
    fn what_cannot_be_read_counts_as_absent() {
        let pod = json!({"metadata": {"annotations": {
            "sim.fleetwright.dev/crash-after": "1m30s", "sim.fleetwright.dev/exit-code": "x",
            "sim.fleetwright.dev/never-ready": "true", "sim.fleetwright.dev/stop-after": "-1s"}}});
        let expected = Behaviour {
            crash_after: Some(Duration::from_secs(90)),
            never_ready: true,
            ..Behaviour::default()
        };
        assert_eq!(Behaviour::read(&pod), expected);
        assert_eq!(Behaviour::read(&json!({})), Behaviour::default());
    }
}
