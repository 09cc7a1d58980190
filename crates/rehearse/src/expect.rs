//! What the plan says before anything is done: which pools roll, under which rules. The rehearsal is held against it.

use std::collections::BTreeMap;

use plan::{ClusterPlan, PoolRules, Subject, plan_cluster, pool_rules};
use render::{Outcome, Renderer};

use crate::error::RehearseError;
use crate::scenario::{ClusterInput, Scenario};

/// The plan of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) plan: ClusterPlan,
    pub(crate) rules: BTreeMap<String, Result<PoolRules, String>>,
}

/// Renders both sides of a cluster and compares them.
pub(crate) fn expected(scenario: &Scenario, of: &ClusterInput) -> Result<Expected, RehearseError> {
    let renderer = Renderer::new();
    let side = |after: bool, name: &str| -> Result<Outcome, RehearseError> {
        let failed = |why: String| RehearseError::Render {
            cluster: of.cluster.alias.to_string(),
            side: name.to_owned(),
            why,
        };
        let input = scenario.input(of, after);
        let input = input.ok_or_else(|| failed(format!("channel {:?} is not known", of.cluster.channel)))?;
        let outcome = renderer.render(&input);
        match outcome.errors.as_slice() {
            [] => Ok(outcome),
            [first] => Err(failed(first.to_string())),
            [first, rest @ ..] => Err(failed(format!("{first} ({} more)", rest.len()))),
        }
    };
    let (before, after) = (side(false, &scenario.from)?, side(true, &scenario.to)?);
    let subject = Subject {
        id: of.cluster.id.to_string(),
        alias: of.cluster.alias.to_string(),
        environment: of.cluster.environment.clone(),
        nodes: BTreeMap::new(),
    };
    // Nothing of the plan but its pools is reported, and those hold no values of config items.
    let plan = plan_cluster(&subject, Some(&before.desired), Some(&after.desired), &|_| {
        String::new()
    });
    Ok(Expected {
        plan,
        rules: pool_rules(&of.cluster, &after.desired.items),
    })
}
