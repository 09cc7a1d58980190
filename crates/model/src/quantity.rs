//! Kubernetes resource quantities: `1500m`, `512Mi`, `12e6`, exact and in canonical form.
//!
//! A [`Quantity`] is a whole number of billionths ("nano", the finest step that Kubernetes keeps) and the family of suffixes
//! in which it prints. Nothing here passes through a floating-point number except [`Quantity::scale`], whose contract
//! is float32 arithmetic (fact 32), and the explicit look at a value as `f64`.
//!
//! The rules are those of `k8s.io/apimachinery`'s resource package with two deliberate differences: a text without any digit
//! (`-`, `.`, `Ki`) is refused, where the original reads zero, and the canonical form is always printed, where the original
//! echoes some spellings (`1.500`) that it was given. Missing data must never look like "none".

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, ToPrimitive, Zero};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

#[cfg(test)]
mod tests;

/// Longest text that is read. Real quantities have a dozen characters; the bound keeps hostile input from costing anything.
const MAX_TEXT: usize = 256;
/// Largest exponent, up or down, that is read.
const MAX_EXPONENT: i32 = 1_000;
/// Decimal places of the stored number.
const NANO_PLACES: i32 = 9;
const NANOS_PER_UNIT: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;
/// Decimal SI suffixes with their power of ten, in steps of a thousand.
const DECIMAL_SUFFIXES: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// Binary suffixes; the place in the list is the power of 1024.
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The family of suffixes that a quantity was written with and prints with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Format {
    /// Powers of 1000: `n u m "" k M G T P E`.
    #[default]
    DecimalSi,
    /// Powers of 1024: `Ki Mi Gi Ti Pi Ei`. Values under 1024 and broken values print as [`Format::DecimalSi`].
    BinarySi,
    /// An exponent: `12e6`.
    DecimalExponent,
}

/// Why a text is not a quantity. Positions count characters from 1; the text itself is not repeated, since it may come
/// from a config item whose value must not be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// The text is empty.
    #[error("a quantity cannot be empty: write digits and an optional suffix, such as 500m or 2Gi")]
    Empty,
    /// The text is longer than any quantity.
    #[error("a quantity has at most {MAX_TEXT} characters, this text has {length}")]
    TooLong {
        /// Length of the text in bytes.
        length: usize,
    },
    /// There is no digit where the number must be.
    #[error("expected a digit at position {position}")]
    NoDigits {
        /// Where the digit was expected.
        position: usize,
    },
    /// A character that cannot be part of a quantity.
    #[error("unexpected character {found:?} at position {position}")]
    UnexpectedCharacter {
        /// Where it stands.
        position: usize,
        /// The character.
        found: char,
    },
    /// The letters after the number are no suffix.
    #[error(
        "unknown suffix at position {position}: known are n u m k M G T P E, Ki Mi Gi Ti Pi Ei (upper and lower case matter), and an exponent such as e3"
    )]
    UnknownSuffix {
        /// Where the suffix begins.
        position: usize,
    },
    /// `e` or `E` is followed by something that is no whole number.
    #[error("the exponent at position {position} must be a whole number")]
    BadExponent {
        /// Where the exponent's number begins.
        position: usize,
    },
    /// The exponent is absurd.
    #[error("the exponent at position {position} is out of range: at most {MAX_EXPONENT} up or down")]
    ExponentOutOfRange {
        /// Where the exponent's number begins.
        position: usize,
    },
}

/// Why a quantity cannot be scaled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScaleError {
    /// The factor is zero, negative or not a number.
    #[error("the scale factor must be greater than zero, not {factor}")]
    Factor {
        /// The factor given.
        factor: f32,
    },
    /// The quantity or the result does not fit 64 bits.
    #[error("the scaled quantity does not fit a 64-bit integer")]
    Overflow,
}

/// An exact Kubernetes quantity.
///
/// Equality, order and hash look at the value only: `1Gi == 1073741824`. [`Display`](fmt::Display) prints the canonical form, which
/// keeps the [`Format`] and never loses precision.
///
/// ```
/// use model::quantity::Quantity;
///
/// let limit: Quantity = "0.5Gi".parse()?;
/// assert_eq!(limit.to_string(), "512Mi");
/// let rest = limit - "1.5".parse::<Quantity>()?;
/// assert_eq!(rest.to_string(), "536870910500m");
/// # Ok::<(), model::quantity::QuantityError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Quantity {
    nanos: BigInt,
    format: Format,
}

