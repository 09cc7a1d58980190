//! What a namespace uses, by the names that quotas have for it.

use json_tree::Value;
use model::quantity::Quantity;

use crate::controllers::support::tree::{at, list, text, texts};
use crate::engine::View;
use crate::kind::Kind;

/// Which pods a quota is about; all where it says nothing.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Scopes(Vec<Scope>);

#[derive(Debug, PartialEq)]
struct Scope {
    name: String,
    operator: String,
    values: Vec<String>,
}

impl Scopes {
    /// The scopes of a quota, from both fields that can have them.
    pub(super) fn of(quota: &Value) -> Self {
        let plain = list(quota, &["spec", "scopes"]).iter().filter_map(Value::as_str);
        let mut scopes: Vec<Scope> = plain
            .map(|name| Scope {
                name: name.to_owned(),
                operator: "Exists".to_owned(),
                values: Vec::new(),
            })
            .collect();
        for one in list(quota, &["spec", "scopeSelector", "matchExpressions"]) {
            let values = list(one, &["values"]).iter().filter_map(Value::as_str);
            scopes.push(Scope {
                name: text(one, &["scopeName"]).unwrap_or_default().to_owned(),
                operator: text(one, &["operator"]).unwrap_or_default().to_owned(),
                values: values.map(str::to_owned).collect(),
            });
        }
        Self(scopes)
    }

    fn fit(&self, pod: &Value) -> bool {
        self.0.iter().all(|scope| scope.fits(pod))
    }
}

impl Scope {
    fn fits(&self, pod: &Value) -> bool {
        let ends = at(pod, &["spec", "activeDeadlineSeconds"]).is_some_and(|seconds| !seconds.is_null());
        let best_effort = text(pod, &["status", "qosClass"]) == Some("BestEffort");
        let class = text(pod, &["spec", "priorityClassName"]).unwrap_or_default();
        let named = self.values.iter().any(|value| value == class);
        let fits = match self.name.as_str() {
            "Terminating" => ends,
            "NotTerminating" => !ends,
            "BestEffort" => best_effort,
            "NotBestEffort" => !best_effort,
            "PriorityClass" => match self.operator.as_str() {
                "In" => return named,
                "NotIn" => return !named,
                _ => !class.is_empty(),
            },
            _ => false,
        };
        fits != (self.operator == "DoesNotExist")
    }
}

/// How much of a resource of a quota is used; none for names that nothing is known about.
pub(super) fn used(view: &View<'_>, namespace: &str, resource: &str, scopes: &Scopes) -> Option<String> {
    let count = |kind: Kind, which: &dyn Fn(&Value) -> bool| {
        let objects = view.list(kind, namespace);
        Some(objects.iter().filter(|object| which(object)).count().to_string())
    };
    if let Some((group, name)) = resource
        .strip_prefix("count/")
        .map(|counted| match counted.split_once('.') {
            Some((name, group)) => (group, name),
            None => ("", counted),
        })
    {
        return count(Kind::of(group, name)?, &|_| true);
    }
    match resource {
        "pods" => count(Kind::POD, &|pod| counts(pod) && scopes.fit(pod)),
        "services" => count(Kind::SERVICE, &|_| true),
        "services.loadbalancers" => count(Kind::SERVICE, &is_balanced),
        "services.nodeports" => Some(node_ports(view, namespace).to_string()),
        "configmaps" => count(Kind::CONFIG_MAP, &|_| true),
        "secrets" => count(Kind::SECRET, &|_| true),
        "persistentvolumeclaims" => count(Kind::PERSISTENT_VOLUME_CLAIM, &|_| true),
        "replicationcontrollers" => count(Kind::REPLICATION_CONTROLLER, &|_| true),
        "resourcequotas" => count(Kind::RESOURCE_QUOTA, &|_| true),
        "requests.storage" => Some(storage(view, namespace, None)),
        "cpu" | "memory" | "ephemeral-storage" => Some(of_pods(view, namespace, "requests", resource, scopes)),
        _ => {
            if let Some(class) = resource.strip_suffix(".storageclass.storage.k8s.io/requests.storage") {
                return Some(storage(view, namespace, Some(class)));
            }
            if let Some(class) = resource.strip_suffix(".storageclass.storage.k8s.io/persistentvolumeclaims") {
                return count(Kind::PERSISTENT_VOLUME_CLAIM, &|claim| class_of(claim) == class);
            }
            let (field, name) = resource.split_once('.')?;
            matches!(field, "requests" | "limits").then(|| of_pods(view, namespace, field, name, scopes))
        }
    }
}

/// Whether a pod uses anything: it has not ended.
fn counts(pod: &Value) -> bool {
    !matches!(text(pod, &["status", "phase"]), Some("Failed" | "Succeeded"))
}

