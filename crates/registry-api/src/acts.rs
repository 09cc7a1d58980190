//! Pauses, freezes and fast lanes on the wire.

use jiff::Timestamp;
use model::acts::{FastLane, FreezeAct, Pause};
use model::selector::Selector;
use model::{Invalid, Lifted};
use ports::acts::Act;
use serde::{Deserialize, Serialize};

/// What somebody does to the movement of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ActName {
    /// Nothing begins in a channel.
    Pause,
    /// Nothing begins on the selected clusters.
    Freeze,
    /// A version of a channel need not wait for waves, windows and freezes.
    FastLane,
}

impl ActName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pause, Self::Freeze, Self::FastLane];

    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Freeze => "freeze",
            Self::FastLane => "fast-lane",
        }
    }
}

impl std::str::FromStr for ActName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|what| what.as_str() == text);
        found.ok_or_else(|| Invalid::new("what", "must be one of pause, freeze, fast-lane", text))
    }
}

/// An act, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActEntry {
    /// What it is.
    pub what: ActName,
    /// Its id.
    pub id: String,
    /// Whether it holds.
    pub open: bool,
    /// Since when.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
    /// The channel; empty for a freeze.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// For a fast lane: id of the configuration that it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// Selector of clusters; empty for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub clusters: String,
    /// Why.
    pub reason: String,
    /// Ticket of the emergency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Who did it.
    pub by: String,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Timestamp>,
    /// How it ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// Acts of one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActList {
    /// Pauses, freezes, fast lanes; each newest first.
    pub items: Vec<ActEntry>,
}

/// An act to be done. Who does it is the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActDraft {
    /// What it is.
    pub what: ActName,
    /// The channel of a pause or a fast lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// For a fast lane: id of the configuration that it is for, or its first 7 or more characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Selector of clusters, for a freeze or a fast lane; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<String>,
    /// Why.
    pub reason: String,
    /// Ticket of the emergency, for a fast lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When a freeze or a fast lane ends by itself; after 72 or 24 hours when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Timestamp>,
}

/// An act of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyAct {
    /// A pause.
    Pause(Pause),
    /// A freeze.
    Freeze(FreezeAct),
    /// A fast lane.
    FastLane(FastLane),
}

impl ActDraft {
    /// The act, with nothing given that it does not have.
    ///
    /// # Errors
    /// [`Invalid`] by field.
    pub fn act(self) -> Result<AnyAct, Invalid> {
        let what = self.what.as_str();
        let absent = |field: &str, given: Option<&String>| match given {
            Some(value) => Err(Invalid::new(field, format!("must not be given for a {what}"), value)),
            None => Ok(()),
        };
        let until = self.until.map(|until| until.to_string());
        let needed = |field: &str, given: Option<String>| given.ok_or_else(|| Invalid::new(field, "is required", ""));
        let selected = |text: Option<String>| {
            let read = Selector::of_clusters(text.as_deref().unwrap_or_default());
            read.map_err(|refused| Invalid {
                field: "clusters".to_owned(),
                ..refused
            })
        };
        match self.what {
            ActName::Pause => {
                absent("config", self.config.as_ref())?;
                absent("clusters", self.clusters.as_ref())?;
                absent("ticket", self.ticket.as_ref())?;
                absent("until", until.as_ref())?;
                Ok(AnyAct::Pause(Pause {
                    channel: needed("channel", self.channel)?,
                    reason: self.reason,
                    ..Pause::default()
                }))
            }
            ActName::Freeze => {
                absent("channel", self.channel.as_ref())?;
                absent("config", self.config.as_ref())?;
                absent("ticket", self.ticket.as_ref())?;
                Ok(AnyAct::Freeze(FreezeAct {
                    clusters: selected(self.clusters)?,
                    reason: self.reason,
                    until: self.until,
                    ..FreezeAct::default()
                }))
            }
            ActName::FastLane => Ok(AnyAct::FastLane(FastLane {
                channel: needed("channel", self.channel)?,
                config: needed("config", self.config)?,
                clusters: selected(self.clusters)?,
                reason: self.reason,
                ticket: self.ticket,
                until: self.until,
                ..FastLane::default()
            })),
        }
    }
}

impl From<Act<Pause>> for ActEntry {
    fn from(told: Act<Pause>) -> Self {
        Self {
            what: ActName::Pause,
            id: told.id.into(),
            open: told.open,
            since: told.since,
            channel: told.act.channel,
            config: String::new(),
            clusters: String::new(),
            reason: told.act.reason,
            ticket: None,
            by: told.act.by,
            until: None,
            lifted: told.act.lifted,
        }
    }
}

impl From<Act<FreezeAct>> for ActEntry {
    fn from(told: Act<FreezeAct>) -> Self {
        Self {
            what: ActName::Freeze,
            id: told.id.into(),
            open: told.open,
            since: told.since,
            channel: String::new(),
            config: String::new(),
            clusters: told.act.clusters.as_str().to_owned(),
            reason: told.act.reason,
            ticket: None,
            by: told.act.by,
            until: told.act.until,
            lifted: told.act.lifted,
        }
    }
}

impl From<Act<FastLane>> for ActEntry {
    fn from(told: Act<FastLane>) -> Self {
        Self {
            what: ActName::FastLane,
            id: told.id.into(),
            open: told.open,
            since: told.since,
            channel: told.act.channel,
            config: told.act.config,
            clusters: told.act.clusters.as_str().to_owned(),
            reason: told.act.reason,
            ticket: told.act.ticket,
            by: told.act.by,
            until: told.act.until,
            lifted: told.act.lifted,
        }
    }
}
