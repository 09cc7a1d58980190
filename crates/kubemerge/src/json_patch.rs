//! JSON patch (RFC 6902), `application/json-patch+json`.
//!
//! The operations themselves are those of the `json-patch` crate; this module bounds them. The number of operations has the
//! limit that the API server has, and `copy` cannot double a document again and again.

use json_patch::{Patch, PatchErrorKind, PatchOperation};
use serde_json::Value;
use thiserror::Error;

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
/// use serde_json::json;
/// let doc = json!({"spec": {"replicas": 1}});
/// let patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]);
/// assert_eq!(kubemerge::json_patch::apply(&doc, &patch).unwrap(), json!({"spec": {"replicas": 2}}));
/// ```
pub fn apply(doc: &Value, patch: &Value) -> Result<Value, PatchError> {
    limits::check_depth(doc)?;
    limits::check_depth(patch)?;
    let count = patch.as_array().map_or(0, Vec::len);
    if count > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations { count });
    }
    let Patch(operations) = serde_json::from_value(patch.clone()).map_err(|error| PatchError::Malformed {
        reason: error.to_string(),
    })?;
    let mut out = doc.clone();
    let mut copied = 0;
    for operation in operations {
        if let PatchOperation::Copy(copy) = &operation {
            let source = out.pointer(copy.from.as_str());
            copied += source.map_or(0, |value| limits::weight(value, MAX_COPIED));
            if copied > MAX_COPIED {
                return Err(PatchError::TooLarge);
            }
        }
        let (name, path) = subject(&operation);
        json_patch::patch(&mut out, std::slice::from_ref(&operation)).map_err(|error| match error.kind {
            PatchErrorKind::TestFailed => PatchError::TestFailed { path },
            _ => PatchError::MissingPath { operation: name, path },
        })?;
    }
    // Moves and copies can nest a document into itself.
    limits::check_depth(&out)?;
    Ok(out)
}

/// Name and path of an operation, for errors.
fn subject(operation: &PatchOperation) -> (&'static str, String) {
    match operation {
        PatchOperation::Add(o) => ("add", o.path.to_string()),
        PatchOperation::Remove(o) => ("remove", o.path.to_string()),
        PatchOperation::Replace(o) => ("replace", o.path.to_string()),
        PatchOperation::Move(o) => ("move", o.from.to_string()),
        PatchOperation::Copy(o) => ("copy", o.from.to_string()),
        PatchOperation::Test(o) => ("test", o.path.to_string()),
    }
}
