//! Labels and label selectors, read and matched as the API server does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Labels of an object in key order; small and shared by nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Box<str>, Box<str>>", into = "BTreeMap<Box<str>, Box<str>>")]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.0.get(place).map(|(_, value)| &**value)
    }

    /// The value of the first of `keys` that is present and not empty.
    #[must_use]
    pub fn first_of(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.get(key).filter(|v| !v.is_empty()))
    }

    /// The application that the object belongs to: the labels that the fleet's tools agree on, best first.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.first_of(&["application", "app", "app.kubernetes.io/name"])
    }

    /// The team that owns the object.
    #[must_use]
    pub fn team(&self) -> Option<&str> {
        self.first_of(&["team", "owner"])
    }
}

impl From<BTreeMap<Box<str>, Box<str>>> for Labels {
    fn from(map: BTreeMap<Box<str>, Box<str>>) -> Self {
        Self(map.into_iter().collect())
    }
}

impl From<Labels> for BTreeMap<Box<str>, Box<str>> {
    fn from(labels: Labels) -> Self {
        labels.0.into_iter().collect()
    }
}

impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut all: Vec<(Box<str>, Box<str>)> = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        // Of several values of a key the last one counts: it comes first among its equals.
        all.reverse();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.dedup_by(|(a, _), (b, _)| a == b);
        Self(all.into())
    }
}

/// One condition of a selector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Requirement {
    /// The label has one of the values.
    In(Box<str>, Vec<Box<str>>),
    /// The label is absent or has none of the values.
    NotIn(Box<str>, Vec<Box<str>>),
    /// The label is present.
    Exists(Box<str>),
    /// The label is absent.
    DoesNotExist(Box<str>),
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        let among = |values: &[Box<str>], key: &str| labels.get(key).is_some_and(|v| values.iter().any(|x| **x == *v));
        match self {
            Self::In(key, values) => among(values, key),
            Self::NotIn(key, values) => !among(values, key),
            Self::Exists(key) => labels.get(key).is_some(),
            Self::DoesNotExist(key) => labels.get(key).is_none(),
        }
    }
}

/// A label selector of `policy/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// The selector is absent: it matches no pod.
    Nothing,
    /// All conditions must hold; without any it matches every pod of its namespace.
    All(Vec<Requirement>),
    /// The selector cannot be read, with the reason. Such a budget is ignored, by the API server and here (fact 58).
    Invalid(Box<str>),
}

impl Selector {
    /// A selector of equalities.
    pub fn labels<K: Into<Box<str>>, V: Into<Box<str>>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let all = pairs
            .into_iter()
            .map(|(k, v)| Requirement::In(k.into(), vec![v.into()]))
            .collect();
        Self::All(all)
    }

    /// Reads `spec.selector` of a budget. `None` and JSON null are the absent selector.
    ///
    /// Never fails: what the API server would ignore becomes [`Selector::Invalid`].
    #[must_use]
    pub fn from_json(selector: Option<&Value>) -> Self {
        match selector {
            None | Some(Value::Null) => Self::Nothing,
            Some(value) => match read(value) {
                Ok(all) => Self::All(all),
                Err(why) => Self::Invalid(why.into()),
            },
        }
    }

    /// Key and value of a label without which nothing is selected, if there is one.
    pub(crate) fn anchor(&self) -> Option<(&str, &str)> {
        let Self::All(all) = self else { return None };
        all.iter().find_map(|one| match one {
            Requirement::In(key, values) => match values.as_slice() {
                [only] => Some((&**key, &**only)),
                _ => None,
            },
            _ => None,
        })
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.matches(labels)),
            Self::Nothing | Self::Invalid(_) => false,
        }
    }
}

