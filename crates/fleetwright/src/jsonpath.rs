//! JSONPath templates as kubectl understands them.
//!
//! It is a language of its own: templates with text between the paths, `{range}` and `{end}`, and filters, which RFC 9535
//! and the crates for it do not have. What is not there prints as nothing, as in `kubectl get`.

mod parse;

use serde_json::Value;

pub(crate) use parse::ParseError;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template(Vec<Node>);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    Path(Path),
    Range(Path, Vec<Node>),
}

/// A path from the root or from the present object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    from_root: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Fields(Vec<String>),
    All,
    Descend,
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    Filter(Filter),
}

#[derive(Debug, Clone, PartialEq)]
struct Filter {
    left: Operand,
    comparison: Option<(Operator, Operand)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Template {
    /// Reads a template such as `{range .items[*]}{.id}{"\n"}{end}`.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        parse::template(text).map(Self)
    }

    /// The template filled in.
    pub(crate) fn render(&self, root: &Value) -> String {
        let mut out = String::new();
        render(&self.0, root, root, &mut out);
        out
    }
}

impl Path {
    /// Reads a single path: `.a.b`, `{.a.b}` or `a.b`.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        parse::path(text)
    }

    /// Everything that the path leads to.
    pub(crate) fn find<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        self.resolve(root, root)
    }

    fn resolve<'v>(&self, root: &'v Value, present: &'v Value) -> Vec<&'v Value> {
        let start = if self.from_root { root } else { present };
        self.steps.iter().fold(vec![start], |found, step| {
            found.into_iter().flat_map(|value| take(step, root, value)).collect()
        })
    }
}

fn render(nodes: &[Node], root: &Value, present: &Value, out: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Path(path) => {
                let texts: Vec<String> = path.resolve(root, present).into_iter().map(text_of).collect();
                out.push_str(&texts.join(" "));
            }
            Node::Range(path, body) => {
                for value in path.resolve(root, present) {
                    render(body, root, value, out);
                }
            }
        }
    }
}

/// A value as a template prints it.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn take<'v>(step: &Step, root: &'v Value, value: &'v Value) -> Vec<&'v Value> {
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Fields(names) => names.iter().filter_map(|name| value.get(name)).collect(),
        Step::All => children(value),
        Step::Descend => {
            let mut found = vec![value];
            found.extend(children(value).into_iter().flat_map(|child| take(step, root, child)));
            found
        }
        Step::Index(index) => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            position(*index, items.len())
                .and_then(|at| items.get(at))
                .into_iter()
                .collect()
        }
        Step::Slice(from, to, by) => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let bound = |index: Option<i64>, default| index.map_or(default, |i| clamped(i, items.len()));
            let (from, to) = (bound(*from, 0), bound(*to, items.len()));
            let by = usize::try_from(*by).unwrap_or(1).max(1);
            items
                .get(from..to.max(from))
                .unwrap_or_default()
                .iter()
                .step_by(by)
                .collect()
        }
        Step::Filter(filter) => children(value)
            .into_iter()
            .filter(|child| filter.holds(root, child))
            .collect(),
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

/// Negative indices count from the end.
fn position(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if index < 0 { index + length } else { index };
    usize::try_from(at).ok()
}

fn clamped(index: i64, length: usize) -> usize {
    position(index, length).unwrap_or(0).min(length)
}

impl Filter {
    fn holds(&self, root: &Value, present: &Value) -> bool {
        let left = self.left.values(root, present);
        match &self.comparison {
            None => left
                .iter()
                .any(|value| !matches!(value, Value::Null | Value::Bool(false))),
            Some((operator, right)) => {
                let right = right.values(root, present);
                left.iter().any(|a| right.iter().any(|b| operator.holds(a, b)))
            }
        }
    }
}

impl Operand {
    fn values<'v>(&'v self, root: &'v Value, present: &'v Value) -> Vec<&'v Value> {
        match self {
            Self::Path(path) => path.resolve(root, present),
            Self::Literal(value) => vec![value],
        }
    }
}

impl Operator {
    fn holds(self, a: &Value, b: &Value) -> bool {
        use std::cmp::Ordering;
        let order = compare(a, b);
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// The order of two values of one kind; values of different kinds have none.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(std::cmp::Ordering::Equal),
        _ => (a == b).then_some(std::cmp::Ordering::Equal),
    }
}

#[cfg(test)]
mod tests;
