use serde_json::json;

use super::*;

fn object() -> Value {
    json!({
        "metadata": {
            "namespace": "shop", "name": "db-2", "uid": "u-1", "creationTimestamp": "2026-11-20T08:00:00Z",
            "labels": {"application": "db", "team": "team-a"},
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
            "ownerReferences": [
                {"kind": "Other", "name": "x"},
                {"kind": "StatefulSet", "name": "db", "controller": true}
            ]
        },
        "spec": {
            "nodeName": "n1", "priority": 1000, "terminationGracePeriodSeconds": 120,
            "volumes": [{"name": "tmp", "emptyDir": {}}]
        },
        "status": {
            "phase": "Running", "startTime": "2026-11-20T08:00:02Z",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-20T08:01:00Z"}]
        }
    })
}

#[test]
fn a_pod_with_everything() {
    let pod = read_pod(&object()).unwrap();
    assert_eq!(pod.key.to_string(), "shop/db-2");
    assert!(
        matches!(&pod.kind, PodKind::StatefulSet { owner, ordinal: 2, .. } if *owner.name == *"db"),
        "{:?}",
        pod.kind
    );
    assert_eq!(pod.readiness, Readiness::Ready("2026-11-20T08:01:00Z".parse().unwrap()));
    assert_eq!((pod.priority, pod.local_data, pod.grace), (1000, true, whole(120)));
    assert_eq!(
        pod.hold.as_deref(),
        Some("cluster-autoscaler.kubernetes.io/safe-to-evict")
    );
    assert_eq!(pod.responsible(), "team-a");
    assert_eq!(pod.terminating, None);
}

#[test]
fn a_deletion_starts_a_grace_period_before_its_end() {
    let mut value = object();
    value["metadata"]["deletionTimestamp"] = json!("2026-11-21T12:01:00Z");
    value["metadata"]["deletionGracePeriodSeconds"] = json!(60);
    let pod = read_pod(&value).unwrap();
    let since = "2026-11-21T12:00:00Z".parse().unwrap();
    assert_eq!(
        pod.terminating,
        Some(Termination {
            since,
            grace: whole(60)
        })
    );
}

#[test]
fn kinds() {
    let kind_of = |owner: Value, mirror: bool| {
        let mut value = object();
        value["metadata"]["ownerReferences"] = owner;
        value["spec"]["activeDeadlineSeconds"] = json!(3600);
        if mirror {
            value["metadata"]["annotations"][MIRROR] = json!("hash");
        }
        read_pod(&value).unwrap().kind
    };
    let of = |kind: &str| json!([{"kind": kind, "name": "x", "controller": true}]);
    assert_eq!(kind_of(json!([]), false), PodKind::Bare);
    assert_eq!(kind_of(of("Node"), false), PodKind::Static);
    assert_eq!(kind_of(of("ReplicaSet"), true), PodKind::Static);
    assert_eq!(
        kind_of(of("DaemonSet"), false),
        PodKind::DaemonSet(Owner::new("DaemonSet", "x"))
    );
    assert_eq!(
        kind_of(of("Rollout"), false),
        PodKind::Replicated(Owner::new("Rollout", "x"))
    );
    let deadline = Some("2026-11-20T09:00:02Z".parse().unwrap());
    assert_eq!(
        kind_of(of("Job"), false),
        PodKind::Job {
            owner: Owner::new("Job", "x"),
            deadline
        }
    );
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let check = |pointer: &str, value: Value, expected: &str| {
        let mut pod = object();
        *pod.pointer_mut(pointer).unwrap() = value;
        assert_eq!(read_pod(&pod).unwrap_err().to_string(), expected);
    };
    check(
        "/metadata/creationTimestamp",
        json!(null),
        "/metadata/creationTimestamp is missing or not a time",
    );
    check(
        "/metadata/creationTimestamp",
        json!("today"),
        "/metadata/creationTimestamp is not an RFC 3339 time",
    );
    check("/status/phase", json!("Odd"), "/status/phase is missing or not a phase");
    check("/metadata/uid", json!(7), "/metadata/uid is missing or not a text");
}

