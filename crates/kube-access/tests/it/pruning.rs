//! What left git goes, and nothing else.

use kube_access::AccessError;
use kube_access::apply::Component;
use kube_access::applyset::{ApplySet, KeptReason, PruneOutcome, PruneRefusal, Threshold};
use serde_json::{Value, json};

use crate::support::*;

const ALL: Threshold = Threshold {
    objects: 100,
    percent: 100,
};

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn keeper() -> Component {
    Component::new("keeper", [config_map("keeper", "1")])
}

/// Applies both, then only the keeper, and prunes.
async fn prune(
    bench: &mut Bench,
    leaves: Vec<Value>,
    between: impl AsyncFnOnce(&Bench),
) -> Vec<(String, PruneOutcome)> {
    bench.pass(&[keeper(), Component::new("leaves", leaves)]).await;
    between(bench).await;
    let plan = bench.plan(&[keeper()]).await;
    let pass = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap();
    let prune = bench.applier.plan_prune(&plan, &pass.observation);
    let report = bench
        .applier
        .prune(&prune, &plan, &mut bench.memory, ALL, None)
        .await
        .unwrap()
        .unwrap();
    report
        .results
        .into_iter()
        .map(|result| (result.key.to_string(), result.outcome))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn instances_go_before_definitions_and_namespaces_last() {
    let mut bench = Bench::new();
    let mut inside = config_map("inside", "1");
    inside["metadata"]["namespace"] = "web".into();
    let leaves = vec![namespace("web"), inside, definition(), thing("t")];
    let outcomes = prune(&mut bench, leaves, async |_| {}).await;
    let names: Vec<&str> = outcomes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Thing.example.org default/t",
            "ConfigMap web/inside",
            "CustomResourceDefinition.apiextensions.k8s.io things.example.org",
            "Namespace web",
        ]
    );
    assert!(
        outcomes.iter().all(|(_, outcome)| *outcome == PruneOutcome::Deleted),
        "{outcomes:?}"
    );
    let parent = bench
        .server
        .read("", "configmaps", "kube-system", "fleetwright")
        .unwrap();
    assert_eq!(
        parent["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"],
        "ConfigMap"
    );
    assert_eq!(
        parent["metadata"]["annotations"]["applyset.kubernetes.io/additional-namespaces"],
        "default"
    );
    assert_eq!(
        parent["metadata"]["labels"]["applyset.kubernetes.io/id"],
        ApplySet::default().id()
    );
}