impl Quantity {
    /// Zero; in a sum it takes the format of what is added.
    #[must_use]
    pub fn zero() -> Self {
        Self::default()
    }

    /// A whole number of units.
    #[must_use]
    pub fn from_units(units: i64, format: Format) -> Self {
        Self {
            nanos: BigInt::from(units) * NANOS_PER_UNIT,
            format,
        }
    }

    /// A whole number of thousandths, such as CPU millicores.
    #[must_use]
    pub fn from_millis(millis: i64, format: Format) -> Self {
        Self {
            nanos: BigInt::from(millis) * NANOS_PER_MILLI,
            format,
        }
    }

    /// A whole number of billionths.
    #[must_use]
    pub fn from_nanos(nanos: BigInt, format: Format) -> Self {
        Self { nanos, format }
    }

    /// The exact value in billionths.
    #[must_use]
    pub fn nanos(&self) -> &BigInt {
        &self.nanos
    }

    /// The family of suffixes it prints with.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The same value in another family of suffixes.
    #[must_use]
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Whether the value is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.nanos.is_zero()
    }

    /// Whether the value is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nanos.is_negative()
    }

    /// The value in whole units, a broken part rounded away from zero as Kubernetes does; `None` when it outgrows 64 bits.
    #[must_use]
    pub fn to_units(&self) -> Option<i64> {
        divide_away_from_zero(&self.nanos, &BigInt::from(NANOS_PER_UNIT)).to_i64()
    }

    /// The value in thousandths, rounded like [`Quantity::to_units`].
    #[must_use]
    pub fn to_millis(&self) -> Option<i64> {
        divide_away_from_zero(&self.nanos, &BigInt::from(NANOS_PER_MILLI)).to_i64()
    }

    /// The value in whole units, when it is whole and fits.
    #[must_use]
    pub fn to_exact_units(&self) -> Option<i64> {
        self.whole_units()?.to_i64()
    }

    /// The value as a floating-point number, for charts and ratios; whole numbers convert with a single rounding.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        // `to_f64` of a big integer answers infinity where it outgrows f64, and never `None`.
        match self.whole_units() {
            Some(units) => units.to_f64().unwrap_or(f64::INFINITY),
            None => self.nanos.to_f64().unwrap_or(f64::INFINITY) / 1e9,
        }
    }

    /// Multiplies by a float32 the way `scaleQuantity` does (fact 32).
    ///
    /// Decimal SI values below 1024 are scaled in thousandths, all others in whole units: the number is rounded to float32, multiplied in
    /// float32 and cut off. So `4` x 0.3 is `1200m`, and `16Gi` x 0.1 is `1717986944`, not 1717986918. The steps are part of the
    /// contract, since the result ends up in manifests whose hash decides about updates.
    ///
    /// # Errors
    /// [`ScaleError::Factor`] unless the factor is greater than zero; [`ScaleError::Overflow`] beyond 64 bits.
    pub fn scale(&self, factor: f32) -> Result<Self, ScaleError> {
        // Written so that "not a number" is refused as well.
        if !matches!(factor.partial_cmp(&0.0), Some(Ordering::Greater)) {
            return Err(ScaleError::Factor { factor });
        }
        let units = self.to_units().ok_or(ScaleError::Overflow)?;
        if self.format == Format::DecimalSi && units < 1_024 {
            let millis = self.to_millis().ok_or(ScaleError::Overflow)?;
            return Ok(Self::from_millis(multiply_float32(millis, factor)?, self.format));
        }
        Ok(Self::from_units(multiply_float32(units, factor)?, self.format))
    }

    /// The whole number of units, when nothing is left over.
    fn whole_units(&self) -> Option<BigInt> {
        let unit = BigInt::from(NANOS_PER_UNIT);
        (&self.nanos % &unit).is_zero().then(|| &self.nanos / &unit)
    }

    /// Adds a signed amount; a zero takes over the format of what is added to it.
    fn accumulate(&mut self, nanos: BigInt, format: Format) {
        if self.is_zero() {
            self.format = format;
        }
        self.nanos += nanos;
    }

    fn write_decimal(&self, f: &mut fmt::Formatter<'_>, format: Format) -> fmt::Result {
        let thousand = BigInt::from(1_000);
        let mut mantissa = self.nanos.clone();
        let mut exponent = -NANO_PLACES;
        while (&mantissa % &thousand).is_zero() {
            mantissa /= &thousand;
            exponent += 3;
        }
        write!(f, "{mantissa}")?;
        let suffix = DECIMAL_SUFFIXES.iter().find(|(_, power)| *power == exponent);
        match (format, suffix) {
            (Format::DecimalExponent, _) if exponent == 0 => Ok(()),
            (Format::DecimalSi | Format::BinarySi, Some((suffix, _))) => f.write_str(suffix),
            // There is no suffix beyond E; an exponent says it without loss.
            _ => write!(f, "e{exponent}"),
        }
    }

    fn write_binary(f: &mut fmt::Formatter<'_>, mut units: BigInt) -> fmt::Result {
        let step = BigInt::from(1_024);
        let mut power = 0;
        while power + 1 < BINARY_SUFFIXES.len() && (&units % &step).is_zero() {
            units /= &step;
            power += 1;
        }
        write!(f, "{units}{}", BINARY_SUFFIXES.get(power).unwrap_or(&""))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.format != Format::BinarySi {
            return self.write_decimal(f, self.format);
        }
        match self.whole_units() {
            Some(units) if units.magnitude().to_u64().is_none_or(|size| size >= 1_024) => Self::write_binary(f, units),
            // Small and broken values print in decimal, because nothing may be rounded away.
            _ => self.write_decimal(f, Format::DecimalSi),
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(QuantityError::Empty);
        }
        if text.len() > MAX_TEXT {
            return Err(QuantityError::TooLong { length: text.len() });
        }
        let parts = Parts::split(text)?;
        let (multiplier, format) = parts.multiplier()?;
        let mut nanos = multiplier.apply(parts.digits()?, parts.fraction.len());
        if format == Format::BinarySi {
            nanos = nanos.min(BigInt::from(i64::MAX) * NANOS_PER_UNIT);
        }
        let below_one = !nanos.is_zero() && nanos < BigInt::from(NANOS_PER_UNIT);
        // A part of a byte has no binary suffix to print with.
        let format = if format == Format::BinarySi && below_one {
            Format::DecimalSi
        } else {
            format
        };
        Ok(Self {
            nanos: if parts.negative { -nanos } else { nanos },
            format,
        })
    }
}

