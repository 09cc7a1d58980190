//! Stories told by kubectl: what a person sees on a real cluster is what they see here.
//!
//! Simulated time runs many times faster, so that a story takes seconds; kubectl's own waiting is the only waiting.

use std::process::Command;

use super::{Sim, run};

/// A simulated cluster with kubectl at it; nothing where kubectl is not installed.
pub(super) struct Kubectl {
    pub(super) sim: Sim,
}

/// A speed at which a node's death and what follows take a few seconds.
const SPEED: &str = "50";

impl Kubectl {
    pub(super) fn of(nodes: &str) -> Option<Self> {
        let there = Command::new("kubectl").args(["version", "--client"]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            println!("kubectl is not installed: passed over");
            return None;
        }
        let sim = Sim::up(&["--nodes", nodes, "--profile", "empty", "--speed", SPEED]);
        Some(Self { sim })
    }

    /// Runs kubectl: whether it went well, and what it said.
    pub(super) fn try_run(&self, line: &str) -> (bool, String) {
        let mut command = Command::new("kubectl");
        command
            .env_remove("KUBECONFIG")
            .env("HOME", self.sim.home.path())
            .current_dir(self.sim.home.path())
            .arg("--kubeconfig=kubeconfig")
            .args(line.split(' '));
        run(&mut command)
    }

    /// The same for what has to go well.
    pub(super) fn run(&self, line: &str) -> String {
        let (well, text) = self.try_run(line);
        assert!(well, "kubectl {line}:\n{text}");
        text
    }

    pub(super) fn apply(&self, manifest: &str) {
        std::fs::write(self.sim.path("manifest.yaml"), manifest).unwrap();
        self.run("apply -f manifest.yaml");
    }

    /// Words of a JSONPath.
    pub(super) fn words(&self, line: &str, path: &str) -> Vec<String> {
        let text = self.run(&format!("{line} -o jsonpath={path}"));
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// The nodes of the pods of an app that are there to stay.
    fn places(&self, app: &str) -> Vec<String> {
        self.words(&format!("get pods -l app={app}"), "{.items[*].spec.nodeName}")
    }
}

/// A Deployment whose pods are spread over the nodes.
fn deployment(name: &str, replicas: u32, rest: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      topologySpreadConstraints:
      - {{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {{matchLabels: {{app: {name}}}}}}}
{rest}      containers:
      - name: main
        image: example.org/{name}:1
        readinessProbe: {{httpGet: {{path: /, port: 80}}}}
"
    )
}

#[test]
fn a_deployment_rolls_is_undone_and_scales() {
    let Some(kubectl) = Kubectl::of("3") else { return };
    kubectl.apply(&deployment("web", 4, ""));
    let text = kubectl.run("rollout status deployment/web --timeout=180s");
    assert!(text.ends_with("deployment \"web\" successfully rolled out\n"), "{text}");
    kubectl.run("set image deployment/web main=example.org/web:2");
    let text = kubectl.run("rollout status deployment/web --timeout=180s");
    assert!(text.ends_with("deployment \"web\" successfully rolled out\n"), "{text}");
    let images = || kubectl.words("get pods -l app=web", "{.items[*].spec.containers[0].image}");
    // Pods of the old version may vanish while somebody waits for all pods, so the new ones are named by their hash.
    let hash = kubectl.words(
        "get pods -l app=web --sort-by=.metadata.creationTimestamp",
        "{.items[-1:].metadata.labels.pod-template-hash}",
    );
    kubectl.run(&format!(
        "wait pods -l app=web,pod-template-hash={} --for=condition=Ready --timeout=180s",
        hash[0]
    ));
    let history = kubectl.run("rollout history deployment/web");
    assert!(history.contains("\n1 ") && history.contains("\n2 "), "{history}");

    // A version that never comes up stops the roll and leaves the old pods; undo ends it.
    kubectl.run(
        "patch deployment web -p {\"spec\":{\"progressDeadlineSeconds\":60,\"template\":{\"metadata\":{\"annotations\":{\"sim.fleetwright.dev/never-ready\":\"true\"}}}}}",
    );
    let (well, text) = kubectl.try_run("rollout status deployment/web --timeout=180s");
    assert!(!well && text.contains("exceeded its progress deadline"), "{text}");
    assert_eq!(
        kubectl.words("get deployment web", "{.status.availableReplicas}"),
        ["3"],
        "a quarter of four may be missing"
    );
    assert!(kubectl.run("rollout undo deployment/web").contains("rolled back"));
    kubectl.run("rollout status deployment/web --timeout=180s");
    kubectl.run("rollout undo deployment/web --to-revision=1");
    kubectl.run("rollout status deployment/web --timeout=180s");
    assert_eq!(
        kubectl.words("get deployment web", "{.spec.template.spec.containers[0].image}"),
        ["example.org/web:1"]
    );

    kubectl.run("scale deployment/web --replicas=9");
    kubectl.run("wait deployment/web --for=jsonpath={.status.readyReplicas}=9 --timeout=180s");
    kubectl.run("scale deployment/web --replicas=2");
    kubectl.run("wait deployment/web --for=jsonpath={.status.replicas}=2 --timeout=180s");
    // Pods that are being stopped still count as there; what is left runs the first version.
    assert!(
        images().iter().all(|image| image == "example.org/web:1"),
        "{:?}",
        images()
    );
}

