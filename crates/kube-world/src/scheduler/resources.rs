//! Amounts of resources: what pods request and what nodes have.

use std::collections::BTreeMap;

use json_tree::Value;

use super::read;

/// What a container without a CPU request counts as when nodes are compared, in thousandths of a core.
const UNSTATED_CPU: i64 = 100;
/// What a container without a memory request counts as when nodes are compared, in bytes.
const UNSTATED_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts of resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Local ephemeral storage in bytes.
    pub ephemeral: i64,
    /// Everything else (extended resources, huge pages) by name, in whole units.
    pub other: BTreeMap<String, i64>,
}

impl Resources {
    /// Reads a resource list; unreadable quantities count as absent.
    #[must_use]
    pub fn from_json(list: Option<&Value>) -> Self {
        let mut resources = Self::default();
        for (name, amount) in list.and_then(Value::as_object).into_iter().flatten() {
            resources.put(name, amount);
        }
        resources
    }

    fn put(&mut self, name: &str, amount: &Value) {
        match name {
            "cpu" => self.cpu = read::millis(amount).unwrap_or_default(),
            "memory" => self.memory = read::units(amount).unwrap_or_default(),
            "ephemeral-storage" => self.ephemeral = read::units(amount).unwrap_or_default(),
            "pods" => {}
            _ => {
                self.other
                    .insert(name.to_owned(), read::units(amount).unwrap_or_default());
            }
        }
    }

    /// Adds other amounts.
    pub fn add(&mut self, more: &Self) {
        self.cpu = self.cpu.saturating_add(more.cpu);
        self.memory = self.memory.saturating_add(more.memory);
        self.ephemeral = self.ephemeral.saturating_add(more.ephemeral);
        for (name, amount) in &more.other {
            let sum = self.other.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    /// Takes amounts away that were added before.
    pub fn subtract(&mut self, less: &Self) {
        self.cpu = self.cpu.saturating_sub(less.cpu);
        self.memory = self.memory.saturating_sub(less.memory);
        self.ephemeral = self.ephemeral.saturating_sub(less.ephemeral);
        for (name, amount) in &less.other {
            let rest = self.other.entry(name.clone()).or_default();
            *rest = rest.saturating_sub(*amount);
        }
    }

    fn raise(&mut self, at_least: &Self) {
        self.cpu = self.cpu.max(at_least.cpu);
        self.memory = self.memory.max(at_least.memory);
        self.ephemeral = self.ephemeral.max(at_least.ephemeral);
        for (name, amount) in &at_least.other {
            let level = self.other.entry(name.clone()).or_default();
            *level = (*level).max(*amount);
        }
    }

    /// Whether nothing at all is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpu == 0 && self.memory == 0 && self.ephemeral == 0 && self.other.is_empty()
    }
}

/// What a pod asks of its node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Requests {
    /// The requests that must fit.
    pub stated: Resources,
    /// CPU for comparing nodes: containers that state none count as a tenth of a core.
    pub weighed_cpu: i64,
    /// Memory for comparing nodes: containers that state none count as 200 MiB.
    pub weighed_memory: i64,
}

impl Requests {
    /// The requests of a pod's `spec`: containers together, init containers one after the other beside the sidecars that
    /// were started before, pod-level requests in place of the sum, and the runtime's overhead.
    #[must_use]
    pub fn of_pod(spec: &Value) -> Self {
        let stated = total(spec, |resources| resources);
        let weighed = total(spec, |mut resources| {
            if resources.cpu == 0 {
                resources.cpu = UNSTATED_CPU;
            }
            if resources.memory == 0 {
                resources.memory = UNSTATED_MEMORY;
            }
            resources
        });
        Self {
            stated,
            weighed_cpu: weighed.cpu,
            weighed_memory: weighed.memory,
        }
    }
}

fn total(spec: &Value, weigh: impl Fn(Resources) -> Resources) -> Resources {
    let of = |container: &Value| weigh(Resources::from_json(read::at(container, &["resources", "requests"])));
    let mut sum = Resources::default();
    for container in read::list(spec, &["containers"]) {
        sum.add(&of(container));
    }
    let (mut sidecars, mut start) = (Resources::default(), Resources::default());
    for container in read::list(spec, &["initContainers"]) {
        let mut needed = of(container);
        if read::text(container, &["restartPolicy"]) == Some("Always") {
            sum.add(&needed);
            sidecars.add(&needed);
            start.raise(&sidecars);
        } else {
            needed.add(&sidecars);
            start.raise(&needed);
        }
    }
    sum.raise(&start);
    if let Some(of_pod) = read::at(spec, &["resources", "requests"]).and_then(Value::as_object) {
        for (name, amount) in of_pod {
            sum.put(name, amount);
        }
    }
    sum.add(&Resources::from_json(read::at(spec, &["overhead"])));
    sum.other.retain(|_, amount| *amount != 0);
    sum
}
