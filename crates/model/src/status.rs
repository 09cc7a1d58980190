//! What the lifecycle manager last said about a cluster: versions and problems.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Invalid, Validate};

/// Most problems that a status keeps (fact 10).
pub const MAX_PROBLEMS: usize = 25;
/// Longest status text, in characters: problem texts of failing templates are long, but bounded.
const MAX_STATUS_TEXT: usize = 64 * 1024;

/// One problem in the form of RFC 7807, with string extension members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// URI that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// HTTP status code, where one fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// More about this occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// URI or path of the object concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Any further string members.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, String>,
}

impl Problem {
    /// Kind of a failure that nothing more precise is known of; the address is the original manager's, so that its
    /// tools recognise it.
    pub const GENERAL_ERROR: &'static str = "https://cluster-lifecycle-manager.zalando.org/problems/general-error";
    /// Kind of the entry that stands for problems no longer listed.
    pub const TOO_MANY: &'static str = "https://cluster-lifecycle-manager.zalando.org/problems/too-many-problems";

    /// A general error with this title.
    pub fn general(title: impl Into<String>) -> Self {
        Self::new(Self::GENERAL_ERROR, title)
    }

    /// A problem of this kind and title, without further members.
    pub fn new(kind: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            title: title.into(),
            status: None,
            detail: None,
            instance: None,
            extensions: BTreeMap::new(),
        }
    }
}

/// Versions and problems of a cluster; always written as a whole, so an absent member clears the stored one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ClusterStatus {
    /// Version that the cluster runs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_version: String,
    /// Version that it ran before.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_version: String,
    /// Version that it is being brought to; empty when no update runs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_version: String,
    /// What is wrong, oldest first.
    pub problems: Vec<Problem>,
}

impl ClusterStatus {
    /// Adds a problem: consecutive duplicates collapse into one, and past [`MAX_PROBLEMS`] the oldest collapse into a first
    /// entry titled `<multiple problems>` (fact 10).
    pub fn add_problem(&mut self, problem: Problem) {
        if self.problems.last() == Some(&problem) {
            return;
        }
        self.problems.push(problem);
        let Some(surplus) = self.problems.len().checked_sub(MAX_PROBLEMS).filter(|n| *n > 0) else {
            return;
        };
        self.problems.drain(..=surplus);
        self.problems
            .insert(0, Problem::new(Problem::TOO_MANY, "<multiple problems>"));
    }
}

impl Validate for ClusterStatus {
    fn check(&self, problems: &mut Vec<Invalid>) {
        let mut text = |field: &str, value: &str| {
            if value.chars().count() > MAX_STATUS_TEXT {
                problems.push(Invalid::new(
                    field,
                    format!("must have at most {MAX_STATUS_TEXT} characters"),
                    value,
                ));
            } else if value.contains('\0') {
                problems.push(Invalid::new(field, "must not contain the character U+0000", value));
            }
        };
        text("status.current_version", &self.current_version);
        text("status.last_version", &self.last_version);
        text("status.next_version", &self.next_version);
        for (i, problem) in self.problems.iter().enumerate() {
            text(&format!("status.problems[{i}].type"), &problem.kind);
            text(&format!("status.problems[{i}].title"), &problem.title);
            text(
                &format!("status.problems[{i}].detail"),
                problem.detail.as_deref().unwrap_or_default(),
            );
            text(
                &format!("status.problems[{i}].instance"),
                problem.instance.as_deref().unwrap_or_default(),
            );
            for (key, value) in &problem.extensions {
                text(&format!("status.problems[{i}]"), key);
                text(&format!("status.problems[{i}].{key}"), value);
            }
        }
        if self.problems.len() > 1000 {
            problems.push(Invalid::new(
                "status.problems",
                "must have at most 1000 entries",
                self.problems.len(),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fact_10_different_problems_collapse_at_25_and_equal_ones_at_1() {
        let mut different = ClusterStatus::default();
        let mut equal = ClusterStatus::default();
        for i in 0..100 {
            different.add_problem(Problem::general(format!("error {i}")));
            equal.add_problem(Problem::general("error"));
        }
        assert_eq!(different.problems.len(), 25);
        assert_eq!(different.problems[0].title, "<multiple problems>");
        assert_eq!(different.problems[0].kind, Problem::TOO_MANY);
        assert_eq!(different.problems[1].title, "error 76");
        assert_eq!(different.problems[24].title, "error 99");
        assert_eq!(equal.problems.len(), 1);
    }

    #[test]
    fn exactly_25_problems_stay_as_they_are() {
        let mut status = ClusterStatus::default();
        (0..25).for_each(|i| status.add_problem(Problem::general(format!("error {i}"))));
        assert_eq!(status.problems[0].title, "error 0");
        assert_eq!(status.problems.len(), 25);
    }

    #[test]
    fn extension_members_survive_a_round_trip() {
        let text = r#"{"type":"about:blank","title":"t","status":500,"node":"ip-10-0-0-1"}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!(problem.extensions["node"], "ip-10-0-0-1");
        let again = serde_json::to_value(&problem).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
}
