//! Stories of the other controllers.

use json_tree::{Value, json};

use super::bench::Bench;
use crate::controllers::support::tree::{at, int, list, name, set, text};
use crate::controllers::{METRICS_CONFIG_MAP, Metrics};
use crate::engine::Action;
use crate::kind::{Key, Kind};

fn template(app: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": [
        {"name": "main", "image": "v1", "resources": {"requests": {"cpu": "1"}}}]}})
}

fn workload(app: &str, replicas: i64) -> Value {
    json!({"metadata": {"name": app}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app}}, "template": template(app)}})
}

fn names(bench: &Bench, kind: Kind) -> Vec<String> {
    bench.list(kind).iter().map(|object| name(object).to_owned()).collect()
}

#[test]
fn a_budget_grants_one_eviction_and_the_next_when_the_pod_is_replaced() {
    let mut bench = Bench::new(5);
    bench.create(Kind::DEPLOYMENT, workload("web", 10));
    bench.create(
        Kind::POD_DISRUPTION_BUDGET,
        json!({"metadata": {"name": "web"},
        "spec": {"minAvailable": 9, "selector": {"matchLabels": {"app": "web"}}}}),
    );
    bench.run_out();
    let status = |bench: &Bench, field: &str| int(&bench.get(Kind::POD_DISRUPTION_BUDGET, "web"), &["status", field]);
    assert_eq!(
        (status(&bench, "currentHealthy"), status(&bench, "desiredHealthy")),
        (Some(10), Some(9))
    );
    assert_eq!(status(&bench, "disruptionsAllowed"), Some(1));
    let pods = names(&bench, Kind::POD);
    bench.evict(&pods[0]).unwrap();
    bench.settle();
    let refused = bench.evict(&pods[1]).unwrap_err();
    assert_eq!(refused.code, 429);
    let causes = format!("{:?}", refused.details);
    assert!(causes.contains("needs 9 healthy pods and has 9 currently"), "{causes}");
    bench.run_out();
    assert_eq!(status(&bench, "disruptionsAllowed"), Some(1));
    bench.evict(&pods[1]).unwrap();
}

