//! What a configuration asks to delete before and after its components are applied (`deletions.yaml`, fact 47).

use std::collections::BTreeMap;

/// Which objects a deletion means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletionTarget {
    /// The one of this name.
    Name(String),
    /// Those that match a label selector expression.
    Selector(String),
    /// Those with all of these labels.
    Labels(BTreeMap<String, String>),
}

/// What happens to the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They stay.
    Orphan,
    /// They are collected later.
    Background,
    /// They go first.
    Foreground,
}

impl Propagation {
    /// The spelling of the Kubernetes API, which is also that of `deletions.yaml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orphan => "Orphan",
            Self::Background => "Background",
            Self::Foreground => "Foreground",
        }
    }
}

impl std::str::FromStr for Propagation {
    type Err = crate::Invalid;

    fn from_str(text: &str) -> Result<Self, crate::Invalid> {
        let known = [Self::Orphan, Self::Background, Self::Foreground];
        let found = known.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| crate::Invalid::new("propagation_policy", "must be Orphan, Background or Foreground", text))
    }
}

/// One deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// `kind`, `resource`, `resource.group` or `resource.version.group`.
    pub kind: String,
    /// The namespace; `None` means that the kind is one of the cluster.
    pub namespace: Option<String>,
    /// Which objects.
    pub target: DeletionTarget,
    /// Only objects that have (or do not have) an owner; for targets that are not names.
    pub has_owner: Option<bool>,
    /// Grace period in seconds; `None` means the kind's own.
    pub grace_period_seconds: Option<i64>,
    /// What happens to dependents; `None` means the kind's own default.
    pub propagation_policy: Option<Propagation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn propagation_is_read_as_it_is_spelt() {
        for policy in [Propagation::Orphan, Propagation::Background, Propagation::Foreground] {
            assert_eq!(policy.as_str().parse::<Propagation>().unwrap(), policy);
        }
        assert!("orphan".parse::<Propagation>().is_err());
    }
}
