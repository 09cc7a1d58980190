//! The `format`s of strings that the API server checks in custom resources.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether `text` has the format. Formats that are not known say nothing.
pub(super) fn holds(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "byte" => base64(text),
        "uuid" => uuid(text, None),
        "uuid3" => uuid(text, Some(b'3')),
        "uuid4" => uuid(text, Some(b'4')),
        "uuid5" => uuid(text, Some(b'5')),
        "uri" => uri(text),
        "hostname" => hostname(text),
        "email" => email(text),
        "mac" => mac(text),
        "duration" => duration(text),
        "isbn" => isbn10(text) || isbn13(text),
        "isbn10" => isbn10(text),
        "isbn13" => isbn13(text),
        "creditcard" => creditcard(text),
        "ssn" => ssn(text),
        "hexcolor" => {
            matches!(text.trim_start_matches('#').len(), 3 | 6) && hex(text.strip_prefix('#').unwrap_or(text))
        }
        "rgbcolor" => rgb(text),
        "bsonobjectid" => text.len() == 24 && hex(text),
        "k8s-short-name" => text.len() <= 63 && label(text),
        "k8s-long-name" => text.len() <= 253 && text.split('.').all(label),
        _ => true,
    }
}

fn hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A DNS label in lower case.
fn label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(inner)
}

fn cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let Ok(length) = length.parse::<u8>() else { return false };
    (address.parse::<Ipv4Addr>().is_ok() && length <= 32) || (address.parse::<Ipv6Addr>().is_ok() && length <= 128)
}

fn base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(inner)
}

/// Hyphens are optional, one by one. The versions 4 and 5 have a variant as well.
fn uuid(text: &str, version: Option<u8>) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut rest = text;
    for length in [8, 4, 4, 4, 12] {
        match rest.get(..length) {
            Some(part) if hex(part) => rest = rest.get(length..).unwrap_or_default(),
            _ => return false,
        }
        rest = if length == 12 {
            rest
        } else {
            rest.strip_prefix('-').unwrap_or(rest)
        };
    }
    let variant = |byte: &u8| matches!(byte.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b');
    rest.is_empty()
        && version.is_none_or(|version| {
            digits.get(12) == Some(&version) && (version == b'3' || digits.get(16).is_some_and(variant))
        })
}

/// An absolute URI, or a path from the root.
fn uri(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    };
    let plain = !text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ');
    plain && (text.starts_with('/') || text.split_once(':').is_some_and(|(before, _)| scheme(before)))
}

/// One label, or labels and a top-level domain of at least two letters.
fn hostname(text: &str) -> bool {
    let part = |part: &str| {
        let inner = |c: char| c.is_alphanumeric() || c == '-';
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(inner)
    };
    match text.rsplit_once('.') {
        None => part(text),
        Some((labels, top)) => {
            text.len() <= 253 && labels.split('.').all(part) && top.len() >= 2 && top.chars().all(char::is_alphabetic)
        }
    }
}

/// An address as mail headers have it, with or without a name before it.
fn email(text: &str) -> bool {
    let address = match text.trim().strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<').map_or("", |(_, address)| address),
        None => text.trim(),
    };
    let part = |part: &str| {
        !part.is_empty() && !part.contains([' ', '<', '>', '@', ',']) && part.split('.').all(|s| !s.is_empty())
    };
    address
        .split_once('@')
        .is_some_and(|(name, host)| part(name) && part(host))
}

/// Six or eight bytes with colons or hyphens between them, or groups of two bytes with dots.
fn mac(text: &str) -> bool {
    let groups = |separator: char, length: usize, counts: [usize; 2]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len()) && parts.iter().all(|part| part.len() == length && hex(part))
    };
    groups(':', 2, [6, 8]) || groups('-', 2, [6, 8]) || groups('.', 4, [3, 4])
}

/// `1h30m` as in Go, or a number with a unit in words such as `5 days`.
fn duration(text: &str) -> bool {
    const UNITS: [&str; 20] = [
        "ns", "us", "\u{b5}s", "ms", "s", "m", "h", "d", "w", "nano", "micro", "milli", "sec", "second", "min",
        "minute", "hr", "hour", "day", "week",
    ];
    let mut rest = text.trim().trim_start_matches(['-', '+']);
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let word = unit.trim_start();
        let next = word.trim_start_matches(|c: char| c.is_alphabetic());
        let name = word.strip_suffix(next).unwrap_or_default();
        let known = UNITS.contains(&name) || name.strip_suffix('s').is_some_and(|name| UNITS.contains(&name));
        if unit.len() == rest.len() || !known {
            return rest == "0";
        }
        rest = next.trim_start();
    }
    true
}

/// The digits of a number that may have hyphens or blanks in it; `None` when there is anything else.
fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars()
        .filter(|c| !matches!(c, '-' | ' '))
        .map(|c| c.to_digit(10))
        .collect()
}

fn isbn10(text: &str) -> bool {
    let (body, last) = match text.strip_suffix(['X', 'x']) {
        Some(body) => (body, Some(10)),
        None => (text, None),
    };
    let Some(mut digits) = digits(body) else { return false };
    digits.extend(last);
    digits.len() == 10
        && digits
            .iter()
            .zip(1..)
            .map(|(digit, weight)| digit * weight)
            .sum::<u32>()
            % 11
            == 0
}

fn isbn13(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let weighted = digits
        .iter()
        .zip([1, 3].iter().cycle())
        .map(|(digit, weight)| digit * weight);
    digits.len() == 13 && weighted.sum::<u32>() % 10 == 0
}

/// The sum of Luhn.
fn creditcard(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    let doubled = |(place, digit): (usize, &u32)| match (place % 2, digit * 2) {
        (0, _) => *digit,
        (_, twice) if twice > 9 => twice - 9,
        (_, twice) => twice,
    };
    (13..=16).contains(&digits.len()) && digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

fn ssn(text: &str) -> bool {
    let digit = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split(['-', ' ']).collect();
    match parts.as_slice() {
        [a, b, c] => digit(a, 3) && digit(b, 2) && digit(c, 4),
        [all] => digit(all, 9),
        _ => false,
    }
}

fn rgb(text: &str) -> bool {
    let inner = text
        .strip_prefix("rgb(")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or_default();
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    let number = |part: &&str| part.trim_end_matches('%').parse::<u8>().is_ok();
    parts.len() == 3 && parts.iter().all(number)
}
