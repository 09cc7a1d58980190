//! Go's `time.Duration` as text: `1h30m0s`, `1.5h`, `100ms`.
//!
//! Flags, config items and annotations of the compatible systems carry such texts, and status fields print them, so both directions
//! follow Go exactly, including its rounding of fractions and its range of 64 bits of nanoseconds (about 292 years).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use num_traits::ToPrimitive;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

#[cfg(test)]
mod tests;

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// Go's unit names; both spellings of the micro sign are known.
const UNITS: [(&str, u64); 8] = [
    ("ns", NANOSECOND),
    ("us", MICROSECOND),
    ("\u{b5}s", MICROSECOND),
    ("\u{3bc}s", MICROSECOND),
    ("ms", MILLISECOND),
    ("s", SECOND),
    ("m", MINUTE),
    ("h", HOUR),
];
/// Units of the simple form, one letter each.
const SIMPLE_UNITS: [(&str, u64); 5] = [("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY), ("w", WEEK)];
/// The size of the smallest duration, one more than that of the largest.
const LIMIT: u64 = i64::MIN.unsigned_abs();

/// Why a text is not a duration. Positions count bytes from 1; the text itself is not repeated, since it may come from a
/// config item whose value must not be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// The text is empty.
    #[error("a duration cannot be empty: write numbers with units, such as 1h30m or 100ms")]
    Empty,
    /// There is no number where one must be.
    #[error("expected a number at position {position}")]
    ExpectedNumber {
        /// Where the number was expected.
        position: usize,
    },
    /// A number has no unit.
    #[error("expected a unit at position {position}: one of {units}")]
    MissingUnit {
        /// Where the unit was expected.
        position: usize,
        /// The units that are known there.
        units: &'static str,
    },
    /// The letters after a number are no unit.
    #[error("unknown unit at position {position}: known are {units}")]
    UnknownUnit {
        /// Where the unit begins.
        position: usize,
        /// The units that are known there.
        units: &'static str,
    },
    /// More than one number in the simple form.
    #[error("unexpected text at position {position}: only one number with one unit is allowed here")]
    Trailing {
        /// Where the surplus begins.
        position: usize,
    },
    /// The duration does not fit 64 bits of nanoseconds.
    #[error("the duration is out of range: at most about 292 years")]
    Overflow,
}

const UNIT_NAMES: &str = "ns, us, ms, s, m, h";
const SIMPLE_UNIT_NAMES: &str = "s, m, h, d, w";

/// A signed duration in nanoseconds, read and printed as Go does.
///
/// ```
/// use model::duration::GoDuration;
///
/// let grace: GoDuration = "1.5h".parse()?;
/// assert_eq!(grace.to_string(), "1h30m0s");
/// assert_eq!(GoDuration::parse_simple("2d")?.to_string(), "48h0m0s");
/// # Ok::<(), model::duration::DurationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration(i64);

impl GoDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A duration of so many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The seconds, for metrics and pages.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        // Every i64 has a nearest f64.
        self.0.to_f64().unwrap_or(0.0) / 1e9
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The standard library's duration, unless this one is negative.
    #[must_use]
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }

    /// The sum, unless it is out of range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it is out of range.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Reads the simple form of annotations: digits and one of `s m h d w`, no sign, no combination.
    ///
    /// # Errors
    /// [`DurationError`], when the text is anything else or out of range.
    pub fn parse_simple(text: &str) -> Result<Self, DurationError> {
        if text.is_empty() {
            return Err(DurationError::Empty);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::ExpectedNumber { position: 1 });
        }
        let position = digits + 1;
        if rest.is_empty() {
            return Err(DurationError::MissingUnit {
                position,
                units: SIMPLE_UNIT_NAMES,
            });
        }
        let Some((unit, size)) = SIMPLE_UNITS.iter().find(|(unit, _)| rest.starts_with(unit)) else {
            return Err(DurationError::UnknownUnit {
                position,
                units: SIMPLE_UNIT_NAMES,
            });
        };
        if rest.len() > unit.len() {
            return Err(DurationError::Trailing {
                position: position + unit.len(),
            });
        }
        let number: u64 = number.parse().map_err(|_| DurationError::Overflow)?;
        let nanos = number.checked_mul(*size).ok_or(DurationError::Overflow)?;
        i64::try_from(nanos).map(Self).map_err(|_| DurationError::Overflow)
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(DurationError::Empty);
        }
        let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
        // Zero is the one number that needs no unit.
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(DurationError::ExpectedNumber {
                position: text.len() + 1,
            });
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, after) = read_term(rest, text.len())?;
            rest = after;
            // Both parts are at most 2^63, and their sum may be exactly one more than u64 holds; Go comes round to zero there.
            total = total
                .checked_add(nanos)
                .filter(|total| *total <= LIMIT)
                .ok_or(DurationError::Overflow)?;
        }
        if text.starts_with('-') {
            return Ok(Self(0i64.checked_sub_unsigned(total).ok_or(DurationError::Overflow)?));
        }
        i64::try_from(total).map(Self).map_err(|_| DurationError::Overflow)
    }
}

