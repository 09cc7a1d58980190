//! What people do to the movement of the fleet while it moves: pause a channel, freeze clusters, open a fast lane.
//!
//! Each act has a reason. Who did it and when stands beside it in the ledger.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::invalid::check_line;
use crate::selector::Selector;
use crate::{Invalid, Lifted, Validate};

/// Nothing begins in a channel; what has begun goes on to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pause {
    /// The channel.
    pub channel: String,
    /// Why.
    pub reason: String,
    /// Who paused it; filled in from the caller.
    #[serde(default)]
    pub by: String,
    /// Who let it go on, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// Nothing begins on the selected clusters until the freeze ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FreezeAct {
    /// Selector of clusters; empty for all.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub clusters: Selector,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Timestamp>,
    /// Who froze them; filled in from the caller.
    #[serde(default)]
    pub by: String,
    /// Who ended it before its time, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// A grant that one version of a channel need not wait for waves, soaking, windows and freezes. Blocks, pauses and limits hold all
/// the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FastLane {
    /// The channel.
    pub channel: String,
    /// Id of the configuration that it is for, or the first 7 or more characters of it: what comes after it has to wait again.
    pub config: String,
    /// Selector of clusters; empty for all of the channel.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub clusters: Selector,
    /// Why.
    pub reason: String,
    /// Ticket of the emergency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Timestamp>,
    /// Who opened it; filled in from the caller.
    #[serde(default)]
    pub by: String,
    /// Who closed it before its time, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

impl FastLane {
    /// Whether it is for this configuration.
    #[must_use]
    pub fn is_for(&self, config: &str) -> bool {
        // Shorter prefixes may mean another commit tomorrow.
        self.config == config || (self.config.len() >= 7 && config.starts_with(&self.config))
    }
}

impl Validate for Pause {
    fn check(&self, problems: &mut Vec<Invalid>) {
        check_line("channel", &self.channel, problems);
        check_line("reason", self.reason.trim(), problems);
    }
}

impl Validate for FreezeAct {
    fn check(&self, problems: &mut Vec<Invalid>) {
        check_line("reason", self.reason.trim(), problems);
    }
}

impl Validate for FastLane {
    fn check(&self, problems: &mut Vec<Invalid>) {
        check_line("channel", &self.channel, problems);
        check_line("reason", self.reason.trim(), problems);
        check_line("config", &self.config, problems);
        if let Some(ticket) = &self.ticket {
            check_line("ticket", ticket.trim(), problems);
        }
    }
}
