//! What a plain scalar means, by the rules of the YAML 1.1 library that kubectl reads with.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// Meaning of a plain scalar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    /// A boolean of YAML 1.1 only, with the word as written.
    LegacyBool(bool, &'static str),
    Number(Number),
    NotFinite,
    Merge,
    Text,
}

const LEGACY: [(&str, bool); 16] = [
    ("y", true),
    ("Y", true),
    ("yes", true),
    ("Yes", true),
    ("YES", true),
    ("on", true),
    ("On", true),
    ("ON", true),
    ("n", false),
    ("N", false),
    ("no", false),
    ("No", false),
    ("NO", false),
    ("off", false),
    ("Off", false),
    ("OFF", false),
];

/// Resolves a plain scalar. The first byte decides what is tried, which keeps the common case (a word) cheap.
pub(crate) fn plain(text: &str) -> Plain {
    let Some(first) = text.bytes().next() else {
        return Plain::Null;
    };
    match first {
        b'0'..=b'9' => number(text),
        b'+' | b'-' | b'.' if special_float(text) => Plain::NotFinite,
        b'+' | b'-' => number(text),
        b'.' => match spaced_digits(text) {
            Some(text) if is_float(&text) => float(&text),
            _ => Plain::Text,
        },
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' | b'<' => word(text),
        _ => Plain::Text,
    }
}

/// The text without the underscores between digits; after a leading point no others are allowed.
fn spaced_digits(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let mut places = text.match_indices('_').map(|(at, _)| at);
    places
        .all(|at| at > 0 && digit(at - 1) && digit(at + 1))
        .then(|| Cow::Owned(text.replace('_', "")))
}

/// The text of a key that is a floating-point number. kubectl's reader prints it in single precision: `1e6` is the key `1e+06`.
/// `None` if the plain text is something else.
pub(crate) fn float_key(text: &str) -> Option<String> {
    match plain(text) {
        Plain::NotFinite => Some(text.to_ascii_lowercase().trim_start_matches('+').to_owned()),
        Plain::Number(_) => {
            let cleaned = text.replace('_', "");
            let (negative, digits) = match cleaned.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, cleaned.strip_prefix('+').unwrap_or(&cleaned)),
            };
            let whole = integer(digits)
                .flatten()
                .and_then(|magnitude| signed(negative, magnitude));
            if whole.is_some() {
                return None;
            }
            cleaned.parse::<f32>().ok().map(single_precision)
        }
        _ => None,
    }
}

/// The shortest digits of a single-precision number, with an exponent from the seventh place on, as Go prints them.
fn single_precision(number: f32) -> String {
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

fn word(text: &str) -> Plain {
    match text {
        "true" | "True" | "TRUE" => Plain::Bool(true),
        "false" | "False" | "FALSE" => Plain::Bool(false),
        "~" | "null" | "Null" | "NULL" => Plain::Null,
        "<<" => Plain::Merge,
        _ => LEGACY
            .iter()
            .find(|(word, _)| *word == text)
            .map_or(Plain::Text, |&(word, value)| Plain::LegacyBool(value, word)),
    }
}

fn special_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// Integers in base 10, `0x`, `0b`, `0o` and with a leading `0` (octal), then floats; underscores are ignored.
fn number(text: &str) -> Plain {
    let cleaned;
    let text = if text.contains('_') {
        cleaned = text.replace('_', "");
        cleaned.as_str()
    } else {
        text
    };
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(magnitude) = integer(digits) {
        return match magnitude {
            Some(value) => signed(negative, value).map_or_else(|| float(text), Plain::Number),
            // Too large for 64 bits: the decimal form is a float for every reader of JSON.
            None if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') => float(text),
            None => Plain::Text,
        };
    }
    if is_float(text) { float(text) } else { Plain::Text }
}

/// `None`: not an integer. `Some(None)`: one that outgrows 64 bits.
fn integer(digits: &str) -> Option<Option<u64>> {
    let (radix, body) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let all_digits = body.bytes().all(|b| char::from(b).is_digit(radix));
    (!body.is_empty() && all_digits).then(|| u64::from_str_radix(body, radix).ok())
}

fn signed(negative: bool, magnitude: u64) -> Option<Number> {
    if !negative {
        return Some(Number::from(magnitude));
    }
    0i64.checked_sub_unsigned(magnitude).map(Number::from)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits(rest);
    let mut rest = &rest[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        let fraction = digits(after);
        if whole + fraction == 0 {
            return false;
        }
        rest = &after[fraction..];
    } else if whole == 0 {
        return false;
    }
    match rest.strip_prefix(['e', 'E']) {
        None => rest.is_empty(),
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
    }
}

fn float(text: &str) -> Plain {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Plain::Number(canonical_float(value)),
        // Out of range: the original reader keeps the text.
        _ => Plain::Text,
    }
}

/// A float as JSON writes it: integral ones are integers (`1e3` is 1000), as far as they fit.
fn canonical_float(value: f64) -> Number {
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        // `{value:.0}` of an integral float below 2^53 is its exact integer, without a lossy cast.
        if let Ok(integer) = format!("{value:.0}").parse::<i64>() {
            return Number::from(integer);
        }
    }
    Number::from_f64(value).unwrap_or_else(|| Number::from(0))
}

/// The number that a reader makes of this one: what printing and loading again gives.
pub(crate) fn canonical_number(number: &Number) -> Number {
    match number.as_f64() {
        Some(value) if number.is_f64() => canonical_float(value),
        _ => number.clone(),
    }
}

