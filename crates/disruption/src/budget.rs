//! Pod disruption budgets, with the API server's arithmetic.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::labels::Selector;
use crate::names::BudgetKey;

/// A number or a share of the expected pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// So many pods.
    Count(u32),
    /// So many per cent of the expected pods, rounded up.
    Percent(u32),
}

/// Why a text is no [`Amount`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither a number of pods nor a percentage such as 25%")]
pub struct AmountError {
    /// The text.
    pub text: String,
}

impl Amount {
    /// Reads `3` or `25%`.
    ///
    /// # Errors
    /// [`AmountError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let error = || AmountError {
            text: text.chars().take(32).collect(),
        };
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().map(Self::Percent).map_err(|_| error()),
            None => text.parse().map(Self::Count).map_err(|_| error()),
        }
    }

    /// The number of pods, shares rounded up, as the disruption controller does for minima and maxima alike.
    #[must_use]
    pub fn of(self, expected: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let product = u64::from(percent) * u64::from(expected);
                u32::try_from(product.div_ceil(100)).unwrap_or(u32::MAX)
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Which side of the budget its author fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// At least so many healthy.
    MinAvailable(Amount),
    /// At most so many not healthy.
    MaxUnavailable(Amount),
}

impl Limit {
    /// How many of `expected` pods must be healthy.
    #[must_use]
    pub fn required(self, expected: u32) -> u32 {
        match self {
            Self::MinAvailable(amount) => amount.of(expected),
            Self::MaxUnavailable(amount) => expected.saturating_sub(amount.of(expected)),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinAvailable(amount) => write!(f, "min available {amount}"),
            Self::MaxUnavailable(amount) => write!(f, "max unavailable {amount}"),
        }
    }
}

/// `spec.unhealthyPodEvictionPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnhealthyPods {
    /// Pods that are not ready may go only while enough others are healthy; what an absent field means.
    #[default]
    IfHealthyBudget,
    /// Pods that are not ready may always go.
    AlwaysAllow,
}

/// A pod disruption budget with the status that its controller last wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Namespace and name.
    pub key: BudgetKey,
    /// The pods that it guards, in its namespace.
    pub selector: Selector,
    /// The side that its author fixed.
    pub limit: Limit,
    /// What holds for pods that are not ready.
    pub unhealthy: UnhealthyPods,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`; below `generation` the status is stale and the API server refuses every eviction.
    pub observed_generation: i64,
    /// `status.expectedPods`.
    pub expected: u32,
    /// `status.currentHealthy`.
    pub healthy: u32,
    /// `status.desiredHealthy`.
    pub desired: u32,
    /// `status.disruptionsAllowed`; a negative number in the object reads as 0.
    pub allowed: u32,
    /// When we last force-terminated one of its pods. The executor keeps it in the evidence record; it bridges the moment
    /// in which the old pod is gone and its replacement is not there yet.
    pub last_forced: Option<Timestamp>,
}

impl Budget {
    /// A budget whose status fits `healthy` of `expected` pods.
    #[must_use]
    pub fn new(key: BudgetKey, selector: Selector, limit: Limit, expected: u32, healthy: u32) -> Self {
        let mut budget = Self {
            key,
            selector,
            limit,
            unhealthy: UnhealthyPods::default(),
            generation: 1,
            observed_generation: 1,
            expected: 0,
            healthy: 0,
            desired: 0,
            allowed: 0,
            last_forced: None,
        };
        budget.set_status(expected, healthy);
        budget
    }

    /// Writes the status as the disruption controller would.
    pub fn set_status(&mut self, expected: u32, healthy: u32) {
        self.expected = expected;
        self.healthy = healthy;
        self.desired = self.limit.required(expected);
        self.allowed = if expected == 0 {
            0
        } else {
            healthy.saturating_sub(self.desired)
        };
        self.observed_generation = self.generation;
    }

    /// The status was made from an older specification.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.observed_generation < self.generation
    }

    /// How many pods could be gone at once if all were healthy.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.expected.saturating_sub(self.limit.required(self.expected))
    }

    /// No eviction can ever succeed, however healthy the pods are.
    #[must_use]
    pub fn allows_nothing(&self) -> bool {
        self.room() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_up() {
        for (limit, expected, required) in [
            (Limit::MaxUnavailable(Amount::Percent(1)), 10, 9),
            (Limit::MaxUnavailable(Amount::Percent(30)), 10, 7),
            (Limit::MaxUnavailable(Amount::Percent(25)), 3, 2),
            (Limit::MaxUnavailable(Amount::Percent(0)), 3, 3),
            (Limit::MaxUnavailable(Amount::Count(5)), 3, 0),
            (Limit::MinAvailable(Amount::Percent(50)), 3, 2),
            (Limit::MinAvailable(Amount::Percent(100)), 7, 7),
            (Limit::MinAvailable(Amount::Count(2)), 1, 2),
        ] {
            assert_eq!(limit.required(expected), required, "{limit} of {expected}");
        }
    }

    #[test]
    fn amounts_are_numbers_or_shares() {
        assert_eq!(Amount::parse("3"), Ok(Amount::Count(3)));
        assert_eq!(Amount::parse("25%"), Ok(Amount::Percent(25)));
        for text in ["", "%", "-1", "x", "1.5", "3 %"] {
            assert!(Amount::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_budget_without_pods_allows_nothing_now() {
        let key = BudgetKey::new("shop", "cart");
        let limit = Limit::MaxUnavailable(Amount::Count(1));
        let budget = Budget::new(key, Selector::All(Vec::new()), limit, 0, 0);
        assert_eq!((budget.allowed, budget.desired), (0, 0));
    }
}
