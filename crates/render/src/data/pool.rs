//! `.NodePool` and `.Values.InstanceInfo`.

use std::sync::Arc;

use gotemplate::{ElementType, Function, FunctionError, List, ParamType, Record, Value};
use model::NodePool;

use crate::facts::InstanceType;
use crate::functions::taints;
use crate::items::{Layered, to_value};

use super::KARPENTER;
use super::lazy::Lazy;

/// A pool with the items that it sees.
pub(crate) fn node_pool(pool: &NodePool, items: &Arc<Layered>, provenance: &str) -> Value {
    let first = pool.instance_types.first().map(String::as_str).unwrap_or_default();
    let (of_taints, of_requirements, of_items) = (Arc::clone(items), Arc::clone(items), Arc::clone(items));
    let record = Record::new("*api.NodePool")
        .field("DiscountStrategy", pool.discount_strategy.as_str())
        .field(
            "InstanceTypes",
            Value::strings(pool.instance_types.iter().map(String::as_str)),
        )
        .field("Name", pool.name.as_str())
        .field("Profile", pool.profile.as_str())
        .field("MinSize", pool.min_size)
        .field("MaxSize", pool.max_size)
        .field("ConfigItems", Value::Nil)
        .field("InstanceType", first)
        .method("IsSpot", constant(pool.is_spot()))
        .method("IsMaster", constant(pool.profile.contains("master")))
        .method("IsKarpenter", constant(pool.profile == KARPENTER))
        .method("Taints", Function::new([], move |_, _| Ok(taint_list(&of_taints))))
        .method("KarpenterInstanceTypeStrategy", constant(strategy(pool)))
        .method(
            "KarpenterRequirements",
            Function::new([], move |_, _| {
                karpenter_requirements(of_requirements.text("requirements"))
            }),
        )
        .with_provenance(provenance);
    let provenance = format!("{provenance}.ConfigItems");
    Value::object(Lazy::new(record).part("ConfigItems", move || to_value(&of_items, &provenance)))
}

fn constant(value: impl Into<Value>) -> Function {
    Function::constant(value.into())
}

fn taint_list(items: &Layered) -> Value {
    let found = items.get("taints").map(|text| taints(text)).unwrap_or_default();
    let records = found.into_iter().map(|(key, value, effect)| {
        Value::object(
            Record::new("*v1.Taint")
                .field("Key", key)
                .field("Value", value)
                .field("Effect", effect),
        )
    });
    Value::from(List::of(ElementType::Object("*v1.Taint"), records))
}

fn strategy(pool: &NodePool) -> &'static str {
    match pool.instance_types.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["not-specified"] => "not-specified",
        ["default-for-karpenter"] => "default-for-karpenter",
        _ => "custom",
    }
}

/// The item `requirements`: a YAML list of key, operator, values and minValues.
fn karpenter_requirements(text: &str) -> Result<Value, FunctionError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Requirement {
        key: String,
        operator: String,
        #[serde(default)]
        values: Vec<String>,
        #[serde(default)]
        min_values: Option<i64>,
    }
    if text.trim().is_empty() {
        return Ok(Value::from(List::new([])));
    }
    let list: Vec<Requirement> =
        yaml::from_str(text).map_err(|error| FunctionError::new(format!("config item requirements: {error}")))?;
    let records = list.into_iter().map(|requirement| {
        Value::object(
            Record::new("api.KarpenterRequirement")
                .field("Key", requirement.key)
                .field("Operator", requirement.operator)
                .field("Values", Value::strings(requirement.values))
                .field("MinValues", requirement.min_values.map_or(Value::Nil, Value::from)),
        )
    });
    Ok(Value::from(List::of(
        ElementType::Object("api.KarpenterRequirement"),
        records,
    )))
}

/// The machine of a pool; for several types the element-wise minimum with the architecture of the first.
pub(crate) fn instance_info(names: &[&str], types: &[InstanceType]) -> Option<Value> {
    let first = types.first()?;
    let least = |field: fn(&InstanceType) -> i64| types.iter().map(field).min().unwrap_or_default();
    let name = match names {
        [only] => only,
        _ => "<multiple>",
    };
    let (memory, devices, size) = (
        least(|t| t.memory),
        least(|t| t.storage_devices),
        least(|t| t.storage_device_size),
    );
    let storage = Function::new(
        [ParamType::Float, ParamType::Int, ParamType::Int],
        move |_, arguments| match arguments {
            [Value::Float(factor), Value::Int(units), Value::Int(unit)] => {
                available_storage(*factor, *units, *unit, devices.saturating_mul(size))
            }
            _ => Err(FunctionError::new("AvailableStorage: three numbers are needed")),
        },
    );
    let fraction = Function::new([ParamType::Int], move |_, arguments| {
        let percent = arguments.first().and_then(Value::as_int).unwrap_or_default();
        let bytes = i128::from(memory) * i128::from(percent) / 100;
        i64::try_from(bytes)
            .map(Value::from)
            .map_err(|_| FunctionError::new("MemoryFraction: number out of range"))
    });
    let record = Record::new("aws.Instance")
        .field("InstanceType", name)
        .field("VCPU", least(|t| t.vcpu))
        .field("Memory", memory)
        .field("InstanceStorageDevices", devices)
        .field("InstanceStorageDeviceSize", size)
        .field("Architecture", first.architecture.as_str())
        .method("AvailableStorage", storage)
        .method("MemoryFraction", fraction)
        .with_provenance("Values.InstanceInfo");
    Some(Value::object(record))
}

/// Without local disks the root volume counts, in units; else the local disks, scaled and cut off (fact 41).
fn available_storage(factor: f64, units: i64, unit: i64, disks: i64) -> Result<Value, FunctionError> {
    if disks == 0 {
        let bytes = units.checked_mul(unit);
        return bytes
            .map(Value::from)
            .ok_or_else(|| FunctionError::new("AvailableStorage: number out of range"));
    }
    // The product is an f64 by contract; `{:.0}` after `trunc` is exact and avoids a lossy cast.
    let disks: f64 = disks.to_string().parse().unwrap_or(f64::INFINITY);
    let bytes = (factor * disks).trunc();
    format!("{bytes:.0}")
        .parse::<i64>()
        .map(Value::from)
        .map_err(|_| FunctionError::new("AvailableStorage: number out of range"))
}
