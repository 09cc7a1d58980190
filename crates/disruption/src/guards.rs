//! Which budgets may guard a pod, found by its labels instead of by a look at all budgets of its namespace.

use std::collections::{BTreeMap, BTreeSet};

use crate::labels::{Labels, Selector};
use crate::view::BudgetSlot;

/// The budgets of one namespace by a label that their selector needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guards {
    /// By key and value of that label.
    by_label: BTreeMap<Box<str>, BTreeMap<Box<str>, BTreeSet<BudgetSlot>>>,
    /// Budgets whose selector needs no label of one value.
    others: BTreeSet<BudgetSlot>,
}

impl Guards {
    pub(crate) fn add(&mut self, selector: &Selector, slot: BudgetSlot) {
        match selector.anchor() {
            Some((key, value)) => {
                let values = self.by_label.entry(key.into()).or_default();
                values.entry(value.into()).or_default().insert(slot);
            }
            None => {
                self.others.insert(slot);
            }
        }
    }

    pub(crate) fn remove(&mut self, selector: &Selector, slot: BudgetSlot) {
        let Some((key, value)) = selector.anchor() else {
            self.others.remove(&slot);
            return;
        };
        let Some(values) = self.by_label.get_mut(key) else {
            return;
        };
        if let Some(slots) = values.get_mut(value) {
            slots.remove(&slot);
            if slots.is_empty() {
                values.remove(value);
            }
        }
        if values.is_empty() {
            self.by_label.remove(key);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_label.is_empty() && self.others.is_empty()
    }

    /// The budgets whose selector may match these labels, each once, by their place.
    pub(crate) fn of(&self, labels: &Labels) -> Vec<BudgetSlot> {
        let anchored = self.by_label.iter().filter_map(|(key, values)| {
            let value = labels.get(key)?;
            values.get(value)
        });
        let mut found: Vec<BudgetSlot> = anchored.flatten().chain(&self.others).copied().collect();
        found.sort_unstable();
        found
    }
}
