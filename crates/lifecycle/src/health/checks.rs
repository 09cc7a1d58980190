//! Checks that people write: conditions on objects in CEL, queries in PromQL.

use std::collections::BTreeMap;

use kube_access::{Access, Depth, Kinds, ObjectKey, Selection};
use model::Cluster;
use plan::health::{Condition, Fails, Observation};
use plan::policy::{ObjectsCheck, QueryCheck};
use ports::prometheus::Sample;
use serde_json::{Value, json};

use crate::desired::chain;
use crate::pass::Reach;

/// What a check came to: what fails it, or why that cannot be said.
type Checked = Result<BTreeMap<String, Fails>, String>;

impl Reach {
    /// Asks the checks that are for a cluster. `reached` is its API, when it answers.
    pub(super) async fn custom_checks(
        &self,
        cluster: &Cluster,
        reached: Option<(&Access, &Kinds)>,
        seen: &mut Observation,
    ) {
        let policy = self.settings.policies.now();
        for check in policy.health.checks_of(cluster) {
            let checked = match (&check.objects, &check.query, reached) {
                (Some(objects), _, Some((access, kinds))) => on_objects(objects, cluster, access, kinds).await,
                // That the cluster does not answer is said once, by itself.
                (Some(_), _, None) | (None, None, _) => continue,
                (None, Some(query), _) => self.on_query(query, &policy.health.prometheus, cluster).await,
            };
            match checked {
                Ok(failing) if failing.is_empty() => {}
                Ok(failing) => {
                    seen.checks.insert(check.name.clone(), failing);
                }
                Err(why) => {
                    seen.missing.insert(format!("check {}", check.name), why);
                }
            }
        }
    }

    async fn on_query(&self, check: &QueryCheck, server: &str, cluster: &Cluster) -> Checked {
        let Some(prometheus) = &self.settings.prometheus else {
            return Err("this program asks no Prometheus".to_owned());
        };
        let promql = filled(&check.promql, cluster);
        let samples = prometheus.query(server, &promql, self.clock.now()).await;
        judge(check, &samples.map_err(|error| chain(&error))?)
    }
}

async fn on_objects(check: &ObjectsCheck, cluster: &Cluster, access: &Access, kinds: &Kinds) -> Checked {
    let condition = Condition::compile(&check.condition).map_err(|error| error.to_string())?;
    let Some(kind) = kinds.exact(&check.api_version, &check.kind) else {
        return Err(format!(
            "the cluster does not serve {} {}",
            check.api_version, check.kind
        ));
    };
    let selection = Selection {
        namespace: check.namespace.clone(),
        labels: check.labels.clone(),
        ..Selection::default()
    };
    let objects = access.list(kind, &selection, Depth::Full).await;
    let objects = objects.map_err(|error| chain(&error))?;
    let mut failing = BTreeMap::new();
    let mut fail = |subject: String, message: String| {
        failing.insert(subject, Fails { message, excess: None });
    };
    if objects.is_empty() && !check.may_be_none {
        fail(format!("{}s", check.kind), "there is none".to_owned());
    }
    let about = json!({
        "alias": cluster.alias, "channel": cluster.channel, "environment": cluster.environment, "region": cluster.region,
    });
    for object in &objects {
        match condition.holds(object, &about) {
            Ok(true) => {}
            Ok(false) => fail(
                subject(&check.kind, &kind.id, object),
                format!("{} is false", condition.source()),
            ),
            Err(why) => {
                let said = format!("{}: {why}", condition.source());
                fail(subject(&check.kind, &kind.id, object), said);
            }
        }
    }
    Ok(failing)
}

fn subject(kind: &str, id: &kube_access::GroupKind, object: &Value) -> String {
    let key = ObjectKey::of(id, object);
    match key.namespace.as_str() {
        "" => format!("{kind} {}", key.name),
        namespace => format!("{kind} {namespace}/{}", key.name),
    }
}

