//! The steps of an update as a tree: what is done is closed, what fails or waits is open.

use jiff::Timestamp;
use maud::{Markup, html};
use model::words::span;
use model::{Progress, StepNode, Update};

/// What an update says for itself, or else its first step that fails, waits or runs.
pub(crate) fn sentence(update: &Update) -> String {
    if !update.message.is_empty() {
        return update.message.clone();
    }
    for wanted in [Progress::Failing, Progress::Waiting, Progress::Running] {
        let said = update
            .steps
            .iter()
            .find(|step| step.progress == wanted && !step.message.is_empty());
        if let Some(step) = said {
            return format!("{}: {}", step.path, step.message);
        }
    }
    update.summary.clone()
}

/// The tree.
pub(crate) fn tree(update: &Update, now: Timestamp) -> Markup {
    let root = StepNode::tree(&update.steps);
    html! {
        @if root.below.is_empty() { p.none { "No steps yet." } }
        ul.steps { @for node in &root.below { (step(node, "step", now)) } }
    }
}

fn step(node: &StepNode<'_>, above: &str, now: Timestamp) -> Markup {
    let id = format!("{above}-{}", node.name);
    let line = html! {
        span class={ "dot " (node.progress().as_str()) } {}
        span.step-name { (node.name) }
        span.step-progress { (node.progress().as_str()) }
        @if let Some(start) = node.started_at() { span.step-time { (span(node.finished_at().unwrap_or(now).duration_since(start))) } }
        span.step-message { (node.message()) }
    };
    html! {
        li {
            @if node.below.is_empty() {
                div.step { (line) }
            } @else {
                details id=(id) open[!node.is_closed()] {
                    summary.step { (line) }
                    ul.steps { @for below in &node.below { (step(below, &id, now)) } }
                }
            }
        }
    }
}
