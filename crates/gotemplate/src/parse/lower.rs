//! Single actions: parsed by `gotmpl`, checked and turned into our tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::parse::{CommandNode, Expr as Parsed, Node as ParsedNode, Number, Parser, PipeNode, Pos};

use super::Source;
use super::scan::{is_space, operand_end};
use super::tree::{Command, Expr, ExprKind, Pipe, Variable};
use crate::builtins::Builtin;
use crate::error::{ParseError, ParseErrorKind};
use crate::function::FunctionNames;
use crate::place::offset_of;
use crate::suggest::nearest;
use crate::value::Value;

/// The variables in scope; their place in the list is their slot.
#[derive(Debug)]
pub(super) struct Scope {
    names: Vec<Arc<str>>,
    /// The slots of each name, the innermost last: a text may have a hundred thousand variables.
    slots_of: BTreeMap<Arc<str>, Vec<usize>>,
    most: usize,
}

impl Scope {
    pub(super) fn new() -> Self {
        Self {
            names: vec!["$".into()],
            slots_of: BTreeMap::from([("$".into(), vec![0])]),
            most: 1,
        }
    }

    pub(super) fn mark(&self) -> usize {
        self.names.len()
    }

    pub(super) fn release(&mut self, mark: usize) {
        for name in self.names.drain(mark.min(self.names.len())..) {
            if let Some(slots) = self.slots_of.get_mut(&name) {
                slots.pop();
            }
        }
    }

    /// The most variables that were ever in scope together.
    pub(super) fn slots(&self) -> usize {
        self.most
    }

    fn declare(&mut self, name: Arc<str>) -> Variable {
        self.slots_of
            .entry(Arc::clone(&name))
            .or_default()
            .push(self.names.len());
        self.names.push(Arc::clone(&name));
        self.most = self.most.max(self.names.len());
        Variable {
            slot: self.names.len() - 1,
            name,
        }
    }

    fn find(&self, name: &str) -> Option<Variable> {
        let (name, slots) = self.slots_of.get_key_value(name)?;
        slots.last().map(|slot| Variable {
            slot: *slot,
            name: Arc::clone(name),
        })
    }
}

/// One action on its way into the tree.
pub(super) struct Action<'a> {
    source: Source<'a>,
    functions: &'a dyn FunctionNames,
    /// Where the action's text starts in the source.
    at: usize,
    /// The action as given to `gotmpl`, and how much longer its head is than the source's.
    text: String,
    head: usize,
}

/// What a keyword action says after its keyword.
pub(super) struct Named {
    pub(super) name: Arc<str>,
    pub(super) pipe: Option<Pipe>,
}

impl<'a> Action<'a> {
    /// An action of which `inside` starts at `at` in the source; `close` is added for `gotmpl` where the action opens a block.
    pub(super) fn new(
        source: Source<'a>,
        functions: &'a dyn FunctionNames,
        at: usize,
        inside: &str,
        close: &str,
    ) -> Self {
        // The spaces keep `gotmpl` from seeing a trim marker where Go sees none.
        Self {
            source,
            functions,
            at,
            text: format!("{{{{ {inside} }}}}{close}"),
            head: 3,
        }
    }

    /// A plain pipeline that prints or sets variables.
    pub(super) fn pipeline(&self, scope: &mut Scope) -> Result<Pipe, ParseError> {
        match self.parse()? {
            ParsedNode::Action(action) => self.pipe(&action.pipe, scope, true),
            _ => Err(self.source.syntax(self.at, "unexpected keyword in command")),
        }
    }

    /// The pipeline of `if`, `with` or `range`. A range's variables are declared after its pipeline like any other.
    pub(super) fn branch(&self, scope: &mut Scope) -> Result<Pipe, ParseError> {
        match self.parse()? {
            ParsedNode::If(branch) | ParsedNode::With(branch) | ParsedNode::Range(branch) => {
                self.pipe(&branch.pipe, scope, true)
            }
            _ => Err(self.source.syntax(self.at, "unexpected keyword in command")),
        }
    }

