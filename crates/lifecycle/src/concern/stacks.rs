//! The stacks of a cluster: etcd and main first, since others import from them; extra stacks with their deletions.

use std::collections::BTreeSet;

use model::{Cluster, Progress};
use ports::Fault;
use ports::cloud::{CloudError, StackRequest, StackTemplate, Tags};
use render::{DesiredCluster, Stack};

use super::stack_run::StackRun;
use super::{Failure, Finding};

/// What every stack is allowed to contain (cloud fact 5.2).
const CAPABILITY: &str = "CAPABILITY_NAMED_IAM";
/// Types that an update of the shared etcd stack may neither replace nor delete (cloud fact 5.1).
const ETCD_PROTECTED: [&str; 3] = [
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::S3::Bucket",
    "AWS::IAM::Role",
];

/// The tag by which everything of a cluster is found.
pub(crate) fn owned_tag(cluster: &Cluster) -> (String, String) {
    (format!("kubernetes.io/cluster/{}", cluster.id), "owned".to_owned())
}

/// A request for a stack: the template's own tags, then ours, which win.
pub(crate) fn request(stack: &Stack, tags: impl IntoIterator<Item = (String, String)>) -> StackRequest {
    let mut all = template_tags(&stack.text);
    all.extend(tags);
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

/// Etcd stack (if it is ours to manage) and main stack, one after the other.
pub(crate) async fn main_stacks(
    run: &StackRun<'_>,
    cluster: &Cluster,
    desired: &DesiredCluster,
    manage_etcd: bool,
) -> Finding {
    let etcd = desired.etcd.as_ref().and_then(|etcd| etcd.stack.as_ref());
    if let Some(stack) = etcd.filter(|_| manage_etcd) {
        let tags = [("application", "kubernetes"), ("component", "etcd-cluster")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut request = request(stack, tags);
        request.protected_types = ETCD_PROTECTED.map(str::to_owned).into();
        let (finding, _) = run.run("stacks/etcd", request, &stack.text).await;
        if finding != Finding::Done {
            return finding;
        }
    }
    let Some(stack) = &desired.main_stack else {
        return Finding::Done;
    };
    let main = (
        "cluster-lifecycle-controller.zalando.org/main-stack".to_owned(),
        "true".to_owned(),
    );
    let request = request(stack, [owned_tag(cluster), main]);
    run.run("stacks/main", request, &stack.text).await.0
}

/// Extra stacks in the order of their names' files; deletions before and after them.
pub(crate) async fn extra_stacks(run: &StackRun<'_>, cluster: &Cluster, desired: &DesiredCluster) -> Finding {
    let mut all = delete_stacks(run, &desired.stack_deletions_pre).await;
    for stack in &desired.extra_stacks {
        if matches!(all, Finding::Refused(_)) {
            return all;
        }
        let request = request(stack, [owned_tag(cluster)]);
        let path = format!("stacks/{}", stack.name);
        all = all.and(run.run(&path, request, &stack.text).await.0);
    }
    all
}

/// Deletes stacks by name; one that is not there is as wanted.
pub(crate) async fn delete_stacks(run: &StackRun<'_>, names: &[String]) -> Finding {
    let mut all = Finding::Done;
    for name in names {
        if matches!(all, Finding::Refused(_)) {
            return all;
        }
        all = all.and(delete_stack(run, name).await);
    }
    all
}

/// Deletes one stack and waits for its end.
pub(crate) async fn delete_stack(run: &StackRun<'_>, name: &str) -> Finding {
    let path = format!("deletions/stack {name}");
    let failed = |title: &str, error: &CloudError| Finding::Failed(Failure::of(&path, title, error));
    let mut asked = false;
    loop {
        let stack = match run.cloud.stack(name).await {
            Err(CloudError::NotFound { .. }) => {
                if asked {
                    run.journal.note(&path, Progress::Done, "deleted");
                }
                return Finding::Done;
            }
            Ok(stack) => stack,
            Err(error) => return failed("the stack cannot be read", &error),
        };
        run.journal.begin(&path);
        if asked && !stack.status.in_progress() {
            let events = run.cloud.stack_events(&stack.id, 0).await.unwrap_or_default();
            let why = super::cause(name, &events).or(stack.status_reason).unwrap_or_default();
            let title = format!(
                "stack {name} is {} after its deletion was asked for: {why}",
                stack.status
            );
            return Finding::Failed(Failure::told(&path, title, Fault::User));
        }
        if !stack.status.in_progress() {
            if let Err(refusal) = run.permit().await {
                return refusal.into();
            }
            if stack.termination_protection
                && let Err(error) = run.cloud.set_stack_protection(name, false).await
            {
                return failed("the protection of the stack cannot be lifted", &error);
            }
            if let Err(refusal) = run.permit().await {
                return refusal.into();
            }
            match run.cloud.delete_stack(name, &BTreeSet::new()).await {
                Ok(()) | Err(CloudError::OutcomeUnknown { .. }) => asked = true,
                Err(error) => return failed("the stack cannot be deleted", &error),
            }
        } else {
            asked = true;
        }
        if let Err(refusal) = run.pause().await {
            return refusal.into();
        }
    }
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
        let tags = request(&stack, [("a".to_owned(), "2".to_owned())]).tags;
        let expected = [("a", "2"), ("b", "true")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(tags, expected.into());
    }
}
