//! The arithmetic of a rolling update: how large the new ReplicaSet may become and how far the old ones may shrink.
//!
//! Two bounds hold at every step: never more pods than `desired + surge`, and never fewer available ones than
//! `desired - unavailable` through the controller's own doing.

use jiff::Timestamp;

/// A ReplicaSet as the arithmetic sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetSize {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    /// `spec.replicas`.
    pub(crate) wanted: i64,
    /// `status.availableReplicas`.
    pub(crate) available: i64,
    /// The annotation `deployment.kubernetes.io/max-replicas`.
    pub(crate) max_annotation: Option<i64>,
}

/// The bounds of one Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) desired: i64,
    pub(crate) surge: i64,
    pub(crate) unavailable: i64,
}

impl Bounds {
    fn max_total(self) -> i64 {
        self.desired.saturating_add(self.surge)
    }

    fn min_available(self) -> i64 {
        self.desired.saturating_sub(self.unavailable)
    }
}

/// A ReplicaSet and the size it shall have.
pub(crate) type Resize = (String, i64);

/// Oldest first; sets of one moment by name.
pub(crate) fn by_age(sets: &mut [SetSize]) {
    sets.sort_by(|one, two| one.created.cmp(&two.created).then_with(|| one.name.cmp(&two.name)));
}

/// The size of the new ReplicaSet that the surge allows now; `others` are the sizes of all other ones together.
pub(crate) fn new_size(bounds: Bounds, new: i64, others: i64) -> i64 {
    if new > bounds.desired {
        return bounds.desired;
    }
    let room = bounds.max_total().saturating_sub(new.saturating_add(others));
    if room <= 0 {
        return new;
    }
    new.saturating_add(room.min(bounds.desired - new))
}

/// The old ReplicaSets that may shrink now, first those whose pods are not available anyway.
pub(crate) fn shrink_old(bounds: Bounds, new: &SetSize, old: &[SetSize]) -> Vec<Resize> {
    let total: i64 = old.iter().map(|set| set.wanted).sum();
    if total == 0 {
        return Vec::new();
    }
    let all = total.saturating_add(new.wanted);
    let new_missing = new.wanted.saturating_sub(new.available);
    let mut room = all - bounds.min_available() - new_missing;
    if room <= 0 {
        return Vec::new();
    }
    let mut sets = old.to_vec();
    by_age(&mut sets);
    let before: Vec<i64> = sets.iter().map(|set| set.wanted).collect();
    for set in &mut sets {
        if room <= 0 {
            break;
        }
        let broken = (set.wanted - set.available).max(0).min(room).min(set.wanted);
        set.wanted -= broken;
        room -= broken;
    }
    let available: i64 = sets.iter().map(|set| set.available).sum::<i64>() + new.available;
    let mut spare = available - bounds.min_available();
    for set in &mut sets {
        if spare <= 0 {
            break;
        }
        let fewer = set.wanted.min(spare);
        set.wanted -= fewer;
        spare -= fewer;
    }
    sets.into_iter()
        .zip(before)
        .filter(|(set, before)| set.wanted != *before)
        .map(|(set, _)| (set.name, set.wanted))
        .collect()
}

/// Spreads a change of the Deployment's size over all ReplicaSets that have pods, in proportion to their sizes.
///
/// This is what happens to a Deployment that is scaled in the middle of a rollout. `status_replicas` is the Deployment's
/// own count of pods, taken for sets that do not carry the annotation yet.
pub(crate) fn proportional(bounds: Bounds, sets: &[SetSize], status_replicas: i64) -> Vec<Resize> {
    let total: i64 = sets.iter().map(|set| set.wanted).sum();
    let allowed = if bounds.desired > 0 { bounds.max_total() } else { 0 };
    let change = allowed - total;
    let mut sets = sets.to_vec();
    sets.sort_by(|one, two| {
        let age = one.created.cmp(&two.created).then_with(|| one.name.cmp(&two.name));
        // Growth favours the newer ones of a size, shrinking takes from the older ones first.
        two.wanted
            .cmp(&one.wanted)
            .then(if change > 0 { age.reverse() } else { age })
    });
    let mut done = 0;
    let mut sizes: Vec<Resize> = Vec::new();
    for set in &sets {
        let part = if change == 0 {
            0
        } else {
            proportion(bounds, set, change, done, status_replicas)
        };
        done += part;
        sizes.push((set.name.clone(), set.wanted + part));
    }
    if change != 0
        && let Some((_, first)) = sizes.first_mut()
    {
        *first = (*first + change - done).max(0);
    }
    sizes
}

