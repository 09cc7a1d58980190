//! `len`, `index` and `slice`. The texts name types and never the index or the content, which are data.

use std::sync::Arc;

use crate::function::{CallContext, FunctionError};
use crate::value::{List, Value};

pub(super) fn length(context: &mut CallContext<'_>, value: &Value) -> Result<Value, FunctionError> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => {
            context.record_whole(value);
            map.entries().len()
        }
        Value::Nil => return Err(FunctionError::new("len of nil pointer")),
        other => return Err(FunctionError::new(format!("len of type {}", other.type_name()))),
    };
    i64::try_from(length)
        .map(Value::Int)
        .map_err(|_| FunctionError::new("length overflows int"))
}

pub(super) fn index(context: &mut CallContext<'_>, value: &Value, keys: &[Value]) -> Result<Value, FunctionError> {
    if matches!(value, Value::Nil) {
        return Err(FunctionError::new("index of untyped nil"));
    }
    let mut item = value.clone();
    for key in keys {
        let next = match &item {
            Value::Nil => return Err(FunctionError::new("index of nil pointer")),
            Value::List(list) => list.items().get(position(key, list.items().len())?).cloned(),
            Value::String(text) => text
                .as_bytes()
                .get(position(key, text.len())?)
                .map(|byte| Value::Uint(u64::from(*byte))),
            Value::Map(map) => {
                let key = match key {
                    Value::String(key) => key,
                    Value::Nil => return Err(FunctionError::new("value is nil; should be of type string")),
                    other => {
                        let text = format!("value has type {}; should be string", other.type_name());
                        return Err(FunctionError::new(text));
                    }
                };
                context.record_key(&item, key);
                Some(map.get(key).cloned().unwrap_or_else(|| map.element().zero()))
            }
            other => {
                return Err(FunctionError::new(format!(
                    "can't index item of type {}",
                    other.type_name()
                )));
            }
        };
        item = next.ok_or_else(out_of_range)?;
    }
    Ok(item)
}

fn out_of_range() -> FunctionError {
    FunctionError::new("index out of range")
}

/// A place in a list, at most the place after its end.
fn position(key: &Value, length: usize) -> Result<usize, FunctionError> {
    let position = match key {
        Value::Int(number) => usize::try_from(*number).ok(),
        Value::Uint(number) => usize::try_from(*number).ok(),
        Value::Nil => return Err(FunctionError::new("cannot index slice/array with nil")),
        other => {
            return Err(FunctionError::new(format!(
                "cannot index slice/array with type {}",
                other.type_name()
            )));
        }
    };
    position.filter(|position| *position <= length).ok_or_else(out_of_range)
}

pub(super) fn slice(context: &mut CallContext<'_>, value: &Value, bounds: &[Value]) -> Result<Value, FunctionError> {
    if bounds.len() > 3 {
        return Err(FunctionError::new(format!("too many slice indexes: {}", bounds.len())));
    }
    let length = match value {
        Value::String(_) if bounds.len() == 3 => return Err(FunctionError::new("cannot 3-index slice a string")),
        Value::String(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Nil => return Err(FunctionError::new("slice of untyped nil")),
        other => {
            return Err(FunctionError::new(format!(
                "can't slice item of type {}",
                other.type_name()
            )));
        }
    };
    let mut places = [0, length, length];
    for (place, bound) in places.iter_mut().zip(bounds) {
        *place = position(bound, length)?;
    }
    let [start, end, capacity] = places;
    if start > end || end > capacity {
        return Err(FunctionError::new("invalid slice index"));
    }
    match value {
        Value::List(list) => {
            // A part of a list is a copy.
            context.charge((end - start).saturating_mul(size_of::<Value>()))?;
            let items = list.items().get(start..end).unwrap_or_default();
            Ok(Value::from(List::of(list.element(), items.iter().cloned())))
        }
        Value::String(text) => match text.get(start..end) {
            Some(part) => Ok(Value::String(Arc::from(part))),
            None => Err(FunctionError::new("slice cuts a character of the string in two")),
        },
        _ => Ok(Value::Nil),
    }
}
