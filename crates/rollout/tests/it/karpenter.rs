//! Pools of NodeClaims: a small Karpenter beside the simulated cluster, which launches claims, registers nodes, calls old
//! claims drifted, ends machines of deleted claims and brings claims for pods that find no place.

use std::time::Duration;

use disruption::{Environment, Policy, PoolName};
use json_tree::{Value, json};
use kube_sim::{ApiServer, Place, UserInfo};
use kube_world::{NodeSpec, SharedWorld};
use ports::Clock;
use rollout::{PoolPhase, PoolSpec, Provisioner, Strategy};

use crate::lab::{Lab, Options, is_marked};

fn place(resource: &'static str) -> Place<'static> {
    Place {
        group: "karpenter.sh",
        version: "v1",
        resource,
        namespace: "",
    }
}

fn definition(kind: &str, plural: &str) -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"metadata": {"name": format!("{plural}.karpenter.sh")}, "spec": {
        "group": "karpenter.sh", "scope": "Cluster",
        "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
        "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open, "status": open}}}}]}})
}

fn claim(name: &str, hash: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"karpenter.sh/nodepool": "general"}, "annotations": {
            "karpenter.sh/nodepool-hash": hash, "karpenter.sh/nodepool-hash-version": "v3"}},
        "spec": {"nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "general"},
            "requirements": [], "resources": {"requests": {"cpu": "2"}}}})
}

struct Karpenter {
    server: ApiServer,
    world: SharedWorld,
    broken: bool,
    brought: u32,
}

impl Karpenter {
    async fn patch(&self, name: &str, sub: &str, patch: &Value) {
        let local = self.server.local(UserInfo::admin());
        let _gone = local.patch(place("nodeclaims"), name, sub, patch).await;
    }

    /// One look at everything.
    async fn look(&mut self) {
        let pool = self.server.read("karpenter.sh", "nodepools", "", "general").unwrap();
        let wanted = pool["metadata"]["annotations"]["karpenter.sh/nodepool-hash"].clone();
        let claims = self.server.read_all("karpenter.sh", "nodeclaims", "");
        let mut coming = 0;
        for one in &claims {
            let name = one["metadata"]["name"].as_str().unwrap();
            let (meta, status) = (&one["metadata"], &one["status"]);
            if !meta["deletionTimestamp"].is_null() {
                self.world.hold().await.remove_node(name);
                self.patch(name, "", &json!({"metadata": {"finalizers": null}})).await;
                continue;
            }
            if status["providerID"].is_null() {
                coming += 1;
                self.launch(name).await;
                continue;
            }
            let node = self.server.read("", "nodes", "", name);
            let ready = node.as_ref().is_some_and(crate::look::is_ready);
            coming += u32::from(!ready);
            let drifted = meta["annotations"]["karpenter.sh/nodepool-hash"] != wanted;
            let word = |holds: bool| if holds { "True" } else { "False" };
            let conditions = json!([
                {"type": "Initialized", "status": word(ready)},
                {"type": "Drifted", "status": word(drifted), "reason": "NodePoolDrifted"}]);
            if status["conditions"] != conditions {
                self.patch(name, "status", &json!({"status": {"conditions": conditions}}))
                    .await;
            }
        }
        let waits = |pod: &&Value| pod["spec"]["nodeName"].is_null();
        let waiting = self.server.read_all("", "pods", "default").iter().filter(waits).count();
        if waiting > 0 && coming == 0 {
            self.brought += 1;
            let one = claim(&format!("general-k{}", self.brought), wanted.as_str().unwrap());
            let local = self.server.local(UserInfo::admin());
            local.create(place("nodeclaims"), one).await.unwrap();
        }
    }

