//! Go's rules for where one word of an action ends and the next may begin.
//!
//! `gotmpl` takes `print"a"`, `"a""b"`, `not+2` and `{{ print | }}` for what they seem to mean; Go refuses them, and a text that one
//! engine takes and the other does not is a trap for whoever edits it. So each action is walked here once before it is parsed.

use super::Source;
use super::scan::is_space;
use crate::error::ParseError;

/// Words that stand at the head of an action; anything may follow them.
const KEYWORDS: [&str; 10] = [
    "if", "else", "end", "range", "with", "define", "block", "template", "break", "continue",
];

/// What stands before the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing, a space, or the opening of a group: an operand may begin.
    Gap,
    /// A variable, after which a declaration may go on.
    Variable,
    /// Any other operand, which only a space, a field, a bar or a parenthesis may follow.
    Operand,
}

/// Checks the text between two delimiters, which starts at `at` in the source.
pub(super) fn check_terms(source: Source<'_>, at: usize, inside: &str) -> Result<(), ParseError> {
    let mut walk = Walk {
        source,
        at,
        text: inside,
        position: 0,
        before: Before::Gap,
        has_command: false,
        after_bar: false,
        awaits_name: false,
    };
    while walk.position < inside.len() {
        walk.token()?;
    }
    walk.command_is_there()
}

struct Walk<'a> {
    source: Source<'a>,
    at: usize,
    text: &'a str,
    position: usize,
    before: Before,
    /// The command being read has a word.
    has_command: bool,
    /// The command being read follows a bar. Go takes a bar at the end of an action; it is a mistake all the same.
    after_bar: bool,
    /// The next string is the name of a template, which anything may follow.
    awaits_name: bool,
}

