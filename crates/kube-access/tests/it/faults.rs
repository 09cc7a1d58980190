//! Every call of a scenario breaks once, in every way; the end is the same.

use kube_access::apply::{Applier, Component, Memory};
use kube_access::applyset::{ApplySet, Threshold};
use kube_access::{Access, AccessError, Verb};
use kube_sim::ApiServer;
use ports::Classified;
use serde_json::{Value, json};

use crate::support::*;

fn first() -> Vec<Component> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}});
    let mut inside = config_map("inside", "1");
    inside["metadata"]["namespace"] = "web".into();
    vec![
        Component::new("a", [namespace, definition(), inside]),
        Component::new(
            "b",
            [
                thing("t"),
                deployment("d"),
                config_map("adopted", "1"),
                config_map("leaves", "1"),
            ],
        ),
    ]
}

fn second() -> Vec<Component> {
    let mut components = first();
    components[1] = Component::new("b", [thing("t"), deployment("d"), config_map("adopted", "2")]);
    components
}

/// Everything in the cluster that counts, without identities, versions and times.
fn state(server: &ApiServer) -> Value {
    let kinds = [
        ("", "configmaps"),
        ("", "namespaces"),
        ("apps", "deployments"),
        ("example.org", "things"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
    ];
    let mut out = json!({});
    for (group, resource) in kinds {
        let mut all = server.read_all(group, resource, "");
        for object in &mut all {
            for field in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
                object["metadata"].as_object_mut().unwrap().remove(field);
            }
            for entry in object["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
                entry.as_object_mut().unwrap().remove("time");
            }
            object.as_object_mut().unwrap().remove("status");
        }
        out[resource] = all.into();
    }
    out
}

/// First version, second version, prune; each pass again until it is good, as a level-triggered manager does.
async fn scenario(server: &ApiServer, access: Access) -> Result<(), String> {
    let applier = Applier::new(access, ApplySet::default());
    let mut memory = Memory::default();
    let mut left = 6;
    for components in [first(), second()] {
        loop {
            left -= 1;
            if left == 0 {
                return Err("does not come to an end".to_owned());
            }
            let Ok(plan) = applier.plan(&components).await else {
                continue;
            };
            let Ok(pass) = applier.apply(&plan, &mut memory, None).await else {
                continue;
            };
            if !pass.report.is_good() {
                continue;
            }
            let prune = applier.plan_prune(&plan, &pass.observation);
            match applier
                .prune(&prune, &plan, &mut memory, Threshold::default(), None)
                .await
            {
                Ok(Ok(report)) if report.is_done() => break,
                Ok(Err(refusal)) => return Err(refusal.to_string()),
                _ => {}
            }
        }
    }
    // At rest: a pass that gets through finds nothing to do. The broken call may be one of this pass.
    let version = server.resource_version();
    for _ in 0..3 {
        let Ok(plan) = applier.plan(&second()).await else {
            continue;
        };
        let last = applier.apply(&plan, &mut memory, None).await;
        if last.is_ok_and(|last| last.report.is_good()) && server.resource_version() == version {
            return Ok(());
        }
    }
    Err("is not at rest".to_owned())
}

async fn prepared() -> ApiServer {
    let server = server();
    let path = "/api/v1/namespaces/default/configmaps?fieldManager=kubectl-client-side-apply";
    send(
        &server,
        "POST",
        path,
        "application/json",
        "kubectl/1",
        &config_map("adopted", "0"),
    )
    .await;
    server
}

