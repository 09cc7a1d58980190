//! Selectors over fields: `channel=beta,environment!=test,region in (a, b)`.

use model::LifecycleStatus;
use ports::registry::ClusterFilter;
use serde_json::Value;

use crate::failure::Failure;

/// What a field must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    path: Vec<String>,
    test: Test,
}

/// Requirements that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

impl Selector {
    /// Reads a selector; `fields` are the members that objects of the kind have.
    pub(crate) fn parse(text: &str, fields: &[&str]) -> Result<Self, Failure> {
        let mut requirements = Vec::new();
        for part in split(text)? {
            let requirement = requirement(part.trim())?;
            let first = requirement.path.first().map(String::as_str).unwrap_or_default();
            if !fields.contains(&first) {
                let message = format!("selector {:?}: there is no field {first:?}", part.trim());
                return Err(Failure::new(message).hint(format!("fields are {}", fields.join(", "))));
            }
            requirements.push(requirement);
        }
        Ok(Self(requirements))
    }

    /// True when the object meets every requirement.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| {
            let found = field_text(object, &requirement.path);
            match &requirement.test {
                Test::In(values) => values.contains(&found),
                Test::NotIn(values) => !values.contains(&found),
            }
        })
    }

    /// The part of it that the server can evaluate; what comes back is still held against the whole.
    pub(crate) fn cluster_filter(&self) -> ClusterFilter {
        let mut filter = ClusterFilter::default();
        for requirement in &self.0 {
            let (Test::In(values), [field]) = (&requirement.test, requirement.path.as_slice()) else {
                continue;
            };
            let [value] = values.as_slice() else { continue };
            let value = || Some(value.clone());
            match field.as_str() {
                "alias" => filter.alias = value(),
                "api_server_url" => filter.api_server_url = value(),
                "channel" => filter.channel = value(),
                "environment" => filter.environment = value(),
                "infrastructure_account" => filter.infrastructure_account = value(),
                "lifecycle_status" => filter.lifecycle_status = value().and_then(|v| v.parse::<LifecycleStatus>().ok()),
                "local_id" => filter.local_id = value(),
                "provider" => filter.provider = value(),
                "region" => filter.region = value(),
                _ => {}
            }
        }
        filter
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Result<Vec<&str>, Failure> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Err(bad(text, "has a ) without a (")),
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(bad(text, "has a ( without a )"));
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts)
}

fn requirement(text: &str) -> Result<Requirement, Failure> {
    let (field, test) = if let Some((field, value)) = text.split_once("!=") {
        (field, Test::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((field, values)) = set(text, " notin") {
        (field, Test::NotIn(values))
    } else if let Some((field, values)) = set(text, " in") {
        (field, Test::In(values))
    } else if let Some((field, value)) = text.split_once('=') {
        (
            field,
            Test::In(vec![value.strip_prefix('=').unwrap_or(value).trim().to_owned()]),
        )
    } else {
        return Err(bad(
            text,
            "must have the form field=value, field!=value, field in (a,b) or field notin (a,b)",
        ));
    };
    let path: Vec<String> = field.trim().split('.').map(str::to_owned).collect();
    if path
        .iter()
        .any(|name| name.is_empty() || name.contains(char::is_whitespace))
    {
        return Err(bad(text, "must begin with the name of a field"));
    }
    Ok(Requirement { path, test })
}

/// `field in (a, b)`.
fn set<'a>(text: &'a str, word: &str) -> Option<(&'a str, Vec<String>)> {
    let (head, list) = text.strip_suffix(')')?.split_once('(')?;
    let field = head.trim_end().strip_suffix(word)?;
    Some((field, list.split(',').map(|value| value.trim().to_owned()).collect()))
}

fn bad(text: &str, rule: &str) -> Failure {
    Failure::new(format!("selector {text:?}: {rule}"))
}

/// The field as text; what is not there is the empty text, so `field!=` selects what is set.
fn field_text(object: &Value, path: &[String]) -> String {
    let found = path.iter().try_fold(object, |value, name| value.get(name));
    match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: &[&str] = &["channel", "region", "criticality_level", "config_items", "status"];

    #[test]
    fn selectors_select() {
        let object = json!({"channel": "beta", "region": "a=b", "criticality_level": 2,
            "config_items": {"cluster_update_block": ""}, "status": {"next_version": "x#y"}});
        for (text, expected) in [
            ("channel=beta", true),
            ("channel==beta", true),
            ("channel!=beta", false),
            ("channel in (alpha, beta)", true),
            ("channel notin (alpha, beta)", false),
            ("channel in(beta)", true),
            ("criticality_level=2,channel=beta", true),
            ("criticality_level=2,channel=dev", false),
            ("region=a=b", true),
            ("status.next_version!=", true),
            ("status.current_version=", true),
            ("config_items.nothing!=", false),
        ] {
            assert_eq!(
                Selector::parse(text, FIELDS).unwrap().matches(&object),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn bad_selectors_are_refused_with_the_reason() {
        for (text, expected) in [
            ("chanel=beta", "selector \"chanel=beta\": there is no field \"chanel\""),
            ("channel", "selector \"channel\": must have the form"),
            ("channel in (a", "has a ( without a )"),
            ("channel)", "has a ) without a ("),
            ("=x", "must begin with the name of a field"),
            ("", "must have the form"),
        ] {
            let Err(Failure::Said { message, .. }) = Selector::parse(text, FIELDS) else {
                panic!("{text} was taken")
            };
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn the_server_gets_what_it_can_evaluate() {
        let selector = Selector::parse("channel=beta,region!=x,status.next_version=", FIELDS).unwrap();
        assert_eq!(
            selector.cluster_filter(),
            ClusterFilter {
                channel: Some("beta".into()),
                ..ClusterFilter::default()
            }
        );
    }
}
