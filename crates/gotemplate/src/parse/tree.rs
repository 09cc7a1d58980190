//! The checked tree that is executed. Variables are slots of a frame whose size is known, names are shared strings.

use std::sync::Arc;

use crate::builtins::Builtin;
use crate::value::Value;

/// A template's or definition's nodes and the number of variable slots they need, `$` included.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) nodes: Vec<Node>,
    pub(crate) slots: usize,
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(Box<str>),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(Call),
    Break,
    Continue,
}

/// `if`, `with` or `range`. `else if` chains are flat, so that their length costs no stack.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) arms: Vec<(Pipe, Vec<Node>)>,
    pub(crate) otherwise: Vec<Node>,
}

/// `{{ template "name" pipeline }}`, also what is left in place of a `block`.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) at: usize,
    pub(crate) name: Arc<str>,
    pub(crate) pipe: Option<Pipe>,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) at: usize,
    pub(crate) targets: Vec<Variable>,
    /// `=` and not `:=`.
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) slot: usize,
    pub(crate) name: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) at: usize,
    pub(crate) first: Expr,
    pub(crate) rest: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) struct Expr {
    /// Where Go says the expression is: a chain of fields stands at its second part.
    pub(crate) at: usize,
    pub(crate) kind: ExprKind,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Field(Vec<Arc<str>>),
    Variable(Variable, Vec<Arc<str>>),
    Function(Arc<str>, Option<Builtin>),
    /// A constant and its spelling.
    Constant(Value, Box<str>),
    Pipe(Box<Pipe>),
    Chain(Box<Expr>, Vec<Arc<str>>),
}
