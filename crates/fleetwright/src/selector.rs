//! Selectors over fields: `channel=beta,environment!=test,region in (a, b)`.

use model::LifecycleStatus;
use model::selector::FieldTest;
use ports::registry::ClusterFilter;
use serde_json::Value;

use crate::failure::Failure;

/// Requirements that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector(model::selector::Selector);

impl Selector {
    /// Reads a selector; `fields` are the members that objects of the kind have.
    pub(crate) fn parse(text: &str, fields: &[&str]) -> Result<Self, Failure> {
        let read = model::selector::Selector::parse(text, fields);
        read.map(Self).map_err(|refused| {
            let part = refused.value.trim_matches('"');
            let said = |rule: &str| Failure::new(format!("selector {part:?}: {rule}"));
            match refused.rule.split_once("; ") {
                Some((rule, hint)) => said(rule).hint(hint.to_owned()),
                None => said(&refused.rule),
            }
        })
    }

    /// True when the object meets every requirement.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.holds(|path| field_text(object, path))
    }

    /// The part of it that the server can evaluate; what comes back is still held against the whole.
    pub(crate) fn cluster_filter(&self) -> ClusterFilter {
        let mut filter = ClusterFilter::default();
        for requirement in self.0.requirements() {
            let (FieldTest::In(values), [field]) = (&requirement.test, requirement.path.as_slice()) else {
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
