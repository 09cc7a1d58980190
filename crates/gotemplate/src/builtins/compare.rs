//! Go's comparison rules: basic kinds only, no conversion but between signed and unsigned.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::function::FunctionError;
use crate::value::Value;

/// Whether the first value equals any of the others.
pub(super) fn equals(first: &Value, others: &[Value]) -> Result<bool, FunctionError> {
    if others.is_empty() {
        return Err(FunctionError::new("missing argument for comparison"));
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether two values are equal; an error if their types cannot be.
pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, FunctionError> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Int(_) | Value::Uint(_), Value::Int(_) | Value::Uint(_)) => {
            integers(left, right) == Some(Ordering::Equal)
        }
        (Value::Nil, Value::Nil) => true,
        // Nothing is equal to no value but nothing.
        (Value::Nil, _) | (_, Value::Nil) => false,
        (Value::Object(left), Value::Object(right)) => Arc::ptr_eq(left, right),
        (Value::Function(left), Value::Function(right)) if left.same_as(right) => true,
        (left, right) if is_basic(left) || is_basic(right) => return Err(incompatible(left, right)),
        (left, _) => return Err(FunctionError::new(format!("non-comparable type {}", left.type_name()))),
    })
}

/// Whether the left value is less; an error unless both are of one ordered kind.
pub(super) fn less(left: &Value, right: &Value) -> Result<bool, FunctionError> {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => Ok(left < right),
        (Value::String(left), Value::String(right)) => Ok(left < right),
        (Value::Int(_) | Value::Uint(_), Value::Int(_) | Value::Uint(_)) => {
            Ok(integers(left, right) == Some(Ordering::Less))
        }
        (Value::Bool(_), Value::Bool(_)) => Err(FunctionError::new("invalid type for comparison")),
        (left, right) if is_basic(left) && is_basic(right) => Err(incompatible(left, right)),
        _ => Err(FunctionError::new("invalid type for comparison")),
    }
}

pub(super) fn less_or_equal(left: &Value, right: &Value) -> Result<bool, FunctionError> {
    Ok(less(left, right)? || equal(left, right)?)
}

fn integers(left: &Value, right: &Value) -> Option<Ordering> {
    let wide = |value: &Value| match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number) => Some(i128::from(*number)),
        _ => None,
    };
    Some(wide(left)?.cmp(&wide(right)?))
}

fn is_basic(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::String(_)
    )
}

fn incompatible(left: &Value, right: &Value) -> FunctionError {
    let (left, right) = (left.type_name(), right.type_name());
    FunctionError::new(format!("incompatible types for comparison: {left} and {right}"))
}
