//! What names mean inside a stack: before anything exists, and while it is being made.

use ports::cloud::TemplateVersion;
use serde_json::{Map, Value, json};

use super::types::TEMPLATE;
use super::{Desired, StackRecord};
use crate::template::{Evaluator, Scope};
use crate::world::World;

/// Pseudo parameters and parameters, which are known at all times.
fn known(world: &World, stack_id: &str, stack_name: &str, desired: &Desired, name: &str) -> Option<Value> {
    let value = match name {
        "AWS::AccountId" => world.options.account.clone(),
        "AWS::Region" => world.options.region.clone(),
        "AWS::StackName" => stack_name.to_owned(),
        "AWS::StackId" => stack_id.to_owned(),
        "AWS::Partition" => "aws".to_owned(),
        "AWS::URLSuffix" => "amazonaws.com".to_owned(),
        "AWS::NotificationARNs" => return Some(json!([])),
        name => {
            let value = desired.parameters.get(name)?;
            let kind = desired
                .template
                .parameters
                .get(name)
                .and_then(|spec| spec.get("Type"))
                .and_then(Value::as_str);
            let is_list = kind.is_some_and(|kind| kind == "CommaDelimitedList" || kind.starts_with("List<"));
            if is_list {
                return Some(value.split(',').map(str::trim).collect());
            }
            value.clone()
        }
    };
    Some(Value::String(value))
}

fn zones(world: &World) -> Vec<String> {
    let mut zones: Vec<String> = world.state.subnets.values().map(|subnet| subnet.zone.clone()).collect();
    zones.sort_unstable();
    zones.dedup();
    zones
}

/// Leaves what only exists at run time as it is written, so that two templates can be compared without making anything.
pub(super) struct StaticScope<'a> {
    pub(super) world: &'a World,
    pub(super) stack_id: &'a str,
    pub(super) stack_name: &'a str,
    pub(super) desired: &'a Desired,
}

impl Scope for StaticScope<'_> {
    fn reference(&self, name: &str) -> Option<Value> {
        let parameter = known(self.world, self.stack_id, self.stack_name, self.desired, name);
        let resource = || {
            self.desired
                .template
                .resources
                .contains_key(name)
                .then(|| json!({"Ref": name}))
        };
        parameter.or_else(resource)
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<Value, String> {
        Ok(json!({"Fn::GetAtt": [name, attribute]}))
    }

    fn import(&self, name: &str) -> Result<Value, String> {
        Ok(json!({"Fn::ImportValue": name}))
    }

    fn zones(&self) -> Vec<String> {
        zones(self.world)
    }
}

/// Reads ids and attributes of what has been made.
pub(super) struct LiveScope<'a> {
    pub(super) world: &'a World,
    pub(super) stack: &'a StackRecord,
    pub(super) desired: &'a Desired,
}

impl LiveScope<'_> {
    /// What works the expressions of the stack's template out in this scope.
    pub(super) fn evaluator(&self) -> Evaluator<'_> {
        Evaluator {
            template: &self.desired.template,
            scope: self,
        }
    }
}

impl Scope for LiveScope<'_> {
    fn reference(&self, name: &str) -> Option<Value> {
        let parameter = known(self.world, &self.stack.id, &self.stack.name, self.desired, name);
        let physical = || self.stack.resources.get(name)?.physical.clone().map(Value::String);
        parameter.or_else(physical)
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<Value, String> {
        let missing =
            || format!("Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt");
        let resource = self.stack.resources.get(name).ok_or_else(missing)?;
        if resource.kind == TEMPLATE && attribute.ends_with("VersionNumber") {
            let id = resource.physical.as_deref().unwrap_or_default();
            let version = if attribute.starts_with("Latest") {
                TemplateVersion::Latest
            } else {
                TemplateVersion::Default
            };
            let content = self
                .world
                .template_version(id, version)
                .map_err(|error| error.to_string())?;
            return Ok(Value::String(content.version.to_string()));
        }
        match resource.attributes.get(attribute) {
            Some(value) => Ok(Value::String(value.clone())),
            None if super::types::any_attribute(&resource.kind) => Ok(Value::String(attribute.to_owned())),
            None => Err(missing()),
        }
    }

    fn import(&self, name: &str) -> Result<Value, String> {
        let found = self
            .world
            .state
            .exports
            .get(name)
            .map(|(_, value)| Value::String(value.clone()));
        found.ok_or_else(|| format!("No export named {name} found."))
    }

    fn zones(&self) -> Vec<String> {
        zones(self.world)
    }
}

/// What a template says, everything known filled in: two of these are equal when there is nothing to update. Policies of
/// a resource do not count, as the provider does not count them.
pub(super) fn static_form(scope: &StaticScope<'_>) -> Result<Value, String> {
    let template = &scope.desired.template;
    let evaluator = Evaluator { template, scope };
    let mut resources = Map::new();
    for name in &scope.desired.active {
        if let Some(resource) = template.resources.get(name) {
            let properties = evaluator.value(&resource.properties)?.unwrap_or_default();
            let metadata = evaluator.value(&resource.metadata)?.unwrap_or_default();
            resources.insert(name.clone(), json!([resource.kind, properties, metadata]));
        }
    }
    let mut outputs = Map::new();
    for (name, output) in &template.outputs {
        if output
            .condition
            .as_deref()
            .map_or(Ok(true), |c| evaluator.condition(c))?
        {
            let value = evaluator.value(&output.value)?.unwrap_or_default();
            let export = output
                .export
                .as_ref()
                .map(|export| evaluator.string(export))
                .transpose()?;
            outputs.insert(name.clone(), json!([value, export]));
        }
    }
    Ok(json!([resources, outputs]))
}
