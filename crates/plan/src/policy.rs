//! How the fleet moves: the document that waves, windows and gates are decided by.
//!
//! A [`FleetPolicy`] speaks about all channels at once, so it is no part of a channel's tree. Every section may be left out;
//! the defaults are small, so that a fleet without the document moves in waves with low limits. It is read strictly: a field that
//! nobody knows is an error and not a wish that is passed over.
//!
//! ```
//! use plan::policy::FleetPolicy;
//!
//! let policy = FleetPolicy::parse("kind: FleetPolicy\nlimits:\n  wave: 8\nchannels:\n  - name: dev\n  - name: beta\n")?;
//! assert_eq!(policy.limits.wave, 8);
//! assert_eq!(policy.limits.account, 2);
//! let refused = FleetPolicy::parse("kind: FleetPolicy\nlimits:\n  waves: 8\n").unwrap_err();
//! assert!(refused.to_string().contains("waves"));
//! # Ok::<(), plan::policy::PolicyError>(())
//! ```

mod alarms;
mod budget;
mod calendar;
mod channels;
mod floor;
mod gates;
mod grouping;
mod health;
mod limits;
#[cfg(test)]
mod tests;
mod values;

use model::{Invalid, Validate};
use serde::{Deserialize, Serialize};

pub use alarms::Alarms;
pub use budget::FailureBudget;
pub use calendar::{Freeze, Moment, Weekday, Window, Zone};
pub use channels::ChannelPolicy;
pub use floor::Floor;
pub use gates::GatePolicy;
pub(crate) use grouping::OTHERS;
pub use grouping::{Canary, Grouping};
pub use health::{Bound, CheckTime, HealthCheck, HealthPolicy, ObjectsCheck, QueryCheck};
pub use limits::Limits;
pub use values::{Share, Span};

/// What `kind` must say.
const KIND: &str = "FleetPolicy";

/// How the fleet moves. [`Default`] is what holds without a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FleetPolicy {
    /// Channels in the order in which a commit walks through them, each with what differs there. Channels that are not named
    /// have the rules of the whole fleet and no neighbours.
    pub channels: Vec<ChannelPolicy>,
    /// Clusters that may be in flight at the same time.
    pub limits: Limits,
    /// Failures that a wave may have before nothing more begins.
    pub failure_budget: FailureBudget,
    /// How the clusters of a channel are put into waves.
    pub waves: Grouping,
    /// When updates may begin.
    pub windows: Vec<Window>,
    /// When none may begin.
    pub freezes: Vec<Freeze>,
    /// The time that windows and freezes must leave.
    pub floor: Floor,
    /// What is too old to be silent about.
    pub alarms: Alarms,
    /// How health is judged after an update.
    pub health: HealthPolicy,
    /// What has to hold before a commit goes on to the next channel.
    pub gates: Vec<GatePolicy>,
}

/// The document as it is written: the policy and its kind.
#[derive(Deserialize)]
struct Document {
    kind: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Why a document is no policy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// It is not YAML, or a field is unknown or of the wrong type.
    #[error("fleet policy: {0}")]
    Read(String),
    /// Values break rules; all of them are named.
    #[error("fleet policy: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Broken(Vec<Invalid>),
}

impl FleetPolicy {
    /// Reads the document.
    ///
    /// # Errors
    /// [`PolicyError`] with the field, the rule and the value of everything that is wrong.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let read = |error: String| PolicyError::Read(error);
        let document: Document = yaml::from_str(text).map_err(|error| read(error.to_string()))?;
        if document.kind != KIND {
            return Err(PolicyError::Broken(vec![Invalid::new(
                "kind",
                format!("must be {KIND}"),
                &document.kind,
            )]));
        }
        let policy: Self = serde_json::from_value(serde_json::Value::Object(document.rest))
            .map_err(|error| read(error.to_string()))?;
        policy.validate().map_err(PolicyError::Broken)?;
        Ok(policy)
    }

    /// The rules of a channel that is named.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&ChannelPolicy> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// The gates between channels, each with the channel that commits come from.
    #[must_use]
    pub fn gates(&self) -> Vec<GatePolicy> {
        gates::resolved(&self.gates, &self.channels)
    }

    /// The limits in a channel. `account` and `fleet` are those of the whole fleet everywhere.
    #[must_use]
    pub fn limits_in(&self, channel: &str) -> Limits {
        let own = self.channel(channel).and_then(|channel| channel.in_flight);
        Limits {
            wave: own.unwrap_or(self.limits.wave),
            ..self.limits
        }
    }

    /// The failure budget in a channel.
    #[must_use]
    pub fn budget_in(&self, channel: &str) -> &FailureBudget {
        let own = self
            .channel(channel)
            .and_then(|channel| channel.failure_budget.as_ref());
        own.unwrap_or(&self.failure_budget)
    }

    /// How the clusters of a channel are put into waves.
    #[must_use]
    pub fn waves_in(&self, channel: &str) -> &Grouping {
        let own = self.channel(channel).and_then(|channel| channel.waves.as_ref());
        own.unwrap_or(&self.waves)
    }
}

impl Validate for FleetPolicy {
    fn check(&self, problems: &mut Vec<Invalid>) {
        channels::check(&self.channels, problems);
        self.limits.check(problems);
        check_within(&self.failure_budget, "failureBudget", problems);
        check_within(&self.waves, "waves", problems);
        for (i, window) in self.windows.iter().enumerate() {
            check_within(window, &format!("windows[{i}]"), problems);
        }
        for (i, freeze) in self.freezes.iter().enumerate() {
            check_within(freeze, &format!("freezes[{i}]"), problems);
        }
        check_within(&self.floor, "floor", problems);
        check_within(&self.health, "health", problems);
        gates::check(&self.gates, &self.channels, problems);
    }
}

/// Adds the problems of a section, named by their place in the document.
fn check_within(section: &impl Validate, place: &str, problems: &mut Vec<Invalid>) {
    let mut inner = Vec::new();
    section.check(&mut inner);
    problems.extend(inner.into_iter().map(|problem| problem.within(place)));
}
