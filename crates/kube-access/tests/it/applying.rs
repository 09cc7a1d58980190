//! Order, conflicts, adoption, drift, refusals.

use kube_access::apply::{Component, Conflicts, Drift, Event, Memory, Outcome, Policy, RECREATE_ANNOTATION, Recreate};
use kube_access::{AccessError, Verb};
use serde_json::json;

use crate::support::*;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// The outcome of the object of this name.
fn outcome<'p>(pass: &'p kube_access::apply::Pass, name: &str) -> &'p Outcome {
    &pass
        .report
        .results
        .iter()
        .find(|result| result.key.name == name)
        .unwrap()
        .outcome
}

#[tokio::test(start_paused = true)]
async fn a_definition_and_its_instance_go_in_one_call() {
    let mut bench = Bench::new();
    // The instance stands first, in an earlier component.
    let components = [Component::new("a", [thing("t")]), Component::new("b", [definition()])];
    let pass = bench.pass(&components).await;
    assert_eq!(
        words(&pass),
        [
            ("things.example.org".to_owned(), "created"),
            ("t".to_owned(), "created")
        ]
    );
    assert_eq!(
        pass.report.calls.calls.get(&Verb::Discover),
        Some(&2),
        "one refresh after the definition"
    );
    assert_eq!(bench.pass(&components).await.report.calls.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_object_holds_back_only_what_needs_it() {
    let mut bench = Bench::new();
    let mut broken = definition();
    broken["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"] = "nonsense".into();
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut inside = config_map("inside", "1");
    inside["metadata"]["namespace"] = "Bad_Name".into();
    let mut user = deployment("user");
    user["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", "configMap": {"name": "bad"}}]);
    let mut bad = config_map("bad", "1");
    bad["data"]["not a key!"] = "x".into();
    let components = [
        Component::new("a", [namespace("Bad_Name"), broken, inside, bad]),
        Component::new("b", [thing("t"), user, config_map("good", "1")]),
    ];
    let pass = bench.pass(&components).await;
    let expected = [
        ("Bad_Name", "failed"),
        ("things.example.org", "failed"),
        ("inside", "held back"),
        ("bad", "failed"),
        ("t", "held back"),
        ("user", "held back"),
        ("good", "created"),
    ];
    let found = words(&pass);
    for (name, word) in expected {
        assert!(found.contains(&(name.to_owned(), word)), "{name}: {found:?}");
    }
    let text = pass.report.to_string();
    for line in [
        "ConfigMap Bad_Name/inside: held back by Namespace Bad_Name: it is its namespace",
        "Thing.example.org default/t: held back by CustomResourceDefinition.apiextensions.k8s.io things.example.org: it defines its kind",
        "Deployment.apps default/user: held back by ConfigMap default/bad: volumes.configMap names it",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn fields_of_others_are_reported_and_taken_only_by_policy() {
    let mut bench = Bench::new();
    let theirs = config_map("m", "theirs");
    send(
        &bench.server,
        "PATCH",
        &format!("{MAPS}/m?fieldManager=them"),
        "application/apply-patch+yaml",
        "them/1",
        &theirs,
    )
    .await;
    let components = [Component::new("a", [config_map("m", "ours")])];
    let pass = bench.pass(&components).await;
    let Outcome::Failed {
        error: AccessError::FieldConflict { conflicts, .. },
    } = outcome(&pass, "m")
    else {
        panic!("{}", pass.report);
    };
    assert_eq!(
        (conflicts[0].field.as_str(), conflicts[0].manager.as_str()),
        (".data.k", "them")
    );
    assert_eq!(
        bench.server.read("", "configmaps", "default", "m").unwrap()["data"]["k"],
        "theirs"
    );
    for (conflicts, word) in [
        (Conflicts::ForceFrom(["somebody".to_owned()].into()), "failed"),
        (Conflicts::ForceFrom(["them".to_owned()].into()), "configured"),
    ] {
        let policy = Policy {
            conflicts,
            ..Policy::default()
        };
        let applier = bench.seen_by(access(&bench.server)).policy(policy);
        let plan = applier.plan(&components).await.unwrap();
        let pass = applier.apply(&plan, &mut Memory::default(), None).await.unwrap();
        assert_eq!(outcome(&pass, "m").word(), word, "{}", pass.report);
    }
    assert_eq!(
        bench.server.read("", "configmaps", "default", "m").unwrap()["data"]["k"],
        "ours"
    );
}

#[tokio::test(start_paused = true)]
async fn what_client_side_apply_owned_becomes_ours_and_goes_with_git() {
    let mut bench = Bench::new();
    let mut old = config_map("m", "old");
    old["data"]["lingering"] = "x".into();
    old["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    let path = format!("{MAPS}?fieldManager=kubectl-client-side-apply");
    assert_eq!(
        send(&bench.server, "POST", &path, "application/json", "kubectl/1", &old)
            .await
            .0,
        201
    );
    let components = [Component::new("a", [config_map("m", "new")])];
    let pass = bench.pass(&components).await;
    assert_eq!(outcome(&pass, "m").word(), "configured", "{}", pass.report);
    assert!(
        bench
            .log
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|event| matches!(event, Event::Adopting { .. }))
    );
    let live = bench.server.read("", "configmaps", "default", "m").unwrap();
    assert_eq!(live["data"], json!({"k": "new"}), "a field that git does not have goes");
    assert_eq!(live["metadata"].get("annotations"), None);
    let managers: Vec<_> = live["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["manager"].clone())
        .collect();
    assert_eq!(managers, ["fleetwright"]);
    assert_eq!(bench.pass(&components).await.report.calls.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn f5_drift_is_found_told_and_set_back() {
    let components = [Component::new(
        "a",
        [deployment("d"), config_map("m", "1"), config_map("gone", "1")],
    )];
    for drift in [Drift::Correct, Drift::Report] {
        let mut bench = Bench::with(Policy {
            drift,
            ..Policy::default()
        });
        bench.pass(&components).await;
        // A controller's business is no drift.
        let status = json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}});
        merge(
            &bench.server,
            &format!("{DEPLOYMENTS}/d"),
            "kube-controller-manager/1",
            &status,
        )
        .await;
        assert_eq!(
            bench.pass(&components).await.report.summary().get("unchanged"),
            Some(&3)
        );
        merge(
            &bench.server,
            &format!("{DEPLOYMENTS}/d"),
            "kubectl-edit/1",
            &json!({"spec": {"replicas": 9}}),
        )
        .await;
        assert_eq!(
            send(
                &bench.server,
                "DELETE",
                &format!("{MAPS}/gone"),
                "application/json",
                "x/1",
                &json!(null)
            )
            .await
            .0,
            200
        );
        bench.log.0.lock().unwrap().clear();
        let pass = bench.pass(&components).await;
        let Outcome::Drifted { changes, corrected } = outcome(&pass, "d") else {
            panic!("{}", pass.report);
        };
        let paths: Vec<String> = changes.iter().map(|change| change.path.to_string()).collect();
        assert_eq!(
            (paths.join(","), *corrected),
            ("spec.replicas".to_owned(), drift == Drift::Correct)
        );
        assert_eq!(outcome(&pass, "gone").word(), "drifted");
        assert_eq!(outcome(&pass, "m").word(), "unchanged");
        let told = bench.log.0.lock().unwrap();
        let first_drift = told
            .iter()
            .position(|event| matches!(event, Event::Drift { .. }))
            .unwrap();
        let first_done = told
            .iter()
            .position(|event| matches!(event, Event::Done(result) if result.outcome.word() == "drifted"));
        assert!(first_drift < first_done.unwrap());
        let live = bench.server.read("apps", "deployments", "default", "d").unwrap();
        let there = bench.server.read("", "configmaps", "default", "gone").is_some();
        match drift {
            Drift::Correct => assert_eq!((live["spec"]["replicas"].as_u64(), there), (Some(2), true)),
            Drift::Report => assert_eq!((live["spec"]["replicas"].as_u64(), there), (Some(9), false)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fields_that_cannot_change_are_reported_or_made_anew() {
    let mut bench = Bench::new();
    bench.pass(&[Component::new("a", [deployment("d")])]).await;
    let uid =
        |bench: &Bench| bench.server.read("apps", "deployments", "default", "d").unwrap()["metadata"]["uid"].clone();
    let before = uid(&bench);
    let mut changed = deployment("d");
    changed["spec"]["selector"]["matchLabels"]["app"] = "other".into();
    changed["spec"]["template"]["metadata"]["labels"]["app"] = "other".into();
    let pass = bench.pass(&[Component::new("a", [changed.clone()])]).await;
    let Outcome::Failed {
        error: AccessError::Immutable { fields, .. },
    } = outcome(&pass, "d")
    else {
        panic!("{}", pass.report);
    };
    assert_eq!(fields, &["spec.selector"]);
    assert_eq!(uid(&bench), before);
    changed["metadata"]["annotations"] = json!({RECREATE_ANNOTATION: "true"});
    let never = bench.seen_by(access(&bench.server)).policy(Policy {
        recreate: Recreate::Never,
        ..Policy::default()
    });
    let components = [Component::new("a", [changed])];
    let plan = never.plan(&components).await.unwrap();
    let pass = never.apply(&plan, &mut bench.memory.clone(), None).await.unwrap();
    assert_eq!(outcome(&pass, "d").word(), "failed");
    let pass = bench.pass(&components).await;
    assert_eq!(
        outcome(&pass, "d"),
        &Outcome::Recreated {
            fields: vec!["spec.selector".to_owned()]
        }
    );
    assert_ne!(uid(&bench), before);
    assert_eq!(bench.pass(&components).await.report.calls.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_refuses_or_is_down_names_itself() {
    use kube_sim::{ApiServer, CallError, WebhookCaller, WebhookTarget, Webhooks};
    use std::sync::Arc;

    #[derive(Debug)]
    struct Moody;
    #[async_trait::async_trait]
    impl WebhookCaller for Moody {
        async fn call(
            &self,
            _: &ApiServer,
            target: &WebhookTarget,
            review: &json_tree::Value,
        ) -> Result<json_tree::Value, CallError> {
            let name = review["request"]["name"].as_str().unwrap_or_default();
            if name == "unasked" {
                let (url, reason) = (target.url.clone(), "connection refused".to_owned());
                return Err(CallError::Transport { url, reason });
            }
            Ok(
                json_tree::json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
                "uid": review["request"]["uid"], "allowed": name != "unwanted", "status": {"message": "not today"}}}),
            )
        }
    }
    let mut bench = Bench::new();
    bench.server = ApiServer::builder(clock(), Arc::new(ports::SeededIds::new(1)))
        .admission(Arc::new(Webhooks::new(Arc::new(Moody))))
        .build();
    bench.applier = bench.seen_by(access(&bench.server));
    let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "hook"}, "webhooks": [{"name": "moody.example.org", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
            "clientConfig": {"url": "https://localhost:8085/x"},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
            "matchConditions": [{"name": "named", "expression": "object != null && object.metadata.name != 'fleetwright'"}]}]});
    let components = [
        Component::new("a", [hook]),
        Component::new(
            "b",
            [
                config_map("unwanted", "1"),
                config_map("unasked", "1"),
                config_map("fine", "1"),
            ],
        ),
    ];
    let pass = bench.pass(&components).await;
    let text = pass.report.to_string();
    assert!(text.contains("ConfigMap default/unwanted: failed: ConfigMap default/unwanted: refused by webhook \"moody.example.org\": not today"), "{text}");
    assert!(
        text.contains("ConfigMap default/unasked: webhook \"moody.example.org\" cannot be asked"),
        "{text}"
    );
    assert_eq!(outcome(&pass, "fine").word(), "created");
}

#[tokio::test(start_paused = true)]
async fn f1_dry_run_writes_nothing_and_says_what_would_happen() {
    let mut bench = Bench::new();
    bench
        .pass(&[Component::new("a", [config_map("m", "1"), config_map("same", "1")])])
        .await;
    let version = bench.server.resource_version();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}});
    let mut inside = config_map("inside", "1");
    inside["metadata"]["namespace"] = "new".into();
    let components = [
        Component::new("a", [config_map("m", "2"), config_map("same", "1"), namespace, inside]),
        Component::new("b", [definition(), thing("t")]),
    ];
    let trial = bench.seen_by(dry(&bench.server));
    let plan = trial.plan(&components).await.unwrap();
    let pass = trial.apply(&plan, &mut bench.memory.clone(), None).await.unwrap();
    let mut found = words(&pass);
    found.sort();
    let expected = [
        ("inside", "created"),
        ("m", "configured"),
        ("new", "created"),
        ("same", "unchanged"),
        ("t", "created"),
        ("things.example.org", "created"),
    ];
    assert_eq!(
        found,
        expected.map(|(name, word)| (name.to_owned(), word)),
        "{}",
        pass.report
    );
    assert_eq!(
        (pass.report.calls.writes(), bench.server.resource_version()),
        (0, version)
    );
    // The gate is one place: nothing that writes gets past it, whoever asks.
    let access = trial.access();
    let pod = kube_access::nodes::PodRef {
        namespace: "default".into(),
        name: "p".into(),
        uid: "u".into(),
    };
    for refused in [
        access.evict(&pod, None).await.map(|_| ()),
        access.delete_pod(&pod, None).await.map(|_| ()),
        access.set_schedulable("n", false).await,
    ] {
        assert!(matches!(refused, Err(AccessError::DryRunWrite { .. })), "{refused:?}");
    }
    assert_eq!(access.counts().writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_live_diff_shows_fields_without_defaults_and_secrets() {
    let mut bench = Bench::new();
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": value}});
    bench
        .pass(&[Component::new(
            "a",
            [deployment("d"), secret("hunter2"), config_map("same", "1")],
        )])
        .await;
    let mut changed = deployment("d");
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2".into();
    let components = [Component::new(
        "a",
        [
            changed,
            secret("hunter3"),
            config_map("same", "1"),
            config_map("new", "1"),
        ],
    )];
    let plan = bench.plan(&components).await;
    let version = bench.server.resource_version();
    let found = bench.applier.diff(&plan).await.unwrap();
    assert_eq!(bench.server.resource_version(), version);
    let text = format!("{found:#?}");
    for secret in ["hunter", "aHVudGVy"] {
        assert!(!text.contains(secret), "{text}");
    }
    use kube_access::diff::LiveDiff;
    let lines: Vec<String> = found
        .iter()
        .map(|(key, diff)| match diff {
            LiveDiff::Change(changes) => {
                let paths: Vec<String> = changes.iter().map(|change| change.path.to_string()).collect();
                format!("{key}: {}", paths.join(" "))
            }
            other => format!("{key}: {other:?}"),
        })
        .collect();
    assert_eq!(
        lines,
        [
            "ConfigMap default/new: Create",
            "ConfigMap default/same: Same",
            "Secret default/s: data.password",
            "Deployment.apps default/d: spec.template.spec.containers[name=c].image",
        ]
    );
}

/// Passes of many clusters run as tasks on several threads.
#[test]
fn everything_can_travel_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    async fn all(bench: &mut Bench) {
        let plan = bench.applier.plan(&[]).await.unwrap();
        let pass = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap();
        let prune = bench.applier.plan_prune(&plan, &pass.observation);
        let threshold = kube_access::applyset::Threshold::default();
        let pruned = bench
            .applier
            .prune(&prune, &plan, &mut bench.memory, threshold, None)
            .await;
        pruned.unwrap().unwrap();
        bench.applier.diff(&plan).await.unwrap();
        bench.applier.access().run_deletions(&[]).await.unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut bench = Bench::new();
        let work = all(&mut bench);
        is_send(&work);
        work.await;
    });
}