/// Reads one number with its unit; returns its nanoseconds (at most [`LIMIT`]) and what follows.
fn read_term(text: &str, total_length: usize) -> Result<(u64, &str), DurationError> {
    let start = total_length - text.len();
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => split_digits(after),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::ExpectedNumber { position: start + 1 });
    }
    let position = total_length - rest.len() + 1;
    let unit_end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(unit_end);
    if name.is_empty() {
        return Err(DurationError::MissingUnit {
            position,
            units: UNIT_NAMES,
        });
    }
    let Some((_, unit)) = UNITS.iter().find(|(unit, _)| *unit == name) else {
        return Err(DurationError::UnknownUnit {
            position,
            units: UNIT_NAMES,
        });
    };
    let number: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| DurationError::Overflow)?
    };
    let nanos = number
        .checked_mul(*unit)
        .filter(|nanos| *nanos <= LIMIT)
        .ok_or(DurationError::Overflow)?;
    let nanos = nanos + fraction_of(fraction, *unit);
    if nanos > LIMIT {
        Err(DurationError::Overflow)
    } else {
        Ok((nanos, rest))
    }
}

/// The nanoseconds of the digits after the point. Go computes them in float64 and drops digits that no longer fit an integer;
/// the same steps give the same last nanosecond.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let mut number: u64 = 0;
    let mut scale: f64 = 1.0;
    for digit in digits.bytes() {
        let next = number
            .checked_mul(10)
            .and_then(|n| n.checked_add(u64::from(digit - b'0')));
        match next.filter(|next| *next <= LIMIT) {
            Some(next) => number = next,
            None => break,
        }
        scale *= 10.0;
    }
    // The product is below one unit, thus at most an hour of nanoseconds: the conversions cannot fail.
    let (number, unit) = (number.to_f64().unwrap_or(0.0), unit.to_f64().unwrap_or(0.0));
    (number * (unit / scale)).to_u64().unwrap_or(0)
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match size {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{size}ns"),
            MICROSECOND..MILLISECOND => write_decimal(f, size, MICROSECOND, "\u{b5}s"),
            MILLISECOND..SECOND => write_decimal(f, size, MILLISECOND, "ms"),
            _ => {
                if size >= HOUR {
                    write!(f, "{}h", size / HOUR)?;
                }
                if size >= MINUTE {
                    write!(f, "{}m", size % HOUR / MINUTE)?;
                }
                write_decimal(f, size % MINUTE, SECOND, "s")
            }
        }
    }
}

/// Writes a number of nanoseconds in a unit, with as many places as it needs.
fn write_decimal(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    write!(f, "{}", nanos / unit)?;
    let mut rest = nanos % unit;
    if rest != 0 {
        f.write_str(".")?;
    }
    let mut step = unit;
    while rest != 0 {
        step /= 10;
        write!(f, "{}", rest / step)?;
        rest %= step;
    }
    f.write_str(name)
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = GoDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"1h30m\" or \"100ms\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<GoDuration, E> {
        text.parse().map_err(E::custom)
    }
}
