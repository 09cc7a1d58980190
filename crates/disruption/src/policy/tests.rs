use super::*;

fn items(pairs: &[(&str, &str)]) -> ConfigItems {
    pairs
        .iter()
        .map(|(k, v)| (k.parse().unwrap(), (*v).to_owned()))
        .collect()
}

const FULL: [(&str, &str); 5] = [
    ("drain_grace_period", "1h"),
    ("drain_min_pod_lifetime", "24h"),
    ("drain_min_healthy_sibling_lifetime", "30m"),
    ("drain_min_unhealthy_sibling_lifetime", "2h"),
    ("drain_force_evict_interval", "1m30s"),
];

#[test]
fn the_published_numbers() {
    let texts = |p: Policy| p.deadlines().map(|d| d.to_string()).join(" ");
    assert_eq!(
        texts(Policy::of(Environment::named("production"))),
        "72h0m0s 6h0m0s 5m0s 1h0m0s 6h0m0s 30s"
    );
    assert_eq!(
        texts(Policy::of(Environment::named("e2e"))),
        "8h0m0s 2h0m0s 5m0s 1h0m0s 1h0m0s 30s"
    );
    assert_eq!(Environment::named("test"), Environment::Test);
}

#[test]
fn a_pool_wins_over_a_cluster_and_a_cluster_over_the_environment() {
    let pool = items(&[("drain_grace_period", "10m")]);
    let cluster = items(&[("drain_grace_period", "20m"), ("drain_poll_interval", "5s")]);
    let policy = Policy::resolve(Some(Environment::Test), &[&pool, &cluster]).unwrap();
    assert_eq!(policy.grace_period.to_string(), "10m0s");
    assert_eq!(policy.poll_interval.to_string(), "5s");
    assert_eq!(policy.min_pod_lifetime.to_string(), "8h0m0s");
}

#[test]
fn without_a_base_every_deadline_must_be_set() {
    assert!(Policy::resolve(None, &[&items(&FULL)]).is_ok());
    for (left_out, _) in FULL {
        let mut some = items(&FULL);
        some.remove(left_out);
        let errors = Policy::resolve(None, &[&some]).unwrap_err();
        assert!(
            matches!(errors.as_slice(), [PolicyError::Missing { key }] if *key == left_out),
            "{errors:?}"
        );
    }
}

#[test]
fn refusals_name_the_item_and_not_the_value() {
    for (key, value, expected) in [
        (
            "drain_grace_period",
            "six hours",
            "config item drain_grace_period is no duration",
        ),
        (
            "drain_grace_period",
            "",
            "config item drain_grace_period is no duration",
        ),
        (
            "drain_min_pod_lifetime",
            "-1h",
            "config item drain_min_pod_lifetime must not be negative",
        ),
        (
            "drain_poll_interval",
            "0",
            "config item drain_poll_interval must be above zero",
        ),
    ] {
        let errors = Policy::resolve(Some(Environment::Production), &[&items(&[(key, value)])]).unwrap_err();
        let [error] = errors.as_slice() else {
            panic!("{errors:?}")
        };
        assert_eq!(error.to_string(), expected);
    }
    let zero = items(&[("drain_grace_period", "0")]);
    assert!(Policy::resolve(Some(Environment::Production), &[&zero]).is_ok());
}

#[test]
fn two_ways_are_chosen_by_words() {
    let chosen = items(&[
        ("drain_bare_pods", "hold"),
        ("drain_local_data", "evict"),
        ("drain_sibling_clock", "since-change"),
    ]);
    let policy = Policy::resolve(Some(Environment::Production), &[&chosen]).unwrap();
    let handled = (policy.bare_pods, policy.local_data, policy.owner_holds);
    assert_eq!(handled, (Handling::Hold, Handling::Evict, Handling::Evict));
    assert_eq!(policy.sibling_clock, SiblingClock::SinceChange);
    let wrong = items(&[("drain_owner_holds", "true")]);
    let errors = Policy::resolve(Some(Environment::Production), &[&wrong]).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "config item drain_owner_holds must be evict or hold"
    );
}
