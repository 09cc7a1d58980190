//! Order by value, and exact sums, differences and products.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use super::Quantity;

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl AddAssign<&Quantity> for Quantity {
    fn add_assign(&mut self, other: &Quantity) {
        self.accumulate(other.nanos.clone(), other.format);
    }
}

impl SubAssign<&Quantity> for Quantity {
    fn sub_assign(&mut self, other: &Quantity) {
        self.accumulate(-&other.nanos, other.format);
    }
}

impl Add for Quantity {
    type Output = Quantity;

    fn add(mut self, other: Quantity) -> Quantity {
        self += &other;
        self
    }
}

impl Sub for Quantity {
    type Output = Quantity;

    fn sub(mut self, other: Quantity) -> Quantity {
        self -= &other;
        self
    }
}

impl Mul<i64> for Quantity {
    type Output = Quantity;

    /// The exact product, as for "so many replicas of this request".
    fn mul(self, count: i64) -> Quantity {
        Quantity {
            nanos: self.nanos * count,
            format: self.format,
        }
    }
}

impl Neg for Quantity {
    type Output = Quantity;

    fn neg(self) -> Quantity {
        Quantity {
            nanos: -self.nanos,
            format: self.format,
        }
    }
}

impl std::iter::Sum for Quantity {
    /// The sum, printed like its first non-zero part; nothing sums up to `0` (fact 31).
    fn sum<I: Iterator<Item = Quantity>>(parts: I) -> Quantity {
        parts.fold(Quantity::zero(), Add::add)
    }
}

impl<'a> std::iter::Sum<&'a Quantity> for Quantity {
    fn sum<I: Iterator<Item = &'a Quantity>>(parts: I) -> Quantity {
        parts.fold(Quantity::zero(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}