#[test]
fn a_drain_waits_for_the_budget_and_a_taint_evicts() {
    let Some(kubectl) = Kubectl::of("3") else { return };
    kubectl.apply(&deployment("web", 6, ""));
    let patient = "      tolerations:\n      - {key: maintenance, operator: Exists}\n";
    kubectl.apply(&deployment("patient", 3, patient));
    kubectl.run("create pdb web --selector=app=web --min-available=6");
    kubectl.run("rollout status deployment/web --timeout=180s");
    kubectl.run("rollout status deployment/patient --timeout=180s");
    kubectl.run("wait pdb/web --for=jsonpath={.status.currentHealthy}=6 --timeout=180s");
    assert!(kubectl.run("cordon worker-1").contains("node/worker-1 cordoned"));
    let nodes = kubectl.run("get nodes");
    assert!(nodes.contains("Ready,SchedulingDisabled"), "{nodes}");

    let (well, text) = kubectl.try_run("drain worker-1 --ignore-daemonsets --timeout=8s");
    assert!(
        !well && text.contains("Cannot evict pod as it would violate the pod's disruption budget."),
        "{text}"
    );
    let here = |app: &str, node: &str| kubectl.places(app).iter().filter(|place| *place == node).count();
    assert_eq!(here("web", "worker-1"), 2, "the budget kept them");
    kubectl.run("patch pdb web -p {\"spec\":{\"minAvailable\":4}}");
    kubectl.run("wait pdb/web --for=jsonpath={.status.disruptionsAllowed}=2 --timeout=180s");
    let text = kubectl.run("drain worker-1 --ignore-daemonsets --timeout=180s");
    assert!(text.ends_with("node/worker-1 drained\n"), "{text}");
    assert_eq!((here("web", "worker-1"), here("patient", "worker-1")), (0, 0));
    kubectl.run("wait deployment/web --for=jsonpath={.status.readyReplicas}=6 --timeout=180s");
    kubectl.run("uncordon worker-1");

    // The taint does not ask the budget; who tolerates it stays.
    let before = here("patient", "worker-2");
    assert!(
        before > 0 && here("web", "worker-2") > 0,
        "somebody is there to stay, and somebody to go"
    );
    kubectl.run("taint nodes worker-2 maintenance=now:NoExecute");
    kubectl.run("wait pods -l app=web --field-selector spec.nodeName=worker-2 --for=delete --timeout=180s");
    assert_eq!(here("web", "worker-2"), 0);
    assert_eq!(here("patient", "worker-2"), before);
    kubectl.run("wait deployment/web --for=jsonpath={.status.readyReplicas}=6 --timeout=180s");
}

#[test]
fn a_node_dies_and_its_pods_are_replaced() {
    let Some(kubectl) = Kubectl::of("3") else { return };
    let hasty = "      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
";
    kubectl.apply(&deployment("web", 6, hasty));
    kubectl.run("rollout status deployment/web --timeout=180s");
    let text = kubectl.sim.ok(&["sim", "fault", "kill-node", "worker-0"]);
    assert_eq!(text, "machine/worker-0 killed\n");
    kubectl.run("wait node/worker-0 --for=condition=Ready=Unknown --timeout=180s");
    let nodes = kubectl.run("get nodes");
    assert!(nodes.contains(" NotReady "), "{nodes}");
    let taints = kubectl.words("get node worker-0", "{.spec.taints[*].key}");
    assert!(
        taints.contains(&"node.kubernetes.io/unreachable".to_owned()),
        "{taints:?}"
    );

    // First the lost pods count as not ready, then they are evicted and others come; they stay Terminating, for nobody is
    // there who could end them.
    let lost = "-l app=web --field-selector spec.nodeName=worker-0";
    kubectl.run(&format!(
        "wait pods {lost} --for=jsonpath={{.metadata.deletionTimestamp}} --timeout=180s"
    ));
    kubectl.run("wait deployment/web --for=jsonpath={.status.readyReplicas}=6 --timeout=180s");
    let pods = kubectl.run("get pods -o wide");
    let lost = pods
        .lines()
        .filter(|line| line.contains("Terminating") && line.contains("worker-0"));
    assert_eq!(lost.count(), 2, "{pods}");
    kubectl.run("delete node worker-0");
    kubectl.run("wait pods --field-selector spec.nodeName=worker-0 --for=delete --timeout=180s");

    kubectl.sim.ok(&["sim", "fault", "revive-node", "worker-0"]);
    kubectl.run("wait node/worker-0 --for=create --timeout=180s");
    kubectl.run("wait node/worker-0 --for=condition=Ready --timeout=180s");
}

#[test]
fn a_stateful_set_moves_in_order() {
    let Some(kubectl) = Kubectl::of("3") else { return };
    kubectl.apply(
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - name: main
        image: example.org/db:1
        readinessProbe: {httpGet: {path: /, port: 80}}
",
    );
    let order = || {
        kubectl.words(
            "get pods -l app=db --sort-by=.metadata.creationTimestamp",
            "{.items[*].metadata.name}",
        )
    };
    kubectl.run("rollout status statefulset/db --timeout=180s");
    assert_eq!(order(), ["db-0", "db-1", "db-2"], "up from the first");
    kubectl.run("set image statefulset/db main=example.org/db:2");
    let text = kubectl.run("rollout status statefulset/db --timeout=180s");
    assert!(
        text.contains("roll out complete: 3 new pods have been updated"),
        "{text}"
    );
    assert_eq!(order(), ["db-2", "db-1", "db-0"], "down from the last");
    kubectl.run("scale statefulset/db --replicas=1");
    kubectl.run("wait pod/db-1 pod/db-2 --for=delete --timeout=180s");
    assert_eq!(order(), ["db-0"]);
    kubectl.run("rollout undo statefulset/db");
    kubectl.run("rollout status statefulset/db --timeout=180s");
    assert_eq!(
        kubectl.words("get pod db-0", "{.spec.containers[0].image}"),
        ["example.org/db:1"]
    );
}
