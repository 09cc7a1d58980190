//! Kubernetes resource quantities: `1500m`, `512Mi`, `12e6`, exact and in canonical form.
//!
//! A [`Quantity`] is a whole number of billionths ("nano", the finest step that Kubernetes keeps) and the family of suffixes
//! in which it prints. Nothing here passes through a floating-point number except [`Quantity::scale`], whose contract
//! is float32 arithmetic (fact 32), and the explicit look at a value as `f64`.
//!
//! The rules are those of `k8s.io/apimachinery`'s resource package with two deliberate differences: a text without any digit
//! (`-`, `.`, `Ki`) is refused, where the original reads zero, and the canonical form is always printed, where the original
//! echoes some spellings (`1.500`) that it was given. Missing data must never look like "none".

mod arithmetic;
mod parse;
mod serde_text;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, ToPrimitive, Zero};

pub use parse::QuantityError;

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
