//! Publishes the certificate of the API server's authority in every namespace, where pods expect to find it.

use json_tree::json;

use super::support::acts::Acts;
use super::support::tree::text;
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The name of the config map.
const NAME: &str = "kube-root-ca.crt";
/// No authority signs anything here; what pods mount has the form of a certificate all the same.
const CERTIFICATE: &str =
    "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVkIGNsdXN0ZXIgYXV0aG9yaXR5\n-----END CERTIFICATE-----\n";

/// The controller of the root certificate's config maps. Its keys are namespaces.
#[derive(Debug)]
pub(crate) struct RootCertificates;

impl Controller for RootCertificates {
    fn name(&self) -> &'static str {
        "root-ca-certificate-publisher-controller"
    }

    fn interested(&self, change: &Change, _view: &View<'_>) -> Vec<Key> {
        match change.key.kind {
            Kind::NAMESPACE => vec![change.key.clone()],
            Kind::CONFIG_MAP if &*change.key.name == NAME => vec![Key::new(Kind::NAMESPACE, "", &change.key.namespace)],
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let active = view
            .object(key)
            .is_some_and(|namespace| text(&namespace, &["status", "phase"]) == Some("Active"));
        if !active {
            return Vec::new();
        }
        let mut acts = Acts::default();
        match view.get(Kind::CONFIG_MAP, &key.name, NAME) {
            None => acts.create(
                Kind::CONFIG_MAP,
                json!({"metadata": {"name": NAME, "namespace": &*key.name, "annotations": {
                    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."}},
                    "data": {"ca.crt": CERTIFICATE}}),
            ),
            Some(found) if text(&found, &["data", "ca.crt"]) != Some(CERTIFICATE) => {
                acts.patch(Kind::CONFIG_MAP, &found, json!({"data": {"ca.crt": CERTIFICATE}}));
            }
            Some(_) => {}
        }
        acts.into_actions()
    }
}