/// Value of a tagged scalar, whose tag asks for one of the basic kinds; `None` when it does not fit.
pub(crate) fn tagged(suffix: &str, text: &str) -> Option<Value> {
    let resolved = plain(text);
    match (suffix, resolved) {
        ("null", Plain::Null) => Some(Value::Null),
        ("bool", Plain::Bool(value) | Plain::LegacyBool(value, _)) => Some(Value::Bool(value)),
        ("int", Plain::Number(number)) if !number.is_f64() => Some(Value::Number(number)),
        ("float", Plain::Number(number)) => Some(Value::Number(number)),
        _ => None,
    }
}

/// True if a reader would not take this plain text for a string: it needs quotes.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    plain(text) != Plain::Text || looks_like_other_readers_scalar(text)
}

/// Texts that this reader takes for strings but others do not: timestamps, base 60 numbers, `=`.
fn looks_like_other_readers_scalar(text: &str) -> bool {
    let bytes = text.as_bytes();
    let starts_with_digit = bytes
        .iter()
        .find(|b| !matches!(b, b'+' | b'-' | b'.'))
        .is_some_and(u8::is_ascii_digit);
    text == "="
        || (starts_with_digit
            && text.bytes().all(|b| {
                b.is_ascii_hexdigit() || matches!(b, b'+' | b'-' | b'.' | b':' | b'_' | b'x' | b'o' | b'T' | b'Z')
            }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Plain) {
        assert_eq!(plain(text), expected, "{text:?}");
    }

    fn int(value: i64) -> Plain {
        Plain::Number(Number::from(value))
    }

    #[test]
    fn integers_of_every_base() {
        check("0", int(0));
        check("-0", int(0));
        check("+12", int(12));
        check("0644", int(420));
        check("0400", int(256));
        check("-0644", int(-420));
        check("0o17", int(15));
        check("0x1F", int(31));
        check("-0x1f", int(-31));
        check("0b101", int(5));
        check("1_000", int(1000));
        check("9223372036854775807", int(i64::MAX));
        check("-9223372036854775808", int(i64::MIN));
        check("18446744073709551615", Plain::Number(Number::from(u64::MAX)));
    }

    #[test]
    fn floats_that_are_integral_are_integers() {
        check("1e3", int(1000));
        check("1.0", int(1));
        check("1.", int(1));
        check("08", int(8));
        check("-2.5e1", int(-25));
        check("0.5", Plain::Number(Number::from_f64(0.5).unwrap()));
        check(".5", Plain::Number(Number::from_f64(0.5).unwrap()));
        check(
            "18446744073709551616",
            Plain::Number(Number::from_f64(18_446_744_073_709_551_616.0).unwrap()),
        );
    }

    #[test]
    fn underscores_after_a_leading_point_stand_between_digits() {
        check(".1_0", Plain::Number(Number::from_f64(0.1).unwrap()));
        check(".5e1_0", int(5_000_000_000));
        for text in ["._1", ".1_", ".1__0", ".5_e1", "._"] {
            check(text, Plain::Text);
        }
    }

    #[test]
    fn keys_that_are_floats_are_printed_in_single_precision() {
        for (text, expected) in [
            ("1.10", Some("1.1")),
            ("1e6", Some("1e+06")),
            ("1e-7", Some("1e-07")),
            ("0.0001", Some("0.0001")),
            ("0.00001", Some("1e-05")),
            ("999999.0", Some("999999")),
            ("1234567.0", Some("1.234567e+06")),
            ("123456789.5", Some("1.2345679e+08")),
            ("16777217.0", Some("1.6777216e+07")),
            ("-0.0", Some("-0")),
            ("1e39", Some(".inf")),
            ("1e-50", Some("0")),
            ("18446744073709551616", Some("1.8446744e+19")),
            ("-9223372036854775809", Some("-9.223372e+18")),
            ("+.Inf", Some(".inf")),
            ("-.INF", Some("-.inf")),
            (".NaN", Some(".nan")),
            ("16777217", None),
            ("0o17", None),
            ("-1_000", None),
            ("a", None),
            ("1.2.3", None),
        ] {
            assert_eq!(float_key(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn words_that_only_look_like_numbers() {
        for text in [
            "1.2.3",
            "1e",
            "e3",
            ".",
            "-",
            "+",
            "--",
            "1-2",
            "0x",
            "0xg",
            "1:30",
            "10m",
            "2012-10-17",
            "-.",
            "1e999",
            "..5",
        ] {
            check(text, Plain::Text);
        }
    }

    #[test]
    fn words() {
        check("", Plain::Null);
        check("~", Plain::Null);
        check("NULL", Plain::Null);
        check("nULL", Plain::Text);
        check("True", Plain::Bool(true));
        check("tRUE", Plain::Text);
        check("yes", Plain::LegacyBool(true, "yes"));
        check("Off", Plain::LegacyBool(false, "Off"));
        check("y", Plain::LegacyBool(true, "y"));
        check("<<", Plain::Merge);
        check("-.inf", Plain::NotFinite);
        check(".NaN", Plain::NotFinite);
        check("-.nan", Plain::Text);
    }

    #[test]
    fn texts_that_need_quotes() {
        for text in [
            "yes",
            "0644",
            "1e3",
            "~",
            "",
            "2012-10-17",
            "12:30:45",
            "1.5",
            "=",
            "true",
        ] {
            assert!(is_ambiguous(text), "{text:?}");
        }
        for text in ["a", "10m", "v1", "nginx:1.2", "kube-1", "5%"] {
            assert!(!is_ambiguous(text), "{text:?}");
        }
    }
}