#[test]
fn budgets() {
    let value = json!({
        "metadata": {"namespace": "shop", "name": "db", "generation": 3},
        "spec": {"maxUnavailable": "25%", "selector": {"matchLabels": {"app": "db"}}, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
        "status": {"observedGeneration": 2, "expectedPods": 4, "currentHealthy": 4, "desiredHealthy": 3, "disruptionsAllowed": 1}
    });
    let budget = read_budget(&value).unwrap();
    assert_eq!(budget.limit, Limit::MaxUnavailable(Amount::Percent(25)));
    assert_eq!(
        (budget.expected, budget.healthy, budget.desired, budget.allowed),
        (4, 4, 3, 1)
    );
    assert_eq!(
        (budget.unhealthy, budget.is_stale(), budget.room()),
        (UnhealthyPods::AlwaysAllow, true, 1)
    );

    // A new budget without status refuses everything.
    let bare = json!({"metadata": {"namespace": "shop", "name": "db", "generation": 1}, "spec": {}});
    let budget = read_budget(&bare).unwrap();
    assert_eq!(
        (budget.limit, budget.allowed, budget.is_stale()),
        (Limit::MinAvailable(Amount::Count(1)), 0, true)
    );
    let broken = json!({"metadata": {"namespace": "shop", "name": "db"}, "spec": {"minAvailable": "half"}});
    assert_eq!(
        read_budget(&broken).unwrap_err().to_string(),
        "/spec/minAvailable is not an amount of pods"
    );
}

/// All places of a tree, the deepest first.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(key, value)| pointers(value, &format!("{at}/{}", key.replace('/', "~1")), all)),
        Value::Array(items) => {
            (items.iter().enumerate()).for_each(|(i, value)| pointers(value, &format!("{at}/{i}"), all))
        }
        _ => {}
    }
    all.push(at.to_owned());
}

/// Whatever is odd about an object, its text says the same as its tree.
#[test]
fn text_and_tree_say_the_same() {
    let budget = json!({
        "metadata": {"namespace": "shop", "name": "db", "generation": 3, "resourceVersion": "7"},
        "spec": {"maxUnavailable": "25%", "minAvailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {"app": "db"}}},
        "status": {"observedGeneration": 2, "expectedPods": 4, "currentHealthy": 4, "desiredHealthy": 3, "disruptionsAllowed": 1}
    });
    let mut pod = object();
    pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T12:01:00Z");
    pod["metadata"]["annotations"]["a"] = json!("with a \"quote\", a \\ and a\nline");
    pod["spec"]["volumes"] = json!([{"emptyDir": null}, {"persistentVolumeClaim": {"claimName": "d"}}, 7]);
    let pods = |object: &PodObject<'_>| {
        let claims: Vec<&str> = object.claims().collect();
        format!(
            "{:?} {claims:?} {:?} {:?}",
            object.place(),
            object.annotation("a"),
            object.read()
        )
    };
    let budgets = |object: &BudgetObject<'_>| format!("{:?} {:?}", object.place(), object.read());
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!("odd"),
        json!([{}]),
        json!({"a": {}}),
    ];
    for (whole, is_pod) in [(&pod, true), (&budget, false)] {
        let mut places = Vec::new();
        pointers(whole, "", &mut places);
        for place in places {
            for value in &odd {
                let mut object = whole.clone();
                *object.pointer_mut(&place).unwrap() = value.clone();
                let text = object.to_string();
                if is_pod {
                    let read = serde_json::from_str::<PodObject<'_>>(&text).unwrap_or_default();
                    assert_eq!(pods(&read), pods(&PodObject::of(&object)), "{text}");
                } else {
                    let read = serde_json::from_str::<BudgetObject<'_>>(&text).unwrap_or_default();
                    assert_eq!(budgets(&read), budgets(&BudgetObject::of(&object)), "{text}");
                }
            }
        }
    }
}
