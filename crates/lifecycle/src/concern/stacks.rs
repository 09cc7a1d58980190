//! The stacks of a cluster: etcd and main first, since others import from them; extra stacks with their deletions.

use std::collections::BTreeSet;

use model::{Cluster, Progress};
use ports::Fault;
use ports::cloud::CloudError;
use render::DesiredCluster;

use super::stack_run::StackRun;
use super::wanted::{Place, request};
use super::{Failure, Finding};

/// Etcd stack (if it is ours to manage) and main stack, one after the other.
pub(crate) async fn main_stacks(
    run: &StackRun<'_>,
    cluster: &Cluster,
    desired: &DesiredCluster,
    manage_etcd: bool,
) -> Finding {
    let etcd = desired.etcd.as_ref().and_then(|etcd| etcd.stack.as_ref());
    if let Some(stack) = etcd.filter(|_| manage_etcd) {
        let request = request(cluster, &Place::Etcd(stack));
        let (finding, _) = run.run("stacks/etcd", request, &stack.text).await;
        if finding != Finding::Done {
            return finding;
        }
    }
    let Some(stack) = &desired.main_stack else {
        return Finding::Done;
    };
    let request = request(cluster, &Place::Main(stack));
    run.run("stacks/main", request, &stack.text).await.0
}

/// Extra stacks in the order of their names' files; deletions before and after them.
pub(crate) async fn extra_stacks(run: &StackRun<'_>, cluster: &Cluster, desired: &DesiredCluster) -> Finding {
    let mut all = delete_stacks(run, &desired.stack_deletions_pre).await;
    for stack in &desired.extra_stacks {
        if matches!(all, Finding::Refused(_)) {
            return all;
        }
        let request = request(cluster, &Place::Extra(stack));
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
