//! `kubectl drain` and the contract's drain on the same node: which pods each of them evicts, holds and leaves alone.
//!
//! Where they differ it is on purpose; the table says why, and so does `docs/disruption.md`.

use std::collections::{BTreeMap, BTreeSet};

use disruption::{
    ClusterView, Environment, Handling, Leave, NodeMark, NodeName, NodeState, NodeStep, PodKey, Policy, Reason,
    Verdict, decide_node, decide_pod, read_budget, read_pod,
};
use jiff::Timestamp;
use serde_json::Value;

use super::kubectl::Kubectl;

const NODE: &str = "worker-0";

/// What becomes of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is evicted.
    Goes,
    /// It is asked for and has to stay for now.
    Waits,
    /// Nobody asks for it.
    Stays,
}

use Fate::{Goes, Stays, Waits};

/// Each kind of workload: what `kubectl drain --force --delete-emptydir-data` does, what we do, and why where that differs.
const TABLE: [(&str, Fate, Fate, &str); 17] = [
    ("free", Goes, Goes, ""),
    ("roomy", Goes, Goes, ""),
    ("guarded", Waits, Waits, ""),
    ("twice-guarded", Waits, Waits, ""),
    ("sick", Waits, Waits, ""),
    ("sick-and-free", Goes, Goes, ""),
    ("pulling", Goes, Goes, ""),
    ("members", Goes, Goes, ""),
    ("bare", Goes, Goes, ""),
    ("scratch", Goes, Goes, ""),
    ("asks-to-stay", Goes, Goes, ""),
    ("agent", Stays, Stays, ""),
    ("mirror", Stays, Stays, ""),
    (
        "primary",
        Goes,
        Waits,
        "a database's primary leaves last, when its role has moved",
    ),
    (
        "work",
        Goes,
        Waits,
        "a run of a Job is left to end: begun anew it loses what it has done",
    ),
    (
        "failed",
        Goes,
        Stays,
        "what has ended holds no node, and its log and status are its owner's to clear away",
    ),
    (
        "done",
        Goes,
        Stays,
        "what has ended holds no node, and its log and status are its owner's to clear away",
    ),
];

/// A pod template pinned to the node.
fn template(app: &str, annotations: &str, rest: &str) -> String {
    format!(
        "{{metadata: {{labels: {{app: {app}}}, annotations: {{{annotations}}}}}, spec: {{nodeSelector: {{kubernetes.io/hostname: {NODE}}}, {rest}containers: [{{name: main, image: 'main:1', readinessProbe: {{httpGet: {{path: /, port: 80}}}}}}]}}}}"
    )
}

fn workload(kind: &str, app: &str, replicas: u32, annotations: &str, rest: &str) -> String {
    let service = if kind == "StatefulSet" { "serviceName: s, " } else { "" };
    let size = if kind == "DaemonSet" {
        String::new()
    } else {
        format!("replicas: {replicas}, ")
    };
    format!(
        "---\napiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {app}}}\nspec: {{{service}{size}selector: {{matchLabels: {{app: {app}}}}}, template: {}}}\n",
        template(app, annotations, rest)
    )
}

fn job(app: &str, annotations: &str) -> String {
    format!(
        "---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {app}}}\nspec: {{backoffLimit: 0, template: {}}}\n",
        template(app, annotations, "restartPolicy: Never, ")
    )
}

fn budget(name: &str, app: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}}}\nspec: {{{spec}, selector: {{matchLabels: {{app: {app}}}}}}}\n"
    )
}

