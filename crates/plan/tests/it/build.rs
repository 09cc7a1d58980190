//! Desired states from a few texts.

use std::sync::Arc;

use plan::{ClusterPlan, NodeCount, Subject, plan_cluster};
use render::{Component, Content, DesiredCluster, DesiredPool, Manifest, ManifestObject, PoolDefinition, Stack};

pub(crate) fn subject(alias: &str) -> Subject {
    Subject {
        id: format!("aws:1:eu-central-1:{alias}"),
        alias: alias.to_owned(),
        environment: "test".to_owned(),
        nodes: [(
            "worker".to_owned(),
            NodeCount {
                min: 3,
                max: 20,
                seen: None,
            },
        )]
        .into(),
    }
}

pub(crate) fn content(text: &str) -> Arc<Content> {
    let documents = yaml::load_documents(text, &yaml::Options::manifests()).unwrap();
    let objects = documents.into_iter().map(|document| {
        let field = |pointer: &str| {
            document
                .value
                .pointer(pointer)
                .and_then(|v| v.as_str())
                .map(str::to_owned)
        };
        ManifestObject {
            api_version: field("/apiVersion").unwrap(),
            kind: field("/kind").unwrap(),
            namespace: field("/metadata/namespace"),
            name: field("/metadata/name").unwrap(),
            line: document.line,
        }
    });
    Arc::new(Content {
        text: text.into(),
        objects: objects.collect(),
        warnings: Vec::new(),
    })
}

/// A cluster of components, each with one file of this text.
pub(crate) fn desired(components: &[(&str, &str)]) -> DesiredCluster {
    let component = |(name, text): &(&str, &str)| Component {
        name: (*name).to_owned(),
        manifests: vec![Manifest {
            name: "all.yaml".to_owned(),
            path: format!("cluster/manifests/{name}/all.yaml"),
            content: content(text),
        }],
    };
    DesiredCluster {
        components: components.iter().map(component).collect(),
        ..DesiredCluster::default()
    }
}

pub(crate) fn stack(name: &str, text: &str) -> Stack {
    Stack {
        name: name.to_owned(),
        path: "stack.yaml".to_owned(),
        text: text.into(),
    }
}

pub(crate) fn pool(name: &str, user_data: &str, definition: PoolDefinition) -> DesiredPool {
    DesiredPool {
        name: name.to_owned(),
        profile: "worker-splitaz".to_owned(),
        files_text: None,
        files: Arc::default(),
        user_data: Some(user_data.into()),
        hash: format!("{user_data}{definition:?}"),
        definition: Some(definition),
    }
}

pub(crate) fn with_pools(pools: Vec<DesiredPool>) -> DesiredCluster {
    DesiredCluster {
        pools,
        ..DesiredCluster::default()
    }
}

pub(crate) fn plan(before: &DesiredCluster, after: &DesiredCluster) -> ClusterPlan {
    plan_as("kube-1", before, after)
}

pub(crate) fn plan_as(alias: &str, before: &DesiredCluster, after: &DesiredCluster) -> ClusterPlan {
    plan_cluster(&subject(alias), Some(before), Some(after), &|text| {
        text.replace("hunter2", "<masked>")
    })
}
