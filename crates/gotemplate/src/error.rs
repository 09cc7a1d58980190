//! Errors with their place, in the wording of Go's `text/template`. No text here holds a value from the data.

use std::sync::Arc;

use thiserror::Error;

use crate::function::FunctionError;
use crate::limits::LimitExceeded;

/// A template that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: {template}:{line}:{column}: {kind}")]
pub struct ParseError {
    /// The name given to [`Template::parse`](crate::Template::parse), usually the file.
    pub template: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 0 as Go counts.
    pub column: usize,
    /// What is wrong.
    pub kind: ParseErrorKind,
}

/// What is wrong with a template's text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The text breaks the grammar.
    #[error("{0}")]
    Syntax(String),
    /// A function that nobody registered, even in a branch that is not taken.
    #[error("function {name:?} not defined{}", hint(suggestion))]
    UnknownFunction {
        /// The name in the text.
        name: String,
        /// The nearest name that exists.
        suggestion: Option<String>,
    },
    /// A variable that is not in scope.
    #[error("undefined variable {name:?}{}", hint(suggestion))]
    UndefinedVariable {
        /// The name in the text, with its `$`.
        name: String,
        /// The nearest name in scope.
        suggestion: Option<String>,
    },
    /// `break` or `continue` where there is no loop.
    #[error("{{{{{0}}}}} outside {{{{range}}}}")]
    OutsideLoop(&'static str),
    /// A bound of [`ParseLimits`](crate::ParseLimits).
    #[error("template exceeds the {what} of {limit}")]
    Limit {
        /// Which bound.
        what: &'static str,
        /// Its value.
        limit: usize,
    },
}

/// An execution that failed, with the place and the expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: {template}:{line}:{column}: executing {executing:?} at <{expression}>: {kind}")]
pub struct ExecError {
    /// The file, as named when parsing.
    pub template: Arc<str>,
    /// The template being executed: the file, or the name of a `define`.
    pub executing: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 0 as Go counts.
    pub column: usize,
    /// The expression that failed, as the template spells it.
    pub expression: String,
    /// What failed.
    pub kind: ErrorKind,
}

/// What failed in an execution.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A map lacks the key and missing keys are errors.
    #[error("map has no entry for key {key:?}{}", hint(suggestion))]
    MissingKey {
        /// The key asked for.
        key: String,
        /// The nearest key that exists.
        suggestion: Option<String>,
    },
    /// A member of nothing.
    #[error("nil data; no entry for key {key:?}")]
    NilData {
        /// The key asked for.
        key: String,
    },
    /// An object without that field or method, or a value that has none at all.
    #[error("can't evaluate field {field} in type {type_name}{}", hint(suggestion))]
    NoField {
        /// The field asked for.
        field: String,
        /// The type of the value.
        type_name: String,
        /// The nearest field or method that exists.
        suggestion: Option<String>,
    },
    /// Arguments for a map entry that is no function, or for a field; methods take them.
    #[error("{name} {}", if *.in_map { "is not a method but has arguments" } else { "has arguments but cannot be invoked as function" })]
    NotCallable {
        /// The entry or field.
        name: String,
        /// Whether it is a map's entry.
        in_map: bool,
    },
    /// Arguments for a constant, a variable or the like.
    #[error("can't give argument to non-function {0}")]
    NotAFunction(String),
    /// `{{ nil }}`.
    #[error("nil is not a command")]
    NilCommand,
    /// A field of the word `nil`.
    #[error("indirection through explicit nil in {0}")]
    NilIndirection(String),
    /// A constant that no `int` holds.
    #[error("{0} overflows int")]
    ConstantOverflow(String),
    /// A constant where the function wants another type.
    #[error("expected {expected}; found {found}")]
    WrongConstant {
        /// The type wanted.
        expected: &'static str,
        /// The constant, as the template spells it.
        found: String,
    },
    /// A constant where the function wants a list, a map or a function.
    #[error("can't handle {found} for arg of type {expected}")]
    ConstantForCollection {
        /// The type wanted.
        expected: &'static str,
        /// The constant, as the template spells it.
        found: String,
    },
    /// The word `nil` for a parameter that cannot be nil.
    #[error("cannot assign nil to {0}")]
    NilArgument(&'static str),
    /// Nothing at all for a parameter that needs a value.
    #[error("invalid value; expected {0}")]
    InvalidValue(&'static str),
    /// A value of another type than the function wants.
    #[error("wrong type for value; expected {expected}; got {got}")]
    WrongType {
        /// The type wanted.
        expected: &'static str,
        /// The type given.
        got: String,
    },
    /// Too many or too few arguments.
    #[error("wrong number of args for {function}: want {}{want} got {got}", if *.at_least { "at least " } else { "" })]
    ArgumentCount {
        /// The function or method.
        function: String,
        /// How many it takes.
        want: usize,
        /// Whether it takes more as well.
        at_least: bool,
        /// How many were given.
        got: usize,
    },
    /// A function that is not there at execution although it was when parsing.
    #[error("{0:?} is not a defined function")]
    UnknownFunction(String),
    /// A function reported an error.
    #[error("error calling {function}: {error}")]
    Call {
        /// The function or method.
        function: String,
        /// What it said.
        error: FunctionError,
    },
    /// `range` over something without elements.
    #[error("range can't iterate over a value of type {0}")]
    NotIterable(String),
    /// `range` over a number with two variables.
    #[error("can't use a value of type {0} to iterate over more than one variable")]
    TwoVariables(String),
    /// A function value cannot be printed.
    #[error("can't print {expression} of type {type_name}")]
    NotPrintable {
        /// The action.
        expression: String,
        /// The type of its value.
        type_name: String,
    },
    /// `template` with a name that no `define` has.
    #[error("template {name:?} not defined{}", hint(suggestion))]
    UnknownTemplate {
        /// The name asked for.
        name: String,
        /// The nearest name that exists.
        suggestion: Option<String>,
    },
    /// A bound of [`Limits`](crate::Limits).
    #[error("{0}")]
    Limit(LimitExceeded),
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}
