//! Pipelines, commands, fields.

use std::sync::Arc;

use super::{At, Outcome, Run};
use crate::error::ErrorKind;
use crate::parse::{Command, Expr, ExprKind, Pipe, describe_expr, describe_pipe};
use crate::record::Read;
use crate::suggest::nearest;
use crate::template::MissingKey;
use crate::value::{Map, Object, Value};

/// What follows the first word of a command: arguments, and the value piped into it.
pub(super) struct Given<'t> {
    pub(super) args: &'t [Expr],
    pub(super) piped: Option<Value>,
}

impl Given<'_> {
    pub(super) const NONE: Given<'static> = Given { args: &[], piped: None };

    fn any(&self) -> bool {
        !self.args.is_empty() || self.piped.is_some()
    }
}

impl<'t> Run<'t> {
    pub(super) fn pipeline(&mut self, pipe: &'t Pipe, dot: &Value) -> Outcome<Value> {
        self.at = At::Pipe(pipe);
        let mut piped = None;
        for command in &pipe.commands {
            piped = Some(self.command(command, piped, dot)?);
        }
        let value = piped.unwrap_or_default();
        for target in &pipe.targets {
            self.set(target.slot, value.clone());
        }
        Ok(value)
    }

    fn command(&mut self, command: &'t Command, piped: Option<Value>, dot: &Value) -> Outcome<Value> {
        self.step()?;
        let given = Given {
            args: &command.rest,
            piped,
        };
        self.evaluate(&command.first, Some(command), given, dot)
    }

    /// Evaluates the first word of a command, or an argument if there is no command.
    pub(super) fn evaluate(
        &mut self,
        expr: &'t Expr,
        command: Option<&'t Command>,
        given: Given<'t>,
        dot: &Value,
    ) -> Outcome<Value> {
        // A function's errors are reported at the whole command.
        if !matches!(expr.kind, ExprKind::Pipe(_)) {
            self.at = At::Expr(expr);
        }
        match &expr.kind {
            ExprKind::Field(fields) => self.field_chain(dot, fields, given, dot),
            ExprKind::Variable(variable, fields) => {
                let value = self.frame.get(variable.slot).cloned().unwrap_or_default();
                if fields.is_empty() {
                    self.refuse_arguments(expr, &given)?;
                    return Ok(value);
                }
                self.field_chain(&value, fields, given, dot)
            }
            ExprKind::Function(name, builtin) => {
                let node = command.map_or(At::Expr(expr), At::Command);
                self.function(name, *builtin, node, given, dot)
            }
            ExprKind::Chain(inner, fields) => {
                if matches!(inner.kind, ExprKind::Nil) {
                    return Err(self.error(ErrorKind::NilIndirection(describe_expr(expr))));
                }
                let value = self.deeper(|run| run.evaluate(inner, None, Given::NONE, dot))?;
                self.field_chain(&value, fields, given, dot)
            }
            ExprKind::Pipe(pipe) => {
                self.refuse_arguments(expr, &given)?;
                self.deeper(|run| run.pipeline(pipe, dot))
            }
            ExprKind::Dot => {
                self.refuse_arguments(expr, &given)?;
                Ok(dot.clone())
            }
            ExprKind::Nil => {
                self.refuse_arguments(expr, &given)?;
                Err(self.error(ErrorKind::NilCommand))
            }
            ExprKind::Constant(value, spelling) => {
                self.refuse_arguments(expr, &given)?;
                self.ideal(value, spelling)
            }
        }
    }

    /// A constant where no type is wanted.
    pub(super) fn ideal(&self, value: &Value, spelling: &str) -> Outcome<Value> {
        match value {
            Value::Uint(_) => Err(self.error(ErrorKind::ConstantOverflow(spelling.to_owned()))),
            value => Ok(value.clone()),
        }
    }

    fn refuse_arguments(&self, expr: &Expr, given: &Given<'t>) -> Outcome<()> {
        if given.any() {
            let text = match &expr.kind {
                ExprKind::Pipe(pipe) => describe_pipe(pipe),
                _ => describe_expr(expr),
            };
            Err(self.error(ErrorKind::NotAFunction(text)))
        } else {
            Ok(())
        }
    }

    /// Goes down a chain of fields; arguments belong to the last one.
    fn field_chain(&mut self, receiver: &Value, fields: &[Arc<str>], given: Given<'t>, dot: &Value) -> Outcome<Value> {
        let Some((last, before)) = fields.split_last() else {
            return Ok(receiver.clone());
        };
        let node = self.at;
        let mut current = receiver.clone();
        for field in before {
            current = self.field(&current, field, Given::NONE, node, dot)?;
        }
        self.field(&current, last, given, node, dot)
    }

    fn field(&mut self, receiver: &Value, name: &str, given: Given<'t>, node: At<'t>, dot: &Value) -> Outcome<Value> {
        match receiver {
            Value::Nil if self.missing_key == MissingKey::Error => {
                Err(self.error(ErrorKind::NilData { key: name.to_owned() }))
            }
            Value::Nil => Ok(Value::Nil),
            Value::Map(map) => self.entry(map, name, given, node, dot),
            Value::Object(object) => self.member(object, name, given, node, dot),
            other => {
                let type_name = other.type_name();
                Err(self.error(ErrorKind::NoField {
                    field: name.to_owned(),
                    type_name,
                    suggestion: None,
                }))
            }
        }
    }

    fn entry(&mut self, map: &Map, name: &str, given: Given<'t>, node: At<'t>, dot: &Value) -> Outcome<Value> {
        if let Some(recorder) = self.context.recorder.as_deref_mut()
            && let Some(provenance) = map.provenance()
        {
            recorder.read(provenance, Read::Key(name));
        }
        match map.get(name) {
            // Go has methods only on structs; data that stand in for one bring them as entries.
            Some(Value::Function(function)) if given.any() => self.apply(name, function, node, given, dot),
            _ if given.any() => Err(self.error(ErrorKind::NotCallable {
                name: name.to_owned(),
                in_map: true,
            })),
            Some(value) => Ok(value.clone()),
            None => match self.missing_key {
                MissingKey::Error => {
                    let suggestion = nearest(name, map.entries().keys().map(|key| &**key));
                    Err(self.error(ErrorKind::MissingKey {
                        key: name.to_owned(),
                        suggestion,
                    }))
                }
                MissingKey::Zero => Ok(map.element().zero()),
                MissingKey::Nothing => Ok(Value::Nil),
            },
        }
    }

    fn member(
        &mut self,
        object: &Arc<dyn Object>,
        name: &str,
        given: Given<'t>,
        node: At<'t>,
        dot: &Value,
    ) -> Outcome<Value> {
        if let Some(recorder) = self.context.recorder.as_deref_mut()
            && let Some(provenance) = object.provenance()
        {
            recorder.read(&provenance, Read::Key(name));
        }
        if let Some(method) = object.method(name) {
            return self.apply(name, &method, node, given, dot);
        }
        match object.field(name) {
            Some(_) if given.any() => Err(self.error(ErrorKind::NotCallable {
                name: name.to_owned(),
                in_map: false,
            })),
            Some(value) => Ok(value),
            None => {
                let suggestion = nearest(name, object.field_names().into_iter().chain(object.method_names()));
                let type_name = object.type_name().to_owned();
                Err(self.error(ErrorKind::NoField {
                    field: name.to_owned(),
                    type_name,
                    suggestion,
                }))
            }
        }
    }
}
