//! Walks the tree. `at` follows the node being evaluated as Go's executor does, so that errors name the same expression.

mod call;
mod eval;

use std::sync::Arc;

use crate::builtins::truth;
use crate::error::{ErrorKind, ExecError};
use crate::format::{Sink, write_plain};
use crate::function::{CallContext, FunctionError, FunctionNames, Functions};
use crate::limits::{Budget, LimitExceeded, Limits};
use crate::parse::{
    Body, Branch, Call, Command, Expr, Node, Pipe, describe_action, describe_call, describe_command, describe_expr,
    describe_pipe,
};
use crate::place::line_and_column;
use crate::record::Recorder;
use crate::suggest::nearest;
use crate::template::{MissingKey, Template};
use crate::value::Value;

type Outcome<T> = Result<T, Box<ExecError>>;

/// Whether a loop goes on after a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// The node that an error would name.
#[derive(Debug, Clone, Copy)]
enum At<'t> {
    Start,
    Expr(&'t Expr),
    Command(&'t Command),
    Pipe(&'t Pipe),
    Action(&'t Pipe),
    Call(&'t Call),
}

impl At<'_> {
    fn offset(self) -> usize {
        match self {
            Self::Start => 0,
            Self::Expr(expr) => expr.at,
            Self::Command(command) => command.at,
            Self::Pipe(pipe) | Self::Action(pipe) => pipe.at,
            Self::Call(call) => call.at,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Start => String::new(),
            Self::Expr(expr) => describe_expr(expr),
            Self::Command(command) => describe_command(command),
            Self::Pipe(pipe) => describe_pipe(pipe),
            Self::Action(pipe) => describe_action(pipe),
            Self::Call(call) => describe_call(call),
        }
    }
}

struct Run<'t> {
    template: &'t Template,
    functions: &'t Functions,
    /// Spares the look-up where no function was added.
    only_builtins: bool,
    missing_key: MissingKey,
    context: CallContext<'t>,
    out: Sink,
    at: At<'t>,
    executing: &'t Arc<str>,
    frame: Vec<Value>,
    depth: usize,
}

/// Executes a template.
pub(crate) fn run<'t>(
    template: &'t Template,
    functions: &'t Functions,
    missing_key: MissingKey,
    limits: Limits,
    recorder: Option<&'t mut (dyn Recorder + 't)>,
    data: &Value,
) -> Result<String, ExecError> {
    let mut run = Run {
        template,
        functions,
        only_builtins: functions.is_empty(),
        missing_key,
        context: CallContext {
            recorder,
            budget: Budget::new(limits),
            template: &template.name,
        },
        out: Sink::new(limits.output_bytes, LimitExceeded::Output(limits.output_bytes)),
        at: At::Start,
        executing: &template.name,
        frame: Vec::new(),
        depth: 0,
    };
    match run.body(&template.main, data) {
        Ok(_) => Ok(run.out.into_text()),
        Err(error) => Err(*error),
    }
}

impl<'t> Run<'t> {
    fn error(&self, kind: ErrorKind) -> Box<ExecError> {
        let offset = self.at.offset();
        let (line, column) = line_and_column(&self.template.source, offset);
        Box::new(ExecError {
            template: Arc::clone(&self.template.name),
            executing: Arc::clone(self.executing),
            line,
            column,
            expression: self.at.describe(),
            kind,
        })
    }

    fn limit(&self, limit: LimitExceeded) -> Box<ExecError> {
        self.error(ErrorKind::Limit(limit))
    }

    fn step(&mut self) -> Outcome<()> {
        self.context.budget.step().map_err(|limit| self.limit(limit))
    }

    fn work(&mut self, things: usize, per_step: usize) -> Outcome<()> {
        let done = self.context.budget.work(things, per_step);
        done.map_err(|limit| self.limit(limit))
    }

