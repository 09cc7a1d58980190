//! Label selectors of objects: `matchLabels` and `matchExpressions`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::tree::{at, list, text};

/// A selector that was read; an absent one selects nothing, an empty one everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    terms: Vec<Term>,
    nothing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Reads a `LabelSelector`.
    pub(crate) fn read(selector: Option<&Value>) -> Self {
        let nothing = Self {
            terms: Vec::new(),
            nothing: true,
        };
        let Some(selector) = selector.filter(|selector| selector.is_object()) else {
            return nothing;
        };
        let labels = at(selector, &["matchLabels"]).and_then(Value::as_object);
        let mut terms: Vec<Term> = equal(labels.into_iter().flatten());
        for expression in list(selector, &["matchExpressions"]) {
            let operator = match text(expression, &["operator"]) {
                Some("In") => Operator::In,
                Some("NotIn") => Operator::NotIn,
                Some("Exists") => Operator::Exists,
                Some("DoesNotExist") => Operator::DoesNotExist,
                _ => return nothing,
            };
            let values = list(expression, &["values"])
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned));
            let key = text(expression, &["key"]).unwrap_or_default().to_owned();
            terms.push(Term {
                key,
                operator,
                values: values.collect(),
            });
        }
        Self { terms, nothing: false }
    }

    /// Reads a plain map of labels, as Services and ReplicationControllers have it; an absent or empty one selects nothing.
    pub(crate) fn from_map(labels: Option<&Value>) -> Self {
        let terms = equal(labels.and_then(Value::as_object).into_iter().flatten());
        let nothing = terms.is_empty();
        Self { terms, nothing }
    }

    /// Whether an object with these labels is selected.
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.nothing
            && self
                .terms
                .iter()
                .all(|term| term.matches(labels.get(&term.key).map(String::as_str)))
    }

    /// Whether everything is selected, which is never meant.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty() && !self.nothing
    }
}

fn equal<'v>(labels: impl Iterator<Item = (&'v String, &'v Value)>) -> Vec<Term> {
    let term = |(key, value): (&String, &Value)| Term {
        key: key.clone(),
        operator: Operator::In,
        values: vec![value.as_str().unwrap_or_default().to_owned()],
    };
    labels.map(term).collect()
}

impl Term {
    fn matches(&self, value: Option<&str>) -> bool {
        let listed = value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_match_as_the_api_says() {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        for (selector, expected) in [
            (json!({}), true),
            (json!(null), false),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "db"}}), false),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "web"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["web"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
                false,
            ),
            (json!({"matchExpressions": [{"key": "app", "operator": "Odd"}]}), false),
        ] {
            assert_eq!(Selector::read(Some(&selector)).matches(&labels), expected, "{selector}");
        }
        assert!(!Selector::from_map(Some(&json!({}))).matches(&labels));
        assert!(Selector::from_map(Some(&json!({"app": "web"}))).matches(&labels));
        assert!(Selector::read(Some(&json!({}))).is_empty());
    }
}
