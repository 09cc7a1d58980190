//! Go's quoted strings.

/// Whether Go prints the character as it is. The space is the only space among them.
pub(super) fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_ascii() => false,
        c => c.escape_debug().eq([c]),
    }
}

/// `%q`: the text in double quotes with escapes; with `ascii` every other character is escaped as well.
pub(super) fn quote(text: &str, delimiter: char, ascii: bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(delimiter);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            c if c == delimiter => {
                quoted.push('\\');
                quoted.push(c);
            }
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if is_printable(c) && (c.is_ascii() || !ascii) => quoted.push(c),
            c => quoted.push_str(&escaped(u32::from(c))),
        }
    }
    quoted.push(delimiter);
    quoted
}

fn escaped(code: u32) -> String {
    match code {
        0..=0x7f => format!("\\x{code:02x}"),
        0x80..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    }
}
