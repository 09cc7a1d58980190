//! JSON patch (RFC 6902), `application/json-patch+json`, as the API server reads it.
//!
//! The API server's library is older than the RFC's last words, and clients depend on it: `replace` of a member that is not
//! there adds it, `copy` from one copies null, `test` of one holds for null, negative indices count from the end, and the whole
//! document can only be replaced. Members that an operation does not know are passed over. The patch is bounded: the number of
//! operations has the API server's own limit, and `copy` cannot double a document again and again.

use json_tree::{Map, Value};
use thiserror::Error;

use crate::apply::same;
use crate::limits::{self, TooDeep};

/// Most operations in one patch; the API server's own limit.
pub const MAX_OPERATIONS: usize = 10_000;
/// Most values that all `copy` operations of one patch may add together.
const MAX_COPIED: usize = 500_000;

/// Why a JSON patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The patch is no list of operations.
    #[error("error decoding patch: {reason}")]
    Malformed {
        /// What the decoder found wrong.
        reason: String,
    },
    /// The patch has too many operations.
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {count}")]
    TooManyOperations {
        /// Operations in the patch.
        count: usize,
    },
    /// The `copy` operations of the patch add too much.
    #[error("the copy operations of the patch exceed the size limit")]
    TooLarge,
    /// A `test` operation did not hold. Document values are not repeated here: they may be secret.
    #[error("testing path {path} failed")]
    TestFailed {
        /// JSON pointer of the operation.
        path: String,
    },
    /// An operation could not be carried out.
    #[error("{operation} operation does not apply: doc is missing path: {path}")]
    MissingPath {
        /// Name of the operation.
        operation: &'static str,
        /// JSON pointer of the operation.
        path: String,
    },
    /// An operation that does not exist, or one without its `path` or `from`.
    #[error("operation {index} of the patch has no usable {member}")]
    Operation {
        /// Place of the operation in the patch.
        index: usize,
        /// Member that is missing or wrong.
        member: &'static str,
    },
    /// Document or patch is nested too deep.
    #[error(transparent)]
    TooDeep(#[from] TooDeep),
}

/// Applies the operations `patch` to `doc` and returns the patched document. Nothing is changed unless all operations hold.
///
/// # Errors
/// [`PatchError`] when the patch is malformed or too large, a `test` fails or a path does not exist.
///
/// ```
/// use json_tree::json;
/// let doc = json!({"spec": {"replicas": 1}});
/// let patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]);
/// assert_eq!(kubemerge::json_patch::apply(&doc, &patch).unwrap(), json!({"spec": {"replicas": 2}}));
/// ```
pub fn apply(doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    limits::check_depth(doc)?;
    limits::check_depth(patch)?;
    let malformed = |value: &Value, wanted: &str| PatchError::Malformed {
        reason: format!(
            "json: cannot unmarshal {} into Go value of type {wanted}",
            kind_of(value)
        ),
    };
    let operations = match patch {
        Value::Array(operations) => operations,
        other => return Err(malformed(other, "[]handlers.jsonPatchOp")),
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations {
            count: operations.len(),
        });
    }
    if let Some(other) = operations.iter().find(|operation| !operation.is_object()) {
        return Err(malformed(other, "handlers.jsonPatchOp"));
    }
    let mut out = doc.clone();
    let mut copied = 0;
    for (index, operation) in operations.iter().filter_map(Value::as_object).enumerate() {
        copied += carry_out(&mut out, operation, index)?;
        if copied > MAX_COPIED {
            return Err(PatchError::TooLarge);
        }
    }
    // Moves and copies can nest a document into itself.
    limits::check_depth(&out)?;
    Ok(out)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Carries one operation out and returns how much it has copied.
