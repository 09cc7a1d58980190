//! The trees of the objects that were used last.
//!
//! Objects rest as bytes, for trees take several times the memory. But what was written is read again soon: by those who
//! follow the write, and for the next change. So the trees of the newest writes and reads stay for a while, as many as belong to
//! a sixteenth part of all stored bytes; the oldest go first.

use std::collections::VecDeque;
use std::sync::Arc;

use json_tree::Value;

use super::Object;

/// The part of the stored bytes whose trees are kept.
const PART: usize = 16;
/// The bytes whose trees are kept however little is stored.
const LEAST: usize = 64 * 1024;

/// Objects that have lost their trees before their turn, and wait in the queue all the same, however few there are.
const IDLE: usize = 64;

/// Which objects keep their trees, oldest first. A tree may be let go early, when it moves on to the next version of its object:
/// then its object stays in the queue and counts no more.
#[derive(Debug, Default)]
pub(super) struct Trees {
    objects: VecDeque<Arc<Object>>,
    /// How many trees there are.
    count: usize,
    bytes: usize,
}

impl Trees {
    /// Lets an object keep its tree; `stored` is the size of all objects together.
    pub(super) fn keep(&mut self, object: &Arc<Object>, tree: Arc<Value>, stored: usize) {
        if object.keep(tree).is_some() {
            return;
        }
        self.count += 1;
        self.bytes += object.bytes.len();
        self.objects.push_back(object.clone());
        let most = (stored / PART).max(LEAST);
        while self.bytes > most {
            let Some(oldest) = self.objects.pop_front() else { break };
            self.let_go(&oldest);
        }
        if self.objects.len() > 2 * self.count + IDLE {
            self.objects.retain(|object| object.has_tree());
        }
    }

    /// Takes the tree of an object away, if it has one.
    pub(super) fn let_go(&mut self, object: &Object) -> Option<Arc<Value>> {
        let tree = object.let_go()?;
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(object.bytes.len());
        Some(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    #[test]
    fn the_oldest_trees_go() {
        let mut trees = Trees::default();
        let object = |number: u64| {
            let value = json!({"data": {"text": "x".repeat(LEAST / 4)}, "metadata": {"name": number.to_string()}});
            Arc::new(Object::new(&value, number, &[]))
        };
        let objects: Vec<Arc<Object>> = (1..=5).map(object).collect();
        for object in &objects {
            trees.keep(object, object.tree(), 0);
        }
        let kept = |objects: &[Arc<Object>]| objects.iter().map(|object| object.kept().is_some()).collect::<Vec<_>>();
        assert_eq!(kept(&objects), [false, false, true, true, true]);
        let mut trees = Trees::default();
        for object in &objects {
            trees.keep(object, object.tree(), LEAST * PART * 2);
        }
        assert_eq!(kept(&objects), [true, true, true, true, true]);
    }
    #[test]
    fn trees_that_moved_on_make_room() {
        let mut trees = Trees::default();
        let object = |number: u64| {
            let value = json!({"data": {"text": "x".repeat(LEAST / 4)}, "metadata": {"name": number.to_string()}});
            Arc::new(Object::new(&value, number, &[]))
        };
        let first = object(0);
        trees.keep(&first, first.tree(), 0);
        let mut moving = object(1);
        trees.keep(&moving, moving.tree(), 0);
        for number in 2..1_000 {
            let tree = trees.let_go(&moving).unwrap();
            moving = object(number);
            trees.keep(&moving, tree, 0);
        }
        assert!(first.has_tree() && moving.has_tree());
        assert_eq!(trees.let_go(&object(7)), None);
        assert_eq!(trees.count, 2);
        assert!(trees.objects.len() <= 2 * trees.count + IDLE, "{}", trees.objects.len());
    }
}
