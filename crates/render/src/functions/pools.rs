//! Functions on groups of node pools, and the grammar of labels and taints.

use std::collections::BTreeMap;

use gotemplate::{CallContext, ElementType, Function, FunctionError, Functions, Map, ParamType, Value};

use super::Outcome;

pub(super) fn add(functions: &mut Functions) {
    functions
        .add(
            "zoneDistributedNodePoolGroups",
            Function::new([ParamType::List], zone_distributed),
        )
        .add(
            "nodeLifeCycleProviderPerNodePoolGroup",
            Function::new([ParamType::List], providers),
        );
}

/// What the grouping needs of a pool.
struct Pool {
    profile: String,
    labels: Option<String>,
    taints: Option<String>,
    restricted: bool,
}

impl Pool {
    fn read(context: &mut CallContext<'_>, value: &Value) -> Result<Self, FunctionError> {
        let Value::Object(pool) = value else {
            return Err(FunctionError::wrong_type("*api.NodePool", value));
        };
        let items = pool.field("ConfigItems").unwrap_or_default();
        let mut item = |key: &str| {
            context.record_key(&items, key);
            let text = items.as_map()?.get(key)?.as_str()?;
            Some(text.to_owned())
        };
        let (labels, taints, zones) = (item("labels"), item("taints"), item("availability_zones"));
        let profile = pool.field("Profile").unwrap_or_default();
        Ok(Self {
            profile: profile.as_str().unwrap_or_default().to_owned(),
            labels,
            taints,
            restricted: zones.is_some(),
        })
    }

    /// Value of the label `dedicated`; the last one wins.
    fn dedicated(&self) -> Option<&str> {
        self.labels
            .as_deref()?
            .split(',')
            .filter_map(|label| label.split_once('='))
            .filter(|(key, _)| *key == "dedicated")
            .map(|(_, value)| value)
            .next_back()
            .filter(|value| !value.is_empty())
    }
}

/// Groups by purpose: the label `dedicated`, or the empty string for pools without any taint. Masters are left out.
fn groups(context: &mut CallContext<'_>, arguments: &[Value]) -> Result<BTreeMap<String, Vec<Pool>>, FunctionError> {
    let mut groups: BTreeMap<String, Vec<Pool>> = BTreeMap::new();
    let pools = arguments.first().and_then(Value::as_items).unwrap_or_default();
    for value in pools {
        let pool = Pool::read(context, value)?;
        if pool.profile.starts_with("master") {
            continue;
        }
        if let Some(group) = pool.dedicated() {
            groups.entry(group.to_owned()).or_default().push(pool);
        } else if pool.taints.is_none() {
            groups.entry(String::new()).or_default().push(pool);
        }
    }
    Ok(groups)
}

/// Groups that may be spread evenly over zones (fact 42); the others are absent.
fn zone_distributed(context: &mut CallContext<'_>, arguments: &[Value]) -> Outcome {
    let spread = groups(context, arguments)?
        .into_iter()
        .filter(|(group, pools)| {
            let wanted = format!("dedicated={group}:NoSchedule");
            pools.iter().all(|pool| {
                (group.is_empty() || pool.taints.as_deref() == Some(wanted.as_str()))
                    && !pool.restricted
                    && matches!(pool.profile.as_str(), "worker-splitaz" | "worker-karpenter")
            })
        })
        .map(|(group, _)| (group, Value::from(true)));
    Ok(Value::from(Map::of(ElementType::Bool, spread)))
}

/// Who replaces the nodes of each group (fact 42): empty where profiles are mixed or unknown.
fn providers(context: &mut CallContext<'_>, arguments: &[Value]) -> Outcome {
    let found = groups(context, arguments)?.into_iter().map(|(group, pools)| {
        let profile = pools.first().map_or("", |pool| pool.profile.as_str());
        let uniform = pools.iter().all(|pool| pool.profile == profile);
        let provider = match profile {
            "worker-karpenter" if uniform => "karpenter",
            "worker-combined" | "worker-splitaz" if uniform => "zalando",
            _ => "",
        };
        let group = if group.is_empty() { "default".to_owned() } else { group };
        (group, provider)
    });
    Ok(Value::from(Map::strings(found)))
}

/// Key, value and effect of each taint of a comma list; entries that are not taints are dropped (fact 43).
pub(crate) fn taints(text: &str) -> Vec<(String, String, String)> {
    text.split(',').filter_map(taint).collect()
}

fn taint(text: &str) -> Option<(String, String, String)> {
    let mut parts = text.split(':');
    let (pair, effect) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let Some(effect) = effect else {
        // Without an effect only a bare key is a taint; `key=value` is not.
        return is_label_key(pair).then(|| (pair.to_owned(), String::new(), String::new()));
    };
    if !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        return None;
    }
    let mut pair = pair.split('=');
    let (key, value) = (pair.next()?, pair.next().unwrap_or_default());
    if pair.next().is_some() || !is_label_key(key) || !is_label_value(value) {
        return None;
    }
    Some((key.to_owned(), value.to_owned(), effect.to_owned()))
}

fn is_label_key(key: &str) -> bool {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            let domain = prefix.len() <= 253
                && prefix.split('.').all(|label| {
                    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
                    !label.is_empty()
                        && label.bytes().all(|b| inner(b) || b == b'-')
                        && label.bytes().next().is_some_and(inner)
                        && label.bytes().next_back().is_some_and(inner)
                });
            if !domain {
                return false;
            }
            name
        }
        None => key,
    };
    !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let edge = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    value.len() <= 63
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && edge(value.bytes().next())
        && edge(value.bytes().next_back())
}