fn read(value: &Value) -> Result<Vec<Requirement>, String> {
    let mut all = Vec::new();
    let equalities = value.get("matchLabels").filter(|v| !v.is_null());
    for (key, wanted) in equalities.and_then(Value::as_object).into_iter().flatten() {
        let wanted = wanted
            .as_str()
            .ok_or_else(|| format!("matchLabels.{key} is not a text"))?;
        all.push(Requirement::In(checked_key(key)?, vec![checked_value(wanted)?]));
    }
    let expressions = value.get("matchExpressions").filter(|v| !v.is_null());
    for expression in expressions.and_then(Value::as_array).into_iter().flatten() {
        all.push(expression_of(expression)?);
    }
    Ok(all)
}

fn expression_of(expression: &Value) -> Result<Requirement, String> {
    let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
    let key = checked_key(key)?;
    let values = expression.get("values").and_then(Value::as_array);
    let values = values
        .into_iter()
        .flatten()
        .map(|v| {
            v.as_str()
                .ok_or("a value is not a text".to_owned())
                .and_then(checked_value)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let operator = expression.get("operator").and_then(Value::as_str).unwrap_or_default();
    match (operator, values.is_empty()) {
        ("In", false) => Ok(Requirement::In(key, values)),
        ("NotIn", false) => Ok(Requirement::NotIn(key, values)),
        ("Exists", true) => Ok(Requirement::Exists(key)),
        ("DoesNotExist", true) => Ok(Requirement::DoesNotExist(key)),
        ("In" | "NotIn", true) => Err(format!("operator {operator} needs values")),
        ("Exists" | "DoesNotExist", false) => Err(format!("operator {operator} takes no values")),
        _ => Err(format!("{operator:?} is no operator of a label selector")),
    }
}

/// Letters, digits, `-`, `_` and `.` in the middle, a letter or digit at both ends, at most 63 characters.
fn is_label_word(text: &str) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric();
    text.len() <= 63
        && text.bytes().all(|b| plain(&b) || b"-_.".contains(&b))
        && text.as_bytes().first().is_some_and(plain)
        && text.as_bytes().last().is_some_and(plain)
}

fn checked_key(key: &str) -> Result<Box<str>, String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(p, n)| (Some(p), n));
    let dns = |p: &str| !p.is_empty() && p.len() <= 253 && p.split('.').all(is_label_word);
    if is_label_word(name) && prefix.is_none_or(dns) {
        Ok(key.into())
    } else {
        Err(format!("{key:?} is no label key"))
    }
}

fn checked_value(value: &str) -> Result<Box<str>, String> {
    if value.is_empty() || is_label_word(value) {
        Ok(value.into())
    } else {
        Err(format!("{value:?} is no label value"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_match_as_the_api_server_does() {
        let labels: Labels = [("app", "cart"), ("tier", "web")].into_iter().collect();
        for (selector, expected) in [
            (json!(null), false),
            (json!({}), true),
            (json!({"matchLabels": {"app": "cart"}}), true),
            (json!({"matchLabels": {"app": "cart", "tier": "db"}}), false),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "cart"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["cart"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
                false,
            ),
            (
                json!({"matchLabels": {"app": "cart"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}),
                false,
            ),
            // Invalid ones match nothing (fact 58).
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": []}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["c"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["c"]}]}),
                false,
            ),
            (json!({"matchLabels": {"app": "not a value"}}), false),
            (
                json!({"matchExpressions": [{"key": "a b", "operator": "DoesNotExist"}]}),
                false,
            ),
        ] {
            let read = Selector::from_json(Some(&selector));
            assert_eq!(read.matches(&labels), expected, "{selector}: {read:?}");
        }
        assert_eq!(Selector::from_json(None), Selector::Nothing);
    }

    #[test]
    fn owners_come_from_the_labels_that_tools_agree_on() {
        let labels: Labels = [("app", "cart"), ("application", ""), ("owner", "team-a")]
            .into_iter()
            .collect();
        assert_eq!(labels.application(), Some("cart"));
        assert_eq!(labels.team(), Some("team-a"));
    }
}