fn is_balanced(service: &Value) -> bool {
    text(service, &["spec", "type"]) == Some("LoadBalancer")
}

fn node_ports(view: &View<'_>, namespace: &str) -> usize {
    let services = view.list(Kind::SERVICE, namespace);
    let ports = services.iter().flat_map(|service| list(service, &["spec", "ports"]));
    ports
        .filter(|port| {
            at(port, &["nodePort"])
                .and_then(Value::as_i64)
                .is_some_and(|port| port > 0)
        })
        .count()
}

fn class_of(claim: &Value) -> &str {
    text(claim, &["spec", "storageClassName"]).unwrap_or_default()
}

fn storage(view: &View<'_>, namespace: &str, class: Option<&str>) -> String {
    let claims = view.list(Kind::PERSISTENT_VOLUME_CLAIM, namespace);
    let wanted = claims
        .iter()
        .filter(|claim| class.is_none_or(|class| class_of(claim) == class));
    sum(wanted.filter_map(|claim| text(claim, &["spec", "resources", "requests", "storage"])?.parse().ok()))
}

/// A sum as a status shows it, in the format of what was added.
fn sum(amounts: impl Iterator<Item = Quantity>) -> String {
    let sum = amounts.reduce(|sum, one| sum + one);
    sum.map_or_else(|| "0".to_owned(), |sum| sum.to_string())
}

fn of_pods(view: &View<'_>, namespace: &str, field: &str, name: &str, scopes: &Scopes) -> String {
    let pods = view.list(Kind::POD, namespace);
    let counted = pods.iter().filter(|pod| counts(pod) && scopes.fit(pod));
    sum(counted.filter_map(|pod| of_pod(pod, field, name)))
}

/// What a pod asks for or may have: the sum of its containers with the sidecars, or the largest init container, and overhead.
fn of_pod(pod: &Value, field: &str, name: &str) -> Option<Quantity> {
    let amount = |container: &Value| -> Option<Quantity> {
        let amounts = texts(container, &["resources", field]);
        amounts.get(name)?.parse().ok()
    };
    let is_sidecar = |container: &&Value| text(container, &["restartPolicy"]) == Some("Always");
    let inits = list(pod, &["spec", "initContainers"]);
    let containers = list(pod, &["spec", "containers"]).iter();
    let together = containers.chain(inits.iter().filter(is_sidecar)).filter_map(amount);
    let together = together.reduce(|sum, one| sum + one);
    let largest = inits.iter().filter_map(amount).max();
    let most = match (together, largest) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    };
    let overhead = texts(pod, &["spec", "overhead"])
        .get(name)
        .and_then(|text| text.parse::<Quantity>().ok());
    match (most, overhead) {
        (Some(most), Some(overhead)) => Some(most + overhead),
        (most, overhead) => most.or(overhead),
    }
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    #[test]
    fn a_pod_uses_the_more_of_its_phases() {
        let container = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = container("100m");
        sidecar["restartPolicy"] = json!("Always");
        for (containers, inits, overhead, expected) in [
            (vec![container("500m"), container("1")], vec![], None, Some("1500m")),
            (vec![container("500m")], vec![container("2")], None, Some("2")),
            (vec![container("500m")], vec![sidecar], Some("50m"), Some("650m")),
            (vec![json!({})], vec![], None, None),
        ] {
            let mut pod = json!({"spec": {"containers": containers, "initContainers": inits}});
            if let Some(overhead) = overhead {
                pod["spec"]["overhead"] = json!({"cpu": overhead});
            }
            let used = of_pod(&pod, "requests", "cpu").map(|amount| amount.to_string());
            assert_eq!(used.as_deref(), expected, "{pod}");
        }
        assert_eq!(sum(std::iter::empty()), "0");
    }

    #[test]
    fn scopes_choose_pods() {
        let pod = json!({"spec": {"activeDeadlineSeconds": 5, "priorityClassName": "high"}, "status": {"qosClass": "BestEffort"}});
        let fits = |spec: Value| Scopes::of(&json!({"spec": spec})).fit(&pod);
        assert!(fits(json!({})));
        assert!(fits(json!({"scopes": ["Terminating", "BestEffort"]})));
        assert!(!fits(json!({"scopes": ["NotTerminating"]})));
        let class = |operator: &str, values: &[&str]| {
            json!({"scopeSelector": {"matchExpressions": [
                {"scopeName": "PriorityClass", "operator": operator, "values": values}]}})
        };
        assert!(fits(class("In", &["high"])));
        assert!(!fits(class("NotIn", &["high"])));
        assert!(fits(class("Exists", &[])));
        assert!(!fits(class("DoesNotExist", &[])));
    }
}
