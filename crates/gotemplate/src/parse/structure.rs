//! Blocks: which action opens, continues or closes what. Iterative, so that no input can exhaust the stack.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;
use super::lower::{Action, Scope};
use super::scan::{Piece, is_space, pieces};
use super::terms::check_terms;
use super::tree::{Body, Branch, Call, Node, Pipe};
use crate::error::{ParseError, ParseErrorKind};
use crate::function::FunctionNames;
use crate::limits::ParseLimits;

/// A whole parsed text.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) main: Body,
    pub(crate) definitions: BTreeMap<Arc<str>, Body>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BranchKind {
    If,
    With,
    Range,
}

impl BranchKind {
    fn keyword(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

enum Opened {
    /// A branch with its finished arms, the pipeline of the arm being filled, and whether that is the plain `else`.
    Branch {
        kind: BranchKind,
        arms: Vec<(Pipe, Vec<Node>)>,
        pipe: Option<Pipe>,
        inner_mark: usize,
    },
    /// A `define` or `block`, with the scope to return to.
    Definition { name: Arc<str>, outer: Scope },
}

/// An open block: what it is, where it opened, the nodes of the surrounding list and the scope's size before it.
struct Frame {
    at: usize,
    opened: Opened,
    outer_nodes: Vec<Node>,
    mark: usize,
}

struct Builder<'a> {
    source: Source<'a>,
    functions: &'a dyn FunctionNames,
    limits: ParseLimits,
    frames: Vec<Frame>,
    nodes: Vec<Node>,
    scope: Scope,
    definitions: BTreeMap<Arc<str>, Body>,
}

/// Parses a text and checks it.
pub(crate) fn parse(
    source: Source<'_>,
    functions: &dyn FunctionNames,
    limits: ParseLimits,
) -> Result<Parsed, ParseError> {
    if source.text.len() > limits.source_bytes {
        let kind = ParseErrorKind::Limit {
            what: "source size in bytes",
            limit: limits.source_bytes,
        };
        return Err(source.error(0, kind));
    }
    let mut builder = Builder {
        source,
        functions,
        limits,
        frames: Vec::new(),
        nodes: Vec::new(),
        scope: Scope::new(),
        definitions: BTreeMap::new(),
    };
    for piece in pieces(source)? {
        match piece {
            Piece::Text(text) => builder.nodes.push(Node::Text(text.into())),
            Piece::Action { at, inside } => builder.action(at, inside)?,
        }
    }
    if builder.frames.last().is_some() {
        return Err(source.syntax(source.text.len(), "unexpected EOF"));
    }
    let main = Body {
        nodes: builder.nodes,
        slots: builder.scope.slots(),
    };
    Ok(Parsed {
        main,
        definitions: builder.definitions,
    })
}

/// The word an action starts with, where it starts, and the place after it.
fn keyword(inside: &str) -> (&str, usize) {
    let start = inside.bytes().take_while(|byte| is_space(*byte)).count();
    let rest = inside.get(start..).unwrap_or_default();
    let length = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    (rest.get(..length).unwrap_or_default(), start + length)
}

/// How many spaces follow the keyword.
fn inside_spaces(inside: &str, word: &str) -> usize {
    let after = inside.split_once(word).map_or("", |(_, after)| after);
    after.bytes().take_while(|byte| is_space(*byte)).count()
}

impl<'a> Builder<'a> {
    fn action(&mut self, at: usize, inside: &str) -> Result<(), ParseError> {
        check_terms(self.source, at, inside)?;
        let (word, after) = keyword(inside);
        let rest = inside.get(after..).unwrap_or_default();
        let place = at + after - word.len();
        match word {
            "if" | "with" | "range" if rest.bytes().all(is_space) => {
                Err(self.source.syntax(at + after, format!("missing value for {word}")))
            }
            "if" => self.open_branch(BranchKind::If, at, inside),
            "with" => self.open_branch(BranchKind::With, at, inside),
            "range" => self.open_branch(BranchKind::Range, at, inside),
            "else" => self.otherwise(at + after, rest),
            "end" => {
                self.nothing_more(at + after, rest, "end")?;
                self.end(place)
            }
            "define" | "block" | "template" => self.named(word, at, inside, place),
            "break" => self.leave_loop(place, at + after, rest, "break", Node::Break),
            "continue" => self.leave_loop(place, at + after, rest, "continue", Node::Continue),
            "" if inside.bytes().all(is_space) => Err(self.source.syntax(at, "missing value for command")),
            _ => {
                let pipe = Action::new(self.source, self.functions, at, inside, "").pipeline(&mut self.scope)?;
                self.nodes.push(Node::Action(pipe));
                Ok(())
            }
        }
    }

    fn nothing_more(&self, at: usize, rest: &str, clause: &str) -> Result<(), ParseError> {
        if rest.bytes().all(is_space) {
            return Ok(());
        }
        let found = rest.trim().chars().next().unwrap_or(' ');
        Err(self
            .source
            .syntax(at, format!("unexpected {:?} in {clause}", found.to_string())))
    }

    fn push_frame(&mut self, at: usize, opened: Opened, mark: usize) -> Result<(), ParseError> {
        if self.frames.len() >= self.limits.depth {
            return Err(self.source.error(
                at,
                ParseErrorKind::Limit {
                    what: "nesting depth",
                    limit: self.limits.depth,
                },
            ));
        }
        let outer_nodes = std::mem::take(&mut self.nodes);
        self.frames.push(Frame {
            at,
            opened,
            outer_nodes,
            mark,
        });
        Ok(())
    }

