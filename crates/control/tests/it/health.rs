//! Verdicts on clusters that live: pods start or do not, nodes come and go meanwhile.

use control::Options;
use model::{HealthState, HealthVerdict, Update};
use ports::Ledger;
use ports::ledger::{EntryFilter, EntryKind};
use ports::registry::PageRequest;

use crate::lab::{Lab, id};

/// A Deployment of component `front`; its pods never get ready when it is `broken`.
fn front(version: u32, broken: bool) -> String {
    let never = if broken {
        "annotations: {sim.fleetwright.dev/never-ready: 'true'}, "
    } else {
        ""
    };
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: front, namespace: default}}\nspec:\n  replicas: 3\n  \
         selector: {{matchLabels: {{app: front}}}}\n  template:\n    metadata: {{{never}labels: {{app: front}}}}\n    spec:\n      \
         containers: [{{name: main, image: 'front:{version}', resources: {{requests: {{cpu: 100m}}}}}}]\n"
    )
}

async fn verdict(lab: &Lab, alias: &str) -> Option<HealthVerdict> {
    let filter = EntryFilter {
        cluster: Some(id(alias)),
        ..EntryFilter::of(EntryKind::update())
    };
    let newest = lab
        .registry
        .list_entries(&filter, &PageRequest::all())
        .await
        .unwrap()
        .items
        .into_iter()
        .next()?;
    serde_json::from_value::<Update>(newest.body).unwrap().health
}

async fn is(lab: &Lab, alias: &str, state: HealthState) -> bool {
    verdict(lab, alias).await.is_some_and(|verdict| verdict.state == state)
}

fn commit(lab: &Lab, name: &str, image: &str, version: u32, broken: bool) {
    let front = front(version, broken);
    lab.commit_with(name, image, "", &[("cluster/manifests/front/deployment.yaml", &front)]);
}

#[tokio::test(start_paused = true)]
async fn pods_that_never_get_ready_turn_the_verdict_and_nodes_that_are_replaced_do_not() {
    let mut lab = Lab::new(&["kube-1"]).await;
    commit(&lab, "one", "ami-11111111", 1, false);
    lab.start(Options::default());
    lab.until(60, "well", async || is(&lab, "kube-1", HealthState::Healthy).await)
        .await;
    let before = lab.open_nodes("kube-1");

    // Another image: every node is replaced, and pods move while it is checked.
    commit(&lab, "two", "ami-22222222", 2, false);
    lab.until(10, "updated", async || lab.has("kube-1", "two").await).await;
    lab.until(60, "well", async || is(&lab, "kube-1", HealthState::Healthy).await)
        .await;
    let replaced = async || lab.open_nodes("kube-1").iter().all(|node| !before.contains(node));
    lab.until(240, "replaced", replaced).await;
    assert!(
        is(&lab, "kube-1", HealthState::Healthy).await,
        "{:?}",
        verdict(&lab, "kube-1").await
    );

    commit(&lab, "three", "ami-22222222", 3, true);
    lab.until(10, "updated", async || lab.has("kube-1", "three").await)
        .await;
    lab.until(60, "found out", async || {
        is(&lab, "kube-1", HealthState::Unhealthy).await
    })
    .await;
    let red = verdict(&lab, "kube-1").await.unwrap().sentence();
    assert!(
        red.starts_with("unhealthy: Deployment default/front (front): "),
        "{red}"
    );

    commit(&lab, "four", "ami-22222222", 4, false);
    lab.until(60, "well again", async || {
        lab.has("kube-1", "four").await && is(&lab, "kube-1", HealthState::Healthy).await
    })
    .await;
}
