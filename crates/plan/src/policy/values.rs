//! Values that several sections have: spans of time, shares.

use std::fmt;

use jiff::SignedDuration;
use model::duration::GoDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time: `10m`, `1h30m`, `7d`, `2w`. Never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(SignedDuration);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        Self(SignedDuration::from_secs(seconds as i64))
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(hours: u32) -> Self {
        Self(SignedDuration::from_hours(hours as i64))
    }

    /// As a duration.
    #[must_use]
    pub const fn get(self) -> SignedDuration {
        self.0
    }

    /// Whether it is no time at all.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [(604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m")];
        let whole = units.into_iter().find(|(size, _)| seconds > 0 && seconds % size == 0);
        match whole {
            Some((size, unit)) => write!(f, "{}{unit}", seconds / size),
            None => write!(f, "{seconds}s"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The simple form knows days and weeks, Go's form several units.
        let read = GoDuration::parse_simple(&text).or_else(|_| text.parse::<GoDuration>());
        match read {
            Ok(span) if !span.is_negative() => Ok(Self(SignedDuration::from_nanos(span.nanos()))),
            Ok(_) => Err(serde::de::Error::custom(format!(
                "{text:?} is not a span: it is below zero"
            ))),
            Err(error) => Err(serde::de::Error::custom(format!(
                "{text:?} is not a span such as 10m, 1h30m, 7d: {error}"
            ))),
        }
    }
}

/// A number of clusters, or a share of some: `3`, `5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred, rounded down.
    Percent(u32),
}

impl Share {
    /// How many of `all` it is, rounded down and never more than all.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        let many = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        match self {
            Self::Count(count) => many(count).min(all),
            Self::Percent(percent) => all.saturating_mul(many(percent.min(100))) / 100,
        }
    }

    /// The same, rounded up.
    #[must_use]
    pub fn of_at_least(self, all: usize) -> usize {
        let many = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        match self {
            Self::Count(_) => self.of(all),
            Self::Percent(percent) => all.saturating_mul(many(percent.min(100))).div_ceil(100),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Text(String),
        }
        let refused = |text: &str| {
            let rule = "must be a number of clusters such as 3 or a share such as 5%";
            serde::de::Error::custom(format!("{text:?} {rule}"))
        };
        let written = Written::deserialize(deserializer).map_err(|_| refused("this"))?;
        match written {
            Written::Number(count) => Ok(Self::Count(count)),
            Written::Text(text) => {
                let percent = text.trim().strip_suffix('%').map(|number| number.trim().parse::<u32>());
                match percent {
                    Some(Ok(percent)) if percent <= 100 => Ok(Self::Percent(percent)),
                    _ => Err(refused(&text)),
                }
            }
        }
    }
}
