//! A cluster as Zalando runs them: system parts on every node, and teams with web applications, databases and jobs.

use json_tree::json;

use super::fill::{Filler, cron_job};
use super::{shop, stateful};
use crate::tree::set;

/// What runs on every node.
const ON_EVERY_NODE: [&str; 2] = ["kube-proxy", "skipper-ingress"];

/// The system parts.
pub(super) fn system(filler: &mut Filler) {
    for name in ON_EVERY_NODE {
        let mut app = filler.app("kube-system", name, 1);
        app.weight = 20;
        let mut template = filler.template(&app, 9990);
        set(&mut template, &["spec", "priorityClassName"], "system-node-critical");
        set(&mut template, &["spec", "tolerations"], json!([{"operator": "Exists"}]));
        let object = json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": name, "namespace": "kube-system", "labels": {"application": name, "component": "system"}},
            "spec": {"selector": {"matchLabels": {"application": name}}, "template": template,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}}});
        let pods = filler.nodes();
        filler.add_with_pods(object, pods);
    }
    for (name, replicas) in [("coredns", 2), ("external-dns", 1)] {
        shop::web(filler, "kube-system", name, replicas);
    }
}

/// Adds a team's parts while there is room.
pub(super) fn team(filler: &mut Filler, round: usize) {
    let namespace = format!("team{round}-apps");
    for name in ["api", "frontend"] {
        if filler.is_full() {
            return;
        }
        let replicas = filler.draw(2, 7);
        shop::web(filler, &namespace, name, replicas);
    }
    match round % 4 {
        1 if !filler.is_full() => stateful::postgres(filler, &namespace, "backend-db", 2),
        2 if !filler.is_full() => stateful::elasticsearch(filler, &namespace, "logs-search", 3),
        3 => {
            let app = filler.app(&namespace, "nightly", 1);
            let hour = filler.draw(0, 23);
            let object = cron_job(filler, &app, &format!("{} {hour} * * *", round % 60), "10m");
            filler.add(object);
        }
        _ => {}
    }
}
