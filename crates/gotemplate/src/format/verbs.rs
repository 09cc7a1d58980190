//! Go's `Sprintf`: flags, width, precision, argument indexes, and its own error forms inside the text.

use super::Sink;
use super::float::{binary, magnitude, sharpened};
use super::integer;
use super::quote::{is_printable, quote};
use crate::limits::LimitExceeded;
use crate::value::Value;

/// Go takes no larger width, precision or argument index.
const MOST: usize = 1_000_000;

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`: the names of fields instead of a sign.
    names: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The arguments and how far they are used up.
struct Arguments<'a> {
    values: &'a [Value],
    next: usize,
    reordered: bool,
    good_index: bool,
}

/// The format's text with the arguments put in.
pub(crate) fn printf(sink: &mut Sink, format: &str, values: &[Value]) -> Result<(), LimitExceeded> {
    let mut arguments = Arguments {
        values,
        next: 0,
        reordered: false,
        good_index: true,
    };
    let mut rest = format;
    let mut any_reordered = false;
    while let Some(percent) = rest.find('%') {
        sink.push(rest.get(..percent).unwrap_or_default())?;
        rest = rest.get(percent + 1..).unwrap_or_default();
        arguments.good_index = true;
        arguments.reordered = false;
        rest = directive(sink, rest, &mut arguments)?;
        any_reordered |= arguments.reordered;
    }
    sink.push(rest)?;
    if !any_reordered && arguments.next < values.len() {
        extra(sink, values.get(arguments.next..).unwrap_or_default())?;
    }
    Ok(())
}

/// `%v` of an operand of `print` and the like, with the mark of a pointer.
pub(super) fn write_operand(sink: &mut Sink, value: &Value) -> Result<(), LimitExceeded> {
    match value {
        Value::Function(_) => sink.push("func"),
        value => write_value(sink, value, 'v', Flags::default(), 0),
    }
}

fn extra(sink: &mut Sink, values: &[Value]) -> Result<(), LimitExceeded> {
    sink.push("%!(EXTRA ")?;
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            sink.push(", ")?;
        }
        match value {
            Value::Nil => sink.push("<nil>")?,
            value => {
                sink.push(&value.type_name())?;
                sink.push("=")?;
                write_operand(sink, value)?;
            }
        }
    }
    sink.push(")")
}

/// One directive after its percent sign; gives what follows it.
fn directive<'a>(sink: &mut Sink, mut rest: &'a str, arguments: &mut Arguments<'_>) -> Result<&'a str, LimitExceeded> {
    let mut flags = Flags::default();
    while let Some(flag) = rest.chars().next().filter(|c| "+-# 0".contains(*c)) {
        match flag {
            '+' => flags.plus = true,
            '-' => flags.minus = true,
            '#' => flags.sharp = true,
            ' ' => flags.space = true,
            _ => flags.zero = true,
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut after_index = false;
    rest = argument_index(rest, arguments, &mut after_index);
    if let Some(after) = rest.strip_prefix('*') {
        rest = after;
        match star(arguments) {
            Some(width) => {
                flags.minus |= width < 0;
                flags.width = usize::try_from(width.unsigned_abs()).ok();
            }
            None => sink.push("%!(BADWIDTH)")?,
        }
        after_index = false;
    } else {
        let (width, after) = number(rest);
        flags.width = width;
        rest = after;
        if after_index && width.is_some() {
            arguments.good_index = false;
        }
    }
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        if after_index {
            arguments.good_index = false;
        }
        rest = argument_index(rest, arguments, &mut after_index);
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            match star(arguments) {
                Some(precision) if precision >= 0 => flags.precision = usize::try_from(precision).ok(),
                _ => sink.push("%!(BADPREC)")?,
            }
            after_index = false;
        } else {
            let (precision, after) = number(rest);
            flags.precision = Some(precision.unwrap_or(0));
            rest = after;
        }
    }
    if !after_index {
        rest = argument_index(rest, arguments, &mut after_index);
    }
    let mut characters = rest.chars();
    let Some(verb) = characters.next() else {
        sink.push("%!(NOVERB)")?;
        return Ok("");
    };
    conversion(sink, verb, flags, arguments)?;
    Ok(characters.as_str())
}

fn conversion(sink: &mut Sink, verb: char, flags: Flags, arguments: &mut Arguments<'_>) -> Result<(), LimitExceeded> {
    if verb == '%' {
        return sink.push("%");
    }
    if !arguments.good_index {
        return sink.push(&format!("%!{verb}(BADINDEX)"));
    }
    match arguments.values.get(arguments.next) {
        None => sink.push(&format!("%!{verb}(MISSING)")),
        Some(value) => {
            arguments.next += 1;
            let names = flags.plus && verb == 'v';
            let flags = Flags {
                zero: flags.zero && !flags.minus,
                plus: flags.plus && !names,
                names,
                ..flags
            };
            write_value(sink, value, verb, flags, 0)
        }
    }
}

fn star(arguments: &mut Arguments<'_>) -> Option<i64> {
    let value = arguments.values.get(arguments.next)?;
    arguments.next += 1;
    let number = match value {
        Value::Int(number) => *number,
        Value::Uint(number) => i64::try_from(*number).ok()?,
        _ => return None,
    };
    (number.unsigned_abs() <= MOST as u64).then_some(number)
}

/// Leading digits. After a number that is too large nothing is read any more, as in Go.
fn number(text: &str) -> (Option<usize>, &str) {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    match digits.parse() {
        Ok(number) if number > MOST => (None, ""),
        Err(_) if !digits.is_empty() => (None, ""),
        number => (number.ok(), rest),
    }
}

/// `[3]`: the next argument is the third.
fn argument_index<'a>(text: &'a str, arguments: &mut Arguments<'_>, found: &mut bool) -> &'a str {
    let Some(inside) = text.strip_prefix('[') else {
        return text;
    };
    arguments.reordered = true;
    let Some((index, rest)) = inside.split_once(']') else {
        arguments.good_index = false;
        return inside;
    };
    match index.parse::<usize>() {
        Ok(index) if index >= 1 && index <= arguments.values.len() => {
            arguments.next = index - 1;
            *found = true;
        }
        _ => arguments.good_index = false,
    }
    rest
}

/// Pads what is printed so far to the width.
fn pad(sink: &mut Sink, text: &str, flags: Flags, zero: bool) -> Result<(), LimitExceeded> {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return sink.push(text);
    }
    if flags.minus {
        sink.push(text)?;
        return sink.push(&" ".repeat(missing));
    }
    sink.push(&if zero { "0" } else { " " }.repeat(missing))?;
    sink.push(text)
}

fn write_value(sink: &mut Sink, value: &Value, verb: char, flags: Flags, depth: usize) -> Result<(), LimitExceeded> {
    match (verb, value) {
        ('T', value) => return write_string(sink, &value.type_name(), 's', flags, value),
        ('v', Value::Nil) => return pad(sink, "<nil>", flags, false),
        (_, Value::Nil) => return sink.push(&format!("%!{verb}(<nil>)")),
        _ => {}
    }
    match value {
        Value::Bool(value) if matches!(verb, 't' | 'v') => pad(sink, &value.to_string(), flags, flags.zero),
        Value::Int(number) => write_integer(sink, number.unsigned_abs(), *number < 0, verb, flags, value),
        Value::Uint(number) => write_integer(sink, *number, false, verb, flags, value),
        Value::Float(number) => write_float(sink, *number, verb, flags, value),
        Value::String(text) => write_string(sink, text, verb, flags, value),
        Value::Object(object) => {
            // The mark of a pointer, which Go puts before outermost ones.
            if depth == 0 && object.type_name().starts_with('*') {
                sink.push("&")?;
            }
            write_compound(sink, value, verb, flags, depth)
        }
        Value::List(_) | Value::Map(_) => write_compound(sink, value, verb, flags, depth),
        _ => bad_verb(sink, value, verb, flags),
    }
}

/// Go's complaint inside the text; the value keeps its flags.
fn bad_verb(sink: &mut Sink, value: &Value, verb: char, flags: Flags) -> Result<(), LimitExceeded> {
    sink.push(&format!("%!{verb}({}=", value.type_name()))?;
    if matches!(value, Value::Function(_)) {
        sink.push("func")?;
    } else {
        let flags = Flags { sharp: false, ..flags };
        write_value(sink, value, 'v', flags, 0)?;
    }
    sink.push(")")
}

fn write_integer(
    sink: &mut Sink,
    magnitude: u64,
    negative: bool,
    verb: char,
    flags: Flags,
    value: &Value,
) -> Result<(), LimitExceeded> {
    match verb {
        'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' => {}
        'c' | 'q' | 'U' => return write_code_point(sink, magnitude, negative, verb, flags),
        _ => return bad_verb(sink, value, verb, flags),
    }
    // %#v of an unsigned number is hexadecimal.
    let verb = if verb == 'v' && flags.sharp && matches!(value, Value::Uint(_)) {
        'x'
    } else {
        verb
    };
    let mut digits = integer::digits(magnitude, verb);
    let sign = sign(negative, flags);
    let prefix = integer::prefix(verb, flags.sharp, &digits);
    if flags.precision == Some(0) && magnitude == 0 {
        return pad(sink, "", flags, false);
    }
    let least = match (flags.precision, flags.width) {
        (Some(precision), _) => precision,
        // Zeros fill up to the width; a prefix comes on top of it, as in Go.
        (None, Some(width)) if flags.zero => width.saturating_sub(sign.len()),
        _ => 0,
    };
    if digits.len() < least {
        let zeros = "0".repeat(least - digits.len());
        digits.insert_str(0, &zeros);
    }
    let prefix = if verb == 'o' && digits.starts_with('0') {
        ""
    } else {
        prefix
    };
    pad(sink, &format!("{sign}{prefix}{digits}"), flags, false)
}

fn sign(negative: bool, flags: Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn write_code_point(
    sink: &mut Sink,
    magnitude: u64,
    negative: bool,
    verb: char,
    flags: Flags,
) -> Result<(), LimitExceeded> {
    let code = u32::try_from(magnitude)
        .ok()
        .filter(|_| !negative)
        .and_then(char::from_u32);
    let c = code.unwrap_or(char::REPLACEMENT_CHARACTER);
    let text = match verb {
        'c' => c.to_string(),
        'q' => quote(c.encode_utf8(&mut [0; 4]), '\'', flags.plus),
        _ => {
            let digits = flags.precision.unwrap_or(4).max(4);
            let mut text = format!("{magnitude:X}");
            text.insert_str(0, &("U+".to_owned() + &"0".repeat(digits.saturating_sub(text.len()))));
            if flags.sharp && code.is_some_and(is_printable) {
                text.push_str(&format!(" '{c}'"));
            }
            text
        }
    };
    pad(sink, &text, flags, flags.zero && verb != 'U')
}

fn write_float(sink: &mut Sink, number: f64, verb: char, flags: Flags, value: &Value) -> Result<(), LimitExceeded> {
    let (form, precision) = match verb {
        'x' | 'X' | 'b' => (verb, flags.precision),
        'v' | 'g' | 'G' => ('g', flags.precision),
        'e' | 'E' => ('e', Some(flags.precision.unwrap_or(6))),
        'f' | 'F' => ('f', Some(flags.precision.unwrap_or(6))),
        _ => return bad_verb(sink, value, verb, flags),
    };
    let mut digits = match form {
        'x' | 'X' | 'b' => binary(number, form, precision),
        form => magnitude(number, form, precision),
    };
    if flags.sharp && number.is_finite() && matches!(form, 'e' | 'f' | 'g') && verb != 'v' {
        digits = sharpened(&digits, form, precision);
    }
    if verb.is_ascii_uppercase() && number.is_finite() {
        digits.make_ascii_uppercase();
    }
    let infinite = number.is_infinite();
    let sign = if number.is_nan() {
        if flags.plus { "+" } else { "" }
    } else if infinite && number > 0.0 && !flags.space {
        "+"
    } else {
        sign(number.is_sign_negative(), flags)
    };
    if flags.zero && number.is_finite() {
        let width = flags.width.unwrap_or(0).saturating_sub(sign.len());
        let zeros = "0".repeat(width.saturating_sub(digits.len()));
        return pad(sink, &format!("{sign}{zeros}{digits}"), flags, false);
    }
    pad(sink, &format!("{sign}{digits}"), flags, false)
}

fn write_string(sink: &mut Sink, text: &str, verb: char, flags: Flags, value: &Value) -> Result<(), LimitExceeded> {
    let cut = match flags.precision {
        Some(precision) if !matches!(verb, 'x' | 'X') => {
            let end = text.char_indices().nth(precision).map_or(text.len(), |(at, _)| at);
            text.get(..end).unwrap_or(text)
        }
        _ => text,
    };
    match verb {
        'v' if flags.sharp => pad(sink, &quote(cut, '"', false), flags, flags.zero),
        'v' | 's' => pad(sink, cut, flags, flags.zero),
        'q' if flags.sharp && !cut.contains('`') && cut.chars().all(|c| c == '\t' || is_printable(c)) => {
            pad(sink, &format!("`{cut}`"), flags, flags.zero)
        }
        'q' => pad(sink, &quote(cut, '"', flags.plus), flags, flags.zero),
        'x' | 'X' => pad(sink, &hexadecimal(text, verb, flags), flags, flags.zero),
        _ => bad_verb(sink, value, verb, flags),
    }
}

