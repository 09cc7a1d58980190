//! Labels, taint and annotations by which nodes carry their state, spelled as the original manager spells them, so that
//! other tools can read them and a takeover finds every clock where it was.

use std::collections::BTreeMap;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// Label of a node's place in its life.
pub const LIFECYCLE_STATUS: &str = "lifecycle-status";
/// Its value on nodes that take pods.
pub const STATUS_READY: &str = "ready";
/// Its value on nodes that are selected.
pub const STATUS_PENDING: &str = "decommission-pending";
/// Its value on nodes that are being drained.
pub const STATUS_DRAINING: &str = "draining";
/// Key of the taint on selected nodes.
pub const TAINT_KEY: &str = "decommission-pending";
/// Value of that taint.
pub const TAINT_VALUE: &str = "rolling-upgrade";
/// Label; the value `none` means that no new node is brought before this one goes.
pub const REPLACEMENT_STRATEGY: &str = "cluster-lifecycle-controller.zalan.do/replacement-strategy";
/// Label with a number; the higher goes first.
pub const DECOMMISSION_PRIORITY: &str = "cluster-lifecycle-controller.zalan.do/decommission-priority";
/// Annotation with the start of the drain, RFC 3339.
pub const DRAIN_START: &str = "cluster-lifecycle-manager.zalando.org/drain-start";
/// Annotation with the last forced termination on the node, RFC 3339.
pub const LAST_FORCED: &str = "cluster-lifecycle-manager.zalando.org/last-forced-drain";
/// Tag of a group of the cloud with the number of machines that it is to come down to. A cloud ends the machines beyond a bound without
/// draining them (facts 4.5 and F12), so who is to lower a bound below what runs puts this there and waits; who drains nodes drains those
/// above it. It is taken away with the lower bound, or when the bound is not to be lowered any more.
pub const COMES_DOWN_TAG: &str = "fleetwright.dev/comes-down-to";
/// Config item; `true` makes the taint of selected nodes keep new pods away altogether.
pub const NO_SCHEDULE_ITEM: &str = "decommission_node_no_schedule_taint";

/// A mark on a node that cannot be read. A broken clock is an error: taken for absent it would start the grace period anew,
/// taken for zero it would end it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MarkError {
    /// The annotation holds no instant.
    #[error("annotation {key} is not an RFC 3339 time")]
    Time {
        /// The annotation.
        key: &'static str,
        /// What is wrong with it.
        #[source]
        source: jiff::Error,
    },
    /// The label holds no number.
    #[error("label {key} is not a number")]
    Number {
        /// The label.
        key: &'static str,
    },
}

/// The clocks of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clocks {
    /// When its drain began.
    pub draining: Option<Timestamp>,
    /// When a pod on it was last force-terminated.
    pub last_forced: Option<Timestamp>,
}

/// Reads the clocks from a node's annotations (fact 60).
///
/// # Errors
/// [`MarkError::Time`] for an annotation that is present and no instant.
pub fn clocks(annotations: &BTreeMap<String, String>) -> Result<Clocks, MarkError> {
    let time = |key: &'static str| {
        let text = annotations.get(key);
        text.map(|text| {
            text.parse::<Timestamp>()
                .map_err(|source| MarkError::Time { key, source })
        })
        .transpose()
    };
    Ok(Clocks {
        draining: time(DRAIN_START)?,
        last_forced: time(LAST_FORCED)?,
    })
}

/// The value of a clock's annotation: RFC 3339 in whole seconds, rounded up, so that no clock runs early by the rounding.
#[must_use]
pub fn clock_text(at: Timestamp) -> String {
    let seconds = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
    at.round(seconds).unwrap_or(at).to_string()
}

/// Reads [`DECOMMISSION_PRIORITY`]; 0 when absent.
///
/// # Errors
/// [`MarkError::Number`] when it is present and no number.
pub fn decommission_priority(labels: &BTreeMap<String, String>) -> Result<i64, MarkError> {
    let key = DECOMMISSION_PRIORITY;
    labels
        .get(key)
        .map_or(Ok(0), |text| text.parse().map_err(|_| MarkError::Number { key }))
}

/// Effect of the taint on selected nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaintEffect {
    /// New pods go elsewhere if they can.
    PreferNoSchedule,
    /// New pods go elsewhere.
    NoSchedule,
}

impl TaintEffect {
    /// Kubernetes' word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoSchedule => "NoSchedule",
        }
    }
}

/// The effect for a node, given the value of [`NO_SCHEDULE_ITEM`]; control planes are never closed (fact 62).
#[must_use]
pub fn taint_effect(control_plane: bool, item: Option<&str>) -> TaintEffect {
    if item == Some("true") && !control_plane {
        TaintEffect::NoSchedule
    } else {
        TaintEffect::PreferNoSchedule
    }
}

/// Whether a node is of another generation than its pool, older or newer (fact 62).
#[must_use]
pub fn is_outdated(node_generation: i64, pool_generation: i64) -> bool {
    node_generation != pool_generation
}
