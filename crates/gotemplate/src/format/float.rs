//! Floating point numbers as Go prints them.

/// Decimal digits without point, and the exponent of the first one.
fn digits(scientific: &str) -> (String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    (digits, exponent.parse().unwrap_or(0))
}

/// The words for what is no number, without sign.
fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number.is_infinite() {
        Some("Inf")
    } else {
        None
    }
}

/// The magnitude by a verb (`e`, `f` or `g`) and an optional precision, without sign. `sharp` keeps trailing zeros.
pub(super) fn magnitude(number: f64, verb: char, precision: Option<usize>, sharp: bool) -> String {
    if let Some(word) = special(number) {
        return word.into();
    }
    let number = number.abs();
    match verb {
        'e' => exponent_form(&match precision {
            Some(precision) => format!("{number:.precision$e}"),
            None => format!("{number:e}"),
        }),
        'f' => match precision {
            Some(precision) => format!("{number:.precision$}"),
            None => format!("{number}"),
        },
        _ => general(number, precision, sharp),
    }
}

/// The shortest form that reads back as the same number, `%v` in Go.
pub(super) fn shortest(number: f64) -> String {
    let text = magnitude(number, 'g', None, false);
    match special(number) {
        Some("Inf") if number > 0.0 => "+Inf".into(),
        Some("NaN") => text,
        _ if number.is_sign_negative() => format!("-{text}"),
        _ => text,
    }
}

/// Rust's `1e6` as Go's `1e+06`.
fn exponent_form(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>2}")
}

fn general(number: f64, precision: Option<usize>, sharp: bool) -> String {
    // A precision of zero counts as one digit.
    let wanted = precision.map(|precision| precision.max(1));
    let scientific = match wanted {
        Some(wanted) => format!("{number:.*e}", wanted - 1),
        None => format!("{number:e}"),
    };
    let (all, exponent) = digits(&scientific);
    let significant = if sharp { all.as_str() } else { all.trim_end_matches('0') };
    let significant = if significant.is_empty() { "0" } else { significant };
    // The shortest form decides as if the precision were six; a given precision is its own threshold.
    let threshold = match wanted {
        Some(wanted) => {
            let length = significant.len();
            let whole = usize::try_from(exponent + 1).unwrap_or(0);
            if wanted > length && length >= whole {
                length
            } else {
                wanted
            }
        }
        None => 6,
    };
    let threshold = i32::try_from(threshold).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= threshold {
        let (head, tail) = significant.split_at(1);
        let point = if tail.is_empty() { "" } else { "." };
        return exponent_form(&format!("{head}{point}{tail}e{exponent}"));
    }
    positional(significant, exponent)
}

fn positional(significant: &str, exponent: i32) -> String {
    match usize::try_from(exponent) {
        Err(_) => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            format!("0.{}{significant}", "0".repeat(zeros))
        }
        Ok(exponent) if significant.len() <= exponent + 1 => {
            format!("{significant}{}", "0".repeat(exponent + 1 - significant.len()))
        }
        Ok(exponent) => {
            let (whole, fraction) = significant.split_at(exponent + 1);
            format!("{whole}.{fraction}")
        }
    }
}
