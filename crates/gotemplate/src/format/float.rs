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

/// No f64 has more decimal digits, before or after the point; whatever is asked for beyond them is zeros. Rust's own formatting takes
/// no precision beyond 65535.
const MOST_DIGITS: usize = 1_100;

/// Rust's `1.5e6`, with so many digits after the point.
fn scientific(number: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else {
        return format!("{number:e}");
    };
    let places = precision.min(MOST_DIGITS);
    let text = format!("{number:.places$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if precision > places => {
            format!("{mantissa}{}e{exponent}", "0".repeat(precision - places))
        }
        _ => text,
    }
}

/// The magnitude by a verb (`e`, `f` or `g`) and an optional precision, without sign.
pub(super) fn magnitude(number: f64, verb: char, precision: Option<usize>) -> String {
    if let Some(word) = special(number) {
        return word.into();
    }
    let number = number.abs();
    match verb {
        'e' => exponent_form(&scientific(number, precision)),
        'f' => match precision {
            Some(precision) => {
                let places = precision.min(MOST_DIGITS);
                format!("{number:.places$}") + &"0".repeat(precision - places)
            }
            None => format!("{number}"),
        },
        _ => general(number, precision),
    }
}

/// What `#` does to a finite number: there is always a point, and `g` keeps its trailing zeros.
pub(super) fn sharpened(text: &str, verb: char, precision: Option<usize>) -> String {
    let (number, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    let point = if number.contains('.') { "" } else { "." };
    let digits = number.bytes().filter(u8::is_ascii_digit);
    let significant = digits
        .skip_while(|digit| *digit == b'0')
        .count()
        .max(usize::from(number == "0"));
    let wanted = if verb == 'g' { precision.unwrap_or(6) } else { 0 };
    let zeros = "0".repeat(wanted.saturating_sub(significant));
    format!("{number}{point}{zeros}{exponent}")
}

/// `%x` and `%b`: the binary number itself, as `0x1.8p+01` or as `6755399441055744p-52`.
pub(super) fn binary(number: f64, verb: char, precision: Option<usize>) -> String {
    if let Some(word) = special(number) {
        return word.into();
    }
    let bits = number.abs().to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let biased = i64::try_from(bits >> 52).unwrap_or(0);
    let (mut mantissa, mut exponent) = match biased {
        0 => (fraction, -1_022),
        biased => (fraction | 1 << 52, biased - 1_023),
    };
    if verb == 'b' {
        return format!("{mantissa}p{:+}", exponent - 52);
    }
    if mantissa == 0 {
        exponent = 0;
    }
    // Subnormal numbers are written with a leading one as well.
    while mantissa != 0 && mantissa >> 52 == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(places) = precision.filter(|places| *places < 13) {
        let dropped = 52 - 4 * places;
        let (half, rest) = (1_u64 << (dropped - 1), mantissa & ((1 << dropped) - 1));
        mantissa >>= dropped;
        // Halves go to the even neighbour.
        mantissa += u64::from(rest > half || (rest == half && mantissa & 1 == 1));
        mantissa <<= dropped;
        if mantissa >> 53 == 1 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let digits = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(places) => {
            let kept = digits.get(..places).unwrap_or(&digits);
            format!("{kept}{}", "0".repeat(places - kept.len()))
        }
    };
    let point = if digits.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("0x{}{point}{digits}p{sign}{:02}", mantissa >> 52, exponent.abs())
}

/// The shortest form that reads back as the same number, `%v` in Go.
pub(super) fn shortest(number: f64) -> String {
    let text = magnitude(number, 'g', None);
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

fn general(number: f64, precision: Option<usize>) -> String {
    // A precision of zero counts as one digit.
    let wanted = precision.map(|precision| precision.max(1));
    let (all, exponent) = digits(&scientific(number, wanted.map(|wanted| wanted - 1)));
    let significant = all.trim_end_matches('0');
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
