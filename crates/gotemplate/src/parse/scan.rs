//! Cuts a template into texts and actions, with Go's rules for trim markers and comments.

use super::Source;
use crate::error::ParseError;

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text between actions, already trimmed, never empty.
    Text(&'a str),
    /// What stands between the delimiters, without trim markers.
    Action {
        /// Where the inside starts.
        at: usize,
        inside: &'a str,
    },
}

/// Go's notion of space; anything else, such as a no-break space, is text.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches([' ', '\t', '\r', '\n'])
}

/// The pieces in order.
pub(super) fn pieces<'a>(source: Source<'a>) -> Result<Vec<Piece<'a>>, ParseError> {
    let text = source.text;
    let mut found = Vec::new();
    let mut position = 0;
    let mut trim_next = false;
    while position < text.len() {
        let rest = text.get(position..).unwrap_or_default();
        let open = rest.find("{{");
        let mut before = rest.get(..open.unwrap_or(rest.len())).unwrap_or_default();
        let mut inner_start = position + before.len() + 2;
        let left_trim = open.is_some() && starts_with_left_trim(text, inner_start);
        if trim_next {
            before = trim_start(before);
        }
        if left_trim {
            before = trim_end(before);
            inner_start += 2;
        }
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        if open.is_none() {
            break;
        }
        let inner = text.get(inner_start..).unwrap_or_default();
        let end = if inner.starts_with("/*") {
            comment_end(source, inner_start)?
        } else {
            let end = action_end(source, inner_start)?;
            found.push(Piece::Action {
                at: inner_start,
                inside: text.get(inner_start..end.inside).unwrap_or_default(),
            });
            end
        };
        trim_next = end.trims;
        position = end.after;
    }
    Ok(found)
}

fn starts_with_left_trim(text: &str, at: usize) -> bool {
    match text.as_bytes().get(at..) {
        Some([b'-', next, ..]) => is_space(*next),
        _ => false,
    }
}

/// Where an action or comment ends.
struct End {
    inside: usize,
    after: usize,
    trims: bool,
}

/// The right delimiter at a place, with or without trim marker.
fn right_delimiter(text: &str, at: usize) -> Option<End> {
    match text.as_bytes().get(at..)? {
        [b'}', b'}', ..] => Some(End {
            inside: at,
            after: at + 2,
            trims: false,
        }),
        [space, b'-', b'}', b'}', ..] if is_space(*space) => Some(End {
            inside: at,
            after: at + 4,
            trims: true,
        }),
        _ => None,
    }
}

fn comment_end(source: Source<'_>, start: usize) -> Result<End, ParseError> {
    let length = source.text.get(start + 2..).unwrap_or_default().find("*/");
    let Some(length) = length else {
        return Err(source.syntax(start, "unclosed comment"));
    };
    let close = start + 2 + length + 2;
    right_delimiter(source.text, close).ok_or_else(|| source.syntax(close, "comment ends before closing delimiter"))
}

fn action_end(source: Source<'_>, start: usize) -> Result<End, ParseError> {
    let bytes = source.text.as_bytes();
    let mut at = start;
    loop {
        if let Some(end) = right_delimiter(source.text, at) {
            return Ok(end);
        }
        at = match bytes.get(at) {
            None => return Err(source.syntax(start.saturating_sub(2), "unclosed action")),
            Some(b'"') => quoted_end(source, at, b'"', "unterminated quoted string")?,
            Some(b'\'') => quoted_end(source, at, b'\'', "unterminated character constant")?,
            Some(b'`') => raw_end(source, at)?,
            Some(_) => at + 1,
        };
    }
}

/// The place after a quoted string or character constant.
fn quoted_end(source: Source<'_>, start: usize, quote: u8, complaint: &str) -> Result<usize, ParseError> {
    let bytes = source.text.as_bytes();
    let mut at = start + 1;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (None | Some(b'\n'), _) | (Some(b'\\'), None | Some(b'\n')) => return Err(source.syntax(start, complaint)),
            (Some(b'\\'), Some(_)) if !is_escape(bytes.get(at + 1..).unwrap_or_default(), quote) => {
                return Err(source.syntax(start, "invalid syntax"));
            }
            (Some(b'\\'), _) => at += 2,
            (Some(byte), _) if *byte == quote => return Ok(at + 1),
            _ => at += 1,
        }
    }
}

