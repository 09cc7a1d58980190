//! Go's own functions.

mod compare;
mod escape;
mod index;

use crate::format::{Sink, print, print_through, printf, println};
use crate::function::{CallContext, FunctionError};
use crate::limits::LimitExceeded;
use crate::value::Value;

/// A function that every template may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Or,
    Not,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Call,
    Html,
    Js,
    UrlQuery,
}

/// Names, the least number of arguments, and whether more may follow.
const ALL: [(&str, Builtin, usize, bool); 19] = [
    ("and", Builtin::And, 1, true),
    ("or", Builtin::Or, 1, true),
    ("not", Builtin::Not, 1, false),
    ("eq", Builtin::Eq, 1, true),
    ("ne", Builtin::Ne, 2, false),
    ("lt", Builtin::Lt, 2, false),
    ("le", Builtin::Le, 2, false),
    ("gt", Builtin::Gt, 2, false),
    ("ge", Builtin::Ge, 2, false),
    ("len", Builtin::Len, 1, false),
    ("index", Builtin::Index, 1, true),
    ("slice", Builtin::Slice, 1, true),
    ("print", Builtin::Print, 0, true),
    ("printf", Builtin::Printf, 1, true),
    ("println", Builtin::Println, 0, true),
    ("call", Builtin::Call, 1, true),
    ("html", Builtin::Html, 0, true),
    ("js", Builtin::Js, 0, true),
    ("urlquery", Builtin::UrlQuery, 0, true),
];

impl Builtin {
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.iter()
            .find(|(known, ..)| *known == name)
            .map(|(_, builtin, ..)| *builtin)
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(name, ..)| *name)
    }

    /// The least number of arguments, and whether more may follow.
    pub(crate) fn arity(self) -> (usize, bool) {
        ALL.iter()
            .find(|(_, builtin, ..)| *builtin == self)
            .map_or((0, true), |(_, _, least, more)| (*least, *more))
    }

    /// Calls it with checked arguments. `and`, `or` and `call` are the executor's business, because they are lazy or call others.
    pub(crate) fn call(self, context: &mut CallContext<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
        match (self, arguments) {
            (Self::Not, [value]) => Ok(Value::Bool(!truth(context, value))),
            (Self::Eq, [first, others @ ..]) => compare::equals(first, others).map(Value::Bool),
            (Self::Ne, [left, right]) => compare::equal(left, right).map(|equal| Value::Bool(!equal)),
            (Self::Lt, [left, right]) => compare::less(left, right).map(Value::Bool),
            (Self::Le, [left, right]) => compare::less_or_equal(left, right).map(Value::Bool),
            (Self::Gt, [left, right]) => compare::less_or_equal(left, right).map(|le| Value::Bool(!le)),
            (Self::Ge, [left, right]) => compare::less(left, right).map(|less| Value::Bool(!less)),
            (Self::Len, [value]) => index::length(context, value),
            (Self::Index, [value, keys @ ..]) => index::index(context, value, keys),
            (Self::Slice, [value, bounds @ ..]) => index::slice(context, value, bounds),
            (Self::Print, values) => text(context, values, |sink| print(sink, values)),
            (Self::Println, values) => text(context, values, |sink| println(sink, values)),
            (Self::Printf, [format, values @ ..]) => match format {
                Value::String(format) => text(context, values, |sink| printf(sink, format, values)),
                other => Err(FunctionError::wrong_type("string", other)),
            },
            (Self::Html, values) => escaped(context, values, escape::html),
            (Self::Js, values) => escaped(context, values, escape::js),
            (Self::UrlQuery, values) => escaped(context, values, escape::url_query),
            _ => Err(FunctionError::new("wrong number of args")),
        }
    }
}

/// The truth of a value, recording that a container was looked at.
pub(crate) fn truth(context: &mut CallContext<'_>, value: &Value) -> bool {
    if matches!(value, Value::Map(_)) {
        context.record_whole(value);
    }
    value.is_true()
}

/// Prints into a string that counts as read and produced.
fn text(
    context: &mut CallContext<'_>,
    values: &[Value],
    write: impl FnOnce(&mut Sink) -> Result<(), LimitExceeded>,
) -> Result<Value, FunctionError> {
    for value in values {
        context.record_deep(value)?;
    }
    let mut sink = Sink::new(
        context.bytes_left(),
        LimitExceeded::Produced(context.budget.limits().produced_bytes),
    );
    write(&mut sink)?;
    Ok(Value::from(sink.into_text()))
}

/// The arguments printed as one string and escaped.
fn escaped(
    context: &mut CallContext<'_>,
    values: &[Value],
    escape: fn(&str) -> String,
) -> Result<Value, FunctionError> {
    let plain = match values {
        [Value::String(text)] => Value::String(text.clone()),
        values => {
            // Nothing prints as a missing value does, and counts as a string among its neighbours.
            let shown = |value: &Value| match value {
                Value::Nil => Value::from("<no value>"),
                value => value.clone(),
            };
            let values: Vec<Value> = values.iter().map(shown).collect();
            text(context, &values, |sink| print_through(sink, &values))?
        }
    };
    // Escaping makes a character at most six times as long.
    let length = plain.as_str().map_or(0, str::len);
    if length.saturating_mul(6) > context.bytes_left() {
        return Err(LimitExceeded::Produced(context.budget.limits().produced_bytes).into());
    }
    Ok(Value::from(escape(plain.as_str().unwrap_or_default())))
}