fn everything(node_uid: &str) -> String {
    let never = "sim.fleetwright.dev/never-ready: 'true'";
    let mut all = String::new();
    for (app, replicas, annotations, rest) in [
        ("free", 1, "", ""),
        ("roomy", 2, "", ""),
        ("guarded", 1, "", ""),
        ("twice-guarded", 1, "", ""),
        ("sick", 1, never, ""),
        ("sick-and-free", 1, never, ""),
        ("pulling", 1, "sim.fleetwright.dev/image-pull-error: 'true'", ""),
        ("scratch", 1, "", "volumes: [{name: scratch, emptyDir: {}}], "),
        (
            "asks-to-stay",
            1,
            "cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'",
            "",
        ),
    ] {
        all += &workload("Deployment", app, replicas, annotations, rest);
    }
    all += &workload("StatefulSet", "members", 2, "", "");
    all += &workload("StatefulSet", "primary", 1, "", "").replacen(
        "{app: primary}, annotations",
        "{app: primary, spilo-role: master}, annotations",
        1,
    );
    all += &workload("DaemonSet", "agent", 0, "", "");
    all += &job("work", "sim.fleetwright.dev/exit-after: 24h");
    all += &job("done", "sim.fleetwright.dev/exit-after: 1s");
    all += &job(
        "failed",
        "sim.fleetwright.dev/exit-after: 1s, sim.fleetwright.dev/exit-code: '1'",
    );
    all += &budget("roomy", "roomy", "maxUnavailable: 1");
    all += &budget("guarded", "guarded", "minAvailable: 1");
    all += &budget("twice-a", "twice-guarded", "maxUnavailable: 1");
    all += &budget("twice-b", "twice-guarded", "maxUnavailable: 1");
    all += &budget("sick", "sick", "minAvailable: 1");
    all += &budget(
        "free-when-sick",
        "sick-and-free",
        "unhealthyPodEvictionPolicy: AlwaysAllow, minAvailable: 1",
    );
    all += &budget("pulling", "pulling", "minAvailable: 1");
    let container = "containers: [{name: main, image: 'main:1'}]";
    all += &format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: bare, labels: {{app: bare}}}}\nspec: {{nodeName: {NODE}, {container}}}\n"
    );
    all += &format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: mirror-{NODE}, labels: {{app: mirror}}, annotations: {{kubernetes.io/config.mirror: x}}, \
         ownerReferences: [{{apiVersion: v1, kind: Node, name: {NODE}, uid: {node_uid}, controller: true}}]}}\nspec: {{nodeName: {NODE}, {container}}}\n"
    );
    all
}

/// The cluster as both of them see it.
struct Seen {
    view: ClusterView,
    now: Timestamp,
    /// The pods on the node: key and app.
    pods: BTreeMap<PodKey, String>,
}

