use super::*;

const FIELDS: &[&str] = &["channel", "region", "criticality_level", "config_items", "status"];

fn cluster() -> Cluster {
    serde_json::from_value(serde_json::json!({
        "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1",
        "region": "a=b", "local_id": "kube-1", "provider": "zalando-aws", "api_server_url": "https://x.org",
        "channel": "beta", "environment": "test", "criticality_level": 2, "lifecycle_status": "ready",
        "config_items": {"cluster_type": "gpu"},
    }))
    .unwrap()
}

#[test]
fn selectors_select_clusters() {
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
        ("config_items.cluster_type=gpu", true),
        ("config_items.nothing!=", false),
        ("config_items.nothing=", true),
        ("", true),
    ] {
        let selector = Selector::of_clusters(text).unwrap();
        assert_eq!(selector.selects(&cluster()), expected, "{text}");
        assert_eq!(selector.as_str(), text);
    }
}

#[test]
fn bad_selectors_are_refused_with_the_reason() {
    for (text, expected) in [
        ("chanel=beta", "there is no field \"chanel\""),
        ("channel", "must have the form"),
        ("channel in (a", "has a ( without a )"),
        ("channel)", "has a ) without a ("),
        ("=x", "must begin with the name of a field"),
        ("", "must have the form"),
    ] {
        let refused = Selector::parse(text, FIELDS).unwrap_err().to_string();
        assert!(refused.contains(expected), "{text}: {refused}");
    }
}
