//! Looking at a lab, and turning its guard, in ways that only tests need.

use std::collections::BTreeMap;

use json_tree::Value;
use ports::cloud::{GroupName, NodeGroups};
use rollout::{EVIDENCE_KIND, EvidenceRecord, Permission};

use crate::guard::TestGuard;
use crate::lab::{Lab, is_marked};
use crate::ledger::TestLedger;

impl Lab {
    /// What counts at the end of a rollout, in one text: sizes, definitions, marks, workload, records.
    pub(crate) async fn end_state(&self, pool: &str) -> String {
        self.pass(900).await;
        let group = self.cloud.group(&GroupName::from(pool)).await.unwrap();
        let nodes = self.nodes();
        let ready = nodes.iter().filter(|node| is_ready(node) && !is_marked(node)).count();
        let held = nodes
            .iter()
            .filter(|node| node["metadata"]["annotations"]["rollout.fleetwright.dev/scale-down-held"] == "true")
            .count();
        let deployments = self.server.read_all("apps", "deployments", "default");
        let deployments: BTreeMap<_, _> = deployments
            .iter()
            .map(|one| {
                (
                    one["metadata"]["name"].to_string(),
                    one["status"]["readyReplicas"].clone(),
                )
            })
            .collect();
        let open = self
            .ledger
            .all(rollout::ROLLOUT_KIND)
            .iter()
            .filter(|entry| entry.open)
            .count();
        format!(
            "desired {} max {} instances {} nodes {} ready {ready} held {held} open {open} suspended {:?} workload {deployments:?}",
            group.desired,
            group.max,
            group.instances.len(),
            nodes.len(),
            group.suspended,
        )
    }

    /// Everything that happened in cluster, cloud and ledger.
    pub(crate) async fn log(&self) -> String {
        let digest = self.world.hold().await.log().digest();
        format!("{digest}\n{}{}", self.cloud.log_text(), self.ledger.log())
    }
}

pub(crate) fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True")
}

impl TestGuard {
    pub(crate) fn turn(&self, permission: Permission) {
        *self.permission.lock().unwrap() = permission;
        self.turned.notify_one();
    }

    pub(crate) fn asked(&self) -> u64 {
        *self.asked.lock().unwrap()
    }
}

impl TestLedger {
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn evidence(&self) -> Vec<EvidenceRecord> {
        let entries = self.all(EVIDENCE_KIND);
        entries
            .into_iter()
            .map(|entry| serde_json::from_value(entry.body).unwrap())
            .collect()
    }
}
