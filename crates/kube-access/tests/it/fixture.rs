//! A real platform repository: one pass, then nothing to do, then one component less.

use kube_access::applyset::Threshold;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_platform_repository_applies_in_one_pass_and_then_costs_nothing() {
    let Some(components) = fixture() else { return };
    let mut bench = Bench::new();
    let plan = bench.plan(&components).await;
    assert_eq!(plan.steps.len(), 373);
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let first = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap();
    let bad: Vec<_> = first.report.bad().collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(
        first.report.summary().get("created"),
        Some(&373),
        "{:?}",
        first.report.summary()
    );
    println!("first pass: {:?}", first.report.calls);

    // Warm: everything is remembered, so only metadata is read.
    let version = bench.server.resource_version();
    let second = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap();
    println!("second pass, warm: {:?}", second.report.calls);
    assert_eq!(
        second.report.summary().get("unchanged"),
        Some(&373),
        "{}",
        second.report
    );
    assert_eq!(
        (second.report.calls.writes(), bench.server.resource_version()),
        (0, version)
    );
    assert!(second.report.calls.total() <= 30, "{:?}", second.report.calls);

    // Watched: not a single call.
    let third = bench
        .applier
        .apply(&plan, &mut bench.memory, Some(second.observation))
        .await
        .unwrap();
    assert_eq!(third.report.calls.total(), 0, "{:?}", third.report.calls);
    assert_eq!(third.report.summary().get("unchanged"), Some(&373));

    // Cold: nothing is remembered, everything is read once and compared.
    bench.memory = kube_access::apply::Memory::default();
    let cold = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap();
    println!("second pass, cold: {:?}", cold.report.calls);
    assert_eq!(cold.report.summary().get("unchanged"), Some(&373), "{}", cold.report);
    assert_eq!(
        (cold.report.calls.writes(), bench.server.resource_version()),
        (0, version)
    );
}

#[tokio::test(start_paused = true)]
async fn removing_a_component_prunes_exactly_its_objects() {
    let Some(mut components) = fixture() else { return };
    let mut bench = Bench::new();
    bench.pass(&components).await;
    let place = components
        .iter()
        .position(|component| component.name == "kube-metrics-adapter")
        .unwrap();
    let removed = components.remove(place);
    let plan = bench.plan(&components).await;
    let pass = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap();
    assert_eq!(pass.report.calls.writes(), 0, "{}", pass.report);
    let prune = bench.applier.plan_prune(&plan, &pass.observation);
    let mut names: Vec<String> = prune
        .items
        .iter()
        .map(|item| format!("{} {}", item.key.kind.kind, item.key.name))
        .collect();
    let name = |object: &serde_json::Value| {
        format!(
            "{} {}",
            object["kind"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap()
        )
    };
    let mut wanted: Vec<String> = removed.objects.iter().map(|object| name(object)).collect();
    names.sort();
    wanted.sort();
    assert_eq!(names, wanted);
    let threshold = Threshold {
        objects: 20,
        percent: 5,
    };
    let report = bench
        .applier
        .prune(&prune, &plan, &mut bench.memory, threshold, None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((report.deleted(), report.is_done()), (wanted.len(), true), "{report:?}");
    let after = bench.applier.apply(&plan, &mut bench.memory, None).await.unwrap();
    assert_eq!(after.report.summary().get("unchanged"), Some(&plan.steps.len()));
    assert!(bench.applier.plan_prune(&plan, &after.observation).items.is_empty());
}