    /// Name and pipeline of `template` or `block`.
    pub(super) fn template(&self, scope: &mut Scope) -> Result<Named, ParseError> {
        match self.parse()? {
            ParsedNode::Template(call) => {
                let pipe = call
                    .pipe
                    .as_ref()
                    .map(|pipe| self.pipe(pipe, scope, false))
                    .transpose()?;
                Ok(Named {
                    name: Arc::from(call.name.as_str()),
                    pipe,
                })
            }
            _ => Err(self.source.syntax(self.at, "unexpected keyword in command")),
        }
    }

    /// The name of a `define`.
    pub(super) fn definition(&self) -> Result<Arc<str>, ParseError> {
        let parser = Parser::new(&self.text, "{{", "}}").map_err(|error| self.foreign(&error))?;
        let (_, defines) = parser.parse().map_err(|error| self.foreign(&error))?;
        match defines.as_slice() {
            [define] => Ok(Arc::from(define.name.as_str())),
            _ => Err(self.source.syntax(self.at, "unexpected text in define clause")),
        }
    }

    fn parse(&self) -> Result<ParsedNode, ParseError> {
        let parser = Parser::new(&self.text, "{{", "}}").map_err(|error| self.foreign(&error))?;
        let (list, _) = parser.parse().map_err(|error| self.foreign(&error))?;
        list.nodes
            .into_iter()
            .next()
            .ok_or_else(|| self.source.syntax(self.at, "unexpected \"/\" in command"))
    }

    /// An error of `gotmpl`, with the place in our source.
    fn foreign(&self, error: &gotmpl::TemplateError) -> ParseError {
        match error {
            gotmpl::TemplateError::Parse { line, col, message, .. }
            | gotmpl::TemplateError::Lex { line, col, message, .. } => {
                let offset = self
                    .offset(offset_of(&self.text, *line, *col))
                    .min(self.at + self.text.len());
                self.source.syntax(offset, message.clone())
            }
            other => self.source.syntax(self.at, other.to_string()),
        }
    }

    fn offset(&self, in_text: usize) -> usize {
        self.at + in_text.saturating_sub(self.head)
    }

    fn place(&self, pos: Pos) -> usize {
        self.offset(pos.offset)
    }

    fn pipe(&self, pipe: &PipeNode, scope: &mut Scope, may_declare: bool) -> Result<Pipe, ParseError> {
        let at = self.place(pipe.pos);
        let commands: Vec<Command> = pipe
            .commands
            .iter()
            .map(|command| self.command(command, scope))
            .collect::<Result<_, _>>()?;
        for (stage, command) in commands.iter().enumerate().skip(1) {
            let executable = matches!(
                command.first.kind,
                ExprKind::Field(_)
                    | ExprKind::Variable(..)
                    | ExprKind::Function(..)
                    | ExprKind::Chain(..)
                    | ExprKind::Pipe(_)
            );
            if !executable {
                let text = format!("non executable command in pipeline stage {}", stage + 1);
                return Err(self.source.syntax(command.at, text));
            }
        }
        let mut targets = Vec::new();
        for name in pipe.decl.iter().filter(|_| may_declare) {
            targets.push(if pipe.is_assign {
                self.variable(name, at, scope)?
            } else {
                scope.declare(Arc::from(name.as_str()))
            });
        }
        Ok(Pipe {
            at,
            targets,
            assigns: pipe.is_assign,
            commands,
        })
    }

    fn variable(&self, name: &str, at: usize, scope: &Scope) -> Result<Variable, ParseError> {
        scope.find(name).ok_or_else(|| {
            let known = scope.names.iter().skip(1).map(|known| &**known);
            let suggestion = nearest(name, known);
            self.source.error(
                at,
                ParseErrorKind::UndefinedVariable {
                    name: name.to_owned(),
                    suggestion,
                },
            )
        })
    }

    fn command(&self, command: &CommandNode, scope: &mut Scope) -> Result<Command, ParseError> {
        let at = self.place(command.pos);
        self.check_terms(command)?;
        let mut args = command.args.iter().map(|arg| self.expr(arg, scope));
        let Some(first) = args.next().transpose()? else {
            return Err(self.source.syntax(at, "empty command"));
        };
        Ok(Command {
            at,
            first,
            rest: args.collect::<Result<_, _>>()?,
        })
    }

