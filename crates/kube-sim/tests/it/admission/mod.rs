//! Webhooks, policies in CEL, and the rules of custom resources.

mod policies;
mod rules;
mod webhooks;

use std::sync::Arc;

use kube_sim::{ApiServer, WebhookCaller};
use ports::{Clock, SeededIds, SimClock};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
const URL: &str = "https://127.0.0.1:1/hook";

fn server(caller: impl WebhookCaller + 'static) -> ApiServer {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
    ApiServer::builder(clock, Arc::new(SeededIds::new(7)))
        .webhooks(Arc::new(caller))
        .build()
}
