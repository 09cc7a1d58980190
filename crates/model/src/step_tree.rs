//! The steps of an update as the tree that their paths make.

use jiff::Timestamp;

use crate::{Progress, UpdateStep};

/// A step, or a group of steps that share the beginning of their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepNode<'a> {
    /// The last part of its path.
    pub name: &'a str,
    /// The step itself, unless this is only a group.
    pub step: Option<&'a UpdateStep>,
    /// What is below it, in the order in which it was planned.
    pub below: Vec<StepNode<'a>>,
}

impl<'a> StepNode<'a> {
    /// The tree of all steps; its root has no name.
    #[must_use]
    pub fn tree(steps: &'a [UpdateStep]) -> Self {
        let mut root = Self::default();
        steps.iter().for_each(|step| root.add(&step.path, step));
        root
    }

    fn add(&mut self, path: &'a str, step: &'a UpdateStep) {
        let (name, rest) = path
            .split_once('/')
            .map_or((path, None), |(name, rest)| (name, Some(rest)));
        let at = match self.below.iter().position(|node| node.name == name) {
            Some(at) => at,
            None => {
                self.below.push(Self {
                    name,
                    ..Self::default()
                });
                self.below.len() - 1
            }
        };
        let Some(node) = self.below.get_mut(at) else { return };
        match rest {
            Some(rest) => node.add(rest, step),
            None => node.step = Some(step),
        }
    }

    /// The steps of this node and below it.
    #[must_use]
    pub fn steps(&self) -> Vec<&'a UpdateStep> {
        let own = self.step.into_iter();
        own.chain(self.below.iter().flat_map(Self::steps)).collect()
    }

    /// How far it is: as far as the part that deserves attention most.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let all = self.steps().into_iter().map(|step| step.progress);
        all.max_by_key(|progress| attention(*progress)).unwrap_or_default()
    }

    /// When the first of it began.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.steps().into_iter().filter_map(|step| step.started_at).min()
    }

    /// When the last of it was over; `None` while a step that began is not over.
    #[must_use]
    pub fn finished_at(&self) -> Option<Timestamp> {
        let steps = self.steps();
        let over = |step: &&UpdateStep| step.finished_at.is_some() || step.started_at.is_none();
        let last = steps.iter().map(|step| step.finished_at).max().flatten();
        last.filter(|_| steps.iter().all(over))
    }

    /// Whether it is a group in which nothing is left to see.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.below.is_empty() && matches!(self.progress(), Progress::Done | Progress::Skipped)
    }

    /// What its step says, with the number of the attempt after the first one; the number of steps of a closed group.
    #[must_use]
    pub fn message(&self) -> String {
        match self.step {
            _ if self.is_closed() => format!("({} steps)", self.steps().len()),
            Some(step) if step.attempts > 1 => format!("attempt {}: {}", step.attempts, step.message),
            Some(step) => step.message.clone(),
            None => String::new(),
        }
    }
}

fn attention(progress: Progress) -> u8 {
    match progress {
        Progress::Failing => 6,
        Progress::Waiting => 5,
        Progress::Stopped => 4,
        Progress::Running => 3,
        Progress::Pending => 2,
        Progress::Done => 1,
        Progress::Skipped => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(path: &str, progress: Progress) -> UpdateStep {
        let at = |second| Timestamp::from_second(second).unwrap();
        UpdateStep {
            path: path.to_owned(),
            progress,
            started_at: Some(at(1)),
            finished_at: progress.is_over().then(|| at(9)),
            attempts: if progress == Progress::Failing { 3 } else { 1 },
            message: "said".to_owned(),
        }
    }

    #[test]
    fn groups_are_as_far_as_the_part_that_needs_attention_most() {
        let steps = [
            step("stack", Progress::Done),
            step("manifests/dns", Progress::Done),
            step("manifests/proxy", Progress::Skipped),
            step("pools/worker/stack", Progress::Done),
            step("pools/worker/nodes", Progress::Failing),
        ];
        let tree = StepNode::tree(&steps);
        let seen: Vec<_> = tree
            .below
            .iter()
            .map(|node| (node.name, node.progress(), node.is_closed(), node.message()))
            .collect();
        let expected = [
            ("stack", Progress::Done, false, "said"),
            ("manifests", Progress::Done, true, "(2 steps)"),
            ("pools", Progress::Failing, false, ""),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, progress, closed, said)| (name, progress, closed, said.to_owned()))
            .collect();
        assert_eq!(seen, expected);
        let second = |at: Option<Timestamp>| at.map(Timestamp::as_second);
        let [_, manifests, pools] = tree.below.as_slice() else {
            panic!("three groups")
        };
        assert_eq!(
            (second(manifests.started_at()), second(manifests.finished_at())),
            (Some(1), Some(9))
        );
        assert_eq!(pools.finished_at(), None);
        let leaf = pools.below.first().and_then(|worker| worker.below.last());
        assert_eq!(leaf.map(StepNode::message).as_deref(), Some("attempt 3: said"));
    }
}
