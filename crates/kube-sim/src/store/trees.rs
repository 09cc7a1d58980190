//! The trees of the objects that were used last.
//!
//! Objects rest as bytes, for trees take several times the memory. But what was written is read again soon: by those who
//! follow the write, and for the next change. So the trees of the newest writes and reads stay for a while, as many as belong to
//! a sixty-fourth part of all stored bytes; the oldest go first.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::Object;

/// The part of the stored bytes whose trees are kept.
const PART: usize = 64;
/// The bytes whose trees are kept however little is stored.
const LEAST: usize = 64 * 1024;

/// Which objects keep their trees, oldest first.
#[derive(Debug, Default)]
pub(super) struct Trees {
    objects: VecDeque<Arc<Object>>,
    bytes: usize,
}

impl Trees {
    /// Lets an object keep its tree; `stored` is the size of all objects together.
    pub(super) fn keep(&mut self, object: &Arc<Object>, tree: Arc<Value>, stored: usize) {
        object.keep(tree);
        self.bytes += object.bytes.len();
        self.objects.push_back(object.clone());
        let most = (stored / PART).max(LEAST);
        while self.bytes > most {
            let Some(oldest) = self.objects.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes.len());
            oldest.let_go();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
}
