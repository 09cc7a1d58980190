//! The value of `continue`: where a next page starts, closed to callers.

use std::fmt::Write as _;

/// First byte of every cursor, so that a later form can be told apart.
const FORM: char = '1';
/// Longest cursor that is looked at; ids have at most 253 bytes.
const MAX_CURSOR: usize = 1024;

/// The cursor for a page that starts after `key`.
#[must_use]
pub fn encode_cursor(key: &str) -> String {
    let mut text = String::from(FORM);
    for byte in key.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The key inside a cursor, or nothing when the text is not a cursor. Keys are printable ASCII, as all ids are.
#[must_use]
pub fn decode_cursor(text: &str) -> Option<String> {
    let digits = text
        .strip_prefix(FORM)
        .filter(|d| !d.is_empty() && d.len() <= MAX_CURSOR)?;
    if digits.len() % 2 != 0 || !digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return None;
    }
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|i| digits.get(i..i + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes)
        .ok()
        .filter(|key| !key.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_nothing_else_is_taken() {
        for key in ["aws:1:r:kube-1", "17"] {
            assert_eq!(decode_cursor(&encode_cursor(key)).as_deref(), Some(key));
        }
        for wrong in [
            "",
            "1",
            "2aa",
            "1a",
            "1zz",
            "1FF",
            "1ff",
            "100",
            "10a",
            "1+1",
            &format!("1{}", "aa".repeat(600)),
        ] {
            assert_eq!(decode_cursor(wrong), None, "{wrong}");
        }
    }
}
