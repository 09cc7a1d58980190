//! A node, compact.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use json_tree::Value;
use kube_sim::Stored;

use super::resources::{Amounts, List, units};
use crate::path::Path as _;

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTaint {
    /// The key.
    pub key: Box<str>,
    /// The value; empty when there is none.
    pub value: Box<str>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: Box<str>,
    /// When it was put on; kept for `NoExecute`.
    pub added: Option<Timestamp>,
}

/// A node, compact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// The name.
    pub name: Arc<str>,
    /// The uid.
    pub uid: Box<str>,
    /// The version of the object that this was read from.
    pub version: u64,
    /// The labels.
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// The taints.
    pub taints: Vec<NodeTaint>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// The status of its condition `Ready`: `True`, `False`, `Unknown`; empty before its kubelet has told.
    pub ready: Box<str>,
    /// What pods can have of it.
    pub allocatable: Amounts,
    /// How many pods it may run.
    pub max_pods: i64,
    /// Whether a deletion has begun.
    pub deleting: bool,
}

impl NodeView {
    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(|value| &**value)
    }

    /// Whether its condition `Ready` is true.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        &*self.ready == "True"
    }

    pub(super) fn read(stored: &Stored) -> Self {
        let node = stored.value();
        let text = |value: &Value, path: &str| -> Box<str> {
            value.path(path).and_then(Value::as_str).unwrap_or_default().into()
        };
        let list = |path: &str| {
            node.path(path)
                .and_then(Value::as_array)
                .map_or(&[][..], |list| list.as_slice())
        };
        let labels = node.path("/metadata/labels").and_then(Value::as_object);
        let allocatable: List<'_> = node
            .path("/status/allocatable")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, amount)| Some((name.as_str().into(), amount.as_str()?.into())))
            .collect();
        let ready = list("/status/conditions")
            .iter()
            .find(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
        Self {
            name: Arc::from(&*text(&node, "/metadata/name")),
            uid: stored.uid().into(),
            version: stored.version(),
            labels: labels
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
                .collect(),
            taints: list("/spec/taints")
                .iter()
                .map(|taint| NodeTaint {
                    key: text(taint, "/key"),
                    value: text(taint, "/value"),
                    effect: text(taint, "/effect"),
                    added: text(taint, "/timeAdded").parse().ok(),
                })
                .collect(),
            unschedulable: node
                .path("/spec/unschedulable")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            ready: ready.map(|condition| text(condition, "/status")).unwrap_or_default(),
            max_pods: allocatable.get("pods").map_or(0, |text| units(text)),
            allocatable: Amounts::read(&allocatable),
            deleting: stored.deleting(),
        }
    }
}
