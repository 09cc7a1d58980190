//! Conflicts between an applier and the other owners, in the API server's words.

use std::collections::BTreeMap;
use std::fmt;

use super::managed::{ManagerId, Operation};
use crate::fields::Path;

/// One field that somebody else owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The other owner.
    pub manager: ManagerId,
    /// The field.
    pub path: Path,
}

impl Conflict {
    /// The cause's message: `conflict with "kubectl-client-side-apply" using apps/v1`. The field stands beside it in the cause.
    #[must_use]
    pub fn message(&self) -> String {
        format!("conflict with {}", owner(&self.manager))
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conflict with {}: {}", owner(&self.manager), self.path)
    }
}

fn owner(id: &ManagerId) -> String {
    let mut out = format!("{:?}", id.manager);
    if !id.subresource.is_empty() {
        out.push_str(&format!(" with subresource {:?}", id.subresource));
    }
    if id.operation == Operation::Update {
        out.push_str(&format!(" using {}", id.api_version));
    }
    out
}

/// All conflicts of one apply. Its text is the message of the API server's 409.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.0.as_slice() {
            return write!(f, "Apply failed with 1 conflict: {one}");
        }
        // An entry of a subresource comes before the object's own.
        let rank = |id: &ManagerId| {
            (
                id.manager.clone(),
                id.operation,
                id.api_version.clone(),
                id.subresource.is_empty(),
            )
        };
        let mut by_owner: BTreeMap<_, (String, Vec<&Path>)> = BTreeMap::new();
        for conflict in &self.0 {
            let (_, paths) = by_owner
                .entry((rank(&conflict.manager), &conflict.manager.subresource))
                .or_insert_with(|| (owner(&conflict.manager), Vec::new()));
            paths.push(&conflict.path);
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut lines = Vec::new();
        for (owner, paths) in by_owner.into_values() {
            lines.push(format!("conflicts with {owner}:"));
            lines.extend(paths.into_iter().map(|path| format!("- {path}")));
        }
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Conflicts {}