    /// A field glued to a constant (`true.x`) is two arguments for `gotmpl` and an error in Go.
    fn check_terms(&self, command: &CommandNode) -> Result<(), ParseError> {
        for (term, next) in command.args.iter().zip(command.args.iter().skip(1)) {
            let (start, end) = (term.pos().offset, next.pos().offset);
            let glued = matches!(next, Parsed::Field(..) | Parsed::Dot(_))
                && end
                    .checked_sub(1)
                    .and_then(|before| self.text.as_bytes().get(before))
                    .is_some_and(|b| !is_space(*b));
            if glued {
                let term = self.text.get(start..end).unwrap_or_default();
                return Err(self
                    .source
                    .syntax(self.offset(end), format!("unexpected . after term {term:?}")));
            }
        }
        Ok(())
    }

    fn expr(&self, expr: &Parsed, scope: &mut Scope) -> Result<Expr, ParseError> {
        let start = expr.pos().offset;
        let at = self.offset(start);
        let spelled = || Box::from(self.text.get(start..operand_end(&self.text, start)).unwrap_or_default());
        let constant = |value: Value| Expr {
            at,
            kind: ExprKind::Constant(value, spelled()),
        };
        let fields = |names: &[gotmpl::parse::SmolStr]| names.iter().map(|name| Arc::from(name.as_str())).collect();
        Ok(match expr {
            Parsed::Dot(_) => Expr {
                at,
                kind: ExprKind::Dot,
            },
            Parsed::Nil(_) => Expr {
                at,
                kind: ExprKind::Nil,
            },
            Parsed::Field(_, names) => {
                let first = names.first().map_or(0, |name| 1 + name.len());
                let at = if names.len() > 1 { at + first } else { at };
                Expr {
                    at,
                    kind: ExprKind::Field(fields(names)),
                }
            }
            Parsed::Variable(_, name, names) => {
                let variable = self.variable(name, at, scope)?;
                let at = if names.is_empty() { at } else { at + name.len() };
                Expr {
                    at,
                    kind: ExprKind::Variable(variable, fields(names)),
                }
            }
            Parsed::Identifier(_, name) => Expr {
                at,
                kind: self.function(name, at)?,
            },
            Parsed::String(_, text) => constant(Value::String(Arc::clone(text))),
            Parsed::Number(_, Number::Int(value)) => constant(Value::Int(*value)),
            Parsed::Number(_, Number::Uint(value)) => constant(Value::Uint(*value)),
            Parsed::Number(_, Number::Float(value)) if value.is_infinite() => {
                let number = self.text.get(start..operand_end(&self.text, start)).unwrap_or_default();
                return Err(self.source.syntax(at, format!("illegal number syntax: {number:?}")));
            }
            Parsed::Number(_, Number::Float(value)) => constant(Value::Float(*value)),
            Parsed::Bool(_, value) => constant(Value::Bool(*value)),
            Parsed::Pipe(_, pipe) => Expr {
                at,
                kind: ExprKind::Pipe(Box::new(self.pipe(pipe, scope, false)?)),
            },
            Parsed::Chain(_, inner, names) => {
                let inner = self.expr(inner, scope)?;
                let length = match &inner.kind {
                    ExprKind::Function(name, _) => name.len(),
                    _ => operand_end(&self.text, start) - start - fields_length(&self.text, start, names),
                };
                Expr {
                    at: at + length,
                    kind: ExprKind::Chain(Box::new(inner), fields(names)),
                }
            }
        })
    }

    fn function(&self, name: &str, at: usize) -> Result<ExprKind, ParseError> {
        let custom = self.functions.knows(name);
        let builtin = Builtin::named(name);
        if !custom && builtin.is_none() {
            let names = self
                .functions
                .names()
                .into_iter()
                .chain(Builtin::names().map(|name: &str| name));
            let suggestion = nearest(name, names.collect::<Vec<&str>>());
            return Err(self.source.error(
                at,
                ParseErrorKind::UnknownFunction {
                    name: name.to_owned(),
                    suggestion,
                },
            ));
        }
        Ok(ExprKind::Function(Arc::from(name), builtin.filter(|_| !custom)))
    }
}

/// How many bytes of an operand's text are its trailing fields; zero for a parenthesis, whose end is found without them.
fn fields_length(text: &str, start: usize, names: &[gotmpl::parse::SmolStr]) -> usize {
    if text.as_bytes().get(start) == Some(&b'(') {
        0
    } else {
        names.iter().map(|name| 1 + name.len()).sum()
    }
}
