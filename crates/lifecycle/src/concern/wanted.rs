//! What is asked of the cloud for each stack of a cluster: the same for a pass that carries it out and for a look that only
//! says what a pass would do.

use std::collections::BTreeSet;

use model::Cluster;
use ports::cloud::{Stack as CloudStack, StackRequest, StackTemplate, Tags};
use render::{DesiredPool, Stack};

/// What every stack is allowed to contain (cloud fact 5.2).
const CAPABILITY: &str = "CAPABILITY_NAMED_IAM";
/// Types that an update of the shared etcd stack may neither replace nor delete (cloud fact 5.1).
const ETCD_PROTECTED: [&str; 3] = [
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::S3::Bucket",
    "AWS::IAM::Role",
];
/// Tags of the stack of a pool (cloud fact 4.6).
const POOL_TAG: &str = "kubernetes.io/node-pool";
const POOL_ROLE_TAG: &str = "kubernetes.io/role/node-pool";

/// Where a stack stands in a cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'d> {
    /// Etcd's.
    Etcd(&'d Stack),
    /// The cluster's own.
    Main(&'d Stack),
    /// One of `cf-manifests`.
    Extra(&'d Stack),
    /// A node pool's.
    Pool(&'d DesiredPool, &'d Stack),
}

impl<'d> Place<'d> {
    fn stack(&self) -> &'d Stack {
        match self {
            Self::Etcd(stack) | Self::Main(stack) | Self::Extra(stack) | Self::Pool(_, stack) => stack,
        }
    }

    /// The rendered template.
    pub(crate) fn text(&self) -> &'d str {
        &self.stack().text
    }
}

/// The tag by which everything of a cluster is found.
pub(crate) fn owned_tag(cluster: &Cluster) -> (String, String) {
    (format!("kubernetes.io/cluster/{}", cluster.id), "owned".to_owned())
}

/// The stack of a pool: `nodepool-<pool>-<cluster id with : as ->`.
pub(crate) fn pool_stack_name(cluster: &Cluster, pool: &str) -> String {
    format!("nodepool-{pool}-{}", cluster.id.as_str().replace(':', "-"))
}

/// The pool that a stack is of, if it is the stack of a pool of this cluster.
pub(crate) fn pool_of<'s>(cluster: &Cluster, stack: &'s CloudStack) -> Option<&'s str> {
    let (key, value) = owned_tag(cluster);
    let ours = stack.tags.get(&key) == Some(&value) && stack.tags.contains_key(POOL_ROLE_TAG);
    ours.then(|| stack.tags.get(POOL_TAG).map(String::as_str)).flatten()
}

/// The request for a stack, without its template.
pub(crate) fn request(cluster: &Cluster, place: &Place<'_>) -> StackRequest {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let ours = match place {
        Place::Etcd(_) => vec![tag("application", "kubernetes"), tag("component", "etcd-cluster")],
        Place::Main(_) => vec![
            owned_tag(cluster),
            tag("cluster-lifecycle-controller.zalando.org/main-stack", "true"),
        ],
        Place::Extra(_) => vec![owned_tag(cluster)],
        Place::Pool(pool, _) => vec![
            owned_tag(cluster),
            tag(POOL_ROLE_TAG, "true"),
            tag(POOL_TAG, &pool.name),
            tag("NodePool", &pool.name),
            tag("kubernetes.io/node-pool/profile", &pool.profile),
        ],
    };
    let mut request = tagged(place.stack(), ours);
    match place {
        Place::Etcd(_) => request.protected_types = ETCD_PROTECTED.map(str::to_owned).into(),
        Place::Pool(pool, _) => request.name = pool_stack_name(cluster, &pool.name),
        Place::Main(_) | Place::Extra(_) => {}
    }
    request
}

/// The template's own tags, then ours, which win.
fn tagged(stack: &Stack, ours: Vec<(String, String)>) -> StackRequest {
    let mut all = template_tags(&stack.text);
    all.extend(ours);
    StackRequest {
        tags: all,
        capabilities: BTreeSet::from([CAPABILITY.to_owned()]),
        termination_protection: true,
        keep_failed_creation: true,
        ..StackRequest::new(stack.name.clone(), StackTemplate::Inline(String::new()))
    }
}

/// `Metadata.Tags` of a template; the rest of it is never read.
fn template_tags(text: &str) -> Tags {
    let document = yaml::load_value(text, &yaml::Options::manifests()).ok();
    let tags = document
        .as_ref()
        .and_then(|document| document.value.pointer("/Metadata/Tags")?.as_object());
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    tags.into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_tags_win_over_those_of_the_template() {
        let stack = Stack {
            name: "kube-1".to_owned(),
            path: String::new(),
            text: "Metadata:\n  Tags: {a: '1', b: true}\nResources: {A: !Ref B}\n".into(),
        };
        let tags = tagged(&stack, vec![("a".to_owned(), "2".to_owned())]).tags;
        let expected = [("a", "2"), ("b", "true")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(tags, expected.into());
    }
}