fn look(kubectl: &Kubectl) -> Seen {
    let read = |what: &str| -> Vec<Value> {
        let list: Value = serde_json::from_str(&kubectl.run(&format!("get {what} -A -o json"))).unwrap();
        list["items"].as_array().unwrap().clone()
    };
    let info: Value = serde_json::from_str(&kubectl.sim.ok(&["sim", "list", "-o", "json"])).unwrap();
    let now: Timestamp = info["items"][0]["time"].as_str().unwrap().parse().unwrap();
    let objects = read("pods");
    let name = NodeName::from(NODE);
    let pods = objects
        .iter()
        .filter(|pod| pod["spec"]["nodeName"] == NODE)
        .map(|pod| {
            (
                read_pod(pod).unwrap().key,
                pod["metadata"]["labels"]["app"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let mut node = NodeState::new(name, now);
    node.cordoned = true;
    node.mark = Some(NodeMark {
        draining: Some(now),
        ..NodeMark::new(now, "test")
    });
    let budgets: Vec<_> = read("pdb").iter().map(|budget| read_budget(budget).unwrap()).collect();
    let states: Vec<_> = objects.iter().map(|pod| read_pod(pod).unwrap()).collect();
    Seen {
        view: ClusterView::new([node], budgets, states),
        now,
        pods,
    }
}

/// The names of pods that a text names after a mark, in the two forms that kubectl has: `default/NAME` and `pods/"NAME"`.
fn named<'t>(text: &'t str, mark: &str) -> BTreeSet<&'t str> {
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let after = text.match_indices(mark).map(|(at, _)| &text[at + mark.len()..]);
    after.map(|rest| rest.split(end).next().unwrap()).collect()
}

/// The fates that a drain tells of, by pod.
fn kubectls(text: &str, pod: &PodKey) -> Fate {
    let name = &*pod.name;
    if named(text, "error when evicting pods/\"").contains(name) {
        Waits
    } else if named(text, "evicting pod default/").contains(name) {
        Goes
    } else {
        Stays
    }
}

fn ours(seen: &Seen, policy: &Policy, pod: &PodKey) -> (Fate, Verdict) {
    let decision = decide_pod(&seen.view, policy, &NodeName::from(NODE), pod, seen.now).unwrap();
    let fate = match &decision.verdict {
        Verdict::Evict => Goes,
        Verdict::Wait(_) => Waits,
        Verdict::Leave(_) => Stays,
        Verdict::Force(_) => panic!("nothing is due for force: {decision:?}"),
    };
    (fate, decision.verdict)
}

#[test]
fn kubectl_drain_and_ours_agree_on_which_pods_may_go() {
    let Some(kubectl) = Kubectl::of("2") else { return };
    let uid = kubectl.words(&format!("get node {NODE}"), "{.metadata.uid}").remove(0);
    kubectl.apply(&everything(&uid));
    for app in [
        "free",
        "roomy",
        "guarded",
        "twice-guarded",
        "scratch",
        "asks-to-stay",
        "agent",
        "primary",
        "work",
    ] {
        kubectl.run(&format!("wait pods -l app={app} --for=condition=Ready --timeout=180s"));
    }
    kubectl.run("wait statefulset/members --for=jsonpath={.status.readyReplicas}=2 --timeout=180s");
    kubectl.run("wait pod/bare --for=condition=Ready --timeout=180s");
    kubectl.run("wait job/done --for=condition=Complete --timeout=180s");
    kubectl.run("wait job/failed --for=condition=Failed --timeout=180s");
    kubectl.run("wait pods -l app=sick --for=jsonpath={.status.phase}=Running --timeout=180s");
    kubectl.run("wait pods -l app=sick-and-free --for=jsonpath={.status.phase}=Running --timeout=180s");
    kubectl.run("wait pdb/roomy --for=jsonpath={.status.disruptionsAllowed}=1 --timeout=180s");
    kubectl.run("wait pdb/guarded --for=jsonpath={.status.currentHealthy}=1 --timeout=180s");
    let seen = look(&kubectl);

    // With everything allowed that a flag can allow, as our policy allows it by default.
    let drain = format!("drain {NODE} --ignore-daemonsets --dry-run=server");
    let (_, text) = kubectl.try_run(&format!("{drain} --force --delete-emptydir-data --timeout=8s"));
    let policy = Policy::of(Environment::Production);
    let mut met = BTreeSet::new();
    for (pod, app) in &seen.pods {
        let (_, theirs, expected, why) = TABLE.iter().find(|(name, ..)| name == app).unwrap();
        let (fate, verdict) = ours(&seen, &policy, pod);
        assert_eq!(kubectls(&text, pod), *theirs, "kubectl on {pod}:\n{text}");
        assert_eq!(fate, *expected, "ours on {pod}: {verdict:?}");
        assert_eq!(theirs == expected, why.is_empty(), "{app}: a difference has a reason");
        met.insert(app.as_str());
    }
    let all: BTreeSet<&str> = TABLE.iter().map(|(app, ..)| *app).collect();
    assert_eq!(met, all, "each kind has a pod on the node");

    // Without the flags kubectl refuses the whole drain because of the pods that our policy holds when it is told to.
    let (well, text) = kubectl.try_run(&drain);
    assert!(!well && !text.contains("evicting pod"), "{text}");
    let mut strict = policy.clone();
    (strict.bare_pods, strict.local_data) = (Handling::Hold, Handling::Hold);
    for (pod, app) in &seen.pods {
        let (_, verdict) = ours(&seen, &strict, pod);
        let held = matches!(&verdict, Verdict::Wait(wait) if matches!(wait.on, Reason::BarePod | Reason::LocalData));
        let complaints = text.lines().filter(|line| line.contains("cannot delete"));
        let refused = complaints
            .flat_map(|line| named(line, "default/"))
            .any(|name| name == &*pod.name);
        assert_eq!(held, refused, "{app}: {verdict:?}\n{text}");
    }

    // Taken together, members of a set go one at a time, and a budget's room is given once: kubectl asks for all at once, and
    // the server refuses what the budget does not have.
    let together = decide_node(&seen.view, &policy, &NodeName::from(NODE), seen.now).unwrap();
    let NodeStep::Act { evict, .. } = &together.step else {
        panic!("{:?}", together.step)
    };
    for app in ["members", "roomy"] {
        let going = evict.iter().filter(|pod| seen.pods[*pod] == app).count();
        assert_eq!(going, 1, "{app}");
    }

    // The real drain, when the budgets are out of the way: what is left on the node is what we leave as well.
    kubectl.run("delete pdb --all");
    kubectl.run(&format!(
        "drain {NODE} --ignore-daemonsets --force --delete-emptydir-data --timeout=180s"
    ));
    let after = look(&kubectl);
    let left: BTreeSet<&str> = after.pods.values().map(String::as_str).collect();
    assert_eq!(left, BTreeSet::from(["agent", "mirror"]));
    let drained = decide_node(&after.view, &policy, &NodeName::from(NODE), after.now).unwrap();
    assert_eq!(drained.step, NodeStep::Drained);
    for (pod, app) in &after.pods {
        let (_, verdict) = ours(&after, &policy, pod);
        let expected = if app == "agent" {
            Leave::DaemonSet
        } else {
            Leave::Static
        };
        assert_eq!(verdict, Verdict::Leave(expected), "{app}");
    }
}