#[test]
fn a_stateful_set_starts_updates_and_shrinks_in_order() {
    let mut bench = Bench::new(3);
    let mut db = workload("db", 3);
    set(&mut db, &["spec", "serviceName"], "db");
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
        "resources": {"requests": {"storage": "1Gi"}}}});
    set(&mut db, &["spec", "volumeClaimTemplates"], json!([claim]));
    bench.create(
        Kind::STORAGE_CLASS,
        json!({"metadata": {"name": "fast"}, "provisioner": "ebs.csi.aws.com",
        "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
    );
    bench.create(Kind::STATEFUL_SET, db);
    bench.settle();
    assert_eq!(names(&bench, Kind::POD), ["db-0"]);
    bench.run_out();
    assert_eq!(names(&bench, Kind::POD), ["db-0", "db-1", "db-2"]);
    assert_eq!(
        names(&bench, Kind::PERSISTENT_VOLUME_CLAIM),
        ["data-db-0", "data-db-1", "data-db-2"]
    );
    assert!(
        bench
            .list(Kind::PERSISTENT_VOLUME_CLAIM)
            .iter()
            .all(|claim| text(claim, &["status", "phase"]) == Some("Bound"))
    );
    let first = text(&bench.get(Kind::STATEFUL_SET, "db"), &["status", "currentRevision"])
        .unwrap()
        .to_owned();
    bench.events.clear();
    bench.patch(
        Kind::STATEFUL_SET,
        "db",
        json!({"spec": {"template": {"metadata": {"annotations": {"v": "2"}}}}}),
    );
    bench.run_out();
    let deleted: Vec<&String> = bench
        .events
        .iter()
        .filter(|event| event.starts_with("SuccessfulDelete"))
        .collect();
    let order: Vec<&str> = deleted.iter().filter_map(|event| event.split(' ').nth(3)).collect();
    assert_eq!(order, ["db-2", "db-1", "db-0"], "{deleted:?}");
    let set_now = bench.get(Kind::STATEFUL_SET, "db");
    assert_ne!(text(&set_now, &["status", "currentRevision"]), Some(first.as_str()));
    assert_eq!(
        text(&set_now, &["status", "currentRevision"]),
        text(&set_now, &["status", "updateRevision"])
    );
    bench.patch(Kind::STATEFUL_SET, "db", json!({"spec": {"replicas": 1}}));
    bench.run_out();
    assert_eq!(names(&bench, Kind::POD), ["db-0"]);
    assert_eq!(
        bench.list(Kind::PERSISTENT_VOLUME_CLAIM).len(),
        3,
        "claims stay by default"
    );
}

#[test]
fn a_daemon_runs_on_every_node_that_lets_it() {
    let mut bench = Bench::new(4);
    bench
        .apply(&crate::engine::Action::Patch {
            key: crate::kind::Key::new(Kind::NODE, "", "n3"),
            patch: json!({"spec": {"taints": [{"key": "special", "value": "x", "effect": "NoSchedule"}]}}),
        })
        .unwrap();
    bench.create(
        Kind::DAEMON_SET,
        json!({"metadata": {"name": "log"}, "spec": {
        "selector": {"matchLabels": {"app": "log"}}, "template": template("log")}}),
    );
    bench.run_out();
    let status = |bench: &Bench, field: &str| int(&bench.get(Kind::DAEMON_SET, "log"), &["status", field]).unwrap_or(0);
    assert_eq!(
        (status(&bench, "desiredNumberScheduled"), status(&bench, "numberReady")),
        (3, 3)
    );
    bench.check = Some(Box::new(|bench| {
        let pods = bench.list(Kind::POD);
        let going = pods
            .iter()
            .filter(|pod| crate::controllers::support::tree::deleting(pod))
            .count();
        assert!(going <= 1, "{going} at once");
    }));
    bench.patch(
        Kind::DAEMON_SET,
        "log",
        json!({"spec": {"template": {"metadata": {"annotations": {"v": "2"}}}}}),
    );
    bench.run_out();
    assert_eq!(
        (
            status(&bench, "updatedNumberScheduled"),
            status(&bench, "numberAvailable")
        ),
        (3, 3)
    );
    assert_eq!(bench.list(Kind::CONTROLLER_REVISION).len(), 2);
}

fn job(image: &str, spec: Value) -> Value {
    let mut job = json!({"metadata": {"name": "work"}, "spec": {"template": {"spec": {"restartPolicy": "Never",
        "containers": [{"name": "main", "image": image}]}}}});
    for (field, value) in spec.as_object().unwrap() {
        set(&mut job, &["spec", field], value.clone());
    }
    job
}

fn conditions(object: &Value) -> Vec<String> {
    let all = list(object, &["status", "conditions"]).iter();
    all.map(|one| {
        format!(
            "{} {}",
            text(one, &["type"]).unwrap(),
            text(one, &["reason"]).unwrap_or_default()
        )
    })
    .collect()
}

#[test]
fn a_job_completes_or_fails_after_its_limit() {
    let mut bench = Bench::new(2);
    bench.create(Kind::JOB, job("v1", json!({"completions": 5, "parallelism": 2})));
    bench.run_out();
    let done = bench.get(Kind::JOB, "work");
    assert_eq!(int(&done, &["status", "succeeded"]), Some(5));
    assert_eq!(
        conditions(&done),
        ["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"]
    );
    assert!(at(&done, &["status", "completionTime"]).is_some());
    assert!(
        bench
            .list(Kind::POD)
            .iter()
            .all(|pod| list(pod, &["metadata", "finalizers"]).is_empty())
    );

    let mut bench = Bench::new(2);
    bench.create(Kind::JOB, job("broken", json!({"backoffLimit": 2})));
    let start = bench.now();
    for _ in 0..200 {
        bench.run_out();
        bench.advance(1);
    }
    let failed = bench.get(Kind::JOB, "work");
    assert_eq!(int(&failed, &["status", "failed"]), Some(3));
    assert_eq!(
        conditions(&failed),
        ["FailureTarget BackoffLimitExceeded", "Failed BackoffLimitExceeded"]
    );
    let ended: jiff::Timestamp = text(&list(&failed, &["status", "conditions"])[1], &["lastTransitionTime"])
        .unwrap()
        .parse()
        .unwrap();
    let took = ended.duration_since(start).as_secs();
    assert!((30..60).contains(&took), "pauses of 10 and 20 seconds: {took}");
}

#[test]
fn indexed_jobs_do_each_index_once() {
    let mut bench = Bench::new(2);
    let spec = json!({"completions": 4, "parallelism": 3, "completionMode": "Indexed", "ttlSecondsAfterFinished": 60});
    bench.create(Kind::JOB, job("v1", spec));
    bench.run_out();
    let done = bench.get(Kind::JOB, "work");
    assert_eq!(text(&done, &["status", "completedIndexes"]), Some("0-3"));
    bench.advance(61);
    assert!(bench.list(Kind::JOB).is_empty());
    assert!(bench.list(Kind::POD).is_empty());
}

#[test]
fn a_cron_job_runs_through_a_day() {
    let mut bench = Bench::new(2);
    let template = at(&job("v1", json!({})), &["spec"]).cloned().unwrap();
    bench.create(
        Kind::CRON_JOB,
        json!({"metadata": {"name": "tick"}, "spec": {
        "schedule": "30 */2 * * *", "jobTemplate": {"spec": template}}}),
    );
    let mut created = 0;
    for _ in 0..24 * 12 {
        bench.advance(300);
        bench.run_out();
        created += bench
            .events
            .iter()
            .filter(|event| event.starts_with("SuccessfulCreate: Created job"))
            .count();
        bench.events.clear();
    }
    assert_eq!(created, 12);
    assert_eq!(bench.list(Kind::JOB).len(), 3, "the history keeps three");
    let cron = bench.get(Kind::CRON_JOB, "tick");
    assert_eq!(
        text(&cron, &["status", "lastScheduleTime"]),
        Some("2026-03-02T22:30:00Z")
    );
    assert!(list(&cron, &["status", "active"]).is_empty());
}

#[test]
fn an_autoscaler_grows_at_once_and_shrinks_after_its_window() {
    let mut bench = Bench::new(3);
    bench.create(Kind::DEPLOYMENT, workload("web", 10));
    bench.run_out();
    bench.advance(600);
    bench.create(Kind::HORIZONTAL_POD_AUTOSCALER, json!({"metadata": {"name": "web"}, "spec": {
        "minReplicas": 2, "maxReplicas": 30, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "metrics": [{"type": "External", "external": {"metric": {"name": "queue"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}]}}));
    bench.create(
        Kind::CONFIG_MAP,
        Metrics::config_map("default", &[(Metrics::external_key("queue"), "180".to_owned())]),
    );
    bench.run_out();
    let size = |bench: &Bench| int(&bench.get(Kind::DEPLOYMENT, "web"), &["spec", "replicas"]).unwrap();
    assert_eq!(size(&bench), 18);
    bench.advance(600);
    bench.patch(
        Kind::CONFIG_MAP,
        METRICS_CONFIG_MAP,
        json!({"data": {"external.queue": "50"}}),
    );
    bench.run_out();
    assert_eq!(size(&bench), 18, "the window holds it");
    bench.advance(200);
    assert_eq!(size(&bench), 18);
    bench.advance(120);
    bench.run_out();
    assert_eq!(size(&bench), 5);
}

#[test]
fn an_autoscaler_follows_what_pods_use() {
    let mut bench = Bench::new(3);
    bench.create(Kind::DEPLOYMENT, workload("web", 10));
    bench.run_out();
    bench.advance(600);
    for pod in names(&bench, Kind::POD) {
        bench.patch(
            Kind::POD,
            &pod,
            json!({"metadata": {"annotations": {(Metrics::usage_annotation("cpu")): "900m"}}}),
        );
    }
    bench.create(Kind::HORIZONTAL_POD_AUTOSCALER, json!({"metadata": {"name": "web"}, "spec": {
        "minReplicas": 2, "maxReplicas": 30, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}}));
    bench.settle();
    assert_eq!(
        int(&bench.get(Kind::DEPLOYMENT, "web"), &["spec", "replicas"]),
        Some(18)
    );
    let autoscaler = bench.get(Kind::HORIZONTAL_POD_AUTOSCALER, "web");
    assert!(
        conditions(&autoscaler).contains(&"ScalingActive ValidMetricFound".to_owned()),
        "{autoscaler}"
    );
}

#[test]
fn a_service_knows_its_pods_and_a_namespace_its_root_certificate() {
    let mut bench = Bench::new(2);
    bench.create(Kind::DEPLOYMENT, workload("web", 4));
    bench.create(
        Kind::SERVICE,
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    );
    bench.run_out();
    let addresses = |bench: &Bench| -> usize {
        let slices = bench.list(Kind::ENDPOINT_SLICE);
        slices.iter().map(|slice| list(slice, &["endpoints"]).len()).sum()
    };
    assert_eq!(addresses(&bench), 4);
    bench.patch(Kind::DEPLOYMENT, "web", json!({"spec": {"replicas": 2}}));
    bench.run_out();
    assert_eq!((addresses(&bench), bench.list(Kind::POD).len()), (2, 2));
    let listed = |bench: &Bench| {
        let endpoints = bench.get(Kind::ENDPOINTS, "web");
        let subsets = list(&endpoints, &["subsets"]).iter();
        subsets.map(|subset| list(subset, &["addresses"]).len()).sum::<usize>()
    };
    assert_eq!(listed(&bench), 2, "the older object tells the same");
    let service = Action::Delete {
        key: Key::new(Kind::SERVICE, "default", "web"),
        options: kube_sim::DeleteOptions::default(),
    };
    bench.apply(&service).unwrap();
    bench.settle();
    assert!(bench.list(Kind::ENDPOINTS).iter().all(|object| name(object) != "web"));
    bench.create(Kind::NAMESPACE, json!({"metadata": {"name": "shop"}}));
    bench.settle();
    let maps: Vec<Value> = bench.list(Kind::CONFIG_MAP);
    assert!(
        maps.iter()
            .any(|map| name(map) == "kube-root-ca.crt" && text(map, &["metadata", "namespace"]) == Some("shop"))
    );
}

#[test]
fn a_quota_tells_what_its_namespace_uses() {
    let mut bench = Bench::new(2);
    bench.create(
        Kind::RESOURCE_QUOTA,
        json!({"metadata": {"name": "team"}, "spec": {"hard": {
            "pods": "10", "requests.cpu": "8", "count/deployments.apps": "5", "services": "3", "made.up/thing": "1"}}}),
    );
    bench.create(Kind::DEPLOYMENT, workload("web", 4));
    bench.run_out();
    let status = |bench: &Bench| bench.get(Kind::RESOURCE_QUOTA, "team")["status"].clone();
    assert_eq!(status(&bench)["hard"]["pods"], "10");
    let used = status(&bench)["used"].clone();
    assert_eq!(
        (&used["pods"], &used["count/deployments.apps"]),
        (&json!("4"), &json!("1")),
        "{used}"
    );
    assert!(used.get("made.up/thing").is_none(), "{used}");
    bench.patch(Kind::DEPLOYMENT, "web", json!({"spec": {"replicas": 1}}));
    bench.create(
        Kind::SERVICE,
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    );
    bench.run_out();
    let used = status(&bench)["used"].clone();
    // The service of the API itself is one of the namespace.
    assert_eq!((&used["pods"], &used["services"]), (&json!("1"), &json!("2")), "{used}");
    bench.patch(Kind::RESOURCE_QUOTA, "team", json!({"spec": {"hard": {"pods": "2"}}}));
    bench.settle();
    assert_eq!(status(&bench)["hard"]["pods"], "2");
}
