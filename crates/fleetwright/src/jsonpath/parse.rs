//! Reading templates.

use serde_json::Value;

use super::{Filter, Node, Operand, Operator, Path, Step};

/// Why a template was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("jsonpath, character {at}: {rule}")]
pub(crate) struct ParseError {
    at: usize,
    rule: &'static str,
}

struct Reader {
    text: Vec<char>,
    at: usize,
}

pub(super) fn template(text: &str) -> Result<Vec<Node>, ParseError> {
    let mut reader = Reader::new(text);
    let (nodes, ended) = reader.nodes()?;
    if ended {
        return Err(reader.error("{end} without {range}"));
    }
    Ok(nodes)
}

pub(super) fn path(text: &str) -> Result<Path, ParseError> {
    let inner = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(text);
    let needs_dot = !inner.starts_with(['.', '$', '@', '[']);
    let mut reader = Reader::new(&if needs_dot {
        format!(".{inner}")
    } else {
        inner.to_owned()
    });
    let path = reader.path()?;
    if reader.peek().is_some() {
        return Err(reader.error("nothing may follow the path"));
    }
    Ok(path)
}

impl Reader {
    fn new(text: &str) -> Self {
        Self {
            text: text.chars().collect(),
            at: 0,
        }
    }

    fn error(&self, rule: &'static str) -> ParseError {
        ParseError { at: self.at + 1, rule }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn take_text(&mut self, expected: &str) -> bool {
        let end = self.at + expected.chars().count();
        let found = self
            .text
            .get(self.at..end)
            .is_some_and(|chars| chars.iter().copied().eq(expected.chars()));
        if found {
            self.at = end;
        }
        found
    }

    fn need(&mut self, expected: char, rule: &'static str) -> Result<(), ParseError> {
        if self.take(expected) {
            Ok(())
        } else {
            Err(self.error(rule))
        }
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Nodes up to the end, or to `{end}`, which is told by the flag.
    fn nodes(&mut self) -> Result<(Vec<Node>, bool), ParseError> {
        let mut nodes = Vec::new();
        while let Some(c) = self.peek() {
            if c != '{' {
                let start = self.at;
                while self.peek().is_some_and(|c| c != '{') {
                    self.at += 1;
                }
                nodes.push(Node::Text(
                    self.text.get(start..self.at).unwrap_or_default().iter().collect(),
                ));
                continue;
            }
            self.at += 1;
            self.spaces();
            if self.take_text("end") {
                self.close()?;
                return Ok((nodes, true));
            }
            if self.take_text("range") {
                self.spaces();
                let path = self.path()?;
                self.close()?;
                let (body, ended) = self.nodes()?;
                if !ended {
                    return Err(self.error("{range} without {end}"));
                }
                nodes.push(Node::Range(path, body));
            } else if matches!(self.peek(), Some('"' | '\'')) {
                nodes.push(Node::Text(self.quoted()?));
                self.close()?;
            } else {
                nodes.push(Node::Path(self.path()?));
                self.close()?;
            }
        }
        Ok((nodes, false))
    }

    fn close(&mut self) -> Result<(), ParseError> {
        self.spaces();
        self.need('}', "expected }")
    }

    fn path(&mut self) -> Result<Path, ParseError> {
        let start = self.at;
        let from_root = self.take('$');
        if !from_root {
            self.take('@');
        }
        let mut steps = Vec::new();
        loop {
            if self.take_text("..") {
                steps.push(Step::Descend);
                if self.peek() != Some('[') {
                    steps.push(self.name()?);
                }
            } else if self.take('.') {
                if self.peek() == Some('[') {
                    continue;
                }
                if self.peek().is_none_or(|c| !is_name(c) && c != '*' && c != '\\') && steps.is_empty() {
                    // A lone dot is the present object.
                    break;
                }
                steps.push(self.name()?);
            } else if self.take('[') {
                steps.push(self.bracket()?);
            } else {
                break;
            }
        }
        if self.at == start {
            return Err(self.error("expected a path such as .items[*].id"));
        }
        Ok(Path { from_root, steps })
    }

    fn name(&mut self) -> Result<Step, ParseError> {
        if self.take('*') {
            return Ok(Step::All);
        }
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.at += 1;
                let escaped = self.peek().ok_or_else(|| self.error("a character must follow \\"))?;
                name.push(escaped);
            } else if is_name(c) {
                name.push(c);
            } else {
                break;
            }
            self.at += 1;
        }
        if name.is_empty() {
            Err(self.error("expected the name of a field"))
        } else {
            Ok(Step::Field(name))
        }
    }

    fn bracket(&mut self) -> Result<Step, ParseError> {
        self.spaces();
        let step = match self.peek() {
            Some('*') => {
                self.at += 1;
                Step::All
            }
            Some('?') => {
                self.at += 1;
                self.need('(', "expected ( after ?")?;
                let filter = self.filter()?;
                self.spaces();
                self.need(')', "expected ) after the filter")?;
                Step::Filter(filter)
            }
            Some('"' | '\'') => {
                let mut names = vec![self.quoted()?];
                loop {
                    self.spaces();
                    if !self.take(',') {
                        break;
                    }
                    self.spaces();
                    names.push(self.quoted()?);
                }
                Step::Fields(names)
            }
            _ => self.index()?,
        };
        self.spaces();
        self.need(']', "expected ]")?;
        Ok(step)
    }

    fn index(&mut self) -> Result<Step, ParseError> {
        let from = self.number()?;
        if !self.take(':') {
            return from
                .map(Step::Index)
                .ok_or_else(|| self.error("expected a number, *, ?( or a quoted name"));
        }
        let to = self.number()?;
        let by = if self.take(':') { self.number()? } else { None };
        Ok(Step::Slice(from, to, by.unwrap_or(1)))
    }

    fn number(&mut self) -> Result<Option<i64>, ParseError> {
        let start = self.at;
        self.take('-');
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Ok(None);
        }
        let digits: String = self.text.get(start..self.at).unwrap_or_default().iter().collect();
        digits.parse().map(Some).map_err(|_| self.error("expected a number"))
    }

    fn filter(&mut self) -> Result<Filter, ParseError> {
        let left = self.operand()?;
        self.spaces();
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        for (text, operator) in operators {
            if self.take_text(text) {
                return Ok(Filter {
                    left,
                    comparison: Some((operator, self.operand()?)),
                });
            }
        }
        Ok(Filter { left, comparison: None })
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        self.spaces();
        match self.peek() {
            Some('@' | '$' | '.') => self.path().map(Operand::Path),
            Some('"' | '\'') => self.quoted().map(|text| Operand::Literal(Value::String(text))),
            _ => {
                let start = self.at;
                while self
                    .peek()
                    .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+'))
                {
                    self.at += 1;
                }
                let word: String = self.text.get(start..self.at).unwrap_or_default().iter().collect();
                let literal = serde_json::from_str(&word);
                literal
                    .map(Operand::Literal)
                    .map_err(|_| self.error("expected a path, a quoted text or a number"))
            }
        }
    }

    fn quoted(&mut self) -> Result<String, ParseError> {
        let Some(quote @ ('"' | '\'')) = self.peek() else {
            return Err(self.error("expected a quoted text"));
        };
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            if c == quote {
                return Ok(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some(escaped) = self.peek() else { break };
            self.at += 1;
            text.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
        }
        Err(self.error("a quoted text does not end"))
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '/')
}