impl Walk<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error(&self, text: impl Into<String>) -> ParseError {
        self.source.syntax(self.at + self.position, text)
    }

    fn unexpected(&self, found: &str) -> ParseError {
        let context = if self.has_command { "operand" } else { "command" };
        match found {
            "." => self.error(format!("unexpected <.> in {context}")),
            found => self.error(format!("unexpected {found:?} in {context}")),
        }
    }

    fn command_is_there(&self) -> Result<(), ParseError> {
        if self.after_bar && !self.has_command {
            return Err(self.error("missing value for command"));
        }
        Ok(())
    }

    fn token(&mut self) -> Result<(), ParseError> {
        let Some(c) = self.peek() else { return Ok(()) };
        match c {
            ' ' | '\t' | '\r' | '\n' => self.step(1, Before::Gap),
            '|' => {
                if !self.has_command {
                    return Err(self.unexpected("|"));
                }
                (self.has_command, self.after_bar) = (false, true);
                self.step(1, Before::Gap);
            }
            '(' => {
                self.operand_may_begin("(")?;
                (self.has_command, self.after_bar) = (false, false);
                self.step(1, Before::Gap);
            }
            ')' => {
                self.command_is_there()?;
                self.has_command = true;
                self.step(1, Before::Operand);
            }
            ',' | ':' | '=' => self.declaration(c)?,
            '"' | '\'' | '`' => self.quoted(c)?,
            '$' => self.word(1, Before::Variable)?,
            '.' if !self
                .text
                .as_bytes()
                .get(self.position + 1)
                .is_some_and(u8::is_ascii_digit) =>
            {
                self.field()?
            }
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            c if is_word(c) => self.word(0, Before::Operand)?,
            c => return Err(self.unexpected(&c.to_string())),
        }
        Ok(())
    }

    fn step(&mut self, bytes: usize, before: Before) {
        self.position += bytes;
        self.before = before;
    }

    fn operand_may_begin(&mut self, found: &str) -> Result<(), ParseError> {
        if self.before != Before::Gap {
            return Err(self.unexpected(found));
        }
        self.has_command = true;
        Ok(())
    }

    fn declaration(&mut self, c: char) -> Result<(), ParseError> {
        if self.before == Before::Operand {
            return Err(self.unexpected(&c.to_string()));
        }
        let length = match c {
            ':' if self.rest().starts_with(":=") => 2,
            ':' => return Err(self.error("expected :=")),
            _ => 1,
        };
        self.step(length, Before::Gap);
        Ok(())
    }

    fn quoted(&mut self, quote: char) -> Result<(), ParseError> {
        let mut escaped = false;
        let body = self.rest().get(1..).unwrap_or_default();
        let length = body.find(|c: char| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped && quote != '`';
            ends
        });
        let length = length.map_or(body.len() + 1, |length| length + 2);
        let found = self.rest().get(..length).unwrap_or_default().to_owned();
        self.operand_may_begin(&found)?;
        let named = std::mem::take(&mut self.awaits_name);
        let before = if named { Before::Gap } else { Before::Operand };
        self.step(length, before);
        Ok(())
    }

    /// A dot or a field, which may follow an operand immediately.
    fn field(&mut self) -> Result<(), ParseError> {
        let is_dot = !self.rest().chars().nth(1).is_some_and(is_word);
        if is_dot && self.before != Before::Gap {
            return Err(self.unexpected("."));
        }
        self.has_command = true;
        if is_dot && self.rest().starts_with("..") {
            return Err(self.error("unexpected . after term \".\""));
        }
        self.word(1, Before::Operand)
    }

    /// A name with `prefix` bytes before it; it must end where Go lets a word end.
    fn word(&mut self, prefix: usize, before: Before) -> Result<(), ParseError> {
        let body = self.rest().get(prefix..).unwrap_or_default();
        let length = body.find(|c| !is_word(c)).unwrap_or(body.len());
        let name = body.get(..length).unwrap_or_default();
        let is_keyword = prefix == 0 && KEYWORDS.contains(&name);
        let takes_name = matches!(name, "define" | "block" | "template");
        if !self.rest().starts_with('.') {
            let found = self.rest().get(..prefix + length).unwrap_or_default().to_owned();
            self.operand_may_begin(&found)?;
        }
        self.awaits_name = is_keyword && takes_name;
        self.has_command &= !is_keyword;
        self.step(prefix + length, if is_keyword { Before::Gap } else { before });
        match self.peek() {
            Some(c) if !ends_word(c) => Err(self.error(format!("bad character U+{:04X} {:?}", u32::from(c), c))),
            _ => Ok(()),
        }
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let length = number_length(self.rest());
        let found = self.rest().get(..length).unwrap_or_default().to_owned();
        self.operand_may_begin(&found)?;
        self.step(length, Before::Operand);
        let bad = match self.peek() {
            Some('i') => return Err(self.error("complex numbers are not supported")),
            Some('+' | '-') => number_length(self.rest()),
            Some(c) if is_word(c) => c.len_utf8(),
            _ => return Ok(()),
        };
        let bad = self.rest().get(..bad).unwrap_or_default();
        Err(self.error(format!("bad number syntax: {:?}", found + bad)))
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn ends_word(c: char) -> bool {
    matches!(c, '.' | ',' | '|' | ':' | ')' | '(') || (c.is_ascii() && u8::try_from(c).is_ok_and(is_space))
}

/// How many bytes Go's scanner takes for a number, whether or not they are one.
fn number_length(text: &str) -> usize {
    let run = |text: &str, digits: &str| text.bytes().take_while(|b| digits.as_bytes().contains(b)).count();
    let after = |at: usize| text.get(at..).unwrap_or_default();
    let decimal = "0123456789_";
    let mut at = run(text.get(..1).unwrap_or_default(), "+-");
    let (digits, exponent) = match after(at).as_bytes() {
        [b'0', b'x' | b'X', ..] => ("0123456789abcdefABCDEF_", "pP"),
        [b'0', b'o' | b'O', ..] => ("01234567_", ""),
        [b'0', b'b' | b'B', ..] => ("01_", ""),
        _ => (decimal, "eE"),
    };
    if digits != decimal {
        at += 2;
    }
    at += run(after(at), digits);
    if after(at).starts_with('.') {
        at += 1;
        at += run(after(at), digits);
    }
    if run(after(at).get(..1).unwrap_or_default(), exponent) == 1 {
        at += 1;
        at += run(after(at).get(..1).unwrap_or_default(), "+-");
        at += run(after(at), decimal);
    }
    at
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn check(inside: &str, expected: Option<&str>) {
        let name: Arc<str> = "t".into();
        let source = Source {
            name: &name,
            text: inside,
        };
        let found = check_terms(source, 0, inside).err().map(|error| error.kind.to_string());
        assert_eq!(found.as_deref(), expected, "{inside}");
    }

    #[test]
    fn words_end_where_go_lets_them_end() {
        for fine in [
            " $x, $y := .a ",
            "$x:= 1",
            "if(eq .a 1)",
            "print (index .a 1).b.c",
            "(.a)|print",
            "`a`|print 1 -2 +3 0x1p-2 1_000 .5 'a' \"a \\\" b\"",
            ".a.b|print|len",
            "else if .x",
            "template \"a\" .",
            "template \"a\"$x",
            "$.a",
            "-1",
        ] {
            check(fine, None);
        }
        for (text, complaint) in [
            ("upper\"x\"", "bad character U+0022 '\"'"),
            ("if\"x\"", "bad character U+0022 '\"'"),
            ("not+2", "bad character U+002B '+'"),
            ("$x=1", "bad character U+003D '='"),
            ("print \"a\"\"b\"", "unexpected \"\\\"b\\\"\" in operand"),
            ("print(1)", "unexpected \"(\" in operand"),
            ("print (1)(2)", "unexpected \"(\" in operand"),
            (".a.1", "unexpected \".1\" in operand"),
            ("print | ", "missing value for command"),
            ("print | | print", "unexpected \"|\" in command"),
            ("| print", "unexpected \"|\" in command"),
            ("print #", "unexpected \"#\" in operand"),
            ("(print |) 1", "missing value for command"),
            ("print ..a", "unexpected . after term \".\""),
            ("(.a).", "unexpected <.> in operand"),
            ("1x", "bad number syntax: \"1x\""),
            ("1i", "complex numbers are not supported"),
            ("1+2", "bad number syntax: \"1+2\""),
            ("$x : 1", "expected :="),
            ("#", "unexpected \"#\" in command"),
            ("(#", "unexpected \"#\" in command"),
            ("1,2", "unexpected \",\" in operand"),
        ] {
            check(text, Some(complaint));
        }
    }
}