fn carry_out(doc: &mut Value, operation: &Map, index: usize) -> Result<usize, PatchError> {
    let text = |member: &'static str| match operation.get(member) {
        Some(Value::String(text)) => Ok(text.as_str()),
        _ => Err(PatchError::Operation { index, member }),
    };
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let missing = |operation: &'static str, path: &str| PatchError::MissingPath {
        operation,
        path: path.to_owned(),
    };
    let path = text("path")?;
    match text("op")? {
        "add" => add(doc, path, value()).ok_or_else(|| missing("add", path))?,
        "remove" => drop(remove(doc, path).ok_or_else(|| missing("remove", path))?),
        "replace" if path.is_empty() => *doc = value(),
        "replace" => replace(doc, path, value()).ok_or_else(|| missing("replace", path))?,
        "test" => {
            let found = get(doc, path).ok_or_else(|| missing("test", path))?;
            if !same(found, &value()) {
                return Err(PatchError::TestFailed { path: path.to_owned() });
            }
        }
        "move" => {
            let from = text("from")?;
            let value = remove(doc, from).ok_or_else(|| missing("move", from))?;
            add(doc, path, value).ok_or_else(|| missing("move", path))?;
        }
        "copy" => {
            let from = text("from")?;
            let value = get(doc, from).ok_or_else(|| missing("copy", from))?;
            let weight = limits::weight(value, MAX_COPIED);
            if weight > MAX_COPIED {
                return Err(PatchError::TooLarge);
            }
            let value = value.clone();
            add(doc, path, value).ok_or_else(|| missing("copy", path))?;
            return Ok(weight);
        }
        _ => return Err(PatchError::Operation { index, member: "op" }),
    }
    Ok(0)
}

/// The map or list that holds what a pointer names, and the name in it.
fn parent<'d>(doc: &'d mut Value, path: &str) -> Option<(&'d mut Value, String)> {
    let (above, last) = path.rsplit_once('/')?;
    let holder = match above {
        "" => doc,
        _ => steps(above)?.try_fold(doc, |here, step| match here {
            Value::Object(map) => map.get_mut(&step),
            Value::Array(items) => place(&step, items.len()).and_then(|place| items.get_mut(place)),
            _ => None,
        })?,
    };
    Some((holder, unescape(last)))
}

fn steps(path: &str) -> Option<impl Iterator<Item = String>> {
    Some(path.strip_prefix('/')?.split('/').map(unescape))
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// The place that an index names in a list; negative ones count from the end.
fn place(step: &str, length: usize) -> Option<usize> {
    let index: i64 = step.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    let place = if index < 0 { index + length } else { index };
    usize::try_from(place).ok().filter(|_| place < length)
}

/// What a pointer names; null for a member that its map does not have.
fn get<'d>(doc: &'d Value, path: &str) -> Option<&'d Value> {
    static NULL: Value = Value::Null;
    let mut here = doc;
    let mut steps = steps(path)?.peekable();
    while let Some(step) = steps.next() {
        here = match here {
            Value::Object(map) => match map.get(&step) {
                None if steps.peek().is_none() => &NULL,
                found => found?,
            },
            Value::Array(items) => items.get(place(&step, items.len())?)?,
            _ => return None,
        };
    }
    Some(here)
}

fn add(doc: &mut Value, path: &str, value: Value) -> Option<()> {
    let (holder, last) = parent(doc, path)?;
    match holder {
        Value::Object(map) => drop(map.insert(last, value)),
        Value::Array(items) if last == "-" => items.push(value),
        // One past the end is the end; counted from there, -1 is the end as well.
        Value::Array(items) => items.insert(place(&last, items.len() + 1)?, value),
        _ => return None,
    }
    Some(())
}

fn replace(doc: &mut Value, path: &str, value: Value) -> Option<()> {
    let (holder, last) = parent(doc, path)?;
    match holder {
        Value::Object(map) => drop(map.insert(last, value)),
        Value::Array(items) => {
            let place = place(&last, items.len())?;
            *items.get_mut(place)? = value;
        }
        _ => return None,
    }
    Some(())
}

fn remove(doc: &mut Value, path: &str) -> Option<Value> {
    let (holder, last) = parent(doc, path)?;
    match holder {
        Value::Object(map) => map.remove(&last),
        Value::Array(items) => place(&last, items.len()).map(|place| items.remove(place)),
        _ => None,
    }
}
