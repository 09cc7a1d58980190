//! Web applications: Deployments with Services, autoscalers, budgets and topology spread.

use json_tree::json;

use super::fill::{Filler, autoscaler, budget, service};

/// The applications of one team, with their usual sizes.
const APPLICATIONS: [(&str, i64, i64); 6] = [
    ("storefront", 3, 8),
    ("catalog", 2, 6),
    ("cart", 2, 5),
    ("checkout", 3, 6),
    ("search-api", 2, 8),
    ("recommendations", 1, 4),
];

/// Adds a team's applications while there is room.
pub(super) fn team(filler: &mut Filler, round: usize) {
    let namespace = format!("shop{round}-web");
    for (name, from, to) in APPLICATIONS {
        if filler.is_full() {
            return;
        }
        let replicas = filler.draw(from, to);
        web(filler, &namespace, name, replicas);
    }
}

/// One web application.
pub(super) fn web(filler: &mut Filler, namespace: &str, name: &str, replicas: i64) {
    let app = filler.app(namespace, name, replicas);
    let labels = json!({"application": app.name});
    let deployment = filler.deployment(&app);
    filler.add_with_pods(deployment, app.replicas);
    filler.add(service(&app, 80));
    if app.replicas > 1 {
        let share = ["25%", "10%"][usize::from(app.replicas > 5)];
        filler.add(budget(&app, &app.name, &labels, "maxUnavailable", share));
    }
    if app.replicas > 2 {
        filler.add(autoscaler(&app));
    }
}
