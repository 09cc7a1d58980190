//! Amounts of compute resources, as capacity is counted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::quantity::Quantity;

/// Amounts by resource: CPU in thousandths of a core, memory and ephemeral storage in bytes, all others in units.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amounts {
    /// Thousandths of a core.
    pub cpu_millis: i64,
    /// Bytes of memory.
    pub memory: i64,
    /// Bytes of ephemeral storage.
    pub ephemeral_storage: i64,
    /// Other resources, such as `nvidia.com/gpu`, in units; not `pods`.
    pub extended: BTreeMap<Box<str>, i64>,
}

/// A resource list as it stands in objects.
pub(super) type List<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

impl Amounts {
    /// Reads a resource list. What is no quantity counts as nothing: the API has refused it before.
    pub(super) fn read(list: &List<'_>) -> Self {
        let mut amounts = Self::default();
        for (name, text) in list {
            match &**name {
                "cpu" => amounts.cpu_millis = cpu_millis(text),
                "memory" => amounts.memory = units(text),
                "ephemeral-storage" => amounts.ephemeral_storage = units(text),
                "pods" => {}
                other => {
                    amounts.extended.insert(other.into(), units(text));
                }
            }
        }
        amounts
    }

    /// Adds another list to this one.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    /// Takes another list away from this one.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    /// Raises each amount to that of another list.
    pub fn raise_to(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Self, join: fn(i64, i64) -> i64) {
        self.cpu_millis = join(self.cpu_millis, other.cpu_millis);
        self.memory = join(self.memory, other.memory);
        self.ephemeral_storage = join(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.extended {
            let here = self.extended.entry(name.clone()).or_default();
            *here = join(*here, *amount);
        }
    }

    /// The amount of a resource by its name.
    #[must_use]
    pub fn amount(&self, resource: &str) -> i64 {
        match resource {
            "cpu" => self.cpu_millis,
            "memory" => self.memory,
            "ephemeral-storage" => self.ephemeral_storage,
            other => self.extended.get(other).copied().unwrap_or(0),
        }
    }

    /// The first resource of which this list asks more than another one has, with both amounts.
    #[must_use]
    pub fn exceeds(&self, free: &Self) -> Option<(&str, i64, i64)> {
        let plain = [
            ("cpu", self.cpu_millis, free.cpu_millis),
            ("memory", self.memory, free.memory),
            ("ephemeral-storage", self.ephemeral_storage, free.ephemeral_storage),
        ];
        let others = self
            .extended
            .iter()
            .map(|(name, wanted)| (&**name, *wanted, free.extended.get(name).copied().unwrap_or(0)));
        plain
            .into_iter()
            .chain(others)
            .find(|(_, wanted, free)| *wanted > 0 && wanted > free)
    }
}

/// Thousandths of a core. The common forms are read directly; the exact parser is for the rest.
fn cpu_millis(text: &str) -> i64 {
    if let Some(millis) = text.strip_suffix('m').and_then(|digits| digits.parse().ok()) {
        return millis;
    }
    if let Ok(cores) = text.parse::<i64>() {
        return cores.saturating_mul(1000);
    }
    let exact = text.parse::<Quantity>().ok();
    exact.and_then(|quantity| quantity.to_millis()).unwrap_or(0)
}

/// Whole units, rounded up.
pub(super) fn units(text: &str) -> i64 {
    const SUFFIXES: [(&str, u32); 4] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];
    if let Ok(units) = text.parse() {
        return units;
    }
    for (suffix, shift) in SUFFIXES {
        if let Some(number) = text.strip_suffix(suffix).and_then(|digits| digits.parse::<i64>().ok()) {
            return number.saturating_mul(1 << shift);
        }
    }
    let exact = text.parse::<Quantity>().ok();
    exact.and_then(|quantity| quantity.to_units()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_counts_them() {
        for (text, millis) in [("250m", 250), ("2", 2000), ("0.5", 500), ("1e1", 10_000), ("x", 0)] {
            assert_eq!(cpu_millis(text), millis, "{text}");
        }
        for (text, bytes) in [
            ("64Mi", 64 << 20),
            ("1Gi", 1 << 30),
            ("1G", 1_000_000_000),
            ("1.5Gi", 3 << 29),
        ] {
            assert_eq!(units(text), bytes, "{text}");
        }
    }

    #[test]
    fn the_scarce_resource_is_named() {
        let list = |cpu: &str, gpu: &str| {
            Amounts::read(&BTreeMap::from([
                ("cpu".into(), cpu.to_owned().into()),
                ("nvidia.com/gpu".into(), gpu.to_owned().into()),
            ]))
        };
        assert_eq!(list("1", "0").exceeds(&list("1", "0")), None);
        assert_eq!(list("2", "0").exceeds(&list("1", "0")), Some(("cpu", 2000, 1000)));
        assert_eq!(list("1", "2").exceeds(&list("1", "1")), Some(("nvidia.com/gpu", 2, 1)));
    }
}
