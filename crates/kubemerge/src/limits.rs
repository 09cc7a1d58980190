//! Bounds against hostile input. Every public entry point checks the nesting of what it is given before it recurses.

use json_tree::Value;
use thiserror::Error;

/// Deepest nesting of maps and lists that this crate works on. serde_json's own parser stops at 128, so nothing that came
/// through it is refused; a value built by hand may be deeper and would exhaust the stack.
pub const MAX_DEPTH: usize = 192;

/// Input that is nested deeper than [`MAX_DEPTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the value is nested deeper than {MAX_DEPTH} levels")]
pub struct TooDeep;

/// Checks that no map or list lies deeper than [`MAX_DEPTH`]. Walks with a list of its own, not with the call stack.
///
/// # Errors
/// [`TooDeep`] when one does.
pub fn check_depth(value: &Value) -> Result<(), TooDeep> {
    let mut open: Vec<(&Value, usize)> = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(TooDeep);
        }
        match value {
            Value::Array(items) => open.extend(items.iter().filter(|v| is_nested(v)).map(|v| (v, depth + 1))),
            Value::Object(map) => open.extend(map.values().filter(|v| is_nested(v)).map(|v| (v, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a value can hold further values.
fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// Counts the values in a tree, stopping early above `limit`. The measure of a copy's cost.
pub(crate) fn weight(value: &Value, limit: usize) -> usize {
    let mut open = vec![value];
    let mut count = 0;
    while let Some(value) = open.pop() {
        count += 1;
        if count > limit {
            break;
        }
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(map) => open.extend(map.values()),
            Value::String(text) => count += text.len() / 64,
            _ => {}
        }
    }
    count
}
