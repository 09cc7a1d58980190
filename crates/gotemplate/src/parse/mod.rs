//! From text to a checked tree.
//!
//! The outer structure is read here, iteratively and with bounds, because `gotmpl` accepts a missing `end`, drops everything after a
//! surplus one, trims after `{{- /* … */}}` and recurses without bound on `else if`. Single actions are parsed by `gotmpl`.

mod describe;
mod lower;
mod scan;
mod structure;
mod terms;
mod tree;

pub(crate) use describe::{describe_action, describe_call, describe_command, describe_expr, describe_pipe};
pub(crate) use structure::parse;
pub(crate) use tree::{Body, Branch, Call, Command, Expr, ExprKind, Node, Pipe};

use std::sync::Arc;

use crate::error::{ParseError, ParseErrorKind};
use crate::place::line_and_column;

/// The text being parsed, for errors with places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a Arc<str>,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    pub(crate) fn error(&self, offset: usize, kind: ParseErrorKind) -> ParseError {
        let (line, column) = line_and_column(self.text, offset);
        ParseError {
            template: Arc::clone(self.name),
            line,
            column,
            kind,
        }
    }

    pub(crate) fn syntax(&self, offset: usize, text: impl Into<String>) -> ParseError {
        self.error(offset, ParseErrorKind::Syntax(text.into()))
    }
}
