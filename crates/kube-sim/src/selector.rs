//! Label and field selectors: parsing and matching.
//!
//! The grammar is the API's: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, `a>1`, `a<1`, joined by commas.

use std::collections::BTreeMap;

use json_tree::Value;

use crate::registry::SelectableField;
use crate::status::ApiError;

/// A parsed label selector; the empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    /// Selects nothing at all: what an absent selector of an object means.
    nothing: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

impl Operator {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::In(values) => value.is_some_and(|text| values.iter().any(|wanted| wanted == text)),
            Self::NotIn(values) => value.is_none_or(|text| values.iter().all(|refused| refused != text)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Greater(bound) => number().is_some_and(|found| found > *bound),
            Self::Less(bound) => number().is_some_and(|found| found < *bound),
        }
    }
}

impl LabelSelector {
    /// Reads the `labelSelector` of a request.
    ///
    /// # Errors
    /// 400 if the text does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let mut requirements = Vec::new();
        for part in split_outside_brackets(text) {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(bad("found '', expected: identifier after ','"));
            }
            requirements.push(parse_requirement(part)?);
        }
        Ok(Self {
            requirements,
            nothing: false,
        })
    }

    /// Key and value of a label without which nothing is selected, if there is one.
    pub(crate) fn anchor(&self) -> Option<(&str, &str)> {
        self.requirements.iter().find_map(|one| match &one.operator {
            Operator::In(values) => match values.as_slice() {
                [only] => Some((one.key.as_str(), only.as_str())),
                _ => None,
            },
            _ => None,
        })
    }

    /// Reads a `LabelSelector` object; an absent one selects nothing, an empty one everything.
    #[must_use]
    pub fn from_object(selector: Option<&Value>) -> Self {
        let Some(selector) = selector.filter(|selector| !selector.is_null()) else {
            return Self {
                requirements: Vec::new(),
                nothing: true,
            };
        };
        let mut requirements = Vec::new();
        if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
            for (key, value) in labels {
                let value = value.as_str().unwrap_or_default().to_owned();
                requirements.push(Requirement {
                    key: key.to_string(),
                    operator: Operator::In(vec![value]),
                });
            }
        }
        for expression in crate::value::list(selector, &["matchExpressions"]) {
            let key = crate::value::text(expression, &["key"]).unwrap_or_default().to_owned();
            let values: Vec<String> = crate::value::list(expression, &["values"])
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect();
            let operator = match crate::value::text(expression, &["operator"]).unwrap_or_default() {
                "In" => Operator::In(values),
                "NotIn" => Operator::NotIn(values),
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::Absent,
                _ => {
                    return Self {
                        requirements: Vec::new(),
                        nothing: true,
                    };
                }
            };
            requirements.push(Requirement { key, operator });
        }
        Self {
            requirements,
            nothing: false,
        }
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Labels that an object must have with exactly these values to be selected: what an index can be asked for.
    pub fn equalities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.requirements
            .iter()
            .filter_map(|requirement| match &requirement.operator {
                Operator::In(values) => match values.as_slice() {
                    [value] => Some((requirement.key.as_str(), value.as_str())),
                    _ => None,
                },
                _ => None,
            })
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<&str, &str>) -> bool {
        self.matches_with(|key| labels.get(key).copied())
    }

    /// Whether an object is selected whose labels this function looks up.
    pub fn matches_with<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        !self.nothing
            && self
                .requirements
                .iter()
                .all(|requirement| requirement.operator.matches(label(&requirement.key)))
    }
}

fn bad(why: &str) -> ApiError {
    ApiError::bad_request(format!("unable to parse requirement: {why}"))
}

fn split_outside_brackets(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn parse_requirement(part: &str) -> Result<Requirement, ApiError> {
    if let Some(key) = part.strip_prefix('!') {
        return requirement(key, Operator::Absent);
    }
    for (sign, negative) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(sign) {
            let values = vec![label_value(value)?];
            let operator = if negative {
                Operator::NotIn(values)
            } else {
                Operator::In(values)
            };
            return requirement(key, operator);
        }
    }
    for sign in ['>', '<'] {
        if let Some((key, value)) = part.split_once(sign) {
            let number = value.trim().parse::<i64>();
            let bound = number.map_err(|_| bad("for 'Gt', 'Lt' operators, the value must be an integer"))?;
            return requirement(
                key,
                if sign == '>' {
                    Operator::Greater(bound)
                } else {
                    Operator::Less(bound)
                },
            );
        }
    }
    let Some((key, rest)) = part.split_once(char::is_whitespace) else {
        return requirement(part, Operator::Exists);
    };
    let rest = rest.trim();
    let (negative, list) = match (rest.strip_prefix("notin"), rest.strip_prefix("in")) {
        (Some(list), _) => (true, list),
        (_, Some(list)) => (false, list),
        _ => {
            return Err(bad(&format!("found '{rest}', expected: in, notin, =, ==, !=, gt, lt")));
        }
    };
    let list = list.trim();
    let inner = list
        .strip_prefix('(')
        .and_then(|list| list.strip_suffix(')'))
        .ok_or_else(|| bad(&format!("found '{list}' expected: '('")))?;
    let values = inner.split(',').map(label_value).collect::<Result<Vec<_>, _>>()?;
    requirement(
        key,
        if negative {
            Operator::NotIn(values)
        } else {
            Operator::In(values)
        },
    )
}