/// Holds the series against the bounds.
fn judge(check: &QueryCheck, samples: &[Sample]) -> Checked {
    let known: Vec<&Sample> = samples.iter().filter(|sample| !sample.value.is_nan()).collect();
    if known.is_empty() && !check.may_be_none {
        return Err("the query has no series with a value".to_owned());
    }
    let mut failing = BTreeMap::new();
    for sample in known {
        let above = check.at_most.filter(|bound| sample.value > bound.0);
        let below = check.at_least.filter(|bound| sample.value < bound.0);
        let found = match (above, below) {
            (Some(bound), _) => Some((sample.value - bound.0, format!("{} is above {bound}", sample.value))),
            (None, Some(bound)) => Some((bound.0 - sample.value, format!("{} is below {bound}", sample.value))),
            (None, None) => None,
        };
        if let Some((excess, message)) = found {
            let fails = Fails {
                message,
                excess: Some(excess),
            };
            failing.insert(series(sample), fails);
        }
    }
    Ok(failing)
}

/// A series as Prometheus writes it, without its name.
fn series(sample: &Sample) -> String {
    let labels = sample.labels.iter().filter(|(name, _)| *name != "__name__");
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
    match labels.is_empty() {
        true => "the value".to_owned(),
        false => format!("{{{}}}", labels.join(",")),
    }
}

/// The query with what it says about the cluster, quoted so that no value can change what is asked.
fn filled(promql: &str, cluster: &Cluster) -> String {
    let value = |name: &str| match name {
        "cluster" => Some(cluster.alias.as_str()),
        "id" => Some(cluster.id.as_str()),
        "channel" => Some(cluster.channel.as_str()),
        "environment" => Some(cluster.environment.as_str()),
        "region" => Some(cluster.region.as_str()),
        _ => None,
    };
    let mut parts = promql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        match value(name) {
            Some(value) => text.push_str(&value.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "\\'")),
            None => {
                text.push('$');
                text.push_str(name);
            }
        }
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use plan::policy::Bound;

    use super::*;

    fn sample(cluster: &str, value: f64) -> Sample {
        Sample {
            labels: [("cluster".to_owned(), cluster.to_owned())].into(),
            value,
        }
    }

    #[test]
    fn queries_are_held_against_their_bounds_and_no_data_is_no_answer() {
        let check = QueryCheck {
            promql: "x".to_owned(),
            at_most: Some(Bound(0.5)),
            ..QueryCheck::default()
        };
        let told = |samples: &[Sample]| {
            let failing = judge(&check, samples)?;
            Ok::<_, String>(
                failing
                    .into_iter()
                    .map(|(at, fails)| format!("{at} {}", fails.message))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(told(&[sample("a", 0.1)]), Ok(vec![]));
        assert_eq!(
            told(&[sample("a", 0.75)]),
            Ok(vec!["{cluster=\"a\"} 0.75 is above 0.5".to_owned()])
        );
        assert!(told(&[]).is_err());
        assert!(told(&[sample("a", f64::NAN)]).is_err());
        let alerts = QueryCheck {
            may_be_none: true,
            ..check.clone()
        };
        assert_eq!(judge(&alerts, &[]), Ok(BTreeMap::new()));
    }

    #[test]
    fn a_query_speaks_about_its_cluster() {
        let cluster: Cluster = serde_json::from_value(json!({
            "id": "aws:1:eu-central-1:kube-1", "alias": "kube-1", "infrastructure_account": "aws:1",
            "region": "eu-central-1", "local_id": "kube-1", "provider": "simulated", "api_server_url": "https://x.org",
            "channel": "be\"ta", "environment": "test", "criticality_level": 1, "lifecycle_status": "ready",
        }))
        .unwrap();
        let found = filled("up{c=\"$cluster\",ch=\"$channel\"} * $other", &cluster);
        assert_eq!(found, "up{c=\"kube-1\",ch=\"be\\\"ta\"} * $other");
    }
}
