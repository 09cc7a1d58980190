//! One policy: compiled, and evaluated on a write.

use json_tree::Value;
use kube_cel::cel::{Context, Value as CelValue};

use super::matching::{Scope, namespace_object, request};
use crate::admission::Review;
use crate::cel::{self, Expression, Refused, Wanted};
use crate::server::ApiServer;
use crate::value::{at, list, name, text};

/// The variables of admission expressions.
pub(crate) const VARIABLES: &[&str] = &[
    "object",
    "oldObject",
    "request",
    "params",
    "namespaceObject",
    "authorizer",
    "variables",
];

/// What a policy holds against a write.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) message: String,
    pub(super) reason: &'static str,
}

/// A policy that was read from its object.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) scope: Scope,
    /// Whether errors refuse the write, as `failurePolicy: Fail` wants.
    pub(super) fails: bool,
    /// API version and kind of the parameters.
    pub(super) param_kind: Option<(String, String)>,
    conditions: Vec<Result<Expression, Refused>>,
    variables: Vec<(String, Result<Expression, Refused>)>,
    validations: Vec<Validation>,
}

#[derive(Debug)]
struct Validation {
    condition: Result<Expression, Refused>,
    message: String,
    message_expression: Option<Expression>,
    reason: &'static str,
}

/// Compiles what was refused when it was written, had it not compiled; a policy from a snapshot can still be wrong.
fn compile(value: &Value, wanted: Wanted) -> Result<Expression, Refused> {
    Expression::compile(text(value, &["expression"]).unwrap_or_default(), VARIABLES, wanted)
}

impl Policy {
    pub(super) fn read(object: &Value) -> Self {
        let kind = |field: &str| text(object, &["spec", "paramKind", field]).map(str::to_owned);
        let constraints = at(object, &["spec", "matchConstraints"]).unwrap_or(&Value::Null);
        let named = |value: &Value| text(value, &["name"]).unwrap_or_default().to_owned();
        let variables = list(object, &["spec", "variables"]).iter();
        Self {
            name: name(object).to_owned(),
            scope: Scope::of_policy(constraints),
            fails: text(object, &["spec", "failurePolicy"]) != Some("Ignore"),
            param_kind: kind("apiVersion").zip(kind("kind")),
            conditions: list(object, &["spec", "matchConditions"])
                .iter()
                .map(|c| compile(c, Wanted::Bool))
                .collect(),
            variables: variables.map(|v| (named(v), compile(v, Wanted::Anything))).collect(),
            validations: list(object, &["spec", "validations"])
                .iter()
                .map(Validation::read)
                .collect(),
        }
    }

    /// Evaluates the policy on a write in the version the policy asked for; `asked` is the write as the client sent it.
    pub(super) fn evaluate(
        &self,
        server: &ApiServer,
        shown: &Review,
        asked: &Review,
        params: Option<&Value>,
    ) -> Vec<Finding> {
        let base = scope(server, shown, asked, params);
        match conditions_hold(&self.conditions, &base) {
            Ok(true) => {}
            Ok(false) => return Vec::new(),
            Err(message) => {
                return self
                    .fails
                    .then_some(Finding {
                        message,
                        reason: "Invalid",
                    })
                    .into_iter()
                    .collect();
            }
        }
        let mut findings = Vec::new();
        for validation in &self.validations {
            let verdict = match &validation.condition {
                Ok(condition) => self.holds(condition, &base),
                Err(refused) => Err(refused_text(refused)),
            };
            match verdict {
                Ok(true) => {}
                Ok(false) => findings.push(Finding {
                    message: self.message(validation, &base),
                    reason: validation.reason,
                }),
                Err(message) if self.fails => findings.push(Finding {
                    message,
                    reason: "Invalid",
                }),
                Err(_) => {}
            }
        }
        findings
    }

