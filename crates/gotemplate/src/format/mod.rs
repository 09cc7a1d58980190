//! Values as text, the way Go's `fmt` prints them.

mod float;
mod integer;
mod quote;
mod verbs;

pub(crate) use verbs::printf;

use crate::limits::LimitExceeded;
use crate::value::Value;

/// A text that grows up to a bound.
#[derive(Debug)]
pub(crate) struct Sink {
    text: String,
    most: usize,
    exceeded: LimitExceeded,
}

impl Sink {
    pub(crate) fn new(most: usize, exceeded: LimitExceeded) -> Self {
        Self {
            text: String::new(),
            most,
            exceeded,
        }
    }

    pub(crate) fn push(&mut self, text: &str) -> Result<(), LimitExceeded> {
        if text.len() > self.most.saturating_sub(self.text.len()) {
            return Err(self.exceeded);
        }
        self.text.push_str(text);
        Ok(())
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// `%v` of a value.
pub(crate) fn write_plain(sink: &mut Sink, value: &Value) -> Result<(), LimitExceeded> {
    match value {
        Value::Nil => sink.push("<nil>"),
        Value::Bool(true) => sink.push("true"),
        Value::Bool(false) => sink.push("false"),
        Value::Int(number) => sink.push(&number.to_string()),
        Value::Uint(number) => sink.push(&number.to_string()),
        Value::Float(number) => sink.push(&float::shortest(*number)),
        Value::String(text) => sink.push(text),
        _ => verbs::write_plain_compound(sink, value),
    }
}

/// Go's `Sprint`: a space between operands when neither is a string.
pub(crate) fn print(sink: &mut Sink, values: &[Value]) -> Result<(), LimitExceeded> {
    print_by(sink, values, verbs::write_operand)
}

/// The same for `html` and its like, which look through pointers.
pub(crate) fn print_through(sink: &mut Sink, values: &[Value]) -> Result<(), LimitExceeded> {
    print_by(sink, values, write_plain)
}

fn print_by(
    sink: &mut Sink,
    values: &[Value],
    write: fn(&mut Sink, &Value) -> Result<(), LimitExceeded>,
) -> Result<(), LimitExceeded> {
    let mut after_string = true;
    for value in values {
        let is_string = matches!(value, Value::String(_));
        if !after_string && !is_string {
            sink.push(" ")?;
        }
        write(sink, value)?;
        after_string = is_string;
    }
    Ok(())
}

/// Go's `Sprintln`: spaces everywhere and a newline.
pub(crate) fn println(sink: &mut Sink, values: &[Value]) -> Result<(), LimitExceeded> {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            sink.push(" ")?;
        }
        verbs::write_operand(sink, value)?;
    }
    sink.push("\n")
}
