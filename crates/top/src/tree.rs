//! The steps of an update as indented lines: what is done is closed, what fails or waits is open.

use jiff::Timestamp;
use model::words::span;
use model::{StepNode, Update};

/// A line with the word that gives it its colour.
pub(crate) type Line = (String, &'static str);

/// The lines.
pub(crate) fn lines(update: &Update, now: Timestamp) -> Vec<Line> {
    let mut lines = Vec::new();
    for node in &StepNode::tree(&update.steps).below {
        add(node, 0, now, &mut lines);
    }
    lines
}

fn add(node: &StepNode<'_>, depth: usize, now: Timestamp, lines: &mut Vec<Line>) {
    let word = node.progress().as_str();
    let lasted = node
        .started_at()
        .map(|at| span(node.finished_at().unwrap_or(now).duration_since(at)));
    let name = format!("{}{}", "  ".repeat(depth), node.name);
    lines.push((
        format!(
            "{name:<30} {word:<8} {:<7} {}",
            lasted.unwrap_or_default(),
            node.message()
        ),
        word,
    ));
    if !node.is_closed() {
        node.below.iter().for_each(|below| add(below, depth + 1, now, lines));
    }
}
