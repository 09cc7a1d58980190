//! The clusters of one account: siblings, and the trust policy that lets roles be taken on in each of them.

use std::sync::Arc;

use gotemplate::{Map, Value};
use model::{Cluster, LifecycleStatus};
use serde_json::json;

use crate::input::Input;

/// Ready clusters of the account, oldest first; ties by id, so that the order never depends on the registry's answer.
pub(super) fn ready_clusters(input: &Input) -> Vec<Arc<Cluster>> {
    let mut clusters: Vec<Arc<Cluster>> = input
        .account_clusters
        .iter()
        .filter(|other| other.lifecycle_status == LifecycleStatus::Ready)
        .filter(|other| other.infrastructure_account == input.cluster.infrastructure_account)
        .cloned()
        .collect();
    clusters.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    clusters
}

/// The oldest other ready cluster of the region, or nothing.
pub(super) fn sibling(cluster: &Cluster, ready: &[Arc<Cluster>]) -> Value {
    ready
        .iter()
        .find(|other| other.region == cluster.region && other.id != cluster.id)
        .map_or(Value::Nil, |other| {
            Value::object(super::base_record(
                other,
                Value::from(Map::strings::<String, String>([])),
            ))
        })
}

pub(super) fn is_oldest(cluster: &Cluster, ready: &[Arc<Cluster>]) -> bool {
    ready
        .iter()
        .find(|other| other.region == cluster.region)
        .is_some_and(|oldest| oldest.id == cluster.id)
}

/// A trust policy as JSON: EC2, EKS pod identity, then worker role and identity provider of each ready cluster.
pub(super) fn trust_policy(cluster: &Cluster, ready: &[Arc<Cluster>]) -> String {
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