    async fn launch(&self, name: &str) {
        let provider = format!("aws:///zone-a/i-{name}");
        let finalizers = json!({"metadata": {"finalizers": ["karpenter.sh/termination"]}});
        self.patch(name, "", &finalizers).await;
        self.patch(
            name,
            "status",
            &json!({"status": {"providerID": provider, "conditions": []}}),
        )
        .await;
        let mut spec = NodeSpec::new(name)
            .label("lifecycle-status", "ready")
            .label("karpenter.sh/nodepool", "general")
            .label("topology.kubernetes.io/zone", "zone-a");
        spec.provider_id = provider;
        spec.boot_delay = Duration::from_secs(40);
        if self.broken && name.contains("next") {
            spec.ready_delay = None;
        }
        self.world.hold().await.add_node(spec);
    }
}

/// A lab without groups, with a NodePool and this many claims of an old template.
async fn lab(seed: u64, nodes: u32, strategy: Strategy, broken: bool) -> Lab {
    let options = Options {
        pools: Vec::new(),
        ..Options::new(seed, 0)
    };
    let lab = Lab::new(&options).await;
    let local = lab.server.local(UserInfo::admin());
    let crds = Place {
        group: "apiextensions.k8s.io",
        version: "v1",
        resource: "customresourcedefinitions",
        namespace: "",
    };
    for (kind, plural) in [("NodePool", "nodepools"), ("NodeClaim", "nodeclaims")] {
        local.create(crds, definition(kind, plural)).await.unwrap();
    }
    lab.pass(5).await;
    let pool = json!({"metadata": {"name": "general", "annotations": {
            "karpenter.sh/nodepool-hash": "1", "karpenter.sh/nodepool-hash-version": "v3"}},
        "spec": {"disruption": {"budgets": [{"nodes": "0", "reasons": ["Drifted"]}]},
            "template": {"metadata": {"labels": {}}, "spec": claim("x", "1")["spec"]}}});
    local.create(place("nodepools"), pool).await.unwrap();
    for n in 1..=nodes {
        local
            .create(place("nodeclaims"), claim(&format!("old-{n}"), "1"))
            .await
            .unwrap();
    }
    let mut karpenter = Karpenter {
        server: lab.server.clone(),
        world: lab.world.clone(),
        broken,
        brought: 0,
    };
    let clock = lab.clock.clone();
    tokio::spawn(async move {
        loop {
            karpenter.look().await;
            clock.sleep(Duration::from_secs(5)).await;
        }
    });
    lab.pass(180).await;
    let mut spec = PoolSpec::rolling(PoolName::from("general"), Policy::of(Environment::Test), 10);
    spec.provisioner = Provisioner::NodeClaims;
    spec.strategy = strategy;
    lab.spec.send_modify(|cluster| cluster.pools = vec![spec]);
    lab
}

async fn new_template(lab: &Lab) {
    let patch = json!({"metadata": {"annotations": {"karpenter.sh/nodepool-hash": "2"}}});
    let local = lab.server.local(UserInfo::admin());
    local.patch(place("nodepools"), "general", "", &patch).await.unwrap();
}

fn claims(lab: &Lab) -> Vec<Value> {
    lab.server.read_all("karpenter.sh", "nodeclaims", "")
}

