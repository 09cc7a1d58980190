//! Node lifecycle and node shutdown inside a cluster without a cloud.

use std::sync::Arc;

use controllers::leader::{Elector, LeaseOptions};
use controllers::ledger::ClusterLedger;
use controllers::lifecycle::Lifecycle;
use controllers::shutdown;
use disruption::{Cause, Environment, Policy};
use kube_access::nodes::{Effect, Taint};
use kube_world::NodeSpec;
use ports::Ledger;
use ports::ledger::EntryFilter;
use ports::registry::PageRequest;
use rollout::{EVIDENCE_KIND, EvidenceRecord, NoCloud, Outcome, Refresh};

use crate::lab::Lab;

fn start(lab: &Lab, who: &'static str) -> tokio::task::JoinHandle<()> {
    let access = lab.access(who);
    let lifecycle = Lifecycle {
        access: access.clone(),
        cloud: Arc::new(NoCloud),
        cluster: "aws:123456789012:eu-central-1:kube-1".parse().unwrap(),
        tag_name: "kube-1".to_owned(),
        policy: Policy::of(Environment::Test),
        namespace: "kube-system".to_owned(),
        no_schedule: None,
        notices: None,
        refresh: Refresh::default(),
    };
    let elector = Elector::new(access.clone(), LeaseOptions::new("kube-system", who));
    tokio::spawn(async move {
        elector
            .lead(|leadership| {
                let (access, lifecycle) = (access.clone(), lifecycle.clone());
                async move {
                    let (a, b) = tokio::join!(
                        lifecycle.run(Arc::clone(&leadership)),
                        shutdown::run(&access, &leadership)
                    );
                    a.unwrap();
                    b.unwrap();
                }
            })
            .await
    })
}

async fn mark(lab: &Lab, node: &str) {
    let label = ("lifecycle-status".to_owned(), Some("decommission-pending".to_owned()));
    lab.access("manager")
        .mark_node(node, &[label].into(), &Default::default())
        .await
        .unwrap();
}

async fn evidence(lab: &Lab) -> Vec<EvidenceRecord> {
    let ledger = ClusterLedger::new(lab.access("reader"), "kube-system");
    let filter = EntryFilter::of(EVIDENCE_KIND.parse().unwrap());
    let page = ledger.list_entries(&filter, &PageRequest::all()).await.unwrap();
    page.items
        .into_iter()
        .map(|entry| serde_json::from_value(entry.body).unwrap())
        .collect()
}

async fn lab(seed: u64) -> Lab {
    let lab = Lab::new(seed).await;
    for name in ["n1", "n2"] {
        lab.node(NodeSpec::new(name).label("node.kubernetes.io/node-pool", "workers"))
            .await;
    }
    lab.deployment("cart", 4).await;
    lab
}

#[tokio::test(start_paused = true)]
async fn a_marked_node_is_drained_within_the_budget_and_says_so() {
    let lab = lab(21).await;
    lab.budget("cart", 1).await;
    lab.pass(120).await;
    let _task = start(&lab, "a");
    lab.pass(120).await;
    assert!(lab.pods_on("n1") > 0);
    mark(&lab, "n1").await;
    lab.pass(1200).await;
    assert_eq!(lab.pods_on("n1"), 0);
    assert_eq!(lab.pods_on("n2"), 4);
    let node = lab.read_node("n1");
    assert!(
        node["metadata"]["annotations"]["rollout.fleetwright.dev/drained"].is_string(),
        "{node:#}"
    );
    assert_eq!(evidence(&lab).await, []);
}

/// The leader is killed in mid-drain: the grace period goes on from the annotation (fact 60), and the evidence is in the cluster.
#[tokio::test(start_paused = true)]
async fn another_leader_goes_on_where_the_first_was_killed() {
    let lab = lab(22).await;
    lab.budget("cart", 0).await;
    lab.pass(120).await;
    let first = start(&lab, "a");
    mark(&lab, "n1").await;
    lab.pass(3600).await;
    let started =
        lab.read_node("n1")["metadata"]["annotations"]["cluster-lifecycle-manager.zalando.org/drain-start"].clone();
    assert!(started.is_string());
    first.abort();
    let _second = start(&lab, "b");
    lab.pass(3600 * 13).await;
    assert_eq!(lab.pods_on("n1"), 0);
    let node = lab.read_node("n1");
    assert_eq!(
        node["metadata"]["annotations"]["cluster-lifecycle-manager.zalando.org/drain-start"],
        started
    );
    let evidence = evidence(&lab).await;
    assert!(!evidence.is_empty());
    for record in &evidence {
        assert_eq!((record.outcome, record.evidence.unmet().count()), (Outcome::Done, 0));
    }
    let maps = lab.server.read_all("", "configmaps", "kube-system");
    let kept = |map: &&json_tree::Value| map["metadata"]["labels"]["ledger.fleetwright.dev/kind"] == EVIDENCE_KIND;
    assert_eq!(maps.iter().filter(kept).count(), evidence.len());
}

/// ST-12 and CA-9: a spot notice leaves two minutes; whatever does not go by itself is terminated before the machine is.
#[tokio::test(start_paused = true)]
async fn a_spot_notice_overrides_the_contract_within_its_two_minutes() {
    let lab = lab(23).await;
    lab.budget("cart", 0).await;
    lab.pass(120).await;
    let _task = start(&lab, "a");
    lab.pass(60).await;
    let before = lab.pods_on("n1");
    assert!(before > 0);
    let notice = Taint {
        key: "aws-node-termination-handler/spot-itn".to_owned(),
        value: "event-1".to_owned(),
        effect: Effect::NoSchedule,
    };
    lab.access("nth").set_taint("n1", &notice).await.unwrap();
    lab.pass(118).await;
    assert_eq!(lab.pods_on("n1"), 0, "two minutes");
    let evidence = evidence(&lab).await;
    assert_eq!(evidence.len(), before);
    for record in evidence {
        assert!(matches!(record.evidence.cause, Cause::MachineEnds { .. }), "{record:?}");
        assert!(
            record.evidence.node_reason.contains("spot interruption"),
            "{}",
            record.evidence.node_reason
        );
    }
}
