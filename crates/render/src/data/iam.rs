//! The clusters of one account: siblings, and the trust policy that lets roles be taken on in each of them.

use std::sync::{Arc, OnceLock};

use gotemplate::{ElementType, List, Map, Value};
use model::{Cluster, LifecycleStatus};
use serde_json::json;

use crate::input::Input;

/// A cluster and the others of its account.
pub(super) struct Siblings {
    cluster: Arc<Cluster>,
    others: Vec<Arc<Cluster>>,
    ready: OnceLock<Vec<Arc<Cluster>>>,
}

impl Siblings {
    pub(super) fn new(input: &Input) -> Self {
        Self {
            cluster: Arc::clone(&input.cluster),
            others: input.account_clusters.clone(),
            ready: OnceLock::new(),
        }
    }

    /// Ready clusters of the account, oldest first; ties by id, so that the order never depends on the registry's answer.
    fn ready(&self) -> &[Arc<Cluster>] {
        self.ready.get_or_init(|| {
            let account = &self.cluster.infrastructure_account;
            let mut clusters: Vec<Arc<Cluster>> = self
                .others
                .iter()
                .filter(|other| other.lifecycle_status == LifecycleStatus::Ready)
                .filter(|other| other.infrastructure_account == *account)
                .cloned()
                .collect();
            clusters.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
            clusters
        })
    }

    /// The ready clusters as templates see them.
    pub(super) fn records(&self) -> Value {
        let records = self.ready().iter().map(|other| record(other));
        Value::from(List::of(ElementType::Object("*api.Cluster"), records))
    }

    /// The oldest other ready cluster of the region, or nothing.
    pub(super) fn sibling(&self) -> Value {
        let cluster = &self.cluster;
        self.ready()
            .iter()
            .find(|other| other.region == cluster.region && other.id != cluster.id)
            .map_or(Value::Nil, |other| record(other))
    }

    pub(super) fn is_oldest(&self) -> bool {
        let oldest = self.ready().iter().find(|other| other.region == self.cluster.region);
        oldest.is_some_and(|oldest| oldest.id == self.cluster.id)
    }

    pub(super) fn trust_policy(&self) -> String {
        trust_policy(&self.cluster, self.ready())
    }
}

/// Another cluster, whose items nobody sees.
fn record(cluster: &Cluster) -> Value {
    Value::object(super::base_record(
        cluster,
        Value::from(Map::strings::<String, String>([])),
    ))
}

/// A trust policy as JSON: EC2, EKS pod identity, then worker role and identity provider of each ready cluster.
fn trust_policy(cluster: &Cluster, ready: &[Arc<Cluster>]) -> String {
    let account = super::account_id(cluster);
    let mut statements = vec![
        json!({"Sid": "CLMApplied", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}),
        json!({"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}),
    ];
    for other in ready {
        let issuer = super::oidc_provider(other);
        let role = format!("arn:aws:iam::{account}:role/{}-worker", other.local_id);
        statements.push(json!({"Effect": "Allow", "Principal": {"AWS": role}, "Action": "sts:AssumeRole"}));
        statements.push(json!({
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::{account}:oidc-provider/{issuer}")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringLike": {format!("{issuer}:sub"): "system:serviceaccount:${SERVICE_ACCOUNT}"}},
        }));
    }
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}