fn names(lab: &Lab) -> Vec<String> {
    let all = claims(lab);
    all.iter()
        .map(|one| one["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn phase(lab: &Lab) -> PoolPhase {
    lab.handle().status().await.unwrap().pools[0].phase
}

#[tokio::test(start_paused = true)]
async fn drifted_claims_go_under_the_contract_with_new_ones_first() {
    let mut lab = lab(41, 4, Strategy::Rolling, false).await;
    lab.deployment("cart", 12).await;
    lab.budget("cart", 1).await;
    lab.pass(120).await;
    lab.start_engine(None);
    lab.pass(60).await;
    assert_eq!(phase(&lab).await, PoolPhase::Current);
    new_template(&lab).await;
    lab.pass(30).await;
    // New claims are there before anything goes, and neither set may be touched by Karpenter itself.
    assert_eq!(names(&lab).iter().filter(|name| name.contains("next")).count(), 3);
    let old = lab.server.read("", "nodes", "", "old-1").unwrap();
    assert!(is_marked(&old));
    assert_eq!(old["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"], "true");
    let counts = lab.handle().counts().await.unwrap();
    assert_eq!((counts.evicted, counts.terminated), (0, 0));
    for _ in 0..600 {
        lab.pass(60).await;
        if phase(&lab).await == PoolPhase::Current {
            break;
        }
    }
    assert!(
        names(&lab).iter().all(|name| !name.starts_with("old")),
        "{:?}",
        names(&lab)
    );
    let counts = lab.handle().counts().await.unwrap();
    assert_eq!((counts.terminated, counts.forced), (4, 0));
    lab.pass(60).await;
    for node in lab.nodes() {
        assert!(!is_marked(&node));
        assert!(node["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"].is_null());
    }
    let cart = lab.server.read("apps", "deployments", "default", "cart").unwrap();
    assert_eq!(cart["status"]["readyReplicas"], 12);
}

#[tokio::test(start_paused = true)]
async fn claims_that_never_get_ready_stop_the_pool_before_a_pod_moves() {
    let mut lab = lab(42, 3, Strategy::Rolling, true).await;
    lab.deployment("cart", 6).await;
    lab.pass(120).await;
    lab.start_engine(None);
    new_template(&lab).await;
    lab.pass(3600 * 3).await;
    let status = lab.handle().status().await.unwrap();
    assert_eq!(status.pools[0].phase, PoolPhase::Halted, "{:#?}", status.pools[0]);
    assert_eq!(status.pools[0].failed_replacements, 3);
    let counts = lab.handle().counts().await.unwrap();
    assert_eq!((counts.evicted, counts.forced, counts.terminated), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_blue_green_pool_of_claims_keeps_the_old_set_until_all_of_it_is_drained() {
    let mut lab = lab(43, 3, Strategy::BlueGreen, false).await;
    lab.deployment("cart", 6).await;
    lab.budget("cart", 0).await;
    lab.pass(120).await;
    lab.start_engine(None);
    new_template(&lab).await;
    lab.pass(3600).await;
    // All three drain, two may be empty: none is gone.
    let draining = |node: &&Value| node["metadata"]["labels"]["lifecycle-status"] == "draining";
    assert_eq!(lab.nodes().iter().filter(draining).count(), 3);
    assert_eq!(names(&lab).len(), 6);
    let waits = lab.handle().status().await.unwrap().pools[0].waits.clone();
    assert!(
        waits
            .iter()
            .any(|wait| wait.contains("of the old set still to be drained")),
        "{waits:?}"
    );
    lab.pass(3600 * 24).await;
    assert_eq!(phase(&lab).await, PoolPhase::Current);
    assert_eq!(lab.ledger.evidence().len(), 6);
    assert!(
        names(&lab).iter().all(|name| !name.starts_with("old")),
        "{:?}",
        names(&lab)
    );
}

/// Without the objects of Karpenter nothing is known, which is not the same as nothing to do.
#[tokio::test(start_paused = true)]
async fn a_pool_without_its_node_pool_is_broken_and_not_current() {
    let mut lab = Lab::new(&Options {
        pools: Vec::new(),
        ..Options::new(44, 0)
    })
    .await;
    let mut spec = PoolSpec::rolling(PoolName::from("general"), Policy::of(Environment::Test), 10);
    spec.provisioner = Provisioner::NodeClaims;
    lab.spec.send_modify(|cluster| cluster.pools = vec![spec]);
    lab.start_engine(None);
    lab.pass(60).await;
    let status = lab.handle().status().await.unwrap();
    assert_eq!(status.pools[0].phase, PoolPhase::Broken);
    assert_eq!(
        status.pools[0].trouble,
        ["pool general: the cluster has no NodePool of that name"]
    );
}
