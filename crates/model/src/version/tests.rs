//! Facts 1 to 5 are exact; the properties say what the hash depends on.

use proptest::prelude::*;

use super::*;
use crate::{Cluster, NodePool};

fn fact_1() -> Cluster {
    serde_json::from_value(serde_json::json!({
        "id": "aws:123456789012:eu-central-1:kube-1",
        "alias": "kube-1",
        "infrastructure_account": "aws:123456789012",
        "region": "eu-central-1",
        "local_id": "kube-1",
        "provider": "zalando-aws",
        "api_server_url": "https://kube-1.foo.example.org/",
        "channel": "alpha",
        "environment": "production",
        "criticality_level": 1,
        "lifecycle_status": "ready",
    }))
    .unwrap()
}

fn pool(name: &str, kinds: &[&str], min: i64, max: i64, items: &[(&str, &str)]) -> NodePool {
    NodePool {
        name: name.parse().unwrap(),
        profile: name.to_owned(),
        instance_types: kinds.iter().map(|k| (*k).to_owned()).collect(),
        discount_strategy: "none".to_owned(),
        min_size: min,
        max_size: max,
        config_items: self::items(items),
    }
}

fn items(items: &[(&str, &str)]) -> ConfigItems {
    items
        .iter()
        .map(|(k, v)| (k.parse().unwrap(), (*v).to_owned()))
        .collect()
}

fn fact_2() -> Cluster {
    let mut cluster = fact_1();
    cluster.config_items = items(&[("product_x_key", "abcde"), ("product_y_key", "12345")]);
    cluster.node_pools = vec![
        pool("master-default", &["m4.large"], 2, 2, &[]),
        pool(
            "worker-default",
            &["m5.large", "m5.2xlarge"],
            3,
            21,
            &[("taints", "my-taint=:NoSchedule")],
        ),
    ];
    cluster
}

#[test]
fn fact_1_plain_cluster() {
    assert_eq!(
        ClusterVersion::of("dir", &fact_1()).to_string(),
        "dir#0Rrd-phWGSGgDM6iSjm7wGF4pqw"
    );
}

#[test]
fn fact_2_items_and_pools() {
    let version = ClusterVersion::of("git-commit-hash", &fact_2());
    assert_eq!(version.to_string(), "git-commit-hash#QLIyzRr4YN93KJgAXnwmTT-WcJg");
}

#[test]
fn fact_3_collision_is_kept() {
    // The registry refuses one-letter keys; the collision shows with longer ones just the same, and the exact figure of
    // the fact needs the key `a`, which only the hash function can be given.
    let mut sha = Sha1::new();
    for part in [
        "aws:123456789012:eu-central-1:kube-1",
        "aws:123456789012",
        "kube-1",
        "https://kube-1.foo.example.org/",
    ] {
        sha.update(part);
    }
    sha.update("alpha");
    sha.update("production");
    sha.update(1_i32.to_le_bytes());
    sha.update("readyzalando-awseu-central-1abc");
    assert_eq!(URL_SAFE_NO_PAD.encode(sha.finalize()), "6eFWBEmUKfsVL-H4nxlQD3wXGOM");
    let (mut left, mut right) = (fact_1(), fact_1());
    left.config_items = items(&[("abc", "d")]);
    right.config_items = items(&[("ab", "cd")]);
    assert_eq!(version_hash(&left), version_hash(&right));
}

#[test]
fn fact_4_what_counts_and_what_does_not() {
    let version = version_hash(&fact_2());
    let changed = |change: fn(&mut Cluster)| {
        let mut cluster = fact_2();
        change(&mut cluster);
        version_hash(&cluster) != version
    };
    assert!(!changed(|c| c.alias = "other".parse().unwrap()));
    assert!(!changed(|c| c.created_at = Some(jiff::Timestamp::UNIX_EPOCH)));
    assert!(!changed(|c| c.status.next_version = "x#y".to_owned()));
    assert!(changed(|c| c.node_pools.swap(0, 1)));
    assert!(changed(|c| c.lifecycle_status = crate::LifecycleStatus::Requested));
    assert!(changed(|c| c.criticality_level = 2));
}

#[test]
fn fact_5_strings_that_do_not_split_count_as_empty() {
    for text in ["", "foo", "a#b#c"] {
        assert_eq!(ClusterVersion::parse(text), ClusterVersion::default(), "{text}");
    }
    let bar = ClusterVersion::parse("#bar");
    assert_eq!((bar.config.as_str(), bar.hash.as_str()), ("", "bar"));
}

proptest! {
    #[test]
    fn a_printed_version_parses_to_itself(config in "[^#]{0,40}", hash in "[^#]{0,30}") {
        let version = ClusterVersion { config, hash };
        prop_assert_eq!(ClusterVersion::parse(&version.to_string()), version);
    }

    #[test]
    fn parsing_never_fails(text in ".{0,60}") {
        let parsed = ClusterVersion::parse(&text);
        prop_assert!(parsed == ClusterVersion::default() || parsed.to_string() == text);
    }

    #[test]
    fn each_value_and_bound_counts(value in "[a-z]{1,8}", other in "[a-z]{1,8}", min in 0_i64..50, more in 1_i64..50) {
        prop_assume!(value != other);
        let mut a = fact_2();
        a.config_items.insert("my_item".parse().unwrap(), value);
        a.node_pools[1].min_size = min;
        let mut b = a.clone();
        b.config_items.insert("my_item".parse().unwrap(), other);
        prop_assert_ne!(version_hash(&a), version_hash(&b));
        let mut c = a.clone();
        c.node_pools[1].max_size += more;
        prop_assert_ne!(version_hash(&a), version_hash(&c));
    }
}