fn requirement(key: &str, operator: Operator) -> Result<Requirement, ApiError> {
    let key = key.trim();
    if let Some(why) = crate::strategy::names::qualified_name(key).first() {
        return Err(bad(&format!("<nil>: Invalid value: \"{key}\": {why}")));
    }
    Ok(Requirement {
        key: key.to_owned(),
        operator,
    })
}

fn label_value(text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    match crate::strategy::names::label_value(text).first() {
        Some(why) => Err(bad(&format!("values[0][key]: Invalid value: \"{text}\": {why}"))),
        None => Ok(text.to_owned()),
    }
}

/// A parsed field selector.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FieldSelector {
    /// Field, whether it must be equal, value.
    terms: Vec<(Field, bool, String)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Name,
    Namespace,
    /// A place in the resource's list of selectable fields.
    Listed(usize),
}

impl FieldSelector {
    /// Reads the `fieldSelector` of a request to a resource with these selectable fields.
    pub(crate) fn parse(text: &str, fields: &[SelectableField]) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for term in split_unescaped(text) {
            if term.is_empty() {
                continue;
            }
            let (name, equal, value) = split_term(&term).ok_or_else(|| {
                ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'"))
            })?;
            let field = match name {
                "metadata.name" => Field::Name,
                "metadata.namespace" => Field::Namespace,
                other => match fields.iter().position(|field| field.name == other) {
                    Some(at) => Field::Listed(at),
                    None => return Err(unknown_field(other, fields)),
                },
            };
            terms.push((field, equal, unescape(value)));
        }
        Ok(Self { terms })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The one name that can match, if the selector fixes it.
    pub(crate) fn name(&self) -> Option<&str> {
        self.terms
            .iter()
            .find(|(field, equal, _)| *field == Field::Name && *equal)
            .map(|(_, _, value)| value.as_str())
    }

    /// The one value that a field of the resource's list can have, if the selector fixes it.
    pub(crate) fn fixed(&self, place: usize) -> Option<&str> {
        self.terms
            .iter()
            .find(|(field, equal, _)| *field == Field::Listed(place) && *equal)
            .map(|(_, _, value)| value.as_str())
    }

    /// Whether an object with this key and these field values is selected.
    pub(crate) fn matches(&self, namespace: &str, name: &str, fields: &[Box<str>]) -> bool {
        self.terms.iter().all(|(field, equal, wanted)| {
            let found = match field {
                Field::Name => name,
                Field::Namespace => namespace,
                Field::Listed(at) => fields.get(*at).map_or("", |value| value),
            };
            (found == wanted) == *equal
        })
    }
}

/// Kinds with selectable fields of their own word the refusal otherwise than those without.
fn unknown_field(name: &str, fields: &[SelectableField]) -> ApiError {
    ApiError::bad_request(if fields.is_empty() {
        format!("\"{name}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {name}")
    })
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    for (sign, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((name, value)) = term.split_once(sign) {
            return Some((name.trim(), equal, value));
        }
    }
    None
}

fn split_unescaped(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        if c == ',' && !escaped {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        escaped = c == '\\' && !escaped;
        part.push(c);
    }
    parts.push(part);
    parts
}

fn unescape(text: &str) -> String {
    let (mut out, mut escaped) = (String::new(), false);
    for c in text.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_match_as_the_api_says() {
        let labels = BTreeMap::from([("app", "web"), ("tier", "front"), ("n", "5")]);
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web, api),tier notin (back)", true),
            ("app,!missing", true),
            ("n>4,n<6", true),
            ("app=api", false),
            ("missing", false),
            ("missing!=x", true),
            ("app notin (web)", false),
        ] {
            assert_eq!(
                LabelSelector::parse(text).map(|s| s.matches(&labels)),
                Ok(expected),
                "{text}"
            );
        }
        for text in ["app=web,", "app in web", "a b c", "=x", "a=b c"] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn field_selectors_know_their_fields() {
        let fields = [SelectableField::plain("spec.nodeName")];
        let values: [Box<str>; 1] = ["n1".into()];
        for (text, expected) in [
            ("metadata.name=a", true),
            ("metadata.namespace!=x,spec.nodeName=n1", true),
            ("spec.nodeName!=n1", false),
            ("metadata.name=a\\,b", false),
        ] {
            let parsed = FieldSelector::parse(text, &fields);
            assert_eq!(parsed.map(|s| s.matches("ns", "a", &values)), Ok(expected), "{text}");
        }
        let error = FieldSelector::parse("spec.foo=1", &fields).map_err(|e| e.message);
        assert_eq!(error, Err("field label not supported: spec.foo".to_owned()));
    }
}