fn hexadecimal(text: &str, verb: char, flags: Flags) -> String {
    let prefix = match (flags.sharp, verb) {
        (false, _) => "",
        (true, 'X') => "0X",
        (true, _) => "0x",
    };
    let bytes = text.as_bytes();
    let bytes = bytes
        .get(..flags.precision.unwrap_or(bytes.len()).min(bytes.len()))
        .unwrap_or(bytes);
    let mut encoded = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if flags.space && at > 0 {
            encoded.push(' ');
        }
        if at == 0 || flags.space {
            encoded.push_str(prefix);
        }
        encoded.push_str(&if verb == 'X' {
            format!("{byte:02X}")
        } else {
            format!("{byte:02x}")
        });
    }
    encoded
}

/// `%v` of a list, map, object or function.
pub(super) fn write_plain_compound(sink: &mut Sink, value: &Value) -> Result<(), LimitExceeded> {
    match value {
        Value::Function(_) => sink.push("func"),
        other => write_compound(sink, other, 'v', Flags::default(), 0),
    }
}

/// An object that contains itself would be printed without end; deeper than this it is cut.
const MOST_DEEP: usize = 100;

fn write_compound(sink: &mut Sink, value: &Value, verb: char, flags: Flags, depth: usize) -> Result<(), LimitExceeded> {
    if depth > MOST_DEEP {
        return sink.push("...");
    }
    let go_syntax = verb == 'v' && flags.sharp;
    let element = |sink: &mut Sink, item: &Value| match item {
        Value::Nil => sink.push(if go_syntax { "interface {}(nil)" } else { "<nil>" }),
        item => write_value(sink, item, verb, flags, depth + 1),
    };
    let separator = if go_syntax { ", " } else { " " };
    let (open, close) = match (value, go_syntax) {
        (Value::List(_), false) => ("[".to_owned(), "]"),
        (Value::Map(_), false) => ("map[".to_owned(), "]"),
        (_, false) => ("{".to_owned(), "}"),
        (value, true) => (value.type_name().trim_start_matches('*').to_owned() + "{", "}"),
    };
    sink.push(&open)?;
    let mut first = true;
    let mut next = |sink: &mut Sink| {
        if std::mem::take(&mut first) {
            Ok(())
        } else {
            sink.push(separator)
        }
    };
    match value {
        Value::List(list) => {
            for item in list.items() {
                next(sink)?;
                element(sink, item)?;
            }
        }
        Value::Map(map) => {
            for (key, item) in map.entries() {
                next(sink)?;
                write_value(sink, &Value::String(key.clone()), verb, flags, depth + 1)?;
                sink.push(":")?;
                element(sink, item)?;
            }
        }
        Value::Object(object) => {
            for name in object.field_names() {
                next(sink)?;
                if go_syntax || flags.names {
                    sink.push(name)?;
                    sink.push(":")?;
                }
                element(sink, &object.field(name).unwrap_or_default())?;
            }
        }
        _ => {}
    }
    sink.push(close)
}