/// Whether this may follow a backslash; `gotmpl` would make something of an unknown or cut escape silently.
fn is_escape(after: &[u8], quote: u8) -> bool {
    let digits = |from: usize, count: usize, radix: u32| {
        let digits = after.get(from..from + count)?;
        let text = std::str::from_utf8(digits).ok()?;
        let all_digits = text.chars().all(|c| c.is_digit(radix));
        all_digits.then(|| u32::from_str_radix(text, radix).ok()).flatten()
    };
    match after.first() {
        Some(b'x') => digits(1, 2, 16).is_some(),
        Some(b'u') => digits(1, 4, 16).and_then(char::from_u32).is_some(),
        Some(b'U') => digits(1, 8, 16).and_then(char::from_u32).is_some(),
        Some(b'0'..=b'7') => digits(0, 3, 8).is_some_and(|code| code < 256),
        Some(byte) => *byte == quote || b"abfnrtv\\".contains(byte),
        None => false,
    }
}

fn raw_end(source: Source<'_>, start: usize) -> Result<usize, ParseError> {
    match source.text.get(start + 1..).unwrap_or_default().find('`') {
        Some(length) => Ok(start + 1 + length + 1),
        None => Err(source.syntax(start, "unterminated raw quoted string")),
    }
}

/// The place after the expression that starts here: a parenthesis with all inside it, a string, or a word.
pub(super) fn operand_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let skip_quoted = |from: usize, quote: u8| {
        let mut at = from + 1;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\\' if quote != b'`' => at += 2,
                byte if *byte == quote => return at + 1,
                _ => at += 1,
            }
        }
        bytes.len()
    };
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' | b'`' => {
                at = skip_quoted(at, *byte);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'(' => depth += 1,
            b')' if depth == 0 => return at,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'|' | b'}' | b',' | b'=' if depth == 0 => return at,
            byte if depth == 0 && is_space(*byte) => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let name: Arc<str> = "t".into();
        let found: Vec<String> = match pieces(Source { name: &name, text }) {
            Ok(pieces) => pieces
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.to_owned(),
                    Piece::Action { inside, .. } => format!("<{inside}>"),
                })
                .collect(),
            Err(error) => vec![error.to_string()],
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn trims_only_where_the_marker_stands() {
        check("a {{ b }} c", &["a ", "< b >", " c"]);
        check("a \n {{- b }} c", &["a", "<b >", " c"]);
        check("a {{ b -}} \n c", &["a ", "< b>", "c"]);
        check("a {{- /* x */}} c", &["a", " c"]);
        check("a {{/* x */ -}} c", &["a ", "c"]);
        check("a {{-3}}", &["a ", "<-3>"]);
        check("a\u{a0}{{- b -}}\u{a0}", &["a\u{a0}", "<b>", "\u{a0}"]);
        check("{{`}}`}}{{\"}}\"}}", &["<`}}`>", "<\"}}\">"]);
    }

    #[test]
    fn says_what_is_not_closed() {
        check("x\n {{ .a", &["template: t:2:1: unclosed action"]);
        check("{{ \"a\n\" }}", &["template: t:1:3: unterminated quoted string"]);
        check("{{ \"\\q\" }}", &["template: t:1:3: invalid syntax"]);
        check("{{ `a }}", &["template: t:1:3: unterminated raw quoted string"]);
        check("{{/* a }}", &["template: t:1:2: unclosed comment"]);
        check(
            "{{/* a */ }}",
            &["template: t:1:9: comment ends before closing delimiter"],
        );
    }

    #[test]
    fn finds_the_end_of_an_operand() {
        for (text, expected) in [("(a (b) \")\").c", 11), ("\"a b\" c", 5), ("abc d", 3), ("12|x", 2)] {
            assert_eq!(operand_end(text, 0), expected, "{text}");
        }
    }
}
