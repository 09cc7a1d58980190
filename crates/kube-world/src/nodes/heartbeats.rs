//! Heartbeats that cost nothing: when a node last gave a sign of life follows from when its kubelet worked.
//!
//! A real kubelet renews its lease every ten seconds and writes its node's status every five minutes. A thousand nodes would
//! make nine million writes a day that say nothing. Here the times are worked out when somebody reads the objects; their
//! versions do not change, and watches stay quiet. That is the one thing a client can notice.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use json_tree::Value;
use kube_sim::Projection;

use crate::engine::seconds;

/// How often a kubelet renews its lease.
const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// How often a kubelet writes its node's status when nothing changed.
const STATUS: SignedDuration = SignedDuration::from_mins(5);

/// When a kubelet works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) since: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

impl Beat {
    /// The last sign at or before a time; none if there was none yet.
    fn last(self, now: Timestamp, period: SignedDuration) -> Option<Timestamp> {
        let end = self.until.map_or(now, |until| until.min(now));
        if end < self.since {
            return None;
        }
        let passed = end.duration_since(self.since).as_millis();
        let whole = passed - passed % period.as_millis().max(1);
        let whole = SignedDuration::from_millis(i64::try_from(whole).ok()?);
        self.since.saturating_add(whole).ok()
    }
}

/// When the kubelets of a cluster worked; shared by the world, which writes it, and the server, which reads it.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats {
    all: Mutex<BTreeMap<Box<str>, Beat>>,
}

impl Heartbeats {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Beat>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, node: &str, beat: Beat) {
        self.lock().insert(node.into(), beat);
    }

    /// Moves the times of nodes whose machines are gone, when the clock is set.
    pub(super) fn move_lost(&self, by: SignedDuration, has_machine: impl Fn(&str) -> bool) {
        let moved = |time: Timestamp| time.saturating_add(by).unwrap_or(time);
        for (_, beat) in self.lock().iter_mut().filter(|(node, _)| !has_machine(node)) {
            (beat.since, beat.until) = (moved(beat.since), beat.until.map(moved));
        }
    }

    pub(super) fn forget(&self, node: &str) {
        self.lock().remove(node);
    }

    pub(super) fn get(&self, node: &str) -> Option<Beat> {
        self.lock().get(node).copied()
    }

    /// When a node's lease was last renewed.
    pub(super) fn last_renewal(&self, node: &str, now: Timestamp) -> Option<Timestamp> {
        self.get(node)?.last(now, LEASE)
    }
}

impl Projection for Heartbeats {
    fn concerns(&self, group: &str, resource: &str) -> bool {
        matches!((group, resource), ("coordination.k8s.io", "leases") | ("", "nodes"))
    }

    fn project(&self, object: &mut Value, now: Timestamp) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let node = text("/metadata/name").to_owned();
        if text("/kind") == "Node" {
            let Some(last) = self.get(&node).and_then(|beat| beat.last(now, STATUS)) else {
                return;
            };
            let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
            for condition in conditions.into_iter().flatten() {
                let written = condition.get("lastHeartbeatTime").and_then(Value::as_str);
                let written = written.and_then(|text| text.parse::<Timestamp>().ok());
                // Whoever takes a condition for unknown leaves out when the kubelet spoke last. A time to come was written
                // before the clock was set back.
                if let Some(map) = condition.as_object_mut()
                    && written.is_none_or(|written| written < last || written > now)
                {
                    map.insert("lastHeartbeatTime", seconds(last).into());
                }
            }
        } else if text("/metadata/namespace") == "kube-node-lease"
            && let Some(last) = self.last_renewal(&node, now)
            && let Some(spec) = object.pointer_mut("/spec").and_then(Value::as_object_mut)
        {
            spec.insert("renewTime", micro(last).into());
        }
    }
}

/// A time as leases carry it.
pub(super) fn micro(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sign_is_the_last_whole_period() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let beat = Beat {
            since: at(103),
            until: Some(at(158)),
        };
        for (now, expected) in [
            (100, None),
            (103, Some(103)),
            (112, Some(103)),
            (113, Some(113)),
            (999, Some(153)),
        ] {
            assert_eq!(beat.last(at(now), LEASE), expected.map(at), "{now}");
        }
    }

    #[test]
    fn leases_carry_microseconds() {
        assert_eq!(micro(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
    }
}
