//! Integers in other bases.

/// The magnitude's digits in a base.
pub(super) fn digits(magnitude: u64, verb: char) -> String {
    match verb {
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        _ => magnitude.to_string(),
    }
}

/// What stands before the digits: `%#x` gives `0x`, `%O` always `0o`.
pub(super) fn prefix(verb: char, sharp: bool, digits: &str) -> &'static str {
    match verb {
        'O' => "0o",
        'b' if sharp => "0b",
        'o' if sharp && !digits.starts_with('0') => "0",
        'x' if sharp => "0x",
        'X' if sharp => "0X",
        _ => "",
    }
}