    fn open_branch(&mut self, kind: BranchKind, at: usize, inside: &str) -> Result<(), ParseError> {
        let mark = self.scope.mark();
        let pipe = Action::new(self.source, self.functions, at, inside, "{{end}}").branch(&mut self.scope)?;
        let opened = Opened::Branch {
            kind,
            arms: Vec::new(),
            pipe: Some(pipe),
            inner_mark: self.scope.mark(),
        };
        self.push_frame(at, opened, mark)
    }

    fn otherwise(&mut self, at: usize, rest: &str) -> Result<(), ParseError> {
        let source = self.source;
        let stray = |text: &str| source.syntax(at.saturating_sub(4), text);
        let Some(Frame {
            opened:
                Opened::Branch {
                    kind,
                    arms,
                    pipe,
                    inner_mark,
                },
            ..
        }) = self.frames.last_mut()
        else {
            return Err(stray("unexpected {{else}}"));
        };
        let Some(finished) = pipe.take() else {
            return Err(stray("expected end; found {{else}}"));
        };
        arms.push((finished, std::mem::take(&mut self.nodes)));
        self.scope.release(*inner_mark);
        if rest.bytes().all(is_space) {
            return Ok(());
        }
        let (word, after) = keyword(rest);
        if *kind == BranchKind::Range || word != kind.keyword() {
            let text = format!("expected end; found {{{{else{}", rest.trim_end());
            return Err(self.source.syntax(at, text + "}}"));
        }
        let start = after - word.len();
        let inside = rest.get(start..).unwrap_or_default();
        let next = Action::new(self.source, self.functions, at + start, inside, "{{end}}").branch(&mut self.scope)?;
        *pipe = Some(next);
        *inner_mark = self.scope.mark();
        Ok(())
    }

    fn end(&mut self, place: usize) -> Result<(), ParseError> {
        let Some(frame) = self.frames.pop() else {
            return Err(self.source.syntax(place, "unexpected {{end}}"));
        };
        let nodes = std::mem::replace(&mut self.nodes, frame.outer_nodes);
        match frame.opened {
            Opened::Branch {
                kind, mut arms, pipe, ..
            } => {
                let otherwise = match pipe {
                    Some(pipe) => {
                        arms.push((pipe, nodes));
                        Vec::new()
                    }
                    None => nodes,
                };
                self.scope.release(frame.mark);
                let branch = Branch { arms, otherwise };
                self.nodes.push(match kind {
                    BranchKind::If => Node::If(branch),
                    BranchKind::With => Node::With(branch),
                    BranchKind::Range => Node::Range(branch),
                });
                Ok(())
            }
            Opened::Definition { name, outer } => {
                let scope = std::mem::replace(&mut self.scope, outer);
                self.define(
                    frame.at,
                    name,
                    Body {
                        nodes,
                        slots: scope.slots(),
                    },
                )
            }
        }
    }

    /// As in Go a later definition replaces an empty one, an empty one replaces nothing, and two with content clash.
    fn define(&mut self, at: usize, name: Arc<str>, body: Body) -> Result<(), ParseError> {
        let is_empty = |body: &Body| {
            body.nodes
                .iter()
                .all(|node| matches!(node, Node::Text(text) if text.chars().all(char::is_whitespace)))
        };
        match self.definitions.get(&name) {
            Some(_) if is_empty(&body) => Ok(()),
            Some(existing) if !is_empty(existing) => Err(self
                .source
                .syntax(at, format!("multiple definition of template {:?}", &*name))),
            _ => {
                self.definitions.insert(name, body);
                Ok(())
            }
        }
    }

    fn named(&mut self, word: &str, at: usize, inside: &str, place: usize) -> Result<(), ParseError> {
        self.starts_with_name(word, at, inside)?;
        let close = if word == "template" { "" } else { "{{end}}" };
        let action = Action::new(self.source, self.functions, at, inside, close);
        let name = if word == "define" {
            if !self.frames.is_empty() {
                return Err(self.source.syntax(place, "unexpected {{define}}"));
            }
            action.definition()?
        } else {
            let named = action.template(&mut self.scope)?;
            if word == "block" && named.pipe.is_none() {
                return Err(self.source.syntax(place, "missing value for block clause"));
            }
            let name = Arc::clone(&named.name);
            // Go places the call at its name.
            let at = place + word.len() + inside_spaces(inside, word);
            self.nodes.push(Node::Template(Call {
                at,
                name: named.name,
                pipe: named.pipe,
            }));
            if word == "template" {
                return Ok(());
            }
            name
        };
        let mark = self.scope.mark();
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        self.push_frame(at, Opened::Definition { name, outer }, mark)
    }

    /// `define`, `block` and `template` are followed by a string.
    fn starts_with_name(&self, word: &str, at: usize, inside: &str) -> Result<(), ParseError> {
        let (_, after) = keyword(inside);
        let rest = inside.get(after..).unwrap_or_default().trim();
        if rest.starts_with(['"', '`']) {
            return Ok(());
        }
        let found = rest.split_whitespace().next().unwrap_or("}}");
        Err(self
            .source
            .syntax(at + after, format!("unexpected {found:?} in {word} clause")))
    }

    fn leave_loop(
        &mut self,
        place: usize,
        at: usize,
        rest: &str,
        word: &'static str,
        node: Node,
    ) -> Result<(), ParseError> {
        self.nothing_more(at, rest, word)?;
        let in_loop = self
            .frames
            .iter()
            .rev()
            .map_while(|frame| match &frame.opened {
                Opened::Branch { kind, pipe, .. } => Some(*kind == BranchKind::Range && pipe.is_some()),
                Opened::Definition { .. } => None,
            })
            .any(|is_loop| is_loop);
        if !in_loop {
            return Err(self.source.error(place, ParseErrorKind::OutsideLoop(word)));
        }
        self.nodes.push(node);
        Ok(())
    }
}
