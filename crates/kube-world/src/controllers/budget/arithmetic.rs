//! The numbers of a PodDisruptionBudget: how many pods should be healthy and how many may go.

use crate::controllers::support::int_or_percent::{IntOrPercent, Round};

/// What a budget asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    MinAvailable(IntOrPercent),
    MaxUnavailable(IntOrPercent),
    /// Neither field: one pod fewer than all, which is nothing to go by, so nothing is required.
    Nothing,
}

impl Wish {
    /// Whether the wish can only be understood with the sizes of the pods' owners.
    pub(crate) fn needs_scale(self) -> bool {
        !matches!(self, Self::MinAvailable(IntOrPercent::Int(_)) | Self::Nothing)
    }
}

/// The numbers in a budget's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) expected: i64,
    pub(crate) desired: i64,
    pub(crate) healthy: i64,
    pub(crate) allowed: i64,
}

/// Computes the status; `pods` are the pods that the selector finds, `scale` is the size their owners want together.
///
/// Shares are rounded up on both sides, as the real controller does: of seven pods `50%` leaves four to be available,
/// or four that may be missing.
pub(crate) fn numbers(wish: Wish, pods: i64, scale: i64, healthy: i64) -> Numbers {
    let (expected, desired) = match wish {
        Wish::MinAvailable(IntOrPercent::Int(count)) => (pods, count),
        Wish::MinAvailable(share) => (scale, share.of(scale, Round::Up)),
        Wish::MaxUnavailable(share) => (scale, (scale - share.of(scale, Round::Up)).max(0)),
        Wish::Nothing => (pods, 0),
    };
    // A budget of no pods allows nothing, whatever it asks for.
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    Numbers {
        expected,
        desired,
        healthy,
        allowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_a_real_cluster() {
        use IntOrPercent::{Int, Percent};
        for (wish, pods, scale, healthy, expected, desired, allowed) in [
            (Wish::MinAvailable(Int(9)), 10, 0, 10, 10, 9, 1),
            (Wish::MinAvailable(Int(9)), 10, 0, 9, 10, 9, 0),
            (Wish::MinAvailable(Int(9)), 10, 0, 8, 10, 9, 0),
            (Wish::MinAvailable(Percent(50)), 7, 7, 7, 7, 4, 3),
            (Wish::MaxUnavailable(Percent(50)), 7, 7, 7, 7, 3, 4),
            (Wish::MaxUnavailable(Int(1)), 9, 10, 9, 10, 9, 0),
            (Wish::MaxUnavailable(Int(0)), 3, 3, 3, 3, 3, 0),
            (Wish::MaxUnavailable(Int(5)), 3, 3, 3, 3, 0, 3),
            (Wish::MinAvailable(Int(0)), 0, 0, 0, 0, 0, 0),
            (Wish::MinAvailable(Percent(100)), 0, 0, 0, 0, 0, 0),
        ] {
            let found = numbers(wish, pods, scale, healthy);
            assert_eq!(
                found,
                Numbers {
                    expected,
                    desired,
                    healthy,
                    allowed
                },
                "{wish:?} of {pods}/{scale}"
            );
        }
    }
}
