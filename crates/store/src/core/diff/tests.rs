use serde_json::json;

use super::*;

fn cluster() -> Cluster {
    serde_json::from_value(json!({
        "id": "aws:1:eu:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1", "region": "eu",
        "local_id": "kube-1", "provider": "zalando-aws", "api_server_url": "https://kube-1.example.org",
        "channel": "alpha", "environment": "test", "criticality_level": 1, "lifecycle_status": "ready",
        "status": {"current_version": "a#b", "next_version": "c#d"},
        "config_items": {"plain": "1", "db_password": "hunter2"},
        "node_pools": [pool("master"), pool("worker")],
    }))
    .unwrap()
}

fn pool(name: &str) -> Value {
    json!({"name": name, "profile": "p", "instance_types": ["m5.large"], "discount_strategy": "none",
        "min_size": 1, "max_size": 3, "config_items": {"api_token": "s3cr3t", "x1": "y"}})
}

fn check(change: impl FnOnce(&mut Cluster), expected: &[(&str, Option<Value>, Option<Value>)]) {
    let before = cluster();
    let mut after = before.clone();
    change(&mut after);
    let found: Vec<_> = diff_cluster(Some(&before), Some(&after))
        .into_iter()
        .map(|c| (c.field, c.before, c.after))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(f, b, a)| ((*f).to_owned(), b.clone(), a.clone()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn paths_name_the_changed_members() {
    check(|_| {}, &[]);
    check(
        |c| c.alias = "kube-2".parse().unwrap(),
        &[("alias", Some(json!("kube-1")), Some(json!("kube-2")))],
    );
    check(
        |c| c.status.next_version.clear(),
        &[("status.next_version", Some(json!("c#d")), None)],
    );
    check(
        |c| {
            c.config_items.insert("plain".parse().unwrap(), "2".into());
        },
        &[("config_items.plain", Some(json!("1")), Some(json!("2")))],
    );
    check(
        |c| c.node_pools[1].max_size = 9,
        &[("node_pools.worker.max_size", Some(json!(3)), Some(json!(9)))],
    );
    check(
        |c| {
            c.node_pools[0].config_items.remove("x1");
        },
        &[("node_pools.master.config_items.x1", Some(json!("y")), None)],
    );
}

#[test]
fn secrets_are_masked_on_both_sides_and_the_change_stays_visible() {
    check(
        |c| {
            c.config_items.insert("db_password".parse().unwrap(), "other".into());
        },
        &[(
            "config_items.db_password",
            Some(json!("<masked>")),
            Some(json!("<masked>")),
        )],
    );
    let mut masked = pool("worker");
    masked["config_items"]["api_token"] = json!("<masked>");
    check(
        |c| {
            c.node_pools.pop();
        },
        &[("node_pools.worker", Some(masked), None)],
    );
    let all = serde_json::to_string(&diff_cluster(None, Some(&cluster()))).unwrap();
    assert!(!all.contains("hunter2") && !all.contains("s3cr3t"), "{all}");
}

#[test]
fn a_new_order_of_pools_is_a_change() {
    check(
        |c| c.node_pools.reverse(),
        &[(
            "node_pools",
            Some(json!(["master", "worker"])),
            Some(json!(["worker", "master"])),
        )],
    );
}

#[test]
fn a_created_object_lists_its_members_and_a_deleted_one_mirrors_it() {
    let made = diff_cluster(None, Some(&cluster()));
    let gone = diff_cluster(Some(&cluster()), None);
    assert!(made.iter().all(|c| c.before.is_none() && c.after.is_some()));
    assert!(gone.iter().all(|c| c.after.is_none()));
    assert_eq!(made.len(), gone.len());
    assert!(made.iter().any(|c| c.field == "node_pools.worker"));
}