#[tokio::test(start_paused = true)]
async fn v11_what_others_made_is_never_deleted() {
    let mut bench = Bench::new();
    let leaves = vec![
        config_map("ours", "1"),
        config_map("changed hands".replace(' ', "-").as_str(), "1"),
        namespace("web"),
        definition(),
    ];
    let part_of = json!({"applyset.kubernetes.io/part-of": ApplySet::default().id()});
    let outcomes = prune(&mut bench, leaves, async |bench| {
        // Somebody copies our label, as controllers do with the labels of a Service.
        let mut copied = config_map("copied", "1");
        copied["metadata"]["labels"] = part_of.clone();
        let maps = "/api/v1/namespaces/default/configmaps";
        assert_eq!(
            send(&bench.server, "POST", maps, "application/json", "x/1", &copied)
                .await
                .0,
            201
        );
        // Somebody deletes ours and makes one of the same name.
        send(
            &bench.server,
            "DELETE",
            &format!("{maps}/changed-hands"),
            "application/json",
            "x/1",
            &Value::Null,
        )
        .await;
        send(
            &bench.server,
            "POST",
            maps,
            "application/json",
            "x/1",
            &config_map("changed-hands", "theirs"),
        )
        .await;
        let stranger = config_map("stranger", "1");
        send(
            &bench.server,
            "POST",
            "/api/v1/namespaces/web/configmaps",
            "application/json",
            "x/1",
            &stranger,
        )
        .await;
        let things = "/apis/example.org/v1/namespaces/default/things";
        assert_eq!(
            send(
                &bench.server,
                "POST",
                things,
                "application/json",
                "x/1",
                &thing("theirs")
            )
            .await
            .0,
            201
        );
    })
    .await;
    let text = format!("{outcomes:?}");
    assert_eq!(
        outcomes[0],
        ("ConfigMap default/ours".to_owned(), PruneOutcome::Deleted),
        "{text}"
    );
    let kept = |place: usize| match &outcomes[place].1 {
        PruneOutcome::Kept(KeptReason::Contents(key)) => format!("{} holds {key}", outcomes[place].0),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        kept(1),
        "CustomResourceDefinition.apiextensions.k8s.io things.example.org holds Thing.example.org default/theirs"
    );
    assert_eq!(kept(2), "Namespace web holds ConfigMap web/stranger");
    assert_eq!(outcomes.len(), 3, "{text}");
    for (namespace, name) in [("default", "copied"), ("default", "changed-hands"), ("web", "stranger")] {
        assert!(bench.server.read("", "configmaps", namespace, name).is_some(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn v9_many_go_only_with_consent_to_exactly_these() {
    let mut bench = Bench::new();
    let maps: Vec<Value> = (0..12).map(|number| config_map(&format!("m{number}"), "1")).collect();
    bench.pass(&[keeper(), Component::new("a", maps)]).await;
    let plan = bench.plan(&[keeper()]).await;
    let pass = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap();
    let prune = bench.applier.plan_prune(&plan, &pass.observation);
    assert_eq!((prune.items.len(), prune.members), (12, 13));
    let consent = prune.consent("ada");
    let before = bench.server.resource_version();
    let refused = bench
        .applier
        .prune(&prune, &plan, &mut bench.memory, Threshold::default(), None)
        .await
        .unwrap();
    assert!(
        matches!(
            refused,
            Err(PruneRefusal::NeedsConsent {
                count: 12,
                allowed: 10,
                ..
            })
        ),
        "{refused:?}"
    );
    let mut other = consent.clone();
    other.count = 11;
    let refused = bench
        .applier
        .prune(&prune, &plan, &mut bench.memory, Threshold::default(), Some(&other))
        .await
        .unwrap();
    assert!(matches!(refused, Err(PruneRefusal::OtherConsent { .. })), "{refused:?}");
    assert_eq!(bench.server.resource_version(), before);
    let done = bench
        .applier
        .prune(&prune, &plan, &mut bench.memory, Threshold::default(), Some(&consent))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done.deleted(), 12);
    // The same consent again: nothing is left to delete.
    let again = bench
        .applier
        .prune(&prune, &plan, &mut bench.memory, Threshold::default(), Some(&consent))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.deleted(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_the_definition_back() {
    let mut bench = Bench::new();
    let mut slow = thing("t");
    slow["metadata"]["finalizers"] = json!(["example.org/slow"]);
    let outcomes = prune(&mut bench, vec![definition(), slow], async |_| {}).await;
    let waiting = PruneOutcome::Waiting {
        finalizers: vec!["example.org/slow".to_owned()],
    };
    assert_eq!(outcomes[0], ("Thing.example.org default/t".to_owned(), waiting));
    assert!(bench.server.read("example.org", "things", "default", "t").is_some());
}

#[tokio::test(start_paused = true)]
async fn dry_run_deletes_nothing() {
    let mut bench = Bench::new();
    bench
        .pass(&[keeper(), Component::new("a", [config_map("leaves", "1")])])
        .await;
    let applier = bench.seen_by(dry(&bench.server));
    let plan = applier.plan(&[keeper()]).await.unwrap();
    let version = bench.server.resource_version();
    let pass = applier.apply(&plan, &mut bench.memory, None).await.unwrap();
    let prune = applier.plan_prune(&plan, &pass.observation);
    let report = applier
        .prune(&prune, &plan, &mut bench.memory, ALL, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(report.results[0].outcome, PruneOutcome::WouldDelete);
    assert_eq!(
        (bench.server.resource_version(), applier.access().counts().writes()),
        (version, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_set_of_another_tool_is_left_alone() {
    let mut bench = Bench::new();
    let mut parent = config_map("fleetwright", "1");
    parent["metadata"]["annotations"] = json!({"applyset.kubernetes.io/tooling": "kubectl/v1.32"});
    send(
        &bench.server,
        "POST",
        "/api/v1/namespaces/kube-system/configmaps",
        "application/json",
        "x/1",
        &parent,
    )
    .await;
    let plan = bench.plan(&[keeper()]).await;
    let refused = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap_err();
    assert!(
        matches!(refused, AccessError::ForeignSet { ref tooling, .. } if tooling == "kubectl/v1.32"),
        "{refused}"
    );
}