/// A text cut into sign, digits before and after the point, and suffix.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
    /// Bytes before the suffix.
    suffix_start: usize,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, QuantityError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::NoDigits {
                position: text.len() - unsigned.len() + 1,
            });
        }
        let suffix_start = text.len() - suffix.len();
        for (offset, found) in suffix.char_indices() {
            if !found.is_ascii_alphanumeric() && !matches!(found, '+' | '-') {
                // Everything before this place is ASCII, so bytes and characters count alike.
                return Err(QuantityError::UnexpectedCharacter {
                    position: suffix_start + offset + 1,
                    found,
                });
            }
        }
        Ok(Self {
            negative: text.starts_with('-'),
            whole,
            fraction,
            suffix,
            suffix_start,
        })
    }

    /// The digits without the point as one number.
    fn digits(&self) -> Result<BigInt, QuantityError> {
        let digits = format!("{}{}", self.whole, self.fraction);
        BigInt::parse_bytes(digits.as_bytes(), 10).ok_or(QuantityError::NoDigits { position: 1 })
    }

    fn multiplier(&self) -> Result<(Multiplier, Format), QuantityError> {
        if let Some((_, power)) = DECIMAL_SUFFIXES.iter().find(|(suffix, _)| *suffix == self.suffix) {
            return Ok((Multiplier::Ten(*power), Format::DecimalSi));
        }
        if let Some(power) = BINARY_SUFFIXES.iter().position(|suffix| *suffix == self.suffix) {
            return Ok((Multiplier::Kibi(power), Format::BinarySi));
        }
        let unknown = QuantityError::UnknownSuffix {
            position: self.suffix_start + 1,
        };
        let exponent = self.suffix.strip_prefix(['e', 'E']).ok_or(unknown)?;
        let position = self.suffix_start + 2;
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QuantityError::BadExponent { position });
        }
        match exponent.parse::<i32>() {
            Ok(power) if power.abs() <= MAX_EXPONENT => Ok((Multiplier::Ten(power), Format::DecimalExponent)),
            _ => Err(QuantityError::ExponentOutOfRange { position }),
        }
    }
}

