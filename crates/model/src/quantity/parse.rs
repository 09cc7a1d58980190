//! Reading a quantity: the grammar, its bounds, and errors with places.

use std::str::FromStr;

use num_bigint::BigInt;
use num_traits::Zero;

use super::{BINARY_SUFFIXES, DECIMAL_SUFFIXES, Format, NANO_PLACES, NANOS_PER_UNIT, Quantity, divide_away_from_zero};

/// Longest text that is read. Real quantities have a dozen characters; the bound keeps hostile input from costing anything.
const MAX_TEXT: usize = 256;
/// Largest exponent, up or down, that is read.
const MAX_EXPONENT: i32 = 1_000;

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
