//! Fields that are a number or a percentage (`maxSurge`, `maxUnavailable`, `minAvailable`) and how they are rounded.

use json_tree::Value;

/// A number of pods, absolute or as a share of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntOrPercent {
    /// So many pods.
    Int(i64),
    /// So many of a hundred.
    Percent(i64),
}

/// Where a share that is no whole number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    Up,
    Down,
}

impl IntOrPercent {
    /// Reads the field of an object; what is neither a number nor `N%` is `None`.
    pub(crate) fn read(value: Option<&Value>) -> Option<Self> {
        match value? {
            Value::Number(number) => number.as_i64().map(Self::Int),
            Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Self::Percent),
            _ => None,
        }
    }

    /// The number of pods this comes to when there are `total`.
    pub(crate) fn of(self, total: i64, round: Round) -> i64 {
        match self {
            Self::Int(number) => number,
            Self::Percent(percent) => {
                let product = percent.saturating_mul(total);
                match round {
                    Round::Down => product.div_euclid(100),
                    Round::Up => product.saturating_add(99).div_euclid(100),
                }
            }
        }
    }
}

/// How far a rolling update of a Deployment may go above and below its size: `(surge, unavailable)`.
///
/// Surge is rounded up and unavailability down. Where both come to nothing the update could not move, so one pod may
/// be missing then.
pub(crate) fn fenceposts(surge: Option<IntOrPercent>, unavailable: Option<IntOrPercent>, desired: i64) -> (i64, i64) {
    let surge = surge.map_or(0, |value| value.of(desired, Round::Up));
    let unavailable = unavailable.map_or(0, |value| value.of(desired, Round::Down));
    if surge == 0 && unavailable == 0 {
        return (0, 1);
    }
    (surge, unavailable)
}

#[cfg(test)]
mod tests {
    use json_tree::json;

    use super::*;

    #[test]
    fn shares_are_rounded_as_the_field_asks() {
        for (value, total, up, down) in [
            (json!(3), 10, 3, 3),
            (json!("25%"), 10, 3, 2),
            (json!("25%"), 4, 1, 1),
            (json!("0%"), 10, 0, 0),
            (json!("100%"), 7, 7, 7),
            (json!("1%"), 1, 1, 0),
        ] {
            let read = IntOrPercent::read(Some(&value)).unwrap();
            assert_eq!(
                (read.of(total, Round::Up), read.of(total, Round::Down)),
                (up, down),
                "{value} of {total}"
            );
        }
        for bad in [json!("x%"), json!("5"), json!(null), json!(1.5)] {
            assert_eq!(IntOrPercent::read(Some(&bad)), None, "{bad}");
        }
    }

    #[test]
    fn an_update_can_always_move() {
        let percent = |number| Some(IntOrPercent::Percent(number));
        assert_eq!(fenceposts(percent(25), percent(25), 10), (3, 2));
        assert_eq!(fenceposts(percent(25), percent(25), 1), (1, 0));
        assert_eq!(fenceposts(Some(IntOrPercent::Int(0)), percent(10), 5), (0, 1));
        assert_eq!(fenceposts(None, None, 5), (0, 1));
    }
}
