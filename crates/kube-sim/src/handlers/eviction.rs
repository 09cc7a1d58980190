//! The eviction subresource: deletes a pod if its disruption budget allows it.
//!
//! The budget's status is what counts, as the disruption controller last wrote it. Each granted eviction takes one
//! allowed disruption away and notes the pod, so that two evictions at once cannot both use the last one.

use std::sync::Arc;

use json_tree::{Value, json};

use super::subresources::set_condition;
use super::{Answer, Target, decode, delete};
use crate::gc::{self, DeleteRequest};
use crate::registry::{GroupResource, Resource, builtin};
use crate::server::{Context, Core, json_response};
use crate::status::ApiError;
use crate::store::{Key, Object, State};
use crate::value::{at, int, list, map_at, set, text};
use crate::view::to_bytes;

/// Past this many unconfirmed evictions the budget's controller is taken for dead.
const MAX_DISRUPTED: usize = 2_000;

/// Answers a POST to `pods/NAME/eviction`.
pub(super) async fn evict(context: &mut Context, target: &Target) -> Answer {
    let body = decode::body(context)?;
    if !body.is_object() {
        return Err(ApiError::bad_request(
            "the object provided is unrecognized (must be of type Eviction)",
        ));
    }
    let named = text(&body, &["metadata", "name"]).unwrap_or_default();
    if !named.is_empty() && named != context.info.name {
        return Err(ApiError::bad_request(format!(
            "name in URL does not match name in Eviction object: {} != {named}",
            context.info.name
        )));
    }
    let options = at(&body, &["deleteOptions"]).cloned().unwrap_or_default();
    let mut request = delete::from_object(context, &options)?;
    request.propagation = request.propagation.or(Some(crate::request::Propagation::Background));
    let key = context.key(target);
    let core = context.core().clone();
    if context.server.has_admission(&context.info.group) {
        let pod = context.find(target)?.value();
        super::create::judge(context, target, crate::admission::Operation::Create, &body, &pod).await?;
    }
    let mut state = core.state();
    let pod = gc::check(&state, &target.resource, &key, &request)?;
    grant(&core, &mut state, &key, &pod, context.options.dry_run)?;
    if !context.options.dry_run {
        mark_target(&core, &mut state, &target.resource, &key, &pod);
        gc::delete(
            &core,
            &mut state,
            &target.resource,
            &key,
            &DeleteRequest {
                version: None,
                ..request
            },
        )?;
    }
    drop(state);
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(json_response(201, to_bytes(&done)))
}

/// Notes in a pod that is about to be stopped why it is; controllers and people read the condition.
fn mark_target(core: &Core, state: &mut State, resource: &Resource, key: &Key, pod: &Arc<Object>) {
    // The tree moves on with the write, to the one that deletes.
    let tree = state.tree(pod);
    if pod.deleting || text(&tree, &["spec", "nodeName"]).is_none_or(str::is_empty) {
        return;
    }
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": core.now_text()});
    let mut changed = json!({"status": at(&tree, &["status"])});
    drop(tree);
    set_condition(&mut changed, condition);
    put_status(state, resource, key, changed);
}

/// Writes the `status` of a changed tree; nothing else of the object has changed.
fn put_status(state: &mut State, resource: &Resource, key: &Key, mut changed: Value) {
    if let Some(status) = changed.get_mut("status") {
        state.put_status(resource, key, status.take());
    }
}

/// Asks the pod's budget and takes one disruption from it.
fn grant(core: &Core, state: &mut State, key: &Key, pod: &Arc<Object>, dry_run: bool) -> Result<(), ApiError> {
    let tree = state.tree(pod);
    if pod.deleting
        || matches!(
            text(&tree, &["status", "phase"]),
            Some("Succeeded" | "Failed" | "Pending")
        )
    {
        return Ok(());
    }
    let budgets = budgets_of(state, key.namespace(), pod);
    let (budget_key, mut budget) = match budgets.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        _ => {
            return Err(ApiError::new(
                500,
                "",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    };
    if !is_ready(&tree) {
        let healthy = int(&budget, &["status", "currentHealthy"]).unwrap_or(0);
        let desired = int(&budget, &["status", "desiredHealthy"]).unwrap_or(0);
        match text(&budget, &["spec", "unhealthyPodEvictionPolicy"]) {
            Some("AlwaysAllow") => return Ok(()),
            // A pod that does not count towards the budget cannot break it while the budget is met.
            _ if healthy >= desired && desired > 0 => return Ok(()),
            _ => {}
        }
    }
    judge(&budget_key, &budget)?;
    if dry_run {
        return Ok(());
    }
    let allowed = int(&budget, &["status", "disruptionsAllowed"]).unwrap_or(0);
    set(&mut budget, &["status", "disruptionsAllowed"], allowed - 1);
    map_at(&mut budget, &["status", "disruptedPods"]).insert(key.name(), core.now_text().into());
    if allowed <= 1 {
        let generation = int(&budget, &["metadata", "generation"]).unwrap_or(0);
        let condition = json!({
            "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
            "observedGeneration": generation, "lastTransitionTime": core.now_text()});
        set_condition(&mut budget, condition);
    }
    if let Some(resource) = builtin("policy", "poddisruptionbudgets") {
        put_status(state, resource, &budget_key, budget);
    }
    Ok(())
}

fn budgets_of(state: &mut State, namespace: &str, pod: &Object) -> Vec<(Key, Value)> {
    let id = GroupResource::new("policy", "poddisruptionbudgets");
    let found = state.budgets_of(namespace, &pod.labels()).into_iter();
    found
        .filter_map(|key| {
            let budget = state.get(&id, &key)?;
            Some((key, Value::clone(&state.tree(&budget))))
        })
        .collect()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = list(pod, &["status", "conditions"]);
    conditions
        .iter()
        .any(|c| text(c, &["type"]) == Some("Ready") && text(c, &["status"]) == Some("True"))
}

fn refused(message: String) -> ApiError {
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    ApiError::new(429, "TooManyRequests", text).cause("DisruptionBudget", message, "")
}

fn judge(key: &Key, budget: &Value) -> Result<(), ApiError> {
    let status = |field: &str| int(budget, &["status", field]).unwrap_or(0);
    let forbidden = |why: &str| Err(ApiError::forbidden("policy", "poddisruptionbudgets", key.name(), why));
    if status("observedGeneration") < int(budget, &["metadata", "generation"]).unwrap_or(0) {
        let message = format!(
            "The disruption budget {} is still being processed by the server.",
            key.name()
        );
        return Err(refused(message).retry_after(10));
    }
    if status("disruptionsAllowed") < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    let disrupted = at(budget, &["status", "disruptedPods"])
        .and_then(Value::as_object)
        .map_or(0, json_tree::Map::len);
    if disrupted > MAX_DISRUPTED {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if status("disruptionsAllowed") == 0 {
        let failed = list(budget, &["status", "conditions"]).iter().find(|condition| {
            text(condition, &["type"]) == Some("DisruptionAllowed")
                && text(condition, &["reason"]) == Some("SyncFailed")
        });
        let message = match failed {
            Some(condition) => format!(
                "The disruption budget {} does not allow evicting pods currently because it failed sync: {}",
                key.name(),
                text(condition, &["message"]).unwrap_or_default()
            ),
            None => format!(
                "The disruption budget {} needs {} healthy pods and has {} currently",
                key.name(),
                status("desiredHealthy"),
                status("currentHealthy")
            ),
        };
        return Err(refused(message));
    }
    Ok(())
}