fn proportion(bounds: Bounds, set: &SetSize, change: i64, done: i64, status_replicas: i64) -> i64 {
    if set.wanted == 0 || change == done {
        return 0;
    }
    let fraction = if bounds.desired == 0 {
        -set.wanted
    } else {
        let base = set
            .max_annotation
            .filter(|max| *max > 0)
            .unwrap_or(status_replicas)
            .max(1);
        round_div(set.wanted.saturating_mul(bounds.max_total()), base) - set.wanted
    };
    let left = change - done;
    if change > 0 {
        fraction.min(left)
    } else {
        fraction.max(left)
    }
}

/// Division of non-negative numbers, halves rounded up.
fn round_div(number: i64, by: i64) -> i64 {
    number
        .saturating_mul(2)
        .saturating_add(by)
        .div_euclid(by.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, wanted: i64, available: i64, max: i64) -> SetSize {
        let created = Timestamp::from_second(i64::from(name.as_bytes()[0])).unwrap();
        SetSize {
            name: name.to_owned(),
            created,
            wanted,
            available,
            max_annotation: Some(max),
        }
    }

    const TEN: Bounds = Bounds {
        desired: 10,
        surge: 3,
        unavailable: 2,
    };

    #[test]
    fn the_new_set_grows_into_the_surge() {
        for (new, others, expected) in [(0, 10, 3), (3, 10, 3), (3, 8, 5), (10, 0, 10), (12, 0, 10), (8, 0, 10)] {
            assert_eq!(new_size(TEN, new, others), expected, "{new} beside {others}");
        }
    }

    #[test]
    fn old_sets_shrink_by_what_is_spare() {
        let check = |new: SetSize, old: &[SetSize], expected: &[(&str, i64)]| {
            let found = shrink_old(TEN, &new, old);
            let found: Vec<(&str, i64)> = found.iter().map(|(name, size)| (name.as_str(), *size)).collect();
            assert_eq!(found, expected);
        };
        // The first step: nothing of the new one is there, so the unavailability goes.
        check(set("n", 3, 0, 13), &[set("a", 10, 10, 13)], &[("a", 8)]);
        check(set("n", 3, 0, 13), &[set("a", 8, 8, 13)], &[]);
        check(set("n", 5, 3, 13), &[set("a", 8, 8, 13)], &[("a", 5)]);
        // Broken pods go first, whichever set they are in, and cost nothing.
        check(
            set("n", 3, 0, 13),
            &[set("a", 5, 5, 13), set("b", 5, 1, 13)],
            &[("b", 3)],
        );
        check(set("n", 10, 10, 13), &[set("a", 3, 3, 13)], &[("a", 0)]);
    }

    #[test]
    fn scaling_in_the_middle_keeps_the_proportions() {
        let bounds = Bounds {
            desired: 15,
            surge: 3,
            unavailable: 2,
        };
        // The example of the documentation: 8 old and 5 new ones of a Deployment of 10 scaled to 15.
        let sizes = proportional(bounds, &[set("o", 8, 8, 13), set("p", 5, 0, 13)], 13);
        assert_eq!(sizes, [("o".to_owned(), 11), ("p".to_owned(), 7)]);
        let none = Bounds {
            desired: 0,
            surge: 0,
            unavailable: 1,
        };
        let sizes = proportional(none, &[set("o", 8, 8, 13), set("p", 5, 0, 13)], 13);
        assert_eq!(sizes, [("o".to_owned(), 0), ("p".to_owned(), 0)]);
    }
}