/// What a suffix multiplies the number with.
enum Multiplier {
    /// A power of ten.
    Ten(i32),
    /// A power of 1024.
    Kibi(usize),
}

impl Multiplier {
    /// The value in billionths of `digits` with `places` of them after the point; a finer rest rounds up, because a wish for
    /// something must not turn into nothing.
    fn apply(&self, digits: BigInt, places: usize) -> BigInt {
        // The text is at most 256 bytes long, so the conversion cannot fail.
        let places = i32::try_from(places).unwrap_or(i32::MAX);
        let (digits, shift) = match self {
            Self::Ten(power) => (digits, NANO_PLACES + power - places),
            Self::Kibi(power) => (digits << (power * 10), NANO_PLACES - places),
        };
        let ten_power = BigInt::from(10).pow(shift.unsigned_abs());
        if shift >= 0 {
            digits * ten_power
        } else {
            divide_away_from_zero(&digits, &ten_power)
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn divide_away_from_zero(number: &BigInt, divisor: &BigInt) -> BigInt {
    let quotient = number / divisor;
    if (number % divisor).is_zero() {
        return quotient;
    }
    match number.sign() {
        Sign::Minus => quotient - 1,
        Sign::NoSign | Sign::Plus => quotient + 1,
    }
}

/// Rounds to float32, multiplies in float32, cuts off.
fn multiply_float32(number: i64, factor: f32) -> Result<i64, ScaleError> {
    let rounded = number.to_f32().ok_or(ScaleError::Overflow)?;
    (rounded * factor).to_i64().ok_or(ScaleError::Overflow)
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl AddAssign<&Quantity> for Quantity {
    fn add_assign(&mut self, other: &Quantity) {
        self.accumulate(other.nanos.clone(), other.format);
    }
}

impl SubAssign<&Quantity> for Quantity {
    fn sub_assign(&mut self, other: &Quantity) {
        self.accumulate(-&other.nanos, other.format);
    }
}

impl Add for Quantity {
    type Output = Quantity;

    fn add(mut self, other: Quantity) -> Quantity {
        self += &other;
        self
    }
}

impl Sub for Quantity {
    type Output = Quantity;

    fn sub(mut self, other: Quantity) -> Quantity {
        self -= &other;
        self
    }
}

impl Mul<i64> for Quantity {
    type Output = Quantity;

    /// The exact product, as for "so many replicas of this request".
    fn mul(self, count: i64) -> Quantity {
        Quantity {
            nanos: self.nanos * count,
            format: self.format,
        }
    }
}

impl Neg for Quantity {
    type Output = Quantity;

    fn neg(self) -> Quantity {
        Quantity {
            nanos: -self.nanos,
            format: self.format,
        }
    }
}

impl std::iter::Sum for Quantity {
    /// The sum, printed like its first non-zero part; nothing sums up to `0` (fact 31).
    fn sum<I: Iterator<Item = Quantity>>(parts: I) -> Quantity {
        parts.fold(Quantity::zero(), Add::add)
    }
}

impl<'a> std::iter::Sum<&'a Quantity> for Quantity {
    fn sum<I: Iterator<Item = &'a Quantity>>(parts: I) -> Quantity {
        parts.fold(Quantity::zero(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

/// Reads texts and, as the Kubernetes API does, bare numbers.
struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity such as \"500m\" or \"2Gi\", or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
        Ok(Quantity::from_units(number, Format::DecimalSi))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        Ok(Quantity::from_nanos(
            BigInt::from(number) * NANOS_PER_UNIT,
            Format::DecimalSi,
        ))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
        // The shortest text that reads back as this number is what the author wrote, so 0.1 means exactly one tenth.
        let text: Cow<'static, str> = match number {
            number if number.is_finite() => number.to_string().into(),
            _ => return Err(E::custom("a quantity cannot be infinite")),
        };
        text.parse().map_err(E::custom)
    }
}
