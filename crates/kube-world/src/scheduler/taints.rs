//! Taints of nodes and tolerations of pods.

use json_tree::Value;

use super::read;
use crate::cache::NodeTaint;

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// No new pods.
    NoSchedule,
    /// Rather no new pods.
    PreferNoSchedule,
    /// No new pods, and present ones are evicted.
    NoExecute,
}

impl Effect {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "NoSchedule" => Some(Self::NoSchedule),
            "PreferNoSchedule" => Some(Self::PreferNoSchedule),
            "NoExecute" => Some(Self::NoExecute),
            _ => None,
        }
    }
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, often empty.
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

impl Taint {
    /// A taint.
    #[must_use]
    pub fn new(key: &str, value: &str, effect: Effect) -> Self {
        Self {
            key: key.to_owned(),
            value: value.to_owned(),
            effect,
        }
    }

    /// Reads an item of a node's `spec.taints`; an unknown effect is not a taint.
    #[must_use]
    pub fn from_json(taint: &Value) -> Option<Self> {
        Some(Self {
            key: read::text(taint, &["key"])?.to_owned(),
            value: read::text(taint, &["value"]).unwrap_or_default().to_owned(),
            effect: Effect::parse(read::text(taint, &["effect"])?)?,
        })
    }

    /// The taint of a node's view; an unknown effect is not a taint.
    #[must_use]
    pub fn of_view(taint: &NodeTaint) -> Option<Self> {
        let effect = Effect::parse(&taint.effect)?;
        Some(Self::new(&taint.key, &taint.value, effect))
    }

    /// Whether it keeps pods away that do not tolerate it.
    #[must_use]
    pub fn repels(&self) -> bool {
        self.effect != Effect::PreferNoSchedule
    }
}

/// A toleration of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Toleration {
    /// The taint's key; `None` is any.
    pub key: Option<String>,
    /// The taint's value; `None` is any (`operator: Exists`).
    pub value: Option<String>,
    /// The taint's effect; `None` is any.
    pub effect: Option<Effect>,
}

impl Toleration {
    /// Reads an item of a pod's `spec.tolerations`; one with an unknown operator or effect tolerates nothing.
    #[must_use]
    pub fn from_json(toleration: &Value) -> Option<Self> {
        let key = read::text(toleration, &["key"]).filter(|key| !key.is_empty());
        let value = match read::text(toleration, &["operator"]).unwrap_or("Equal") {
            "" | "Equal" => Some(read::text(toleration, &["value"]).unwrap_or_default().to_owned()),
            "Exists" => None,
            _ => return None,
        };
        let effect = match read::text(toleration, &["effect"]).unwrap_or_default() {
            "" => None,
            effect => Some(Effect::parse(effect)?),
        };
        // An empty key means every taint, and only with `Exists`.
        if key.is_none() && value.is_some() {
            return None;
        }
        Some(Self {
            key: key.map(str::to_owned),
            value,
            effect,
        })
    }

    /// Whether it tolerates the taint.
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && self.key.as_ref().is_none_or(|key| *key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// Whether any of the tolerations tolerates the taint.
#[must_use]
pub fn tolerated(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| toleration.tolerates(taint))
}

/// Whether a node with these taints repels a pod with these tolerations.
#[must_use]
pub fn repelled(tolerations: &[Toleration], taints: &[Taint]) -> bool {
    taints
        .iter()
        .any(|taint| taint.repels() && !tolerated(tolerations, taint))
}