    fn holds(&self, condition: &Expression, base: &Context<'_>) -> Result<bool, String> {
        let failed = |why: String| format!("expression '{}' resulted in error: {why}", condition.source.trim());
        let scope = self.with_variables(base, condition).map_err(failed)?;
        condition.holds(&scope).map_err(failed)
    }

    fn message(&self, validation: &Validation, base: &Context<'_>) -> String {
        let dynamic = validation.message_expression.as_ref().and_then(|expression| {
            let scope = self.with_variables(base, expression).ok()?;
            expression.message(&scope)
        });
        dynamic.unwrap_or_else(|| match (&validation.condition, validation.message.as_str()) {
            (Ok(condition), "") => format!("failed expression: {}", condition.source.trim()),
            (_, message) => message.trim().to_owned(),
        })
    }

    /// The scope with the policy's variables, evaluated in order as far as the expression reads any. Only a failure of a
    /// variable that the expression or another variable names matters.
    fn with_variables<'s>(&self, base: &'s Context<'_>, reader: &Expression) -> Result<Context<'s>, String> {
        let mut scope = base.new_inner_scope();
        if !reader.reads("variables") {
            return Ok(scope);
        }
        let mut known: Vec<(String, CelValue)> = Vec::new();
        for (name, variable) in &self.variables {
            scope.add_variable_from_value("variables", cel::map_value(known.iter().cloned()));
            let found = match variable {
                Ok(variable) => variable.evaluate(&scope),
                Err(refused) => Err(refused_text(refused)),
            };
            match found {
                Ok(value) => known.push((name.clone(), value)),
                Err(why) if reader.source.contains(&format!("variables.{name}")) => {
                    return Err(format!("composited variable \"{name}\" fails to evaluate: {why}"));
                }
                Err(_) => {}
            }
        }
        scope.add_variable_from_value("variables", cel::map_value(known.into_iter()));
        Ok(scope)
    }
}

impl Validation {
    fn read(value: &Value) -> Self {
        let dynamic = text(value, &["messageExpression"]).filter(|source| !source.is_empty());
        Self {
            condition: compile(value, Wanted::Bool),
            message: text(value, &["message"]).unwrap_or_default().to_owned(),
            message_expression: dynamic.and_then(|source| Expression::compile(source, VARIABLES, Wanted::Text).ok()),
            reason: match text(value, &["reason"]) {
                Some("Forbidden") => "Forbidden",
                Some("RequestEntityTooLarge") => "RequestEntityTooLarge",
                _ => "Invalid",
            },
        }
    }
}

fn refused_text(refused: &Refused) -> String {
    match refused {
        Refused::Compile(text) => text.clone(),
        Refused::Type(found) => format!("must evaluate to bool but got {found}"),
    }
}

/// The scope of admission expressions about a write.
pub(crate) fn scope<'a>(server: &ApiServer, shown: &Review, asked: &Review, params: Option<&Value>) -> Context<'a> {
    let mut scope = cel::scope();
    scope.add_variable_from_value("object", cel::value(&shown.object));
    scope.add_variable_from_value("oldObject", cel::value(&shown.old_object));
    scope.add_variable_from_value("request", cel::value(&request(shown, asked, "")));
    scope.add_variable_from_value("params", params.map_or(CelValue::Null, cel::value));
    scope.add_variable_from_value("namespaceObject", cel::value(&namespace_object(server, asked)));
    scope
}

/// Whether all conditions hold. One that does not hold outweighs one that fails.
pub(crate) fn conditions_hold(conditions: &[Result<Expression, Refused>], scope: &Context<'_>) -> Result<bool, String> {
    let mut failed = None;
    for condition in conditions {
        match condition {
            Ok(expression) => match expression.holds(scope) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(why) => {
                    let text = || format!("expression '{}' resulted in error: {why}", expression.source.trim());
                    failed.get_or_insert_with(text);
                }
            },
            Err(refused) => {
                failed.get_or_insert_with(|| refused_text(refused));
            }
        }
    }
    failed.map_or(Ok(true), Err)
}
