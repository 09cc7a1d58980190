//! Windows in which updates may begin, and freezes in which none may.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use model::selector::Selector;
use model::{Invalid, Validate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A recurring maintenance window. A cluster that one or more windows select may begin an update only within one of them; one that no
/// window selects may begin at any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    /// How people call it.
    pub name: String,
    /// Clusters that it is for; all when empty.
    #[serde(default)]
    pub clusters: Selector,
    /// Days on which it opens; every day when empty.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// When it opens.
    #[serde(with = "time_of_day")]
    pub from: Time,
    /// When it closes; on the next day when that is not after `from`.
    #[serde(with = "time_of_day")]
    pub to: Time,
    /// Where these are the times of: `UTC` when left out, `Europe/Berlin`.
    #[serde(default)]
    pub time_zone: Zone,
}

/// A time in which no update begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Freeze {
    /// Its first moment: `2026-12-20` (midnight UTC) or `2026-12-20T18:00:00+01:00`.
    pub from: Moment,
    /// The first moment after it.
    pub to: Moment,
    /// Why; people read it wherever something waits for its end.
    pub reason: String,
    /// Clusters that it is for; all when empty.
    #[serde(default)]
    pub clusters: Selector,
}

/// A day of the week, in its three letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names of the days")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// The day of a date.
    #[must_use]
    pub fn of(date: Date) -> Self {
        match date.weekday() {
            jiff::civil::Weekday::Monday => Self::Mon,
            jiff::civil::Weekday::Tuesday => Self::Tue,
            jiff::civil::Weekday::Wednesday => Self::Wed,
            jiff::civil::Weekday::Thursday => Self::Thu,
            jiff::civil::Weekday::Friday => Self::Fri,
            jiff::civil::Weekday::Saturday => Self::Sat,
            jiff::civil::Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time zone by its name in the database of time zones, which the program carries with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The zone.
    #[must_use]
    pub fn get(&self) -> &TimeZone {
        &self.zone
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let zone = match name {
            "UTC" => TimeZone::UTC,
            _ => TimeZone::get(name).map_err(|_| format!("{name:?} is no time zone such as UTC or Europe/Berlin"))?,
        };
        Ok(Self {
            name: name.to_owned(),
            zone,
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A moment, written as a date or with a time and an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = || {
            text.parse::<Date>()
                .ok()
                .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
        };
        // A date alone is no timestamp, and a timestamp would lose its time as a date.
        match text.parse::<Timestamp>() {
            Ok(at) => Ok(Self(at)),
            Err(_) if text.len() == 10 => date()
                .map(|zoned| Self(zoned.timestamp()))
                .ok_or_else(|| format!("{text:?} is no date such as 2026-12-20")),
            Err(_) => Err(format!(
                "{text:?} is no moment such as 2026-12-20 or 2026-12-20T18:00:00+01:00"
            )),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Types that are written as one text.
macro_rules! as_text {
    ($($name:ty),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

as_text!(Zone, Moment);

/// Times of day as `18:30`.
mod time_of_day {
    use super::{Deserialize, Deserializer, Serializer, Time};

    pub(super) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02}:{:02}", time.hour(), time.minute()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = || {
            let (hour, minute) = text.split_once(':').filter(|_| text.len() == 5)?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        read().ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no time of day such as 18:30")))
    }
}

impl Validate for Window {
    fn check(&self, problems: &mut Vec<Invalid>) {
        if self.name.trim().is_empty() {
            problems.push(Invalid::new("name", "must say how people call it", &self.name));
        }
    }
}

impl Validate for Freeze {
    fn check(&self, problems: &mut Vec<Invalid>) {
        if self.reason.trim().is_empty() {
            problems.push(Invalid::new("reason", "must say why", &self.reason));
        }
        if self.to <= self.from {
            problems.push(Invalid::new("to", format!("must be after {}", self.from), self.to));
        }
    }
}