#[tokio::test(start_paused = true)]
async fn wherever_a_call_breaks_the_end_is_the_same() {
    let clean = prepared().await;
    let way = Breaking::new(&clean, Fault::Hang, |_, _, _| false);
    scenario(&clean, Access::from_service(context(), way.clone()))
        .await
        .unwrap();
    let expected = state(&clean);
    let calls = way.calls();
    let status = |code: u16, reason: &str, retry: u64| {
        Fault::Refuse(
            code,
            json!({"kind": "Status", "code": code, "reason": reason, "message": reason,
            "details": {"retryAfterSeconds": retry}}),
        )
    };
    let faults = [
        Fault::LoseAnswer,
        Fault::Hang,
        status(409, "Conflict", 0),
        status(410, "Expired", 0),
        status(429, "TooManyRequests", 3),
        status(500, "InternalError", 0),
        status(503, "ServiceUnavailable", 0),
        status(504, "Timeout", 0),
    ];
    let mut runs = 0;
    for (broken, call) in calls.iter().enumerate() {
        for (number, fault) in faults.iter().enumerate() {
            // Lost and missing answers everywhere; the refusals take turns.
            if number > 1 && (number + broken) % 3 != 0 {
                continue;
            }
            let server = prepared().await;
            let way = Breaking::new(&server, fault.clone(), move |number, _, _| number == broken);
            let done = scenario(&server, Access::from_service(context(), way)).await;
            assert_eq!(done, Ok(()), "{fault:?} at call {broken}: {call}");
            assert_eq!(state(&server), expected, "{fault:?} at call {broken}: {call}");
            runs += 1;
        }
    }
    println!("{runs} runs, {} calls each", calls.len());
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_the_whole_cluster_back() {
    let server = server();
    let refusal = Fault::Refuse(
        429,
        json!({"reason": "TooManyRequests", "message": "later", "details": {"retryAfterSeconds": 7}}),
    );
    let way = Breaking::new(&server, refusal, |number, _, _| number == 2);
    let access = Access::from_service(context(), way);
    access.kinds().await.unwrap();
    let began = access.clock().now();
    let kinds = access.kinds().await.unwrap();
    let nodes = kinds.named("nodes").unwrap();
    access
        .list(nodes, &kube_access::Selection::default(), kube_access::Depth::Metadata)
        .await
        .unwrap();
    let waited = access.clock().now().duration_since(began).unsigned_abs().as_secs_f64();
    assert!((7.0..8.0).contains(&waited), "{waited}");
    assert_eq!(access.counts().calls.get(&Verb::List), Some(&2));
}

#[tokio::test(start_paused = true)]
async fn v12_missing_data_is_never_none() {
    let mut bench = Bench::new();
    let components = [Component::new("a", [config_map("a", "1"), deployment("d")])];
    bench.pass(&components).await;
    let plan = bench.plan(&components).await;
    // A list that fails for good.
    let refusal = Fault::Refuse(403, json!({"reason": "Forbidden", "message": "no"}));
    let way = Breaking::new(&bench.server, refusal, |_, method, uri| {
        method == "GET" && uri.contains("/deployments?")
    });
    let applier = bench.seen_by(Access::from_service(context(), way));
    let failed = applier.apply(&plan, &mut bench.memory.clone(), None).await.unwrap_err();
    assert_eq!(
        (&failed, failed.fault()),
        (
            &AccessError::Forbidden {
                subject: "list of Deployment.apps".into(),
                message: "no".into()
            },
            ports::Fault::User
        )
    );
    // A group that does not answer discovery.
    let stale = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [
        {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": "Stale", "resources": []}]}]});
    let way = Breaking::new(&bench.server, Fault::Refuse(200, stale), |_, _, uri| uri == "/apis");
    let applier = bench.seen_by(Access::from_service(context(), way));
    let failed = applier.apply(&plan, &mut bench.memory.clone(), None).await.unwrap_err();
    assert!(
        matches!(failed, AccessError::PartialDiscovery { ref groups, .. } if groups == &["apps"]),
        "{failed}"
    );
}

#[tokio::test(start_paused = true)]
async fn f10_a_pass_that_is_dropped_sends_nothing_more() {
    let server = server();
    let way = Breaking::new(&server, Fault::Hang, |_, method, uri| {
        method == "PATCH" && uri.contains("/m3?")
    });
    let access = Access::from_service(context(), way.clone());
    let applier = Applier::new(access, ApplySet::default());
    let maps = (0..20).map(|number| config_map(&format!("m{number}"), "1"));
    let plan = applier.plan(&[Component::new("a", maps)]).await.unwrap();
    let mut memory = Memory::default();
    let pass = applier.apply(&plan, &mut memory, None);
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(1), pass).await;
    assert!(stopped.is_err());
    let before = way.calls().len();
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(way.calls().len(), before, "nothing is sent after the caller let go");
}

#[tokio::test(start_paused = true)]
async fn f15_the_same_input_gives_the_same_calls_in_the_same_order() {
    let mut runs = Vec::new();
    for _ in 0..3 {
        let server = prepared().await;
        let refusal = Fault::Refuse(503, json!({"reason": "ServiceUnavailable", "message": "no"}));
        let way = Breaking::new(&server, refusal, |number, _, _| number % 5 == 4);
        let access = Access::from_service(context(), way.clone());
        let began = access.clock().now();
        scenario(&server, access.clone()).await.unwrap();
        runs.push((way.calls(), access.clock().now().duration_since(began)));
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_unreachable_and_nothing_was_done() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut context = context();
    context.clock = std::sync::Arc::new(ports::SystemClock);
    context.settings.backoff.attempts = 1;
    let endpoint = kube_access::Endpoint {
        url: format!("http://{address}"),
        token: Some("hunter2".into()),
        certificate_authority: None,
    };
    let access = Access::from_token(context, &endpoint).unwrap();
    let pod = kube_access::nodes::PodRef {
        namespace: "a".into(),
        name: "b".into(),
        uid: "c".into(),
    };
    let error = access.delete_pod(&pod, None).await.unwrap_err();
    assert!(matches!(error, AccessError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error} {error:?} {access:?}").contains("hunter2"), "F11");
}
