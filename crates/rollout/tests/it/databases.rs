//! Databases whose operator moves the role of the primary: it sees a node lose its label and be closed as one change, acts on
//! that change only, and never looks again by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use json_tree::{Value, json};
use kube_sim::{ApiServer, UserInfo};
use ports::Clock;

use crate::lab::Lab;
use crate::workloads::{PODS, asked_to_go, name, ready, stateful_set};

/// How an operator goes about it.
#[derive(Debug, Clone, Copy)]
struct Operator {
    /// So many changes that it should act on go by without its doing: a candidate was pending, or it was restarted.
    misses: u32,
    /// The role goes only to a member on a node that stays.
    picky: bool,
}

fn stays(server: &ApiServer, node: &Value) -> bool {
    let node = server.read("", "nodes", "", node.as_str().unwrap_or_default());
    node.is_some_and(|node| {
        node["metadata"]["labels"]["lifecycle-status"] == "ready" && node["spec"]["unschedulable"] != true
    })
}

async fn set_role(server: &ApiServer, pod: &str, role: &str) {
    let patch = json!({"metadata": {"labels": {"spilo-role": role}}});
    // What is gone in this moment needs none.
    let _gone = server.local(UserInfo::admin()).patch(PODS, pod, "", &patch).await;
}

fn members(server: &ApiServer) -> Vec<Value> {
    let pods = server.read_all("", "pods", "default").into_iter();
    pods.filter(|pod| name(pod).starts_with("db-")).collect()
}

impl Operator {
    async fn work(self, server: ApiServer, clock: std::sync::Arc<dyn Clock>) {
        let (mut left, mut usable) = (self.misses, BTreeMap::new());
        let mut tap = server.tap();
        loop {
            tap.filled().await;
            for write in tap.take() {
                let node = write.after().filter(|_| write.resource() == ("", "nodes"));
                let Some(node) = node.map(|node| node.value()) else {
                    continue;
                };
                let labelled = node["metadata"]["labels"]["lifecycle-status"] == "ready";
                let now = labelled || node["spec"]["unschedulable"] != true;
                let was = usable.insert(name(&node).to_owned(), now).unwrap_or(true);
                let is_primary = |pod: &Value| pod["metadata"]["labels"]["spilo-role"] == "master";
                let has = |pod: &&Value| pod["spec"]["nodeName"] == name(&node) && is_primary(pod);
                let all = members(&server);
                let Some(primary) = all.iter().find(has).filter(|_| was && !now) else {
                    continue;
                };
                if left > 0 {
                    left -= 1;
                    continue;
                }
                clock.sleep(Duration::from_secs(20)).await;
                let fits = |pod: &&Value| !is_primary(pod) && (!self.picky || stays(&server, &pod["spec"]["nodeName"]));
                if let Some(heir) = members(&server).iter().find(fits) {
                    set_role(&server, name(primary), "replica").await;
                    set_role(&server, name(heir), "master").await;
                }
            }
        }
    }
}

/// A database of two members, whose nodes are replaced; its pods at the moment in which each was asked to go.
async fn replaced(seed: u64, operator: Operator) -> Vec<Value> {
    let mut lab: Lab = ready(seed, 2).await;
    stateful_set(&lab, "db", 2, &json!({})).await;
    let guard = json!({"metadata": {"name": "db-master", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "db", "spilo-role": "master"}}}});
    lab.create("policy", "poddisruptionbudgets", guard).await;
    lab.pass(120).await;
    set_role(&lab.server, "db-0", "master").await;
    set_role(&lab.server, "db-1", "replica").await;
    lab.pass(30).await;
    let mut tap = lab.server.tap();
    let operator = tokio::spawn(operator.work(lab.server.clone(), lab.clock.clone()));
    // New pods come as replicas.
    let (server, clock) = (lab.server.clone(), lab.clock.clone());
    let roles = tokio::spawn(async move {
        loop {
            for pod in members(&server) {
                if pod["metadata"]["labels"]["spilo-role"].is_null() {
                    set_role(&server, name(&pod), "replica").await;
                }
            }
            clock.sleep(Duration::from_secs(5)).await;
        }
    });
    lab.start_engine(None);
    lab.new_definition("workers").await;
    let hours = lab.rolled("workers", 24).await;
    operator.abort();
    roles.abort();
    let mut gone = asked_to_go(&mut tap);
    gone.retain(|pod| name(pod).starts_with("db-"));
    let primary = |pod: &&Value| pod["metadata"]["labels"]["spilo-role"] == "master";
    assert_eq!(
        gone.iter().filter(primary).count(),
        0,
        "no pod went while it was the primary"
    );
    assert!(gone.len() >= 2, "{gone:#?}");
    assert_eq!(lab.ledger.evidence(), []);
    assert!(hours < 2.0, "without waiting for force: {hours}");
    gone
}

/// ST-1, ST-2, ST-15, ST-16: the primary goes last, after its role has moved; the operator that missed the first signal,
/// because its attempt failed or it was away, gets another.
#[tokio::test(start_paused = true)]
async fn a_primary_goes_after_its_role_has_moved_and_the_operator_is_told_twice_if_needed() {
    for (seed, misses) in [(65, 0), (65, 1), (66, 1)] {
        replaced(seed, Operator { misses, picky: false }).await;
    }
}

/// ST-4: all members are on old nodes. The replica goes first and comes back on a new node; then the role moves there.
#[tokio::test(start_paused = true)]
async fn a_replica_moves_first_where_all_members_are_on_old_nodes() {
    let operator = Operator { misses: 0, picky: true };
    let gone = replaced(67, operator).await;
    assert_eq!((name(&gone[0]), name(&gone[1])), ("db-1", "db-0"));
    assert_eq!(gone.len(), 2, "each moves once: {gone:#?}");
}