    /// Runs something one level deeper.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        let most = self.context.budget.limits().depth;
        if self.depth >= most {
            return Err(self.limit(LimitExceeded::Depth(most)));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn body(&mut self, body: &'t Body, dot: &Value) -> Outcome<Flow> {
        self.frame = vec![Value::Nil; body.slots];
        self.set(0, dot.clone());
        self.nodes(&body.nodes, dot)
    }

    fn set(&mut self, slot: usize, value: Value) {
        if let Some(place) = self.frame.get_mut(slot) {
            *place = value;
        }
    }

    fn nodes(&mut self, nodes: &'t [Node], dot: &Value) -> Outcome<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'t Node, dot: &Value) -> Outcome<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => self.out.push(text).map_err(|limit| self.limit(limit))?,
            Node::Action(pipe) => self.action(pipe, dot)?,
            Node::If(branch) => return self.deeper(|run| run.conditional(branch, dot, false)),
            Node::With(branch) => return self.deeper(|run| run.conditional(branch, dot, true)),
            Node::Range(branch) => return self.deeper(|run| run.range(branch, dot)),
            Node::Template(call) => self.deeper(|run| run.template(call, dot))?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn action(&mut self, pipe: &'t Pipe, dot: &Value) -> Outcome<()> {
        self.at = At::Action(pipe);
        let value = self.pipeline(pipe, dot)?;
        if !pipe.targets.is_empty() {
            return Ok(());
        }
        self.at = At::Action(pipe);
        self.context.record_deep(&value).map_err(|limit| self.limit(limit))?;
        let written = match &value {
            Value::Nil => self.out.push("<no value>"),
            Value::Function(_) => {
                let (expression, type_name) = (describe_action(pipe), value.type_name());
                return Err(self.error(ErrorKind::NotPrintable { expression, type_name }));
            }
            value => write_plain(&mut self.out, value),
        };
        written.map_err(|limit| self.limit(limit))
    }

    fn conditional(&mut self, branch: &'t Branch, dot: &Value, with: bool) -> Outcome<Flow> {
        for (pipe, nodes) in &branch.arms {
            let value = self.pipeline(pipe, dot)?;
            if truth(&mut self.context, &value) {
                return self.nodes(nodes, if with { &value } else { dot });
            }
        }
        self.nodes(&branch.otherwise, dot)
    }

    fn range(&mut self, branch: &'t Branch, dot: &Value) -> Outcome<Flow> {
        let Some((pipe, nodes)) = branch.arms.first() else {
            return Ok(Flow::Next);
        };
        let value = self.pipeline(pipe, dot)?;
        let mut ran = false;
        match &value {
            Value::Nil => {}
            Value::List(list) => {
                for (index, item) in list.items().iter().enumerate() {
                    ran = true;
                    let index = Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
                    if !self.iteration(pipe, nodes, index, item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                self.context.record_whole(&value);
                for (key, item) in map.entries() {
                    ran = true;
                    if !self.iteration(pipe, nodes, Value::String(Arc::clone(key)), item)? {
                        break;
                    }
                }
            }
            Value::Int(_) | Value::Uint(_) => ran = self.count(pipe, nodes, &value)?,
            other => return Err(self.error(ErrorKind::NotIterable(other.type_name()))),
        }
        // A loop's own break and continue end here; those of the else branch belong to an outer loop.
        if ran {
            Ok(Flow::Next)
        } else {
            self.nodes(&branch.otherwise, dot)
        }
    }

    /// Ranges over the numbers below a number; says whether there were any.
    fn count(&mut self, pipe: &'t Pipe, nodes: &'t [Node], value: &Value) -> Outcome<bool> {
        if pipe.targets.len() > 1 {
            return Err(self.error(ErrorKind::TwoVariables(value.type_name())));
        }
        let (end, signed) = match value {
            Value::Int(number) => (u64::try_from(*number).unwrap_or(0), true),
            Value::Uint(number) => (*number, false),
            _ => (0, true),
        };
        for number in 0..end {
            let item = match i64::try_from(number) {
                Ok(number) if signed => Value::Int(number),
                _ => Value::Uint(number),
            };
            if !self.iteration(pipe, nodes, Value::Nil, &item)? {
                break;
            }
        }
        Ok(end > 0)
    }

    /// One pass of a loop; false to leave the loop.
    fn iteration(&mut self, pipe: &'t Pipe, nodes: &'t [Node], index: Value, item: &Value) -> Outcome<bool> {
        self.step()?;
        match pipe.targets.as_slice() {
            [] => {}
            [element] => self.set(element.slot, item.clone()),
            [key, element, ..] => {
                self.set(key.slot, index);
                self.set(element.slot, item.clone());
            }
        }
        Ok(self.nodes(nodes, item)? != Flow::Break)
    }

    fn template(&mut self, call: &'t Call, dot: &Value) -> Outcome<()> {
        self.at = At::Call(call);
        let template = self.template;
        let (name, body) = match template.definitions.get_key_value(&call.name) {
            Some((name, body)) => (name, body),
            None if call.name == template.name => (&template.name, &template.main),
            None => {
                let suggestion = nearest(&call.name, template.definitions());
                return Err(self.error(ErrorKind::UnknownTemplate {
                    name: call.name.to_string(),
                    suggestion,
                }));
            }
        };
        let dot = match &call.pipe {
            Some(pipe) => self.pipeline(pipe, dot)?,
            None => Value::Nil,
        };
        // A frame takes time and memory by its size.
        self.work(body.slots, 64)?;
        let outer_frame = std::mem::take(&mut self.frame);
        let outer_name = std::mem::replace(&mut self.executing, name);
        self.body(body, &dot)?;
        self.frame = outer_frame;
        self.executing = outer_name;
        Ok(())
    }

    /// Whether the registry has the function, which then hides Go's own of that name.
    fn is_replaced(&self, name: &str) -> bool {
        !self.only_builtins && self.functions.knows(name)
    }

    fn called(&self, function: &str, error: FunctionError) -> Box<ExecError> {
        self.error(match error {
            FunctionError::Limit(limit) => ErrorKind::Limit(limit),
            error => ErrorKind::Call {
                function: function.to_owned(),
                error,
            },
        })
    }
}
